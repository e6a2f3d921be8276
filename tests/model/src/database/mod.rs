//! What PostgreSQL keeps of one campaign, and its functions. `N` recipients, `C` numbers for chunks.
//!
//! The tables of `sql/`, as far as the protocol needs them: no addresses, no time (a retry is due when it is wanted, a
//! lease stale when it is taken for it), no suppressions, one job. It is driven by two callers: the search, which tries every
//! order of calls, and the random walks, which compare it with a real PostgreSQL.

mod calls;
mod failover;
mod job;

use crate::guards::{Guard, Guards};
use crate::numbers::Numbers;

pub use calls::{Answer, Item, Refused, Verb, Verdict};
pub use failover::Memory;
pub use job::Decision;

/// What a campaign was started with, and the guards.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub chunk_size: usize,
    /// Positions of a lease that may be open at once.
    pub window: usize,
    /// `max_retries`: attempts in all where the relay does not answer.
    pub max_attempts: usize,
    pub on_uncertain: Policy,
    pub guards: Guards,
}

impl Rules {
    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.guards.has(guard)
    }

    /// The range chunk of a position.
    pub fn range_chunk(&self, position: usize) -> usize {
        position / self.chunk_size
    }
}

/// What the campaign does about recipients of whom nothing can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Hold,
    Resend,
    AssumeSent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// pending, running or partial.
    Running,
    Paused,
    Cancelled,
    /// completed or failed.
    Ended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChunkState {
    /// There is no chunk of this number.
    #[default]
    Absent,
    Ready,
    Leased,
    Done,
    Cancelled,
}

