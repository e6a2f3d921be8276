//! Where the runner's instructions go, as callgrind counts them.

use std::collections::HashMap;
use std::time::Duration;

use e2e::Runner;
use tempfile::NamedTempFile;

use crate::campaign::{self, Campaign};
use crate::figures::grouped;
use crate::sink::Sink;
use crate::speed::CONNECTIONS;
use crate::table::Table;

/// What both have in common, the start of the runner, is no cost of a mail.
const FEW: u64 = 1_000;
const MANY: u64 = 4_000;
const LONGEST: Duration = Duration::from_secs(300);

const OTHER: &str = "other";

/// What a function is for, by what its name begins with. What is named by none is counted for those who call it.
const PURPOSES: [(&str, &[&str]); 9] = [
    (
        "token",
        &["message::token", "hmac", "sha2", "digest", "block_buffer"],
    ),
    (
        "links",
        &[
            "message::links",
            "message::markup",
            "lol_html",
            "cssparser",
            "selectors",
        ],
    ),
    (
        "render",
        &[
            "message::template",
            "message::context",
            "message::values",
            "message::filters",
            "message::tags",
            "message::tree",
            "minijinja",
        ],
    ),
    (
        "text part",
        &["message::text", "html2text", "html5ever", "markup5ever"],
    ),
    (
        "build",
        &[
            "message",
            "lettre",
            "quoted_printable",
            "email_encoding",
            "mime",
            "httpdate",
        ],
    ),
    ("SMTP", &["campaign_runner::smtp"]),
    (
        "claim and report",
        &[
            "campaign_runner::storage",
            "tokio_postgres",
            "postgres_protocol",
            "postgres_types",
            "deadpool",
        ],
    ),
    ("engine", &["campaign_runner"]),
    ("tokio", &["tokio", "mio"]),
];

/// Instructions a mail for each purpose, the most first.
pub struct Cpu(Vec<(&'static str, f64)>);

impl Cpu {
    pub fn table(&self) -> Table {
        let all: f64 = self.0.iter().map(|(_, instructions)| instructions).sum();
        let mut table = Table::new(&["for", "instructions a mail", "share"]);
        let shown = |name: &str, instructions: f64| {
            vec![
                name.to_owned(),
                grouped(instructions.round() as u64),
                format!("{:.1} %", 100.0 * instructions / all),
            ]
        };
        for (name, instructions) in &self.0 {
            table.row(shown(name, *instructions));
        }
        table.row(shown("all", all));
        table
    }
}

pub async fn measure() -> Cpu {
    println!("CPU: instructions of the runner, {} mails", grouped(MANY));
    let [few, many] = [count(FEW).await, count(MANY).await];
    let mails = (MANY - FEW) as f64;
    let mut purposes: Vec<(&str, f64)> = (many.into_iter())
        .map(|(purpose, count)| (purpose, ((count - few[purpose]) / mails).max(0.0)))
        .collect();
    purposes.sort_by(|a, b| b.1.total_cmp(&a.1));
    let cpu = Cpu(purposes);
    println!("{}", cpu.table());
    cpu
}

/// Instructions for each purpose, of a runner that sends so many mails.
async fn count(mails: u64) -> HashMap<&'static str, f64> {
    let sink = Sink::start().await;
    let db = campaign::database(sink.addr(), mails).await;
    let profile = NamedTempFile::new().expect("no file for the profile");
    let callgrind = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        "--compress-pos=no".to_owned(),
        format!("--callgrind-out-file={}", profile.path().display()),
    ];
    let runner = Runner::spawn_under(&callgrind, &db).await;
    let campaign = Campaign::start(&db, mails, campaign::config(CONNECTIONS)).await;
    campaign.completed(&db, LONGEST).await;
    campaign.verify(&db).await;
    campaign::stop(vec![runner]).await;
    let profile = std::fs::read_to_string(profile.path()).expect("callgrind wrote nothing");
    Profile::read(&profile).by_purpose()
}

/// Instructions of functions themselves, and of the calls between them.
#[derive(Default)]
struct Profile {
    functions: Vec<Function>,
}

#[derive(Default)]
struct Function {
    name: String,
    own: f64,
    /// Who calls it, and what that cost.
    callers: Vec<(usize, f64)>,
}

