//! The whole of it: a database, two runners, a relay, people, and faults, and each step that can happen next.

use std::fmt;

use crate::database::{Answer, Database, Decision, Doubt, Item, Process, Rules, Verb};
use crate::guards::Guard;
use crate::numbers::Numbers;
use crate::properties::Property;
use crate::runner::{LEASES, Runner};

pub const RECIPIENTS: usize = 3;
pub const CHUNKS: usize = 5;
pub const RUNNERS: usize = 2;

pub type Db = Database<RECIPIENTS, CHUNKS>;

/// What may still happen that nobody wants, or that a person does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    /// A living runner is taken for dead.
    pub thought_dead: u8,
    pub lost_answers: u8,
    /// No reply to the final dot.
    pub unanswered_dots: u8,
    pub deferrals: u8,
    pub refusals: u8,
    pub cancels: u8,
    pub pauses: u8,
    pub retries: u8,
    pub resends: u8,
    pub decided_sent: u8,
    pub terminations: u8,
    /// A claim was made before an earlier one was heard.
    pub outdated_claims: u8,
    pub failovers: u8,
}

/// A request that its client gave up on, and that the server may execute all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delayed {
    pub process: Process,
    pub item: Item<RECIPIENTS>,
}

/// A standby that received nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standby {
    pub database: Db,
    /// The runners that it saw alive.
    pub runners: [Process; RUNNERS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub database: Db,
    pub standby: Option<Standby>,
    pub runners: [Runner; RUNNERS],
    pub delayed: Option<Delayed>,
    /// How often the relay accepted a mail to each.
    pub accepted: [u8; RECIPIENTS],
    /// How often somebody asked to mail each again although that might be a second time.
    pub asked: [u8; RECIPIENTS],
    /// Acceptances that the database was told of.
    pub told: [u8; RECIPIENTS],
    pub has_failed_over: bool,
    /// A person let the job go on of which only the dead know something.
    pub is_left_to_a_person: bool,
    /// What a step broke that cannot be seen in a state.
    pub broken: Option<Property>,
    pub budget: Budget,
}

/// The place of a lease: runner and lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub runner: usize,
    pub lease: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The call was executed, its answer lost.
    Answer,
    /// The call was not executed, or is later.
    Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Accepted,
    Deferred,
    Refused,
    /// The connection is lost after the final dot.
    None {
        accepted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Claim {
        runner: usize,
        is_lost: bool,
    },
    ClaimByOutdatedList {
        runner: usize,
    },
    Start {
        place: Place,
        position: usize,
    },
    Reply {
        place: Place,
        position: usize,
        reply: Reply,
    },
    Call {
        place: Place,
        loss: Option<Loss>,
    },
    DelayedCall,
    HearOfStop {
        place: Place,
    },
    Terminate {
        runner: usize,
    },
    /// Of what is in flight, the relay accepts these, as bits in order.
    Crash {
        runner: usize,
        accepted: usize,
    },
    Recover {
        process: Process,
    },
    Tick,
    Cancel,
    Pause,
    Resume,
    RetryFailed,
    Resolve(Decision),
    /// The standby receives nothing more.
    Detach,
    FailOver,
    Replay {
        runner: usize,
    },
    GiveUpWaiting,
}

impl Step {
    /// Whether it happens by itself: without a fault, without a person who wants something new.
    pub fn is_progress(self) -> bool {
        match self {
            Step::Claim { is_lost, .. } => !is_lost,
            Step::Call { loss, .. } => loss.is_none(),
            Step::Reply { reply, .. } => reply == Reply::Accepted,
            Step::Start { .. }
            | Step::DelayedCall
            | Step::HearOfStop { .. }
            | Step::Recover { .. }
            | Step::Tick
            | Step::Resume
            | Step::Replay { .. }
            | Step::GiveUpWaiting => true,
            _ => false,
        }
    }
}

impl World {
    /// A campaign whose first recipients have their mail.
    pub fn start(rules: &Rules, budget: Budget, mailed: usize) -> World {
        let mut database = Database::start(rules);
        let mut accepted = [0; RECIPIENTS];
        for (position, accepted) in accepted.iter_mut().enumerate().take(mailed) {
            database.start_with_mail(rules, position);
            *accepted = 1;
        }
        World {
            database,
            standby: None,
            runners: std::array::from_fn(|runner| Runner::new(Process(runner as u8 + 1))),
            delayed: None,
            accepted,
            asked: [0; RECIPIENTS],
            told: [0; RECIPIENTS],
            has_failed_over: false,
            is_left_to_a_person: false,
            broken: None,
            budget,
        }
    }

