//! What runners do: claim, call, start, hear; and the relay's replies.

use crate::database::{Answer, Item, Job, Outcome, Process, Rules};
use crate::guards::Guard;
use crate::numbers::Numbers;
use crate::runner::Runner;
use crate::world::{Delayed, Loss, Place, RECIPIENTS, RUNNERS, Reply, Step, World};

impl World {
    pub(crate) fn steps_of_runners(&self, steps: &mut Vec<Step>) {
        for runner in 0..RUNNERS {
            steps.push(Step::Claim {
                runner,
                is_lost: false,
            });
            if self.budget.lost_answers > 0 {
                steps.push(Step::Claim {
                    runner,
                    is_lost: true,
                });
            }
            if self.budget.outdated_claims > 0 {
                steps.push(Step::ClaimByOutdatedList { runner });
            }
        }
        for place in World::places() {
            let Some(lease) = self.runners[place.runner].leases[place.lease] else {
                continue;
            };
            if !lease.is_ending {
                let ready = lease.ready.iter();
                steps.extend(ready.map(|position| Step::Start { place, position }));
                steps.push(Step::HearOfStop { place });
            }
            steps.push(Step::Call { place, loss: None });
            if self.budget.lost_answers > 0 && lease.call.is_none() {
                steps.push(Step::Call {
                    place,
                    loss: Some(Loss::Answer),
                });
                steps.push(Step::Call {
                    place,
                    loss: Some(Loss::Request),
                });
            }
        }
        if self.delayed.is_some() {
            steps.push(Step::DelayedCall);
        }
    }

    pub(crate) fn steps_of_the_relay(&self, steps: &mut Vec<Step>) {
        for place in World::places() {
            let Some(lease) = self.runners[place.runner].leases[place.lease] else {
                continue;
            };
            for position in lease.in_flight.iter() {
                let mut replies = |reply| {
                    steps.push(Step::Reply {
                        place,
                        position,
                        reply,
                    })
                };
                replies(Reply::Accepted);
                if self.budget.unanswered_dots > 0 {
                    replies(Reply::None { accepted: true });
                    replies(Reply::None { accepted: false });
                }
                if self.budget.deferrals > 0 {
                    replies(Reply::Deferred);
                }
                if self.budget.refusals > 0 {
                    replies(Reply::Refused);
                }
            }
        }
    }

    pub(crate) fn claim(&mut self, rules: &Rules, runner: usize, is_lost: bool) -> Option<()> {
        let claimer = self.runners[runner];
        let has_room = claimer.leases.contains(&None);
        if claimer.is_draining || !has_room {
            return None;
        }
        if !self.database.gate_is_open() && rules.has(Guard::GateRefusesClaims) {
            return None;
        }
        let known = claimer.known(&self.database);
        let before = self.database;
        let leased = self.database.claim(rules, claimer.process, 1, known);
        if leased.is_empty() && self.database == before {
            return None;
        }
        if is_lost {
            self.budget.lost_answers -= 1;
        } else {
            for chunk in leased.iter() {
                self.runners[runner].claimed(rules, &self.database, chunk);
            }
        }
        Some(())
    }

    pub(crate) fn claim_by_outdated_list(&mut self, rules: &Rules, runner: usize) -> Option<()> {
        let claimer = self.runners[runner];
        let known = claimer.known(&self.database);
        let forgotten = known.first()?;
        if claimer.is_draining || !claimer.leases.contains(&None) || !self.database.gate_is_open() {
            return None;
        }
        self.budget.outdated_claims -= 1;
        let named = known.without(Numbers::one(forgotten));
        let leased = self.database.claim(rules, claimer.process, 1, named);
        for chunk in leased.iter() {
            self.runners[runner].claimed(rules, &self.database, chunk);
        }
        Some(())
    }

    pub(crate) fn start_mail(&mut self, place: Place, position: usize) -> Option<()> {
        let lease = self.runners[place.runner].leases[place.lease].as_mut()?;
        lease.ready.remove(position);
        lease.in_flight.insert(position);
        Some(())
    }

