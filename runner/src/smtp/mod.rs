//! Carrying one message over one connection to a relay.

mod plain;
mod session;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use lettre::Address;
use message::reply::{Answer, Phase};

pub use plain::PlainDialer;

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

    /// Whether the final dot may be written; from a yes on the relay may have accepted the message.
    /// A gate that closes meanwhile changes nothing: what is in flight ends.
    pub fn may_finish(&self) -> bool {
        let yes = self.fences.alive.holds();
        self.dot.fetch_or(yes, Ordering::Relaxed);
        yes
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
    /// The connection had died between two messages: nothing was begun (RFC 5321 section 4.5.3.2 lets a server close
    /// an idle connection).
    DeadIdle(String),
}

/// No connection to the relay: nobody was attempted.
#[derive(Debug, thiserror::Error)]
#[error("{phase}: {reason}", phase = .phase.as_str())]
pub struct DialError {
    pub phase: Phase,
    pub reason: String,
}

/// Opens connections to relays.
#[async_trait]
pub trait Dialer: Send + Sync {
    async fn dial(&self, relay: &IntegrationSpec) -> Result<Box<dyn Relay>, DialError>;
}

/// An open connection to a relay, past EHLO.
#[async_trait]
pub trait Relay: Send {
    /// Runs one mail transaction. When the future is dropped before it ends, the connection cannot be used again.
    async fn send(&mut self, mail: &Mail, permit: &Permit) -> Sent;

    /// Whether the next message may go over this connection.
    fn is_reusable(&self) -> bool;

    /// Says goodbye, where that is still possible.
    async fn quit(&mut self);
}