impl Profile {
    /// The format of callgrind, with whole positions.
    fn read(text: &str) -> Profile {
        let mut profile = Profile::default();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let (mut current, mut called, mut is_call) = (0, 0, false);
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                current = profile.function(name, &mut numbers);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                called = profile.function(name, &mut numbers);
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit()) {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
                let cost: f64 = cost.unwrap_or_default();
                if is_call {
                    profile.functions[called].callers.push((current, cost));
                } else {
                    profile.functions[current].own += cost;
                }
                is_call = false;
            }
        }
        profile
    }

    /// Of `(7) name`, or of `(7)` where the name was told before.
    fn function(&mut self, name: &str, numbers: &mut HashMap<String, usize>) -> usize {
        let (number, name) = name.split_once(' ').unwrap_or((name, ""));
        *numbers.entry(number.to_owned()).or_insert_with(|| {
            self.functions.push(Function {
                name: name.to_owned(),
                ..Function::default()
            });
            self.functions.len() - 1
        })
    }

    fn by_purpose(&self) -> HashMap<&'static str, f64> {
        // More calls than this between a function and the one whose purpose it serves are rare.
        const ROUNDS: usize = 40;
        let purposes: Vec<Option<&'static str>> = (self.functions.iter())
            .map(|function| purpose(&function.name))
            .collect();
        let mut counts: HashMap<&str, f64> =
            PURPOSES.iter().map(|(name, _)| (*name, 0.0)).collect();
        counts.insert(OTHER, 0.0);
        let mut count = |purpose, instructions| *counts.entry(purpose).or_default() += instructions;
        let mut waiting: Vec<f64> = self.functions.iter().map(|function| function.own).collect();
        for _ in 0..ROUNDS {
            let mut passed_on = vec![0.0; waiting.len()];
            for (index, function) in self.functions.iter().enumerate() {
                let instructions = waiting[index];
                let calls: f64 = function.callers.iter().map(|(_, cost)| cost).sum();
                if let Some(purpose) = purposes[index] {
                    count(purpose, instructions);
                } else if calls == 0.0 {
                    count(OTHER, instructions);
                } else {
                    for (caller, cost) in &function.callers {
                        passed_on[*caller] += instructions * cost / calls;
                    }
                }
            }
            waiting = passed_on;
        }
        count(OTHER, waiting.iter().sum());
        counts
    }
}

fn purpose(function: &str) -> Option<&'static str> {
    let name = function.trim_start_matches(['<', '_', '&', '*']);
    let path_begins_with = |prefix: &&str| {
        let rest = name.strip_prefix(*prefix);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphabetic()))
    };
    let purpose = PURPOSES
        .iter()
        .find(|(_, prefixes)| prefixes.iter().any(path_begins_with));
    purpose.map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_known_by_the_beginning_of_their_path() {
        assert_eq!(purpose("message::token::Token::sign"), Some("token"));
        assert_eq!(purpose("message::mail::build"), Some("build"));
        assert_eq!(
            purpose("<lettre::message::Message as core::fmt::Debug>::fmt"),
            Some("build")
        );
        assert_eq!(
            purpose("campaign_runner::smtp::session::send"),
            Some("SMTP")
        );
        assert_eq!(purpose("campaign_runner::engine::carry"), Some("engine"));
        assert_eq!(
            purpose("tokio_postgres::client::query"),
            Some("claim and report")
        );
        assert_eq!(purpose("tokio::runtime::park"), Some("tokio"));
        assert_eq!(purpose("messages::x"), None);
        assert_eq!(purpose("malloc"), None);
    }

    #[test]
    fn what_has_no_purpose_is_shared_by_those_who_call_it() {
        let profile = Profile::read(
            "events: Ir\n\
             fn=(1) malloc\n10 400\n\
             fn=(2) alloc::alloc::alloc\n3 100\ncfn=(1)\ncalls=4 10\n3 400\n\
             fn=(3) minijinja::render\n5 1000\ncfn=(2)\ncalls=3 3\n5 300\n\
             fn=(4) lettre::build\n7 2000\ncfn=(2)\ncalls=1 3\n7 200\n\
             fn=(5) main\n1 50\n",
        );
        let counts = profile.by_purpose();
        assert_eq!(counts["render"], 1_300.0);
        assert_eq!(counts["build"], 2_200.0);
        assert_eq!(counts[OTHER], 50.0);
        assert_eq!(counts["SMTP"], 0.0);
    }

    #[test]
    fn functions_that_call_each_other_do_not_lose_instructions() {
        let profile = Profile::read(
            "fn=(1) a\n1 60\ncfn=(2) b\ncalls=1 1\n1 30\n\
             fn=(2)\n1 30\ncfn=(1)\ncalls=1 1\n1 60\n\
             fn=(3) tokio::run\n1 10\ncfn=(1)\ncalls=1 1\n1 90\n",
        );
        let counts = profile.by_purpose();
        let all: f64 = counts.values().sum();
        assert!(
            (all - 100.0).abs() < 0.01 && counts["tokio"] > 90.0,
            "{counts:?}"
        );
    }
}
