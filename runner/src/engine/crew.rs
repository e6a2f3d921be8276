//! The messages of one job that are to be begun, and how many carriers are at work on them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::carry::Assignment;
use super::state::FlightNo;

/// Messages are begun in their order, each by the first carrier that is free. As long as one waits, a carrier is at work or
/// about to be sent.
#[derive(Default)]
pub struct Crew(Mutex<Muster>);

#[derive(Default)]
struct Muster {
    waiting: VecDeque<(FlightNo, Assignment)>,
    carriers: usize,
}

impl Crew {
    /// There are to be so many carriers: true = one more has to be sent, who calls [`Crew::leave`] in the end.
    #[must_use]
    pub fn add(&self, flight: FlightNo, assignment: Assignment, carriers: usize) -> bool {
        let mut muster = self.lock();
        muster.waiting.push_back((flight, assignment));
        let is_short = muster.carriers < carriers;
        muster.carriers += usize::from(is_short);
        is_short
    }

    /// The next message to begin.
    pub fn next(&self) -> Option<(FlightNo, Assignment)> {
        self.lock().waiting.pop_front()
    }

    /// Those that wait and are of this kind, to be given back.
    pub fn recall(&self, is_meant: impl Fn(&Assignment) -> bool) -> Vec<(FlightNo, Assignment)> {
        let mut muster = self.lock();
        let (meant, others): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut muster.waiting)
            .into_iter()
            .partition(|(_, assignment)| is_meant(assignment));
        muster.waiting = others;
        Vec::from(meant)
    }

    /// A carrier leaves, unless there is work.
    pub fn leave(&self) -> bool {
        let mut muster = self.lock();
        let is_done = muster.waiting.is_empty();
        muster.carriers -= usize::from(is_done);
        is_done
    }

    fn lock(&self) -> MutexGuard<'_, Muster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
