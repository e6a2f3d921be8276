//! One lease: which of its recipients may be started. See [`Lease`] for the path of a recipient.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use message::reply::Outcome;

use crate::fence::Gate;
use crate::storage::{Fact, Recipient};

/// A recipient is moved, never copied, along one path:
///
/// `ahead` → `ready` (only by [`Lease::pass`], for a position in `go` of an answer that was read)
/// → started (only by [`Lease::start`]) → an outcome, or back to `ready` if nothing was begun.
///
/// So a message is started only for a position in `go` of an answer that was read, and once.
#[derive(Debug)]
pub struct Lease {
    /// Above the mark, ascending.
    ahead: VecDeque<Recipient>,
    ready: VecDeque<Recipient>,
    started: HashSet<i64>,
    /// Nothing more is started, and the lease is released when nothing is in flight.
    ending: bool,
    gate: Arc<Gate>,
    span: tracing::Span,
}

impl Lease {
    /// `span`: for what is logged about this lease.
    pub fn new(recipients: Vec<Recipient>, span: tracing::Span) -> Lease {
        Lease {
            ahead: recipients.into(),
            ready: VecDeque::new(),
            started: HashSet::new(),
            ending: false,
            gate: Arc::default(),
            span,
        }
    }

    pub fn span(&self) -> &tracing::Span {
        &self.span
    }

    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Starts nothing more; workers that have not begun see the closed gate.
    pub fn end(&mut self) {
        self.ending = true;
        self.gate.close();
    }

    /// Everything up to `mark` is passed: what is in `go` may be started, of the rest, which is returned, the database
    /// has recorded why not. Positions that are not ahead were told before.
    pub fn pass(&mut self, mark: i64, go: &[i64]) -> Vec<i64> {
        let go: HashSet<i64> = go.iter().copied().collect();
        let mut refused = Vec::new();
        while let Some(recipient) = self.ahead.pop_front_if(|next| next.pos <= mark) {
            if go.contains(&recipient.pos) {
                self.ready.push_back(recipient);
            } else {
                refused.push(recipient.pos);
            }
        }
        refused
    }

    pub fn can_start(&self) -> bool {
        !self.ending && !self.ready.is_empty()
    }

    pub fn start(&mut self) -> Option<Recipient> {
        if self.ending {
            return None;
        }
        let recipient = self.ready.pop_front()?;
        self.started.insert(recipient.pos);
        Some(recipient)
    }

    /// Nothing was begun for this recipient: it is the next.
    pub fn unstart(&mut self, recipient: Recipient) {
        self.started.remove(&recipient.pos);
        self.ready.push_front(recipient);
    }

    /// The outcome of a started position is known.
    pub fn settle(&mut self, pos: i64) {
        self.started.remove(&pos);
    }

    /// Positions that may still be started, passed or not.
    pub fn rest(&self) -> usize {
        if self.ending {
            0
        } else {
            self.ahead.len() + self.ready.len()
        }
    }

    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    pub fn ahead(&self) -> usize {
        self.ahead.len()
    }

    pub fn in_flight(&self) -> usize {
        self.started.len()
    }

    /// Nothing is left to pass, to start or to wait for.
    pub fn is_exhausted(&self) -> bool {
        self.ahead.is_empty() && self.ready.is_empty() && self.started.is_empty()
    }

    /// Whether all that is left may be passed with this mark.
    pub fn ends_with(&self, mark: i64) -> bool {
        self.ahead.back().is_none_or(|last| last.pos <= mark)
    }

    /// The furthest position to ask for, so that what is passed and not recorded stays within `window` once the
    /// outcomes in the same report are recorded.
    pub fn next_mark(&self, window: usize) -> Option<i64> {
        if self.ending {
            return None;
        }
        let room = window.saturating_sub(self.ready.len() + self.started.len());
        let last = room.min(self.ahead.len()).checked_sub(1)?;
        self.ahead.get(last).map(|recipient| recipient.pos)
    }

    /// For the release: what was passed and is not started goes back, no try spent.
    pub fn give_back(&mut self) -> Vec<Fact> {
        self.ready
            .drain(..)
            .map(|recipient| Fact::new(recipient.pos, Outcome::Returned))
            .collect()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.gate.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn lease(positions: std::ops::RangeInclusive<i64>) -> Lease {
        Lease::new(recipients(positions), tracing::Span::none())
    }

    fn recipients(positions: std::ops::RangeInclusive<i64>) -> Vec<Recipient> {
        positions
            .map(|pos| Recipient {
                pos,
                email: format!("{pos}@example.org"),
                vars: serde_json::Map::new(),
                first_leased_at: SystemTime::UNIX_EPOCH,
            })
            .collect()
    }

    fn started(lease: &mut Lease) -> Vec<i64> {
        std::iter::from_fn(|| lease.start())
            .map(|recipient| recipient.pos)
            .collect()
    }

    #[test]
    fn nothing_is_started_before_an_answer() {
        let mut lease = lease(1..=5);
        assert!(started(&mut lease).is_empty());
    }

    #[test]
    fn only_positions_in_go_are_started() {
        let mut lease = lease(1..=5);
        assert_eq!(lease.pass(4, &[1, 3, 4]), [2]);
        assert_eq!(started(&mut lease), [1, 3, 4]);
        assert_eq!(lease.ahead(), 1);
    }

    #[test]
    fn a_position_told_again_is_not_started_again() {
        let mut lease = lease(1..=5);
        lease.pass(2, &[1, 2]);
        assert_eq!(started(&mut lease), [1, 2]);
        lease.settle(1);
        lease.pass(3, &[1, 2, 3]);
        assert_eq!(started(&mut lease), [3]);
    }

    #[test]
    fn a_position_that_the_database_did_not_pass_is_not_started() {
        let mut lease = lease(1..=5);
        lease.pass(2, &[1, 2, 3]);
        assert_eq!(started(&mut lease), [1, 2]);
    }

    #[test]
    fn the_window_slides_with_each_outcome() {
        let mut lease = lease(1..=9);
        assert_eq!(lease.next_mark(3), Some(3));
        lease.pass(3, &[1, 2, 3]);
        assert_eq!(lease.next_mark(3), None);
        started(&mut lease);
        lease.settle(2);
        assert_eq!(lease.next_mark(3), Some(4));
        lease.settle(1);
        lease.settle(3);
        assert_eq!(lease.next_mark(100), Some(9));
    }

    #[test]
    fn an_ended_lease_starts_nothing_and_gives_back_what_was_passed() {
        let mut lease = lease(1..=5);
        lease.pass(3, &[1, 2, 3]);
        let first = lease.start().map(|recipient| recipient.pos);
        lease.end();
        assert_eq!(first, Some(1));
        assert!(started(&mut lease).is_empty());
        assert_eq!(lease.next_mark(5), None);
        assert!(!lease.gate().is_open());
        let back: Vec<i64> = lease.give_back().iter().map(|fact| fact.pos).collect();
        assert_eq!(back, [2, 3]);
    }

    #[test]
    fn who_was_not_begun_is_next() {
        let mut lease = lease(1..=3);
        lease.pass(3, &[1, 2, 3]);
        let first = lease.start();
        first.into_iter().for_each(|first| lease.unstart(first));
        assert_eq!(started(&mut lease), [1, 2, 3]);
    }
}
