//! Who gets no mail any more.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::extract::{Asked, Body, Path, Token};
use super::failed;
use super::types::{Feedback, FeedbackDone, OneSuppression, Page, Suppress, SuppressionPage};
use crate::serve::AppState;
use crate::serve::problem::Problem;

/// Lists addresses that get no mail
#[utoipa::path(
    get, path = "/api/suppressions", tag = "suppressions", operation_id = "list_suppressions", params(Page),
    responses((status = 200, description = "A page of addresses.", body = SuppressionPage)))]
pub async fn suppressions(
    State(state): State<AppState>,
    Token(token): Token,
    Asked(page): Asked<Page>,
) -> Result<Json<SuppressionPage>, Problem> {
    let suppressions = state.api.suppressions(&token, page.get()).await;
    suppressions.map(Json).map_err(failed)
}

/// Never mails somebody again, in running campaigns neither
#[utoipa::path(
    post, path = "/api/suppressions", tag = "suppressions", operation_id = "suppress", request_body = Suppress,
    responses(
        (status = 200, description = "It was there before.", body = OneSuppression),
        (status = 201, description = "It is there from now on.", body = OneSuppression)))]
pub async fn suppress(
    State(state): State<AppState>,
    Token(token): Token,
    Body(suppress): Body<Suppress>,
) -> Result<(StatusCode, Json<OneSuppression>), Problem> {
    let reason = suppress.reason.as_deref();
    let done = state.api.suppress(&token, &suppress.email, reason).await;
    let done: OneSuppression = done.map_err(failed)?;
    let status = match done.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, Json(done)))
}

/// Lets somebody be mailed again
#[utoipa::path(
    delete, path = "/api/suppressions/{email}", tag = "suppressions", operation_id = "unsuppress", params(("email" = String, Path)),
    responses((status = 204, description = "The address may be mailed.")))]
pub async fn unsuppress(
    State(state): State<AppState>,
    Token(token): Token,
    Path(email): Path<String>,
) -> Result<StatusCode, Problem> {
    let done = state.api.unsuppress(&token, &email).await;
    done.map(|()| StatusCode::NO_CONTENT)
        .map_err(|error| Problem::from_api(error, &["CP014"]))
}

/// Records that a mail came back: the address gets no mail any more
#[utoipa::path(
    post, path = "/api/bounces", tag = "suppressions", operation_id = "record_bounce", request_body = Feedback,
    responses((status = 200, description = "What is known of it.", body = FeedbackDone)))]
pub async fn bounce(
    State(state): State<AppState>,
    Token(token): Token,
    Body(feedback): Body<Feedback>,
) -> Result<Json<FeedbackDone>, Problem> {
    let done = state.api.bounce(
        &token,
        feedback.email.as_deref(),
        feedback.job_id,
        feedback.message_id.as_deref(),
        feedback.detail.as_deref(),
    );
    done.await.map(Json).map_err(failed)
}

/// Records that a mail was reported as spam: the address gets no mail any more
#[utoipa::path(
    post, path = "/api/complaints", tag = "suppressions", operation_id = "record_complaint", request_body = Feedback,
    responses((status = 200, description = "What is known of it.", body = FeedbackDone)))]
pub async fn complaint(
    State(state): State<AppState>,
    Token(token): Token,
    Body(feedback): Body<Feedback>,
) -> Result<Json<FeedbackDone>, Problem> {
    let done = state.api.complaint(
        &token,
        feedback.email.as_deref(),
        feedback.job_id,
        feedback.message_id.as_deref(),
        feedback.detail.as_deref(),
    );
    done.await.map(Json).map_err(failed)
}
