//! An SMTP server (RFC 5321) for tests and demos: it keeps every mail, delivers none, and fails
//! where a [`Script`] says so.

mod command;
mod mailbox;
mod reply;
mod script;
mod session;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use reply::Reply;
pub use script::{Fault, Gate, Rule, Script};

use mailbox::Mailbox;
use session::{Envelope, Session};
use wire::Closed;

/// Where the text of accepted mails goes.
#[derive(Debug, Default)]
pub enum Store {
    /// Into [`Accepted::mail`].
    #[default]
    Memory,
    /// Nowhere: for load.
    Nowhere,
    /// Into this folder, a file per mail and recipient, and a line of `log.jsonl` for each. A mail
    /// is acknowledged only after its file is complete.
    Mailbox(PathBuf),
}

#[derive(Debug)]
pub struct Config {
    /// Port 0 takes a free one, see [`Catcher::addr`].
    pub listen: SocketAddr,
    pub store: Store,
    pub script: Script,
    /// The largest mail, in octets (RFC 1870).
    pub max_size: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            store: Store::default(),
            script: Script::default(),
            max_size: 10 * 1024 * 1024,
        }
    }
}

/// A mail that the server took for one recipient, whether or not its reply reached the client.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// From 1, never given twice in one mailbox.
    pub seq: u64,
    /// The header field with its angle brackets.
    pub message_id: Option<String>,
    /// As in RCPT TO.
    pub recipient: String,
    /// As in MAIL FROM; empty for the null sender.
    pub from: String,
    pub peer: SocketAddr,
    /// The number of the connection it came over, from 1.
    pub connection: u64,
    pub at: SystemTime,
    /// The mail as sent, dots unstuffed; `None` unless the store is [`Store::Memory`].
    pub mail: Option<Arc<[u8]>>,
}

impl Accepted {
    /// The value of a header field, unfolded; `None` where it is absent or the mail was not kept.
    pub fn field(&self, name: &str) -> Option<String> {
        field(self.mail.as_deref()?, name)
    }
}

/// [`Catcher::wait_for`] ran out of time.
#[derive(Debug, thiserror::Error)]
#[error("{accepted} of {wanted} mails were accepted within {timeout:?}")]
pub struct TooFew {
    pub wanted: usize,
    pub accepted: usize,
    pub timeout: Duration,
}