/// A runner from one start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process(pub u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Sent,
    Failed,
    Deferred,
    Uncertain,
    Returned,
    Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    Open,
    Sent,
    Resend,
    Fact,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Retry {
    #[default]
    None,
    Waiting,
    In(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecipientState {
    Sent,
    Pending,
    Uncertain,
    Failed,
    Cancelled,
    Lost,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    pub sent: i8,
    pub failed: i8,
    pub uncertain: i8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chunk {
    pub state: ChunkState,
    pub positions: Numbers,
    pub owner: Option<Process>,
    pub epoch: u8,
    /// Every position below it was allowed to start; counted from 0, so it is the database's mark.
    pub mark: u8,
    /// Passed positions with a row of this chunk.
    pub recorded: Numbers,
    /// Changes of recipients' states that were made through this chunk.
    pub counters: Counters,
}

impl Chunk {
    fn new(positions: Numbers) -> Chunk {
        Chunk {
            state: ChunkState::Ready,
            positions,
            mark: positions.first().unwrap_or_default() as u8,
            ..Chunk::default()
        }
    }

    pub fn passed(&self) -> Numbers {
        self.positions.within(Numbers::below(self.mark.into()))
    }

    /// What the owner may be doing right now.
    pub fn open(&self) -> Numbers {
        self.passed().without(self.recorded)
    }

    /// Everybody is passed and recorded.
    pub fn is_done(&self) -> bool {
        self.above_mark().is_empty() && self.open().is_empty()
    }

    pub fn above_mark(&self) -> Numbers {
        self.positions.above(self.mark.into())
    }

    pub fn is_leased_to(&self, process: Process, epoch: u8) -> bool {
        self.state == ChunkState::Leased && self.owner == Some(process) && self.epoch == epoch
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Database<const N: usize, const C: usize> {
    pub job: Job,
    pub chunks: [Chunk; C],
    /// By position and chunk.
    pub attempts: [[Option<Outcome>; C]; N],
    /// By position and chunk.
    pub doubts: [[Option<Doubt>; C]; N],
    pub retries: [Retry; N],
    /// Who waits for a second retry: nobody, unless [`Guard::OneRetryItemEach`] is taken away.
    pub second_retries: Numbers,
    /// Retries are due for which no chunk number is left: what follows is not looked at.
    pub is_full: bool,
    /// The processes whose replay is awaited. While there are any, the gate is closed.
    pub awaited: Numbers,
    /// Epochs and numbers of retry chunks begin here.
    pub first_epoch: u8,
    pub first_chunk: u8,
}

impl<const N: usize, const C: usize> Database<N, C> {
    /// After `start_campaign`.
    pub fn start(rules: &Rules) -> Self {
        let mut chunks = [Chunk::default(); C];
        for (number, chunk) in chunks.iter_mut().enumerate() {
            let in_chunk = |&position: &usize| rules.range_chunk(position) == number;
            let positions: Numbers = (0..N).filter(in_chunk).collect();
            if !positions.is_empty() {
                *chunk = Chunk::new(positions);
            }
        }
        Database {
            job: Job::Running,
            chunks,
            attempts: [[None; C]; N],
            doubts: [[None; C]; N],
            retries: [Retry::None; N],
            second_retries: Numbers::NONE,
            is_full: false,
            awaited: Numbers::NONE,
            first_epoch: 0,
            first_chunk: 0,
        }
    }

    /// The next recipient has the mail when the story begins.
    pub fn start_with_mail(&mut self, rules: &Rules, position: usize) {
        let number = rules.range_chunk(position);
        let chunk = &mut self.chunks[number];
        chunk.mark = position as u8 + 1;
        chunk.recorded.insert(position);
        chunk.counters.sent += 1;
        if chunk.is_done() {
            chunk.state = ChunkState::Done;
        }
        self.attempts[position][number] = Some(Outcome::Sent);
    }

    pub fn gate_is_open(&self) -> bool {
        self.awaited.is_empty()
    }

    pub fn is_sent(&self, position: usize) -> bool {
        self.attempts[position].contains(&Some(Outcome::Sent))
    }

    /// Whether another chunk left the recipient in doubt, or decided so.
    pub fn is_doubted_elsewhere(&self, position: usize, chunk: usize, doubt: Doubt) -> bool {
        let doubts = self.doubts[position].iter().enumerate();
        doubts
            .into_iter()
            .any(|(other, &found)| other != chunk && found == Some(doubt))
    }

    /// The view `recipient_state`.
    pub fn state_of(&self, rules: &Rules, position: usize) -> RecipientState {
        let (attempts, doubts) = (&self.attempts[position], &self.doubts[position]);
        let range = &self.chunks[rules.range_chunk(position)];
        let in_hand = matches!(range.state, ChunkState::Ready | ChunkState::Leased)
            && range.above_mark().and(range.open()).contains(position);
        let failed_after = |chunk: usize| attempts[chunk + 1..].contains(&Some(Outcome::Failed));
        let resend = (doubts.iter().enumerate())
            .any(|(chunk, &doubt)| doubt == Some(Doubt::Resend) && !failed_after(chunk));
        if self.is_sent(position) {
            RecipientState::Sent
        } else if self.retries[position] != Retry::None
            || self.second_retries.contains(position)
            || in_hand
        {
            RecipientState::Pending
        } else if doubts.contains(&Some(Doubt::Open)) || resend {
            RecipientState::Uncertain
        } else if doubts.contains(&Some(Doubt::Sent)) {
            RecipientState::Sent
        } else if attempts.contains(&Some(Outcome::Failed)) {
            RecipientState::Failed
        } else if self.job == Job::Cancelled {
            RecipientState::Cancelled
        } else {
            RecipientState::Lost
        }
    }

    pub fn states(&self, rules: &Rules) -> [RecipientState; N] {
        std::array::from_fn(|position| self.state_of(rules, position))
    }

    /// A count of the facts.
    pub fn counted(&self, rules: &Rules) -> Counters {
        let mut counters = Counters::default();
        for state in self.states(rules) {
            counters.add(state, 1);
        }
        counters
    }

    /// The sums of the chunks' counters, which tick writes into the job.
    pub fn totals(&self) -> Counters {
        let mut totals = Counters::default();
        for Chunk { counters, .. } in &self.chunks {
            totals.sent += counters.sent;
            totals.failed += counters.failed;
            totals.uncertain += counters.uncertain;
        }
        totals
    }

    /// The signed difference of two counts of the facts goes into the row of a chunk.
    fn count_changes(&mut self, rules: &Rules, chunk: usize, before: [RecipientState; N]) {
        let after = self.states(rules);
        let counters = &mut self.chunks[chunk].counters;
        for (before, after) in before.into_iter().zip(after) {
            counters.add(before, -1);
            counters.add(after, 1);
        }
    }

    fn next_epoch(&self, last: u8) -> u8 {
        (last + 1).max(self.first_epoch)
    }

    /// Of who is in no chunk and waits for none.
    fn wait_for_retry(&mut self, rules: &Rules, position: usize) {
        if self.retries[position] == Retry::None {
            self.retries[position] = Retry::Waiting;
        } else if !rules.has(Guard::OneRetryItemEach) {
            self.second_retries.insert(position);
        }
    }

    fn leave_chunk(&mut self, rules: &Rules, position: usize, chunk: usize) {
        if self.retries[position] == Retry::In(chunk as u8) && rules.has(Guard::OutcomesEndTheRetry)
        {
            self.retries[position] = Retry::None;
        }
    }

    fn stop_waiting(&mut self, position: usize) {
        if self.retries[position] == Retry::Waiting {
            self.retries[position] = Retry::None;
        }
    }
}

impl Counters {
    fn add(&mut self, state: RecipientState, change: i8) {
        match state {
            RecipientState::Sent => self.sent += change,
            RecipientState::Failed => self.failed += change,
            RecipientState::Uncertain => self.uncertain += change,
            RecipientState::Pending | RecipientState::Cancelled | RecipientState::Lost => {}
        }
    }

    pub fn sum(self) -> i8 {
        self.sent + self.failed + self.uncertain
    }
}
