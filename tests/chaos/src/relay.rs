//! The relay of a run: the scripted SMTP server behind a proxy.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mail_catcher::{Catcher, Config, Fault, Moment, Reply, Rule, Script, Stage};

use crate::plan::Plan;
use crate::proxy::Proxy;

/// Where it may drop a connection. At the dot there are two more: with the mail taken, and without.
const PHASES: [Stage; 9] = [
    Stage::Connect,
    Stage::Greeting,
    Stage::Ehlo,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::Body,
    Stage::Rset,
    Stage::Quit,
];

pub struct Relay {
    pub catcher: Catcher,
    pub proxy: Proxy,
    moods: Arc<Moods>,
}

#[derive(Default)]
struct Moods {
    seed: u64,
    drops_per_mille: AtomicU64,
    /// Nobody is refused any more.
    mended: AtomicBool,
    asked: Mutex<HashMap<(usize, String), u64>>,
}

impl Moods {
    /// Decides anew each time that a rule is asked for the same connection or address.
    fn drops(&self, rule: usize, moment: &Moment) -> bool {
        let who = match moment.local_part {
            "" => moment.connection.to_string(),
            local_part => local_part.to_owned(),
        };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let times = asked.entry((rule, who.clone())).or_default();
        *times += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, rule, who, *times).hash(&mut hasher);
        hasher.finish() % 1_000 < self.drops_per_mille.load(Ordering::Relaxed)
    }
}

impl Relay {
    pub async fn start(plan: &Plan) -> Relay {
        let seed = plan.seed.wrapping_add(u64::from(plan.run));
        let moods = Arc::new(Moods {
            seed,
            ..Moods::default()
        });
        let phases = PHASES.map(Fault::Drop).into_iter();
        let at_dot = [true, false].map(|accepted| Fault::DropAtDot { accepted });
        let drops = phases.chain(at_dot).enumerate().map(|(rule, fault)| {
            let moods = moods.clone();
            Rule::at(move |moment| moods.drops(rule, moment), fault)
        });
        let per_mille = plan.refused_per_mille;
        let refuses = {
            let moods = moods.clone();
            Rule::when(
                move |_, local_part| {
                    let mut hasher = DefaultHasher::new();
                    (seed, local_part).hash(&mut hasher);
                    hasher.finish() % 1_000 < per_mille && !moods.mended.load(Ordering::Relaxed)
                },
                Fault::Reply(Stage::Rcpt, Reply::new(550, "5.1.1 no such user")),
            )
        };
        let slow = Rule::always(Fault::Delay(Stage::Dot, plan.reply_after));
        let config = Config {
            script: Script::new(drops.chain([refuses, slow])),
            ..Config::default()
        };
        let catcher = Catcher::start(config).await.expect("no SMTP server");
        let proxy = Proxy::start(catcher.addr()).await.expect("no proxy");
        Relay {
            catcher,
            proxy,
            moods,
        }
    }

    pub fn drop_connections(&self, per_mille: u64) {
        self.moods
            .drops_per_mille
            .store(per_mille, Ordering::Relaxed);
    }

    /// From now on nobody is refused.
    pub fn mend(&self) {
        self.moods.mended.store(true, Ordering::Relaxed);
    }

    /// Connections that ended without QUIT after a DATA.
    pub fn lost_at_dot(&self) -> u64 {
        let said = |commands: &[String], verb: &str| {
            commands.iter().any(|line| line.eq_ignore_ascii_case(verb))
        };
        let connections = self.catcher.connections();
        let lost = connections
            .iter()
            .filter(|one| said(&one.commands, "DATA") && !said(&one.commands, "QUIT"));
        lost.count() as u64
    }
}
