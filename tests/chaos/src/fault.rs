//! What goes wrong in a run, and what people do meanwhile.

use std::fmt;
use std::time::Duration;

/// Bytes are not carried any more, and nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// From the runner.
    pub up: bool,
    /// To the runner.
    pub down: bool,
    /// Whether connections that are opened meanwhile are cut too.
    pub new_ones: bool,
    pub lasts: Duration,
    pub ends: CutEnds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutEnds {
    /// What was held back is carried at last.
    Carried,
    Closed,
    /// Connections opened later are carried.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Sent,
    Resend { force: bool },
}

/// Runners and campaigns are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; another runner comes later.
    Kill {
        runner: usize,
        back_after: Duration,
    },
    /// SIGSTOP for longer than a lease lives, then SIGCONT: a zombie.
    Stop {
        runner: usize,
        lasts: Duration,
    },
    /// SIGTERM; another runner comes later.
    Terminate {
        runner: usize,
        back_after: Duration,
    },
    /// The server crashes, and starts again later.
    DatabaseCrash {
        lasts: Duration,
    },
    /// `pg_terminate_backend` for all sessions of runners.
    SessionsEnd,
    DatabaseHalfOpen {
        runner: usize,
        cut: Cut,
    },
    RelayHalfOpen {
        cut: Cut,
    },
    /// The relay drops connections in every phase, so many of a thousand times each.
    RelayDrops {
        per_mille: u64,
        lasts: Duration,
    },
    /// The relay refuses connections and closes those that are open.
    RelayDown {
        lasts: Duration,
    },
    /// The clock of a runner's host is wrong.
    RunnerClock {
        runner: usize,
        hours: i64,
        lasts: Duration,
    },
    /// The clock of the database's host is wrong.
    DatabaseClock {
        hours: i64,
        lasts: Duration,
    },
    Cancel {
        campaign: usize,
    },
    /// `pause_campaign`, and `resume_campaign` later.
    Pause {
        campaign: usize,
        lasts: Duration,
    },
    RetryFailed {
        campaign: usize,
    },
    Resolve {
        campaign: usize,
        decision: Decision,
    },
    /// A resend without waiting while a runner is stopped that may have sent the mail; and a pause, so that the runner
    /// comes back, and tells, before the resend begins.
    ResendToZombie {
        runner: usize,
        campaign: usize,
    },
    /// A REPEATABLE READ transaction that has read stays open to the end of the run.
    HeldSnapshot,
}

/// A row of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Kill,
    Stop,
    Terminate,
    DatabaseCrash,
    SessionsEnd,
    DatabaseHalfOpen,
    RelayHalfOpen,
    RelayDrops,
    RelayDown,
    RunnerClock,
    DatabaseClock,
    Cancel,
    Pause,
    RetryFailed,
    Resolve,
    HeldSnapshot,
    AllAtOnce,
}

impl Family {
    pub const ALL: [Family; 17] = [
        Family::Kill,
        Family::Stop,
        Family::Terminate,
        Family::DatabaseCrash,
        Family::SessionsEnd,
        Family::DatabaseHalfOpen,
        Family::RelayHalfOpen,
        Family::RelayDrops,
        Family::RelayDown,
        Family::RunnerClock,
        Family::DatabaseClock,
        Family::Cancel,
        Family::Pause,
        Family::RetryFailed,
        Family::Resolve,
        Family::HeldSnapshot,
        Family::AllAtOnce,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Family::Kill => "kill -9 of a runner",
            Family::Stop => "SIGSTOP beyond the lease, SIGCONT",
            Family::Terminate => "SIGTERM of a runner",
            Family::DatabaseCrash => "PostgreSQL crashes",
            Family::SessionsEnd => "pg_terminate_backend",
            Family::DatabaseHalfOpen => "half-open to PostgreSQL",
            Family::RelayHalfOpen => "half-open to the relay",
            Family::RelayDrops => "relay drops in every phase",
            Family::RelayDown => "relay down",
            Family::RunnerClock => "a runner's clock off by 1 h",
            Family::DatabaseClock => "PostgreSQL's clock jumps 1 h",
            Family::Cancel => "cancel",
            Family::Pause => "pause and resume",
            Family::RetryFailed => "retry_failed",
            Family::Resolve => "resolve_uncertain",
            Family::HeldSnapshot => "snapshot held open",
            Family::AllAtOnce => "all at once",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Fault {
    pub fn family(&self) -> Family {
        match self {
            Fault::Kill { .. } => Family::Kill,
            Fault::Stop { .. } => Family::Stop,
            Fault::Terminate { .. } => Family::Terminate,
            Fault::DatabaseCrash { .. } => Family::DatabaseCrash,
            Fault::SessionsEnd => Family::SessionsEnd,
            Fault::DatabaseHalfOpen { .. } => Family::DatabaseHalfOpen,
            Fault::RelayHalfOpen { .. } => Family::RelayHalfOpen,
            Fault::RelayDrops { .. } => Family::RelayDrops,
            Fault::RelayDown { .. } => Family::RelayDown,
            Fault::RunnerClock { .. } => Family::RunnerClock,
            Fault::DatabaseClock { .. } => Family::DatabaseClock,
            Fault::Cancel { .. } => Family::Cancel,
            Fault::Pause { .. } => Family::Pause,
            Fault::RetryFailed { .. } => Family::RetryFailed,
            Fault::Resolve { .. } | Fault::ResendToZombie { .. } => Family::Resolve,
            Fault::HeldSnapshot => Family::HeldSnapshot,
        }
    }
}
