use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::db::Db;
use crate::{LIMIT, until};

/// A process `campaign-runner`. Killed with this value; its log is shown when the test fails.
pub struct Process {
    child: Child,
    pid: i32,
    log: NamedTempFile,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Process {
        let log = NamedTempFile::new().expect("no file for the log");
        let stderr = log.reopen().expect("no file for the log");
        let child = command
            .stderr(stderr)
            .spawn()
            .expect("campaign-runner does not start");
        let pid = child.id().and_then(|pid| pid.try_into().ok());
        Process {
            child,
            pid: pid.expect("a process that was just started has a pid"),
            log,
        }
    }

    /// Waits until it does what it is for.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut(&Process) -> Option<T>,
    ) -> T {
        until(what, async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("campaign-runner ended: {status}");
            }
            look(self).await
        })
        .await
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
            .expect("the process cannot be killed");
    }

    /// `kill`, that is SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// After [`Process::stop`].
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid).expect("pids are positive");
        kill_process(pid, signal).expect("the process is gone");
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(LIMIT, self.child.wait()).await;
        ended.expect("the process does not end").unwrap()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the process {}:\n{}", self.pid, self.log());
        }
    }
}

/// A command of campaign-runner that logs in at this database as this role.
pub(crate) fn command(db: &Db, role: &str, name: &str, flags: &[&str]) -> Command {
    command_under(&[], db, role, name, flags)
}

/// The same, run by another program with these arguments.
pub(crate) fn command_under(
    program: &[String],
    db: &Db,
    role: &str,
    name: &str,
    flags: &[&str],
) -> Command {
    let mut words = program
        .iter()
        .map(OsString::from)
        .chain([executable().into()]);
    let mut command = Command::new(words.next().expect("at least the executable"));
    command
        .args(words)
        .arg(name)
        .args(flags)
        .env("PGHOST", &db.server().host)
        .env("PGPORT", db.server().port.to_string())
        .env("PGUSER", role)
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
