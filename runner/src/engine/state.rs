//! The runner's decisions, as a state machine without I/O: what happened goes in by [`State::apply`], what to do
//! comes out of [`State::decide`], when to ask again of [`State::next_wake`].

mod decide;
mod replay;
#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use message::verdict::Verdict as Meaning;
use tokio::time::Instant;
use uuid::Uuid;

use super::carry::{Assignment, End};
use super::crew::Crew;
use super::job::Job;
use super::lease::Lease;
use super::memory::Memory;
use super::plan::Plan;
use super::relay::{Allowance, Question, Relay, RelayReport};
use crate::fence::Fences;
use crate::storage::{
    Answer, Changes, Chunk, Fact, Failure, Grant, Item, LeaseKey, Recipient, Replay, Verdict,
};

/// Before the settings of a job are asked for again.
const PLAN_RETRY: Duration = Duration::from_secs(1);
/// Before a mark is asked for again that was refused.
const PATIENCE: Duration = Duration::from_millis(250);

/// A claim passes over a job that a tick works on at that moment, so a notified runner looks again.
const LOOKS: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub enum Event {
    /// Time to look for work.
    Woken,
    /// There is work, or a job was stopped.
    Notified,
    Claimed(Vec<Chunk>),
    /// The claim may have been executed or not.
    ClaimUnanswered,
    /// The answer to the report or release under way.
    Answered(Vec<Answer>),
    /// The report or release under way may have been executed or not.
    Unanswered,
    /// The report or release under way breaks the protocol: nothing of it was written, nor will be.
    Refused,
    /// The database does not know this runner: it wants to be told what it did.
    NotRegistered,
    /// A part of it was heard, at that time of the database in microseconds since 1970; it has nothing of these campaigns.
    Replayed(i64, Vec<Uuid>),
    /// It may have been heard or not.
    ReplayUnanswered,
    /// It breaks the protocol: nothing of it was written.
    ReplayRefused,
    Changed(Changes),
    /// A heartbeat that was sent at that time since boot was answered.
    Heard(Duration, Changes),
    /// `None`: the job's settings could not be read.
    Planned(i64, Option<Arc<Plan>>),
    /// `None`: no answer. The grant is lost.
    Granted(i64, Option<Grant>),
    /// How many connections to a relay there may be. `None`: no answer.
    Allowed(Uuid, Option<Allowance>),
    /// The database has heard the news of a relay, or not.
    Told(Uuid, Arc<RelayReport>, bool),
    /// A connection was opened for a message.
    Dialed(FlightNo),
    Ended {
        flight: FlightNo,
        key: LeaseKey,
        end: End,
        /// Connections of its relay that wait for a message.
        idle: usize,
    },
    /// A connection to a relay is wanted that belongs to no job.
    Guest(Uuid),
    GuestLeft(Uuid),
    /// Nothing more is to be started.
    Drain,
}

pub enum Action {
    /// `attempt` counts the calls without an answer before this one.
    Claim {
        claim: Arc<Claim>,
        attempt: u32,
    },
    Call {
        call: Arc<Call>,
        attempt: u32,
    },
    Replay {
        replay: Arc<Replay>,
        attempt: u32,
    },
    Plan {
        job_no: i64,
    },
    Grant {
        job_no: i64,
        integration_id: Uuid,
        want: usize,
        /// Tokens of earlier grants that were not used.
        unused: usize,
    },
    /// No more connections than the ceiling until the answer.
    Connections {
        integration_id: Uuid,
        question: Question,
    },
    Tell {
        integration_id: Uuid,
        report: Arc<RelayReport>,
    },
    /// The message is added to those that the job's carriers take; there are to be so many of these.
    Start {
        flight: FlightNo,
        assignment: Assignment,
        crew: Arc<Crew>,
        carriers: usize,
    },
}

/// Of one message under way. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlightNo(pub u64);

struct Flight {
    job_no: i64,
    relay: Uuid,
    /// Of the relay's settings that it uses.
    revision: i64,
    /// It opens a connection.
    dials: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    pub want: usize,
    /// The leases in hand when the claim was made.
    pub known: Vec<LeaseKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Report,
    Release,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    pub verb: Verb,
    pub items: Vec<Item>,
}

