//! The meetup's first real run in four configurations, with a real runner and a real PostgreSQL against a simulation of
//! its relay: `make bench-relay`.

#![allow(clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use e2e::{Db, MeetupRelay, Runner, Simulation};
use serde_json::json;

const FASTER: u32 = 100;
/// The day of the real run.
const SEED: u64 = 20260226;

struct Run {
    name: &'static str,
    pooled: bool,
    max_retries: u32,
    /// What the user measured, where he did: seconds a mail, mails a minute, per cent failed.
    measured: Option<(f64, f64, f64)>,
}

const RUNS: [Run; 4] = [
    Run {
        name: "a connection a mail, one try",
        pooled: false,
        max_retries: 1,
        measured: Some((14.0, 4.4, 3.5)),
    },
    Run {
        name: "a connection a mail, three tries",
        pooled: false,
        max_retries: 3,
        measured: None,
    },
    Run {
        name: "pooled, one try",
        pooled: true,
        max_retries: 1,
        measured: None,
    },
    Run {
        name: "pooled, three tries",
        pooled: true,
        max_retries: 3,
        measured: Some((7.5, 9.1, 0.6)),
    },
];

#[tokio::main]
async fn main() -> ExitCode {
    let seed = std::env::var("SEED").ok().filter(|seed| !seed.is_empty());
    let seed = seed.map_or(SEED, |seed| seed.parse().expect("SEED is no number"));
    println!(
        "{} people over {} connections; all durations of the relay {FASTER} times shorter, here scaled up again.",
        MeetupRelay::PEOPLE,
        MeetupRelay::CONNECTIONS
    );
    println!("Seed of the drops: {seed} (SEED=… for another)\n");
    println!(
        "{:<34}{:>6}{:>8}{:>10}{:>10}{:>8}   the user's: s/mail, /min, failed",
        "", "sent", "failed", "minutes", "s/mail", "/min"
    );
    let mut all_sent = true;
    for run in &RUNS {
        let (sent, failed, wall) = carry(run, seed).await;
        let wall = (wall * FASTER).as_secs_f64();
        // Of each connection: the user's mails went one after another.
        let each = wall * f64::from(MeetupRelay::CONNECTIONS) / MeetupRelay::PEOPLE as f64;
        let minute = MeetupRelay::PEOPLE as f64 * 60.0 / wall;
        let measured = run.measured.map(|(seconds, minute, failed)| {
            format!("   {seconds:>18}{minute:>6}{:>8}", format!("{failed} %"))
        });
        println!(
            "{:<34}{sent:>6}{failed:>8}{:>10.1}{each:>10.1}{minute:>8.1}{}",
            run.name,
            wall / 60.0,
            measured.unwrap_or_default()
        );
        all_sent = all_sent && (!run.pooled || run.max_retries == 1 || sent == MeetupRelay::PEOPLE);
    }
    println!(
        "\ns/mail is the time of one connection. A wait before a retry is not shortened: each second counts as {FASTER}."
    );
    if all_sent {
        ExitCode::SUCCESS
    } else {
        eprintln!("error: pooled and with three tries, not all were sent");
        ExitCode::FAILURE
    }
}

/// Returns sent, failed, and the time from the start of the campaign to its end.
async fn carry(run: &Run, seed: u64) -> (i64, i64, Duration) {
    let db = Db::clone_template().await;
    db.load_demo().await;
    let simulation = Simulation {
        faster: FASTER,
        seed,
        messages_per_connection: if run.pooled { 100 } else { 1 },
    };
    let _relay = MeetupRelay::start(&db, &simulation).await;
    let _runner = Runner::spawn(&db, &[]).await;
    db.until_somebody_listens().await;
    let begun = Instant::now();
    let config = json!({"concurrency": MeetupRelay::CONNECTIONS, "max_retries": run.max_retries});
    let job = db.start_for_demo(config).await;
    db.until_status(&job, "completed").await;
    let took = begun.elapsed();
    db.assert_books_hold(&job).await;
    let [sent, failed] = [
        db.count(&job, "sent_count").await,
        db.count(&job, "failed_count").await,
    ];
    (sent, failed, took)
}
