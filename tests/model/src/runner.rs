//! A runner's memory, as `runner/src/engine` keeps it.

use crate::database::{Answer, Item, Memory, Outcome, Process, Rules, Verb, Verdict};
use crate::guards::Guard;
use crate::numbers::Numbers;
use crate::world::{CHUNKS, Db, RECIPIENTS, RUNNERS};

/// Leases that a runner keeps in mind at once.
pub const LEASES: usize = 2;

/// The place of a runner; who dies there is followed by another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Runner {
    pub process: Process,
    pub leases: [Option<Lease>; LEASES],
    /// It was told to stop: it claims nothing more, and ends when its leases have.
    pub is_draining: bool,
    /// By chunk, for a replay.
    pub memory: [Memory<RECIPIENTS>; CHUNKS],
}

/// A recipient goes from `ahead` over `ready` and `in_flight` to an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    pub chunk: u8,
    pub epoch: u8,
    pub attempts: [u8; RECIPIENTS],
    pub ahead: Numbers,
    pub ready: Numbers,
    pub in_flight: Numbers,
    /// Outcomes that no answered call has carried.
    pub outcomes: [Option<Outcome>; RECIPIENTS],
    /// Nothing more is started, and the lease is released when nothing is in flight.
    pub is_ending: bool,
    /// The call without an answer, which is repeated until it has one.
    pub call: Option<Item<RECIPIENTS>>,
}

impl Runner {
    pub fn new(process: Process) -> Runner {
        Runner {
            process,
            leases: [None; LEASES],
            is_draining: false,
            memory: [Memory::NOTHING; CHUNKS],
        }
    }

    /// Of who takes its place.
    pub fn next_process(&self) -> Process {
        Process(self.process.0 + RUNNERS as u8)
    }

    pub fn has_leases(&self) -> bool {
        self.leases.iter().any(Option::is_some)
    }

    /// The chunks whose present lease it names.
    pub fn known(&self, database: &Db) -> Numbers {
        let leases = self.leases.iter().flatten();
        let present = leases.filter(|lease| {
            database.chunks[usize::from(lease.chunk)].is_leased_to(self.process, lease.epoch)
        });
        present.map(|lease| lease.chunk.into()).collect()
    }

    /// What a claim handed out. An older lease of the same chunk is over.
    pub fn claimed(&mut self, rules: &Rules, database: &Db, chunk: usize) {
        for older in self.leases.iter_mut().flatten() {
            older.is_ending |= usize::from(older.chunk) == chunk;
        }
        if let Some(place) = self.leases.iter_mut().find(|lease| lease.is_none()) {
            *place = Some(Lease {
                chunk: chunk as u8,
                epoch: database.chunks[chunk].epoch,
                attempts: database.attempt_keys(rules, chunk),
                ahead: database.handed_out(rules, chunk),
                ready: Numbers::NONE,
                in_flight: Numbers::NONE,
                outcomes: [None; RECIPIENTS],
                is_ending: false,
                call: None,
            });
        }
    }

    pub fn in_flight(&self) -> impl Iterator<Item = usize> {
        let leases = self.leases.into_iter().flatten();
        leases.flat_map(|lease| lease.in_flight.iter())
    }

    /// For a replay: what was passed and not started goes back, and all leases end.
    pub fn end_for_replay(&mut self) {
        for place in &mut self.leases {
            let Some(lease) = place else { continue };
            for position in lease.ready.iter() {
                let memory = &mut self.memory[usize::from(lease.chunk)];
                memory.outcomes[position] = Some(Outcome::Returned);
            }
            lease.ahead = Numbers::NONE;
            lease.ready = Numbers::NONE;
            lease.outcomes = [None; RECIPIENTS];
            lease.call = None;
            lease.is_ending = true;
            if lease.in_flight.is_empty() {
                *place = None;
            }
        }
    }
}

impl Lease {
    /// The call to make now: the one without an answer, a release, or a report of all outcomes and as far a mark as the window
    /// has room for.
    pub fn next_call(&self, rules: &Rules) -> Option<Item<RECIPIENTS>> {
        if self.call.is_some() {
            return self.call;
        }
        let is_idle = self.in_flight.is_empty();
        let has_outcomes = self.outcomes.iter().any(Option::is_some);
        let is_exhausted = self.ahead.and(self.ready).is_empty() && !has_outcomes;
        if is_idle && (self.is_ending || is_exhausted) {
            let mut outcomes = self.outcomes;
            if rules.has(Guard::ReleaseReturnsWhatWasPassed) {
                for position in self.ready.iter() {
                    outcomes[position] = Some(Outcome::Returned);
                }
            }
            return Some(self.item(Verb::Release, outcomes, None));
        }
        let next_mark = self.next_mark(rules);
        (has_outcomes || next_mark.is_some())
            .then(|| self.item(Verb::Report, self.outcomes, next_mark))
    }

    fn next_mark(&self, rules: &Rules) -> Option<u8> {
        if self.is_ending {
            return None;
        }
        let room = if rules.has(Guard::OpenStaysWithinTheWindow) {
            let open = self.ready.and(self.in_flight);
            rules.window.saturating_sub(open.len())
        } else {
            RECIPIENTS
        };
        let asked: Numbers = self.ahead.iter().take(room).collect();
        (!asked.is_empty()).then_some(asked.end() as u8)
    }

    fn item(
        &self,
        verb: Verb,
        outcomes: [Option<Outcome>; RECIPIENTS],
        next_mark: Option<u8>,
    ) -> Item<RECIPIENTS> {
        Item {
            verb,
            chunk: self.chunk,
            epoch: self.epoch,
            outcomes,
            next_mark,
            attempts: self.attempts,
        }
    }

    /// The call is under way: it carries the outcomes known by now.
    pub fn call(&mut self, item: Item<RECIPIENTS>) {
        if self.call.is_none() {
            self.call = Some(item);
            self.outcomes = [None; RECIPIENTS];
            if item.verb == Verb::Release {
                self.is_ending = true;
                self.ready = Numbers::NONE;
                self.ahead = Numbers::NONE;
            }
        }
    }

    /// No answer came.
    pub fn unanswered(&mut self, rules: &Rules, item: &Item<RECIPIENTS>) {
        if !rules.has(Guard::OnlyAnAnswerAllows)
            && let Some(mark) = item.next_mark
        {
            let asked = self.ahead.within(Numbers::below(mark.into()));
            self.ahead = self.ahead.without(asked);
            self.ready = self.ready.and(asked);
        }
        if !rules.has(Guard::OutcomesAreKeptUntilAnswered) {
            let is_sent = |&position: &usize| item.outcomes[position] == Some(Outcome::Sent);
            self.ready = self.ready.and((0..RECIPIENTS).filter(is_sent).collect());
            self.call = None;
        }
    }

    /// The answer was read. Returns who was passed by it, and whether the lease is over.
    pub fn answered(&mut self, item: &Item<RECIPIENTS>, answer: Answer) -> (Numbers, bool) {
        self.call = None;
        if item.verb == Verb::Release || answer.verdict == Verdict::Done {
            let rest = self.ahead.within(Numbers::below(answer.mark.into()));
            return (rest, self.in_flight.is_empty());
        }
        if answer.verdict == Verdict::Fenced {
            self.is_ending = true;
            return (Numbers::NONE, false);
        }
        let passed = self.ahead.within(Numbers::below(answer.mark.into()));
        self.ahead = self.ahead.without(passed);
        self.ready = self.ready.and(passed.within(answer.go));
        self.is_ending |= answer.verdict == Verdict::Stop;
        (passed, false)
    }
}