/// A call that is repeated, the same each time, until it is answered. Only the answer ends it.
struct Repeated<T> {
    call: Arc<T>,
    attempt: u32,
    under_way: bool,
}

impl<T> Repeated<T> {
    fn new(call: T) -> Repeated<T> {
        Repeated {
            call: Arc::new(call),
            attempt: 0,
            under_way: false,
        }
    }

    /// The call, unless its answer is awaited already.
    fn next(&mut self) -> Option<(Arc<T>, u32)> {
        (!std::mem::replace(&mut self.under_way, true)).then(|| (self.call.clone(), self.attempt))
    }

    fn unanswered(&mut self) {
        self.under_way = false;
        self.attempt += 1;
    }
}

pub struct State {
    fences: Fences,
    draining: bool,
    leases: BTreeMap<LeaseKey, Lease>,
    jobs: BTreeMap<i64, Job>,
    relays: HashMap<Uuid, Relay>,
    flights: HashMap<FlightNo, Flight>,
    /// Outcomes that no call carries yet. They outlive their lease.
    outbox: BTreeMap<LeaseKey, Vec<Fact>>,
    /// Since when there has been one.
    outbox_since: Option<Instant>,
    /// The one report or release under way, and since when.
    calling: Option<Repeated<Call>>,
    called_at: Instant,
    /// Parts of a call that was refused, each to be tried alone.
    apart: VecDeque<Call>,
    /// The one claim under way.
    claiming: Option<Repeated<Claim>>,
    memory: Memory,
    /// The memory is to be told, once nothing else is under way.
    replay_due: bool,
    /// What is being told; its parts that are still to come.
    replaying: Option<Repeated<Replay>>,
    replays: VecDeque<Replay>,
    claim_due: bool,
    /// How often, and when, work that a notification told of is looked for again.
    looks_left: u32,
    look_at: Option<Instant>,
    last_flight: u64,
}

impl State {
    pub fn new(fences: Fences) -> State {
        State {
            fences,
            draining: false,
            leases: BTreeMap::new(),
            jobs: BTreeMap::new(),
            relays: HashMap::new(),
            flights: HashMap::new(),
            outbox: BTreeMap::new(),
            outbox_since: None,
            calling: None,
            called_at: Instant::now(),
            apart: VecDeque::new(),
            claiming: None,
            memory: Memory::default(),
            replay_due: false,
            replaying: None,
            replays: VecDeque::new(),
            claim_due: true,
            looks_left: 0,
            look_at: None,
            last_flight: 0,
        }
    }

    pub fn known(&self) -> Vec<LeaseKey> {
        self.leases.keys().copied().collect()
    }

    /// Whether messages may be started, so that a stop must be heard of soon.
    pub fn needs_news(&self) -> bool {
        self.leases.values().any(|lease| lease.rest() > 0)
    }

    /// Outcomes that the database has not confirmed.
    pub fn unrecorded(&self) -> usize {
        let calling = self.calling.iter().flat_map(|calling| &calling.call.items);
        let apart = self.apart.iter().flat_map(|call| &call.items);
        let outbox = self.outbox.values().map(Vec::len).sum::<usize>();
        outbox
            + calling
                .chain(apart)
                .map(|item| item.outcomes.len())
                .sum::<usize>()
    }

    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether everything begun is ended, recorded and given back.
    pub fn is_drained(&self) -> bool {
        self.draining
            && self.leases.is_empty()
            && self.outbox.is_empty()
            && self.calling.is_none()
            && self.apart.is_empty()
            && self.claiming.is_none()
            && !self.is_replaying()
    }

