//! What is to be done now, by all that is known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Action, Call, Claim, Flight, FlightNo, Repeated, State, Verb, leases};
use crate::engine::carry::{Assignment, End};
use crate::engine::job::Job;
use crate::engine::lease::Lease;
use crate::engine::plan::Plan;
use crate::storage::{Item, LeaseKey};

/// How long an outcome may wait for others before it is reported.
pub(super) const FLUSH_AFTER: Duration = Duration::from_millis(250);
/// Leases in hand; bounds the memory.
const MAX_LEASES: usize = 64;
const MAX_CLAIM: usize = 8;
const MAX_GRANT: usize = 10_000;
/// What is known of a job without a lease is kept for its next one.
const RETIRE_AFTER: Duration = Duration::from_secs(30);

/// A message to start: its job, its lease, how it is sent, and whether it waits behind another one.
type Next = (i64, LeaseKey, Arc<Plan>, bool);

impl State {
    /// What is to be done now. Each action is given out once.
    pub fn decide(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        self.recall(now);
        self.start(now, &mut actions);
        if let Some((replay, attempt)) = self.next_replay(now) {
            actions.push(Action::Replay { replay, attempt });
        }
        if self.calling.is_none() && !self.is_replaying() {
            self.calling = self.next_call(now).map(Repeated::new);
            self.called_at = now;
            self.jobs.values_mut().for_each(|job| job.pace.called());
        }
        if let Some((call, attempt)) = self.calling.as_mut().and_then(Repeated::next) {
            actions.push(Action::Call { call, attempt });
        }
        self.prefetch();
        self.claim_due |= self.look_at.take_if(|at| now >= *at).is_some();
        if self.claiming.is_none() && !self.is_replaying() {
            self.claiming = self.next_claim().map(Repeated::new);
        }
        if let Some((claim, attempt)) = self.claiming.as_mut().and_then(Repeated::next) {
            actions.push(Action::Claim { claim, attempt });
        }
        self.plan(now, &mut actions);
        self.grant(now, &mut actions);
        self.ask_for_connections(now, &mut actions);
        self.tell(now, &mut actions);
        self.retire(now);
        actions
    }

