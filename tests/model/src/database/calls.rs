//! The calls of runners: `claim_chunks`, `report`, `release`, and recovery.

use super::{Chunk, ChunkState, Database, Doubt, Job, Outcome, Policy, Process, Rules};
use crate::guards::Guard;
use crate::numbers::Numbers;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Report,
    Release,
}

/// One item of a report or release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item<const N: usize> {
    pub verb: Verb,
    pub chunk: u8,
    pub epoch: u8,
    pub outcomes: [Option<Outcome>; N],
    pub next_mark: Option<u8>,
    /// The numbers of the attempts: all the chunk's, unless [`Guard::AttemptsAreKeyedByChunk`] is taken away.
    pub attempts: [u8; N],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Done,
    Stop,
    Fenced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub verdict: Verdict,
    pub mark: u8,
    pub go: Numbers,
}

/// The call tells of positions that the chunk never passed (CP022). Nothing was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Leases of a job that a runner may have.
const LEASES: usize = 2;

impl<const N: usize, const C: usize> Database<N, C> {
    /// `claim_chunks` for at most `want` leases; `known` are the chunks whose present lease the runner names. Returns the chunks
    /// leased.
    pub fn claim(
        &mut self,
        rules: &Rules,
        process: Process,
        want: usize,
        known: Numbers,
    ) -> Numbers {
        let mut leased = Numbers::NONE;
        for chunk in self.leases_of(process).without(known).iter() {
            if rules.has(Guard::UnknownLeasesAreRecovered) {
                self.recover_chunk(rules, chunk);
            } else {
                leased.insert(chunk);
            }
        }
        while leased.len() < want && self.leases_of(process).len() < LEASES {
            let is_ready = |chunk: &Chunk| chunk.state == ChunkState::Ready;
            let Some(number) = self.chunks.iter().position(is_ready) else {
                break;
            };
            if self.job != Job::Running {
                break;
            }
            let mut epoch = self.chunks[number].epoch;
            if rules.has(Guard::EpochsAreNeverUsedAgain) {
                epoch = self.next_epoch(epoch);
            }
            let chunk = &mut self.chunks[number];
            chunk.state = ChunkState::Leased;
            chunk.owner = Some(process);
            chunk.epoch = epoch;
            leased.insert(number);
        }
        leased
    }

    /// The positions that a claim hands out with a lease of this chunk.
    pub fn handed_out(&self, rules: &Rules, chunk: usize) -> Numbers {
        if rules.has(Guard::OnlyAboveTheMarkIsHandedOut) {
            return self.chunks[chunk].above_mark();
        }
        let is_unfinished = |&position: &usize| {
            self.doubts[position][chunk].is_none()
                && !(self.attempts[position].iter().flatten()).any(|outcome| {
                    matches!(
                        outcome,
                        Outcome::Sent | Outcome::Failed | Outcome::Uncertain
                    )
                })
        };
        let positions = self.chunks[chunk].positions.iter();
        positions.filter(is_unfinished).collect()
    }

    /// The keys under which the outcomes of a lease are recorded.
    pub fn attempt_keys(&self, rules: &Rules, chunk: usize) -> [u8; N] {
        std::array::from_fn(|position| {
            if rules.has(Guard::AttemptsAreKeyedByChunk) {
                chunk as u8
            } else {
                self.next_attempt(position) as u8
            }
        })
    }

    fn next_attempt(&self, position: usize) -> usize {
        let free = self.attempts[position].iter().position(Option::is_none);
        free.unwrap_or(C - 1)
    }

    pub fn leases_of(&self, process: Process) -> Numbers {
        (0..C)
            .filter(|&number| {
                let chunk = &self.chunks[number];
                chunk.state == ChunkState::Leased && chunk.owner == Some(process)
            })
            .collect()
    }

