//! What is to be done now, by all that is known.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Call, Claim, Repeated, State, Verb, leases, range};
use crate::engine::job::{Job, WorkerId, free_worker};
use crate::engine::lease::Lease;
use crate::engine::worker::Assignment;
use crate::storage::{Item, LeaseKey};

/// How long an outcome may wait for others before it is reported.
pub(super) const FLUSH_AFTER: Duration = Duration::from_millis(250);
/// How many outcomes are reported without waiting.
const FLUSH_AT: usize = 100;
/// Leases in hand; bounds the memory.
const MAX_LEASES: usize = 64;
const MAX_CLAIM: usize = 8;
const MAX_GRANT: usize = 10_000;
/// Workers of a job without a lease are kept for its next one.
const RETIRE_AFTER: Duration = Duration::from_secs(30);

impl State {
    /// What is to be done now. Each action is given out once.
    pub fn decide(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        self.start(now, &mut actions);
        if self.calling.is_none() {
            self.calling = self.next_call(now).map(Repeated::new);
        }
        if let Some((call, attempt)) = self.calling.as_mut().and_then(Repeated::next) {
            actions.push(Action::Call { call, attempt });
        }
        self.prefetch();
        self.claim_due |= self.look_at.take_if(|at| now >= *at).is_some();
        if self.claiming.is_none() {
            self.claiming = self.next_claim().map(Repeated::new);
        }
        if let Some((claim, attempt)) = self.claiming.as_mut().and_then(Repeated::next) {
            actions.push(Action::Claim { claim, attempt });
        }
        self.plan(now, &mut actions);
        self.grant(now, &mut actions);
        self.retire(now, &mut actions);
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
            let Some(plan) = &job.plan else {
                times.push(Some(job.plan_at));
                continue;
            };
            if let Some(relay) = self.relays.get(&plan.relay.id) {
                times.push(relay.may_dial_at(now));
            }
            if job.replan {
                times.push(Some(job.plan_at));
            }
            if leases(&self.leases, job_no).any(|(_, lease)| lease.rest() > 0) {
                times.push(job.tokens.ask_at(now));
                times.push(job.tokens.next_at(now));
            }
        }
        times.into_iter().flatten().filter(|&at| at > now).min()
    }

    fn start(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.draining || !self.fences.may_start() {
            return;
        }
        for (&job_no, job) in &mut self.jobs {
            let Some(plan) = job.plan.clone() else {
                continue;
            };
            let relay = self.relays.entry(plan.relay.id).or_default();
            let mut startable = leases_mut(&mut self.leases, job_no)
                .filter(|(_, lease)| lease.can_start())
                .peekable();
            while let Some((key, lease)) = startable.peek_mut() {
                if !lease.can_start() {
                    startable.next();
                    continue;
                }
                let may_dial = !job.replan && relay.may_dial_at(now).is_some_and(|at| at <= now);
                let new_id = WorkerId {
                    job_no,
                    number: self.last_worker + 1,
                };
                let concurrency = plan.concurrency;
                let worker = free_worker(&mut job.workers, concurrency, may_dial, new_id);
                let Some(worker) = worker else {
                    break;
                };
                self.last_worker = self.last_worker.max(worker.id.number);
                if !job.tokens.take(now) {
                    break;
                }
                let Some(recipient) = lease.start() else {
                    break;
                };
                worker.busy = true;
                if !worker.connected {
                    worker.dialing = Some(plan.relay.id);
                    relay.begun();
                }
                actions.push(Action::Start {
                    worker: worker.id,
                    assignment: Assignment {
                        key: **key,
                        recipient,
                        plan: plan.clone(),
                        gate: lease.gate().clone(),
                        span: lease.span().clone(),
                    },
                });
            }
        }
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
                outcomes.extend(lease.give_back());
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
            || self.outbox.values().map(Vec::len).sum::<usize>() >= FLUSH_AT
            || self
                .outbox
                .keys()
                .any(|key| self.leases.get(key).is_some_and(Lease::is_exhausted))
            || marks.keys().any(|key| self.is_short(key.job_no))
    }

    /// Whether the workers of a job may soon have nothing to start.
    fn is_short(&self, job_no: i64) -> bool {
        let depth = self.jobs.get(&job_no).map_or(0, Job::depth);
        let ready: usize = leases(&self.leases, job_no)
            .filter(|(_, lease)| lease.can_start())
            .map(|(_, lease)| lease.ready())
            .sum();
        ready <= depth / 2
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
                .is_none_or(|relay| relay.may_dial_at(now).is_none_or(|at| at <= now));
            let rest: usize = leases(&self.leases, job_no)
                .map(|(_, lease)| lease.rest())
                .sum();
            let want = rest.saturating_sub(job.tokens.left()).min(MAX_GRANT);
            if reachable && want > 0 && job.tokens.ask_at(now).is_some_and(|at| at <= now) {
                job.tokens.asked(now);
                actions.push(Action::Grant {
                    job_no,
                    integration_id: plan.relay.id,
                    want,
                });
            }
        }
    }

    /// A job that was stopped, or has had no lease for a while, needs no workers.
    fn retire(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let over: Vec<i64> = (self.jobs.iter())
            .filter(|(_, job)| {
                !job.is_busy()
                    && job
                        .idle_since
                        .is_some_and(|since| job.stopped || now >= since + RETIRE_AFTER)
            })
            .map(|(&job_no, _)| job_no)
            .collect();
        for job in over.iter().filter_map(|job_no| self.jobs.remove(job_no)) {
            actions.push(Action::Dismiss {
                workers: job.workers.iter().map(|worker| worker.id).collect(),
            });
        }
    }
}

fn leases_mut(
    all: &mut BTreeMap<LeaseKey, Lease>,
    job_no: i64,
) -> impl Iterator<Item = (&LeaseKey, &mut Lease)> {
    all.range_mut(range(job_no))
}
