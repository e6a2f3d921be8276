//! What the tests stand on: a database of their own, runners as processes, an SMTP server with a script, and waiting
//! for conditions. Everything here panics with the reason when it cannot go on: all callers are tests.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod db;
mod runner;

use std::time::Duration;

use mail_catcher::{Catcher, Config, Rule, Script, Store};
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use db::{Db, Job, address};
pub use runner::Runner;

/// How long a test waits for anything before it fails.
pub const LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(25);

/// An SMTP server that fails where a rule says so, and the default integration of the database.
pub async fn relay(db: &Db, rules: impl IntoIterator<Item = Rule>) -> Catcher {
    let config = Config {
        store: Store::Nowhere,
        script: Script::new(rules),
        ..Config::default()
    };
    let catcher = Catcher::start(config).await.expect("no SMTP server");
    db.set_relay(catcher.addr()).await;
    catcher
}

/// Returns what `look` found. Panics with `what` when that takes longer than [`LIMIT`].
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    let mut times = interval(POLL);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {LIMIT:?}: {what}");
    }
}
