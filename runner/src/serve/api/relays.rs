//! Relays.

use axum::Json;
use axum::extract::State;

use super::extract::Token;
use super::failed;
use super::types::Integrations;
use crate::serve::AppState;
use crate::serve::problem::Problem;

/// Lists relays by name, without their logins
#[utoipa::path(
    get, path = "/api/integrations", tag = "integrations", operation_id = "list_integrations",
    responses((status = 200, description = "All relays.", body = Integrations)))]
pub async fn list(
    State(state): State<AppState>,
    Token(token): Token,
) -> Result<Json<Integrations>, Problem> {
    let integrations = state.api.integrations(&token).await;
    integrations.map(Json).map_err(failed)
}
