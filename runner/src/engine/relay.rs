//! What the runner knows about one relay: whether it can be reached, how many connections it may have, and what the
//! database has to be told of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::storage::Failure;

/// Longest pause between two attempts to reach a relay.
const LAST_PAUSE: Duration = Duration::from_secs(300);
/// How much longer a pause may be, as a part of it.
const JITTER: f64 = 0.1;
/// Between two questions how many connections there may be.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A relay without work keeps its connections this long for the next job.
const LINGER: Duration = Duration::from_secs(5);
/// Before something is told again that was not heard.
const TELL_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Relay {
    pub dialing: Dialing,
    pub connections: Connections,
    pub news: News,
    /// Messages under way, each over a connection of its own.
    pub in_flight: usize,
    /// Connections that belong to no job: those of test mails.
    pub guests: usize,
    /// Connections that wait for a message, as far as is known: one may have died.
    pub idle: usize,
    /// Of the newest settings that were read.
    revision: i64,
}

impl Relay {
    /// Whether one more message may be under way.
    pub fn has_room(&self) -> bool {
        self.in_flight + self.guests < self.connections.ceiling()
    }

    /// Whether there are no more connections than there may be.
    pub fn fits(&self) -> bool {
        self.in_flight + self.guests <= self.connections.ceiling()
    }

    /// Whether one more message could be begun now: over an idle connection, or over one that may be opened.
    pub fn may_begin(&self, now: Instant, may_dial: bool) -> bool {
        let dials = || may_dial && self.dialing.may_dial_at(now).is_some_and(|at| at <= now);
        self.has_room() && (self.idle > 0 || dials())
    }

    /// What failed with other settings says nothing of these.
    pub fn set_up(&mut self, revision: i64) {
        if revision > self.revision {
            self.revision = revision;
            self.dialing.succeeded();
        }
    }

    /// Nobody waits for it any more, so nobody tries it.
    pub fn forget_trouble(&mut self) {
        if self.dialing.succeeded() {
            self.news.add(self.revision, None);
        }
    }

    pub fn is_outdated(&self, revision: i64) -> bool {
        revision < self.revision
    }

    /// Returns whether it needs a new connection, as far as is known.
    pub fn begun(&mut self) -> bool {
        self.in_flight += 1;
        if self.idle > 0 {
            self.idle -= 1;
            return false;
        }
        self.dialing.begun();
        true
    }
}

/// Whether a relay can be reached. While it cannot, one message tries after 1, 2, 4, … 300 s, the others wait.
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

    fn begun(&mut self) {
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

    /// Messages that fail at the same time are one failure: `None` for all but the first; else the pause.
    pub fn failed(&mut self, now: Instant) -> Option<Duration> {
        if self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        let pause = Duration::from_secs(1 << self.failures.min(9)).min(LAST_PAUSE);
        // So that runners do not come back all at once.
        let pause = pause.mul_f64(1.0 + JITTER * fastrand::f64());
        self.failures += 1;
        self.retry_at = Some(now + pause);
        Some(pause)
    }

    pub fn has_failed(&self) -> bool {
        self.retry_at.is_some()
    }
}

/// How many connections this runner may have, of those that all runners share.
#[derive(Debug, Default)]
pub struct Connections {
    allowed: Allowed,
    asking: bool,
    asked: Option<Instant>,
    /// Since when there has been nothing to do.
    needless: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Not asked yet.
    #[default]
    Unknown,
    UpTo(usize),
    AnyNumber,
}

/// A question to the database.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// There are to be no more until the answer; `None` = there is no bound yet.
    pub ceiling: Option<usize>,
    pub want: usize,
}

/// The answer.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// `None` = any number.
    pub connections: Option<usize>,
    /// What the database was told to be open at most, that which was being closed included.
    pub kept: usize,
    /// Of the relay's settings; `None` = there are none any more.
    pub revision: Option<i64>,
}

impl Connections {
    fn ceiling(&self) -> usize {
        match self.allowed {
            Allowed::Unknown => 0,
            Allowed::UpTo(n) => n,
            Allowed::AnyNumber => usize::MAX,
        }
    }

