//! Where and how the server fails: rules chosen by connection, mail, sender and recipient.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::Reply;

/// What the server is about to do or to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Before all else, TLS included.
    Connect,
    Greeting,
    /// EHLO, each of them; HELO is no stage.
    Ehlo,
    StartTls,
    /// The TLS handshake, whether after STARTTLS or from the start.
    Handshake,
    /// The last answer of AUTH: the credentials have been read.
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The mail has begun to arrive, its final dot has not been read. While a rule has this stage, the server's
    /// receive buffer is small: a large mail cannot be written to its end before the fault.
    Body,
    /// The final dot.
    Dot,
    Rset,
    Noop,
    Quit,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is closed instead of the answer. At [`Stage::Dot`] the mail is not taken.
    Drop(Stage),
    /// The connection is closed instead of the answer to the final dot. `accepted` says whether the mail was taken: the
    /// client cannot tell the two apart (RFC 1047).
    DropAtDot { accepted: bool },
    /// The connection is closed after the answer, silently, as servers do with idle ones.
    DropAfter(Stage),
    /// This is the answer. Where it is positive (3xx to DATA, else 2xx) the session goes on as after the server's
    /// own, otherwise as after a refusal. At [`Stage::Body`] it comes in the middle of the mail, and nothing at the dot.
    Reply(Stage, Reply),
    /// This is the last answer, as with a 421.
    ReplyThenDrop(Stage, Reply),
    /// As `Reply`, byte for byte: in no encoding, without end, or with more behind it.
    Raw(Stage, Vec<u8>),
    /// As `Raw`, then the connection is closed.
    RawThenDrop(Stage, Vec<u8>),
    /// As `Raw`, step by step.
    Acts(Stage, Vec<Act>),
    /// The answer never comes, and the connection stays open.
    Silence(Stage),
    /// The answer is a line without end.
    Endless(Stage),
    /// The answer, or the fault instead of it, is put off by this time. All delays and holds of a stage apply. At
    /// [`Stage::Dot`] an acceptance is recorded before the wait.
    Delay(Stage, Duration),
    /// As `Delay`, until the gate is opened.
    Hold(Stage, Gate),
    /// The octets of the answer come one by one, each after this time.
    Trickle(Stage, Duration),
}

/// A step of an answer.
#[derive(Clone, Debug)]
pub enum Act {
    Send(Vec<u8>),
    Wait(Duration),
    Hold(Gate),
    /// The connection is closed.
    Drop,
    /// Nothing more comes, until the client is gone.
    Silence,
    /// A line that ends when the client is gone.
    Endless,
}

impl Fault {
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::Drop(stage)
            | Self::DropAfter(stage)
            | Self::Reply(stage, _)
            | Self::ReplyThenDrop(stage, _)
            | Self::Raw(stage, _)
            | Self::RawThenDrop(stage, _)
            | Self::Acts(stage, _)
            | Self::Silence(stage)
            | Self::Endless(stage)
            | Self::Delay(stage, _)
            | Self::Hold(stage, _)
            | Self::Trickle(stage, _) => *stage,
            Self::DropAtDot { .. } => Stage::Dot,
        }
    }

    /// Of the faults that decide the answer, the first applies; of these, all do.
    fn only_slows(&self) -> bool {
        matches!(self, Self::Delay(..) | Self::Hold(..) | Self::Trickle(..))
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

/// When a rule is asked.
#[derive(Debug)]
pub struct Moment<'a> {
    /// The number of the connection, from 1, in the order of arrival.
    pub connection: u64,
    /// The number of the mail on this connection, from 1: how many MAIL commands were answered with 2xx, the present
    /// one counted. 0 before the first.
    pub mail: u64,
    pub tls: bool,
    /// Of the sender at MAIL, of the recipient from RCPT to the dot, else empty.
    pub local_part: &'a str,
}

type Matcher = Box<dyn Fn(&Moment) -> bool + Send + Sync>;

/// A fault, and for whom. The limit of [`Rule::first`] counts each sender apart at MAIL, each recipient from RCPT to the
/// dot; other stages know no address, and it counts all.
pub struct Rule {
    matches: Matcher,
    fault: Fault,
    limit: Option<u32>,
    rate: Option<Rate>,
}

struct Rate {
    per_second: usize,
    let_through: Mutex<VecDeque<Instant>>,
}

impl Rate {
    fn exceeded(&self) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        let mut times = (self.let_through.lock()).unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while times.front().is_some_and(|time| now - *time >= SECOND) {
            times.pop_front();
        }
        let exceeded = times.len() >= self.per_second;
        if !exceeded {
            times.push_back(now);
        }
        exceeded
    }
}

impl Rule {
    pub fn at(matches: impl Fn(&Moment) -> bool + Send + Sync + 'static, fault: Fault) -> Self {
        Self {
            matches: Box::new(matches),
            fault,
            limit: None,
            rate: None,
        }
    }

    /// For the pairs of connection number and local part for which `matches` is true.
    pub fn when(matches: impl Fn(u64, &str) -> bool + Send + Sync + 'static, fault: Fault) -> Self {
        Self::at(
            move |moment| matches(moment.connection, moment.local_part),
            fault,
        )
    }

    pub fn always(fault: Fault) -> Self {
        Self::at(|_| true, fault)
    }

    pub fn on_connection(number: u64, fault: Fault) -> Self {
        Self::at(move |moment| moment.connection == number, fault)
    }