    pub(crate) fn reply(&mut self, place: Place, position: usize, reply: Reply) -> Option<()> {
        let outcome = match reply {
            Reply::Accepted => Outcome::Sent,
            Reply::Deferred => {
                self.budget.deferrals -= 1;
                Outcome::Deferred
            }
            Reply::Refused => {
                self.budget.refusals -= 1;
                Outcome::Failed
            }
            Reply::None { .. } => {
                self.budget.unanswered_dots -= 1;
                Outcome::Uncertain
            }
        };
        if matches!(reply, Reply::Accepted | Reply::None { accepted: true }) {
            self.accepted[position] += 1;
        }
        let remembers = self.remembers();
        let runner = &mut self.runners[place.runner];
        let lease = runner.leases[place.lease].as_mut()?;
        lease.in_flight.remove(position);
        lease.outcomes[position] = Some(outcome);
        if remembers {
            runner.memory[usize::from(lease.chunk)].outcomes[position] = Some(outcome);
        }
        Some(())
    }

    /// The next call of a lease, or the one without an answer again.
    pub(crate) fn call(&mut self, rules: &Rules, place: Place, loss: Option<Loss>) -> Option<()> {
        let process = self.runners[place.runner].process;
        let lease = self.runners[place.runner].leases[place.lease].as_mut()?;
        let item = lease.next_call(rules)?;
        lease.call(item);
        if loss.is_some() {
            self.budget.lost_answers -= 1;
            lease.unanswered(rules, &item);
        }
        if loss == Some(Loss::Request) {
            self.delayed = Some(Delayed { process, item });
            return Some(());
        }
        let answer = self.tell(rules, process, &item)?;
        if loss.is_some() {
            return Some(());
        }

        let remembers = self.remembers();
        let runner = &mut self.runners[place.runner];
        let lease = runner.leases[place.lease].as_mut()?;
        let (passed, is_over) = lease.answered(&item, answer);
        if remembers {
            let memory = &mut runner.memory[usize::from(item.chunk)];
            memory.passed = memory.passed.and(passed);
            for position in passed.without(answer.go).iter() {
                memory.outcomes[position] = Some(Outcome::Returned);
            }
            for position in 0..RECIPIENTS {
                memory.outcomes[position] = memory.outcomes[position].or(item.outcomes[position]);
            }
        }
        if is_over {
            runner.leases[place.lease] = None;
        }
        self.restart_if_drained(place.runner);
        Some(())
    }

    /// Executes a call and notes the acceptances that the database hears of.
    fn tell(&mut self, rules: &Rules, process: Process, item: &Item<RECIPIENTS>) -> Option<Answer> {
        let before = self.database;
        let answer = self.execute(rules, process, item)?;
        for position in 0..RECIPIENTS {
            let attempt = usize::from(item.attempts[position]);
            let is_told = item.outcomes[position] == Some(Outcome::Sent);
            let is_repetition = before.attempts[position][attempt] == Some(Outcome::Sent)
                && rules.has(Guard::AttemptsAreKeyedByChunk);
            if is_told && !is_repetition {
                self.told[position] += 1;
            }
        }
        Some(answer)
    }

    pub(crate) fn execute_delayed(&mut self, rules: &Rules) -> Option<()> {
        let delayed = self.delayed.take()?;
        self.tell(rules, delayed.process, &delayed.item).map(|_| ())
    }

    pub(crate) fn hear_of_stop(&mut self, place: Place) -> Option<()> {
        let process = self.runners[place.runner].process;
        let lease = self.runners[place.runner].leases[place.lease].as_mut()?;
        let chunk = &self.database.chunks[usize::from(lease.chunk)];
        let is_over =
            self.database.job != Job::Running || !chunk.is_leased_to(process, lease.epoch);
        if !is_over || !self.database.gate_is_open() {
            return None;
        }
        lease.is_ending = true;
        Some(())
    }

    /// SIGTERM: what is in flight ends, everything else goes back.
    pub(crate) fn terminate(&mut self, place: usize) -> Option<()> {
        let runner = &mut self.runners[place];
        if runner.is_draining || !runner.has_leases() {
            return None;
        }
        self.budget.terminations -= 1;
        runner.is_draining = true;
        let leases = runner.leases.iter_mut().flatten();
        leases.for_each(|lease| lease.is_ending = true);
        Some(())
    }

    fn restart_if_drained(&mut self, place: usize) {
        let runner = &self.runners[place];
        if runner.is_draining && !runner.has_leases() {
            self.runners[place] = Runner::new(runner.next_process());
        }
    }
}
