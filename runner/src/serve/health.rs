//! Whether the server can do its work: for load balancers and supervisors.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::track::Figures;

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// ok, or unavailable: the database does not answer.
    status: &'static str,
    /// Opens and clicks since the start.
    tracking: Figures,
}

pub fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health))
}

/// Tells whether the server can do its work
#[utoipa::path(
    get, path = "/health",
    responses(
        (status = 200, description = "It can.", body = Health),
        (status = 503, description = "The database does not answer. Opens and clicks are kept until it does.", body = Health)))]
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
