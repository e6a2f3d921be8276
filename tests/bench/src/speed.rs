//! Mails a second: the limit and ours.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::Db;
use serde_json::{Value, json};

use crate::campaign::{self, Campaign};
use crate::figures::{grouped, mebibytes, median, rate, seconds};
use crate::limit;
use crate::sink::{Sink, Watch};
use crate::table::Table;
use crate::usage;

pub const CONNECTIONS: usize = 10;
const MAILS: u64 = 100_000;
/// Of a campaign of [`MAILS`].
const LONGEST: Duration = Duration::from_secs(300);

/// Whose CPU time is that of sending.
pub enum Sender {
    ThisProcess,
    Processes(Vec<i32>),
}

impl Sender {
    fn cpu(&self) -> Duration {
        match self {
            Sender::ThisProcess => usage::cpu(std::process::id().try_into().expect("a pid")),
            Sender::Processes(pids) => pids.iter().copied().map(usage::cpu).sum(),
        }
    }
}

/// Measures whoever sends to a sink of its own.
pub struct Meter {
    sink: Sink,
    watch: Watch,
    sender: Sender,
    postmaster: Option<i32>,
    before: [Duration; 3],
    begun: Instant,
}

impl Meter {
    /// A sink, before anybody knows of it.
    pub async fn start(postmaster: Option<i32>, sender: Sender) -> Meter {
        Meter::start_with(Sink::start().await, postmaster, sender)
    }

    /// For a sink that the sender knows already.
    pub fn start_with(sink: Sink, postmaster: Option<i32>, sender: Sender) -> Meter {
        let mut meter = Meter {
            watch: sink.watch(),
            sink,
            sender,
            postmaster,
            before: [Duration::ZERO; 3],
            begun: Instant::now(),
        };
        meter.before = meter.cpu();
        meter
    }

    pub fn addr(&self) -> SocketAddr {
        self.sink.addr()
    }

    fn cpu(&self) -> [Duration; 3] {
        let database = self.postmaster.map(usage::cpu_of_server);
        [
            self.sender.cpu(),
            database.unwrap_or_default(),
            self.sink.cpu(),
        ]
    }

    /// Panics unless the sink has accepted so many.
    pub fn end(self, mails: u64) -> Cost {
        let took = self.begun.elapsed();
        let after = self.cpu();
        let accepted = self.sink.accepted();
        assert!(
            accepted == mails,
            "smtp-sink counted {accepted} mails of {mails}"
        );
        let mut cpu = [0.0; 3];
        for (cpu, (after, before)) in cpu.iter_mut().zip(after.iter().zip(self.before)) {
            *cpu = (*after - before).as_secs_f64() * 1e6 / mails as f64;
        }
        Cost {
            mails,
            took,
            rate: self.watch.end().rate(),
            cpu,
            peak_memory: None,
        }
    }
}

/// What it took to send.
#[derive(Clone)]
pub struct Cost {
    pub mails: u64,
    /// From when the sender was told to begin until it said that all was done.
    pub took: Duration,
    /// Mails a second between the first and the last acceptance.
    pub rate: f64,
    /// Microseconds a mail of the sender, of PostgreSQL and of the sink.
    pub cpu: [f64; 3],
    /// Of the largest runner.
    pub peak_memory: Option<u64>,
}

impl Cost {
    fn print(&self, name: &str) {
        println!(
            "  {name:<34}{:>10} mails/s   {} in {}, CPU {}{}",
            rate(self.rate),
            grouped(self.mails),
            seconds(self.took),
            cpu_text(self.cpu),
            (self.peak_memory).map_or(String::new(), |bytes| format!(
                ", peak {}",
                mebibytes(bytes)
            ))
        );
    }
}

fn cpu_text(cpu: [f64; 3]) -> String {
    let [sender, database, sink] = cpu;
    format!("{sender:.1} / {database:.1} / {sink:.1} µs")
}

/// Medians of several runs of one kind.
pub struct Runs {
    name: &'static str,
    runs: Vec<Cost>,
}

impl Runs {
    pub fn of(name: &'static str) -> Runs {
        Runs {
            name,
            runs: Vec::new(),
        }
    }

    pub fn add(&mut self, cost: Cost) {
        cost.print(self.name);
        self.runs.push(cost);
    }

    pub fn rate(&self) -> f64 {
        self.median(|run| run.rate)
    }

    fn median(&self, value: impl Fn(&Cost) -> f64) -> f64 {
        let values: Vec<f64> = self.runs.iter().map(value).collect();
        median(&values)
    }

    pub fn row(&self, limit: f64) -> Vec<String> {
        let cpu = [0, 1, 2].map(|part| self.median(|run| run.cpu[part]));
        let took = self.median(|run| run.took.as_secs_f64());
        let whole = self.median(|run| run.mails as f64 / run.took.as_secs_f64());
        let peaks = self.runs.iter().filter_map(|run| run.peak_memory);
        vec![
            self.name.to_owned(),
            self.runs.len().to_string(),
            grouped(self.runs[0].mails),
            rate(self.rate()),
            format!("{:.2}", self.rate() / limit),
            format!("{took:.1} s"),
            rate(whole),
            cpu_text(cpu),
            peaks.max().map_or(String::new(), mebibytes),
        ]
    }
}

pub const COLUMNS: [&str; 9] = [
    "",
    "runs",
    "mails",
    "mails/s",
    "÷ limit",
    "start to end",
    "mails/s of that",
    "CPU a mail: sender / PostgreSQL / sink",
    "peak memory",
];

/// The limit of this machine, and how it drifts while the rest is measured.
pub struct Limit {
    pub each: Runs,
    once: Runs,
}

