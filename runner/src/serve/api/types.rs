//! The shapes of the API. Times are RFC 3339.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A time as of RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, format = DateTime, example = "2026-02-26T18:00:00+00:00")]
pub struct Time(String);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Time, String> {
        match OffsetDateTime::parse(&text, &Rfc3339) {
            Ok(_) => Ok(Time(text)),
            Err(_) => Err(r#"a time is written as in "2026-02-26T18:00:00Z""#.to_owned()),
        }
    }
}

/// One page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Rows at most; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<i32>,
    /// Where to go on: `next_cursor` of the answer before.
    pub cursor: Option<String>,
}

impl Page {
    pub fn get(&self) -> (Option<i32>, Option<&str>) {
        (self.limit, self.cursor.as_deref())
    }
}

/// Which campaigns; newest first.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Campaigns {
    pub event_id: Option<Uuid>,
    pub segment: Option<String>,
    /// scheduled, pending, running, partial, paused, completed, failed or cancelled.
    pub status: Option<String>,
    /// Slug or id.
    pub template_id: Option<String>,
    /// Rows at most; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<i32>,
    /// Where to go on: `next_cursor` of the answer before.
    pub cursor: Option<String>,
}

/// A campaign to be started.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartCampaign {
    /// Who gets it, by name: see /api/segments.
    #[schema(example = "checked-in")]
    pub segment: String,
    /// Slug or id.
    #[schema(example = "thanks-for-coming")]
    pub template_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Uuid>,
    /// Instead of the template's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CampaignConfig>)]
    pub config: Option<Map<String, Value>>,
    /// Name or id of the relay; without it: the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<String>,
    /// For segments that take keys, such as custom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience_keys: Option<Vec<String>>,
    /// When it starts; without it: now. The audience is read now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Time>,
    /// What happens to recipients of whom nobody can know whether they have the mail: hold (a person decides; the default),
    /// resend, or assume_sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_uncertain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track_opens: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track_clicks: Option<bool>,
    /// Whoever has mail of a campaign with the same key is left out; without it: event, segment and template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedupe_key: Option<String>,
    /// The same key starts the campaign once, and is answered with it each time. May be the header Idempotency-Key instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Mails those, too, who have mail of the same dedupe_key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_repeat: Option<bool>,
}

