//! What readers did, on its way into the database: bounded, in memory, and nobody who reads a mail waits for it.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::storage::StorageError;

/// How many events wait at most. What comes then is dropped, and counted.
const BOUND: usize = 65_536;
const BATCH: usize = 1_000;
/// How long a batch waits to become full.
const LINGER: Duration = Duration::from_millis(200);
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LAST_BACKOFF: Duration = Duration::from_secs(5);
const TELL_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Open,
    Click,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Open => "open",
            Kind::Click => "click",
        }
    }
}

/// Something that a reader, or a machine, did with a mail.
pub struct Event {
    pub kind: Kind,
    pub token: String,
    /// Of a click: where it led.
    pub link_url: Option<String>,
    pub user_agent: Option<String>,
    pub address: IpAddr,
    pub at: Instant,
}

/// Tokens, addresses and links are in no log.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Where events go.
pub trait Record: Send + Sync + 'static {
    /// All of them in one transaction. After an error it is not always known whether it was committed.
    fn record(&self, events: &[Event]) -> impl Future<Output = Result<(), StorageError>> + Send;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Figures {
    /// Taken, and not yet in the database.
    pub waiting: usize,
    pub written: u64,
    pub dropped: u64,
}

#[derive(Default)]
struct Counters {
    waiting: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    fn drop_events(&self, n: usize) {
        self.dropped
            .fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

pub struct Queue {
    events: mpsc::UnboundedSender<Event>,
    counters: Arc<Counters>,
    told: Mutex<Option<Instant>>,
}

impl Queue {
    pub fn start(record: impl Record) -> (Queue, Writer) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let counters = Arc::new(Counters::default());
        let work = Work {
            events: receiver,
            record,
            counters: Arc::clone(&counters),
            stopped,
            is_stopping: false,
        };
        let queue = Queue {
            events: sender,
            counters: Arc::clone(&counters),
            told: Mutex::default(),
        };
        let writer = Writer {
            stop,
            task: tokio::spawn(work.run()),
            counters,
        };
        (queue, writer)
    }

    /// Never waits.
    pub fn push(&self, event: Event) {
        let counted =
            self.counters
                .waiting
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                    (waiting < BOUND).then_some(waiting + 1)
                });
        if counted.is_err() {
            self.drop_one();
        } else if self.events.send(event).is_err() {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            self.drop_one();
        }
    }

    pub fn figures(&self) -> Figures {
        Figures {
            waiting: self.counters.waiting.load(Ordering::Relaxed),
            written: self.counters.written.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
        }
    }

    fn drop_one(&self) {
        self.counters.drop_events(1);
        let Ok(mut told) = self.told.lock() else {
            return;
        };
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            let Figures {
                waiting, dropped, ..
            } = self.figures();
            tracing::warn!(
                waiting,
                dropped,
                "opens and clicks are dropped: too many wait for the database"
            );
        }
    }
}

/// The task that writes.
pub struct Writer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Takes no more events, and writes those that wait. What is not written by then is lost.
    pub async fn drain(self, within: Duration) {
        // It fails only if the task has ended.
        let _ = self.stop.send(());
        let mut task = self.task;
        if timeout(within, &mut task).await.is_err() {
            task.abort();
            let lost = self.counters.waiting.load(Ordering::Relaxed);
            tracing::error!(
                lost,
                "the database did not take all opens and clicks before the end"
            );
        }
    }
}

struct Work<R> {
    events: mpsc::UnboundedReceiver<Event>,
    record: R,
    counters: Arc<Counters>,
    stopped: oneshot::Receiver<()>,
    is_stopping: bool,
}

