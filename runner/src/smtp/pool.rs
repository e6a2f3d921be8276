//! Connections shared by the messages of a relay: never more than its ceiling, each for a bounded number of messages and
//! time, and none that anything went wrong on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::{DialError, Dialer, Mail, Next, Permit, Relay, Sent, Trace, seconds};
use crate::storage::IntegrationSpec;

/// An idle connection is closed after this time.
const IDLE: Duration = Duration::from_secs(30);

pub struct Pool {
    dialer: Arc<dyn Dialer>,
    relays: Arc<Relays>,
}

/// Whether the relay waits for a message.
pub enum Begun {
    Yes(Connection),
    No(Carried),
}

/// What became of a message, and over which connection.
#[derive(Debug)]
pub struct Carried {
    pub sent: Sent,
    /// Messages that the connection had carried before this one.
    pub before: u32,
}

impl Pool {
    pub fn new(dialer: Arc<dyn Dialer>) -> Pool {
        Pool {
            dialer,
            relays: Arc::default(),
        }
    }

    /// Begins a message over an idle connection, or over a new one. A connection that died while it was idle has attempted
    /// nobody: it is replaced at once. Waits where the ceiling is reached. `dialed` hears of each connection that is opened.
    ///
    /// When the future is dropped before it ends, its connection is closed.
    pub async fn begin(
        &self,
        mail: &Mail,
        relay: &Arc<IntegrationSpec>,
        permit: &Permit,
        dialed: impl Fn() + Send,
    ) -> Result<Begun, DialError> {
        let slot = loop {
            match self.relays.enter(relay).await {
                Entered::Idle(mut connection) => match connection.begin(mail, permit).await {
                    Ok(()) => return Ok(Begun::Yes(connection)),
                    Err(carried) if matches!(carried.sent, Sent::DeadIdle(_)) => {}
                    Err(carried) => {
                        self.park(connection);
                        return Ok(Begun::No(carried));
                    }
                },
                Entered::New(slot) => break slot,
            }
        };
        if !permit.may_start() {
            return Ok(Begun::No(Carried {
                sent: Sent::NotStarted,
                before: 0,
            }));
        }
        let connection = self.dialer.dial(relay, &mut Trace::default()).await?;
        dialed();
        let mut connection = Connection {
            relay: connection,
            spec: relay.clone(),
            opened: Instant::now(),
            messages: 0,
            slot,
        };
        Ok(match connection.begin(mail, permit).await {
            Ok(()) => Begun::Yes(connection),
            Err(carried) => {
                self.park(connection);
                Begun::No(carried)
            }
        })
    }

    /// Whether the next message may go over this connection without waiting for the end of the one that is begun.
    pub fn may_announce(&self, connection: &Connection) -> bool {
        connection.relay.announces()
            && (self.relays.lock().get(&connection.spec.id))
                .is_some_and(|entry| entry.lets_go_on(connection))
    }

    /// Keeps the connection for another message, or closes it.
    pub fn park(&self, connection: Connection) {
        self.relays.park(connection);
    }

    /// The right to one connection that the pool does not lead; waits where the ceiling is reached.
    pub async fn guest(&self, relay: Uuid) -> Guest {
        Guest(self.relays.slot(relay).await)
    }

    /// At most this many connections from now on, those in use excepted until they end; `None` = any number. Returns how
    /// many there are now.
    pub fn set_ceiling(&self, relay: Uuid, ceiling: Option<usize>) -> usize {
        let (open, surplus) = {
            let mut relays = self.relays.lock();
            let entry = relays.entry(relay).or_default();
            entry.ceiling = ceiling;
            let surplus = entry.open.saturating_sub(ceiling.unwrap_or(usize::MAX));
            let surplus = surplus.min(entry.idle.len());
            (entry.open, entry.idle.drain(..surplus).collect())
        };
        self.close(surplus);
        self.relays.changed.notify_waiters();
        open
    }

    /// Connections that wait for a message.
    pub fn idle(&self, relay: Uuid) -> usize {
        (self.relays.lock().get(&relay)).map_or(0, |entry| entry.idle.len())
    }

    /// The relay ended a session after so many messages: later ones are ended before that.
    pub fn learn_limit(&self, relay: Uuid, messages: u32) {
        let mut relays = self.relays.lock();
        let entry = relays.entry(relay).or_default();
        entry.messages = entry.messages.min(messages.max(1));
    }