/// How a campaign is sent. Without a value, the default holds.
#[expect(
    dead_code,
    reason = "for the document; the database reads and checks it"
)]
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignConfig {
    /// Connections of a runner.
    #[schema(minimum = 1, maximum = 100)]
    concurrency: Option<i64>,
    /// Recipients in a unit of work.
    #[schema(minimum = 1, maximum = 10000)]
    chunk_size: Option<i64>,
    /// Attempts in all, when the relay does not answer.
    #[schema(minimum = 1, maximum = 20)]
    max_retries: Option<i64>,
    /// How long somebody is tried again whom the relay refuses for now.
    time_limit: Option<String>,
    /// Mails a second.
    #[schema(minimum = 0.001, maximum = 1000000)]
    rate_limit: Option<f64>,
    /// Instead of the integration's; reply_to and headers likewise.
    from_name: Option<String>,
    reply_to: Option<String>,
    headers: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Started {
    pub job: StartedJob,
}

/// A campaign that was just started.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StartedJob {
    pub id: Uuid,
    pub status: String,
    pub total_contacts: i64,
    pub sent_count: i64,
    pub created_at: Time,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OneJob {
    pub job: Job,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Jobs {
    pub jobs: Vec<JobEntry>,
    /// For the query of the next page; null: this was the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A campaign and how far it is; at most a second old while it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobEntry {
    pub id: Uuid,
    #[schema(required)]
    pub event_id: Option<Uuid>,
    pub segment: String,
    pub template_id: Uuid,
    pub template_version: i32,
    pub integration_id: Uuid,
    pub subject: String,
    /// scheduled, pending, running, partial (nobody works on it right now), paused, completed, failed or cancelled.
    pub status: String,
    /// Why it is paused, cancelled, failed, or for what it waits.
    #[schema(required)]
    pub status_reason: Option<String>,
    pub total_contacts: i64,
    pub sent_count: i64,
    pub failed_count: i64,
    pub uncertain_count: i64,
    pub suppressed_count: i64,
    pub cancelled_count: i64,
    pub pending_count: i64,
    /// Who was left out at the start, by reason; not part of total_contacts.
    pub excluded: BTreeMap<String, i64>,
    /// Every recipient up to here has been attempted.
    pub cursor: i64,
    #[schema(value_type = CampaignConfig)]
    pub config: Map<String, Value>,
    pub on_uncertain: String,
    pub track_opens: bool,
    pub track_clicks: bool,
    pub dedupe_key: String,
    /// Name of the API token, or of the database's role.
    pub created_by: String,
    pub created_at: Time,
    #[schema(required)]
    pub scheduled_at: Option<Time>,
    #[schema(required)]
    pub started_at: Option<Time>,
    #[schema(required)]
    pub completed_at: Option<Time>,
    #[schema(required)]
    pub last_heartbeat: Option<Time>,
    #[schema(required)]
    pub percent: Option<f64>,
    /// Accepted mails, since it started.
    #[schema(required)]
    pub per_minute: Option<f64>,
    /// At the pace so far; null unless it is running.
    #[schema(required)]
    pub eta_seconds: Option<i64>,
}

/// A campaign, how far it is, and who failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    #[serde(flatten)]
    pub entry: JobEntry,
    /// At most 100, newest first.
    pub errors: Vec<JobError>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    pub email: String,
    #[schema(required)]
    pub error: Option<String>,
    pub attempts: i64,
    pub timestamp: Time,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OneStats {
    pub stats: Stats,
}

/// Results. Rates are percent of the accepted mails; null: none was. `human_…`: without what programs did, as far as can be
/// told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    pub id: Uuid,
    #[schema(required)]
    pub event_id: Option<Uuid>,
    pub segment: String,
    pub subject: String,
    pub status: String,
    pub total_contacts: i64,
    pub sent_count: i64,
    pub failed_count: i64,
    pub uncertain_count: i64,
    pub suppressed_count: i64,
    pub cancelled_count: i64,
    pub bounces: i64,
    pub complaints: i64,
    pub unsubscribes: i64,
    pub unique_opens: i64,
    pub human_opens: i64,
    pub unique_clicks: i64,
    pub human_clicks: i64,
    #[schema(required)]
    pub open_rate: Option<f64>,
    #[schema(required)]
    pub human_open_rate: Option<f64>,
    #[schema(required)]
    pub click_rate: Option<f64>,
    #[schema(required)]
    pub human_click_rate: Option<f64>,
    #[schema(required)]
    pub started_at: Option<Time>,
    #[schema(required)]
    pub completed_at: Option<Time>,
}

/// Which recipients, in the order in which they are mailed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Recipients {
    /// sent, pending, uncertain, failed, suppressed or cancelled.
    pub outcome: Option<String>,
    /// Rows at most; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<i32>,
    /// Where to go on: `next_cursor` of the answer before.
    pub cursor: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecipientPage {
    pub recipients: Vec<Recipient>,
    #[schema(required)]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Recipient {
    pub recipient_key: String,
    pub email: String,
    /// sent, pending, uncertain, failed, suppressed or cancelled.
    pub outcome: String,
    pub attempts: i64,
    #[schema(required)]
    pub last_at: Option<Time>,
    /// Of whom it failed: the relay's last reply, or how the connection was lost.
    #[schema(required)]
    pub error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UncertainPage {
    pub uncertain: Vec<Uncertain>,
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Somebody of whom nobody can know whether the relay accepted the mail (RFC 1047).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Uncertain {
    pub recipient_key: String,
    pub email: String,
    pub cause: String,
    pub since: Time,
    /// After this time nothing of the mail can be under way any more: a resend waits for it.
    pub quiet_until: Time,
}

/// What a person decides about uncertain recipients.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// sent (count them as sent, mail nobody) or resend (mail them again, perhaps twice).
    #[schema(example = "sent")]
    pub decision: String,
    /// Without it: all.
    pub recipient_keys: Option<Vec<String>>,
    /// A resend does not wait until nothing of the first mail can be under way.
    #[serde(default)]
    pub force: bool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TemplatePage {
    pub templates: Vec<TemplateEntry>,
    #[schema(required)]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TemplateEntry {
    pub id: Uuid,
    pub name: String,
    pub slug: String,
    pub subject: String,
    pub variables: Vec<String>,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OneTemplate {
    pub template: Template,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Template {
    pub id: Uuid,
    pub name: String,
    pub slug: String,
    pub subject: String,
    pub html: String,
    /// Plain-text part; null: made from the HTML.
    #[schema(required)]
    pub text: Option<String>,
    pub variables: Vec<String>,
    /// Rises with each change of content. A campaign keeps the version with which it started.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// A template as it is to be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateContent {
    pub name: String,
    /// Lower-case letters, digits, single dashes between them.
    #[schema(example = "thanks-for-coming")]
    pub slug: String,
    #[schema(example = "Thanks for coming, {{first_name}}!")]
    pub subject: String,
    #[schema(example = "<p>Hi {{first_name}}</p>")]
    pub html: String,
    /// Plain-text part; without it, it is made from the HTML.
    pub text: Option<String>,
    /// What it reads beside first_name, name, email and unsubscribe_url.
    #[serde(default)]
    pub variables: Vec<String>,
}

/// The recipient of a preview; without a value: Ada Lovelace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewFor {
    pub email: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub vars: Option<Map<String, Value>>,
}

/// A template that is not kept, and the recipient of its preview.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    #[schema(example = "Thanks for coming, {{first_name}}!")]
    pub subject: String,
    #[schema(example = "<p>Hi {{first_name}}</p>")]
    pub html: String,
    pub text: Option<String>,
    #[serde(default)]
    pub variables: Vec<String>,
    /// Without it, or without vars: Ada Lovelace's.
    pub email: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub vars: Option<Map<String, Value>>,
}

/// A mail as the recipient gets it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    pub subject: String,
    pub html: String,
    pub text: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Segments {
    pub segments: Vec<Segment>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Segment {
    pub name: String,
    pub description: String,
}

/// Whom to count.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Count {
    pub event_id: Option<Uuid>,
    /// Slug or id: counts as a campaign of this template would find. Without it, whoever has had mail of any campaign of this
    /// segment and event is left out.
    pub template_id: Option<String>,
    /// For segments that take keys, such as custom: separated by commas.
    pub keys: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SegmentCount {
    pub segment: String,
    /// Who would be mailed.
    pub unsent: i64,
    /// Who would be left out, by reason: invalid, duplicate, suppressed, already_mailed.
    pub excluded: BTreeMap<String, i64>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SuppressionPage {
    pub suppressions: Vec<Suppression>,
    #[schema(required)]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OneSuppression {
    pub suppression: Suppression,
    /// By this call; false: it was there before, and stays as it was.
    pub created: bool,
}

/// An address that gets no mail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Suppression {
    pub email: String,
    /// manual, unsubscribe, bounce or complaint.
    pub reason: String,
    pub created_at: Time,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppress {
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// manual (the default), unsubscribe, bounce or complaint.
    pub reason: Option<String>,
}

/// Of a mail that came back, or was reported as spam: its Message-ID; or the address, with the campaign if it is known.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    pub email: Option<String>,
    pub job_id: Option<Uuid>,
    pub message_id: Option<String>,
    /// Words of the report.
    pub detail: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FeedbackDone {
    pub email: String,
    /// By this call; false: it was before.
    pub suppressed: bool,
    /// Null: no campaign is known.
    #[schema(required)]
    pub job_id: Option<Uuid>,
    /// By this call; false: it was before, or no campaign is known.
    pub recorded: bool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Integrations {
    pub integrations: Vec<Integration>,
}

/// A relay, without its login.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Integration {
    pub id: Uuid,
    pub name: String,
    #[serde(rename = "type")]
    #[schema(example = "smtp")]
    pub kind: String,
    pub config: IntegrationConfig,
    /// Mails a second, all campaigns together; null: no limit.
    #[schema(required)]
    pub rate_limit: Option<f64>,
    /// At a time, all campaigns together; null: no limit.
    #[schema(required)]
    pub max_connections: Option<i64>,
    /// Mails in any 24 hours; null: no limit.
    #[schema(required)]
    pub daily_quota: Option<i64>,
    pub is_default: bool,
    pub created_at: Time,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct IntegrationConfig {
    pub host: String,
    pub port: u16,
    #[schema(required)]
    pub secure: Option<bool>,
    #[schema(required)]
    pub tls: Option<String>,
    #[schema(required)]
    pub address_family: Option<String>,
    pub from_email: String,
    #[schema(required)]
    pub from_name: Option<String>,
    #[schema(required)]
    pub reply_to: Option<String>,
}