impl<R: Record> Work<R> {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.collect(&mut batch).await;
            if batch.is_empty() {
                return;
            }
            self.write(&batch).await;
            batch.clear();
        }
    }

    /// Leaves the batch empty when there will be no more.
    async fn collect(&mut self, batch: &mut Vec<Event>) {
        let mut lingers = None;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let received = tokio::select! {
                biased;
                () = stopping(&mut self.stopped, &mut self.is_stopping) => {
                    self.events.close();
                    continue;
                }
                received = self.events.recv_many(batch, room) => received,
                () = until(lingers) => return,
            };
            if received == 0 {
                return;
            }
            lingers.get_or_insert(Instant::now() + LINGER);
        }
    }

    /// Until it is written. Repeated after an error even if it may have been written: who opened is then counted once
    /// all the same, and nothing is lost.
    async fn write(&mut self, batch: &[Event]) {
        let mut backoff = FIRST_BACKOFF;
        let mut failed = false;
        let kept = loop {
            match self.record.record(batch).await {
                Ok(()) => break true,
                Err(error @ StorageError::ProtocolBroken(_)) => {
                    tracing::error!(%error, events = batch.len(), "the database refuses opens and clicks");
                    break false;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!(%error, "opens and clicks are kept until the database takes them");
                    }
                }
            }
            tokio::select! {
                () = stopping(&mut self.stopped, &mut self.is_stopping) => self.events.close(),
                () = sleep(backoff) => {}
            }
            backoff = if self.is_stopping {
                FIRST_BACKOFF
            } else {
                (backoff * 2).min(LAST_BACKOFF)
            };
        };
        if failed && kept {
            tracing::info!("the database takes opens and clicks again");
        }
        self.counters
            .waiting
            .fetch_sub(batch.len(), Ordering::Relaxed);
        if kept {
            self.counters.written.fetch_add(
                u64::try_from(batch.len()).unwrap_or(u64::MAX),
                Ordering::Relaxed,
            );
        } else {
            self.counters.drop_events(batch.len());
        }
    }
}