    /// All steps that may be possible; [`World::after`] knows which are.
    pub fn steps(&self, steps: &mut Vec<Step>) {
        self.steps_of_runners(steps);
        self.steps_of_the_relay(steps);
        self.steps_of_people(steps);
        self.faults(steps);
        steps.push(Step::Tick);
        let leased = self.database.chunks.iter().filter_map(|chunk| chunk.owner);
        let mut owners: Vec<Process> = leased.collect();
        owners.sort_unstable();
        owners.dedup();
        steps.extend(owners.into_iter().map(|process| Step::Recover { process }));
    }

    /// The state after a step; `None`: it is not possible, or changes nothing.
    pub fn after(&self, rules: &Rules, step: Step) -> Option<World> {
        let mut after = *self;
        match step {
            Step::Claim { runner, is_lost } => after.claim(rules, runner, is_lost)?,
            Step::ClaimByOutdatedList { runner } => after.claim_by_outdated_list(rules, runner)?,
            Step::Start { place, position } => after.start_mail(place, position)?,
            Step::Reply {
                place,
                position,
                reply,
            } => after.reply(place, position, reply)?,
            Step::Call { place, loss } => after.call(rules, place, loss)?,
            Step::DelayedCall => after.execute_delayed(rules)?,
            Step::HearOfStop { place } => after.hear_of_stop(place)?,
            Step::Terminate { runner } => after.terminate(runner)?,
            Step::Crash { runner, accepted } => after.crash(runner, accepted)?,
            Step::Recover { process } => after.recover(rules, process)?,
            Step::Tick => after.database.tick(rules),
            Step::Cancel | Step::Pause | Step::Resume | Step::RetryFailed | Step::Resolve(_) => {
                after.decide(rules, step)?;
            }
            Step::Detach => after.detach()?,
            Step::FailOver => after.fail_over(rules)?,
            Step::Replay { runner } => after.replay(rules, runner)?,
            Step::GiveUpWaiting => after.give_up_waiting(rules)?,
        }
        if after == *self {
            return None;
        }
        let is_replay = matches!(step, Step::FailOver | Step::Replay { .. });
        if !is_replay && after.database != self.database {
            after.count_resends(&self.database);
            after.broken = after
                .broken
                .or_else(|| Property::broken_by(rules, self, &after));
        }
        Some(after)
    }

    /// Who is to be mailed again by a person's decision or the campaign's rule.
    fn count_resends(&mut self, before: &Db) {
        for position in 0..RECIPIENTS {
            let doubts = |database: &Db| {
                let doubts = database.doubts[position].iter();
                let resend = |doubt: &&Option<_>| **doubt == Some(Doubt::Resend);
                doubts.filter(resend).count()
            };
            if doubts(&self.database) > doubts(before) {
                self.asked[position] += 1;
            }
        }
    }

    /// Where leases are.
    pub fn places() -> impl Iterator<Item = Place> {
        (0..RUNNERS).flat_map(|runner| (0..LEASES).map(move |lease| Place { runner, lease }))
    }

    /// Whether a failover is still to come, for which runners must remember.
    pub fn remembers(&self) -> bool {
        self.standby.is_some() || self.budget.failovers > 0
    }

    /// Executes a call. Who reports an acceptance is remembered by [`World::told`].
    pub fn execute(
        &mut self,
        rules: &Rules,
        process: Process,
        item: &Item<RECIPIENTS>,
    ) -> Option<Answer> {
        if !self.database.gate_is_open() && rules.has(Guard::GateRefusesMarks) {
            return None;
        }
        self.database.report(rules, process, item).ok()
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let faults = [
            (self.failovers, "failover"),
            (self.crashes, "crash"),
            (self.thought_dead, "thought dead"),
            (self.lost_answers, "answer lost"),
            (self.outdated_claims, "outdated claim"),
            (self.terminations, "told to stop"),
            (self.unanswered_dots, "dot unanswered"),
            (self.deferrals, "refused for now"),
            (self.refusals, "refused for good"),
            (self.retries, "retry"),
            (self.resends, "resend"),
            (self.decided_sent, "decided sent"),
            (self.pauses, "pause"),
            (self.cancels, "cancel"),
        ];
        let named: Vec<String> = (faults.into_iter())
            .filter(|(count, _)| *count > 0)
            .map(|(count, fault)| format!("{count} {fault}"))
            .collect();
        f.write_str(&named.join(", "))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "runner {}, lease {}", self.runner + 1, self.lease + 1)
    }
}

