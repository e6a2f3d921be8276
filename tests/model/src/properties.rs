//! What must never be.

use std::fmt;

use crate::database::{ChunkState, Doubt, Job, Outcome, RecipientState, Retry, Rules};
use crate::guards::Guard;
use crate::numbers::Numbers;
use crate::world::{CHUNKS, Db, RECIPIENTS, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Property {
    NobodyIsMailedTwice,
    NobodyIsLost,
    EverythingEnds,
    FailedMeansNotAccepted,
    CancelledMeansNotAccepted,
    AcceptancesAreKept,
    CountersEqualFacts,
    EndedMeansNothingIsLeft,
    DoubtsAreWithinTheWindow,
    StoppedJobsStand,
    NobodyWithTheMailIsLetThrough,
    EachIsInOneHand,
    NobodyWaitsWhoHasTheMail,
    FactsEndDoubts,
    RecordedMeansARow,
}

impl Property {
    pub const ALL: [Property; 15] = [
        Property::NobodyIsMailedTwice,
        Property::NobodyIsLost,
        Property::EverythingEnds,
        Property::FailedMeansNotAccepted,
        Property::CancelledMeansNotAccepted,
        Property::AcceptancesAreKept,
        Property::CountersEqualFacts,
        Property::EndedMeansNothingIsLeft,
        Property::DoubtsAreWithinTheWindow,
        Property::StoppedJobsStand,
        Property::NobodyWithTheMailIsLetThrough,
        Property::EachIsInOneHand,
        Property::NobodyWaitsWhoHasTheMail,
        Property::FactsEndDoubts,
        Property::RecordedMeansARow,
    ];

    /// Whether a state breaks it. Of [`Property::EverythingEnds`] the search tells, which knows the next steps.
    pub fn broken_in(self, rules: &Rules, world: &World) -> bool {
        let database = &world.database;
        // Until the runners have replayed, the database knows less than they do.
        let is_informed = database.gate_is_open();
        let says =
            |state, position: usize| is_informed && database.state_of(rules, position) == state;
        let any = |is_so: &dyn Fn(usize) -> bool| (0..RECIPIENTS).any(is_so);
        let was_accepted =
            |position: usize| world.accepted[position] > 0 && world.asked[position] == 0;
        match self {
            Property::NobodyIsMailedTwice => {
                any(&|position| world.accepted[position] > 1 + world.asked[position])
            }
            Property::NobodyIsLost => any(&|position| says(RecipientState::Lost, position)),
            Property::FailedMeansNotAccepted => {
                any(&|position| was_accepted(position) && says(RecipientState::Failed, position))
            }
            Property::CancelledMeansNotAccepted => {
                !world.has_leases()
                    && !world.is_left_to_a_person
                    && any(&|position| {
                        world.accepted[position] > 0 && says(RecipientState::Cancelled, position)
                    })
            }
            Property::AcceptancesAreKept => {
                let recorded = |position: usize| {
                    let attempts = database.attempts[position].iter();
                    attempts
                        .filter(|&&outcome| outcome == Some(Outcome::Sent))
                        .count()
                };
                !world.has_failed_over
                    && any(&|position| recorded(position) < world.told[position].into())
            }
            Property::CountersEqualFacts => {
                is_informed && database.totals() != database.counted(rules)
            }
            Property::EndedMeansNothingIsLeft => {
                is_informed
                    && database.job == Job::Ended
                    && any(&|position| says(RecipientState::Pending, position))
            }
            // What the dead gave back, their leases in the copy still hold: a mark skips it.
            Property::EachIsInOneHand => {
                is_informed
                    && !world.is_left_to_a_person
                    && any(&|position| hands(database, position) > 1)
            }
            Property::NobodyWaitsWhoHasTheMail => any(&|position| {
                database.is_sent(position) && database.retries[position] == Retry::Waiting
            }),
            Property::FactsEndDoubts => is_informed && !facts_end_doubts(rules, database),
            Property::RecordedMeansARow => is_informed && !recorded_means_a_row(rules, database),
            Property::EverythingEnds
            | Property::DoubtsAreWithinTheWindow
            | Property::StoppedJobsStand
            | Property::NobodyWithTheMailIsLetThrough => world.broken == Some(self),
        }
    }

    /// What a step breaks.
    pub(crate) fn broken_by(rules: &Rules, before: &World, after: &World) -> Option<Property> {
        let (before, after) = (&before.database, &after.database);
        let chunks = || 0..CHUNKS;
        let doubts = |database: &Db, chunk: usize| {
            let doubts = database.doubts.iter();
            doubts.filter(|doubts| doubts[chunk].is_some()).count()
        };
        let is_moved = |chunk: usize| after.chunks[chunk].mark > before.chunks[chunk].mark;
        let was_there = |&chunk: &usize| before.chunks[chunk].state != ChunkState::Absent;
        if before.job != Job::Running && chunks().filter(was_there).any(is_moved) {
            return Some(Property::StoppedJobsStand);
        }
        if chunks().any(|chunk| before.lets_through_wrongly(after, chunk)) {
            return Some(Property::NobodyWithTheMailIsLetThrough);
        }
        if chunks().any(|chunk| doubts(after, chunk) > doubts(before, chunk) + rules.window) {
            return Some(Property::DoubtsAreWithinTheWindow);
        }
        None
    }
}

impl World {
    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self, rules: &Rules) -> bool {
        let database = &self.database;
        let is_open = |state| matches!(state, RecipientState::Pending | RecipientState::Lost);
        let is_closed = |state| !matches!(state, ChunkState::Ready | ChunkState::Leased);
        matches!(database.job, Job::Cancelled | Job::Ended)
            && !database.states(rules).into_iter().any(is_open)
            && database.chunks.iter().all(|chunk| is_closed(chunk.state))
            && !self.has_leases()
    }
}