    /// When the next question is due, if connections are wanted; `None` while one is under way.
    pub fn ask_at(&self, now: Instant) -> Option<Instant> {
        (!self.asking).then(|| self.asked.map_or(now, |asked| asked + ASK_EVERY))
    }

    /// The question that is due. `in_use`: connections that cannot be closed now.
    pub fn question(&mut self, now: Instant, want: usize, in_use: usize) -> Option<Question> {
        if want > 0 {
            self.needless = None;
        } else if self.allowed == Allowed::Unknown
            || now < *self.needless.get_or_insert(now) + LINGER
        {
            return None;
        }
        if self.ask_at(now).is_none_or(|at| at > now) {
            return None;
        }
        let ceiling = match self.allowed {
            Allowed::Unknown => Some(0),
            Allowed::UpTo(n) => Some(n.min(want).max(in_use)),
            Allowed::AnyNumber => None,
        };
        if let Some(n) = ceiling {
            self.allowed = Allowed::UpTo(n);
        }
        self.asking = true;
        self.asked = Some(now);
        Some(Question { ceiling, want })
    }

    /// `None` = the database did not answer.
    pub fn answered(&mut self, answer: Option<Allowance>) {
        self.asking = false;
        let Some(Allowance {
            connections, kept, ..
        }) = answer
        else {
            return;
        };
        self.allowed = connections.map_or(Allowed::AnyNumber, Allowed::UpTo);
        // All are given back; asked for anew with the next job.
        if self.needless.is_some() && kept == 0 {
            *self = Connections::default();
        }
    }

    /// When [`Connections::question`] gives connections back that nobody needs.
    pub fn give_back_at(&self, now: Instant) -> Option<Instant> {
        let since = self.needless?;
        self.ask_at(now).map(|at| at.max(since + LINGER))
    }
}

/// Whether a relay can be reached, for the database.
#[derive(Debug, PartialEq, Eq)]
pub struct RelayReport {
    /// Of the settings that were used.
    pub revision: i64,
    /// `None` = it can be reached.
    pub failure: Option<Failure>,
}

/// The last report that the database has not heard yet.
#[derive(Debug, Default)]
pub struct News {
    untold: Option<Arc<RelayReport>>,
    telling: bool,
    again_at: Option<Instant>,
}

impl News {
    pub fn add(&mut self, revision: i64, failure: Option<Failure>) {
        self.untold = Some(Arc::new(RelayReport { revision, failure }));
        self.again_at = None;
    }

    pub fn next(&mut self, now: Instant) -> Option<Arc<RelayReport>> {
        if self.telling || self.again_at.is_some_and(|at| now < at) {
            return None;
        }
        let next = self.untold.clone()?;
        self.telling = true;
        Some(next)
    }

    pub fn told(&mut self, now: Instant, what: &RelayReport, heard: bool) {
        self.telling = false;
        if !heard {
            self.again_at = Some(now + TELL_AGAIN);
        } else if self.untold.as_deref() == Some(what) {
            self.untold = None;
        }
    }

    pub fn again_at(&self) -> Option<Instant> {
        self.again_at.filter(|_| self.untold.is_some())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_grow_to_five_minutes() {
        let mut now = Instant::now();
        let mut dialing = Dialing::default();
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let pause = dialing.failed(now).unwrap().as_secs_f64();
            let expected = f64::from(expected);
            assert!(
                (expected..=expected * (1.0 + JITTER)).contains(&pause),
                "{pause}"
            );
            now += Duration::from_secs_f64(pause);
        }
    }

    #[test]
    fn messages_that_fail_together_are_one_failure() {
        let now = Instant::now();
        let mut dialing = Dialing::default();
        let reported = (0..10).filter_map(|_| dialing.failed(now)).count();
        assert_eq!(reported, 1);
        let at = dialing.may_dial_at(now).unwrap();
        assert!((now + SECOND..=now + SECOND.mul_f64(1.0 + JITTER)).contains(&at));
    }

