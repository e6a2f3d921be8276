//! What follows from a job's state (`tick`), and what people do.

use super::{Chunk, ChunkState, Database, Doubt, Job, Outcome, RecipientState, Retry, Rules};
use crate::guards::Guard;
use crate::numbers::Numbers;

/// What a person says about recipients of whom nothing can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Sent,
    Resend,
}

impl<const N: usize, const C: usize> Database<N, C> {
    /// `_tick_job`: retries come back, a cancelled job ends, a finished one too.
    pub fn tick(&mut self, rules: &Rules) {
        let is_awaited = self.retries.iter().any(|&retry| retry != Retry::None)
            || !self.second_retries.is_empty();
        if self.job == Job::Ended && is_awaited && rules.has(Guard::RetriesReopenEndedJobs) {
            self.job = Job::Running;
        }
        // What a person wants is not forgotten, only put off.
        if !self.gate_is_open() && rules.has(Guard::GateRefusesTick) {
            return;
        }
        match self.job {
            Job::Running => {
                self.cut_retry_chunks(rules);
                self.finish(rules);
            }
            Job::Cancelled => self.close_cancelled(rules),
            Job::Paused | Job::Ended => {}
        }
    }

    fn waiting(&self, rules: &Rules) -> Numbers {
        let is_carried_once = rules.has(Guard::RetriesAreCutOnce);
        let waits = |&position: &usize| match self.retries[position] {
            Retry::Waiting => true,
            Retry::In(_) => !is_carried_once,
            Retry::None => false,
        };
        (0..N).filter(waits).collect()
    }

    fn cut_retry_chunks(&mut self, rules: &Rules) {
        loop {
            let waiting = self.waiting(rules).and(self.second_retries);
            let positions: Numbers = waiting.iter().take(rules.chunk_size).collect();
            if positions.is_empty() {
                return;
            }
            let last = (self.chunks.iter()).rposition(|chunk| chunk.state != ChunkState::Absent);
            let number = last.map_or(0, |last| last + 1).max(self.first_chunk.into());
            if number >= C {
                self.is_full = true;
                return;
            }
            self.chunks[number] = Chunk::new(positions);
            for position in positions.iter() {
                if self.second_retries.contains(position)
                    && self.retries[position] != Retry::Waiting
                {
                    self.second_retries.remove(position);
                } else if rules.has(Guard::OneRetryItemEach) {
                    self.retries[position] = Retry::In(number as u8);
                } else {
                    self.retries[position] = Retry::None;
                }
            }
            if !rules.has(Guard::RetriesAreCutOnce) {
                return;
            }
        }
    }

    /// Chunks that nobody works on and retries that wait end here.
    fn close_cancelled(&mut self, rules: &Rules) {
        let before = self.states(rules);
        let is_ready = |&number: &usize| self.chunks[number].state == ChunkState::Ready;
        let ready: Numbers = (0..C).filter(is_ready).collect();
        for position in 0..N {
            let is_cut = match self.retries[position] {
                Retry::None => false,
                Retry::Waiting => rules.has(Guard::CancellingEndsWaitingRetries),
                Retry::In(chunk) => ready.contains(chunk.into()),
            };
            if is_cut {
                self.retries[position] = Retry::None;
                for doubt in &mut self.doubts[position] {
                    if *doubt == Some(Doubt::Resend) {
                        *doubt = Some(if rules.has(Guard::CancellingReopensCutResends) {
                            Doubt::Open
                        } else {
                            Doubt::Fact
                        });
                    }
                }
            }
        }
        self.second_retries = Numbers::NONE;
        for number in ready.iter() {
            self.chunks[number].state = ChunkState::Cancelled;
            self.chunks[number].epoch = self.next_epoch(self.chunks[number].epoch);
        }
        self.count_changes(rules, 0, before);
    }

