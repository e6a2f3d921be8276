//! What the database and the runner tell each other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use message::reply::Outcome;
use message::verdict::RuleRow;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::secret::Secret;

/// Times that the database sets for its runners.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Registration {
    pub heartbeat_ms: u64,
    /// How long after the sending of the last answered heartbeat the runner may send.
    pub fence_ms: u64,
}

/// One lease of one chunk. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseKey {
    pub job_no: i64,
    pub chunk_no: i64,
    pub epoch: i64,
}

/// Somebody to send to. Deliberately not `Clone`: a position is in one place, so it is started once.
#[derive(Debug)]
pub struct Recipient {
    pub pos: i64,
    pub email: String,
    pub vars: Map<String, Value>,
    /// First lease of the range chunk: the date of the message in every attempt.
    pub first_leased_at: SystemTime,
}

/// A chunk handed to this runner: the recipients above its mark, ascending.
#[derive(Debug)]
pub struct Chunk {
    pub key: LeaseKey,
    pub job_id: Uuid,
    pub mark: i64,
    /// When its first recipient's range chunk was leased first, in microseconds since 1970.
    pub first_leased_us: i64,
    pub recipients: Vec<Recipient>,
}

/// What a job needs to be sent.
#[derive(Debug, Clone, Deserialize)]
pub struct JobSpec {
    pub id: Uuid,
    pub job_no: i64,
    pub integration_id: Uuid,
    /// Connections of one runner.
    pub concurrency: usize,
    /// Bound on passed positions without a recorded outcome, per lease.
    pub window: usize,
    pub message: MessageSpec,
    /// `None` = its messages have no links of ours.
    pub links: Option<LinksSpec>,
}

/// What makes the links in a job's messages.
#[derive(Debug, Clone, Deserialize)]
pub struct LinksSpec {
    pub key_id: u32,
    /// Hexadecimal.
    pub key: Secret,
    pub track_opens: bool,
    pub track_clicks: bool,
}

/// What makes a message beside its recipient.
#[derive(Debug, Clone, Deserialize)]
pub struct MessageSpec {
    pub from_email: String,
    pub from_name: Option<String>,
    pub reply_to: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub segment: String,
    /// Where our links begin. `None` = there are none.
    pub public_url: Option<String>,
    pub template: TemplateSpec,
}

#[derive(Debug, Clone, Deserialize)]
pub struct TemplateSpec {
    pub subject: String,
    pub html: String,
    pub text: Option<String>,
    pub variables: Vec<String>,
}

/// A mail of `send_test`: belongs to no job, is attempted once.
#[derive(Debug)]
pub struct TestMail {
    pub id: Uuid,
    pub integration_id: Uuid,
    pub email: String,
    pub vars: Map<String, Value>,
    pub message: MessageSpec,
    /// The date of the message.
    pub created_at: SystemTime,
}

/// What became of a test mail.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// As in `test_mail.outcome`.
    pub outcome: &'static str,
    pub phase: &'static str,
    pub code: Option<u16>,
    pub enhanced: Option<String>,
    pub detail: Option<String>,
}

/// Why a relay cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub phase: &'static str,
    pub code: Option<u16>,
    pub enhanced: Option<String>,
    pub detail: String,
    pub verdict: &'static str,
    pub class: Option<String>,
    pub rule: Option<i64>,
    /// Until this runner tries again.
    pub retry_in_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Connections {
    /// `None`: any number.
    pub allowed: Option<usize>,
    /// Of the integration's settings; `None`: there is no such integration.
    pub revision: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct IntegrationName {
    pub id: Uuid,
    pub name: String,
    pub is_default: bool,
}

/// One line of `check_installation`.
#[derive(Debug, Clone, Deserialize)]
pub struct Check {
    pub name: String,
    pub holds: bool,
    pub detail: String,
}

/// A test of `test_integration`.
#[derive(Debug)]
pub struct IntegrationTest {
    pub id: Uuid,
    pub integration_id: Uuid,
    /// Where its mail goes.
    pub email: String,
}

/// One step of a test of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepResult {
    pub step: Cow<'static, str>,
    /// ok, failed or skipped.
    pub result: &'static str,
    pub detail: String,
}

/// How to reach a relay, and what its replies mean.
#[derive(Debug, Clone, Deserialize)]
pub struct IntegrationSpec {
    pub id: Uuid,
    pub name: String,
    /// Another one after each change of the settings.
    pub revision: i64,
    pub host: String,
    pub port: u16,
    pub secure: bool,
    pub tls: TlsMode,
    pub username: Option<String>,
    /// Itself, or `env:NAME` or `file:PATH`.
    pub password: Option<Secret>,
    pub address_family: AddressFamily,
    /// Authorities to trust instead of the system's, on this host.
    pub ca_file: Option<PathBuf>,
    pub messages_per_connection: u32,
    pub connection_age_s: f64,
    pub pipelining: Pipelining,
    pub timeouts: Timeouts,
    pub from_email: String,
    pub from_name: Option<String>,
    pub reply_to: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub rules: Vec<RuleRow>,
}