    pub fn apply(&mut self, now: Instant, event: Event) {
        match event {
            Event::Woken => self.claim_due = true,
            Event::Notified => {
                self.claim_due = true;
                self.looks_left = LOOKS;
            }
            Event::Claimed(chunks) => self.claimed(now, chunks),
            Event::ClaimUnanswered if self.draining || self.replay_due => self.claiming = None,
            Event::ClaimUnanswered => {
                if let Some(claiming) = &mut self.claiming {
                    claiming.unanswered();
                }
            }
            Event::Answered(answers) => {
                if let Some(calling) = self.calling.take() {
                    self.answered(now, &calling.call, answers);
                }
            }
            // What it carried is in the memory.
            Event::Unanswered if self.replay_due => self.calling = None,
            Event::Unanswered => {
                if let Some(calling) = &mut self.calling {
                    calling.unanswered();
                }
            }
            Event::Refused => {
                if let Some(calling) = self.calling.take() {
                    self.refused(now, &calling.call);
                }
            }
            Event::NotRegistered => self.replay_due = !self.is_replaying() || self.replay_due,
            Event::Replayed(now_us, unknown) => self.replayed(now_us, &unknown),
            Event::ReplayUnanswered => {
                if let Some(replaying) = &mut self.replaying {
                    replaying.unanswered();
                }
            }
            Event::ReplayRefused => self.replay_refused(),
            Event::Changed(changes) => self.changed(&changes),
            Event::Heard(sent, changes) => {
                if let Some(now_us) = changes.now_us {
                    self.memory.heard(now_us);
                }
                // First what it tells, then that it was told: workers ask the fences at any time.
                self.changed(&changes);
                self.fences.alive.heard(sent);
                self.fences.news.heard(sent);
            }
            Event::Planned(job_no, plan) => self.planned(now, job_no, plan),
            Event::Granted(job_no, grant) => {
                if let Some(job) = self.jobs.get_mut(&job_no) {
                    job.tokens.answered(now, grant);
                }
            }
            Event::Allowed(relay, answer) => self.allowed(now, relay, answer),
            Event::Told(relay, report, heard) => {
                self.relay(relay).news.told(now, &report, heard);
            }
            Event::Dialed(flight) => self.dialed(flight),
            Event::Ended {
                flight,
                key,
                end,
                idle,
            } => self.ended(now, flight, key, end, idle),
            Event::Guest(relay) => self.relay(relay).guests += 1,
            Event::GuestLeft(relay) => {
                let relay = self.relay(relay);
                relay.guests = relay.guests.saturating_sub(1);
            }
            Event::Drain => {
                self.draining = true;
                self.leases.values_mut().for_each(Lease::end);
            }
        }
    }

    fn claimed(&mut self, now: Instant, chunks: Vec<Chunk>) {
        let Some(claiming) = self.claiming.take() else {
            return;
        };
        // As many as wanted: there may be more.
        self.claim_due |= !chunks.is_empty() && chunks.len() >= claiming.call.want;
        if chunks.is_empty() && self.looks_left > 0 {
            self.looks_left -= 1;
            self.look_at = Some(now + LOOK_AGAIN);
        }
        for chunk in chunks {
            self.memory.leased(&chunk);
            let Chunk {
                key, recipients, ..
            } = chunk;
            let same_chunk =
                |old: &LeaseKey| (old.job_no, old.chunk_no) == (key.job_no, key.chunk_no);
            for (_, older) in self.leases.iter_mut().filter(|(old, _)| same_chunk(old)) {
                older.end();
            }
            let span = tracing::info_span!(
                "chunk",
                job.no = key.job_no,
                chunk.no = key.chunk_no,
                chunk.epoch = key.epoch
            );
            tracing::info!(parent: &span, chunk.recipients = recipients.len(), "chunk leased");
            let mut lease = Lease::new(recipients, span);
            if self.draining {
                lease.end();
            }
            self.leases.insert(key, lease);
            let job = self.jobs.entry(key.job_no).or_insert_with(|| Job::new(now));
            job.idle_since = None;
            if std::mem::take(&mut job.stopped) {
                job.plan = None;
                job.plan_at = now;
            }
        }
    }

    fn answered(&mut self, now: Instant, call: &Call, answers: Vec<Answer>) {
        for (&job_no, job) in &mut self.jobs {
            let live = || leases(&self.leases, job_no).filter(|(_, lease)| !lease.is_ending());
            let is_dry = live().all(|(_, lease)| lease.ready() == 0);
            let ran_dry = is_dry && live().any(|(_, lease)| lease.ahead() > 0);
            (job.pace).answered(now.duration_since(self.called_at), ran_dry);
        }
        for (item, answer) in call.items.iter().zip(answers) {
            if answer.verdict == Verdict::Again {
                // Nothing of it was written.
                item.outcomes
                    .iter()
                    .for_each(|fact| self.hold(now, item.key, fact.clone()));
                continue;
            }
            let Some(lease) = self.leases.get_mut(&item.key) else {
                continue;
            };
            match (call.verb, answer.verdict) {
                (Verb::Release, _) | (_, Verdict::Done) => self.forget(now, item.key),
                (_, Verdict::Fenced) => lease.end(),
                (_, verdict) => {
                    let before = lease.ready();
                    let refused = lease.pass(answer.mark, &answer.go);
                    (self.memory).passed(item.key, answer.mark, &answer.go, &refused);
                    if verdict == Verdict::Stop {
                        lease.end();
                        self.memory.stopped(item.key);
                    }
                    let in_vain = item.outcomes.is_empty() && lease.ready() == before;
                    if let Some(job) = self.jobs.get_mut(&item.key.job_no) {
                        job.stopped |= verdict == Verdict::Stop;
                        job.patience = in_vain.then(|| now + PATIENCE);
                    }
                }
            }
        }
    }