impl Limit {
    pub fn new() -> Limit {
        Limit {
            each: Runs::of("limit: plain lettre loop"),
            once: Runs::of("the wire alone: one mail, built once"),
        }
    }

    pub async fn measure(&mut self) {
        self.each.add(limit::build_each(MAILS).await);
    }

    pub async fn measure_wire(&mut self) {
        self.once.add(limit::build_once(MAILS).await);
    }

    pub fn rate(&self) -> f64 {
        self.each.rate()
    }
}

pub struct Speed {
    ours: Runs,
    others: Vec<Runs>,
    /// Bytes of a mail of ours, and of one with the long letter.
    pub sizes: [usize; 2],
}

impl Speed {
    pub fn ours(&self) -> f64 {
        self.ours.rate()
    }

    pub fn table(&self, limit: &Limit) -> Table {
        let mut table = Table::new(&COLUMNS);
        table.row(limit.once.row(limit.rate()));
        table.row(limit.each.row(limit.rate()));
        table.row(self.ours.row(limit.rate()));
        for runs in &self.others {
            table.row(runs.row(limit.rate()));
        }
        table
    }
}

pub async fn measure(limit: &mut Limit) -> Speed {
    println!("Speed: {CONNECTIONS} connections");
    limit.measure_wire().await;
    limit.measure().await;
    let mut ours = Runs::of("ours");
    for _ in 0..3 {
        ours.add(send(MAILS, Variant::usual()).await);
        limit.measure().await;
    }
    let mut others = Vec::new();
    for variant in [
        Variant {
            name: "ours, two runners",
            runners: 2,
            ..Variant::usual()
        },
        Variant {
            name: "ours, 3 connections",
            config: campaign::config(3),
            ..Variant::usual()
        },
        Variant {
            name: "ours, chunks of 500",
            config: json!({"concurrency": CONNECTIONS}),
            ..Variant::usual()
        },
        Variant::commands(),
        Variant {
            name: "ours, all by default",
            config: json!({}),
            relay: Some(json!({"pipelining": "commands", "messages_per_connection": 100})),
            ..Variant::usual()
        },
        Variant {
            name: "ours, HTML of 2.9 kB",
            letter: Some(campaign::LONG_LETTER),
            ..Variant::usual()
        },
    ] {
        let mut runs = Runs::of(variant.name);
        runs.add(send(MAILS, variant).await);
        others.push(runs);
        limit.measure().await;
    }
    println!(
        "  {:<34}{:>10.2}",
        "ours ÷ limit",
        ours.rate() / limit.rate()
    );
    Speed {
        ours,
        others,
        sizes: sizes().await,
    }
}

/// The same in short, for who works on it: as many mails as take a few seconds.
pub async fn measure_quickly(limit: &mut Limit) -> Speed {
    const SECONDS: f64 = 5.0;
    const TRIAL: u64 = 5_000;
    println!("Speed: {CONNECTIONS} connections");
    limit.measure_wire().await;
    let trial = send(TRIAL, Variant::usual()).await;
    let mails = ((trial.rate * SECONDS) as u64).clamp(TRIAL, MAILS);
    limit.measure().await;
    let mut ours = Runs::of("ours");
    for _ in 0..2 {
        ours.add(send(mails, Variant::usual()).await);
        limit.measure().await;
    }
    let variant = Variant::commands();
    let mut commands = Runs::of(variant.name);
    commands.add(send(mails, variant).await);
    println!(
        "  {:<34}{:>10.2}",
        "ours ÷ limit",
        ours.rate() / limit.rate()
    );
    Speed {
        ours,
        others: vec![commands],
        sizes: sizes().await,
    }
}

async fn sizes() -> [usize; 2] {
    let ours = campaign::size_of_a_mail(None).await;
    let long = campaign::size_of_a_mail(Some(campaign::LONG_LETTER)).await;
    println!(
        "  bytes on the wire: limit {}, ours {ours}, HTML of 2.9 kB {long}",
        limit::size()
    );
    [ours, long]
}

/// How a campaign is sent.
struct Variant {
    name: &'static str,
    runners: usize,
    config: Value,
    /// What is other than usual in the relay's config.
    relay: Option<Value>,
    letter: Option<&'static str>,
}

impl Variant {
    fn usual() -> Variant {
        Variant {
            name: "ours",
            runners: 1,
            config: campaign::config(CONNECTIONS),
            relay: None,
            letter: None,
        }
    }

    fn commands() -> Variant {
        Variant {
            name: "ours, pipelining: commands",
            relay: Some(json!({"pipelining": "commands"})),
            ..Variant::usual()
        }
    }
}

async fn send(mails: u64, variant: Variant) -> Cost {
    let sink = Sink::start().await;
    let db = campaign::database(sink.addr(), mails).await;
    if let Some(html) = variant.letter {
        campaign::use_letter(&db, html).await;
    }
    if let Some(config) = variant.relay {
        db.change_relay(config).await;
    }
    let running = campaign::runners(&db, variant.runners).await;
    let pids: Vec<i32> = running.iter().map(|runner| runner.pid()).collect();
    let postmaster = campaign::postmaster(&db).await;
    let meter = Meter::start_with(sink, Some(postmaster), Sender::Processes(pids.clone()));
    let mut cost = carry(&db, meter, mails, variant.config).await;
    cost.peak_memory = pids.iter().copied().map(usage::peak_memory).max();
    campaign::stop(running).await;
    cost
}

async fn carry(db: &Db, meter: Meter, mails: u64, config: Value) -> Cost {
    let campaign = Campaign::start(db, mails, config).await;
    let took = campaign.completed(db, LONGEST).await;
    let mut cost = meter.end(mails);
    cost.took = took;
    campaign.verify(db).await;
    cost
}
