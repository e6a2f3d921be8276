//! What may stop a message at the last moment: the gate of its lease, and the fences of the runner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since boot, suspended time included (`CLOCK_BOOTTIME`).
pub fn boot_time() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Holds for some time after the sending of the last call that the database answered.
#[derive(Clone)]
pub struct Fence {
    /// Milliseconds since boot.
    until: Arc<AtomicU64>,
    length: Duration,
    clock: fn() -> Duration,
}

impl Fence {
    /// `sent`: when the call was sent that the database answered with this `length`.
    pub fn new(length: Duration, sent: Duration, clock: fn() -> Duration) -> Fence {
        let fence = Fence {
            until: Arc::default(),
            length,
            clock,
        };
        fence.heard(sent);
        fence
    }

    /// A call sent at that time has been answered, and the gates are closed that its answer closes. An older one moves
    /// nothing back.
    pub fn heard(&self, sent: Duration) {
        self.until
            .fetch_max(millis(sent + self.length), Ordering::Release);
    }

    /// Whether sending is allowed now. Ask it before a [`Gate`]: who sees the answer here sees its gates there.
    pub fn holds(&self) -> bool {
        millis((self.clock)()) < self.until.load(Ordering::Acquire)
    }
}

/// The fences of a runner. Safety rests on neither.
#[derive(Clone)]
pub struct Fences {
    /// A runner that the database may take for dead sends nothing: this makes doubts rarer.
    pub alive: Fence,
    /// A runner that could not have heard of a stopped job begins no message: so none is begun later than this fence
    /// is long after the stop, however slow the database answers.
    pub news: Fence,
}

impl Fences {
    /// For what nobody can stop.
    pub fn without_news(alive: Fence) -> Fences {
        let news = alive.clone();
        Fences { alive, news }
    }

    /// Whether a message may be begun now.
    pub fn may_start(&self) -> bool {
        self.alive.holds() && self.news.holds()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Open as long as messages of a lease may be started. Closes once.
#[derive(Debug, Default)]
pub struct Gate(AtomicBool);

impl Gate {
    pub fn close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_open(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_holds_from_the_sending_of_the_last_answered_heartbeat() {
        let holds = |clock| {
            let fence = Fence::new(at(20), at(100), clock);
            fence.heard(at(105));
            fence.holds()
        };
        assert!(holds(|| Duration::from_millis(124_999)));
        assert!(!holds(|| Duration::from_millis(125_000)));
    }

    #[test]
    fn a_message_is_begun_only_behind_both_fences() {
        let fence = |length| Fence::new(at(length), Duration::ZERO, || at(2));
        let may_start = |alive, news| {
            let (alive, news) = (fence(alive), fence(news));
            Fences { alive, news }.may_start()
        };
        assert!(may_start(20, 3));
        assert!(!may_start(20, 1));
        assert!(!may_start(1, 3));
    }

    #[test]
    fn an_answer_that_overtook_another_moves_nothing_back() {
        let fence = Fence::new(at(20), at(110), || at(129));
        fence.heard(at(105));
        assert!(fence.holds());
    }
}
