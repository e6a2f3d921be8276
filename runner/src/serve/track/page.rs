//! The pages that readers of mails see. No script, nothing loaded, no address: a forwarded mail tells nobody whose it was.

use std::sync::LazyLock;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = ":root{color-scheme:light dark}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1rem;\
font:1.125rem/1.5 system-ui,sans-serif;color:#1c1e21;background:#f3f4f6}\
main{width:100%;max-width:30rem;padding:2rem;border-radius:.75rem;background:#fff;overflow-wrap:anywhere}\
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}\
p{margin:0 0 1rem}\
:last-child{margin-bottom:0}\
button{width:100%;min-height:3rem;padding:.75rem 1rem;border:0;border-radius:.5rem;font:inherit;font-weight:600;\
color:#fff;background:#1d4ed8;cursor:pointer}\
button:hover{background:#1e40af}\
button:focus-visible{outline:3px solid #f59e0b;outline-offset:2px}\
@media (prefers-color-scheme:dark){body{color:#e5e7eb;background:#111827}main{background:#1f2937}}";

/// Only this style applies, and the only thing that can be done is to send the form back here.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        BASE64_STANDARD.encode(Sha256::digest(STYLE))
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

pub const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Asks whether to unsubscribe.
    Confirm,
    Unsubscribed,
    WasUnsubscribed,
    /// The unsubscribe link of a test mail or a preview.
    OfATest,
    BadLink,
    /// The database did not answer.
    Unavailable,
}

impl Page {
    fn status(self) -> StatusCode {
        match self {
            Page::BadLink => StatusCode::NOT_FOUND,
            Page::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Page::Confirm => "Unsubscribe?",
            Page::Unsubscribed => "You are unsubscribed",
            Page::WasUnsubscribed => "You are unsubscribed already",
            Page::OfATest => "This link is from a test mail",
            Page::BadLink => "This link does not work",
            Page::Unavailable => "Please try again in a minute",
        }
    }

    fn content(self) -> &'static str {
        match self {
            Page::Confirm => {
                "<p>The address that this mail went to will get no more mails from us.</p>\n\
                 <form method=\"post\">\n\
                 <input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\n\
                 <button type=\"submit\">Unsubscribe</button>\n\
                 </form>"
            }
            Page::Unsubscribed | Page::WasUnsubscribed => {
                "<p>The address that the mail went to gets no more mails from us. You can close this page.</p>"
            }
            Page::OfATest => {
                "<p>In the mails of a campaign, this link lets the reader unsubscribe. Here it changes nothing.</p>"
            }
            Page::BadLink => {
                "<p>It may have been cut off. Please click the link in the mail again, or copy all of it.</p>"
            }
            Page::Unavailable => {
                "<p>We could not do that just now. Please open the link again in a minute.</p>"
            }
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let title = self.title();
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main>\n<h1>{title}</h1>\n{}\n</main>\n</body>\n</html>\n",
            self.content()
        );
        let mut response = (self.status(), Html(html)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
        for (name, value) in [
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, "no-referrer"),
            (X_FRAME_OPTIONS, "DENY"),
            (ROBOTS, "noindex"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self == Page::Unavailable {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
        }
        response
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ALL: [Page; 6] = [
        Page::Confirm,
        Page::Unsubscribed,
        Page::WasUnsubscribed,
        Page::OfATest,
        Page::BadLink,
        Page::Unavailable,
    ];

    async fn html(page: Page) -> String {
        let body = page.into_response().into_body();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn nothing_is_loaded_and_nothing_runs() {
        for page in ALL {
            let html = html(page).await;
            for word in ["<script", "src=", "href=", "url(", "@import", "action="] {
                assert!(!html.contains(word), "{page:?} has {word}");
            }
            assert!(html.contains("<html lang=\"en\">"));
        }
    }

    #[tokio::test]
    async fn only_the_question_has_a_form() {
        for page in ALL {
            let has_form = html(page).await.contains("<form");
            assert_eq!(has_form, page == Page::Confirm, "{page:?}");
        }
    }

    /// As a browser computes it: over what is between the tags.
    #[tokio::test]
    async fn the_policy_allows_the_style_of_the_page() {
        let html = html(Page::Confirm).await;
        let (_, style) = html.split_once("<style>").unwrap();
        let (style, _) = style.split_once("</style>").unwrap();
        let hash = BASE64_STANDARD.encode(Sha256::digest(style));
        let response = Page::Confirm.into_response();
        let policy = response.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    }
}
