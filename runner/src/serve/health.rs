//! Whether the server can do its work: for load balancers and supervisors.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::AppState;
use super::track::Figures;

#[derive(Debug, Serialize)]
struct Health {
    /// ok, or unavailable: the database does not answer.
    status: &'static str,
    /// Opens and clicks since the start.
    tracking: Figures,
}

pub fn routes() -> Router<AppState> {
    Router::new().route("/health", get(health))
}

async fn health(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    let (code, status) = match state.api.ping().await {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(error) => {
            tracing::debug!(%error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    };
    let tracking = state.tracker.figures();
    (code, Json(Health { status, tracking }))
}
