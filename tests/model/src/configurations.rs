//! What is looked at: the faults that may strike, and the guards that are taken away.

use std::fmt;

use crate::database::{Policy, Rules};
use crate::guards::{Guard, Guards};
use crate::properties::Property;
use crate::search::{Search, search};
use crate::world::{Budget, RECIPIENTS, World};

/// A campaign and what may happen to it.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    pub budget: Budget,
    pub rules: Rules,
    /// Recipients who have the mail when the story begins.
    pub mailed: usize,
}

impl Configuration {
    /// One chunk, all that a runner may have open but one, and doubts wait for a person.
    const fn of(budget: Budget) -> Configuration {
        Configuration {
            budget,
            rules: Rules {
                chunk_size: 3,
                window: 2,
                max_attempts: usize::MAX,
                on_uncertain: Policy::Hold,
                guards: Guards::ALL,
            },
            mailed: 0,
        }
    }

    /// Mails go one by one.
    const fn one_by_one(mut self) -> Configuration {
        self.rules.window = 1;
        self
    }

    const fn for_the_last(mut self, recipients: usize) -> Configuration {
        self.mailed = RECIPIENTS - recipients;
        self
    }

    const fn in_two_chunks(mut self) -> Configuration {
        self.rules.chunk_size = 2;
        self
    }

    const fn when_uncertain(mut self, policy: Policy) -> Configuration {
        self.rules.on_uncertain = policy;
        self
    }

    const fn with_attempts(mut self, max_attempts: usize) -> Configuration {
        self.rules.max_attempts = max_attempts;
        self
    }

    const fn without(mut self, guard: Guard) -> Configuration {
        self.rules.guards = self.rules.guards.without(guard);
        self
    }

    pub fn search(&self, sought: &[Property]) -> Search {
        search(
            &self.rules,
            World::start(&self.rules, self.budget, self.mailed),
            sought,
        )
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.budget)?;
        let Rules {
            chunk_size,
            window,
            max_attempts,
            on_uncertain,
            ..
        } = self.rules;
        if chunk_size == 2 {
            write!(f, "; two chunks")?;
        }
        if window == 1 {
            write!(f, "; one by one")?;
        }
        if self.mailed > 0 {
            write!(f, "; the first {} have it", self.mailed)?;
        }
        if max_attempts != usize::MAX {
            write!(f, "; {max_attempts} attempts")?;
        }
        match on_uncertain {
            Policy::Hold => Ok(()),
            Policy::Resend => write!(f, "; doubts are resent"),
            Policy::AssumeSent => write!(f, "; doubts count as sent"),
        }
    }
}

const NOTHING: Budget = Budget {
    crashes: 0,
    thought_dead: 0,
    lost_answers: 0,
    unanswered_dots: 0,
    deferrals: 0,
    refusals: 0,
    cancels: 0,
    pauses: 0,
    retries: 0,
    resends: 0,
    decided_sent: 0,
    terminations: 0,
    outdated_claims: 0,
    failovers: 0,
};

/// `of! { crashes: 1, … }`: a configuration in which this may happen.
macro_rules! of {
    ($($fault:ident: $n:literal),+) => {
        Configuration::of(Budget { $($fault: $n,)+ ..NOTHING })
    };
}

/// In which everything must hold, the small ones: seconds.
pub const SHORT: &[Configuration] = &[
    of! { crashes: 1, thought_dead: 1 },
    of! { crashes: 1, thought_dead: 1, lost_answers: 1 },
    of! { thought_dead: 1, unanswered_dots: 1, resends: 1 },
    of! { deferrals: 1, refusals: 1, retries: 1, thought_dead: 1 }.one_by_one(),
    of! { cancels: 1, crashes: 1, lost_answers: 1 },
    of! { pauses: 1, thought_dead: 1 },
    of! { terminations: 1, crashes: 1 },
    of! { outdated_claims: 1, crashes: 1 },
    of! { decided_sent: 1, resends: 1, thought_dead: 1 },
    of! { thought_dead: 1 }.when_uncertain(Policy::Resend),
    of! { thought_dead: 1, unanswered_dots: 1 }.when_uncertain(Policy::AssumeSent),
    of! { deferrals: 2, unanswered_dots: 1, resends: 1 }.with_attempts(2),
    of! { failovers: 1 },
    of! { failovers: 1, crashes: 1 },
    of! { failovers: 1, deferrals: 1 }.one_by_one(),
];

