use std::ops::{Deref, DerefMut};
use std::process::Output;

use tokio::time::timeout;

use crate::LIMIT;
use crate::db::{Db, RUNNER_ROLE};
use crate::process::{Process, command, command_under};

/// A process `campaign-runner run`.
pub struct Runner(Process);

impl Runner {
    /// Returns when the runner is registered.
    pub async fn spawn(db: &Db, flags: &[&str]) -> Runner {
        let mut runner = Runner::start(db, flags, &[]);
        runner.until_registered(db).await;
        runner
    }

    /// Returns at once; with these variables in its environment.
    pub fn start(db: &Db, flags: &[&str], environment: &[(String, String)]) -> Runner {
        let mut command = command(db, RUNNER_ROLE, "run", flags);
        command.envs(environment.iter().cloned());
        Runner(Process::spawn(command))
    }

    /// Run by another program with these arguments. Returns when the runner is registered.
    pub async fn spawn_under(program: &[String], db: &Db) -> Runner {
        let command = command_under(program, db, RUNNER_ROLE, "run", &[]);
        let mut runner = Runner(Process::spawn(command));
        runner.until_registered(db).await;
        runner
    }

    pub async fn until_registered(&mut self, db: &Db) {
        self.0
            .until("the runner is registered", async |process| {
                let registered = "select exists (select from campaign.runner where pid = $1)";
                (db.one::<bool>(registered, &[&process.pid()]).await).then_some(())
            })
            .await;
    }

    /// Waits until it logs this.
    pub async fn until_it_says(&mut self, what: &str) {
        self.0
            .until(&format!("the runner says: {what}"), async |process| {
                process.log().contains(what).then_some(())
            })
            .await;
    }

    /// How many lines of its log contain this.
    pub fn said(&self, what: &str) -> usize {
        let log = self.log();
        log.lines().filter(|line| line.contains(what)).count()
    }
}

impl Deref for Runner {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Runner {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}

/// Runs `campaign-runner doctor` to its end.
pub async fn doctor(db: &Db, flags: &[&str]) -> Output {
    let output = timeout(LIMIT, command(db, RUNNER_ROLE, "doctor", flags).output()).await;
    output
        .expect("the doctor does not end")
        .expect("the doctor does not start")
}