/// Outcomes as `1 sent, 2 returned`.
struct Told<'a>(&'a Item<RECIPIENTS>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let item = self.0;
        match item.verb {
            Verb::Report => write!(f, "reports")?,
            Verb::Release => write!(f, "releases")?,
        }
        write!(f, " chunk {} (epoch {}", item.chunk + 1, item.epoch)?;
        if let Some(mark) = item.next_mark {
            write!(f, ", next mark {mark}")?;
        }
        for (position, outcome) in item.outcomes.iter().enumerate() {
            if let Some(outcome) = outcome {
                let outcome = format!("{outcome:?}").to_lowercase();
                write!(f, ", {} {outcome}", position + 1)?;
            }
        }
        write!(f, ")")
    }
}

impl World {
    /// A step in words, with what it led to.
    pub fn describe(&self, rules: &Rules, step: Step, after: &World) -> String {
        match step {
            Step::Claim { runner, is_lost } => {
                let claimed: Vec<String> = (after.database.chunks.iter().enumerate())
                    .zip(&self.database.chunks)
                    .filter(|((_, chunk), before)| chunk != before)
                    .map(|((number, chunk), _)| {
                        let state = format!("{:?}", chunk.state).to_lowercase();
                        format!(
                            "chunk {} {state}, epoch {}, mark {}",
                            number + 1,
                            chunk.epoch,
                            chunk.mark
                        )
                    })
                    .collect();
                let lost = if is_lost { "; the answer is lost" } else { "" };
                format!("runner {} claims: {}{lost}", runner + 1, claimed.join("; "))
            }
            Step::ClaimByOutdatedList { runner } => {
                format!(
                    "runner {} claims by a list that was made before its last claim was answered",
                    runner + 1
                )
            }
            Step::Start { place, position } => {
                format!("{place}: starts the mail to {}", position + 1)
            }
            Step::Reply {
                place,
                position,
                reply,
            } => {
                let reply = match reply {
                    Reply::Accepted => "accepted",
                    Reply::Deferred => "refused for now",
                    Reply::Refused => "refused for good",
                    Reply::None { accepted: true } => "accepted, but the reply is lost",
                    Reply::None { accepted: false } => {
                        "lost with the connection after the final dot"
                    }
                };
                format!("{place}: the mail to {} is {reply}", position + 1)
            }
            Step::Call { place, loss } => {
                let (mut again, runner) = (*self, &self.runners[place.runner]);
                let Some(item) =
                    runner.leases[place.lease].and_then(|lease| lease.next_call(rules))
                else {
                    return format!("{place}: calls");
                };
                let answer = match (loss, again.execute(rules, runner.process, &item)) {
                    (Some(Loss::Request), _) => "no answer: not executed until now".to_owned(),
                    (_, None) => "refused".to_owned(),
                    (loss, Some(answer)) => {
                        let verdict = format!("{:?}", answer.verdict).to_lowercase();
                        let lost = if loss.is_some() {
                            "; the answer is lost"
                        } else {
                            ""
                        };
                        format!("{verdict}, mark {}, go {}{lost}", answer.mark, answer.go)
                    }
                };
                format!("{place}: {} → {answer}", Told(&item))
            }
            Step::DelayedCall => match self.delayed {
                Some(Delayed { item, .. }) => {
                    format!("the server executes what was given up on: {}", Told(&item))
                }
                None => "the server executes what was given up on".to_owned(),
            },
            Step::HearOfStop { place } => format!("{place}: hears by heartbeat that it is over"),
            Step::Terminate { runner } => format!("runner {} is told to stop", runner + 1),
            Step::Crash { runner, .. } => {
                let flying: Numbers = self.runners[runner].in_flight().collect();
                let accepted: Numbers = (0..RECIPIENTS)
                    .filter(|&position| after.accepted[position] > self.accepted[position])
                    .collect();
                format!(
                    "runner {} dies; in flight {flying}, of which accepted {accepted}",
                    runner + 1
                )
            }
            Step::Recover { process } => {
                let lives = self.runners.iter().any(|runner| runner.process == process);
                format!(
                    "recovery: process {} is {}",
                    process.0,
                    if lives { "taken for dead" } else { "dead" }
                )
            }
            Step::Tick => format!(
                "tick: the job is {}",
                format!("{:?}", after.database.job).to_lowercase()
            ),
            Step::Cancel => "a person cancels".to_owned(),
            Step::Pause => "a person pauses".to_owned(),
            Step::Resume => "a person resumes".to_owned(),
            Step::RetryFailed => "a person retries the failed".to_owned(),
            Step::Resolve(decision) => format!(
                "a person decides about the uncertain: {}",
                format!("{decision:?}").to_lowercase()
            ),
            Step::Detach => "the standby has received all up to here".to_owned(),
            Step::FailOver => "FAILOVER: all commits since then are lost".to_owned(),
            Step::Replay { runner } => format!("runner {} replays what it knows", runner + 1),
            Step::GiveUpWaiting => {
                "nobody waits for the replay of the dead any longer: the job is paused".to_owned()
            }
        }
    }
}