    /// Closes connections that have been idle for too long. To be called now and then.
    pub fn sweep(&self) {
        let mut old = Vec::new();
        for entry in self.relays.lock().values_mut() {
            let is_old = |idle: &mut Idle| idle.since.elapsed() >= IDLE;
            old.extend(entry.idle.extract_if(.., is_old));
        }
        self.close(old);
    }

    /// Closes what is idle, and returns when the relays have heard it.
    pub async fn close_idle(&self) {
        let idle: Vec<Idle> = (self.relays.lock().values_mut())
            .flat_map(|entry| std::mem::take(&mut entry.idle))
            .collect();
        let mut closing = tokio::task::JoinSet::new();
        for idle in idle {
            closing.spawn(idle.connection.close());
        }
        closing.join_all().await;
    }

    fn close(&self, idle: Vec<Idle>) {
        for idle in idle {
            tokio::spawn(idle.connection.close());
        }
    }
}

/// See [`Pool::guest`]. Ends when it is dropped, so drop it after the connection.
pub struct Guest(#[expect(dead_code, reason = "held, not read")] Slot);

/// An open connection of the pool.
pub struct Connection {
    relay: Box<dyn Relay>,
    spec: Arc<IntegrationSpec>,
    opened: Instant,
    messages: u32,
    /// After the connection, so that there is never one more than there are slots.
    slot: Slot,
}

impl Connection {
    /// See [`Relay::begin`].
    pub async fn begin(&mut self, mail: &Mail, permit: &Permit) -> Result<(), Carried> {
        let before = self.messages;
        let begun = self.relay.begin(mail, permit).await;
        self.messages += u32::from(begun != Err(Sent::NotStarted));
        begun.map_err(|sent| Carried { sent, before })
    }

    /// See [`Relay::finish`].
    pub async fn finish(
        &mut self,
        mail: &Mail,
        permit: &Permit,
        next: Option<Next<'_>>,
    ) -> Carried {
        let sent = self.relay.finish(mail, permit, next).await;
        let before = self.messages.saturating_sub(1);
        Carried { sent, before }
    }

    pub fn is_healthy(&self) -> bool {
        self.relay.is_healthy()
    }

    async fn close(mut self) {
        self.relay.quit().await;
        let Connection { relay, slot, .. } = self;
        drop(relay);
        drop(slot);
    }
}

struct Idle {
    connection: Connection,
    since: Instant,
}

enum Entered {
    Idle(Connection),
    New(Slot),
}

/// One of the connections that a relay may have.
struct Slot {
    relay: Uuid,
    relays: Arc<Relays>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(entry) = self.relays.lock().get_mut(&self.relay) {
            entry.open -= 1;
        }
        self.relays.changed.notify_waiters();
    }
}

#[derive(Default)]
struct Relays {
    entries: Mutex<HashMap<Uuid, Entry>>,
    /// A connection is idle, a slot is free, or a ceiling is another.
    changed: Notify,
}

struct Entry {
    ceiling: Option<usize>,
    /// Slots in use.
    open: usize,
    /// The last is the youngest.
    idle: Vec<Idle>,
    /// Messages after which a connection is closed, as learnt from the relay.
    messages: u32,
}

impl Default for Entry {
    /// Nothing is opened before somebody has said how many there may be.
    fn default() -> Entry {
        Entry {
            ceiling: Some(0),
            open: 0,
            idle: Vec::new(),
            messages: u32::MAX,
        }
    }
}

impl Entry {
    fn is_full(&self) -> bool {
        self.ceiling.is_some_and(|ceiling| self.open >= ceiling)
    }

    /// Whether the connection may carry another message after the present one.
    fn lets_go_on(&self, connection: &Connection) -> bool {
        let over = self.ceiling.is_some_and(|ceiling| self.open > ceiling);
        let limit = self.messages.min(connection.spec.messages_per_connection);
        !over && connection.messages < limit && !connection.is_old()
    }
}

impl Relays {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The youngest idle connection made with the same settings; others are closed.
    fn take(&self, relay: &IntegrationSpec) -> Option<Connection> {
        let mut outdated = Vec::new();
        let found = {
            let mut relays = self.lock();
            let entry = relays.get_mut(&relay.id)?;
            loop {
                match entry.idle.pop() {
                    Some(Idle { connection, .. }) if connection.may_serve(relay) => {
                        break Some(connection);
                    }
                    Some(idle) => outdated.push(idle.connection),
                    None => break None,
                }
            }
        };
        for connection in outdated {
            tokio::spawn(connection.close());
        }
        found
    }

