//! The text part of a message that has only HTML.

use crate::bounds::MAX_BYTES;
use crate::tree::{self, Reader};

/// Columns at which lines are wrapped: RFC 5322 section 2.1.1 recommends at most 78.
pub(crate) const WIDTH: usize = 76;

/// The text part is to be read.
const MAX_TEXT: usize = 1 << 20;

/// Plain text of an HTML document. Layout tables become a sequence of lines; each link gets a number, and its address,
/// in one piece, stands at the end. The error is for a person.
pub(crate) fn from_html(html: &str) -> Result<String, String> {
    from_html_at(html, WIDTH)
}

/// [`from_html`], with lines of another width.
pub(crate) fn from_html_at(html: &str, width: usize) -> Result<String, String> {
    let refused = |what: String| format!("{what}: the template needs its own text part");
    if html.len() > MAX_BYTES {
        return Err(refused(format!(
            "HTML of more than {} kB",
            MAX_BYTES / 1024
        )));
    }
    tree::measured(html, Reader::TextConverter).map_err(refused)?;
    let text = html2text::config::plain()
        .raw_mode(true)
        .no_link_wrapping()
        .allow_width_overflow()
        .string_from_read(html.as_bytes(), width)
        .map_err(|error| error.to_string())?;
    if text.len() > MAX_TEXT {
        return Err(refused(format!("text of more than {} kB", MAX_TEXT / 1024)));
    }
    let mut lines = String::with_capacity(text.len());
    for line in text.trim().lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    Ok(lines)
}
