//! What this runner did lately, for a database that may have forgotten it: a promoted standby that lost the last
//! commits, a restored dump. Kept for 10 minutes after the database has confirmed the end of a lease.

use std::collections::{BTreeMap, BTreeSet};

use message::reply::Outcome;
use rangemap::RangeInclusiveSet;
use uuid::Uuid;

use crate::storage::{Chunk, Fact, LeaseKey, ReplayItem};

/// By the database's clock, in microseconds.
const KEPT_FOR_US: i64 = 600_000_000;

/// Bounded by what was sent in 10 minutes: a chunk takes some hundred bytes, however many it has sent, and more for each that was
/// not.
#[derive(Default)]
pub struct Memory {
    leases: BTreeMap<LeaseKey, Kept>,
    /// The database's time when it answered last, in microseconds since 1970.
    now_us: i64,
    since_us: Option<i64>,
}

struct Kept {
    job_id: Uuid,
    first_leased_us: i64,
    mark: i64,
    /// Passed, and without an outcome.
    open: BTreeSet<i64>,
    /// Of an acceptance the position is enough.
    sent: RangeInclusiveSet<i64>,
    others: Vec<Fact>,
    stopped: bool,
    /// When the database confirmed that the lease is over.
    over_us: Option<i64>,
}

impl Memory {
    pub fn leased(&mut self, chunk: &Chunk) {
        let kept = Kept {
            job_id: chunk.job_id,
            first_leased_us: chunk.first_leased_us,
            mark: chunk.mark,
            open: BTreeSet::new(),
            sent: RangeInclusiveSet::new(),
            others: Vec::new(),
            stopped: false,
            over_us: None,
        };
        self.leases.insert(chunk.key, kept);
    }

    /// The database let the mark rise so far, and `refused` some of these positions: they were not started.
    pub fn passed(&mut self, key: LeaseKey, mark: i64, go: &[i64], refused: &[i64]) {
        let Some(kept) = self.leases.get_mut(&key) else {
            return;
        };
        kept.mark = kept.mark.max(mark);
        let others: BTreeSet<i64> = kept.others.iter().map(|fact| fact.pos).collect();
        let is_known = |pos: &i64| kept.sent.contains(pos) || others.contains(pos);
        kept.open.extend(go.iter().filter(|pos| !is_known(pos)));
        let returned = |pos: &i64| Fact::new(*pos, Outcome::Returned);
        kept.others.extend(refused.iter().map(returned));
    }

    pub fn ended(&mut self, key: LeaseKey, fact: &Fact) {
        let Some(kept) = self.leases.get_mut(&key) else {
            return;
        };
        kept.open.remove(&fact.pos);
        if fact.outcome == Outcome::Sent.as_str() {
            kept.sent.insert(fact.pos..=fact.pos);
        } else {
            kept.others.push(fact.clone());
        }
    }

    /// The job of this lease does not run.
    pub fn stopped(&mut self, key: LeaseKey) {
        if let Some(kept) = self.leases.get_mut(&key) {
            kept.stopped = true;
        }
    }

    pub fn over(&mut self, key: LeaseKey) {
        if let Some(kept) = self.leases.get_mut(&key) {
            kept.over_us = Some(self.now_us);
        }
    }

    /// The database's time. Only what it answered makes memory fade, so that nothing is forgotten while it is away.
    pub fn heard(&mut self, now_us: i64) {
        self.now_us = now_us;
        let since_us = now_us - KEPT_FOR_US;
        let before = self.leases.len();
        (self.leases).retain(|_, kept| kept.over_us.is_none_or(|over_us| over_us >= since_us));
        if self.leases.len() < before {
            self.since_us = self.since_us.max(Some(since_us));
        }
    }

    /// The database's time when it answered last, in microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        self.now_us
    }

    /// Everything that this runner did since then is here. `None` = since its start.
    pub fn since_us(&self) -> Option<i64> {
        self.since_us
    }

    /// How many mails of a job are known to be accepted.
    pub fn sent(&self, job_id: Uuid) -> usize {
        let of_job = self.leases.values().filter(|kept| kept.job_id == job_id);
        of_job.flat_map(|kept| positions(&kept.sent)).count()
    }

    pub fn items(&self) -> Vec<ReplayItem> {
        // Whether a job was stopped is told by the last word about it.
        let mut last: BTreeMap<i64, i64> = BTreeMap::new();
        for key in self.leases.keys() {
            let epoch = last.entry(key.job_no).or_default();
            *epoch = key.epoch.max(*epoch);
        }
        let item = |(key, kept): (&LeaseKey, &Kept)| {
            let sent = |pos| Fact::new(pos, Outcome::Sent);
            ReplayItem {
                key: *key,
                job_id: kept.job_id,
                first_leased_us: kept.first_leased_us,
                mark: kept.mark,
                open: kept.open.iter().copied().collect(),
                outcomes: (positions(&kept.sent).map(sent))
                    .chain(kept.others.iter().cloned())
                    .collect(),
                stopped: kept.stopped && last.get(&key.job_no) == Some(&key.epoch),
            }
        };
        self.leases.iter().map(item).collect()
    }
}