    /// One bad outcome spoils a call: it is taken apart until that one is alone, which is then told in fewer words. Only
    /// what is refused even so is given up. A release tells its outcomes first; the lease is given back afterwards.
    fn refused(&mut self, now: Instant, call: &Call) {
        let report = |key: LeaseKey, fact: Fact| Call {
            verb: Verb::Report,
            items: vec![Item {
                key,
                next_mark: None,
                outcomes: vec![fact],
            }],
        };
        let [item] = &call.items[..] else {
            self.apart.extend(call.items.iter().map(|item| Call {
                verb: call.verb,
                items: vec![item.clone()],
            }));
            return;
        };
        let key = item.key;
        match &item.outcomes[..] {
            [] => {
                tracing::error!(
                    job.no = key.job_no,
                    chunk.no = key.chunk_no,
                    "a lease is refused and given up; what may be under way becomes uncertain"
                );
                self.forget(now, key);
            }
            [fact] if call.verb == Verb::Report && item.next_mark.is_none() => {
                let bare = fact.bare();
                if bare == *fact {
                    tracing::error!(
                        job.no = key.job_no,
                        chunk.no = key.chunk_no,
                        outcomes.lost = 1,
                        "an outcome is refused and given up; its recipient becomes uncertain"
                    );
                } else {
                    self.apart.push_back(report(key, bare));
                }
            }
            facts => {
                let alone = facts.iter().map(|fact| report(key, fact.clone()));
                self.apart.extend(alone);
            }
        }
    }

    fn changed(&mut self, changes: &Changes) {
        for &job_no in &changes.stopped {
            if let Some(job) = self.jobs.get_mut(&job_no) {
                job.stopped = true;
            }
        }
        for (key, lease) in &mut self.leases {
            let stopped = changes.stopped.contains(&key.job_no);
            if stopped {
                self.memory.stopped(*key);
            }
            if stopped || changes.lost.contains(key) {
                lease.end();
            }
        }
    }

    fn planned(&mut self, now: Instant, job_no: i64, plan: Option<Arc<Plan>>) {
        let Some(job) = self.jobs.get_mut(&job_no) else {
            return;
        };
        job.planning = false;
        let Some(plan) = plan else {
            job.plan_at = now + PLAN_RETRY;
            return;
        };
        (self.relays.entry(plan.relay.id).or_default()).set_up(plan.relay.revision);
        job.plan = Some(plan);
        job.replan = false;
    }

    fn allowed(&mut self, now: Instant, relay: Uuid, answer: Option<Allowance>) {
        self.relay(relay).connections.answered(answer);
        let Some(revision) = answer.and_then(|answer| answer.revision) else {
            return;
        };
        for job in self.jobs.values_mut() {
            let settings = job.plan.as_ref().map(|plan| &plan.relay);
            if settings.is_some_and(|old| old.id == relay && old.revision != revision) {
                job.replan = true;
                job.plan_at = now;
            }
        }
    }

    fn relay(&mut self, id: Uuid) -> &mut Relay {
        self.relays.entry(id).or_default()
    }

    fn dialed(&mut self, flight: FlightNo) {
        let Some(flight) = self.flights.get_mut(&flight) else {
            return;
        };
        let relay = self.relays.entry(flight.relay).or_default();
        if std::mem::take(&mut flight.dials) {
            relay.dialing.ended();
        }
        if relay.dialing.succeeded() {
            tracing::info!(integration.id = %flight.relay, "the relay can be reached again");
            relay.news.add(flight.revision, None);
        }
    }

