//! Campaigns.

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::to_value;
use uuid::Uuid;

use super::extract::{Asked, Body, Path, Token};
use super::types::{
    Campaigns, Jobs, OneJob, OneStats, Page, RecipientPage, Recipients, Resolve, StartCampaign,
    Started, UncertainPage,
};
use super::{IDEMPOTENCY_KEY, failed, no_campaign};
use crate::serve::AppState;
use crate::serve::problem::Problem;

/// Starts a campaign: everybody of the segment gets one mail made from the template
#[utoipa::path(
    post, path = "/api/campaigns", tag = "campaigns", operation_id = "start_campaign",
    params(("Idempotency-Key" = Option<String>, Header, description = "As the field idempotency_key.")),
    request_body = StartCampaign,
    responses(
        (status = 201, description = "It is started, or was before with the same key.", body = Started,
            headers(("Location" = String, description = "Of the campaign."))),
        (status = 409, description = "Everybody has this mail already (CP007), or the key came with other fields before (CP012).",
            body = Problem, content_type = "application/problem+json")))]
pub async fn start(
    State(state): State<AppState>,
    Token(token): Token,
    headers: HeaderMap,
    Body(mut request): Body<StartCampaign>,
) -> Result<impl IntoResponse, Problem> {
    request.idempotency_key = idempotency_key(&headers, request.idempotency_key.take())?;
    let request = to_value(&request).map_err(|error| failed(error.into()))?;
    let started: Started = state.api.start(&token, &request).await.map_err(failed)?;
    let location = format!("/api/campaigns/{}", started.job.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(started)))
}

/// That of the header or of the field. A key that is not read as it was meant would start a campaign twice, or not at all.
fn idempotency_key(headers: &HeaderMap, field: Option<String>) -> Result<Option<String>, Problem> {
    let refused = |title, detail, hint| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key",
            title,
            detail,
            hint,
        )
    };
    let mut key = field;
    for header in headers.get_all(IDEMPOTENCY_KEY) {
        let header = header.to_str().map_err(|_| {
            refused(
                "the idempotency key is not ASCII",
                "Other bytes in the header Idempotency-Key mean different things to different programs.",
                "Send printable ASCII, or the field idempotency_key.",
            )
        })?;
        if key.get_or_insert_with(|| header.to_owned()) != header {
            return Err(refused(
                "there are two idempotency keys",
                "Headers Idempotency-Key, or one and the field idempotency_key, differ.",
                "Send one of them.",
            ));
        }
    }
    Ok(key)
}

/// Lists campaigns, the newest first
#[utoipa::path(
    get, path = "/api/campaigns", tag = "campaigns", operation_id = "list_campaigns", params(Campaigns),
    responses((status = 200, description = "A page of campaigns.", body = Jobs)))]
pub async fn list(
    State(state): State<AppState>,
    Token(token): Token,
    Asked(asked): Asked<Campaigns>,
) -> Result<Json<Jobs>, Problem> {
    let filter = (
        asked.event_id,
        asked.segment.as_deref(),
        asked.status.as_deref(),
        asked.template_id.as_deref(),
    );
    let page = (asked.limit, asked.cursor.as_deref());
    let jobs = state.api.campaigns(&token, filter, page).await;
    jobs.map(Json).map_err(failed)
}

/// Tells how far a campaign is
#[utoipa::path(
    get, path = "/api/campaigns/{id}", tag = "campaigns", operation_id = "get_campaign", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Status and progress.", body = OneJob)))]
pub async fn get(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
) -> Result<Json<OneJob>, Problem> {
    let job = state.api.campaign(&token, id).await;
    job.map(Json).map_err(no_campaign)
}

/// Ends a campaign for good: at most the mails already under way are sent
#[utoipa::path(
    post, path = "/api/campaigns/{id}/cancel", tag = "campaigns", operation_id = "cancel_campaign", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "As it is now.", body = OneJob),
        (status = 409, description = "It has ended.", body = Problem, content_type = "application/problem+json")))]
pub async fn cancel(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
) -> Result<Json<OneJob>, Problem> {
    let job = state.api.cancel(&token, id).await;
    job.map(Json).map_err(no_campaign)
}

