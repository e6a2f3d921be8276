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
        unsubscribe_url(&self.public_url, &self.token(Kind::Unsubscribe, pos))
    }

    /// The HTML part as it is sent to the recipient at a position. The error is for a person.
    pub fn tracked(&self, html: String, pos: u64) -> Result<String, String> {
        if !(self.track_opens || self.track_clicks) {
            return Ok(html);
        }
        let found = Found::in_html(&html, &self.public_url, self.track_opens)?;
        let clicks = if self.track_clicks {
            &*found.links
        } else {
            &[]
        };
        let public_url = markup::escaped(&self.public_url);
        let mut tracked = String::with_capacity(html.len() + 160 * (clicks.len() + 1));
        let mut copied = 0;
        let mut pixel = self.track_opens.then(|| {
            let token = self.token(Kind::Open, pos);
            format!(
                r#"<img src="{public_url}/api/track/open?t={token}" width="1" height="1" alt="" style="border:0">"#
            )
        });
        for (link, n) in clicks.iter().zip(1..) {
            if found.body_end < link.at.start
                && let Some(pixel) = pixel.take()
            {
                tracked.push_str(&html[copied..found.body_end]);
                tracked.push_str(&pixel);
                copied = found.body_end;
            }
            let token = self.token(Kind::Click { link: n }, pos);
            let quote = if link.is_quoted { "" } else { "\"" };
            tracked.push_str(&html[copied..link.at.start]);
            for part in [quote, &public_url, "/api/track/click?t=", &token, quote] {
                tracked.push_str(part);
            }
            copied = link.at.end;
        }
        if let Some(pixel) = pixel {
            tracked.push_str(&html[copied..found.body_end]);
            tracked.push_str(&pixel);
            copied = found.body_end;
        }
        tracked.push_str(&html[copied..]);
        Ok(tracked)
    }

    fn token(&self, kind: Kind, pos: u64) -> String {
        Token {
            kind,
            key_id: self.key_id,
            job_no: self.job_no,
            pos,
        }
        .sign(&self.key)
    }
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
        rest.starts_with("/api/track/")
            || rest == "/unsubscribe"
            || rest.starts_with("/unsubscribe?")
    });
    if is_ours || !(has("http://") || has("https://")) {
        return None;
    }
    Url::parse(value).ok()
}
