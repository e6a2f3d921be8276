//! Tracking and unsubscribe: the routes that links in mails lead to. Anybody may ask anything here; only a genuine token
//! has an effect, and no URL of a request is ever redirected to.

mod page;
mod queue;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, RawQuery, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use message::token::{self, Token};
use tokio::time::{Instant, timeout};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::client::Client;
use crate::config::Database;
use crate::storage::StorageError;
use crate::storage::track::{EventRow, Subscription, TrackStorage};
use page::Page;
pub use queue::Figures;
use queue::{Event, Kind, Queue, Record, Writer};

/// 1×1, transparent.
const GIF: [u8; 43] = *b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0\x21\xF9\x04\x01\0\0\0\0\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3B";
/// For what waits when the server is told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// The answer to an unsubscribe link is one field.
const MAX_BODY: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const FIELD: &str = "List-Unsubscribe";
const ONE_CLICK: &str = "One-Click";
/// In place of tokens in mails that belong to no campaign.
const NO_CAMPAIGN: [&str; 2] = ["test", "preview"];

/// What the routes share.
pub struct Tracker {
    storage: Arc<TrackStorage>,
    queue: Queue,
}

impl Tracker {
    pub fn start(database: &Database) -> anyhow::Result<(Arc<Tracker>, Tail)> {
        let storage = Arc::new(TrackStorage::new(database)?);
        let (queue, writer) = Queue::start(Arc::clone(&storage));
        Ok((Arc::new(Tracker { storage, queue }), Tail(writer)))
    }

    pub fn figures(&self) -> Figures {
        self.queue.figures()
    }
}

/// What is left to do when no more requests come.
pub struct Tail(Writer);

impl Tail {
    pub async fn drain(self) {
        self.0.drain(DRAIN).await;
    }
}

pub fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(open))
        .routes(routes!(click))
        .routes(routes!(show, unsubscribe))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

impl Record for Arc<TrackStorage> {
    async fn record(&self, events: &[Event]) -> Result<(), StorageError> {
        let rows: Vec<EventRow> = events
            .iter()
            .map(|event| EventRow {
                kind: event.kind.as_str(),
                token: &event.token,
                link_url: event.link_url.as_deref(),
                user_agent: event.user_agent.as_deref(),
                address: event.address.to_string(),
                age_ms: u64::try_from(event.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            })
            .collect();
        self.record_events(&rows).await
    }
}

/// The pixel of a mail
///
/// The same answer to everybody, before anything is looked up. A genuine token is recorded as an open, unless the method is HEAD.
#[utoipa::path(
    get, path = "/api/track/open", tag = "links in mails",
    params(("t" = Option<String>, Query, description = "Token of the mail.")),
    responses((status = 200, description = "A transparent pixel.", body = [u8], content_type = "image/gif")))]
async fn open(
    State(tracker): State<Arc<Tracker>>,
    Extension(client): Extension<Client>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if method == Method::GET
        && let Some(token) = request::token(query.as_deref())
        && kind(&token) == Some(token::Kind::Open)
    {
        tracker.queue.push(Event {
            kind: Kind::Open,
            token,
            link_url: None,
            user_agent: request::user_agent(&headers),
            address: client.0,
            at: Instant::now(),
        });
    }
    let mut response = Body::from(GIF.as_slice()).into_response();
    for (name, value) in [
        (CONTENT_TYPE, "image/gif"),
        (CACHE_CONTROL, "no-store, no-cache, max-age=0"),
        // Mail is read on other sites.
        (CORP, "cross-origin"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// What it is for, if it could be genuine: more only the database knows, and it is asked no more than it must be.
fn kind(token: &str) -> Option<token::Kind> {
    Token::parse(token).map(|read| read.token.kind)
}

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A link of a mail
///
/// Leads where the mail's link led before it was rewritten. Records a click, unless the method is HEAD.
#[utoipa::path(
    get, path = "/api/track/click", tag = "links in mails",
    params(("t" = Option<String>, Query, description = "Token of the link.")),
    responses(
        (status = 302, description = "There.", headers(("location" = String))),
        (status = 404, description = "A page: the token is not genuine.", body = String, content_type = "text/html"),
        (status = 503, description = "A page: the database is not available.", body = String, content_type = "text/html")))]
async fn click(
    State(tracker): State<Arc<Tracker>>,
    Extension(client): Extension<Client>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(token) = request::token(query.as_deref()) else {
        return Page::BadLink.into_response();
    };
    if !matches!(kind(&token), Some(token::Kind::Click { .. })) {
        return Page::BadLink.into_response();
    }
    let url = match tracker.storage.click_url(&token).await {
        Ok(Some(url)) => url,
        Ok(None) => return Page::BadLink.into_response(),
        Err(error) => return unavailable(&error),
    };
    let Some(location) = location(&url) else {
        tracing::error!("a link is no http or https URL; nobody is redirected to it");
        return Page::BadLink.into_response();
    };
    if method == Method::GET {
        tracker.queue.push(Event {
            kind: Kind::Click,
            token,
            link_url: Some(url),
            user_agent: request::user_agent(&headers),
            address: client.0,
            at: Instant::now(),
        });
    }
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (page::ROBOTS, "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The page of an unsubscribe link
///
/// Asks whether to unsubscribe. Changes nothing, since programs follow links.
#[utoipa::path(
    get, path = "/unsubscribe", tag = "links in mails",
    params(("t" = Option<String>, Query, description = "Token of the mail.")),
    responses(
        (status = 200, description = "A page with a button, or one that says that it is done already.", body = String, content_type = "text/html"),
        (status = 404, description = "A page: the token is not genuine.", body = String, content_type = "text/html"),
        (status = 503, description = "A page: the database is not available.", body = String, content_type = "text/html")))]
async fn show(State(tracker): State<Arc<Tracker>>, RawQuery(query): RawQuery) -> Response {
    let Some(token) = unsubscribe_token(query.as_deref()) else {
        return Page::BadLink.into_response();
    };
    ask(&tracker, &token).await
}

/// Unsubscribes (RFC 8058)
///
/// As often as you like. Without the field it only shows the page.
#[utoipa::path(
    post, path = "/unsubscribe", tag = "links in mails",
    params(("t" = Option<String>, Query, description = "Token of the mail.")),
    request_body(content(
        (OneClick = "application/x-www-form-urlencoded"),
        (OneClick = "multipart/form-data"))),
    responses(
        (status = 200, description = "A page: the address gets no more mails.", body = String, content_type = "text/html"),
        (status = 404, description = "A page: the token is not genuine.", body = String, content_type = "text/html"),
        (status = 503, description = "A page: the database is not available.", body = String, content_type = "text/html")))]
