//! The rate of one job: tokens that the database granted, each usable from its own moment on.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::storage::Grant;

/// A grant is void this long after it was asked for.
const LIFETIME: Duration = Duration::from_secs(2);
/// Shorter than a second, so that the next tokens are here before the pace needs them.
const PERIOD: Duration = Duration::from_millis(900);
/// How late a token may be used without the next one becoming later, too: what a busy machine needs.
const LATENESS: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub struct Tokens {
    asked: Option<Instant>,
    asking: bool,
    unlimited_until: Option<Instant>,
    granted: VecDeque<Paced>,
    /// Before it no token is used, so that what was granted before a standstill does not come in one burst after it.
    pace: Option<Instant>,
    /// Tokens that nothing was sent with, and of which the database has not been told.
    unused: usize,
}

#[derive(Debug)]
struct Paced {
    next: Instant,
    interval: Duration,
    left: u32,
    until: Instant,
}

impl Tokens {
    /// When the next question is due; `None` while one is under way.
    pub fn ask_at(&self, now: Instant) -> Option<Instant> {
        (!self.asking).then(|| self.asked.map_or(now, |asked| asked + PERIOD))
    }

    pub fn asked(&mut self, now: Instant) {
        self.asking = true;
        self.asked = Some(now);
    }

    /// The answer to the question. A lost one is lost: `None`.
    pub fn answered(&mut self, now: Instant, grant: Option<Grant>) {
        self.asking = false;
        let (Some(asked), Some(grant)) = (self.asked, grant) else {
            return;
        };
        let until = asked + LIFETIME;
        if grant.interval_us == 0 && grant.granted > 0 {
            self.unlimited_until = Some(until);
        } else {
            self.unlimited_until = None;
            self.granted.push_back(Paced {
                next: now + Duration::from_micros(grant.first_in_us),
                interval: Duration::from_micros(grant.interval_us),
                left: grant.granted,
                until,
            });
        }
    }

    /// Tokens that are or will be usable.
    pub fn left(&self) -> usize {
        self.granted.iter().map(|paced| paced.left as usize).sum()
    }

    /// A token was taken, and nothing begun with it.
    pub fn give_back(&mut self) {
        self.unused += 1;
    }

    /// For the database, which counts tokens against a daily quota.
    pub fn take_unused(&mut self) -> usize {
        std::mem::take(&mut self.unused)
    }

    /// Whether no token has to wait for its moment.
    pub fn are_unlimited(&self, now: Instant) -> bool {
        self.unlimited_until.is_some_and(|until| now < until)
    }

    /// When the next token is usable; `None` without a grant.
    pub fn next_at(&mut self, now: Instant) -> Option<Instant> {
        if self.are_unlimited(now) {
            return Some(now);
        }
        let earliest = self.pace.map_or(now, |pace| pace.max(now));
        let unused = &mut self.unused;
        self.granted.retain(|paced| {
            let alive = paced.next.max(earliest) < paced.until;
            if !alive {
                *unused += paced.left as usize;
            }
            paced.left > 0 && alive
        });
        let next = self.granted.front()?.next;
        Some(self.pace.map_or(next, |pace| pace.max(next)))
    }

    /// Uses up a token, if one is usable now.
    pub fn take(&mut self, now: Instant) -> bool {
        let Some(at) = self.next_at(now).filter(|&at| at <= now) else {
            return false;
        };
        if !self.are_unlimited(now)
            && let Some(paced) = self.granted.front_mut()
        {
            paced.left -= 1;
            paced.next += paced.interval;
            let late = now.saturating_duration_since(at);
            self.pace = Some(at + late.saturating_sub(LATENESS) + paced.interval);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn granted(now: Instant, granted: u32, first_in_us: u64, interval_us: u64) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.asked(now);
        let grant = Grant {
            granted,
            first_in_us,
            interval_us,
        };
        tokens.answered(now, Some(grant));
        tokens
    }

    fn taken(tokens: &mut Tokens, now: Instant) -> usize {
        std::iter::repeat_with(|| tokens.take(now))
            .take(1000)
            .take_while(|&taken| taken)
            .count()
    }

    #[test]
    fn tokens_are_paced() {
        let now = Instant::now();
        let mut tokens = granted(now, 5, 100_000, 200_000);
        assert_eq!(taken(&mut tokens, now), 0);
        assert_eq!(taken(&mut tokens, now + ms(99)), 0);
        assert_eq!(taken(&mut tokens, now + ms(100)), 1);
        assert_eq!(taken(&mut tokens, now + ms(299)), 0);
        assert_eq!(taken(&mut tokens, now + ms(300)), 1);
        assert_eq!(taken(&mut tokens, now + ms(540)), 1);
        assert_eq!(tokens.next_at(now + ms(540)), Some(now + ms(700)));
    }

    #[test]
    fn what_was_granted_before_a_standstill_does_not_come_in_one_burst_after_it() {
        let now = Instant::now();
        let mut tokens = granted(now, 5, 0, 200_000);
        assert_eq!(taken(&mut tokens, now + ms(1_000)), 1);
        assert_eq!(tokens.next_at(now + ms(1_000)), Some(now + ms(1_150)));
        let grant = Grant {
            granted: 5,
            first_in_us: 0,
            interval_us: 200_000,
        };
        tokens.asked(now + ms(1_000));
        tokens.answered(now + ms(1_000), Some(grant));
        let in_a_second = (1_000..2_000)
            .map(|at| taken(&mut tokens, now + ms(at)))
            .sum::<usize>();
        assert!((4..=5).contains(&in_a_second), "{in_a_second} in a second");
    }

    #[test]
    fn a_token_lapses_two_seconds_after_it_was_asked_for() {
        let now = Instant::now();
        let mut tokens = granted(now, 5, 0, 200_000);
        assert_eq!(taken(&mut tokens, now + ms(1_999)), 1);
        let mut tokens = granted(now, 5, 0, 200_000);
        assert_eq!(taken(&mut tokens, now + ms(2_000)), 0);
    }

    #[test]
    fn no_limit_means_no_pace_until_it_lapses() {
        let now = Instant::now();
        let mut tokens = granted(now, 5, 0, 0);
        assert_eq!(taken(&mut tokens, now + ms(1_999)), 1000);
        assert_eq!(taken(&mut tokens, now + ms(2_000)), 0);
    }

    #[test]
    fn a_limit_set_meanwhile_ends_the_freedom() {
        let now = Instant::now();
        let mut tokens = granted(now, 5, 0, 0);
        tokens.asked(now + ms(900));
        let grant = Grant {
            granted: 0,
            first_in_us: 0,
            interval_us: 200_000,
        };
        tokens.answered(now + ms(900), Some(grant));
        assert_eq!(taken(&mut tokens, now + ms(900)), 0);
    }

    #[test]
    fn a_lost_answer_is_asked_for_again_after_the_period() {
        let now = Instant::now();
        let mut tokens = Tokens::default();
        assert_eq!(tokens.ask_at(now), Some(now));
        tokens.asked(now);
        assert_eq!(tokens.ask_at(now), None);
        tokens.answered(now + ms(10), None);
        assert_eq!(tokens.ask_at(now + ms(10)), Some(now + PERIOD));
    }
}
