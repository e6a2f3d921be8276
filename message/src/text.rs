//! The text part of a message that has only HTML.

use crate::markup;

/// Columns at which lines are wrapped: RFC 5322 section 2.1.1 recommends at most 78.
const WIDTH: usize = 76;

/// Time and memory grow with the number of tags times the depth, and what is left open is opened again in each block: these
/// bound the worst document to about a second.
const MAX_TAGS: usize = 10_000;
const MAX_DEPTH: usize = 100;

/// Plain text of an HTML document. Layout tables become a sequence of lines; each link gets a number, and its address,
/// in one piece, stands at the end. The error is for a person.
pub(crate) fn from_html(html: &str) -> Result<String, String> {
    let tags = html.matches('<').count();
    if tags > MAX_TAGS {
        return Err(format!(
            "more than {MAX_TAGS} tags: the template needs its own text part"
        ));
    }
    // Most mails have too few tags to be deep.
    if tags > MAX_DEPTH && markup::depth(html).map_err(|error| error.to_string())? > MAX_DEPTH {
        return Err(format!(
            "more than {MAX_DEPTH} elements in each other: the template needs its own text part"
        ));
    }
    let text = html2text::config::plain()
        .raw_mode(true)
        .no_link_wrapping()
        .allow_width_overflow()
        .string_from_read(html.as_bytes(), WIDTH)
        .map_err(|error| error.to_string())?;
    let mut lines = String::with_capacity(text.len());
    for line in text.trim().lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    Ok(lines)
}
