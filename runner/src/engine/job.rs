//! What the runner keeps about one job.

use std::sync::Arc;

use tokio::time::Instant;

use super::crew::Crew;
use super::plan::Plan;
use super::tokens::Tokens;
use crate::storage::LeaseKey;

pub struct Job {
    pub plan: Option<Arc<Plan>>,
    pub planning: bool,
    pub plan_at: Instant,
    /// The settings may have changed: they are read again before the next connection is opened.
    pub replan: bool,
    /// The job was stopped: should it run again, then after a change, perhaps.
    pub stopped: bool,
    pub tokens: Tokens,
    /// Messages under way.
    pub in_flight: usize,
    /// Those of them that wait for the end of another one, over whose connection they go.
    pub behind: usize,
    /// Who carries them.
    pub crew: Arc<Crew>,
    /// Number of its message that was started last: of two jobs, the one that waits for longer comes first.
    pub served: u64,
    /// Since when there has been no lease.
    pub idle_since: Option<Instant>,
    /// The database did not move the mark: no question for its sake until then.
    pub patience: Option<Instant>,
    /// Outcomes in the last call that was answered: what is sent while a call is under way.
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
            in_flight: 0,
            behind: 0,
            crew: Arc::default(),
            served: 0,
            idle_since: None,
            patience: None,
            pace: 0,
            prefetched: None,
        }
    }

    /// Connections that its messages need.
    pub fn connections(&self) -> usize {
        self.in_flight - self.behind
    }

    /// How many positions of a lease may be open: what keeps the connections busy until the next answer, and no more,
    /// since all that is open is in doubt when the runner dies. Zero without a plan.
    pub fn depth(&self) -> usize {
        (self.plan.as_ref()).map_or(0, |plan| {
            let each = if plan.announces() { 3 } else { 2 };
            (each * plan.concurrency + self.pace).min(plan.window)
        })
    }
}
