//! What the runner keeps about one job, and about one relay.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::plan::Plan;
use super::tokens::Tokens;
use crate::storage::LeaseKey;

/// A worker has at most one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerId {
    pub job_no: i64,
    pub number: u64,
}

#[derive(Debug)]
pub struct Worker {
    pub id: WorkerId,
    pub busy: bool,
    /// As far as is known: an idle connection may have died.
    pub connected: bool,
    /// The relay to which it opens a connection.
    pub dialing: Option<Uuid>,
}

pub struct Job {
    pub plan: Option<Arc<Plan>>,
    pub planning: bool,
    pub plan_at: Instant,
    /// The settings may have changed: they are read again before the next connection is opened.
    pub replan: bool,
    /// The job was stopped: should it run again, then after a change, perhaps.
    pub stopped: bool,
    pub tokens: Tokens,
    pub workers: Vec<Worker>,
    /// Since when there has been no lease.
    pub idle_since: Option<Instant>,
    /// The database did not move the mark: no question for its sake until then.
    pub patience: Option<Instant>,
    /// Outcomes in the last call that was answered: what the workers do while a call is under way.
    pub pace: usize,
    /// The lease for whose successor a claim was made.
    pub prefetched: Option<LeaseKey>,
}

impl Job {
    pub fn new(now: Instant) -> Job {
        Job {
            plan: None,
            planning: false,
            plan_at: now,
            replan: false,
            stopped: false,
            tokens: Tokens::default(),
            workers: Vec::new(),
            idle_since: None,
            patience: None,
            pace: 0,
            prefetched: None,
        }
    }

    pub fn worker(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }

    /// How many positions of a lease may be open: what keeps the workers busy until the next answer, and no more, since
    /// all that is open is in doubt when the runner dies. Zero without a plan.
    pub fn depth(&self) -> usize {
        (self.plan.as_ref()).map_or(0, |plan| {
            (2 * plan.concurrency + self.pace).min(plan.window)
        })
    }

    pub fn is_busy(&self) -> bool {
        self.workers.iter().any(|worker| worker.busy)
    }
}

/// A worker for the next message: one with a connection, else one that may open one.
pub fn free_worker(
    workers: &mut Vec<Worker>,
    concurrency: usize,
    may_dial: bool,
    new_id: WorkerId,
) -> Option<&mut Worker> {
    let idle = |connected| {
        (workers.iter()).position(|worker| !worker.busy && worker.connected == connected)
    };
    let index = match idle(true) {
        Some(index) => index,
        None if !may_dial => return None,
        None => match idle(false) {
            Some(index) => index,
            None if workers.len() >= concurrency => return None,
            None => {
                workers.push(Worker {
                    id: new_id,
                    busy: false,
                    connected: false,
                    dialing: None,
                });
                workers.len() - 1
            }
        },
    };
    workers.get_mut(index)
}

/// Longest pause between two attempts to reach a relay.
const LAST_BACKOFF: Duration = Duration::from_secs(8);

/// How a relay can be reached. While it cannot, one worker tries after 1, 2, 4, 8 s, the others wait.
#[derive(Debug, Default)]
pub struct Dialing {
    failures: u32,
    retry_at: Option<Instant>,
    under_way: usize,
}

impl Dialing {
    /// When the next connection may be opened; `None` = when the one under way has shown whether it can.
    pub fn may_dial_at(&self, now: Instant) -> Option<Instant> {
        match self.retry_at {
            None => Some(now),
            Some(_) if self.under_way > 0 => None,
            Some(at) => Some(at.max(now)),
        }
    }

    pub fn begun(&mut self) {
        self.under_way += 1;
    }

    pub fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Whether this changed anything.
    pub fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.retry_at.take().is_some()
    }

    /// Workers that fail at the same time are one failure. Whether the relay could be reached before.
    pub fn failed(&mut self, now: Instant) -> bool {
        let first = self.retry_at.is_none();
        if self.retry_at.is_none_or(|at| now >= at) {
            let pause = Duration::from_secs(1 << self.failures.min(3)).min(LAST_BACKOFF);
            self.failures += 1;
            self.retry_at = Some(now + pause);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_eight_seconds() {
        let mut now = Instant::now();
        let mut dialing = Dialing::default();
        let pauses: Vec<u64> = (0..5)
            .filter_map(|_| {
                dialing.failed(now);
                let next = dialing.may_dial_at(now)?;
                let pause = next - now;
                now = next;
                Some(pause.as_secs())
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 8]);
    }

    #[test]
    fn workers_that_fail_together_are_one_failure() {
        let now = Instant::now();
        let mut dialing = Dialing::default();
        let reported = (0..10).filter(|_| dialing.failed(now)).count();
        assert_eq!(reported, 1);
        assert_eq!(dialing.may_dial_at(now), Some(now + Duration::from_secs(1)));
    }

    #[test]
    fn one_worker_tries_while_the_relay_cannot_be_reached() {
        let now = Instant::now();
        let mut dialing = Dialing::default();
        dialing.failed(now);
        dialing.begun();
        let later = now + Duration::from_secs(5);
        assert_eq!(dialing.may_dial_at(later), None);
        dialing.ended();
        assert!(dialing.succeeded());
        assert_eq!(dialing.may_dial_at(later), Some(later));
    }
}
