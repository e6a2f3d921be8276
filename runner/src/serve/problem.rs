//! Errors as problem details (RFC 9457) that carry the SQLSTATE.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::storage::api::{ApiError, Refused};

/// What went wrong, why, and what to do (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:pg-campaign:` and the SQLSTATE, or a word where the database was not asked.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "urn:pg-campaign:CP011")]
    kind: Box<str>,
    /// What went wrong.
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Why.
    detail: String,
    /// What to do.
    #[schema(value_type = String)]
    hint: Box<str>,
    /// Of the database's error: stable, and for programs, as the texts are not. `CP…` are those of pg_campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "CP011")]
    sqlstate: Option<Box<str>>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    pub fn new(
        status: StatusCode,
        kind: &str,
        title: impl Into<String>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        Problem {
            kind: format!("urn:pg-campaign:{kind}").into(),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            hint: hint.into().into(),
            sqlstate: None,
            retry_after: None,
        }
    }

    /// Seconds.
    pub fn retry_after(mut self, seconds: u64) -> Problem {
        self.retry_after = Some(seconds);
        self
    }

    /// `named`: SQLSTATEs that say that what the path names is not there.
    pub fn from_api(error: ApiError, named: &[&str]) -> Problem {
        match error {
            ApiError::Refused(refused) => from_refused(*refused, named),
            ApiError::TimedOut => timed_out(),
            ApiError::Busy => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "the database is busy with other requests",
                "No connection was free for some seconds. Nothing was done.",
                "Try again a little later.",
            )
            .retry_after(5),
            ApiError::Unavailable(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "the database is not available",
                "It is not reached, or was lost in the middle.",
                "Try again. What writes may have been done: look first, or use an Idempotency-Key.",
            )
            .retry_after(1),
            ApiError::Unexpected(_) => {
                tracing::error!(%error, "a request cannot be answered");
                internal()
            }
        }
    }
}

fn from_refused(refused: Refused, named: &[&str]) -> Problem {
    let code = refused.code.as_str();
    let status = match code {
        code if named.contains(&code) => StatusCode::NOT_FOUND,
        "CP030" => return unauthorized(),
        "42501" => StatusCode::FORBIDDEN,
        "CP007" | "CP011" | "CP012" | "23505" => StatusCode::CONFLICT,
        code if ["CP0", "22", "23", "54"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        _ => {
            tracing::error!(sqlstate = code, error = %refused.message, "a request cannot be answered");
            return internal();
        }
    };
    let ours = code.starts_with("CP");
    let (detail, hint) = match code {
        "42501" => (
            "The role of the token decides what it may do.",
            "Use a token of another role: an operator's runs campaigns, an admin's keeps templates and suppressions.",
        ),
        "23505" => ("A name stands for one thing.", "Choose another one."),
        _ => (
            "PostgreSQL does not take a value.",
            "The document of the API says what each value can be.",
        ),
    };
    let told = |text: Option<String>, else_: &str| {
        text.filter(|text| ours && !text.is_empty())
            .unwrap_or_else(|| else_.to_owned())
    };
    Problem {
        sqlstate: Some(refused.code.as_str().into()),
        ..Problem::new(
            status,
            code,
            refused.message,
            told(refused.detail, detail),
            told(refused.hint, hint),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Bearer realm="pg_campaign""#),
            );
        }
        response
    }
}

/// The same for every token that does not hold, and for none.
pub fn unauthorized() -> Problem {
    Problem {
        sqlstate: Some("CP030".into()),
        ..Problem::new(
            StatusCode::UNAUTHORIZED,
            "CP030",
            "this needs a valid API token",
            "There is none, or it is unknown, or it was revoked.",
            "Send the header Authorization: Bearer TOKEN, with a token of campaign.create_api_token.",
        )
    }
}

fn timed_out() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "too-slow",
        "this takes too long",
        "The database did not finish in time. It may go on for a moment, but keeps nothing of it.",
        "Ask for less at once; a large audience is started in psql.",
    )
}

/// Not even the database's own limits led to an answer.
pub fn unanswered() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "unanswered",
        "there was no answer in time",
        "It is not known whether the database did what was asked.",
        "Try again. What writes may have been done: look first, or use an Idempotency-Key.",
    )
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the server cannot answer this",
        "Something does not fit together; the server's log says more.",
        "Tell whoever runs it. Do campaign-runner and the extension have the same version?",
    )
}

pub fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "there is nothing at this path",
        "No route of this server has it.",
        "campaign-runner openapi prints the routes of the API.",
    )
}

pub async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this path does not take this method",
        "The header Allow names the methods that it takes.",
        "Use one of them.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: &str) -> u16 {
        let refused = Refused {
            code: code.to_owned(),
            message: "no".to_owned(),
            detail: None,
            hint: None,
        };
        from_refused(refused, &["CP001"]).status
    }

    #[test]
    fn the_sqlstate_decides_the_status() {
        let codes = [
            ("CP001", 404),
            ("CP002", 422),
            ("CP012", 409),
            ("CP030", 401),
            ("22003", 422),
            ("42501", 403),
            ("54000", 422),
            ("XX000", 500),
        ];
        for (code, expected) in codes {
            assert_eq!(status(code), expected, "{code}");
        }
    }
}
