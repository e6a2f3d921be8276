//! Whether the server can do its work: for load balancers and supervisors.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::AppState;

#[derive(Debug, Serialize)]
struct Health {
    /// ok, or unavailable: the database does not answer.
    status: &'static str,
}

pub fn routes() -> Router<AppState> {
    Router::new().route("/health", get(health))
}

async fn health(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    match state.api.ping().await {
        Ok(()) => (StatusCode::OK, Json(Health { status: "ok" })),
        Err(error) => {
            tracing::debug!(%error, "the database does not answer");
            let health = Health {
                status: "unavailable",
            };
            (StatusCode::SERVICE_UNAVAILABLE, Json(health))
        }
    }
}