    fn park(&self, connection: Connection) {
        let mut relays = self.lock();
        let entry = relays.entry(connection.spec.id).or_default();
        if !connection.relay.is_healthy() {
            drop(relays);
            drop(connection);
        } else if !entry.lets_go_on(&connection) {
            drop(relays);
            tokio::spawn(connection.close());
        } else {
            entry.idle.push(Idle {
                connection,
                since: Instant::now(),
            });
            drop(relays);
            self.changed.notify_waiters();
        }
    }

    /// An idle connection, or the right to open one; waits for either.
    async fn enter(self: &Arc<Relays>, relay: &IntegrationSpec) -> Entered {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the looks, or what happens between them would be missed.
            changed.as_mut().enable();
            if let Some(connection) = self.take(relay) {
                return Entered::Idle(connection);
            }
            if let Some(slot) = self.try_slot(relay.id) {
                return Entered::New(slot);
            }
            changed.await;
        }
    }

    fn try_slot(self: &Arc<Relays>, relay: Uuid) -> Option<Slot> {
        let mut relays = self.lock();
        let entry = relays.entry(relay).or_default();
        if entry.is_full() {
            return None;
        }
        entry.open += 1;
        Some(Slot {
            relay,
            relays: self.clone(),
        })
    }

    /// The right to open a connection, if need be instead of an idle one; waits for it.
    async fn slot(self: &Arc<Relays>, relay: Uuid) -> Slot {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(slot) = self.try_slot(relay) {
                return slot;
            }
            let idle = self.lock().entry(relay).or_default().idle.pop();
            match idle {
                Some(idle) => idle.connection.close().await,
                None => changed.await,
            }
        }
    }
}

impl Connection {
    /// Whether it was made with these settings, and is not too old.
    pub fn may_serve(&self, relay: &IntegrationSpec) -> bool {
        self.spec.has_same_settings(relay) && !self.is_old()
    }

