//! Speed and growth, against the limit of the wire and against peers: `make bench`. Needs what tools/bench.sh sets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod calls;
mod campaign;
mod claims;
mod cpu;
mod document;
mod fairness;
mod figures;
mod growth;
mod latency;
mod limit;
mod machine;
mod peers;
mod sink;
mod speed;
mod table;
mod usage;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use document::Results;
use speed::Limit;

#[derive(Parser)]
struct Args {
    /// Only this part; no document is written.
    #[arg(long)]
    part: Option<Part>,
    /// With what takes long.
    #[arg(long)]
    full: bool,
    /// The document that is written.
    #[arg(long)]
    document: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    Speed,
    Peers,
    Growth,
    Latency,
    Fairness,
    Cpu,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mut told = signal(SignalKind::terminate()).expect("no signals");
    tokio::select! {
        () = run(args) => ExitCode::SUCCESS,
        // What runs ends with the values that stand for it.
        _ = ctrl_c() => ExitCode::from(130),
        _ = told.recv() => ExitCode::from(143),
    }
}

async fn run(args: Args) {
    let mut limit = Limit::new();
    match args.part {
        Some(Part::Speed) => {
            let speed = speed::measure_quickly(&mut limit).await;
            println!("\n{}", speed.table(&limit));
        }
        Some(Part::Peers) => {
            limit.measure().await;
            let peers = peers::measure(&mut limit).await;
            println!("\n{}", peers.table(&limit));
        }
        Some(Part::Growth) => drop(growth::measure(args.full).await),
        Some(Part::Latency) => drop(latency::measure().await),
        Some(Part::Fairness) => drop(fairness::measure().await),
        Some(Part::Cpu) => drop(cpu::measure().await),
        None => {
            let speed = speed::measure(&mut limit).await;
            let peers = peers::measure(&mut limit).await;
            println!("\n{}\n{}", speed.table(&limit), peers.table(&limit));
            let results = Results {
                full: args.full,
                machine: machine::describe().await,
                limit,
                speed,
                peers,
                growth: growth::measure(args.full).await,
                latency: latency::measure().await,
                fairness: fairness::measure().await,
                cpu: cpu::measure().await,
            };
            println!("{}", results.targets_table());
            fs::write(&args.document, results.document()).expect("the document cannot be written");
            println!("{} is written.", args.document.display());
        }
    }
}
