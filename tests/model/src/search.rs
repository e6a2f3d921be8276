//! Breadth first over all states, so a counterexample is a shortest one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use foldhash::quality::FixedState;

use crate::database::Rules;
use crate::properties::Property;
use crate::world::{Step, World};

/// What was looked at, and what was found.
pub struct Search {
    pub states: usize,
    /// Steps to the furthest state.
    pub depth: usize,
    /// States after which nothing more is looked at: the model has no number for another chunk.
    pub cut_off: usize,
    pub time: Duration,
    pub counterexample: Option<Counterexample>,
}

pub struct Counterexample {
    pub broken: Property,
    /// In words.
    pub steps: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "BROKEN: {}", self.broken)?;
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "\n  {:2}. {step}", number + 1)?;
        }
        Ok(())
    }
}

/// From fingerprint to fingerprint of the state before; 128 bits would cost more than the one chance in ten thousand that two of
/// thirty million states share 64.
type Seen = HashMap<u64, u64, FixedState>;

fn fingerprint(world: &World) -> u64 {
    FixedState::default().hash_one(world)
}

/// Looks for a state that breaks one of these properties.
pub fn search(rules: &Rules, start: World, sought: &[Property]) -> Search {
    let begin = Instant::now();
    let mut seen = Seen::default();
    seen.insert(fingerprint(&start), 0);
    let (mut level, mut next, mut steps) = (vec![start], Vec::new(), Vec::new());
    let (mut depth, mut cut_off) = (0, 0);
    let mut found = None;

    'levels: while !level.is_empty() {
        for world in &level {
            steps.clear();
            world.steps(&mut steps);
            if world.database.is_full {
                cut_off += 1;
                continue;
            }
            let mut goes_on = false;
            for &step in &steps {
                let Some(after) = world.after(rules, step) else {
                    continue;
                };
                goes_on |= step.is_progress();
                let hash = fingerprint(&after);
                if let Entry::Vacant(place) = seen.entry(hash) {
                    place.insert(fingerprint(world));
                    let broken = sought
                        .iter()
                        .find(|property| property.broken_in(rules, &after));
                    if let Some(&broken) = broken {
                        found = Some((broken, hash));
                        break 'levels;
                    }
                    next.push(after);
                }
            }
            if !goes_on && sought.contains(&Property::EverythingEnds) && !world.is_over(rules) {
                found = Some((Property::EverythingEnds, fingerprint(world)));
                break 'levels;
            }
        }
        if !next.is_empty() {
            depth += 1;
        }
        level.clear();
        std::mem::swap(&mut level, &mut next);
    }
    Search {
        states: seen.len(),
        depth,
        cut_off,
        time: begin.elapsed(),
        counterexample: found.map(|(broken, last)| Counterexample {
            broken,
            steps: retrace(rules, start, &seen, last),
        }),
    }
}

/// Takes the steps to a state again.
fn retrace(rules: &Rules, start: World, seen: &Seen, last: u64) -> Vec<String> {
    let first = fingerprint(&start);
    let before = |hash: &u64| seen.get(hash).copied();
    let mut path: Vec<u64> =
        std::iter::successors(Some(last), |hash| before(hash).filter(|_| *hash != first)).collect();
    path.reverse();
    let mut world = start;
    let mut told = Vec::new();
    for hash in path.into_iter().skip(1) {
        let mut steps: Vec<Step> = Vec::new();
        world.steps(&mut steps);
        let taken = steps.into_iter().find_map(|step| {
            let after = world.after(rules, step)?;
            (fingerprint(&after) == hash).then_some((step, after))
        });
        if let Some((step, after)) = taken {
            told.push(world.describe(rules, step, &after));
            world = after;
        }
    }
    told
}
