//! Opens and clicks at constant rates, with a real server and a real PostgreSQL, while a campaign is being sent: `make bench-opens`.
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

const SECONDS: usize = 20;
const OPENS: Load = Load {
    rate: 5_000,
    connections: 64,
    status: "200",
};
const CLICKS: Load = Load {
    rate: 100,
    connections: 16,
    status: "302",
};
const P99: Duration = Duration::from_millis(50);
/// More than are sent meanwhile.
const RECIPIENTS: usize = 40_000;
const MAILS_A_SECOND: usize = 100;
/// What must be sent meanwhile of what the rate allows.
const SHARE: f64 = 0.8;
const MAILS_AT_ONCE: u32 = 5;

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
    let rate = format!("update campaign.email_integrations set rate_limit = {MAILS_A_SECOND}");
    db.run(&rate).await;
    db.run(LETTER).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start_tracked(RECIPIENTS, json!({"concurrency": MAILS_AT_ONCE}))
        .await;
    let signer = Signer::of(&db, &job).await;
    let opens = OPENS.requests("open", |n| signer.token(Kind::Open, n));
    let clicks = CLICKS.requests("click", |n| signer.token(Kind::Click { link: 1 }, n));
    e2e::until("the campaign is being sent", async || {
        (db.count(&job, "sent_count").await > 0).then_some(())
    })
    .await;

    println!(
        "{} opens and {} clicks a second for {SECONDS} s over {} connections",
        OPENS.rate,
        CLICKS.rate,
        OPENS.connections + CLICKS.connections
    );
    let sent_before = db.count(&job, "sent_count").await;
    let begin = Instant::now() + Duration::from_millis(500);
    let (opens, clicks) = tokio::join!(
        OPENS.run(server.addr(), begin, opens),
        CLICKS.run(server.addr(), begin, clicks)
    );
    let sent_meanwhile = db.count(&job, "sent_count").await - sent_before;

    let ended = Instant::now();
    let figures = e2e::until("nothing waits for the database", async || {
        let health: Value = serde_json::from_slice(&server.get("/health").await.body).unwrap();
        (health["tracking"]["waiting"] == 0).then(|| health["tracking"].clone())
    })
    .await;
    let drained = ended.elapsed();
    let mut failures = Vec::new();
    for (name, load, latencies) in [("opens", OPENS, opens), ("clicks", CLICKS, clicks)] {
        let sql = "select count(*) from campaign.tracking_event where kind || 's' = $1";
        let recorded: i64 = db.one(sql, &[&name]).await;
        let rank = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
        for (rank_name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            let label = format!("{name}, {rank_name}");
            println!(
                "{label:<22}{:>10.1} ms",
                rank(share).as_secs_f64() * 1_000.0
            );
        }
        println!("{:<22}{:>10}", format!("{name} answered"), latencies.len());
        println!("{:<22}{recorded:>10}", "… in the database");
        if rank(0.99) >= P99 {
            failures.push(format!("p99 of {name} is not below {P99:?}"));
        }
        if recorded != i64::try_from(load.total()).unwrap() {
            failures.push(format!("{} {name} were answered", load.total()));
        }
    }
    println!("{:<22}{:>10}", "dropped", figures["dropped"].to_string());
    println!(
        "{:<22}{:>10.1} s after the last",
        "all in the database",
        drained.as_secs_f64()
    );
    let allowed = MAILS_A_SECOND * SECONDS;
    println!(
        "{:<22}{sent_meanwhile:>10} of {allowed} that the rate allows",
        "mails sent meanwhile"
    );
    if (sent_meanwhile as f64) < allowed as f64 * SHARE {
        failures.push("the campaign did not keep its rate".to_owned());
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

const LETTER: &str = r#"update campaign.email_templates
    set html = '<p>Hi {{name}}</p><a href="https://example.com/1?name={{name}}">1</a> <a href="https://example.com/2">2</a>'"#;

/// Makes the tokens of a campaign.
struct Signer {
    key_id: u32,
    key: Key,
    job_no: u64,
}

impl Signer {
    async fn of(db: &Db, job: &Job) -> Signer {
        let sql = "select max(key_id) from campaign.signing_key";
        let key_id: i32 = db.one(sql, &[]).await;
        let sql = "select secret from campaign.signing_key where key_id = $1";
        let secret: Vec<u8> = db.one(sql, &[&key_id]).await;
        Signer {
            key_id: key_id.try_into().unwrap(),
            key: Key::new(&secret).expect("a key"),
            job_no: job.job_no.try_into().unwrap(),
        }
    }

    /// For each recipient in turn.
    fn token(&self, kind: Kind, n: usize) -> String {
        let token = Token {
            kind,
            key_id: self.key_id,
            job_no: self.job_no,
            pos: (n % RECIPIENTS + 1).try_into().unwrap(),
        };
        token.sign(&self.key)
    }
}

#[derive(Clone, Copy)]
struct Load {
    /// A second.
    rate: usize,
    connections: usize,
    /// Of all answers.
    status: &'static str,
}

impl Load {
    fn total(self) -> usize {
        self.rate * SECONDS
    }

    /// As of several kinds of readers.
    fn requests(self, route: &str, token: impl Fn(usize) -> String) -> Vec<Vec<u8>> {
        let request = |n: usize| {
            format!(
                "GET /api/track/{route}?t={} HTTP/1.1\r\nhost: mail.example\r\nuser-agent: {}\r\n\r\n",
                token(n),
                READERS[n % READERS.len()]
            )
            .into_bytes()
        };
        (0..self.total()).map(request).collect()
    }

    /// Returns how long each took, from when it was due to the last byte of its answer; in order of length.
    async fn run(self, addr: SocketAddr, begin: Instant, requests: Vec<Vec<u8>>) -> Vec<Duration> {
        let mut shares = vec![Vec::new(); self.connections];
        for (n, request) in requests.into_iter().enumerate() {
            shares[n % self.connections].push((n, request));
        }
        let connections: Vec<_> = (shares.into_iter())
            .map(|share| tokio::spawn(self.connection(addr, begin, share)))
            .collect();
        let mut latencies = Vec::with_capacity(self.total());
        for connection in connections {
            latencies.extend(connection.await.expect("a connection failed"));
        }
        latencies.sort();
        latencies
    }

    async fn connection(
        self,
        addr: SocketAddr,
        begin: Instant,
        share: Vec<(usize, Vec<u8>)>,
    ) -> Vec<Duration> {
        let mut stream = TcpStream::connect(addr).await.expect("no connection");
        stream.set_nodelay(true).unwrap();
        let mut buffer = vec![0; 4_096];
        let mut latencies = Vec::with_capacity(share.len());
        for (n, request) in share {
            let due = begin + Duration::from_secs_f64(n as f64 / self.rate as f64);
            sleep_until(due).await;
            stream.write_all(&request).await.expect("cut off");
            let mut length = 0;
            while !is_whole(&buffer[..length]) {
                let read = stream.read(&mut buffer[length..]).await.expect("cut off");
                assert!(read > 0, "the server closed a connection");
                length += read;
            }
            latencies.push(due.elapsed());
            let expected = format!("HTTP/1.1 {} ", self.status);
            assert!(buffer.starts_with(expected.as_bytes()), "a request failed");
        }
        latencies
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = std::str::from_utf8(&answer[..end]).expect("a head in ASCII");
    let length = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").parse().expect("a number");
    answer.len() == end + 4 + length
}