    #[test]
    fn one_message_tries_while_the_relay_cannot_be_reached() {
        let now = Instant::now();
        let mut dialing = Dialing::default();
        dialing.failed(now);
        dialing.begun();
        let later = now + 5 * SECOND;
        assert_eq!(dialing.may_dial_at(later), None);
        dialing.ended();
        assert!(dialing.succeeded());
        assert_eq!(dialing.may_dial_at(later), Some(later));
    }

    /// The database answers, and nothing is being closed.
    fn allowed(connections: Option<usize>) -> Option<Allowance> {
        allowed_while(connections, 0)
    }

    fn allowed_while(connections: Option<usize>, kept: usize) -> Option<Allowance> {
        Some(Allowance {
            connections,
            kept,
            revision: None,
        })
    }

    fn asked(connections: &mut Connections, now: Instant, want: usize, in_use: usize) -> Question {
        connections.question(now, want, in_use).unwrap()
    }

    #[test]
    fn no_connection_is_opened_before_the_first_answer() {
        let now = Instant::now();
        let mut relay = Relay::default();
        assert!(!relay.has_room());
        let question = asked(&mut relay.connections, now, 3, 0);
        assert_eq!((question.ceiling, question.want), (Some(0), 3));
        assert!(!relay.has_room());
        relay.connections.answered(allowed(Some(1)));
        assert!(relay.has_room());
        relay.begun();
        assert!(!relay.has_room());
    }

    #[test]
    fn what_was_said_in_a_question_holds_until_an_answer_is_read() {
        let now = Instant::now();
        let mut relay = Relay::default();
        asked(&mut relay.connections, now, 3, 0);
        relay.connections.answered(allowed(Some(3)));
        let question = asked(&mut relay.connections, now + SECOND, 1, 2);
        assert_eq!(question.ceiling, Some(2));
        relay.connections.answered(None);
        assert_eq!(relay.connections.ceiling(), 2);
        assert_eq!(relay.connections.question(now + SECOND, 3, 2), None);
        let question = asked(&mut relay.connections, now + 2 * SECOND, 3, 2);
        assert_eq!(question.ceiling, Some(2));
    }

    #[test]
    fn without_work_connections_are_given_back_after_a_while() {
        let now = Instant::now();
        let mut connections = Connections::default();
        asked(&mut connections, now, 3, 0);
        connections.answered(allowed(Some(3)));
        assert_eq!(connections.question(now + SECOND, 0, 0), None);
        let question = asked(&mut connections, now + SECOND + LINGER, 0, 0);
        assert_eq!((question.ceiling, question.want), (Some(0), 0));
        connections.answered(allowed(Some(0)));
        assert_eq!(connections.give_back_at(now), None);
        assert_eq!(connections.question(now + 60 * SECOND, 0, 0), None);
    }

    #[test]
    fn what_is_still_being_closed_is_given_back_by_a_later_question() {
        let now = Instant::now();
        let mut connections = Connections::default();
        asked(&mut connections, now, 3, 0);
        connections.answered(allowed(Some(3)));
        assert_eq!(connections.question(now + SECOND, 0, 0), None);
        let given_back = now + SECOND + LINGER;
        asked(&mut connections, given_back, 0, 0);
        connections.answered(allowed_while(Some(0), 2));
        let again = given_back + ASK_EVERY;
        assert_eq!(connections.give_back_at(given_back), Some(again));
        let question = asked(&mut connections, again, 0, 0);
        assert_eq!((question.ceiling, question.want), (Some(0), 0));
        connections.answered(allowed(Some(0)));
        assert_eq!(connections.question(again + 60 * SECOND, 0, 0), None);
    }

    #[test]
    fn what_was_not_heard_is_told_again_unless_there_is_something_newer() {
        let now = Instant::now();
        let mut news = News::default();
        news.add(1, None);
        let first = news.next(now).unwrap();
        assert_eq!(news.next(now), None);
        news.told(now, &first, false);
        assert_eq!(news.next(now), None);
        assert_eq!(news.next(now + SECOND), Some(first.clone()));
        news.add(2, None);
        news.told(now, &first, true);
        assert_eq!(
            news.next(now),
            Some(Arc::new(RelayReport {
                revision: 2,
                failure: None
            }))
        );
    }
}