fn positions(ranges: &RangeInclusiveSet<i64>) -> impl Iterator<Item = i64> {
    ranges.iter().cloned().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: LeaseKey = LeaseKey {
        job_no: 1,
        chunk_no: 2,
        epoch: 3,
    };
    const MINUTE_US: i64 = 60_000_000;

    fn memory(leases: &[LeaseKey]) -> Memory {
        let mut memory = Memory::default();
        for &key in leases {
            memory.leased(&Chunk {
                key,
                job_id: Uuid::nil(),
                mark: 4,
                first_leased_us: 9,
                recipients: Vec::new(),
            });
        }
        memory
    }

    fn told(item: &ReplayItem) -> Vec<(i64, &str)> {
        (item.outcomes.iter())
            .map(|fact| (fact.pos, fact.outcome))
            .collect()
    }

    #[test]
    fn it_tells_marks_outcomes_and_what_is_open() {
        let mut memory = memory(&[KEY]);
        memory.passed(KEY, 8, &[5, 7, 8], &[6]);
        memory.ended(KEY, &Fact::new(5, Outcome::Sent));
        memory.ended(KEY, &Fact::new(8, Outcome::Deferred));
        memory.passed(KEY, 9, &[7, 8, 9], &[]);
        let items = memory.items();
        assert_eq!((items[0].key, items[0].mark), (KEY, 9));
        assert_eq!(
            told(&items[0]),
            [(5, "sent"), (6, "returned"), (8, "deferred")]
        );
        assert_eq!(items[0].open, [7, 9]);
    }

    #[test]
    fn what_was_sent_takes_the_same_place_however_much_it_was() {
        let mut memory = memory(&[KEY]);
        for pos in (5..=1_000).rev() {
            memory.ended(KEY, &Fact::new(pos, Outcome::Sent));
        }
        assert_eq!(memory.leases[&KEY].sent.len(), 1);
        assert_eq!(memory.sent(Uuid::nil()), 996);
    }

    #[test]
    fn it_keeps_a_lease_for_ten_minutes_after_its_end_by_the_clock_of_the_database() {
        let mut memory = memory(&[KEY]);
        memory.heard(100 * MINUTE_US);
        memory.over(KEY);
        memory.heard(110 * MINUTE_US);
        assert_eq!((memory.items().len(), memory.since_us()), (1, None));
        memory.heard(110 * MINUTE_US + 1);
        assert_eq!(memory.items().len(), 0);
        assert_eq!(memory.since_us(), Some(100 * MINUTE_US + 1));
    }

    #[test]
    fn what_is_not_over_is_kept_however_long_it_takes() {
        let mut memory = memory(&[KEY]);
        memory.heard(MINUTE_US);
        memory.heard(1_000 * MINUTE_US);
        assert_eq!((memory.items().len(), memory.since_us()), (1, None));
    }

    #[test]
    fn a_job_is_stopped_if_the_last_word_about_it_was_so() {
        let later = LeaseKey { epoch: 4, ..KEY };
        let mut memory = memory(&[KEY, later]);
        let stopped = |memory: &Memory| -> Vec<bool> {
            memory.items().iter().map(|item| item.stopped).collect()
        };
        memory.stopped(KEY);
        assert_eq!(stopped(&memory), [false, false]);
        memory.stopped(later);
        assert_eq!(stopped(&memory), [false, true]);
    }

    #[test]
    fn it_counts_what_was_accepted() {
        let mut memory = memory(&[KEY]);
        memory.ended(KEY, &Fact::new(5, Outcome::Sent));
        memory.ended(KEY, &Fact::new(6, Outcome::Failed));
        assert_eq!(memory.sent(Uuid::nil()), 1);
        assert_eq!(memory.sent(Uuid::max()), 0);
    }
}
