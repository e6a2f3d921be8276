//! Opens at a constant rate, with a real server and a real PostgreSQL, while a campaign is being sent: `make bench`.
//!
//! The load is open-loop: a request is due at its time whether or not those before were answered, and its latency counts
//! from then, so a server that falls behind cannot hide it by being asked less.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use e2e::{Db, Job, Runner, Server, relay_with};
use mail_catcher::{Config, Fault, Rule, Script, Stage, Store};
use message::token::{Key, Kind, Token};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

const RATE: usize = 5_000;
const SECONDS: usize = 20;
const REQUESTS: usize = RATE * SECONDS;
const CONNECTIONS: usize = 64;
const P99: Duration = Duration::from_millis(50);
/// More than are sent meanwhile.
const RECIPIENTS: usize = 40_000;
const MAILS_AT_ONCE: u32 = 5;
const GIF: usize = 43;

const READERS: [&str; 4] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0",
];

#[tokio::main]
async fn main() -> ExitCode {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &[]).await;
    db.set_public_url(&server.url()).await;
    let config = Config {
        store: Store::Nowhere,
        script: Script::new([Rule::always(Fault::Delay(
            Stage::Dot,
            Duration::from_millis(5),
        ))]),
        ..Config::default()
    };
    let _relay = relay_with(&db, config).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start_tracked(RECIPIENTS, json!({"concurrency": MAILS_AT_ONCE}))
        .await;
    let requests = requests(&db, &job).await;
    e2e::until("the campaign is being sent", async || {
        (db.count(&job, "sent_count").await > 0).then_some(())
    })
    .await;

    println!("{RATE} opens a second for {SECONDS} s over {CONNECTIONS} connections");
    let sent_before = db.count(&job, "sent_count").await;
    let mut latencies = load(server.addr(), requests).await;
    let sent_meanwhile = db.count(&job, "sent_count").await - sent_before;

    let ended = Instant::now();
    let figures = e2e::until("no open waits for the database", async || {
        let health: Value = serde_json::from_slice(&server.get("/health").await.body).unwrap();
        (health["tracking"]["waiting"] == 0).then(|| health["tracking"].clone())
    })
    .await;
    let drained = ended.elapsed();
    let recorded: i64 = db
        .one(
            "select count(*) from campaign.tracking_event where kind = 'open'",
            &[],
        )
        .await;

    latencies.sort();
    let rank = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
        println!("{name:<22}{:>10.1} ms", rank(share).as_secs_f64() * 1_000.0);
    }
    println!("{:<22}{:>10}", "answered", latencies.len());
    println!("{:<22}{recorded:>10}", "in the database");
    println!("{:<22}{:>10}", "dropped", figures["dropped"].to_string());
    println!(
        "{:<22}{:>10.1} s after the last",
        "all in the database",
        drained.as_secs_f64()
    );
    println!("{:<22}{sent_meanwhile:>10}", "mails sent meanwhile");

    let mut failures = Vec::new();
    if rank(0.99) >= P99 {
        failures.push(format!("p99 is not below {P99:?}"));
    }
    if recorded != i64::try_from(REQUESTS).unwrap() {
        failures.push(format!("{REQUESTS} opens were answered"));
    }
    if sent_meanwhile < i64::try_from(SECONDS).unwrap() {
        failures.push("the campaign did not go on".to_owned());
    }
    for failure in &failures {
        eprintln!("error: {failure}");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One for each recipient in turn, as of several kinds of readers.
async fn requests(db: &Db, job: &Job) -> Vec<Vec<u8>> {
    let key_id: i32 = db
        .one("select max(key_id) from campaign.signing_key", &[])
        .await;
    let secret: Vec<u8> = db
        .one(
            "select secret from campaign.signing_key where key_id = $1",
            &[&key_id],
        )
        .await;
    let key = Key::new(&secret).expect("a key");
    let request = |n: usize| {
        let token = Token {
            kind: Kind::Open,
            key_id: key_id.try_into().unwrap(),
            job_no: job.job_no.try_into().unwrap(),
            pos: (n % RECIPIENTS + 1).try_into().unwrap(),
        };
        format!(
            "GET /api/track/open?t={} HTTP/1.1\r\nhost: mail.example\r\nuser-agent: {}\r\n\r\n",
            token.sign(&key),
            READERS[n % READERS.len()]
        )
        .into_bytes()
    };
    (0..REQUESTS).map(request).collect()
}

/// Returns how long each took, from when it was due to the last byte of the pixel.
async fn load(addr: SocketAddr, requests: Vec<Vec<u8>>) -> Vec<Duration> {
    let mut shares = vec![Vec::new(); CONNECTIONS];
    for (n, request) in requests.into_iter().enumerate() {
        shares[n % CONNECTIONS].push((n, request));
    }
    let begin = Instant::now() + Duration::from_millis(500);
    let connections: Vec<_> = shares
        .into_iter()
        .map(|share| tokio::spawn(connection(addr, begin, share)))
        .collect();
    let mut latencies = Vec::with_capacity(REQUESTS);
    for connection in connections {
        latencies.extend(connection.await.expect("a connection failed"));
    }
    latencies
}

async fn connection(
    addr: SocketAddr,
    begin: Instant,
    share: Vec<(usize, Vec<u8>)>,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(addr).await.expect("no connection");
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 4_096];
    let mut latencies = Vec::with_capacity(share.len());
    for (n, request) in share {
        let due = begin + Duration::from_secs_f64(n as f64 / RATE as f64);
        sleep_until(due).await;
        stream.write_all(&request).await.expect("cut off");
        let mut length = 0;
        loop {
            let read = stream.read(&mut buffer[length..]).await.expect("cut off");
            assert!(read > 0, "the server closed a connection");
            length += read;
            let answer = &buffer[..length];
            let head = answer.windows(4).position(|window| window == b"\r\n\r\n");
            if head.is_some_and(|head| answer.len() == head + 4 + GIF) {
                assert!(answer.starts_with(b"HTTP/1.1 200 "), "an open failed");
                break;
            }
        }
        latencies.push(due.elapsed());
    }
    latencies
}
