//! What a request says, and how it is refused.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::secret::Secret;
use crate::serve::problem::{self, Problem};

pub const MAX_BODY: usize = 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The token of a request, which was valid when the request came.
#[derive(Debug, Clone)]
pub struct Token(pub Secret);

/// What is sent as a token, if anything.
pub fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
        .then(|| Token(Secret::new(token.trim())))
}

impl<S: Send + Sync> FromRequestParts<S> for Token {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Token, Problem> {
        let token = parts.extensions.get().cloned();
        token.ok_or_else(problem::unauthorized)
    }
}

/// A part of the path. What cannot be one names nothing.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(part)) => Ok(Path(part)),
            Err(_) => Err(problem::not_found()),
        }
    }
}

/// The query of known names.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(rejection) => {
                let why = std::error::Error::source(&rejection)
                    .map_or_else(|| rejection.to_string(), ToString::to_string);
                Err(unfit("query", format!("The query: {why}.")))
            }
        }
    }
}

/// A body in JSON, of known names.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Body<T>, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "this takes JSON",
                "The header Content-Type says something else, or nothing.",
                "Send the header Content-Type: application/json.",
            ));
        }
        let body = tokio::time::timeout(BODY_TIMEOUT, read(request))
            .await
            .map_err(|_| {
                Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "slow-body",
                    "the body did not arrive in time",
                    format!("It has {} seconds.", BODY_TIMEOUT.as_secs()),
                    "Try again over a better connection.",
                )
            })??;
        let parsed = serde_json::from_slice(&body).map_err(|error| {
            let detail = format!("The body: {error}.");
            match error.classify() {
                Category::Data => unfit("body", detail),
                Category::Io | Category::Syntax | Category::Eof => Problem::new(
                    StatusCode::BAD_REQUEST,
                    "json",
                    "this is not JSON",
                    detail,
                    "Send one value in JSON, in UTF-8.",
                ),
            }
        })?;
        // serde takes a list of the values, too.
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(unfit(
                "body",
                "The body is a list instead of an object.".to_owned(),
            ));
        }
        Ok(Body(parsed))
    }
}

fn unfit(kind: &str, detail: String) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        kind,
        "this request says something that it cannot say",
        detail,
        "campaign-runner openapi prints what each route takes.",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn read(request: Request) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    let mut chunks = request.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "body",
                "the body ends in the middle",
                "The connection was closed, or the body is not what its headers say.",
                "Send it again.",
            )
        })?;
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "the body is too large",
                format!("It has at most {MAX_BODY} bytes."),
                "Send less at once.",
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
