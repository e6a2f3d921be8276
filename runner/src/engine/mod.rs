//! Runs the state machine of [`state`]: carries out its actions, each in a task of its own, and tells it what came of
//! them. This task waits for nothing but events.

mod carry;
mod crew;
mod job;
mod lease;
mod memory;
mod outage;
mod plan;
mod relay;
mod requests;
mod rulebook;
mod state;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use crate::config::Settings;
use crate::fence::{Fence, Fences, boot_time};
use crate::listener;
use crate::signals::Signals;
use crate::smtp::{Dialer, NetDialer, Pool};
use crate::storage::{Registration, Storage, StorageError};
use carry::Carrier;
use outage::Outage;
use plan::Plan;
use relay::{Allowance, Question, RelayReport};
use rulebook::Rulebook;
use state::{Action, Call, Claim, Event, State, Verb};

const TICK: Duration = Duration::from_secs(1);
/// Before the next heartbeat, when one got no answer.
const HEARTBEAT_RETRY: Duration = Duration::from_secs(1);
/// Between heartbeats while there are leases: they tell of stopped jobs. A tick tells too, but may take long.
const NEWS_EVERY: Duration = Duration::from_millis(400);
/// No message is begun later than this after the sending of the last answered heartbeat, so none is begun a second after
/// its job was stopped.
const NEWS_FENCE: Duration = Duration::from_millis(900);
/// What is in flight when the runner is told to stop may take this long.
const DRAIN: Duration = Duration::from_secs(30);
/// For saying goodbye to relays and database.
const GOODBYE: Duration = Duration::from_secs(5);

/// Sends until SIGTERM or SIGINT, then ends what is in flight and gives back the rest. A second signal ends the
/// process at once.
///
/// # Errors
/// The database refuses this runner, or has not taken what was left to record some time
/// after a signal.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("cannot wait for signals")?;
    let runner_id = Uuid::new_v4();
    let storage = Storage::new(settings.database.to_config(), runner_id)?;
    let host: Arc<str> = (rustix::system::uname().nodename().to_string_lossy()).into();
    let pid = i32::try_from(std::process::id())?;
    let mut outage = Outage::default();
    let registered = register(&storage, &host, pid, &mut signals, &mut outage).await?;
    let Some((registration, fences)) = registered else {
        return Ok(());
    };
    tracing::info!(
        runner.id = %runner_id,
        database.host = settings.database.host,
        database.port = settings.database.port,
        "runner is registered"
    );
    let (events, inbox) = mpsc::unbounded_channel();
    let listener = settings.notify.then(|| {
        let events = events.clone();
        let wake = move |_: &str| {
            // Nobody listens any more only when the engine has ended.
            let _ = events.send(Event::Notified);
        };
        tokio::spawn(listener::listen(
            settings.database.to_config(),
            "campaign_wake",
            wake,
        ))
    });
    let dialer = Arc::new(NetDialer::default());
    let engine = Engine {
        storage,
        host,
        pid,
        pool: Arc::new(Pool::new(dialer.clone())),
        dialer,
        rulebook: Arc::default(),
        heartbeat: Duration::from_millis(registration.heartbeat_ms),
        poll: settings.poll,
        state: State::new(fences.clone()),
        fences,
        events,
        tasks: JoinSet::new(),
        requested: Arc::default(),
        draining: watch::Sender::new(false),
        hurry: watch::Sender::new(false),
        heartbeat_at: None,
        news_at: Instant::now(),
        tick_at: None,
        outage,
        replays: 0,
    };
    let ended = engine.run(inbox, &mut signals).await;
    if let Some(listener) = listener {
        listener.abort();
    }
    ended
}

/// Repeated until there is a database with the extension. `None` = told to stop before.
async fn register(
    storage: &Storage,
    host: &str,
    pid: i32,
    signals: &mut Signals,
    outage: &mut Outage,
) -> anyhow::Result<Option<(Registration, Fences)>> {
    for attempt in 1.. {
        let sent = boot_time();
        let error = tokio::select! {
            answer = storage.register_runner(host, pid) => match answer {
                Ok(answer) => {
                    outage.over(Instant::now(), "register");
                    let length = Duration::from_millis(answer.fence_ms);
                    let fences = Fences {
                        alive: Fence::new(length, sent, boot_time),
                        news: Fence::new(NEWS_FENCE, sent, boot_time),
                    };
                    return Ok(Some((answer, fences)));
                }
                Err(error) => error,
            },
            () = signals.next() => return Ok(None),
        };
        if let StorageError::ProtocolRefused(_) = error {
            return Err(anyhow::Error::new(error).context(
                "install the campaign-runner that belongs to the database's version of pg_campaign, \
                 or run ALTER EXTENSION pg_campaign UPDATE",
            ));
        }
        outage.begins(Instant::now(), "register", &error);
        tokio::select! {
            () = sleep(backoff(attempt)) => {}
            () = signals.next() => return Ok(None),
        }
    }
    Ok(None)
}