    /// The next moment at which time alone changes what [`State::decide`] says. Call it after that, with the same
    /// `now`.
    pub fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        let mut times = vec![
            self.outbox_since.map(|since| since + FLUSH_AFTER),
            self.look_at,
        ];
        for (&job_no, job) in &mut self.jobs {
            times.push(job.idle_since.map(|since| since + RETIRE_AFTER));
            times.push(job.patience);
            if job.plan.is_none() {
                times.push(Some(job.plan_at));
                continue;
            }
            if job.replan {
                times.push(Some(job.plan_at));
            }
            if leases(&self.leases, job_no).any(|(_, lease)| lease.rest() > 0) {
                times.push(job.tokens.ask_at(now));
                times.push(job.tokens.next_at(now));
            }
        }
        for (&relay_id, relay) in &self.relays {
            times.push(relay.dialing.may_dial_at(now));
            times.push(relay.news.again_at());
            times.push(match self.wanted(relay_id) {
                0 => relay.connections.give_back_at(now),
                _ => relay.connections.ask_at(now),
            });
        }
        times.into_iter().flatten().filter(|&at| at > now).min()
    }

    /// What waits behind another message is given back when its lease ends, or when it could outlive the freedom of its job.
    fn recall(&mut self, now: Instant) {
        let mut back = Vec::new();
        for (&job_no, job) in self.jobs.iter().filter(|(_, job)| job.behind > 0) {
            let is_free = job.tokens.are_unlimited(now);
            if !is_free || leases(&self.leases, job_no).any(|(_, lease)| lease.is_ending()) {
                let is_over = |assignment: &Assignment| !is_free || !assignment.gate.is_open();
                back.extend(job.crew.recall(is_over));
            }
        }
        for (flight, assignment) in back {
            let relay = (self.flights.get(&flight)).and_then(|f| self.relays.get(&f.relay));
            let idle = relay.map_or(0, |relay| relay.idle);
            let end = End::Unstarted(assignment.recipient);
            self.ended(now, flight, assignment.key, end, idle);
        }
    }

    fn start(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.draining || self.is_replaying() || !self.fences.may_start() {
            return;
        }
        while let Some(next) = self.next_start(now).or_else(|| self.next_behind(now)) {
            let (job_no, key, plan, is_behind) = next;
            let Some(job) = self.jobs.get_mut(&job_no) else {
                return;
            };
            let Some(lease) = self.leases.get_mut(&key) else {
                return;
            };
            let Some(recipient) = lease.start() else {
                return;
            };
            job.tokens.take(now);
            self.last_flight += 1;
            let flight = FlightNo(self.last_flight);
            job.in_flight += 1;
            job.behind += usize::from(is_behind);
            job.served = self.last_flight;
            let dials = !is_behind && self.relays.entry(plan.relay.id).or_default().begun();
            self.flights.insert(
                flight,
                Flight {
                    job_no,
                    relay: plan.relay.id,
                    revision: plan.relay.revision,
                    dials,
                },
            );
            actions.push(Action::Start {
                flight,
                crew: job.crew.clone(),
                carriers: job.connections(),
                assignment: Assignment {
                    key,
                    recipient,
                    gate: lease.gate().clone(),
                    span: lease.span().clone(),
                    plan,
                },
            });
        }
    }

    /// Of the jobs that could start a message now the one with the fewest under way, then the one that waits for longest.
    fn next_start(&mut self, now: Instant) -> Option<Next> {
        let mut found: Option<((usize, u64), i64, LeaseKey)> = None;
        for (&job_no, job) in &mut self.jobs {
            let rank = (job.in_flight, job.served);
            if found.as_ref().is_some_and(|(best, ..)| *best <= rank) {
                continue;
            }
            let Some(plan) = &job.plan else { continue };
            let relay = self.relays.entry(plan.relay.id).or_default();
            if job.connections() >= plan.concurrency || !relay.may_begin(now, !job.replan) {
                continue;
            }
            let startable = leases(&self.leases, job_no).find(|(_, lease)| lease.can_start());
            if let Some((&key, _)) = startable
                && job.tokens.next_at(now).is_some_and(|at| at <= now)
            {
                found = Some((rank, job_no, key));
            }
        }
        let (_, job_no, key) = found?;
        let plan = self.jobs.get(&job_no)?.plan.clone()?;
        Some((job_no, key, plan, false))
    }

    /// A message that waits behind another one of its job, as many as have connections: so that these are never without work. Not
    /// where the rate is limited, since a token must not wait, nor where others wait for a connection.
    fn next_behind(&mut self, now: Instant) -> Option<Next> {
        let found = self.jobs.iter().find_map(|(&job_no, job)| {
            let plan = job.plan.as_ref().filter(|plan| plan.announces())?;
            let relay = self.relays.get(&plan.relay.id)?;
            if job.behind >= job.connections()
                || !job.tokens.are_unlimited(now)
                || !relay.fits()
                || relay.dialing.has_failed()
            {
                return None;
            }
            let (&key, _) = leases(&self.leases, job_no).find(|(_, lease)| lease.can_start())?;
            let others_wait = || {
                self.jobs.iter().any(|(&other_no, other)| {
                    other_no != job_no
                        && (other.plan.as_ref())
                            .is_some_and(|other| other.relay.id == plan.relay.id)
                        && leases(&self.leases, other_no).any(|(_, lease)| lease.can_start())
                })
            };
            if !relay.has_room() && others_wait() {
                return None;
            }
            Some((job_no, key, plan.clone()))
        });
        found.map(|(job_no, key, plan)| (job_no, key, plan, true))
    }

    fn next_call(&mut self, now: Instant) -> Option<Call> {
        if let Some(call) = self.apart.pop_front() {
            return Some(call);
        }
        self.next_release().or_else(|| self.next_report(now))
    }

    /// Leases that end, and of which nothing is in flight.
    fn next_release(&mut self) -> Option<Call> {
        let outbox = &mut self.outbox;
        let items: Vec<Item> = (self.leases.iter_mut())
            .filter(|(key, lease)| {
                lease.in_flight() == 0
                    && (lease.is_ending() || lease.is_exhausted() && !outbox.contains_key(key))
            })
            .map(|(key, _)| *key)
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|key| {
                let lease = self.leases.get_mut(&key)?;
                lease.end();
                let mut outcomes = outbox.remove(&key).unwrap_or_default();
                for fact in lease.give_back() {
                    self.memory.ended(key, &fact);
                    outcomes.push(fact);
                }
                Some(Item {
                    key,
                    next_mark: None,
                    outcomes,
                })
            })
            .collect();
        if self.outbox.is_empty() {
            self.outbox_since = None;
        }
        (!items.is_empty()).then_some(Call {
            verb: Verb::Release,
            items,
        })
    }

    /// All outcomes that are known, and the marks that the windows have room for.
    fn next_report(&mut self, now: Instant) -> Option<Call> {
        let mut marks = self.next_marks(now);
        if !self.is_report_due(now, &marks) {
            return None;
        }
        self.outbox_since = None;
        let mut outbox = std::mem::take(&mut self.outbox);
        let mut keys: Vec<LeaseKey> = outbox.keys().chain(marks.keys()).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        let items = keys
            .into_iter()
            .map(|key| Item {
                key,
                next_mark: marks.remove(&key),
                outcomes: outbox.remove(&key).unwrap_or_default(),
            })
            .collect();
        Some(Call {
            verb: Verb::Report,
            items,
        })
    }

    /// A lease is passed on only when the leases of its job before it are passed whole.
    fn next_marks(&self, now: Instant) -> BTreeMap<LeaseKey, i64> {
        let mut marks = BTreeMap::new();
        for (&job_no, job) in &self.jobs {
            if job.patience.is_some_and(|until| now < until) {
                continue;
            }
            for (key, lease) in leases(&self.leases, job_no).filter(|(_, lease)| !lease.is_ending())
            {
                if lease.ahead() == 0 {
                    continue;
                }
                let Some(mark) = lease.next_mark(job.depth()) else {
                    break;
                };
                marks.insert(*key, mark);
                if !lease.ends_with(mark) {
                    break;
                }
            }
        }
        marks
    }

    fn is_report_due(&self, now: Instant, marks: &BTreeMap<LeaseKey, i64>) -> bool {
        self.outbox_since
            .is_some_and(|since| now >= since + FLUSH_AFTER)
            || self
                .outbox
                .keys()
                .any(|key| self.leases.get(key).is_some_and(Lease::is_exhausted))
            || marks.keys().any(|key| self.is_short(key.job_no))
    }

    /// Whether the workers of a job may soon have nothing to start.
    fn is_short(&self, job_no: i64) -> bool {
        let reserve = self.jobs.get(&job_no).map_or(0, Job::reserve);
        let ready: usize = leases(&self.leases, job_no)
            .filter(|(_, lease)| lease.can_start())
            .map(|(_, lease)| lease.ready())
            .sum();
        ready <= reserve
    }

    /// The next chunk is leased before the present one runs dry: one claim for each chunk that is the last in hand.
    fn prefetch(&mut self) {
        for (&job_no, job) in &mut self.jobs {
            let Some(plan) = &job.plan else {
                continue;
            };
            let mut live = leases(&self.leases, job_no).filter(|(_, lease)| !lease.is_ending());
            if let (Some((&key, lease)), None) = (live.next(), live.next())
                && lease.ahead() <= plan.window
                && job.prefetched.replace(key) != Some(key)
            {
                self.claim_due = true;
            }
        }
    }

    fn next_claim(&mut self) -> Option<Claim> {
        let want = MAX_CLAIM.min(MAX_LEASES.saturating_sub(self.leases.len()));
        if self.draining || want == 0 || !std::mem::take(&mut self.claim_due) {
            return None;
        }
        Some(Claim {
            want,
            known: self.known(),
        })
    }

    fn plan(&mut self, now: Instant, actions: &mut Vec<Action>) {
        for (&job_no, job) in &mut self.jobs {
            let wanted = job.plan.is_none() || job.replan;
            if wanted && !job.planning && !self.draining && now >= job.plan_at {
                job.planning = true;
                actions.push(Action::Plan { job_no });
            }
        }
    }

    fn grant(&mut self, now: Instant, actions: &mut Vec<Action>) {
        for (&job_no, job) in &mut self.jobs {
            let Some(plan) = &job.plan else {
                continue;
            };
            let reachable = (self.relays.get(&plan.relay.id))
                .is_none_or(|relay| (relay.dialing.may_dial_at(now)).is_none_or(|at| at <= now));
            let rest = rest(&self.leases, job_no);
            let want = rest.saturating_sub(job.tokens.left()).min(MAX_GRANT);
            if reachable && want > 0 && job.tokens.ask_at(now).is_some_and(|at| at <= now) {
                job.tokens.asked(now);
                actions.push(Action::Grant {
                    job_no,
                    integration_id: plan.relay.id,
                    want,
                    unused: job.tokens.take_unused(),
                });
            }
        }
    }

    /// Connections to a relay that there is work for.
    fn wanted(&self, relay_id: Uuid) -> usize {
        let jobs = self.jobs.iter().filter_map(|(&job_no, job)| {
            let plan = job.plan.as_ref()?;
            let messages = rest(&self.leases, job_no) + job.in_flight;
            (plan.relay.id == relay_id).then(|| messages.min(plan.concurrency))
        });
        let guests = self.relays.get(&relay_id).map_or(0, |relay| relay.guests);
        guests + jobs.sum::<usize>()
    }

    fn ask_for_connections(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let planned = self.jobs.values().filter_map(|job| job.plan.as_ref());
        let mut relays: Vec<Uuid> = planned.map(|plan| plan.relay.id).collect();
        relays.extend(self.relays.keys());
        relays.sort_unstable();
        relays.dedup();
        for integration_id in relays {
            let want = self.wanted(integration_id);
            let relay = self.relays.entry(integration_id).or_default();
            let in_use = relay.in_flight + relay.guests;
            if want == 0 {
                relay.forget_trouble();
            }
            if let Some(question) = relay.connections.question(now, want, in_use) {
                actions.push(Action::Connections {
                    integration_id,
                    question,
                });
            }
        }
    }

    fn tell(&mut self, now: Instant, actions: &mut Vec<Action>) {
        for (&integration_id, relay) in &mut self.relays {
            if let Some(report) = relay.news.next(now) {
                actions.push(Action::Tell {
                    integration_id,
                    report,
                });
            }
        }
    }

    /// Forgets a job that was stopped, or has had no lease for a while.
    fn retire(&mut self, now: Instant) {
        self.jobs.retain(|_, job| {
            job.in_flight > 0
                || !job
                    .idle_since
                    .is_some_and(|since| job.stopped || now >= since + RETIRE_AFTER)
        });
    }
}

/// Messages of a job that may still be started.
fn rest(all: &BTreeMap<LeaseKey, Lease>, job_no: i64) -> usize {
    leases(all, job_no).map(|(_, lease)| lease.rest()).sum()
}