    fn is_old(&self) -> bool {
        self.opened.elapsed() >= seconds(self.spec.connection_age_s)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use message::reply::{Answer, Phase};
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;
    use crate::smtp::tests::{mail, permit, spec_with};

    /// Connections that take a second for each message, and count themselves.
    #[derive(Default)]
    struct Relayed {
        dialed: AtomicUsize,
        open: AtomicUsize,
        peak: AtomicUsize,
    }

    struct Line(Arc<Relayed>);

    impl Drop for Line {
        fn drop(&mut self) {
            self.0.open.fetch_sub(1, Ordering::SeqCst);
        }
    }

    struct Dials(Arc<Relayed>);

    #[async_trait]
    impl Dialer for Dials {
        async fn dial(
            &self,
            _: &IntegrationSpec,
            _: &mut Trace,
        ) -> Result<Box<dyn Relay>, DialError> {
            let counted = &self.0;
            counted.dialed.fetch_add(1, Ordering::SeqCst);
            let open = counted.open.fetch_add(1, Ordering::SeqCst) + 1;
            counted.peak.fetch_max(open, Ordering::SeqCst);
            Ok(Box::new(Line(counted.clone())))
        }
    }

    #[async_trait]
    impl Relay for Line {
        async fn begin(&mut self, _: &Mail, _: &Permit) -> Result<(), Sent> {
            Ok(())
        }

        async fn finish(&mut self, _: &Mail, _: &Permit, _: Option<Next<'_>>) -> Sent {
            sleep(Duration::from_secs(1)).await;
            Sent::Ended {
                phase: Phase::Dot,
                answer: Some(Answer::parse(250, "2.0.0 ok")),
                lost: None,
            }
        }

        fn announces(&self) -> bool {
            false
        }

        fn is_healthy(&self) -> bool {
            true
        }

        async fn quit(&mut self) {
            sleep(Duration::from_secs(1)).await;
        }
    }

    struct Bench {
        pool: Arc<Pool>,
        relayed: Arc<Relayed>,
        spec: Arc<IntegrationSpec>,
    }

    async fn carry(pool: &Pool, spec: &Arc<IntegrationSpec>) -> Carried {
        crate::smtp::tests::carry(pool, &mail("ana"), spec, &permit())
            .await
            .unwrap()
    }

    impl Bench {
        fn new(settings: serde_json::Value) -> Bench {
            let relayed = Arc::<Relayed>::default();
            let bench = Bench {
                pool: Arc::new(Pool::new(Arc::new(Dials(relayed.clone())))),
                relayed,
                spec: Arc::new(spec_with(25, settings)),
            };
            bench.pool.set_ceiling(bench.spec.id, None);
            bench
        }

        async fn carry(&self) -> Carried {
            carry(&self.pool, &self.spec).await
        }

        /// This many messages at once.
        async fn carry_together(&self, messages: usize) {
            let mut under_way = JoinSet::new();
            for _ in 0..messages {
                let (pool, spec) = (self.pool.clone(), self.spec.clone());
                under_way.spawn(async move { carry(&pool, &spec).await });
            }
            under_way.join_all().await;
        }

        fn dialed(&self) -> usize {
            self.relayed.dialed.load(Ordering::SeqCst)
        }

        fn peak(&self) -> usize {
            self.relayed.peak.load(Ordering::SeqCst)
        }

        fn set_ceiling(&self, ceiling: usize) -> usize {
            self.pool.set_ceiling(self.spec.id, Some(ceiling))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_more_connections_than_the_ceiling_and_they_are_shared() {
        let bench = Bench::new(serde_json::json!({}));
        bench.set_ceiling(3);
        bench.carry_together(20).await;
        assert_eq!((bench.peak(), bench.dialed()), (3, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_closed_counts_until_it_is_closed() {
        let bench = Bench::new(serde_json::json!({"messages_per_connection": 1}));
        bench.set_ceiling(3);
        bench.carry_together(20).await;
        assert_eq!((bench.peak(), bench.dialed()), (3, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn message_101_goes_over_a_new_connection() {
        let bench = Bench::new(serde_json::json!({}));
        for _ in 0..100 {
            bench.carry().await;
        }
        assert_eq!(bench.dialed(), 1);
        assert_eq!(bench.carry().await.before, 0);
        assert_eq!(bench.dialed(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_the_relay_taught_is_kept() {
        let bench = Bench::new(serde_json::json!({}));
        bench.pool.learn_limit(bench.spec.id, 2);
        for _ in 0..6 {
            bench.carry().await;
        }
        assert_eq!(bench.dialed(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_connection_carries_no_more() {
        let bench = Bench::new(serde_json::json!({"connection_age_s": 10}));
        for _ in 0..20 {
            bench.carry().await;
        }
        assert_eq!(bench.dialed(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_after_a_while() {
        let bench = Bench::new(serde_json::json!({}));
        bench.carry().await;
        sleep(Duration::from_secs(29)).await;
        bench.pool.sweep();
        assert_eq!(bench.pool.idle(bench.spec.id), 1);
        sleep(Duration::from_secs(1)).await;
        bench.pool.sweep();
        assert_eq!(bench.pool.idle(bench.spec.id), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_ceiling_closes_what_is_idle_and_lets_what_is_under_way_end() {
        let bench = Bench::new(serde_json::json!({}));
        bench.carry_together(3).await;
        assert_eq!(bench.pool.idle(bench.spec.id), 3);
        assert_eq!(bench.set_ceiling(1), 3);
        assert_eq!(bench.pool.idle(bench.spec.id), 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(bench.set_ceiling(1), 1);
        bench.carry().await;
        assert_eq!(bench.dialed(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_waits_for_its_place_and_takes_that_of_an_idle_connection() {
        let bench = Bench::new(serde_json::json!({}));
        bench.set_ceiling(1);
        bench.carry().await;
        let guest = bench.pool.guest(bench.spec.id).await;
        assert_eq!(bench.pool.idle(bench.spec.id), 0);
        let waits = tokio::time::timeout(Duration::from_secs(9), bench.carry()).await;
        assert!(waits.is_err());
        drop(guest);
        bench.carry().await;
        assert_eq!((bench.peak(), bench.dialed()), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_made_with_other_settings_is_not_used() {
        let bench = Bench::new(serde_json::json!({}));
        bench.set_ceiling(1);
        bench.carry().await;
        let changed = Arc::new(spec_with(25, serde_json::json!({"revision": 2})));
        assert_eq!(carry(&bench.pool, &changed).await.before, 0);
        assert_eq!((bench.peak(), bench.dialed()), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_given_up_takes_its_connection_with_it() {
        let bench = Bench::new(serde_json::json!({}));
        bench.carry().await;
        let given_up = tokio::time::timeout(Duration::from_millis(500), bench.carry()).await;
        assert!(given_up.is_err());
        assert_eq!(bench.relayed.open.load(Ordering::SeqCst), 0);
        assert_eq!(bench.carry().await.before, 0);
    }
}