struct Engine {
    storage: Storage,
    host: Arc<str>,
    pid: i32,
    dialer: Arc<dyn Dialer>,
    rulebook: Arc<Rulebook>,
    pool: Arc<Pool>,
    heartbeat: Duration,
    poll: Duration,
    state: State,
    fences: Fences,
    events: mpsc::UnboundedSender<Event>,
    /// Calls and messages under way.
    tasks: JoinSet<Done>,
    /// There may be a test mail, or a test of an integration.
    requested: Arc<Notify>,
    draining: watch::Sender<bool>,
    hurry: watch::Sender<bool>,
    /// `None` while one is under way.
    heartbeat_at: Option<Instant>,
    /// When the next one is due, if there are leases.
    news_at: Instant,
    tick_at: Option<Instant>,
    outage: Outage,
    /// How often the database was told what this runner did.
    replays: u64,
}

/// How a task ended.
enum Done {
    /// It has told what came of it, if anybody is to know.
    Silent,
    /// A call made after so many replays.
    Call(Kind, u64, Box<Result<Event, StorageError>>),
}

/// What a call was for: says what becomes of an error.
#[derive(Clone)]
enum Kind {
    Heartbeat,
    Tick,
    Claim,
    Call,
    Replay,
    Plan(i64),
    Grant(i64),
    Connections(Uuid),
    Tell(Uuid, Arc<RelayReport>),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Kind::Heartbeat => "heartbeat",
            Kind::Tick => "tick",
            Kind::Claim => "claim",
            Kind::Call => "report",
            Kind::Replay => "replay",
            Kind::Plan(_) => "job_spec",
            Kind::Grant(_) => "grant",
            Kind::Connections(_) => "connections",
            Kind::Tell(..) => "report_relay",
        }
    }
}

