//! Elements of a document and where they stand in it.

use std::cell::RefCell;
use std::ops::Range;

use html5ever::buffer_queue::BufferQueue;
use html5ever::tokenizer::{Tag, Token, TokenSink, TokenSinkResult, Tokenizer};
use lol_html::errors::RewritingError;
use lol_html::html_content::{Attribute, Comment, Element};
use lol_html::{HtmlRewriter, Settings, doc_comments, element};

/// Which elements are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those that every program sees.
    Document,
    /// Also those that only Outlook sees, inside `<!--[if …]>…<![endif]-->`.
    Conditional,
}

/// Hands over each element that the selector names, with the part of the document that its places are counted in.
pub(crate) fn elements(
    html: &str,
    scope: Scope,
    selector: &str,
    mut each: impl FnMut(&Range<usize>, &mut Element<'_, '_>),
) -> Result<(), RewritingError> {
    let mut parts = Vec::from_iter(std::iter::once(0..html.len()));
    while let Some(part) = parts.pop() {
        let is_document = part.len() == html.len();
        let on_element = |element: &mut Element<'_, '_>| {
            each(&part, element);
            Ok(())
        };
        let on_comment = |comment: &mut Comment<'_>| {
            let at = comment.source_location().bytes();
            parts.extend(conditional(html, at.start..at.end, &comment.text()));
            Ok(())
        };
        // Ambiguous markup is no error: there is no browser to ask.
        let mut settings = Settings::new()
            .with_strict(false)
            .append_element_content_handler(element!(selector, on_element));
        // A comment ends where the first one in it does, so that none is in another.
        if scope == Scope::Conditional && is_document {
            settings = settings.append_document_content_handler(doc_comments!(on_comment));
        }
        let mut reader = HtmlRewriter::new(settings, |_: &[u8]| ());
        reader.write(&html.as_bytes()[part.clone()])?;
        reader.end()?;
    }
    Ok(())
}

/// Hands over the text of each comment.
pub(crate) fn comments(html: &str, mut each: impl FnMut(&str)) -> Result<(), RewritingError> {
    let on_comment = |comment: &mut Comment<'_>| {
        each(&comment.text());
        Ok(())
    };
    let settings = Settings::new()
        .with_strict(false)
        .append_document_content_handler(doc_comments!(on_comment));
    let mut reader = HtmlRewriter::new(settings, |_: &[u8]| ());
    reader.write(html.as_bytes())?;
    reader.end()
}

/// The text of a style element whose part of the document this is the rest of.
pub(crate) fn style_text(html: &str, rest: Range<usize>) -> Range<usize> {
    const NAME: &str = "style";
    let start = rest.start;
    let rest = &html[rest];
    let is_end = |at: &usize| {
        let name = rest.as_bytes().get(at + 2..at + 2 + NAME.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(NAME.as_bytes()))
    };
    let mut ends = rest.match_indices("</").map(|(at, _)| at);
    start..start + ends.find(is_end).unwrap_or(rest.len())
}

/// What Outlook reads of a comment.
pub(crate) fn conditional(html: &str, comment: Range<usize>, text: &str) -> Option<Range<usize>> {
    if !text.starts_with("[if") {
        return None;
    }
    let start = comment.start + html[comment].find(text)?;
    let content = text.find("]>")? + 2;
    Some(start + content..start + text.len())
}

/// A value in the source of a document.
pub(crate) struct Value {
    pub at: Range<usize>,
    pub is_quoted: bool,
}

/// Where the value of an attribute stands, if it has one.
pub(crate) fn value(html: &str, base: usize, attribute: &Attribute<'_>) -> Option<Value> {
    let at = attribute.value_source_location()?.bytes();
    let at = base + at.start..base + at.end;
    Some(Value {
        is_quoted: html[..at.start].ends_with(['"', '\'']),
        at,
    })
}

/// The value of an attribute as a browser reads it: with its character references resolved (WHATWG HTML 13.2.5.72).
pub(crate) fn decoded(raw: &str) -> String {
    let sink = FirstValue::default();
    let tokenizer = Tokenizer::new(sink, Default::default());
    let input = BufferQueue::default();
    let tag = format!("<a href=\"{}\">", raw.replace('"', "&quot;"));
    input.push_back(tag.as_str().into());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

#[derive(Default)]
struct FirstValue(RefCell<String>);

impl TokenSink for FirstValue {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if let Token::TagToken(Tag { attrs, .. }) = token
            && let Some(attribute) = attrs.first()
        {
            self.0.replace(attribute.value.to_string());
        }
        TokenSinkResult::Continue
    }
}

/// As it can stand in an attribute, whatever its quotes.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}
