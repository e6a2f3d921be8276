//! An SMTP server (RFC 5321) for tests and demos: it keeps every mail, delivers none, and fails
//! where a [`Script`] says so.

mod auth;
mod command;
mod deaf;
mod ledger;
mod mailbox;
mod reply;
mod script;
mod session;
mod tls;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use auth::Auth;
pub use deaf::Deaf;
pub use ledger::{Begun, Connection};
pub use reply::Reply;
pub use script::{Act, Fault, Gate, Moment, Rule, Script, Stage};
pub use tls::{Authority, Certificate, Tls, TlsError};

use ledger::{Ledger, OpenConnection};
use mailbox::Mailbox;
use session::{Envelope, Origin, Session};
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
    pub tls: Option<Tls>,
    pub auth: Option<Auth>,
    /// Whether PIPELINING is offered (RFC 2920).
    pub pipelining: bool,
    /// RCPT is answered with 250 after a refused MAIL, and DATA with 354 after a refused RCPT. A mail without
    /// recipients is refused at the dot.
    pub lenient: bool,
    pub idle: Idle,
}

/// When connections end on which the client says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    pub after: Duration,
    /// Whether a 421 comes before the end.
    pub farewell: bool,
}

impl Default for Idle {
    /// RFC 5321 section 4.5.3.2.7.
    fn default() -> Self {
        Self {
            after: Duration::from_secs(300),
            farewell: true,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            store: Store::default(),
            script: Script::default(),
            max_size: 10 * 1024 * 1024,
            tls: None,
            auth: None,
            pipelining: true,
            lenient: false,
            idle: Idle::default(),
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
    /// Whether it came over TLS.
    pub tls: bool,
    /// The server name that the client named in the handshake.
    pub sni: Option<String>,
    /// Who had logged in.
    pub user: Option<String>,
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
        let listener = listen(config.listen, config.script.has(Stage::Body))?;
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
            tls: config.tls,
            auth: config.auth,
            pipelining: config.pipelining,
            lenient: config.lenient,
            idle: config.idle,
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

    /// All MAIL commands that were answered with 2xx, in the order of arrival.
    pub fn mails_begun(&self) -> Vec<Begun> {
        self.server.ledger.mails_begun().clone()
    }

    /// When each of them was read.
    pub fn mail_from_times(&self) -> Vec<SystemTime> {
        let begun = self.server.ledger.mails_begun();
        begun.iter().map(|mail| mail.at).collect()
    }

    /// How many there were.
    pub fn mail_from_count(&self) -> usize {
        self.server.ledger.mails_begun().len()
    }

    /// All connections that were taken, in the order of arrival.
    pub fn connections(&self) -> Vec<Connection> {
        self.server.ledger.connections().clone()
    }

    /// How many connections were taken, those dropped at once included.
    pub fn connection_count(&self) -> u64 {
        self.server.ledger.connections().len() as u64
    }

    /// How many connections are open. A connection is over when the server begins to close it.
    pub fn open_connections(&self) -> u64 {
        self.server.ledger.open_connections.load(Ordering::Relaxed)
    }

    /// The most connections that were open at a time.
    pub fn peak_connections(&self) -> u64 {
        self.server.ledger.peak_connections.load(Ordering::Relaxed)
    }

    /// Whether a client ever sent credentials, or asked to, without TLS.
    pub fn saw_credentials_in_plain_text(&self) -> bool {
        let connections = self.server.ledger.connections();
        connections.iter().any(|seen| seen.auth_in_plain_text)
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

fn listen(addr: SocketAddr, small_buffer: bool) -> io::Result<TcpListener> {
    const SMALL: u32 = 16 * 1024;
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    if small_buffer {
        socket.set_recv_buffer_size(SMALL)?;
    }
    socket.bind(addr)?;
    socket.listen(1024)
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
    let open = OpenConnection::new(Arc::clone(&server), peer);
    let session = Session::new(server, stream, peer, open, stop);
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
    tls: Option<Tls>,
    auth: Option<Auth>,
    pipelining: bool,
    lenient: bool,
    idle: Idle,
    last_seq: AtomicU64,
    ledger: Ledger,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    async fn accept(&self, envelope: Envelope, mail: Vec<u8>, origin: &Origin) -> io::Result<()> {
        let message_id = field(&mail, "Message-ID");
        let mail: Arc<[u8]> = mail.into();
        for recipient in envelope.to {
            let accepted = Accepted {
                seq: self.last_seq.fetch_add(1, Ordering::Relaxed) + 1,
                message_id: message_id.clone(),
                recipient,
                from: envelope.from.clone(),
                peer: origin.peer,
                connection: origin.connection,
                tls: origin.tls,
                sni: origin.sni.clone(),
                user: origin.user.clone(),
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
