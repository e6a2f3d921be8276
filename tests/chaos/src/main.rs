//! Campaigns with real runners, PostgreSQL and SMTP under random faults; afterwards every recipient is accounted for.
//! Needs what tools/test.sh sets: run it by `make chaos`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod arena;
mod check;
mod clock;
mod fault;
mod plan;
mod proxy;
mod relay;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use tokio::task::JoinSet;

use arena::Outcome;
use fault::Family;
use plan::Plan;
use report::Report;

#[derive(Parser)]
struct Args {
    /// How many runs.
    #[arg(long, default_value_t = 50)]
    runs: u32,
    /// What decides the schedules; by default another each time. It is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this one of the runs.
    #[arg(long)]
    run: Option<u32>,
    /// All faults in each run, instead of one family of faults after the other.
    #[arg(long)]
    all_at_once: bool,
    /// Runs at a time.
    #[arg(long, default_value_t = 2)]
    parallel: usize,
    /// Where logs of runners of failed runs are kept.
    #[arg(long, default_value = "target/chaos")]
    logs: PathBuf,
    /// The document whose figures are written, if all runs passed.
    #[arg(long)]
    document: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        now.as_micros() as u64 % 1_000_000_000
    });
    println!("seed {seed}: the same schedules again with SEED={seed}, one of them with RUN=…");
    let started = Instant::now();
    let only = args.all_at_once.then_some(Family::AllAtOnce);
    let mut runs = (1..=args.runs).filter(|run| args.run.is_none_or(|only| only == *run));
    let mut report = Report::default();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < args.parallel.max(1) {
            let Some(run) = runs.next() else { break };
            let plan = Plan::new(seed, run, only);
            let logs = args.logs.join(format!("{seed}-{run}"));
            print!("{plan}");
            under_way.spawn(async move {
                // A task of its own, whose panic is one of this run only.
                let played = {
                    let plan = plan.clone();
                    tokio::spawn(async move { arena::run(&plan, &logs).await })
                };
                (plan, played.await)
            });
        }
        let Some(ended) = under_way.join_next().await else {
            break;
        };
        let (plan, outcome) = ended.expect("runs are awaited");
        let outcome = outcome.unwrap_or_else(|error| Outcome {
            findings: vec![check::Finding {
                promise: check::Promise::Always,
                detail: format!("the run broke off: {error}"),
            }],
            ..Outcome::default()
        });
        report.add(&plan, outcome);
    }
    println!("\n{report}\nStrikes: {}", report.strikes());
    println!(
        "{} runs in {}",
        report.runs(),
        report::rounded(started.elapsed())
    );
    if let Some(document) = &args.document
        && report.passed()
    {
        report.write(document, seed, started.elapsed());
    }
    if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