/// In which everything must hold, the large ones.
pub const LONG: &[Configuration] = &[
    of! { crashes: 1, thought_dead: 1, lost_answers: 1, unanswered_dots: 1 },
    of! { crashes: 1, thought_dead: 1, lost_answers: 2 },
    of! { crashes: 1, thought_dead: 1, deferrals: 1 }.one_by_one(),
    of! { crashes: 1, thought_dead: 1, lost_answers: 1, deferrals: 1 }.one_by_one(),
    of! { crashes: 1, thought_dead: 1, lost_answers: 1, deferrals: 1 },
    of! { thought_dead: 2, lost_answers: 1 }.one_by_one(),
    of! { thought_dead: 2, lost_answers: 1 },
    of! { thought_dead: 1, deferrals: 1, resends: 1 },
    of! { thought_dead: 1, deferrals: 1, refusals: 1, lost_answers: 1 },
    of! { refusals: 1, retries: 2, thought_dead: 1 },
    of! { refusals: 1, retries: 2, crashes: 1, thought_dead: 1 },
    of! { thought_dead: 1, resends: 1, lost_answers: 1 },
    of! { thought_dead: 1, resends: 1, crashes: 1 },
    of! { terminations: 1, resends: 1, lost_answers: 1, thought_dead: 1 },
    of! { thought_dead: 2, resends: 2 },
    of! { thought_dead: 1, unanswered_dots: 1, resends: 1, refusals: 1 },
    of! { thought_dead: 1, decided_sent: 1, resends: 1, deferrals: 1 },
    of! { thought_dead: 1, decided_sent: 1, refusals: 1, lost_answers: 1 },
    of! { thought_dead: 1, cancels: 1, crashes: 1, lost_answers: 1 },
    of! { thought_dead: 1, cancels: 1, deferrals: 1 },
    of! { unanswered_dots: 1, resends: 1, cancels: 1, deferrals: 1, thought_dead: 1 },
    of! { thought_dead: 1, terminations: 1, crashes: 1 },
    of! { thought_dead: 1, terminations: 1, cancels: 1, lost_answers: 1 },
    of! { outdated_claims: 1, crashes: 1, thought_dead: 1, lost_answers: 1 },
    of! { outdated_claims: 2, deferrals: 1 },
    of! { crashes: 1, thought_dead: 1, terminations: 1, cancels: 1 }.in_two_chunks(),
    of! { crashes: 1, thought_dead: 1, lost_answers: 1 }.in_two_chunks(),
    of! { deferrals: 1, thought_dead: 1, lost_answers: 1 }.in_two_chunks(),
    of! { pauses: 1, crashes: 1, thought_dead: 1, deferrals: 1 },
    of! { thought_dead: 2, deferrals: 1 }.when_uncertain(Policy::Resend),
    of! { thought_dead: 1, unanswered_dots: 1, cancels: 1, lost_answers: 1 }
        .when_uncertain(Policy::Resend),
    of! { thought_dead: 1, deferrals: 1, refusals: 1, retries: 1 }
        .when_uncertain(Policy::AssumeSent),
    of! { deferrals: 3, thought_dead: 1, retries: 1 }.with_attempts(2),
    of! { failovers: 1, deferrals: 1 },
    of! { failovers: 1, unanswered_dots: 1, resends: 1 },
    of! { failovers: 1 }.in_two_chunks(),
    of! { failovers: 1, terminations: 1 },
    of! { failovers: 1, cancels: 1 },
    of! { failovers: 1, pauses: 1 },
    of! { failovers: 1, thought_dead: 1 },
    of! { failovers: 1, refusals: 1, retries: 1 },
    of! { failovers: 1, lost_answers: 1 },
    of! { failovers: 1, decided_sent: 1, thought_dead: 1 },
    of! { failovers: 1, resends: 1, thought_dead: 1 },
    of! { failovers: 1, thought_dead: 1 }.in_two_chunks(),
    of! { failovers: 1, crashes: 1, deferrals: 1 },
    of! { failovers: 1, terminations: 1, deferrals: 1 },
    of! { failovers: 2 },
];

