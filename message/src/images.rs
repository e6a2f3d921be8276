//! Images that would have to come with the message.

use crate::markup::{self, Scope, decoded, elements};
use crate::tags::{blanked, pieces, position};
use crate::template::{Part, TemplateError};

/// Attributes whose value is loaded with the document.
const LOADED: [&str; 4] = ["background", "poster", "src", "srcset"];
const EMBEDDED: [&str; 2] = ["cid:", "data:"];

/// The first image of a template that is a part of a message (`cid:`), or written out (`data:`), which many mail
/// programs do not show.
pub(crate) fn check(source: &str) -> Result<(), TemplateError> {
    let html = blanked(source, &pieces(source));
    let mut first = None;
    // Where CSS stands.
    let mut rules = Vec::new();
    let mut style = 0..0;
    let failed = |offset, message| {
        let (line, column) = position(source, offset);
        TemplateError {
            part: Part::Html,
            line,
            column,
            message,
            hint: Some(
                "Put the image on a web server, and name its https address: <img src=\"https://…\">."
                    .to_owned(),
            ),
        }
    };
    elements(&html, Scope::Conditional, "*", |part, element| {
        for attribute in element.attributes() {
            let name = attribute.name();
            if LOADED.contains(&name.as_str())
                && let Some(value) = markup::value(&html, part.start, attribute)
                && let Some(scheme) = embedded(&name, &html[value.at.clone()])
                && first.as_ref().is_none_or(|(at, _)| *at > value.at.start)
            {
                let message = format!("{name} is a {scheme} URL: images are not sent with a mail");
                first = Some((value.at.start, message));
            }
            if name == "style"
                && let Some(value) = markup::value(&html, part.start, attribute)
            {
                rules.push(value.at);
            }
        }
        if element.tag_name() == "style" {
            let start = part.start + element.source_location().bytes().end;
            // In SVG they can stand in each other: the outermost is read.
            if !style.contains(&start) {
                style = markup::style_text(&html, start..part.end);
                rules.push(style.clone());
            }
        }
    })
    .map_err(|error| failed(0, error.to_string()))?;
    for at in rules {
        if let Some(scheme) = embedded_by_css(&html[at.clone()])
            && first.as_ref().is_none_or(|(offset, _)| *offset > at.start)
        {
            let message =
                format!("a rule of CSS has a {scheme} URL: images are not sent with a mail");
            first = Some((at.start, message));
        }
    }
    match first {
        Some((offset, message)) => Err(failed(offset, message)),
        None => Ok(()),
    }
}

fn embedded_by_css(raw: &str) -> Option<&'static str> {
    let css = decoded(raw).to_ascii_lowercase();
    css.split("url(").skip(1).find_map(|url| {
        let url = url.trim_start_matches(|c: char| c <= ' ' || c == '"' || c == '\'');
        EMBEDDED.into_iter().find(|scheme| url.starts_with(scheme))
    })
}

fn embedded(name: &str, raw: &str) -> Option<&'static str> {
    let value = decoded(raw).to_ascii_lowercase();
    let mut urls = value.split(|c: char| c <= ' ' || (c == ',' && name == "srcset"));
    let first = urls.find(|url| !url.is_empty())?;
    let mut candidates = std::iter::once(first).chain(urls.take_while(|_| name == "srcset"));
    candidates.find_map(|url| EMBEDDED.into_iter().find(|scheme| url.starts_with(scheme)))
}
