//! Segments.

use axum::Json;
use axum::extract::State;

use super::extract::{Asked, Path, Token};
use super::failed;
use super::types::{Count, SegmentCount, Segments};
use crate::serve::AppState;
use crate::serve::problem::Problem;

/// Lists segments by name
#[utoipa::path(
    get, path = "/api/segments", tag = "segments", operation_id = "list_segments",
    responses((status = 200, description = "All segments.", body = Segments)))]
pub async fn list(
    State(state): State<AppState>,
    Token(token): Token,
) -> Result<Json<Segments>, Problem> {
    let segments = state.api.segments(&token).await;
    segments.map(Json).map_err(failed)
}

/// Counts whom a campaign would mail
#[utoipa::path(
    get, path = "/api/segments/{name}/count", tag = "segments", operation_id = "count_segment", params(("name" = String, Path), Count),
    responses((status = 200, description = "How many, and how many would be left out.", body = SegmentCount)))]
pub async fn count(
    State(state): State<AppState>,
    Token(token): Token,
    Path(name): Path<String>,
    Asked(count): Asked<Count>,
) -> Result<Json<SegmentCount>, Problem> {
    let keys = count.keys.as_deref();
    let keys: Option<Vec<&str>> = keys.map(|keys| keys.split(',').collect());
    let template = count.template_id.as_deref();
    let counted = state
        .api
        .segment_count(&token, &name, count.event_id, template, keys.as_deref())
        .await;
    counted
        .map(Json)
        .map_err(|error| Problem::from_api(error, &["CP003"]))
}
