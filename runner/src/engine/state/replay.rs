//! After a failover, or in a restored dump, the database may have forgotten what this runner did: it is told again.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Repeated, State};
use crate::storage::{LeaseKey, Replay, ReplayItem};

/// Outcomes in one call.
const BATCH: usize = 2_000;

impl State {
    pub fn is_replaying(&self) -> bool {
        self.replay_due || self.replaying.is_some()
    }

    /// The part to be told now. The first comes when no other call is under way, since each answer tells what to
    /// remember.
    pub(super) fn next_replay(&mut self, now: Instant) -> Option<(Arc<Replay>, u32)> {
        if self.replay_due && self.calling.is_none() && self.claiming.is_none() {
            self.begin_replay(now);
        }
        self.replaying.as_mut().and_then(Repeated::next)
    }

    fn begin_replay(&mut self, now: Instant) {
        self.replay_due = false;
        for (&key, lease) in &mut self.leases {
            lease.end();
            for fact in lease.give_back() {
                self.memory.ended(key, &fact);
            }
        }
        // All of it is in the memory.
        self.outbox.clear();
        self.outbox_since = None;
        self.apart.clear();
        let items = self.memory.items();
        tracing::warn!(
            leases = items.len(),
            outcomes = items.iter().map(|item| item.outcomes.len()).sum::<usize>(),
            "the database does not know this runner: it is a promoted standby or a restored dump, or took the runner for \
             gone; nothing is started until it knows again what the runner did"
        );
        self.replays = self.batches(items);
        self.replaying = self.replays.pop_front().map(Repeated::new);
        // The database ends the leases.
        let idle = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.in_flight() == 0);
        let idle: Vec<LeaseKey> = idle.map(|(key, _)| *key).collect();
        idle.into_iter().for_each(|key| self.forget(now, key));
    }

    fn batches(&self, items: Vec<ReplayItem>) -> std::collections::VecDeque<Replay> {
        let mut batches = vec![Vec::new()];
        let mut size = 0;
        for item in items {
            if size + item.outcomes.len() > BATCH {
                batches.push(Vec::new());
                size = 0;
            }
            size += item.outcomes.len();
            if let Some(batch) = batches.last_mut() {
                batch.push(item);
            }
        }
        let last = batches.len() - 1;
        let replay = |(nr, items)| Replay {
            since_us: self.memory.since_us(),
            items,
            last: nr == last,
        };
        batches.into_iter().enumerate().map(replay).collect()
    }

    pub(super) fn replayed(&mut self, now_us: i64, unknown: &[Uuid]) {
        self.memory.heard(now_us);
        for &job_id in unknown.iter().collect::<HashSet<_>>() {
            tracing::error!(
                job.id = %job_id,
                mails.accepted = self.memory.sent(job_id),
                "the database has lost this campaign, of which mails were accepted: a new one would mail these people again"
            );
        }
        self.replaying = self.replays.pop_front().map(Repeated::new);
        if self.replaying.is_none() {
            tracing::info!("the database knows again what this runner did");
            self.claim_due = true;
        }
    }

    /// One bad item spoils a part: each is told alone. What is refused alone is left out, and the runner owns to having
    /// forgotten it, so that a person decides.
    pub(super) fn replay_refused(&mut self) {
        let Some(refused) = self.replaying.take() else {
            return;
        };
        let (items, last) = (&refused.call.items, refused.call.last);
        let mut since_us = refused.call.since_us;
        if let [item] = &items[..] {
            tracing::error!(
                job.no = item.key.job_no,
                chunk.no = item.key.chunk_no,
                outcomes.lost = item.outcomes.len(),
                "the database refuses what the runner did in this chunk"
            );
            since_us = Some(self.memory.now_us());
            (self.replays.iter_mut()).for_each(|later| later.since_us = since_us);
        }
        let alone: &[ReplayItem] = if items.len() > 1 { items } else { &[] };
        if last {
            self.replays.push_front(Replay {
                since_us,
                items: Vec::new(),
                last,
            });
        }
        for item in alone.iter().rev() {
            self.replays.push_front(Replay {
                since_us,
                items: vec![item.clone()],
                last: false,
            });
        }
        self.replaying = self.replays.pop_front().map(Repeated::new);
    }
}
