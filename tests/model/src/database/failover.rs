//! A copy that lost the last commits takes over: the gate is closed until the runners have told what they know.

use super::{Chunk, ChunkState, Database, Doubt, Job, Outcome, Process, Retry, Rules};
use crate::guards::Guard;
use crate::numbers::Numbers;

/// What a runner replays of all its leases of a chunk: who was passed, and what became of them. In flight is who was passed
/// and has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory<const N: usize> {
    pub passed: Numbers,
    pub outcomes: [Option<Outcome>; N],
}

impl<const N: usize> Memory<N> {
    pub const NOTHING: Memory<N> = Memory {
        passed: Numbers::NONE,
        outcomes: [None; N],
    };
}

impl<const N: usize, const C: usize> Database<N, C> {
    /// The copy takes the place of a database whose last commits are lost.
    pub fn take_over(mut self, rules: &Rules, lost: &Self, alive: Numbers) -> Self {
        if rules.has(Guard::RunnersReplay) {
            self.awaited = alive;
        }
        // They are made of the time, which goes on: those of the lost stretch are not used again.
        let epochs = lost.chunks.iter().map(|chunk| chunk.epoch);
        self.first_epoch = epochs.max().unwrap_or_default() + 1;
        let last = (lost.chunks.iter()).rposition(|chunk| chunk.state != ChunkState::Absent);
        self.first_chunk = last.map_or(0, |last| last as u8 + 1);
        self
    }

    /// `replay`: the outcomes that a runner keeps and the marks it was told.
    pub fn replay(&mut self, rules: &Rules, process: Process, memories: &[Memory<N>; C]) {
        let before = self.states(rules);
        for (number, memory) in memories.iter().enumerate() {
            if !memory.passed.is_empty() {
                self.replay_chunk(rules, process, number, memory);
            }
        }
        for number in self.leases_of(process).iter() {
            let open = self.chunks[number].open();
            self.open_doubts(rules, open, number);
            self.end_lease(rules, number);
        }
        self.count_changes(rules, 0, before);
        self.awaited.remove(process.0.into());
        if !rules.has(Guard::GateWaitsForAll) {
            self.awaited = Numbers::NONE;
        }
    }

    fn replay_chunk(&mut self, rules: &Rules, process: Process, number: usize, memory: &Memory<N>) {
        let unknown = memory.passed.without(self.chunks[number].positions);
        if !unknown.is_empty() {
            if !rules.has(Guard::ReplayCreatesChunks) {
                return;
            }
            self.create_chunk(number, memory.passed);
        }
        let chunk = &mut self.chunks[number];
        if rules.has(Guard::ReplayRaisesMarks) {
            chunk.mark = chunk.mark.max(memory.passed.end() as u8);
        }
        let is_leased_elsewhere = chunk.state == ChunkState::Leased && chunk.owner != Some(process);
        let passed = chunk.passed();

        for position in 0..N {
            if let Some(outcome) = memory.outcomes[position] {
                self.record(rules, true, position, number, number, outcome);
            }
        }
        // The owner in the copy judges what it was allowed itself.
        let judged = if is_leased_elsewhere {
            memory.passed
        } else {
            passed
        };
        for position in judged.without(self.chunks[number].recorded).iter() {
            if self.is_sent(position) {
                self.skip(rules, position, number, number);
            } else if rules.has(Guard::ReplayNamesWhatIsInFlight) {
                self.open_doubts(rules, Numbers::one(position), number);
            } else {
                self.chunks[number].recorded.insert(position);
            }
        }
        let chunk = &mut self.chunks[number];
        if chunk.state == ChunkState::Ready && chunk.is_done() {
            chunk.state = ChunkState::Done;
        }
    }

    /// A retry chunk that the copy does not know, over what its runners were allowed of it.
    fn create_chunk(&mut self, number: usize, passed: Numbers) {
        let chunk = &mut self.chunks[number];
        if chunk.state == ChunkState::Absent {
            *chunk = Chunk::new(passed);
            chunk.state = ChunkState::Done;
        } else {
            chunk.positions = chunk.positions.and(passed);
        }
        for position in passed.iter() {
            if self.retries[position] == Retry::Waiting {
                self.retries[position] = Retry::In(number as u8);
            }
        }
    }

    /// Nobody awaits the replay of a dead runner for ever: a person is to look at the job.
    pub fn give_up_waiting(&mut self, rules: &Rules) {
        self.awaited = Numbers::NONE;
        if self.job == Job::Running && rules.has(Guard::MissingReplaysAreLeftToAPerson) {
            self.job = Job::Paused;
        }
    }

    /// Whether a mark of the chunk lets through who is known to have the mail, or may have it.
    pub fn lets_through_wrongly(&self, after: &Self, number: usize) -> bool {
        let passed = after.chunks[number]
            .open()
            .without(self.chunks[number].passed());
        passed.iter().any(|position| {
            self.is_sent(position)
                || self.is_doubted_elsewhere(position, number, Doubt::Open)
                || self.is_doubted_elsewhere(position, number, Doubt::Sent)
        })
    }
}
