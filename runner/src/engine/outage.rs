//! Says that the database is in trouble: once for each kind of it, and once when it is over.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::storage::{StorageError, Trouble};

/// A call that failed and was not made again for so long is not waited for.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// Trouble that comes and goes is one: a disk that is nearly full takes some outcomes and others not.
const QUIET: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Outage {
    /// Calls that fail, and when they did last. Others may succeed meanwhile: on a full disk those that need no room.
    failing: HashMap<&'static str, Instant>,
    told: HashSet<Told>,
    last: Option<Instant>,
}

#[derive(PartialEq, Eq, Hash)]
enum Told {
    Trouble(Trouble),
    Other(&'static str),
}

impl Outage {
    pub fn begins(&mut self, now: Instant, call: &'static str, error: &StorageError) {
        self.failing.insert(call, now);
        self.last = Some(now);
        let trouble = match error {
            StorageError::Unavailable(trouble, _) => Some(*trouble),
            _ => None,
        };
        let is_news = self
            .told
            .insert(trouble.map_or(Told::Other(call), Told::Trouble));
        match trouble {
            _ if !is_news => {}
            Some(trouble) => tracing::warn!(
                call,
                %trouble,
                %error,
                to_do = trouble.advice(),
                "calls to the database fail and are repeated; outcomes are kept until it takes them"
            ),
            None => tracing::error!(call, %error, "a call fails; it is repeated"),
        }
    }

    pub fn over(&mut self, now: Instant, call: &'static str) {
        self.failing.remove(call);
        self.failing
            .retain(|_, last| now.duration_since(*last) < FORGOTTEN_AFTER);
        let quiet = self
            .last
            .is_some_and(|last| now.duration_since(last) >= QUIET);
        if self.failing.is_empty() && quiet {
            self.last = None;
            self.told.clear();
            tracing::info!("the database answers again");
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    fn full() -> StorageError {
        StorageError::Unavailable(
            Trouble::DiskFull,
            "could not extend file (53100)".to_owned(),
        )
    }

    fn away() -> StorageError {
        StorageError::Unavailable(Trouble::Unreachable, "refused".to_owned())
    }

    fn unknown(text: &str) -> StorageError {
        StorageError::Other(text.to_owned())
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The levels of the lines that are logged.
    fn logged(happens: impl FnOnce(&mut Outage, Instant)) -> Vec<String> {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            happens(&mut Outage::default(), Instant::now());
        });
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect()
    }

    #[test]
    fn trouble_is_told_once_however_many_calls_meet_it_and_others_succeed() {
        let levels = logged(|outage, now| {
            for _ in 0..3 {
                outage.begins(now, "report", &full());
                outage.over(now, "heartbeat");
                outage.begins(now, "tick", &full());
            }
        });
        assert_eq!(levels, ["WARN"]);
    }

    #[test]
    fn its_end_is_told_once_when_all_calls_succeed_again() {
        let levels = logged(|outage, now| {
            outage.begins(now, "report", &full());
            outage.begins(now, "tick", &full());
            outage.over(now + QUIET, "report");
            outage.over(now + QUIET, "tick");
            outage.over(now + QUIET, "report");
            outage.begins(now + QUIET, "report", &full());
        });
        assert_eq!(levels, ["WARN", "INFO", "WARN"]);
    }

    #[test]
    fn trouble_that_comes_and_goes_is_told_once() {
        let levels = logged(|outage, mut now| {
            for _ in 0..10 {
                outage.begins(now, "report", &full());
                outage.over(now, "report");
                now += QUIET / 2;
            }
            outage.over(now + QUIET, "tick");
        });
        assert_eq!(levels, ["WARN", "INFO"]);
    }

    #[test]
    fn another_kind_of_trouble_is_told_too_but_none_twice() {
        let levels = logged(|outage, now| {
            for _ in 0..2 {
                outage.begins(now, "report", &full());
                outage.begins(now, "report", &away());
                outage.begins(now, "tick", &unknown("a bug"));
                outage.begins(now, "tick", &unknown("a bug, in other words"));
            }
        });
        assert_eq!(levels, ["WARN", "WARN", "ERROR"]);
    }

    #[test]
    fn a_call_that_is_not_made_again_holds_up_no_news() {
        let levels = logged(|outage, now| {
            outage.begins(now, "job_spec", &away());
            outage.over(now, "report");
            outage.over(now + FORGOTTEN_AFTER, "report");
        });
        assert_eq!(levels, ["WARN", "INFO"]);
    }
}
