use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mail_catcher::{Auth, Authority, Catcher, Config, Fault, Rule, Script, Stage, Tls};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::db::{Db, Job};

/// The relay of the meetup's first real run: each session takes 6.5 s until it is ready, 3 of them for TLS, each mail
/// 7.5 s, and 3.5 % of the mails are answered with the end of the connection, before the dot.
pub struct MeetupRelay {
    pub catcher: Catcher,
    _ca: TempDir,
}

/// How [`MeetupRelay`] is simulated.
pub struct Simulation {
    /// How many times shorter all durations are.
    pub faster: u32,
    /// Of the drops: with the same seed the same attempts for the same recipients are dropped.
    pub seed: u64,
    pub messages_per_connection: u32,
}

impl MeetupRelay {
    pub const PEOPLE: i64 = 181;
    pub const CONNECTIONS: u32 = 3;
    const HANDSHAKE: Duration = Duration::from_secs(3);
    const REST_OF_SESSION: Duration = Duration::from_millis(3_500);
    const MAIL: Duration = Duration::from_millis(7_500);
    const PER_MILLE_DROPPED: u64 = 35;

    /// Starts it, and makes it the default integration of the database.
    pub async fn start(db: &Db, simulation: &Simulation) -> MeetupRelay {
        let authority = Authority::new().expect("no certificate");
        let certificate = (authority.certificate(&["localhost"])).expect("no certificate");
        let ca = TempDir::new().expect("no folder");
        let ca_file = ca.path().join("ca.pem");
        authority.write_pem(&ca_file).expect("no file");

        let slow = |stage, time| Rule::always(Fault::Delay(stage, time / simulation.faster));
        let config = Config {
            script: Script::new([
                slow(Stage::Handshake, Self::HANDSHAKE),
                slow(Stage::Auth, Self::REST_OF_SESSION),
                slow(Stage::Dot, Self::MAIL),
                drops(simulation.seed),
            ]),
            tls: Some(Tls::starttls(&certificate).expect("no TLS")),
            auth: Some(Auth::new("meetups", "secret")),
            ..Config::default()
        };
        let catcher = Catcher::start(config).await.expect("no SMTP server");
        db.set_integration(json!({
            "host": "localhost", "port": catcher.addr().port(), "tls": "starttls", "ca_file": ca_file,
            "username": "meetups", "password": "secret",
            "messages_per_connection": simulation.messages_per_connection
        }))
        .await;
        MeetupRelay { catcher, _ca: ca }
    }
}

/// Decides anew at each attempt for a recipient.
fn drops(seed: u64) -> Rule {
    let attempts: Mutex<HashMap<String, u64>> = Mutex::default();
    let dropped = move |_, local_part: &str| {
        let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = attempts.entry(local_part.to_owned()).or_default();
        *attempt += 1;
        let mut hasher = DefaultHasher::new();
        (seed, local_part, *attempt).hash(&mut hasher);
        hasher.finish() % 1_000 < MeetupRelay::PER_MILLE_DROPPED
    };
    Rule::when(dropped, Fault::Drop(Stage::Data))
}

impl Db {
    /// The invented people of the demo.
    pub async fn load_demo(&self) {
        self.load_meetup(0).await;
        let people = include_str!("../../../sql/meetup/demo/010_people.sql");
        self.run(people).await;
    }

    /// Starts a campaign for the people of the demo, all segments together.
    pub async fn start_for_demo(&self, config: Value) -> Job {
        let audience = "select a.id::text as recipient_key, a.email,
              jsonb_build_object('name', a.name, 'first_name', a.first_name) as vars
            from public.attendees a order by a.id";
        self.start_for(audience, config).await
    }
}