    /// For the mails of each connection from this number on, the first is 1: "at most 100 mails per session".
    pub fn from_mail(number: u64, fault: Fault) -> Self {
        Self::at(move |moment| moment.mail >= number, fault)
    }

    /// The sender's at MAIL, the recipient's from RCPT on.
    pub fn for_local_part(local_part: &str, fault: Fault) -> Self {
        let wanted = local_part.to_owned();
        Self::at(move |moment| moment.local_part == wanted, fault)
    }

    /// Only the first `times` times: of all, or for each sender or recipient, see [`Rule`].
    pub fn first(mut self, times: u32) -> Self {
        self.limit = Some(times);
        self
    }

    /// Only when the rule has let this many pass within the last second: a rate limit over all connections.
    pub fn above(mut self, per_second: usize) -> Self {
        self.rate = Some(Rate {
            per_second,
            let_through: Mutex::default(),
        });
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

/// The rules of a server, in order. At each stage the first rule that matches and is not used up decides, so rules for
/// one recipient follow each other: "drops twice, then 451, then accepts". What only slows down (delays, gates,
/// trickles) applies as well, all of it. Without a rule everything is accepted.
#[derive(Debug, Default)]
pub struct Script {
    rules: Vec<Rule>,
    used: Mutex<HashMap<(usize, String), u32>>,
}

/// What a script does to one answer.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) waits: Vec<Act>,
    pub(crate) trickle: Option<Duration>,
    /// Instead of the server's own answer.
    pub(crate) acts: Option<Vec<Act>>,
    /// At the dot: the mail is taken, whatever the answer.
    pub(crate) takes: bool,
    pub(crate) drops_after: bool,
}

impl Plan {
    /// Whether the session goes on as after a positive answer.
    pub(crate) fn goes_ahead(&self, stage: Stage) -> bool {
        let positive = if stage == Stage::Data { b'3' } else { b'2' };
        self.acts.as_ref().is_none_or(|acts| {
            let sent = acts.iter().find_map(|act| match act {
                Act::Send(bytes) => bytes.first(),
                _ => None,
            });
            sent == Some(&positive)
        })
    }
}

impl Script {
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            used: Mutex::default(),
        }
    }

    pub(crate) fn has(&self, stage: Stage) -> bool {
        self.rules.iter().any(|rule| rule.fault.stage() == stage)
    }

    /// The first of the addresses with a rule that decides speaks for all of them; what slows down is added up.
    pub(crate) fn plan(&self, stage: Stage, moment: &Moment, addresses: &[String]) -> Plan {
        let mut plan = Plan::default();
        let fired = |slow| {
            let each = addresses.iter();
            each.flat_map(move |address| self.fired(stage, slow, moment, address))
        };
        for fault in fired(true) {
            match fault {
                Fault::Delay(_, delay) => {
                    plan.waits.push(Act::Wait(*delay));
                }
                Fault::Hold(_, gate) => {
                    plan.waits.push(Act::Hold(gate.clone()));
                }
                Fault::Trickle(_, pause) => plan.trickle = Some(*pause),
                _ => {}
            }
        }
        let send = |reply: &Reply| Act::Send(reply.to_bytes());
        plan.acts = match fired(false).next() {
            None => None,
            Some(Fault::DropAfter(_)) => {
                plan.drops_after = true;
                None
            }
            Some(Fault::DropAtDot { accepted }) => {
                plan.takes = *accepted;
                Some(vec![Act::Drop])
            }
            Some(Fault::Reply(_, reply)) => Some(vec![send(reply)]),
            Some(Fault::ReplyThenDrop(_, reply)) => Some(vec![send(reply), Act::Drop]),
            Some(Fault::Raw(_, bytes)) => Some(vec![Act::Send(bytes.clone())]),
            Some(Fault::RawThenDrop(_, bytes)) => Some(vec![Act::Send(bytes.clone()), Act::Drop]),
            Some(Fault::Acts(_, acts)) => Some(acts.clone()),
            Some(Fault::Silence(_)) => Some(vec![Act::Silence]),
            Some(Fault::Endless(_)) => Some(vec![Act::Endless]),
            Some(_) => Some(vec![Act::Drop]),
        };
        plan
    }

    /// Lazy: a rule is used up only by an item that the caller takes.
    fn fired<'script>(
        &'script self,
        stage: Stage,
        slow: bool,
        moment: &Moment,
        address: &str,
    ) -> impl Iterator<Item = &'script Fault> {
        let local_part = address.rsplit_once('@').map_or(address, |(local, _)| local);
        let moment = Moment {
            local_part,
            ..*moment
        };
        self.rules
            .iter()
            .enumerate()
            .filter(move |(_, rule)| {
                rule.fault.stage() == stage
                    && rule.fault.only_slows() == slow
                    && (rule.matches)(&moment)
            })
            .filter(move |(index, rule)| {
                rule.rate.as_ref().is_none_or(Rate::exceeded)
                    && self.may_fire(*index, rule.limit, address)
            })
            .map(|(_, rule)| &rule.fault)
    }

    fn may_fire(&self, rule: usize, limit: Option<u32>, address: &str) -> bool {
        let Some(limit) = limit else { return true };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let count = used.entry((rule, address.to_owned())).or_default();
        let fires = *count < limit;
        *count += u32::from(fires);
        fires
    }
}