/// How many would send to a recipient.
fn hands(database: &Db, position: usize) -> usize {
    let holds = |number: &usize| {
        let chunk = &database.chunks[*number];
        matches!(chunk.state, ChunkState::Ready | ChunkState::Leased)
            && chunk.above_mark().and(chunk.open()).contains(position)
    };
    let waits = database.retries[position] == Retry::Waiting;
    (0..CHUNKS).filter(holds).count()
        + usize::from(waits)
        + usize::from(database.second_retries.contains(position))
}

fn facts_end_doubts(rules: &Rules, database: &Db) -> bool {
    let is_fact = |outcome: &Option<Outcome>| {
        matches!(
            outcome,
            Some(Outcome::Sent | Outcome::Failed | Outcome::Deferred | Outcome::Returned)
        )
    };
    !rules.has(Guard::AttemptsAreKeyedByChunk)
        || (database.attempts.iter().zip(&database.doubts)).all(|(attempts, doubts)| {
            (attempts.iter().zip(doubts)).all(|(attempt, doubt)| {
                !is_fact(attempt) || matches!(doubt, None | Some(Doubt::Fact))
            })
        })
}

fn recorded_means_a_row(rules: &Rules, database: &Db) -> bool {
    !rules.has(Guard::AttemptsAreKeyedByChunk)
        || database.chunks.iter().enumerate().all(|(number, chunk)| {
            let has_row = |&position: &usize| {
                database.attempts[position][number].is_some()
                    || database.doubts[position][number].is_some()
            };
            let rows: Numbers = (0..RECIPIENTS).filter(has_row).collect();
            rows == chunk.recorded
        })
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = match self {
            Property::NobodyIsMailedTwice => "nobody is mailed twice unless somebody asked for it",
            Property::NobodyIsLost => "nobody is lost",
            Property::EverythingEnds => "everything ends",
            Property::FailedMeansNotAccepted => "who counts as failed has no mail",
            Property::CancelledMeansNotAccepted => "who counts as cancelled has no mail",
            Property::AcceptancesAreKept => "an acceptance that was told is recorded",
            Property::CountersEqualFacts => "the counters equal the facts",
            Property::EndedMeansNothingIsLeft => "a job that has ended has nobody pending",
            Property::DoubtsAreWithinTheWindow => "a lease leaves no more doubts than its window",
            Property::StoppedJobsStand => "no mark moves in a stopped job",
            Property::NobodyWithTheMailIsLetThrough => {
                "no mark lets through who has the mail, or may have it"
            }
            Property::EachIsInOneHand => "each recipient is in one hand",
            Property::NobodyWaitsWhoHasTheMail => "nobody waits for a retry who has the mail",
            Property::FactsEndDoubts => "a fact ends its doubt",
            Property::RecordedMeansARow => "what counts as recorded has a row",
        };
        f.write_str(text)
    }
}
