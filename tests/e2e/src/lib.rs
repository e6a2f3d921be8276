//! What the tests stand on: a database of their own, runners as processes, an SMTP server with a script, and waiting
//! for conditions. Everything here panics with the reason when it cannot go on: all callers are tests.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod caller;
mod cluster;
mod db;
mod exim;
mod http;
mod links;
mod meetup;
mod process;
mod runner;
mod server;

use std::time::Duration;

use mail_catcher::{Auth, Authority, Catcher, Config, Fault, Gate, Rule, Script, Stage};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use caller::{Caller, FAST, assert_problem};
pub use cluster::Cluster;
pub use db::{Db, Job, address};
pub use exim::Exim;
pub use http::Answer;
pub use links::Links;
pub use meetup::{MeetupRelay, Simulation};
pub use process::Process;
pub use runner::{Runner, doctor};
pub use server::Server;

/// How long a test waits for anything before it fails.
pub const LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(25);

/// An SMTP server that fails where a rule says so, and the default integration of the database.
pub async fn relay(db: &Db, rules: impl IntoIterator<Item = Rule>) -> Catcher {
    let config = Config {
        script: Script::new(rules),
        ..Config::default()
    };
    relay_with(db, config).await
}

/// As [`relay`], for a server that is set up otherwise.
pub async fn relay_with(db: &Db, config: Config) -> Catcher {
    let catcher = Catcher::start(config).await.expect("no SMTP server");
    db.set_relay(catcher.addr()).await;
    catcher
}

pub const USERNAME: &str = "meetups";
pub const PASSWORD: &str = "correct horse";

/// For servers that want [`USERNAME`] and [`PASSWORD`].
pub fn auth() -> Option<Auth> {
    Some(Auth::new(USERNAME, PASSWORD))
}

/// A certificate authority that runners trust by a file.
pub struct TrustedAuthority {
    pub authority: Authority,
    file: NamedTempFile,
}

impl TrustedAuthority {
    pub fn create() -> TrustedAuthority {
        let authority = Authority::new().expect("no certificate authority");
        let file = NamedTempFile::new().expect("no file for a certificate");
        authority.write_pem(file.path()).unwrap();
        TrustedAuthority { authority, file }
    }

    /// Of an integration that logs in at this server.
    pub fn login_at(&self, catcher: &Catcher, tls: &str) -> Value {
        json!({
            "host": "localhost", "port": catcher.addr().port(), "tls": tls, "ca_file": self.file.path(),
            "username": USERNAME, "password": PASSWORD
        })
    }
}

/// A relay that accepts the mails to p107, p117, p127 … and holds its replies back until the gate opens.
pub fn hold_replies(gate: &Gate) -> Rule {
    Rule::when(
        |_, local_part| is_held(local_part),
        Fault::Hold(Stage::Dot, gate.clone()),
    )
}

/// Waits until this many connections wait for replies that [`hold_replies`] holds back.
pub async fn until_replies_are_held(job: &Job, catcher: &Catcher, connections: usize) {
    until("each connection waits for a reply", async || {
        let mails = job.mails(catcher);
        let held = mails.iter().filter(|mail| {
            let local_part = mail.recipient.split_once('@').map(|(local, _)| local);
            local_part.is_some_and(is_held)
        });
        (held.count() == connections).then_some(())
    })
    .await;
}

fn is_held(local_part: &str) -> bool {
    local_part.len() > 3 && local_part.ends_with('7')
}

/// How many mails were accepted for this address.
pub fn mails_to(catcher: &Catcher, address: &str) -> usize {
    let mails = catcher.accepted();
    mails
        .iter()
        .filter(|mail| mail.recipient == address)
        .count()
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