/// A guard that is taken away, and what that breaks.
#[derive(Clone, Copy, Debug)]
pub struct Removal {
    pub guard: Guard,
    /// Guards that would hide it.
    pub hidden_by: &'static [Guard],
    pub breaks: Property,
    configuration: Configuration,
}

impl Removal {
    const fn of(guard: Guard, breaks: Property, configuration: Configuration) -> Removal {
        Removal {
            guard,
            hidden_by: &[],
            breaks,
            configuration,
        }
    }

    const fn hidden_by(mut self, guards: &'static [Guard]) -> Removal {
        self.hidden_by = guards;
        self
    }

    /// With all guards in place.
    pub fn with_the_guard(&self) -> Configuration {
        self.configuration
    }

    /// With the guard taken away.
    pub fn configuration(&self) -> Configuration {
        let hidden_by = self.hidden_by.iter();
        hidden_by.fold(self.configuration.without(self.guard), |left, &guard| {
            left.without(guard)
        })
    }
}

/// One for each guard.
pub const REMOVALS: &[Removal] = &[
    Removal::of(
        Guard::AttemptsAreKeyedByChunk,
        Property::AcceptancesAreKept,
        of! { thought_dead: 1 },
    ),
    Removal::of(
        Guard::RecoveryUsesTheNumberUp,
        Property::AcceptancesAreKept,
        of! { thought_dead: 1, resends: 1 },
    )
    .hidden_by(&[Guard::AttemptsAreKeyedByChunk]),
    Removal::of(
        Guard::OnlyAboveTheMarkIsHandedOut,
        Property::NobodyIsMailedTwice,
        of! { deferrals: 1, crashes: 1 }.one_by_one(),
    )
    .hidden_by(&[Guard::GoIsReadFromTheTables]),
    Removal::of(
        Guard::MarkOnlyRises,
        Property::NobodyIsMailedTwice,
        of! { lost_answers: 1, crashes: 1 },
    ),
    Removal::of(
        Guard::RepetitionsCountNothing,
        Property::CountersEqualFacts,
        of! { lost_answers: 1 },
    ),
    Removal::of(
        Guard::LateFactsAreCounted,
        Property::CountersEqualFacts,
        of! { thought_dead: 1 },
    ),
    Removal::of(
        Guard::UnknownLeasesAreRecovered,
        Property::NobodyIsMailedTwice,
        of! { outdated_claims: 1, crashes: 1, thought_dead: 1, lost_answers: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::OneRetryItemEach,
        Property::NobodyIsMailedTwice,
        of! { refusals: 1, retries: 2 }.for_the_last(2),
    ),
    Removal::of(
        Guard::MarkSkipsWhoMayHaveTheMail,
        Property::NobodyWithTheMailIsLetThrough,
        of! { thought_dead: 1, resends: 1 },
    ),
    Removal::of(
        Guard::MarkStandsInStoppedJobs,
        Property::StoppedJobsStand,
        of! { cancels: 1 },
    ),
    Removal::of(
        Guard::CancellingReopensCutResends,
        Property::CancelledMeansNotAccepted,
        of! { unanswered_dots: 1, cancels: 1, resends: 1 },
    ),
    Removal::of(
        Guard::RecoveryInJobsOfAnyStatus,
        Property::EverythingEnds,
        of! { cancels: 1, crashes: 1 },
    ),
    Removal::of(
        Guard::LateDeferralsAreRetried,
        Property::NobodyIsLost,
        of! { thought_dead: 1, deferrals: 1 },
    ),
    Removal::of(
        Guard::OnlyAnAnswerAllows,
        Property::NobodyIsMailedTwice,
        of! { lost_answers: 1, crashes: 1, thought_dead: 1 },
    ),
    Removal::of(
        Guard::OutcomesAreKeptUntilAnswered,
        Property::NobodyIsMailedTwice,
        of! { lost_answers: 1 },
    ),
    Removal::of(
        Guard::GoIsReadFromTheTables,
        Property::AcceptancesAreKept,
        of! { thought_dead: 1, resends: 1, lost_answers: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::ReleaseReturnsWhatWasPassed,
        Property::NobodyIsMailedTwice,
        of! { terminations: 1, crashes: 1 },
    )
    .hidden_by(&[Guard::GoIsReadFromTheTables]),
    Removal::of(
        Guard::RunnersReplay,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1 },
    ),
    Removal::of(
        Guard::OnlyTheOwnerMovesTheMark,
        Property::NobodyIsMailedTwice,
        of! { thought_dead: 1 },
    ),
    Removal::of(
        Guard::EpochsAreNeverUsedAgain,
        Property::NobodyIsMailedTwice,
        of! { thought_dead: 1 },
    ),
    Removal::of(
        Guard::OpenStaysWithinTheWindow,
        Property::DoubtsAreWithinTheWindow,
        of! { crashes: 1 },
    ),
    Removal::of(
        Guard::RecoveryNamesWhatIsOpen,
        Property::NobodyIsLost,
        of! { crashes: 1 },
    ),
    Removal::of(
        Guard::RetriesAreCutOnce,
        Property::NobodyIsMailedTwice,
        of! { deferrals: 1 }.for_the_last(2).one_by_one(),
    ),
    Removal::of(
        Guard::OutcomesEndTheRetry,
        Property::EverythingEnds,
        of! { deferrals: 1 }.for_the_last(2).one_by_one(),
    ),
    Removal::of(
        Guard::MarkSkipsOpenDoubts,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1, deferrals: 1 }.for_the_last(1),
    )
    .hidden_by(&[Guard::GateRefusesTick]),
    Removal::of(
        Guard::MarkSkipsWhoCountsAsSent,
        Property::NobodyWithTheMailIsLetThrough,
        of! { thought_dead: 1, unanswered_dots: 1, deferrals: 1, decided_sent: 1 }
            .for_the_last(2)
            .with_attempts(3)
            .when_uncertain(Policy::Resend),
    ),
    Removal::of(
        Guard::FactsOutrankDecisions,
        Property::FactsEndDoubts,
        of! { thought_dead: 1, decided_sent: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::LateFactsEndWaitingRetries,
        Property::NobodyWaitsWhoHasTheMail,
        of! { thought_dead: 1, resends: 1, pauses: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::OnlyWhoNeedsItIsRetried,
        Property::NobodyWaitsWhoHasTheMail,
        of! { thought_dead: 1, resends: 1, deferrals: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::FinishIsAProof,
        Property::EndedMeansNothingIsLeft,
        of! { deferrals: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::RetriesReopenEndedJobs,
        Property::EverythingEnds,
        of! { refusals: 1, retries: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::LateDeferralsAreFinalInEndedJobs,
        Property::EndedMeansNothingIsLeft,
        of! { thought_dead: 1, deferrals: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::CancellingEndsWaitingRetries,
        Property::EverythingEnds,
        of! { deferrals: 1, cancels: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::DecisionsAreCounted,
        Property::CountersEqualFacts,
        of! { unanswered_dots: 1, decided_sent: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::ReplayRaisesMarks,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1 },
    ),
    Removal::of(
        Guard::ReplayCreatesChunks,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1, deferrals: 1 },
    ),
    Removal::of(
        Guard::ReplayNamesWhatIsInFlight,
        Property::NobodyIsLost,
        of! { failovers: 1 },
    ),
    Removal::of(
        Guard::GateWaitsForAll,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1, terminations: 1 },
    ),
    Removal::of(
        Guard::MissingReplaysAreLeftToAPerson,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1, crashes: 1 },
    ),
    Removal::of(
        Guard::GateRefusesClaims,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1 },
    )
    .hidden_by(&[Guard::GateRefusesMarks]),
    Removal::of(
        Guard::GateRefusesMarks,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1, thought_dead: 1 }.for_the_last(2),
    ),
    Removal::of(
        Guard::GateRefusesTick,
        Property::NobodyIsMailedTwice,
        of! { failovers: 1, deferrals: 1 }.for_the_last(1),
    )
    .hidden_by(&[Guard::MarkSkipsOpenDoubts]),
];