impl Engine {
    async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Event>,
        signals: &mut Signals,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        self.heartbeat_at = Some(start + self.heartbeat);
        self.tick_at = Some(start);
        let tester = requests::Tester {
            storage: self.storage.clone(),
            dialer: self.dialer.clone(),
            pool: self.pool.clone(),
            events: self.events.clone(),
            alive: self.fences.alive.clone(),
        };
        let (work, draining) = (self.requested.clone(), self.draining.subscribe());
        self.tasks.spawn(async move {
            tester.run(&work, draining).await;
            Done::Silent
        });
        let mut poll_at = start + jittered(self.poll);
        let mut drain_until = None;
        let mut hurried = false;
        // Set when it is told to stop: in trouble of the database there would be no end.
        let mut stop_by = None;
        loop {
            let now = Instant::now();
            for action in self.state.decide(now) {
                self.perform(action);
            }
            if self.state.is_drained() {
                break;
            }
            let wake = [
                self.state.next_wake(now),
                self.next_heartbeat(),
                self.tick_at,
                Some(poll_at),
            ];
            let drain_over = drain_until.filter(|_| !hurried);
            let wake = wake
                .into_iter()
                .flatten()
                .chain(drain_over)
                .chain(stop_by)
                .min()
                .unwrap_or(poll_at);
            tokio::select! {
                Some(event) = inbox.recv() => {
                    let now = Instant::now();
                    let mut next = Some(event);
                    while let Some(event) = next {
                        if let Event::Notified = event {
                            self.news_at = now;
                            self.requested.notify_one();
                        }
                        self.state.apply(now, event);
                        next = inbox.try_recv().ok();
                    }
                }
                Some(done) = self.tasks.join_next() => self.done(done),
                () = sleep_until(wake) => {}
                () = signals.next() => {
                    if drain_until.is_some() {
                        return self.give_up("told twice to stop");
                    }
                    stop_by = Some(Instant::now() + DRAIN + GOODBYE);
                    tracing::info!("told to stop; what is in flight ends, the rest is given back");
                    self.state.apply(Instant::now(), Event::Drain);
                }
            }
            let now = Instant::now();
            if stop_by.is_some_and(|stop_by| now >= stop_by) {
                return self.give_up("the database does not take what is left to record");
            }
            if self.state.is_draining() {
                self.draining.send_replace(true);
                let until = *drain_until.get_or_insert(now + DRAIN);
                if now >= until && !hurried {
                    hurried = true;
                    tracing::warn!(
                        outcomes.unrecorded = self.state.unrecorded(),
                        "what is still in flight is given up"
                    );
                    self.hurry.send_replace(true);
                }
            }
            self.keep_time(now, &mut poll_at);
        }
        self.say_goodbye().await;
        Ok(())
    }

    /// Whatever is not recorded becomes uncertain when the runner is missed.
    fn give_up(&self, why: &str) -> anyhow::Result<()> {
        let unrecorded = self.state.unrecorded();
        tracing::error!(
            outcomes.unrecorded = unrecorded,
            "{why}; the runner ends, and what is not recorded becomes uncertain"
        );
        anyhow::bail!(
            "{why}: {unrecorded} outcomes are not recorded; their recipients become uncertain"
        )
    }

    fn keep_time(&mut self, now: Instant, poll_at: &mut Instant) {
        if now >= *poll_at {
            *poll_at = now + jittered(self.poll);
            self.state.apply(now, Event::Woken);
        }
        if self.next_heartbeat().is_some_and(|at| now >= at) {
            self.heartbeat_at = None;
            self.news_at = now + NEWS_EVERY;
            let (storage, known) = (self.storage.clone(), self.state.known());
            self.call(Kind::Heartbeat, async move {
                let sent = boot_time();
                let changes = storage.heartbeat(&known).await?;
                Ok(Event::Heard(sent, changes))
            });
        }
        if self.tick_at.take_if(|at| now >= *at).is_some() {
            self.pool.sweep();
            let storage = self.storage.clone();
            self.call(Kind::Tick, async move {
                storage.tick().await.map(Event::Changed)
            });
        }
    }

    /// `None` while one is under way.
    fn next_heartbeat(&self) -> Option<Instant> {
        let at = self.heartbeat_at?;
        Some(match self.state.needs_news() {
            true => at.min(self.news_at),
            false => at,
        })
    }

    fn perform(&mut self, action: Action) {
        let storage = self.storage.clone();
        match action {
            Action::Claim { claim, attempt } => self.call(Kind::Claim, async move {
                sleep(backoff(attempt)).await;
                let Claim { want, known } = &*claim;
                (storage.claim_chunks(integer(*want), known).await).map(Event::Claimed)
            }),
            Action::Call { call, attempt } => self.call(Kind::Call, async move {
                sleep(backoff(attempt)).await;
                let Call { verb, items } = &*call;
                let answers = match verb {
                    Verb::Report => storage.report(items).await,
                    Verb::Release => storage.release(items).await,
                };
                answers.map(Event::Answered)
            }),
            Action::Replay { replay, attempt } => {
                let (host, pid) = (self.host.clone(), self.pid);
                self.call(Kind::Replay, async move {
                    sleep(backoff(attempt)).await;
                    let answer = storage.replay(&host, pid, &replay).await?;
                    Ok(Event::Replayed(answer.now_us, answer.unknown))
                });
            }
            Action::Plan { job_no } => {
                let rulebook = self.rulebook.clone();
                self.call(Kind::Plan(job_no), async move {
                    let job = storage.job_spec(job_no).await?;
                    let relay = storage.integration_spec(job.integration_id).await?;
                    let plan = Plan::new(job, relay, &rulebook).map_err(|error| {
                        StorageError::Other(format!("campaign.smtp_rules: {error}"))
                    })?;
                    Ok(Event::Planned(job_no, Some(Arc::new(plan))))
                });
            }
            Action::Grant {
                job_no,
                integration_id,
                want,
                unused,
            } => self.call(Kind::Grant(job_no), async move {
                let (want, unused) = (integer(want), integer(unused));
                let grant = storage.grant(integration_id, job_no, want, unused).await?;
                Ok(Event::Granted(job_no, Some(grant)))
            }),
            Action::Connections {
                integration_id: id,
                question: Question { ceiling, want },
            } => {
                let open = self.pool.set_ceiling(id, ceiling);
                let keep = ceiling.unwrap_or(want).max(open);
                let pool = self.pool.clone();
                self.call(Kind::Connections(id), async move {
                    let answer = storage
                        .connections(id, integer(keep), integer(want))
                        .await?;
                    pool.set_ceiling(id, answer.allowed);
                    let allowance = Allowance {
                        connections: answer.allowed,
                        kept: keep,
                        revision: answer.revision,
                    };
                    Ok(Event::Allowed(id, Some(allowance)))
                });
            }
            Action::Tell {
                integration_id: id,
                report,
            } => self.call(Kind::Tell(id, report.clone()), async move {
                storage
                    .report_relay(id, report.revision, report.failure.as_ref())
                    .await?;
                Ok(Event::Told(id, report, true))
            }),
            Action::Start {
                flight,
                assignment,
                crew,
                carriers,
            } => {
                if crew.add(flight, assignment, carriers) {
                    let carrier = Carrier {
                        crew,
                        pool: self.pool.clone(),
                        fences: self.fences.clone(),
                        hurry: self.hurry.subscribe(),
                        events: self.events.clone(),
                    };
                    self.tasks.spawn(async move {
                        carrier.run().await;
                        Done::Silent
                    });
                }
            }
        }
    }

    fn call(
        &mut self,
        kind: Kind,
        call: impl Future<Output = Result<Event, StorageError>> + Send + 'static,
    ) {
        let replays = self.replays;
        self.tasks
            .spawn(async move { Done::Call(kind, replays, Box::new(call.await)) });
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let now = Instant::now();
        let (kind, replays, result) = match done {
            Ok(Done::Call(kind, replays, result)) => (kind, replays, *result),
            Ok(Done::Silent) => return,
            // A bug. What the task held is unknown: the process ends, and what is open becomes uncertain.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        match &kind {
            Kind::Heartbeat if result.is_ok() => self.heartbeat_at = Some(now + self.heartbeat),
            Kind::Heartbeat => self.heartbeat_at = Some(now + HEARTBEAT_RETRY),
            Kind::Tick => self.tick_at = Some(now + TICK),
            _ => {}
        }
        let error = match result {
            Ok(event) => {
                self.outage.over(now, kind.name());
                if let Event::Changed(changes) = &event
                    && (changes.test_mail || changes.integration_test)
                {
                    self.requested.notify_one();
                }
                self.state.apply(now, event);
                if let Kind::Replay = kind
                    && !self.state.is_replaying()
                {
                    self.replays += 1;
                    // Unless one is under way.
                    self.heartbeat_at = self.heartbeat_at.map(|_| now);
                }
                return;
            }
            Err(error) => error,
        };
        match (&error, &kind) {
            (StorageError::ProtocolBroken(_), Kind::Call) => {
                tracing::error!(error = %error, "the database refuses a report");
                return self.state.apply(now, Event::Refused);
            }
            (StorageError::ProtocolBroken(_), Kind::Replay) => {
                tracing::error!(error = %error, "the database refuses a replay");
                return self.state.apply(now, Event::ReplayRefused);
            }
            // Unless it was called before the last replay.
            (StorageError::NotRegistered(_), _) if replays == self.replays => {
                self.state.apply(now, Event::NotRegistered);
            }
            (StorageError::NotRegistered(_), _) => {}
            _ => self.outage.begins(now, kind.name(), &error),
        }
        match kind {
            Kind::Claim => self.state.apply(now, Event::ClaimUnanswered),
            Kind::Call => self.state.apply(now, Event::Unanswered),
            Kind::Replay => self.state.apply(now, Event::ReplayUnanswered),
            Kind::Plan(job_no) => self.state.apply(now, Event::Planned(job_no, None)),
            Kind::Grant(job_no) => self.state.apply(now, Event::Granted(job_no, None)),
            Kind::Connections(relay) => self.state.apply(now, Event::Allowed(relay, None)),
            Kind::Tell(relay, report) => self.state.apply(now, Event::Told(relay, report, false)),
            Kind::Heartbeat | Kind::Tick => {}
        }
    }

    async fn say_goodbye(&mut self) {
        let closed = async {
            while self.tasks.join_next().await.is_some() {}
            self.pool.close_idle().await;
        };
        if timeout(GOODBYE, closed).await.is_err() {
            tracing::debug!("some connections were not closed in time");
        }
        match timeout(GOODBYE, self.storage.unregister_runner()).await {
            Ok(Ok(())) => tracing::info!("runner is unregistered"),
            Ok(Err(error)) => tracing::warn!(error = %error, "runner could not be unregistered"),
            Err(_) => tracing::warn!("runner could not be unregistered in time"),
        }
    }
}

/// For the database.
fn integer(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Before the next of several calls without an answer: nothing, then 0.1 s to 2 s.
fn backoff(attempt: u32) -> Duration {
    match attempt {
        0 => Duration::ZERO,
        n => (Duration::from_millis(100) * 2_u32.pow(n.min(6) - 1)).min(Duration::from_secs(2)),
    }
}

/// ± 10 %, so that runners do not ask all at once.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.9 + 0.2 * fastrand::f64())
}