/// Stops a campaign until it is resumed
#[utoipa::path(
    post, path = "/api/campaigns/{id}/pause", tag = "campaigns", operation_id = "pause_campaign", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "As it is now.", body = OneJob),
        (status = 409, description = "It has ended.", body = Problem, content_type = "application/problem+json")))]
pub async fn pause(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
) -> Result<Json<OneJob>, Problem> {
    let job = state.api.pause(&token, id).await;
    job.map(Json).map_err(no_campaign)
}

/// Lets a paused campaign go on
#[utoipa::path(
    post, path = "/api/campaigns/{id}/resume", tag = "campaigns", operation_id = "resume_campaign", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "As it is now.", body = OneJob),
        (status = 409, description = "It is not paused.", body = Problem, content_type = "application/problem+json")))]
pub async fn resume(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
) -> Result<Json<OneJob>, Problem> {
    let job = state.api.resume(&token, id).await;
    job.map(Json).map_err(no_campaign)
}

/// Tries again those who failed, and nobody else
#[utoipa::path(
    post, path = "/api/campaigns/{id}/retry", tag = "campaigns", operation_id = "retry_failed", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "As it is now.", body = OneJob),
        (status = 409, description = "It is cancelled.", body = Problem, content_type = "application/problem+json")))]
pub async fn retry(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
) -> Result<Json<OneJob>, Problem> {
    let job = state.api.retry(&token, id).await;
    job.map(Json).map_err(no_campaign)
}

/// Tells the results of a campaign
#[utoipa::path(
    get, path = "/api/campaigns/{id}/stats", tag = "campaigns", operation_id = "campaign_stats", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Raw counts, and beside them those of people.", body = OneStats)))]
pub async fn stats(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
) -> Result<Json<OneStats>, Problem> {
    let stats = state.api.stats(&token, id).await;
    stats.map(Json).map_err(no_campaign)
}

/// Lists the recipients of a campaign, in the order in which they are mailed
#[utoipa::path(
    get, path = "/api/campaigns/{id}/recipients", tag = "campaigns", operation_id = "list_recipients", params(("id" = Uuid, Path), Recipients),
    responses((status = 200, description = "A page of recipients.", body = RecipientPage)))]
pub async fn recipients(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
    Asked(asked): Asked<Recipients>,
) -> Result<Json<RecipientPage>, Problem> {
    let page = (asked.limit, asked.cursor.as_deref());
    let outcome = asked.outcome.as_deref();
    let recipients = state.api.recipients(&token, id, outcome, page).await;
    recipients.map(Json).map_err(no_campaign)
}

/// Lists recipients of whom nobody can know whether they have the mail
#[utoipa::path(
    get, path = "/api/campaigns/{id}/uncertain", tag = "campaigns", operation_id = "list_uncertain", params(("id" = Uuid, Path), Page),
    responses((status = 200, description = "A page of recipients.", body = UncertainPage)))]
pub async fn uncertain(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
    Asked(page): Asked<Page>,
) -> Result<Json<UncertainPage>, Problem> {
    let uncertain = state.api.uncertain(&token, id, page.get()).await;
    uncertain.map(Json).map_err(no_campaign)
}

/// Decides about them
#[utoipa::path(
    post, path = "/api/campaigns/{id}/uncertain", tag = "campaigns", operation_id = "resolve_uncertain", params(("id" = Uuid, Path)),
    request_body = Resolve,
    responses(
        (status = 200, description = "As it is now.", body = OneJob),
        (status = 409, description = "It is cancelled: nobody is mailed again.", body = Problem, content_type = "application/problem+json")))]
pub async fn resolve(
    State(state): State<AppState>,
    Token(token): Token,
    Path(id): Path<Uuid>,
    Body(resolve): Body<Resolve>,
) -> Result<Json<OneJob>, Problem> {
    let keys = resolve.recipient_keys.as_deref();
    let job = state
        .api
        .resolve(&token, id, &resolve.decision, keys, resolve.force)
        .await;
    job.map(Json).map_err(no_campaign)
}