/// A running server. Dropping it stops it, see [`Catcher::stop`].
#[derive(Debug)]
pub struct Catcher {
    addr: SocketAddr,
    server: Arc<Server>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Catcher {
    /// # Errors
    /// When the address cannot be listened on or the mailbox cannot be opened.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let addr = listener.local_addr()?;
        let (store, last) = match config.store {
            Store::Memory => (OpenStore::Memory, 0),
            Store::Nowhere => (OpenStore::Nowhere, 0),
            Store::Mailbox(dir) => {
                let (mailbox, last) = Mailbox::open(&dir)?;
                (OpenStore::Mailbox(Arc::new(mailbox)), last)
            }
        };
        let server = Arc::new(Server {
            store,
            script: config.script,
            max_size: config.max_size,
            last_seq: AtomicU64::new(last),
            ledger: Ledger::default(),
        });
        let stop = watch::Sender::new(false);
        let accepting = tokio::spawn(accept_loop(listener, Arc::clone(&server), stop.subscribe()));
        Ok(Self {
            addr,
            server,
            stop,
            accepting,
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything accepted so far, in order of acceptance.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.server.ledger.accepted().clone()
    }

    /// Waits until at least `n` mails have been accepted, and returns them all.
    ///
    /// # Errors
    /// When that takes longer than `timeout`.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> Result<Vec<Accepted>, TooFew> {
        let mut count = self.server.ledger.count.subscribe();
        // The sender lives in `self`, so only the timeout can fail.
        let enough = count.wait_for(|count| *count >= n);
        if tokio::time::timeout(timeout, enough).await.is_err() {
            return Err(TooFew {
                wanted: n,
                accepted: self.server.ledger.accepted().len(),
                timeout,
            });
        }
        Ok(self.accepted())
    }

    /// When each MAIL command was read that was answered with 250.
    pub fn mail_from_times(&self) -> Vec<SystemTime> {
        self.server.ledger.mails_started().clone()
    }

    /// How many MAIL commands were answered with 250.
    pub fn mail_from_count(&self) -> usize {
        self.server.ledger.mails_started().len()
    }

    /// How many connections were taken, those dropped at once included.
    pub fn connection_count(&self) -> u64 {
        self.server.ledger.connections.load(Ordering::Relaxed)
    }

    /// The most connections that were open at a time.
    pub fn peak_connections(&self) -> u64 {
        self.server.ledger.peak_connections.load(Ordering::Relaxed)
    }

    /// Closes the port, says 421 to clients that are not being answered just now, ends held replies
    /// by dropping their connections, and returns when all sessions are over, with everything that
    /// was accepted. Dropping the catcher begins the same without waiting for it.
    pub async fn stop(mut self) -> Vec<Accepted> {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.accepting).await {
            tracing::error!(%error, "the accept loop did not end by itself");
        }
        self.accepted()
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn accept_loop(listener: TcpListener, server: Arc<Server>, mut stop: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    loop {
        let for_session = stop.clone();
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = sessions.join_next() => {}
            taken = listener.accept() => match taken {
                Ok((stream, peer)) => {
                    let server = Arc::clone(&server);
                    sessions.spawn(serve(server, stream, peer, for_session));
                }
                Err(error) => {
                    // The usual cause, too many open files, passes when sessions end.
                    tracing::error!(%error, "connection not taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the catcher is gone: stopped, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve(
    server: Arc<Server>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection lost");
        return;
    }
    let open = OpenConnection::new(&server.ledger);
    let session = Session::new(Arc::clone(&server), stream, peer, open.number, stop);
    let Err(Closed) = session.run().await;
}

enum OpenStore {
    Memory,
    Nowhere,
    Mailbox(Arc<Mailbox>),
}

/// What all sessions share.
struct Server {
    store: OpenStore,
    script: Script,
    max_size: usize,
    last_seq: AtomicU64,
    ledger: Ledger,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    async fn accept(
        &self,
        envelope: Envelope,
        mail: Vec<u8>,
        peer: SocketAddr,
        connection: u64,
    ) -> io::Result<()> {
        let message_id = field(&mail, "Message-ID");
        let mail: Arc<[u8]> = mail.into();
        for recipient in envelope.to {
            let accepted = Accepted {
                seq: self.last_seq.fetch_add(1, Ordering::Relaxed) + 1,
                message_id: message_id.clone(),
                recipient,
                from: envelope.from.clone(),
                peer,
                connection,
                at: SystemTime::now(),
                mail: matches!(self.store, OpenStore::Memory).then(|| Arc::clone(&mail)),
            };
            let accepted = match &self.store {
                OpenStore::Memory | OpenStore::Nowhere => accepted,
                OpenStore::Mailbox(mailbox) => {
                    let (mailbox, mail) = (Arc::clone(mailbox), Arc::clone(&mail));
                    let store = move || mailbox.store(&accepted, &mail).map(|()| accepted);
                    tokio::task::spawn_blocking(store).await??
                }
            };
            self.ledger.record(accepted);
        }
        Ok(())
    }
}

#[derive(Default)]
struct Ledger {
    accepted: Mutex<Vec<Accepted>>,
    count: watch::Sender<usize>,
    mails_started: Mutex<Vec<SystemTime>>,
    connections: AtomicU64,
    open_connections: AtomicU64,
    peak_connections: AtomicU64,
}

impl Ledger {
    fn accepted(&self) -> std::sync::MutexGuard<'_, Vec<Accepted>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, accepted: Accepted) {
        let mut all = self.accepted();
        all.push(accepted);
        self.count.send_replace(all.len());
    }

    fn mails_started(&self) -> std::sync::MutexGuard<'_, Vec<SystemTime>> {
        (self.mails_started.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    fn mail_started(&self) {
        self.mails_started().push(SystemTime::now());
    }
}

struct OpenConnection<'a> {
    ledger: &'a Ledger,
    number: u64,
}

impl<'a> OpenConnection<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        let number = ledger.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let open = ledger.open_connections.fetch_add(1, Ordering::Relaxed) + 1;
        ledger.peak_connections.fetch_max(open, Ordering::Relaxed);
        Self { ledger, number }
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.ledger.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The value of a header field (RFC 5322 section 2.2), unfolded.
fn field(mail: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(mail);
    let head = text.split("\r\n\r\n").next()?;
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let value = head.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then_some(value)
    })?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_whatever_its_case_and_folding() {
        let folded = b"Subject: x\r\nmessage-ID:\r\n <1@example.com>\r\n\r\nReply-To: no\r\n";
        let message_id = field(folded, "Message-ID");
        assert_eq!(message_id.as_deref(), Some("<1@example.com>"));
        assert_eq!(field(folded, "Reply-To"), None);
    }
}
