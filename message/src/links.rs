//! The links of a message that lead through us: which they are, and how they are rewritten.
//!
//! No list of links is kept. Who needs the URL behind link number n renders the message again and counts.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use lol_html::end_tag;
use lol_html::html_content::Element;
use url::Url;

use crate::markup::{self, Scope, decoded, elements};
use crate::token::{Key, Kind, Token};

/// What makes the links of a campaign's messages.
pub struct Links {
    /// Where they begin: see the setting of that name.
    pub public_url: String,
    pub key: Key,
    pub key_id: u32,
    pub job_no: u64,
    pub track_opens: bool,
    pub track_clicks: bool,
}

impl Links {
    /// Where the recipient at a position unsubscribes.
    pub fn unsubscribe_url(&self, pos: u64) -> String {
        unsubscribe_url(
            &self.public_url,
            &self.token(Kind::Unsubscribe, pos).sign(&self.key),
        )
    }

    /// The HTML part as it is sent to the recipient at a position. The error is for a person.
    pub fn tracked(&self, html: String, pos: u64) -> Result<String, String> {
        let changes = self.changes(&html)?;
        if changes.is_empty() {
            return Ok(html);
        }
        let mut tracked = String::with_capacity(html.len() + 160 * changes.len());
        let mut copied = 0;
        for change in changes {
            tracked.push_str(&html[copied..change.at.start]);
            tracked.push_str(&change.before);
            self.token(change.kind, pos)
                .sign_into(&self.key, &mut tracked);
            tracked.push_str(change.after);
            copied = change.at.end;
        }
        tracked.push_str(&html[copied..]);
        Ok(tracked)
    }

