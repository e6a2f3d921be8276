//! What keeps the protocol right. Each guard can be taken away, and then the search finds what it prevents.

/// Declares the guards and the list of all of them.
macro_rules! guards {
    ($($(#[$doc:meta])* $guard:ident,)+) => {
        /// A rule of the protocol that can be taken away.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Guard {
            $($(#[$doc])* $guard,)+
        }

        impl Guard {
            pub const ALL: &[Guard] = &[$(Guard::$guard,)+];
        }
    };
}

guards! {
    /// An attempt is keyed by its chunk, which passes a position once; without: by a number that is given at hand-out and
    /// that recovery uses up with an outcome of its own.
    AttemptsAreKeyedByChunk,
    /// Where attempts are numbered at hand-out, recovery uses the number up; without: the next hand-out gets it again.
    RecoveryUsesTheNumberUp,
    /// `claim_chunks` hands out positions above the mark; without: all that have no outcome which ends them.
    OnlyAboveTheMarkIsHandedOut,
    /// The mark is the greatest that was ever allowed; without: the one that was asked for last.
    MarkOnlyRises,
    /// Only rows really inserted are counted; without: all that a report tells.
    RepetitionsCountNothing,
    /// The changes that a late fact makes are counted; without: only those of the owner.
    LateFactsAreCounted,
    /// A lease that its runner does not name is recovered; without: it is handed out again as it is.
    UnknownLeasesAreRecovered,
    /// A recipient waits for one retry at most; without: each that asks adds one.
    OneRetryItemEach,
    /// Raising the mark skips who is known to have the mail, or whom another chunk left in doubt.
    MarkSkipsWhoMayHaveTheMail,
    /// The mark of a job that was cancelled or paused does not move.
    MarkStandsInStoppedJobs,
    /// A resend that the end of a cancelled job cuts off is an open doubt again.
    CancellingReopensCutResends,
    /// Recovery looks at jobs of any status; without: not at cancelled ones.
    RecoveryInJobsOfAnyStatus,
    /// A late outcome that the mail was not accepted leads to a retry.
    LateDeferralsAreRetried,
    /// A runner starts what an answer that it has read allows; without: what it has asked for.
    OnlyAnAnswerAllows,
    /// A runner keeps outcomes until a call with them is answered; without: it takes them for unsent when the answer is lost.
    OutcomesAreKeptUntilAnswered,
    /// `go` is read from the tables, so that a repeated call hears the same; without: it is what this very call let through.
    GoIsReadFromTheTables,
    /// `release` returns what was passed and not started; without: it lowers the mark.
    ReleaseReturnsWhatWasPassed,
    /// Runners replay what they know to a copy that lost commits.
    RunnersReplay,

    /// Only the owner of a lease moves its mark: same runner, same epoch, leased.
    OnlyTheOwnerMovesTheMark,
    /// Each hand-out and each end of a lease takes a new epoch.
    EpochsAreNeverUsedAgain,
    /// `report` lets no more be open than the window; without, the runner asks for all that it has and gets it.
    OpenStaysWithinTheWindow,
    /// What a dead runner may have been sending gets a doubt.
    RecoveryNamesWhatIsOpen,
    /// A due retry is put into one chunk.
    RetriesAreCutOnce,
    /// An outcome, a refusal or a doubt takes its recipient out of the retry chunk.
    OutcomesEndTheRetry,
    /// An open doubt of another chunk is a reason to skip, not only a known acceptance.
    MarkSkipsOpenDoubts,
    /// A decision that the mail was sent is a reason to skip.
    MarkSkipsWhoCountsAsSent,
    /// A fact ends the doubt of its chunk whatever a person decided.
    FactsOutrankDecisions,
    /// A late acceptance deletes a retry that waits, a late refusal a resend that waits.
    LateFactsEndWaitingRetries,
    /// A late deferral of a recipient who has the mail by now is not retried, nor is one whose resend waits already.
    OnlyWhoNeedsItIsRetried,
    /// Finish is a proof over chunks, counters and facts; without: it looks whether anybody waits for a retry.
    FinishIsAProof,
    /// A job that has ended goes on when a retry waits.
    RetriesReopenEndedJobs,
    /// In a job that has ended, a late deferral is final.
    LateDeferralsAreFinalInEndedJobs,
    /// The end of a cancelled job deletes the retries that wait.
    CancellingEndsWaitingRetries,
    /// What a person decided about a recipient in a lease is counted, in the first chunk.
    DecisionsAreCounted,

    /// A replay raises marks to what the runner was allowed.
    ReplayRaisesMarks,
    /// A replay creates the retry chunks that the copy does not know.
    ReplayCreatesChunks,
    /// What a runner has in flight when it replays becomes a doubt.
    ReplayNamesWhatIsInFlight,
    /// The gate opens when every runner has replayed; without: when the first has.
    GateWaitsForAll,
    /// When a replay does not come, the job is paused for a person to decide.
    MissingReplaysAreLeftToAPerson,
    /// A closed gate refuses claims.
    GateRefusesClaims,
    /// A closed gate refuses marks.
    GateRefusesMarks,
    /// A closed gate keeps `tick` from its work.
    GateRefusesTick,
}

/// The guards in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    taken_away: u64,
}

impl Guards {
    pub const ALL: Guards = Guards { taken_away: 0 };

    #[must_use]
    pub const fn without(self, guard: Guard) -> Guards {
        Guards {
            taken_away: self.taken_away | 1 << guard as u64,
        }
    }

    pub const fn has(self, guard: Guard) -> bool {
        self.taken_away >> guard as u64 & 1 == 0
    }
}
