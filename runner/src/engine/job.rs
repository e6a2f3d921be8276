//! What the runner keeps about one job.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::crew::Crew;
use super::plan::Plan;
use super::tokens::Tokens;
use crate::storage::LeaseKey;

/// The part of a pace that is forgotten with each answer.
const FADES: usize = 8;
/// Between two calls, if the windows have room: a call costs the database as much as some hundred outcomes, and a window has room
/// for five times as much as is sent in this time.
const PERIOD: Duration = Duration::from_millis(50);

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
    pub pace: Pace,
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
            pace: Pace::default(),
            prefetched: None,
        }
    }

    /// Connections that its messages need.
    pub fn connections(&self) -> usize {
        self.in_flight - self.behind
    }

    /// How many positions of a lease may be open: what keeps the connections busy until the next call is answered, and no more, since
    /// all that is open is in doubt when the runner dies. Zero without a plan.
    pub fn depth(&self) -> usize {
        (self.plan.as_ref()).map_or(0, |plan| {
            let each = if plan.announces() { 3 } else { 2 };
            let depth = each * plan.concurrency + self.pace.of_call + self.pace.of_period;
            depth.min(plan.window)
        })
    }

    /// With so many ready, or fewer, the connections may have nothing to send before a call that is made now is answered.
    pub fn reserve(&self) -> usize {
        let connections = self.plan.as_ref().map_or(0, |plan| plan.concurrency);
        (connections + self.pace.of_call).min(self.depth() / 2)
    }
}

/// How many messages can end while a call is under way, and between two calls.
#[derive(Debug, Default)]
pub struct Pace {
    of_call: usize,
    of_period: usize,
    /// Since the call under way was made.
    ended: usize,
}

impl Pace {
    pub fn called(&mut self) {
        self.ended = 0;
    }

    pub fn ended(&mut self) {
        self.ended += 1;
    }

    /// The call that was made so long ago is answered. `ran_dry`: more could have been sent meanwhile, so that what was says too
    /// little.
    pub fn answered(&mut self, took: Duration, ran_dry: bool) {
        let ended = std::mem::take(&mut self.ended) << u32::from(ran_dry);
        self.of_call = ended.max(self.of_call - self.of_call.div_ceil(FADES));
        let periods = PERIOD.as_secs_f64() / took.as_secs_f64().max(1e-4);
        // Not more than a bound of all windows.
        self.of_period = (self.of_call as f64 * periods.max(1.0)).min(1_000.0) as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn pace(calls: &[(usize, Duration, bool)]) -> (usize, usize) {
        let mut pace = Pace::default();
        for &(ended, took, ran_dry) in calls {
            pace.called();
            (0..ended).for_each(|_| pace.ended());
            pace.answered(took, ran_dry);
        }
        (pace.of_call, pace.of_period)
    }

    #[test]
    fn a_pace_is_what_ends_while_a_call_is_under_way_and_between_two() {
        assert_eq!(pace(&[(40, ms(5), false)]), (40, 400));
    }

    #[test]
    fn a_call_longer_than_the_period_is_the_period() {
        assert_eq!(pace(&[(40, ms(60), false)]), (40, 40));
    }

    #[test]
    fn who_ran_dry_could_have_sent_more() {
        assert_eq!(pace(&[(40, ms(50), true)]), (80, 80));
    }

    #[test]
    fn a_slow_relay_has_little_open() {
        assert_eq!(pace(&[(1, ms(5), false), (0, ms(5), false)]), (0, 0));
    }

    #[test]
    fn a_pace_is_forgotten_slowly_and_to_the_end() {
        let mut calls = vec![(80, ms(50), false), (0, ms(50), false)];
        assert_eq!(pace(&calls), (70, 70));
        calls.extend([(0, ms(50), false); 40]);
        assert_eq!(pace(&calls), (0, 0));
    }
}
