//! The short part of `make model`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;

use model::configurations::{REMOVALS, SHORT};
use model::guards::Guard;
use model::properties::Property;

#[test]
fn everything_holds_whatever_happens() {
    for configuration in SHORT {
        let search = configuration.search(&Property::ALL);
        if let Some(counterexample) = search.counterexample {
            panic!("{configuration}\n{counterexample}");
        }
    }
}

#[test]
fn each_guard_is_missed_when_it_is_taken_away() {
    for removal in REMOVALS {
        let search = removal.configuration().search(&[removal.breaks]);
        let counterexample = search.counterexample;
        let counterexample =
            counterexample.unwrap_or_else(|| panic!("nothing breaks without {:?}", removal.guard));
        assert_eq!(
            counterexample.broken, removal.breaks,
            "without {:?}",
            removal.guard
        );
    }
}

#[test]
fn what_is_taken_away_is_enough() {
    for removal in REMOVALS
        .iter()
        .filter(|removal| removal.hidden_by.is_empty())
    {
        let with_it = removal.with_the_guard().search(&[removal.breaks]);
        assert!(
            with_it.counterexample.is_none(),
            "it breaks with {:?} too",
            removal.guard
        );
    }
}

#[test]
fn each_guard_is_taken_away_once() {
    let taken_away: Vec<Guard> = REMOVALS.iter().map(|removal| removal.guard).collect();
    let distinct: BTreeSet<Guard> = taken_away.iter().copied().collect();
    assert_eq!(distinct.len(), taken_away.len());
    assert_eq!(distinct, Guard::ALL.iter().copied().collect());
}
