//! Carrying messages to a relay: opening connections ([`dial`]), one mail transaction ([`session`]), and sharing
//! connections between messages ([`pool`]).

mod dial;
mod pool;
mod session;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic)]
pub mod tests;
mod tls;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lettre::Address;
use message::reply::{Answer, Phase};
use message::verdict::{Judgement, Rules, Verdict};

pub use dial::NetDialer;
pub use pool::{Begun, Carried, Connection, Guest, Pool};

use crate::fence::{Fences, Gate};
use crate::storage::IntegrationSpec;

/// One message for one recipient.
#[derive(Debug)]
pub struct Mail {
    /// Envelope (RFC 5321 section 3.3), not the header fields.
    pub from: Address,
    pub to: Address,
    /// As after DATA, CRLF line ends, without dot-stuffing.
    pub content: Vec<u8>,
}

/// Asked before each of the two steps that cannot be taken back.
pub struct Permit {
    gate: Arc<Gate>,
    fences: Fences,
    dot: AtomicBool,
}

impl Permit {
    pub fn new(gate: Arc<Gate>, fences: Fences) -> Permit {
        Permit {
            gate,
            fences,
            dot: AtomicBool::new(false),
        }
    }

    /// Whether the transaction may begin (MAIL).
    pub fn may_start(&self) -> bool {
        self.fences.may_start() && self.gate.is_open()
    }

    /// Whether the final dot may be written. A gate that closes meanwhile changes nothing: what is in flight ends.
    pub fn may_finish(&self) -> bool {
        self.fences.alive.holds()
    }

    /// The final dot is written: from now on the relay may have accepted the message.
    pub fn set_finishing(&self) {
        self.dot.store(true, Ordering::Relaxed);
    }

    /// Whether the final dot may have been written.
    pub fn finishing(&self) -> bool {
        self.dot.load(Ordering::Relaxed)
    }
}

/// How an attempt to send ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// The relay answered, or was lost, in this phase. `lost` says how, when there is no answer.
    Ended {
        phase: Phase,
        answer: Option<Answer>,
        lost: Option<String>,
    },
    /// The permit to start was refused, nothing was begun.
    NotStarted,
    /// The permit to finish was refused: the relay has no message. The connection cannot be used again.
    Withheld,
    /// The connection had died between two messages: nothing was begun (RFC 5321 section 4.5.3.2.7 lets a server close
    /// an idle connection).
    DeadIdle(String),
}

/// No connection to the relay: nobody was attempted.
#[derive(Debug, thiserror::Error)]
#[error("{phase}: {reason}", phase = .phase.as_str())]
pub struct DialError {
    pub phase: Phase,
    /// The relay's reply, if it was one that ended it.
    pub answer: Option<Answer>,
    pub reason: String,
    /// What is wrong, where trying again cannot help before a person has changed something. Not of replies: rules judge
    /// those.
    pub fault: Option<Fault>,
}

/// Something that a person has to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The integration, or the runner's host, is not set up.
    Config,
    /// There is no TLS, or not with whom it should be.
    Tls,
    /// The login is not possible.
    Auth,
}

impl DialError {
    pub fn judge(&self, rules: &Rules) -> Judgement {
        match (&self.answer, self.fault) {
            (Some(answer), _) => rules.judge(self.phase, Some(answer)),
            (None, Some(fault)) => Judgement {
                verdict: Verdict::StopJob,
                class: Some(fault.class().to_owned()),
                rule: None,
            },
            (None, None) => rules.judge(self.phase, None),
        }
    }
}

impl Fault {
    fn class(self) -> &'static str {
        match self {
            Fault::Config => "config",
            Fault::Tls => "tls",
            Fault::Auth => "auth",
        }
    }
}

/// What was done on the way to a connection, for people: one line for each step that succeeded.
#[derive(Debug, Default)]
pub struct Trace(pub Vec<(Phase, String)>);

impl Trace {
    fn done(&mut self, phase: Phase, what: impl Into<String>) {
        self.0.push((phase, what.into()));
    }
}

/// Opens connections to relays.
#[async_trait]
pub trait Dialer: Send + Sync {
    async fn dial(
        &self,
        relay: &IntegrationSpec,
        trace: &mut Trace,
    ) -> Result<Box<dyn Relay>, DialError>;
}

/// A message that is to be the next over a connection.
pub type Next<'a> = (&'a Mail, &'a Permit);

/// An open connection to a relay, ready for a message. When a future of it is dropped before it ends, the connection cannot be
/// used again.
#[async_trait]
pub trait Relay: Send {
    /// Opens a mail transaction: sender and recipient, until the relay waits for the message. The error is how it ended before.
    async fn begin(&mut self, mail: &Mail, permit: &Permit) -> Result<(), Sent>;

    /// Hands over the message of the transaction that was begun. The envelope of `next` goes with the final dot (RFC 2920
    /// section 3.1), if it may start then; whether it did or not, `next` is begun next where the connection is healthy, or
    /// over another one.
    async fn finish(&mut self, mail: &Mail, permit: &Permit, next: Option<Next<'_>>) -> Sent;

    /// One whole transaction.
    async fn send(&mut self, mail: &Mail, permit: &Permit) -> Sent {
        match self.begin(mail, permit).await {
            Ok(()) => self.finish(mail, permit, None).await,
            Err(sent) => sent,
        }
    }

    /// Whether the envelope of the next message may go with the final dot of one.
    fn announces(&self) -> bool;

    /// Whether nothing has happened that forbids another message over this connection.
    fn is_healthy(&self) -> bool;

    /// Says goodbye, where that is still possible.
    async fn quit(&mut self);
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
