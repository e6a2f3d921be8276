//! What the server has seen, for assertions.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::{Accepted, Server};

/// A connection, open or over.
#[derive(Clone, Debug)]
pub struct Connection {
    /// From 1.
    pub number: u64,
    pub peer: SocketAddr,
    pub opened: SystemTime,
    pub closed: Option<SystemTime>,
    pub tls: bool,
    /// The server name that the client named in the handshake, even where that failed.
    pub sni: Option<String>,
    /// Who has logged in.
    pub user: Option<String>,
    /// AUTH was said without TLS.
    pub auth_in_plain_text: bool,
    /// How many mails were accepted over it, each recipient counted.
    pub mails: usize,
    /// The commands as they came, without their line ends and without credentials.
    pub commands: Vec<String>,
    /// A command came together with the next one.
    pub pipelined: bool,
}

impl Connection {
    pub(crate) fn command(&mut self, line: &[u8], pipelined: bool) {
        self.pipelined |= pipelined;
        let line = String::from_utf8_lossy(line);
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.commands.push(match words[..] {
            [auth, mechanism, _, ..] if auth.eq_ignore_ascii_case("AUTH") => {
                format!("{auth} {mechanism} …")
            }
            _ => line.trim_end().to_owned(),
        });
    }
}

/// A MAIL command that was answered with 2xx.
#[derive(Clone, Debug)]
pub struct Begun {
    /// When it was read.
    pub at: SystemTime,
    /// Empty for the null sender.
    pub from: String,
}

#[derive(Default)]
pub(crate) struct Ledger {
    accepted: Mutex<Vec<Accepted>>,
    pub(crate) count: watch::Sender<usize>,
    mails_begun: Mutex<Vec<Begun>>,
    connections: Mutex<Vec<Connection>>,
    pub(crate) open_connections: AtomicU64,
    pub(crate) peak_connections: AtomicU64,
}

impl Ledger {
    pub(crate) fn accepted(&self) -> MutexGuard<'_, Vec<Accepted>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, accepted: Accepted) {
        self.connection(accepted.connection, |seen| seen.mails += 1);
        let mut all = self.accepted();
        all.push(accepted);
        self.count.send_replace(all.len());
    }

    pub(crate) fn mails_begun(&self) -> MutexGuard<'_, Vec<Begun>> {
        (self.mails_begun.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mail_begun(&self, from: String) {
        let at = SystemTime::now();
        self.mails_begun().push(Begun { at, from });
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        (self.connections.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connection(&self, number: u64, note: impl FnOnce(&mut Connection)) {
        let index = usize::try_from(number).unwrap_or_default().wrapping_sub(1);
        if let Some(connection) = self.connections().get_mut(index) {
            note(connection);
        }
    }
}

/// Counts until it is dropped.
pub(crate) struct OpenConnection {
    server: Arc<Server>,
    pub(crate) number: u64,
}

impl OpenConnection {
    pub(crate) fn new(server: Arc<Server>, peer: SocketAddr) -> Self {
        let ledger = &server.ledger;
        let number = {
            let mut connections = ledger.connections();
            let number = connections.len() as u64 + 1;
            connections.push(Connection {
                number,
                peer,
                opened: SystemTime::now(),
                closed: None,
                tls: false,
                sni: None,
                user: None,
                auth_in_plain_text: false,
                mails: 0,
                commands: Vec::new(),
                pipelined: false,
            });
            number
        };
        let open = ledger.open_connections.fetch_add(1, Ordering::Relaxed) + 1;
        ledger.peak_connections.fetch_max(open, Ordering::Relaxed);
        Self { server, number }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let ledger = &self.server.ledger;
        ledger.open_connections.fetch_sub(1, Ordering::Relaxed);
        let closed = Some(SystemTime::now());
        ledger.connection(self.number, |seen| seen.closed = closed);
    }
}