    fn ended(&mut self, now: Instant, flight: FlightNo, key: LeaseKey, end: End, idle: usize) {
        let Some(flight) = self.flights.remove(&flight) else {
            return;
        };
        let relay = self.relays.entry(flight.relay).or_default();
        relay.idle = idle;
        if flight.dials {
            relay.dialing.ended();
        }
        let mut frees_connection = true;
        if let Some(job) = self.jobs.get_mut(&flight.job_no) {
            job.in_flight -= 1;
            job.pace.ended();
            // Its connection goes on with one that waited behind.
            frees_connection = job.behind == 0;
            job.behind = job.behind.saturating_sub(1);
        }
        relay.in_flight -= usize::from(frees_connection);
        match end {
            End::Fact(fact) => {
                if let Some(lease) = self.leases.get_mut(&key) {
                    lease.settle(fact.pos);
                }
                if fact.verdict == Some(Meaning::StopJob.as_str()) {
                    // The database will say so too; until then nobody else meets the same refusal.
                    for (_, lease) in self.leases.range_mut(range(key.job_no)) {
                        lease.end();
                    }
                }
                self.memory.ended(key, &fact);
                self.hold(now, key, fact);
            }
            End::Unstarted(recipient) => self.unstarted(key, recipient),
            End::Unreached(recipient, failure) => {
                self.unstarted(key, recipient);
                self.unreached(now, &flight, failure);
            }
        }
    }

    /// Nothing was begun: the recipient is the next, and the token serves another time.
    fn unstarted(&mut self, key: LeaseKey, recipient: Recipient) {
        if let Some(lease) = self.leases.get_mut(&key) {
            lease.unstart(recipient);
        }
        if let Some(job) = self.jobs.get_mut(&key.job_no) {
            job.tokens.give_back();
        }
    }

    fn unreached(&mut self, now: Instant, flight: &Flight, mut failure: Failure) {
        let relay = self.relays.entry(flight.relay).or_default();
        tracing::debug!(error = failure.detail, "why the relay cannot be reached");
        if !relay.is_outdated(flight.revision) {
            if !relay.dialing.has_failed() {
                tracing::warn!(
                    integration.id = %flight.relay,
                    smtp.phase = failure.phase,
                    smtp.code = failure.code,
                    error = loggable(&failure),
                    "the relay cannot be reached; its recipients wait"
                );
            }
            if let Some(pause) = relay.dialing.failed(now) {
                failure.retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                relay.news.add(flight.revision, Some(failure));
            }
        }
        // Of what this job has; another job's may be newer.
        if let Some(job) = self.jobs.get_mut(&flight.job_no)
            && (job.plan.as_ref()).is_some_and(|plan| plan.relay.revision == flight.revision)
        {
            job.replan = true;
            job.plan_at = relay.dialing.may_dial_at(now).unwrap_or(now);
        }
    }

    fn hold(&mut self, now: Instant, key: LeaseKey, fact: Fact) {
        self.outbox.entry(key).or_default().push(fact);
        self.outbox_since.get_or_insert(now);
    }

    /// The lease is over.
    fn forget(&mut self, now: Instant, key: LeaseKey) {
        self.memory.over(key);
        if let Some(lease) = self.leases.remove(&key) {
            tracing::info!(parent: lease.span(), "chunk is over");
        }
        self.claim_due = true;
        if leases(&self.leases, key.job_no).next().is_none()
            && let Some(job) = self.jobs.get_mut(&key.job_no)
        {
            job.idle_since = Some(now);
        }
    }
}

/// What a relay said, also what was no reply, may name accounts and addresses.
fn loggable(failure: &Failure) -> Option<&str> {
    let is_ours = failure.class.is_some() || matches!(failure.phase, "resolve" | "connect");
    (failure.code.is_none() && is_ours).then_some(&failure.detail)
}

fn range(job_no: i64) -> std::ops::RangeInclusive<LeaseKey> {
    let bound = |limit| LeaseKey {
        job_no,
        chunk_no: limit,
        epoch: limit,
    };
    bound(i64::MIN)..=bound(i64::MAX)
}

fn leases(
    all: &BTreeMap<LeaseKey, Lease>,
    job_no: i64,
) -> impl Iterator<Item = (&LeaseKey, &Lease)> {
    all.range(range(job_no))
}
