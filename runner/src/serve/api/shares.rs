//! What one token may have at a time, so that none takes everything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::secret::Secret;

/// The same number of places for each token.
pub struct Shares {
    each: usize,
    taken: Mutex<HashMap<Secret, Arc<Semaphore>>>,
}

impl Shares {
    pub fn new(each: usize) -> Shares {
        Shares {
            each,
            taken: Mutex::default(),
        }
    }

    /// The places of this token.
    pub fn of(&self, token: &Secret) -> Arc<Semaphore> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has or awaits a place holds them, too.
        taken.retain(|_, places| Arc::strong_count(places) > 1);
        let places = taken
            .entry(token.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.each)));
        Arc::clone(places)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_its_places() {
        let shares = Shares::new(2);
        let one = Secret::new("one");
        let first = shares.of(&one).try_acquire_owned().unwrap();
        let _second = shares.of(&one).try_acquire_owned().unwrap();
        assert!(shares.of(&one).try_acquire_owned().is_err());
        let _other = shares
            .of(&Secret::new("other"))
            .try_acquire_owned()
            .unwrap();
        drop(first);
        assert!(shares.of(&one).try_acquire_owned().is_ok());
    }

    #[test]
    fn tokens_without_a_place_are_forgotten() {
        let shares = Shares::new(1);
        for n in 0..10 {
            drop(shares.of(&Secret::new(format!("{n}"))).try_acquire_owned());
        }
        assert_eq!(shares.taken.lock().unwrap().len(), 1);
    }
}