    /// One item of `report` or `release`.
    ///
    /// # Errors
    /// [`Refused`], when it tells of positions that the chunk did not pass.
    pub fn report(
        &mut self,
        rules: &Rules,
        process: Process,
        item: &Item<N>,
    ) -> Result<Answer, Refused> {
        let number = usize::from(item.chunk);
        let before = self.states(rules);
        let passed = self.chunks[number].passed();
        let told = (0..N).filter(|&position| item.outcomes[position].is_some());
        if !told.collect::<Numbers>().without(passed).is_empty() {
            return Err(Refused);
        }
        let is_owner = if rules.has(Guard::OnlyTheOwnerMovesTheMark) {
            self.chunks[number].is_leased_to(process, item.epoch)
        } else {
            self.chunks[number].state == ChunkState::Leased
        };
        let runs = self.job == Job::Running || !rules.has(Guard::MarkStandsInStoppedJobs);

        for position in 0..N {
            if let Some(outcome) = item.outcomes[position] {
                let attempt = usize::from(item.attempts[position]);
                self.record(rules, is_owner, position, number, attempt, outcome);
            }
        }
        let mut let_through = Numbers::NONE;
        if let Some(next_mark) = item.next_mark
            && is_owner
            && runs
            && item.verb == Verb::Report
        {
            let_through = self.pass_mark(rules, item, next_mark);
        }
        if is_owner && item.verb == Verb::Release {
            self.give_back(rules, number);
        }

        let chunk = &self.chunks[number];
        let is_done = chunk.is_done();
        let verdict = match item.verb {
            _ if !is_owner => Verdict::Fenced,
            _ if is_done => Verdict::Done,
            Verb::Report if self.job != Job::Running => Verdict::Stop,
            _ => Verdict::Ok,
        };
        let answer = Answer {
            verdict,
            mark: chunk.mark,
            go: match verdict {
                Verdict::Done | Verdict::Fenced => Numbers::NONE,
                _ if item.verb == Verb::Release => Numbers::NONE,
                _ if rules.has(Guard::GoIsReadFromTheTables) => chunk.open(),
                _ => let_through,
            },
        };
        if is_owner && (is_done || item.verb == Verb::Release) {
            self.end_lease(rules, number);
        }
        if is_owner || rules.has(Guard::LateFactsAreCounted) {
            self.count_changes(rules, number, before);
        }
        Ok(answer)
    }

    /// An outcome becomes a fact, and what follows from it.
    pub(super) fn record(
        &mut self,
        rules: &Rules,
        is_owner: bool,
        position: usize,
        chunk: usize,
        attempt: usize,
        told: Outcome,
    ) {
        if self.attempts[position][attempt].is_some() {
            if is_owner && !rules.has(Guard::RepetitionsCountNothing) {
                match told {
                    Outcome::Sent => self.chunks[chunk].counters.sent += 1,
                    Outcome::Failed => self.chunks[chunk].counters.failed += 1,
                    _ => {}
                }
            }
            return;
        }
        let has_ended =
            self.job == Job::Ended && rules.has(Guard::LateDeferralsAreFinalInEndedJobs);
        let outcome = match told {
            Outcome::Deferred | Outcome::Returned if has_ended => Outcome::Failed,
            Outcome::Deferred if !self.may_be_tried_again(rules, position) => Outcome::Failed,
            told => told,
        };
        self.attempts[position][attempt] = Some(outcome);
        self.chunks[chunk].recorded.insert(position);
        self.leave_chunk(rules, position, chunk);

        let doubt = self.doubts[position][chunk];
        if outcome == Outcome::Uncertain {
            self.open_doubt(rules, position, chunk);
        } else if doubt == Some(Doubt::Open)
            || (doubt.is_some() && rules.has(Guard::FactsOutrankDecisions))
        {
            self.doubts[position][chunk] = Some(Doubt::Fact);
        }

        let was_to_be_resent = doubt == Some(Doubt::Resend);
        match outcome {
            Outcome::Sent if rules.has(Guard::LateFactsEndWaitingRetries) => {
                self.stop_waiting(position);
            }
            Outcome::Failed if was_to_be_resent && rules.has(Guard::LateFactsEndWaitingRetries) => {
                self.stop_waiting(position);
            }
            Outcome::Deferred | Outcome::Returned
                if self.job != Job::Cancelled
                    && (is_owner || rules.has(Guard::LateDeferralsAreRetried))
                    && !(rules.has(Guard::OnlyWhoNeedsItIsRetried)
                        && (was_to_be_resent || self.is_sent(position))) =>
            {
                self.wait_for_retry(rules, position);
            }
            _ => {}
        }
    }

    /// `_retry_delay`, for relays that do not answer. Each time somebody was given up begins a new round.
    fn may_be_tried_again(&self, rules: &Rules, position: usize) -> bool {
        let attempts = &self.attempts[position];
        let failed = attempts
            .iter()
            .rposition(|&outcome| outcome == Some(Outcome::Failed));
        let round = &attempts[failed.map_or(0, |failed| failed + 1)..];
        let tries = round
            .iter()
            .flatten()
            .filter(|outcome| matches!(outcome, Outcome::Deferred | Outcome::Uncertain));
        tries.count() + 1 < rules.max_attempts
    }

