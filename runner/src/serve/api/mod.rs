//! The API: who asks, how often, and for how long. What it answers is in the modules below, and decided by the database.

mod campaigns;
mod events;
mod extract;
mod people;
mod relays;
mod segments;
mod shares;
mod templates;
mod types;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::time::timeout;
use tower_http::cors::CorsLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::problem::{self, Problem};
use crate::storage::api::ApiError;
pub use events::Hub;
use extract::{Token, bearer};
use shares::Shares;

const CORS_MAX_AGE: Duration = Duration::from_secs(600);
const CALLS_OF_A_TOKEN: usize = 3;
/// For one of its other calls to end.
const WAIT_FOR_CALLS: Duration = Duration::from_secs(2);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Routes with what the document says of them, which so cannot differ.
pub fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(campaigns::list, campaigns::start))
        .routes(routes!(campaigns::get))
        .routes(routes!(campaigns::cancel))
        .routes(routes!(campaigns::pause))
        .routes(routes!(campaigns::resume))
        .routes(routes!(campaigns::retry))
        .routes(routes!(campaigns::stats))
        .routes(routes!(events::events))
        .routes(routes!(campaigns::recipients))
        .routes(routes!(campaigns::uncertain, campaigns::resolve))
        .routes(routes!(templates::list, templates::create))
        .routes(routes!(templates::get, templates::update))
        .routes(routes!(templates::preview))
        .routes(routes!(templates::preview_draft))
        .routes(routes!(segments::list))
        .routes(routes!(segments::count))
        .routes(routes!(people::suppressions, people::suppress))
        .routes(routes!(people::unsuppress))
        .routes(routes!(people::bounce))
        .routes(routes!(people::complaint))
        .routes(routes!(relays::list))
}

pub fn routes(state: &AppState, cors_origin: Option<&HeaderValue>) -> Router<AppState> {
    let (router, _) = documented().split_for_parts();
    // From the inside out.
    let router = router
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn_with_state(state.clone(), authenticate))
        .layer(middleware::from_fn_with_state(state.clone(), count));
    match cors_origin {
        None => router,
        Some(origin) => router.layer(
            CorsLayer::new()
                .allow_origin(origin.clone())
                .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
                .allow_headers([AUTHORIZATION, CONTENT_TYPE, IDEMPOTENCY_KEY])
                .expose_headers([LOCATION, RETRY_AFTER])
                .max_age(CORS_MAX_AGE),
        ),
    }
}

/// What is at no route. Whether there is one below /api, only those hear who have a token.
pub async fn not_found(
    State(state): State<AppState>,
    request: Request,
) -> Result<Infallible, Problem> {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        state.rate.take(&request)?;
        check(&state, request.headers()).await?;
    }
    Err(problem::not_found())
}

async fn count(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    state.rate.take(&request)?;
    Ok(next.run(request).await)
}

/// What is asked at the moment, by token: slow calls of one leave connections for others.
pub struct Calls(Shares);

impl Default for Calls {
    fn default() -> Calls {
        Calls(Shares::new(CALLS_OF_A_TOKEN))
    }
}

/// Before anything of the request is read: without a token all requests are alike.
async fn authenticate(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = check(&state, request.headers()).await?;
    let place = state.calls.0.of(&token.0).acquire_owned();
    let Ok(Ok(_place)) = timeout(WAIT_FOR_CALLS, place).await else {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "calls",
            "this token asks too much at once",
            format!(
                "A token has {CALLS_OF_A_TOKEN} calls at a time, and none of them has ended yet."
            ),
            "Wait for the answers of the others.",
        )
        .retry_after(5));
    };
    request.extensions_mut().insert(token);
    Ok(next.run(request).await)
}

async fn check(state: &AppState, headers: &HeaderMap) -> Result<Token, Problem> {
    let token = bearer(headers).ok_or_else(problem::unauthorized)?;
    let checked = state.api.check(&token.0).await;
    checked.map_err(failed)?;
    Ok(token)
}

/// Of calls that name nothing in the path.
fn failed(error: ApiError) -> Problem {
    Problem::from_api(error, &[])
}

fn no_campaign(error: ApiError) -> Problem {
    Problem::from_api(error, &["CP001"])
}

fn no_template(error: ApiError) -> Problem {
    Problem::from_api(error, &["CP002"])
}
