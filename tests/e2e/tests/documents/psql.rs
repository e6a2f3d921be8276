use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use e2e::{Db, LIMIT};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

const END: &str = "== end of the block ==";

/// A session of psql with a database, fed as if somebody typed.
pub struct Psql {
    input: ChildStdin,
    /// Results and messages in the order in which they are shown.
    output: Lines<BufReader<pipe::Receiver>>,
    _child: Child,
}

impl Psql {
    pub fn open(db: &Db) -> Psql {
        let (reader, writer) = io::pipe().expect("no pipe");
        let mut child = command(db)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().expect("no pipe"))
            .stderr(writer)
            .kill_on_drop(true)
            .spawn()
            .expect("psql does not start");
        let output = pipe::Receiver::from_owned_fd(reader.into()).expect("no pipe");
        Psql {
            input: child.stdin.take().expect("standard input is piped"),
            output: BufReader::new(output).lines(),
            _child: child,
        }
    }

    /// Returns what psql shows. An error is what it showed until it failed: afterwards the session is over.
    pub async fn run(&mut self, sql: &str, may_fail: bool) -> Result<String, String> {
        let stop = if may_fail { "off" } else { "on" };
        let typed = format!("\\set ON_ERROR_STOP {stop}\n{sql}\n\\echo {END}\n");
        self.input
            .write_all(typed.as_bytes())
            .await
            .expect("psql is gone");
        let mut said = String::new();
        loop {
            let line = timeout(LIMIT, self.output.next_line()).await;
            match line.expect("psql does not answer").expect("not UTF-8") {
                Some(line) if line == END => break Ok(said),
                Some(line) => {
                    said.push_str(line.trim_end());
                    said.push('\n');
                }
                None => break Err(said),
            }
        }
    }
}

/// Runs a script of the demo.
pub async fn load(db: &Db, script: &Path, relay: SocketAddr) {
    let status = command(db)
        .args(["-q", "-v", "ON_ERROR_STOP=1"])
        .args(["-v", &format!("smtp_host={}", relay.ip())])
        .args(["-v", &format!("smtp_port={}", relay.port())])
        .arg("-f")
        .arg(script)
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .stdout(Stdio::null())
        .status()
        .await
        .expect("psql does not start");
    assert!(status.success(), "{} fails", script.display());
}

fn command(db: &Db) -> Command {
    let mut psql = Command::new("psql");
    // Where an error was raised is of no use to who reads, and changes with every edit of the functions.
    psql.args(["-X", "-v", "SHOW_CONTEXT=never"])
        .env("PGDATABASE", db.name())
        .env("PGCLIENTENCODING", "UTF8")
        .env("PGTZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("PGOPTIONS");
    psql
}