    /// Moves the mark as far as the window allows. Returns who may be started by this call.
    fn pass_mark(&mut self, rules: &Rules, item: &Item<N>, next_mark: u8) -> Numbers {
        let number = usize::from(item.chunk);
        let chunk = self.chunks[number];
        let asked = chunk.above_mark().within(Numbers::below(next_mark.into()));
        let room = if rules.has(Guard::OpenStaysWithinTheWindow) {
            rules.window.saturating_sub(chunk.open().len())
        } else {
            N
        };
        let passed: Numbers = asked.iter().take(room).collect();
        if !rules.has(Guard::MarkOnlyRises) {
            self.chunks[number].mark = next_mark;
        } else if !passed.is_empty() {
            self.chunks[number].mark = passed.end() as u8;
        }
        let mut refused = Numbers::NONE;
        for position in passed.without(chunk.recorded).iter() {
            if self.is_to_be_skipped(rules, position, number) {
                refused.insert(position);
                self.skip(rules, position, number, item.attempts[position].into());
            }
        }
        let positions = self.chunks[number].positions;
        (positions.within(Numbers::below(next_mark.into()))).without(refused)
    }

    fn is_to_be_skipped(&self, rules: &Rules, position: usize, chunk: usize) -> bool {
        rules.has(Guard::MarkSkipsWhoMayHaveTheMail)
            && (self.is_sent(position)
                || (rules.has(Guard::MarkSkipsOpenDoubts)
                    && self.is_doubted_elsewhere(position, chunk, Doubt::Open))
                || (rules.has(Guard::MarkSkipsWhoCountsAsSent)
                    && self.is_doubted_elsewhere(position, chunk, Doubt::Sent)))
    }

    pub(super) fn skip(&mut self, rules: &Rules, position: usize, chunk: usize, attempt: usize) {
        self.attempts[position][attempt] = Some(Outcome::Skipped);
        self.chunks[chunk].recorded.insert(position);
        self.leave_chunk(rules, position, chunk);
    }

    /// `release` tells of every position that was passed; what it did not tell of is in doubt.
    fn give_back(&mut self, rules: &Rules, chunk: usize) {
        let open = self.chunks[chunk].open();
        if rules.has(Guard::ReleaseReturnsWhatWasPassed) {
            self.open_doubts(rules, open, chunk);
        } else if let Some(first) = open.first() {
            self.chunks[chunk].mark = first as u8;
        }
    }

    pub(super) fn open_doubts(&mut self, rules: &Rules, positions: Numbers, chunk: usize) {
        for position in positions.iter() {
            self.open_doubt(rules, position, chunk);
            self.chunks[chunk].recorded.insert(position);
        }
    }

    /// Names what cannot be known, and does about it what the campaign says; a resend at most `max_attempts` times.
    fn open_doubt(&mut self, rules: &Rules, position: usize, chunk: usize) {
        self.leave_chunk(rules, position, chunk);
        if self.doubts[position][chunk].is_some() {
            return;
        }
        let resends = self.doubts[position].iter().flatten().count();
        let doubt = match rules.on_uncertain {
            _ if self.job == Job::Cancelled => Doubt::Open,
            Policy::Resend if resends < rules.max_attempts => Doubt::Resend,
            Policy::Hold | Policy::Resend => Doubt::Open,
            Policy::AssumeSent => Doubt::Sent,
        };
        self.doubts[position][chunk] = Some(doubt);
        if doubt == Doubt::Resend && !self.is_sent(position) {
            self.wait_for_retry(rules, position);
        }
    }

    /// Ends a lease whose owner is dead or does not know of it.
    pub fn recover_chunk(&mut self, rules: &Rules, chunk: usize) {
        let before = self.states(rules);
        let open = self.chunks[chunk].open();
        if !rules.has(Guard::AttemptsAreKeyedByChunk) && rules.has(Guard::RecoveryUsesTheNumberUp) {
            for position in open.iter() {
                let attempt = self.next_attempt(position);
                self.attempts[position][attempt] = Some(Outcome::Uncertain);
            }
        }
        if rules.has(Guard::RecoveryNamesWhatIsOpen) {
            self.open_doubts(rules, open, chunk);
        } else {
            self.chunks[chunk].recorded = self.chunks[chunk].passed();
        }
        self.end_lease(rules, chunk);
        self.count_changes(rules, chunk, before);
    }

    /// `recover_stale`, for a runner that is taken for dead.
    pub fn recover(&mut self, rules: &Rules, process: Process) {
        if self.job == Job::Cancelled && !rules.has(Guard::RecoveryInJobsOfAnyStatus) {
            return;
        }
        for chunk in self.leases_of(process).iter() {
            self.recover_chunk(rules, chunk);
        }
    }

    pub(super) fn end_lease(&mut self, rules: &Rules, number: usize) {
        let mut epoch = self.chunks[number].epoch;
        if rules.has(Guard::EpochsAreNeverUsedAgain) {
            epoch = self.next_epoch(epoch);
        }
        let chunk = &mut self.chunks[number];
        chunk.state = if chunk.above_mark().is_empty() {
            ChunkState::Done
        } else {
            ChunkState::Ready
        };
        chunk.owner = None;
        chunk.epoch = epoch;
    }
}