    /// What [`Links::tracked`] changes, in the order of the document.
    pub(crate) fn changes(&self, html: &str) -> Result<Vec<Change>, String> {
        if !(self.track_opens || self.track_clicks) {
            return Ok(Vec::new());
        }
        let found = Found::in_html(html, &self.public_url, self.track_opens)?;
        let clicks = if self.track_clicks {
            &*found.links
        } else {
            &[]
        };
        let public_url = markup::escaped(&self.public_url);
        let mut changes = Vec::with_capacity(clicks.len() + 1);
        let mut pixel = self.track_opens.then(|| Change {
            at: found.body_end..found.body_end,
            before: format!(r#"<img src="{public_url}/api/track/open?t="#),
            kind: Kind::Open,
            after: r#"" width="1" height="1" alt="" style="border:0">"#,
        });
        for (link, n) in clicks.iter().zip(1..) {
            if found.body_end < link.at.start {
                changes.extend(pixel.take());
            }
            let quote = if link.is_quoted { "" } else { "\"" };
            changes.push(Change {
                at: link.at.clone(),
                before: format!("{quote}{public_url}/api/track/click?t="),
                kind: Kind::Click { link: n },
                after: quote,
            });
        }
        changes.extend(pixel);
        Ok(changes)
    }

    pub(crate) fn token(&self, kind: Kind, pos: u64) -> Token {
        Token {
            kind,
            key_id: self.key_id,
            job_no: self.job_no,
            pos,
        }
    }
}

/// A stretch of HTML that is replaced: by a token of a kind, and what stands before and after it.
pub(crate) struct Change {
    pub at: Range<usize>,
    pub before: String,
    pub kind: Kind,
    pub after: &'static str,
}

/// Where the holder of a token unsubscribes.
pub fn unsubscribe_url(public_url: &str, token: &str) -> String {
    format!("{public_url}/unsubscribe?t={token}")
}

/// How many links [`Links::tracked`] rewrites.
pub fn count(html: &str, public_url: &str) -> Result<usize, String> {
    Found::in_html(html, public_url, false).map(|found| found.links.len())
}

/// Where link number n leads, from 1, as a browser reads it. `None` = there is no such link.
pub fn url(html: &str, public_url: &str, n: usize) -> Result<Option<String>, String> {
    let found = Found::in_html(html, public_url, false)?;
    let link = n.checked_sub(1).and_then(|index| found.links.get(index));
    let url = link.and_then(|link| destination(&html[link.at.clone()], public_url));
    Ok(url.map(String::from))
}

struct Found {
    /// Values of `href`, in the order of the document.
    links: Vec<markup::Value>,
    /// The byte where the body ends.
    body_end: usize,
}

impl Found {
    fn in_html(html: &str, public_url: &str, with_body: bool) -> Result<Found, String> {
        let mut links = Vec::new();
        let body_end = Rc::new(Cell::new(html.len()));
        let on_element = |part: &Range<usize>, element: &mut Element<'_, '_>| {
            let base = part.start;
            if element.tag_name() == "body" {
                let body_end = Rc::clone(&body_end);
                // Refused for an element without content only, which a body is not.
                let _ = element.on_end_tag(end_tag!(move |end| {
                    body_end.set(base + end.source_location().bytes().start);
                    Ok(())
                }));
                return;
            }
            let href = element.attributes().iter().find(|a| a.name() == "href");
            if let Some(href) = href
                && let Some(value) = markup::value(html, base, href)
                && destination(&html[value.at.clone()], public_url).is_some()
            {
                links.push(value);
            }
        };
        let selector = if with_body {
            "a[href], area[href], body"
        } else {
            "a[href], area[href]"
        };
        elements(html, Scope::Document, selector, on_element).map_err(|e| e.to_string())?;
        Ok(Found {
            links,
            body_end: body_end.get(),
        })
    }
}

/// Whether the same links are rewritten whatever stands for what begins with `mark`.
pub(crate) fn are_settled(html: &str, public_url: &str, mark: &str) -> Result<bool, String> {
    let mut are_settled = true;
    elements(
        html,
        Scope::Document,
        "a[href], area[href]",
        |part, element| {
            let href = element.attributes().iter().find(|a| a.name() == "href");
            if let Some(value) = href.and_then(|href| markup::value(html, part.start, href)) {
                are_settled &= is_settled(&html[value.at], public_url, mark);
            }
        },
    )
    .map_err(|error| error.to_string())?;
    Ok(are_settled)
}

fn is_settled(href: &str, public_url: &str, mark: &str) -> bool {
    const SCHEMES: [&str; 2] = ["http://", "https://"];
    let Some(at) = href.find(mark) else {
        return true;
    };
    // What decoding leaves as it is.
    let start = href[..at].split('&').next().unwrap_or_default();
    if start.bytes().any(|byte| byte <= b' ' || byte == b'\\') {
        return false;
    }
    let lower = start.to_ascii_lowercase();
    let Some(scheme) = SCHEMES.iter().find(|scheme| lower.starts_with(**scheme)) else {
        return !SCHEMES.iter().any(|scheme| scheme.starts_with(&lower));
    };
    // Whatever follows the host, it is a URL.
    let host = start[scheme.len()..].find(['/', '?', '#']);
    if host.is_none_or(|length| length == 0) {
        return false;
    }
    match start.strip_prefix(public_url) {
        None => !public_url.starts_with(start),
        Some(rest) => OURS
            .iter()
            .all(|ours| rest.starts_with(ours) || !ours.starts_with(rest)),
    }
}

/// How our links go on.
const OURS: [&str; 2] = ["/api/track/", "/unsubscribe?"];

/// Where a link leads, if it is one of the web and not one of ours already. As a browser reads it (WHATWG URL 4.4).
fn destination(raw: &str, public_url: &str) -> Option<Url> {
    let value = match raw.contains('&') {
        true => Cow::Owned(decoded(raw)),
        false => Cow::Borrowed(raw),
    };
    let value = value.trim_start_matches(|c: char| c <= ' ');
    let has = |scheme: &str| {
        (value.get(..scheme.len())).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let is_ours = (value.strip_prefix(public_url)).is_some_and(|rest| {
        rest == "/unsubscribe" || OURS.iter().any(|ours| rest.starts_with(ours))
    });
    if is_ours || !(has("http://") || has("https://")) {
        return None;
    }
    Url::parse(value).ok()
}