async fn unsubscribe(
    State(tracker): State<Arc<Tracker>>,
    Extension(client): Extension<Client>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let Some(token) = unsubscribe_token(query.as_deref()) else {
        return Page::BadLink.into_response();
    };
    let is_one_click = timeout(BODY_TIMEOUT, is_one_click(request)).await;
    if !is_one_click.unwrap_or(false) || NO_CAMPAIGN.contains(&token.as_str()) {
        return ask(&tracker, &token).await;
    }
    let user_agent = request::user_agent(&headers);
    let address = client.0.to_string();
    let recorded = tracker
        .storage
        .record_unsubscribe(&token, user_agent.as_deref(), &address);
    match recorded.await {
        Ok(true) => Page::Unsubscribed.into_response(),
        Ok(false) => Page::BadLink.into_response(),
        Err(error) => unavailable(&error),
    }
}

fn unsubscribe_token(query: Option<&str>) -> Option<String> {
    request::token(query).filter(|token| {
        NO_CAMPAIGN.contains(&token.as_str()) || kind(token) == Some(token::Kind::Unsubscribe)
    })
}

async fn ask(tracker: &Tracker, token: &str) -> Response {
    if NO_CAMPAIGN.contains(&token) {
        return Page::OfATest.into_response();
    }
    match tracker.storage.unsubscribe_state(token).await {
        Ok(Some(Subscription::Subscribed)) => Page::Confirm.into_response(),
        Ok(Some(Subscription::Unsubscribed)) => Page::WasUnsubscribed.into_response(),
        Ok(None) => Page::BadLink.into_response(),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &StorageError) -> Response {
    tracing::warn!(%error, "a reader was told to try again");
    Page::Unavailable.into_response()
}

/// What the form of the page, or a program on behalf of the reader, sends.
#[derive(utoipa::ToSchema)]
#[expect(dead_code)]
struct OneClick {
    #[schema(rename = "List-Unsubscribe", example = "One-Click")]
    list_unsubscribe: String,
}

/// Whether the body says so, urlencoded or as multipart (RFC 8058 section 3.2).
async fn is_one_click(request: Request) -> bool {
    let is_multipart = (request.headers().get(CONTENT_TYPE))
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("multipart/")
        });
    if !is_multipart {
        let Ok(body) = Bytes::from_request(request, &()).await else {
            return false;
        };
        return form_urlencoded::parse(&body).any(|(name, value)| is_answer(&name, &value));
    }
    let Ok(mut fields) = Multipart::from_request(request, &()).await else {
        return false;
    };
    while let Ok(Some(field)) = fields.next_field().await {
        let name = field.name().unwrap_or_default().to_owned();
        let Ok(value) = field.text().await else {
            return false;
        };
        if is_answer(&name, &value) {
            return true;
        }
    }
    false
}

fn is_answer(name: &str, value: &str) -> bool {
    name == FIELD && value.trim() == ONE_CLICK
}

/// What is stored goes on as it is, but for what a header cannot hold.
fn location(url: &str) -> Option<HeaderValue> {
    let has = |scheme: &str| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !has("http://") && !has("https://") {
        return None;
    }
    let mut location = String::with_capacity(url.len());
    for byte in url.bytes() {
        match byte {
            0x21..=0x7E => location.push(char::from(byte)),
            _ => location.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(location).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pixel_is_a_whole_gif() {
        assert!(GIF.starts_with(b"GIF89a\x01\0\x01\0"));
        assert_eq!(GIF.last(), Some(&0x3B));
    }

    #[test]
    fn links_go_into_the_header_without_breaking_it() {
        for (url, expected) in [
            (
                "https://example.com/a?b=%20&c=d#e",
                Some("https://example.com/a?b=%20&c=d#e"),
            ),
            ("HTTP://example.com", Some("HTTP://example.com")),
            (
                "https://example.com/é\r\nSet-Cookie: a",
                Some("https://example.com/%C3%A9%0D%0ASet-Cookie:%20a"),
            ),
            ("javascript:alert(1)", None),
            ("//example.com", None),
            ("https:/example.com", None),
            ("é", None),
            ("", None),
        ] {
            let location = location(url);
            assert_eq!(
                location.as_ref().and_then(|value| value.to_str().ok()),
                expected
            );
        }
    }
}