/// Returns once, when the writer is told to stop.
async fn stopping(stopped: &mut oneshot::Receiver<()>, is_stopping: &mut bool) {
    if *is_stopping {
        return std::future::pending().await;
    }
    // An error means that nobody can tell it any more.
    let _ = stopped.await;
    *is_stopping = true;
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::storage::Trouble;

    #[derive(Default)]
    struct Fake {
        batches: Mutex<Vec<(Instant, usize)>>,
        tries: AtomicUsize,
        answer: Mutex<Option<fn() -> StorageError>>,
    }

    impl Fake {
        fn fail(&self, with: Option<fn() -> StorageError>) {
            *self.answer.lock().unwrap() = with;
        }

        fn sizes(&self) -> Vec<usize> {
            let batches = self.batches.lock().unwrap();
            batches.iter().map(|(_, size)| *size).collect()
        }
    }

    impl Record for Arc<Fake> {
        async fn record(&self, events: &[Event]) -> Result<(), StorageError> {
            // As a database that takes its time.
            sleep(Duration::from_millis(1)).await;
            self.tries.fetch_add(1, Ordering::Relaxed);
            if let Some(error) = *self.answer.lock().unwrap() {
                return Err(error());
            }
            let mut batches = self.batches.lock().unwrap();
            batches.push((Instant::now(), events.len()));
            Ok(())
        }
    }

    fn away() -> StorageError {
        StorageError::Unavailable(Trouble::Unreachable, "away".to_owned())
    }

    fn refused() -> StorageError {
        StorageError::ProtocolBroken("22P05".to_owned())
    }

    fn open() -> Event {
        Event {
            kind: Kind::Open,
            token: "AQE".to_owned(),
            link_url: None,
            user_agent: None,
            address: Ipv4Addr::LOCALHOST.into(),
            at: Instant::now(),
        }
    }

    fn started() -> (Arc<Fake>, Queue, Writer) {
        let fake = Arc::new(Fake::default());
        let (queue, writer) = Queue::start(Arc::clone(&fake));
        (fake, queue, writer)
    }

    fn figures(waiting: usize, written: u64, dropped: u64) -> Figures {
        Figures {
            waiting,
            written,
            dropped,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lonely_open_is_written_soon() {
        let (fake, queue, _writer) = started();
        let begun = Instant::now();
        queue.push(open());
        sleep(Duration::from_secs(1)).await;
        let (at, size) = fake.batches.lock().unwrap()[0];
        assert_eq!(size, 1);
        assert!(at - begun < LINGER + Duration::from_millis(10));
        assert_eq!(queue.figures(), figures(0, 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_written_in_batches_without_waiting_for_more() {
        let (fake, queue, _writer) = started();
        for _ in 0..2_500 {
            queue.push(open());
        }
        sleep(Duration::from_millis(10)).await;
        assert_eq!(fake.sizes(), [1_000, 1_000]);
        sleep(LINGER).await;
        assert_eq!(fake.sizes(), [1_000, 1_000, 500]);
        assert_eq!(queue.figures(), figures(0, 2_500, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_the_bound_is_dropped_and_counted() {
        let (fake, queue, _writer) = started();
        fake.fail(Some(away));
        for _ in 0..BOUND + 7 {
            queue.push(open());
        }
        sleep(Duration::from_secs(1)).await;
        // The batch that is being written counts too.
        queue.push(open());
        assert_eq!(queue.figures(), figures(BOUND, 0, 8));
        fake.fail(None);
        sleep(Duration::from_secs(60)).await;
        let all = u64::try_from(BOUND).unwrap();
        assert_eq!(queue.figures(), figures(0, all, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_database_is_away_it_is_asked_less_and_less_often_and_nothing_is_lost() {
        let (fake, queue, _writer) = started();
        fake.fail(Some(away));
        queue.push(open());
        sleep(Duration::from_secs(60)).await;
        queue.push(open());
        let tries = fake.tries.load(Ordering::Relaxed);
        assert!((10..=20).contains(&tries), "{tries} tries in a minute");
        fake.fail(None);
        sleep(LAST_BACKOFF + LINGER * 2).await;
        assert_eq!(fake.sizes(), [1, 1]);
        assert_eq!(queue.figures(), figures(0, 2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_database_will_never_take_does_not_hold_up_the_rest() {
        let (fake, queue, _writer) = started();
        fake.fail(Some(refused));
        queue.push(open());
        sleep(Duration::from_secs(1)).await;
        fake.fail(None);
        queue.push(open());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(queue.figures(), figures(0, 1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn draining_writes_all_that_waits_at_once() {
        let (fake, queue, writer) = started();
        for _ in 0..1_500 {
            queue.push(open());
        }
        let begun = Instant::now();
        writer.drain(Duration::from_secs(10)).await;
        assert!(begun.elapsed() < LINGER);
        assert_eq!(fake.sizes(), [1_000, 500]);
        queue.push(open());
        assert_eq!(queue.figures(), figures(0, 1_500, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn draining_ends_when_nothing_waits() {
        let (_fake, _queue, writer) = started();
        let begun = Instant::now();
        writer.drain(Duration::from_secs(10)).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_tries_again_while_the_database_is_away_but_not_for_ever() {
        let (fake, queue, writer) = started();
        fake.fail(Some(away));
        queue.push(open());
        sleep(Duration::from_secs(30)).await;
        let back = Arc::clone(&fake);
        tokio::spawn(async move {
            sleep(Duration::from_secs(9)).await;
            back.fail(None);
        });
        let begun = Instant::now();
        writer.drain(Duration::from_secs(10)).await;
        assert!(begun.elapsed() < Duration::from_millis(9_500));
        assert_eq!(queue.figures(), figures(0, 1, 0));

        let (fake, queue, writer) = started();
        fake.fail(Some(away));
        queue.push(open());
        let begun = Instant::now();
        writer.drain(Duration::from_secs(10)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        assert_eq!(queue.figures(), figures(1, 0, 0));
    }
}
