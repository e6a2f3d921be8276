//! Connections shared by the messages of a relay: never more than its ceiling, each for a bounded number of messages and
//! time, and none that anything went wrong on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::{DialError, Dialer, Mail, Permit, Relay, Sent, Trace, seconds};
use crate::storage::IntegrationSpec;

/// An idle connection is closed after this time.
const IDLE: Duration = Duration::from_secs(30);

pub struct Pool {
    dialer: Arc<dyn Dialer>,
    relays: Arc<Relays>,
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

    /// Sends over an idle connection, or over a new one. A connection that died while it was idle has attempted nobody:
    /// it is replaced at once. Waits where the ceiling is reached. `dialed` hears of each connection that is opened.
    ///
    /// When the future is dropped before it ends, its connection is closed.
    pub async fn carry(
        &self,
        mail: &Mail,
        relay: &Arc<IntegrationSpec>,
        permit: &Permit,
        dialed: impl Fn() + Send,
    ) -> Result<Carried, DialError> {
        while let Some(connection) = self.relays.take(relay) {
            let carried = self.send(connection, mail, permit).await;
            if !matches!(carried.sent, Sent::DeadIdle(_)) {
                return Ok(carried);
            }
        }
        let slot = self.relays.slot(relay.id).await;
        if !permit.may_start() {
            return Ok(Carried {
                sent: Sent::NotStarted,
                before: 0,
            });
        }
        let connection = self.dialer.dial(relay, &mut Trace::default()).await?;
        dialed();
        let connection = Connection {
            relay: connection,
            spec: relay.clone(),
            opened: Instant::now(),
            messages: 0,
            slot,
        };
        Ok(self.send(connection, mail, permit).await)
    }

    async fn send(&self, mut connection: Connection, mail: &Mail, permit: &Permit) -> Carried {
        let before = connection.messages;
        let sent = connection.relay.send(mail, permit).await;
        if sent != Sent::NotStarted {
            connection.messages += 1;
        }
        if !matches!(sent, Sent::DeadIdle(_)) {
            self.relays.park(connection);
        }
        Carried { sent, before }
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
        self.relays.freed.notify_waiters();
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

struct Connection {
    relay: Box<dyn Relay>,
    spec: Arc<IntegrationSpec>,
    opened: Instant,
    messages: u32,
    /// After the connection, so that there is never one more than there are slots.
    slot: Slot,
}

impl Connection {
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
        self.relays.freed.notify_waiters();
    }
}

#[derive(Default)]
struct Relays {
    entries: Mutex<HashMap<Uuid, Entry>>,
    /// A slot, or a ceiling that was raised.
    freed: Notify,
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
    fn default() -> Entry {
        Entry {
            ceiling: None,
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

    /// Keeps the connection for another message, or closes it.
    fn park(&self, connection: Connection) {
        let mut relays = self.lock();
        let entry = relays.entry(connection.spec.id).or_default();
        let over = entry.ceiling.is_some_and(|ceiling| entry.open > ceiling);
        let limit = entry.messages.min(connection.spec.messages_per_connection);
        if !connection.relay.is_healthy() {
            drop(relays);
            drop(connection);
        } else if over || connection.messages >= limit || connection.is_old() {
            drop(relays);
            tokio::spawn(connection.close());
        } else {
            entry.idle.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    async fn slot(self: &Arc<Relays>, relay: Uuid) -> Slot {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Before the look, or a slot that is freed in between would be missed.
            freed.as_mut().enable();
            let evicted = {
                let mut relays = self.lock();
                let entry = relays.entry(relay).or_default();
                if !entry.is_full() {
                    entry.open += 1;
                    return Slot {
                        relay,
                        relays: self.clone(),
                    };
                }
                // An idle connection of other settings, or that a guest needs.
                entry.idle.pop()
            };
            if let Some(idle) = evicted {
                idle.connection.close().await;
                continue;
            }
            freed.await;
        }
    }
}

impl Connection {
    fn may_serve(&self, relay: &IntegrationSpec) -> bool {
        self.spec.has_same_settings(relay) && !self.is_old()
    }

    fn is_old(&self) -> bool {
        self.opened.elapsed() >= seconds(self.spec.connection_age_s)
    }
}