    fn finish(&mut self, rules: &Rules) {
        let chunks_are_done = (self.chunks.iter())
            .all(|chunk| matches!(chunk.state, ChunkState::Absent | ChunkState::Done));
        let nobody_waits = self.retries.iter().all(|&retry| retry == Retry::None)
            && self.second_retries.is_empty();
        let totals = self.totals();
        let is_proved = chunks_are_done
            && totals.sum() == N as i8
            && (!rules.has(Guard::AttemptsAreKeyedByChunk) || totals == self.counted(rules));
        if nobody_waits && (is_proved || !rules.has(Guard::FinishIsAProof)) {
            self.job = Job::Ended;
        }
    }

    /// `cancel_campaign`; false: it makes no sense in this state.
    pub fn cancel(&mut self, rules: &Rules) -> bool {
        let makes_sense = matches!(self.job, Job::Running | Job::Paused);
        if makes_sense {
            self.job = Job::Cancelled;
            self.tick(rules);
        }
        makes_sense
    }

    /// `pause_campaign`; false: it makes no sense in this state.
    pub fn pause(&mut self) -> bool {
        let makes_sense = self.job == Job::Running;
        if makes_sense {
            self.job = Job::Paused;
        }
        makes_sense
    }

    /// `resume_campaign`; false: it makes no sense in this state.
    pub fn resume(&mut self) -> bool {
        let makes_sense = self.job == Job::Paused;
        if makes_sense {
            self.job = Job::Running;
        }
        makes_sense
    }

    /// `retry_failed`. Returns who is tried again; `None`: it makes no sense in this state.
    pub fn retry_failed(&mut self, rules: &Rules) -> Option<Numbers> {
        if self.job == Job::Cancelled {
            return None;
        }
        let before = self.states(rules);
        let has_failed = |&position: &usize| {
            if rules.has(Guard::OneRetryItemEach) {
                before[position] == RecipientState::Failed
                    && self.attempts[position].contains(&Some(Outcome::Failed))
            } else {
                self.attempts[position].contains(&Some(Outcome::Failed)) && !self.is_sent(position)
            }
        };
        let failed: Numbers = (0..N).filter(has_failed).collect();
        for position in failed.iter() {
            self.wait_for_retry(rules, position);
        }
        self.count_decision(rules, before);
        self.tick(rules);
        Some(failed)
    }

    /// Recipients about whom a person can decide.
    pub fn undecided(&self, rules: &Rules) -> Numbers {
        let is_undecided = |&position: &usize| {
            let state = self.state_of(rules, position);
            let is_uncertain = state == RecipientState::Uncertain;
            self.doubts[position].iter().any(|doubt| match doubt {
                Some(Doubt::Open) => is_uncertain || state == RecipientState::Pending,
                Some(Doubt::Resend) => is_uncertain || self.retries[position] == Retry::Waiting,
                _ => false,
            })
        };
        (0..N).filter(is_undecided).collect()
    }

    /// `resolve_uncertain`. Returns about whom it decided; `None`: it makes no sense in this state.
    pub fn resolve(&mut self, rules: &Rules, decision: Decision) -> Option<Numbers> {
        if self.job == Job::Cancelled && decision == Decision::Resend {
            return None;
        }
        let before = self.states(rules);
        let undecided = self.undecided(rules);
        for position in undecided.iter() {
            match decision {
                Decision::Sent => self.stop_waiting(position),
                Decision::Resend => self.wait_for_retry(rules, position),
            }
            for doubt in &mut self.doubts[position] {
                *doubt = match (*doubt, decision) {
                    (Some(Doubt::Open | Doubt::Resend), Decision::Sent) => Some(Doubt::Sent),
                    (Some(Doubt::Open), Decision::Resend) => Some(Doubt::Resend),
                    (doubt, _) => doubt,
                };
            }
        }
        self.count_decision(rules, before);
        self.tick(rules);
        Some(undecided)
    }

    fn count_decision(&mut self, rules: &Rules, before: [RecipientState; N]) {
        if rules.has(Guard::DecisionsAreCounted) {
            self.count_changes(rules, 0, before);
        }
    }
}
