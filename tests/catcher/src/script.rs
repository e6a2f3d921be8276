//! Where and how the server fails: rules chosen by connection and recipient.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::Reply;

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is closed before the greeting.
    DropAtConnect,
    /// The connection is closed instead of the reply to RCPT.
    DropAtRcpt,
    /// RCPT is answered with this 4xx or 5xx reply.
    ReplyAtRcpt(Reply),
    /// The connection is closed instead of the reply to the final dot. `accepted` says whether the
    /// mail was taken: the client cannot tell the two apart (RFC 1047).
    DropAtDot { accepted: bool },
    /// The final dot is answered with this 4xx or 5xx reply; the mail is not taken.
    ReplyAtDot(Reply),
    /// What happens after the final dot (reply or drop) is put off by this time. An acceptance is
    /// recorded before the wait.
    DelayAtDot(Duration),
    /// As `DelayAtDot`, until the gate is opened.
    HoldAtDot(Gate),
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Connect,
    Rcpt,
    DotWait,
    Dot,
}

impl Fault {
    fn stage(&self) -> Stage {
        match self {
            Self::DropAtConnect => Stage::Connect,
            Self::DropAtRcpt | Self::ReplyAtRcpt(_) => Stage::Rcpt,
            Self::DelayAtDot(_) | Self::HoldAtDot(_) => Stage::DotWait,
            Self::DropAtDot { .. } | Self::ReplyAtDot(_) => Stage::Dot,
        }
    }
}

/// Holds replies until the test that kept a clone of it calls [`Gate::open`]. Starts closed.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everything through, what waits now and what comes later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn passed(&self) {
        // An error would mean that the sender is gone; `self` holds one.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

type Matcher = Box<dyn Fn(u64, &str) -> bool + Send + Sync>;

/// A fault, and for whom. A [`Fault::DropAtConnect`] knows no recipient: its matcher gets an empty
/// local part, and its limit counts connections.
pub struct Rule {
    matches: Matcher,
    fault: Fault,
    limit: Option<u32>,
}

impl Rule {
    /// For the pairs of connection number (from 1, in the order of arrival) and local part of the
    /// recipient for which `matches` is true.
    pub fn when(matches: impl Fn(u64, &str) -> bool + Send + Sync + 'static, fault: Fault) -> Self {
        Self {
            matches: Box::new(matches),
            fault,
            limit: None,
        }
    }

    pub fn always(fault: Fault) -> Self {
        Self::when(|_, _| true, fault)
    }

    pub fn on_connection(number: u64, fault: Fault) -> Self {
        Self::when(move |connection, _| connection == number, fault)
    }

    pub fn for_local_part(local_part: &str, fault: Fault) -> Self {
        let wanted = local_part.to_owned();
        Self::when(move |_, local_part| local_part == wanted, fault)
    }

    /// Only the first `times` times for each recipient.
    pub fn first(mut self, times: u32) -> Self {
        self.limit = Some(times);
        self
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("fault", &self.fault)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The rules of a server, in order. At connect, RCPT and the dot the first rule that matches and is
/// not used up decides, so rules for one recipient follow each other: "drops twice, then 451, then
/// accepts". Delays and gates all apply. Without a rule everything is accepted.
#[derive(Debug, Default)]
pub struct Script {
    rules: Vec<Rule>,
    used: Mutex<HashMap<(usize, String), u32>>,
}

impl Script {
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            used: Mutex::default(),
        }
    }

    pub(crate) fn drops_at_connect(&self, connection: u64) -> bool {
        self.fired(Stage::Connect, connection, "").next().is_some()
    }

    pub(crate) fn at_rcpt(&self, connection: u64, recipient: &str) -> Option<&Fault> {
        self.fired(Stage::Rcpt, connection, recipient).next()
    }

    /// The decision for one mail: the first recipient with a rule speaks for all of them.
    pub(crate) fn at_dot(&self, connection: u64, recipients: &[String]) -> Option<&Fault> {
        let mut decisions = recipients
            .iter()
            .flat_map(|recipient| self.fired(Stage::Dot, connection, recipient));
        decisions.next()
    }

    pub(crate) fn waits_at_dot(&self, connection: u64, recipients: &[String]) -> Vec<&Fault> {
        let waits = recipients
            .iter()
            .flat_map(|recipient| self.fired(Stage::DotWait, connection, recipient));
        waits.collect()
    }

    /// Lazy: a rule is used up only by an item that the caller takes.
    fn fired<'script>(
        &'script self,
        stage: Stage,
        connection: u64,
        recipient: &str,
    ) -> impl Iterator<Item = &'script Fault> {
        let local_part = recipient
            .rsplit_once('@')
            .map_or(recipient, |(local, _)| local);
        self.rules
            .iter()
            .enumerate()
            .filter(move |(_, rule)| {
                rule.fault.stage() == stage && (rule.matches)(connection, local_part)
            })
            .filter(move |(index, rule)| self.may_fire(*index, rule.limit, recipient))
            .map(|(_, rule)| &rule.fault)
    }

    fn may_fire(&self, rule: usize, limit: Option<u32>, recipient: &str) -> bool {
        let Some(limit) = limit else { return true };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let count = used.entry((rule, recipient.to_owned())).or_default();
        let fires = *count < limit;
        *count += u32::from(fires);
        fires
    }
}