impl IntegrationSpec {
    /// Whether a connection made with the one serves the other.
    pub fn has_same_settings(&self, other: &IntegrationSpec) -> bool {
        (self.id, self.revision) == (other.id, other.revision)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// By port, `secure` and login.
    Auto,
    None,
    Starttls,
    Implicit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressFamily {
    Ipv4,
    /// IPv4 first, then IPv6.
    Auto,
}

/// What goes to a relay without waiting for its replies (RFC 2920), where it offers that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pipelining {
    Off,
    /// The commands of a message.
    Commands,
    /// Those of the next message, too, with the final dot of one.
    Messages,
}

/// Seconds that a relay may take.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Timeouts {
    /// To resolve its name; to connect, for each address.
    pub connect_s: f64,
    pub greeting_s: f64,
    /// TLS handshake, EHLO, AUTH, MAIL, RCPT, DATA.
    pub command_s: f64,
    /// One block of the message.
    pub body_s: f64,
    /// To answer the final dot.
    pub dot_s: f64,
}

/// What changed behind the runner's back.
#[derive(Debug, Default, Deserialize)]
pub struct Changes {
    /// The database's time, in microseconds since 1970.
    #[serde(default)]
    pub now_us: Option<i64>,
    /// Jobs of which nothing more may be started.
    #[serde(default)]
    pub stopped: Vec<i64>,
    /// Leases that are no longer this runner's.
    #[serde(default)]
    pub lost: Vec<LeaseKey>,
    /// A test mail waits for a runner.
    #[serde(default)]
    pub test_mail: bool,
    /// A test of an integration waits for a runner.
    #[serde(default)]
    pub integration_test: bool,
}

/// Rate tokens: number k may be used at (answer received + first + k × interval).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Grant {
    pub granted: u32,
    pub first_in_us: u64,
    /// Zero = no limit.
    pub interval_us: u64,
}

/// What became of one passed position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    pub pos: i64,
    /// As in `attempt.outcome`.
    pub outcome: &'static str,
    /// As in `attempt.phase`; absent when nothing was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'static str>,
    /// SMTP reply code and enhanced status code (RFC 3463), where there was a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhanced: Option<String>,
    /// Text of the reply, or why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was concluded from it, and by which rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<i64>,
}

impl Fact {
    /// An outcome of which nothing more is to be told.
    pub fn new(pos: i64, outcome: Outcome) -> Fact {
        Fact {
            pos,
            outcome: outcome.as_str(),
            phase: None,
            code: None,
            enhanced: None,
            detail: None,
            verdict: None,
            class: None,
            rule: None,
        }
    }

    /// The outcome without how it came about.
    pub fn bare(&self) -> Fact {
        Fact {
            pos: self.pos,
            outcome: self.outcome,
            phase: None,
            code: None,
            enhanced: None,
            detail: None,
            verdict: None,
            class: None,
            rule: None,
        }
    }
}

/// One lease in a report or release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    #[serde(flatten)]
    pub key: LeaseKey,
    /// Position up to which the runner asks to pass.
    pub next_mark: Option<i64>,
    pub outcomes: Vec<Fact>,
}

/// What was done under one lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayItem {
    #[serde(flatten)]
    pub key: LeaseKey,
    pub job_id: Uuid,
    pub first_leased_us: i64,
    pub mark: i64,
    /// Passed, and without an outcome yet.
    pub open: Vec<i64>,
    pub outcomes: Vec<Fact>,
    /// The job was stopped when this runner heard of it last.
    pub stopped: bool,
}

/// A part of what this runner did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The whole has all that was done since then; `None` = since the runner's start. In microseconds since 1970.
    pub since_us: Option<i64>,
    pub items: Vec<ReplayItem>,
    pub last: bool,
}

#[derive(Debug, Deserialize)]
pub struct Replayed {
    /// As in [`Changes`].
    pub now_us: i64,
    /// Campaigns that the database does not have.
    pub unknown: Vec<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// The lease is over, everything is recorded.
    Done,
    /// The job does not run: start nothing more, release.
    Stop,
    /// No longer this runner's lease; the outcomes are recorded all the same.
    Fenced,
    /// Nothing of this item was written: ask again.
    Again,
}

/// The database's answer to one [`Item`].
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    #[serde(flatten)]
    pub key: LeaseKey,
    pub verdict: Verdict,
    /// Every position up to here is passed.
    pub mark: i64,
    /// Passed positions without a recorded outcome: those that may be started.
    pub go: Vec<i64>,
}
