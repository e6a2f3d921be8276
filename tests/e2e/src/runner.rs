use std::env;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::db::{Db, RUNNER_ROLE};
use crate::{LIMIT, until};

/// A process `campaign-runner run`. Killed with this value; its log is shown when the test fails.
pub struct Runner {
    child: Child,
    pid: i32,
    log: NamedTempFile,
}

impl Runner {
    /// Returns when the runner is registered.
    pub async fn spawn(db: &Db, flags: &[&str]) -> Runner {
        let log = NamedTempFile::new().expect("no file for the log");
        let stderr = log.reopen().expect("no file for the log");
        let child = command(db, "run", flags)
            .stderr(stderr)
            .spawn()
            .expect("the runner does not start");
        let pid = child.id().and_then(|pid| pid.try_into().ok());
        let mut runner = Runner {
            child,
            pid: pid.expect("a process that was just started has a pid"),
            log,
        };
        until("the runner is registered", async || {
            if let Some(status) = runner.child.try_wait().unwrap() {
                panic!("the runner ended: {status}");
            }
            let registered = "select exists (select from campaign.runner where pid = $1)";
            (db.one::<bool>(registered, &[&runner.pid]).await).then_some(())
        })
        .await;
        runner
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("the log cannot be read")
    }

    /// `kill -9`, and waits until the process is gone.
    pub async fn kill(&mut self) {
        self.child
            .kill()
            .await
            .expect("the runner cannot be killed");
    }

    /// `kill`, that is SIGTERM.
    pub fn terminate(&self) {
        let pid = Pid::from_raw(self.pid).expect("pids are positive");
        kill_process(pid, Signal::TERM).expect("the runner is gone");
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(LIMIT, self.child.wait()).await;
        ended.expect("the runner does not end").unwrap()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the runner with pid {}:\n{}", self.pid, self.log());
        }
    }
}

/// Runs `campaign-runner doctor` to its end.
pub async fn doctor(db: &Db, flags: &[&str]) -> Output {
    let output = timeout(LIMIT, command(db, "doctor", flags).output()).await;
    output
        .expect("the doctor does not end")
        .expect("the doctor does not start")
}

fn command(db: &Db, name: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command
        .arg(name)
        .args(flags)
        .env("PGHOST", &db.server().host)
        .env("PGPORT", db.server().port.to_string())
        .env("PGUSER", RUNNER_ROLE)
        .env("PGDATABASE", db.name())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// `CAMPAIGN_RUNNER`, or what was built into the same target folder and profile as this test.
fn executable() -> PathBuf {
    let path = env::var_os("CAMPAIGN_RUNNER").map_or_else(
        || {
            let test = env::current_exe().expect("the test has a path");
            let profile = test.parent().and_then(|deps| deps.parent());
            profile
                .expect("a test lies in target/PROFILE/deps")
                .join("campaign-runner")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "{} is missing: run `make test-e2e`, or `cargo build -p campaign-runner` first",
        path.display()
    );
    path
}
