//! Encoding by context: where in the HTML a value is printed decides how it is encoded, as in Go's html/template.
//!
//! The places are found once per template version. Every tag is blanked out at its own length, so that what the HTML
//! tokenizer says about the blanked source holds for the template; then each `{{ … }}` whose place needs more than the
//! engine's HTML escaping gets a filter.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use lol_html::errors::RewritingError;
use lol_html::html_content::{Attribute, Comment, Element, TextChunk};
use lol_html::{RewriteStrSettings, doc_comments, doc_text, element, rewrite_str};
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, State};

use crate::markup::{self, conditional};
use crate::tags::{Piece, blanked, pieces};

/// Where a value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Text, a comment or a quoted attribute: the engine's HTML escaping is enough.
    Text,
    /// After the `?` of a URL in an attribute, quoted or not.
    Query,
    /// Inside a tag without quotes, or a place that the tokenizer could not tell: white space would end the value.
    Tag,
}

const QUERY: &str = "__query";
const TAG: &str = "__tag";

/// Attributes whose value is a URL (WHATWG HTML, index of attributes; `background` and `xlink:href` of older mail).
const URL_ATTRIBUTES: [&str; 14] = [
    "action",
    "background",
    "cite",
    "data",
    "formaction",
    "href",
    "longdesc",
    "manifest",
    "ping",
    "poster",
    "src",
    "srcset",
    "usemap",
    "xlink:href",
];

/// The HTML template with the encoding of its place on each value. It must compile.
pub(crate) fn with_encodings(source: &str) -> Result<String, RewritingError> {
    let pieces = pieces(source);
    let places = places(source, &pieces)?;
    let mut encoded = String::with_capacity(source.len() + 32 * places.len());
    let mut copied = 0;
    for piece in &pieces {
        let Piece::Output(tokens) = piece else {
            continue;
        };
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
            continue;
        };
        let filter = match places.get(&first.at.start) {
            Some(Place::Text) => continue,
            Some(Place::Query) => QUERY,
            Some(Place::Tag) | None => TAG,
        };
        encoded.push_str(&source[copied..first.at.start]);
        encoded.push('(');
        encoded.push_str(&source[first.at.start..last.at.end]);
        encoded.push_str(")|");
        encoded.push_str(filter);
        copied = last.at.end;
    }
    encoded.push_str(&source[copied..]);
    Ok(encoded)
}

/// Adds the filters that `with_encodings` writes, and the authors' `urlencode`.
pub(crate) fn add_filters(env: &mut Environment<'_>) {
    env.add_filter(QUERY, |state: &mut State, value: &Value| {
        encode(state, value, percent_encoded, url_normalized)
    });
    env.add_filter(TAG, |state: &mut State, value: &Value| {
        encode(
            state,
            value,
            |text| tag_encoded(text, true),
            |text| tag_encoded(text, false),
        )
    });
    env.add_filter("urlencode", |state: &mut State, value: &Value| {
        encode(state, value, percent_encoded, percent_encoded)
    });
}

/// Byte at which each value's expression may begin → its place. Values that are in no known place are left out.
fn places(source: &str, pieces: &[Piece<'_>]) -> Result<BTreeMap<usize, Place>, RewritingError> {
    let blanked = blanked(source, pieces);
    let mut tags = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(_) => {}
            Piece::Output(tokens) => tags.extend(tokens.first().map(|t| (t.at.start, Flow::Value))),
            Piece::Statement(tokens) => tags.extend(tokens.first().and_then(|token| {
                let flow = match token.name()? {
                    "if" => Flow::If,
                    "elif" | "else" => Flow::Else,
                    "endif" => Flow::EndIf,
                    "for" => Flow::For,
                    "endfor" => Flow::EndFor,
                    _ => return None,
                };
                Some((token.at.start, flow))
            })),
        }
    }
    let finder = Finder {
        html: &blanked,
        tags: &tags,
        places: RefCell::default(),
    };
    finder.document(0..blanked.len())?;
    Ok(finder.places.into_inner())
}

/// What a tag does to the place of those that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Value,
    If,
    Else,
    EndIf,
    For,
    EndFor,
}

struct Finder<'a> {
    /// The template with its tags blanked out.
    html: &'a str,
    /// The tags by their place in it, ascending.
    tags: &'a [(usize, Flow)],
    places: RefCell<BTreeMap<usize, Place>>,
}

impl Finder<'_> {
    fn document(&self, part: Range<usize>) -> Result<(), RewritingError> {
        let base = part.start;
        let on_element = |element: &mut Element<'_, '_>| {
            for attribute in element.attributes() {
                self.attribute(base, attribute);
            }
            Ok(())
        };
        let on_text = |text: &mut TextChunk<'_>| {
            let at = text.source_location().bytes();
            self.text(base + at.start..base + at.end);
            Ok(())
        };
        let on_comment = |comment: &mut Comment<'_>| {
            let at = comment.source_location().bytes();
            self.comment(base + at.start..base + at.end, &comment.text())?;
            Ok(())
        };
        let settings = RewriteStrSettings::new()
            // Ambiguous markup is no error: what cannot be told has no place, and gets the safest encoding.
            .with_strict(false)
            .append_element_content_handler(element!("*", on_element))
            .append_document_content_handler(doc_text!(on_text))
            .append_document_content_handler(doc_comments!(on_comment));
        rewrite_str(&self.html[part], settings).map(drop)
    }

    fn tags_in(&self, part: &Range<usize>) -> &[(usize, Flow)] {
        let from = self.tags.partition_point(|(at, _)| *at < part.start);
        let to = self.tags.partition_point(|(at, _)| *at < part.end);
        &self.tags[from..to]
    }

    fn text(&self, part: Range<usize>) {
        let mut places = self.places.borrow_mut();
        for (at, _) in self.tags_in(&part) {
            places.insert(*at, Place::Text);
        }
    }

    fn comment(&self, part: Range<usize>, text: &str) -> Result<(), RewritingError> {
        self.text(part.clone());
        match conditional(self.html, part, text) {
            Some(content) => self.document(content),
            None => Ok(()),
        }
    }

    fn attribute(&self, base: usize, attribute: &Attribute<'_>) {
        let Some(markup::Value {
            at: value,
            is_quoted,
        }) = markup::value(self.html, base, attribute)
        else {
            return;
        };
        let elsewhere = if is_quoted { Place::Text } else { Place::Tag };
        let mut places = self.places.borrow_mut();
        if !URL_ATTRIBUTES.contains(&attribute.name().as_str()) {
            for (at, _) in self.tags_in(&value) {
                places.insert(*at, elsewhere);
            }
            return;
        }
        let mut walk = QueryWalk::default();
        let mut read = value.start;
        for (at, flow) in self.tags_in(&value) {
            walk.query |= self.html[read..*at].contains('?');
            read = *at;
            let repeated = walk.step(*at, *flow);
            let place = if walk.query { Place::Query } else { elsewhere };
            places.insert(*at, place);
            for (at, _) in repeated.map_or(&[][..], |body| self.tags_in(&body)) {
                places.insert(*at, Place::Query);
            }
        }
    }
}

/// Follows the control flow inside one URL. Where the query has begun in one branch only, what comes after counts as
/// query: percent-encoding is right in a path too.
#[derive(Default)]
struct QueryWalk {
    query: bool,
    open: Vec<Block>,
}

struct Block {
    at: usize,
    /// Whether the query had begun before the block.
    before: bool,
    /// Whether it had at the end of a branch so far.
    after: bool,
}

impl QueryWalk {
    /// Returns the body of a loop that begins the query: from its second round on, all of it is in the query.
    fn step(&mut self, at: usize, flow: Flow) -> Option<Range<usize>> {
        match flow {
            Flow::Value => None,
            Flow::If | Flow::For => {
                self.open.push(Block {
                    at,
                    before: self.query,
                    after: false,
                });
                None
            }
            Flow::Else => {
                if let Some(block) = self.open.last_mut() {
                    block.after |= self.query;
                    self.query = block.before;
                }
                None
            }
            Flow::EndIf | Flow::EndFor => {
                let block = self.open.pop()?;
                self.query |= block.after;
                (flow == Flow::EndFor && self.query && !block.before).then_some(block.at..at)
            }
        }
    }
}

/// `safe` = the encoding of what the author has marked as safe, which must not be encoded twice.
fn encode(
    state: &mut State<'_, '_>,
    value: &Value,
    plain: fn(&str) -> String,
    safe: fn(&str) -> String,
) -> Result<Value, Error> {
    if value.is_undefined() {
        // Lets `{{ a if b }}` without an else through, as the engine does, and refuses a missing variable.
        return state.apply_filter("lower", std::slice::from_ref(value));
    }
    refuse_null(value)?;
    let encoded = match (value.as_str(), value.is_safe()) {
        (Some(text), true) => safe(text),
        (Some(text), false) => plain(text),
        (None, _) => plain(&value.to_string()),
    };
    state.consume_fuel(encoded.len() as u64 / 64)?;
    Ok(Value::from_safe_string(encoded))
}

/// A URL of our own, which stays readable where it needs no encoding.
pub(crate) fn url(url: &str) -> Value {
    if url
        .bytes()
        .all(|byte| is_unreserved(byte) || b"%:/?=[]".contains(&byte))
    {
        Value::from_safe_string(url.to_owned())
    } else {
        Value::from(url)
    }
}

/// A null is a value that is missing, never the word "none".
pub(crate) fn refuse_null(value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Err(Error::new(ErrorKind::UndefinedError, "the value is null"));
    }
    Ok(())
}

/// All but the unreserved characters of RFC 3986 section 2.3.
fn percent_encoded(text: &str) -> String {
    escaped(text, |byte| !is_unreserved(byte), percent)
}

/// Characters that no URL contains are encoded; what is encoded already, and separators, stay.
fn url_normalized(text: &str) -> String {
    let kept = |byte: u8| is_unreserved(byte) || b"%:/?#[]@!$&()*+,;=".contains(&byte);
    escaped(text, |byte| !kept(byte), percent)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Character references for all that ends or changes a value without quotes (WHATWG HTML 13.1.2.3).
fn tag_encoded(text: &str, with_ampersand: bool) -> String {
    let special =
        |byte: u8| byte <= b' ' || b"\"'<>=`".contains(&byte) || (with_ampersand && byte == b'&');
    escaped(text, special, |byte| format!("&#{byte};"))
}

fn percent(byte: u8) -> String {
    format!("%{byte:02X}")
}

/// `special` holds for bytes of other than ASCII characters all or never.
fn escaped(text: &str, special: impl Fn(u8) -> bool, escape: impl Fn(u8) -> String) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut buffer = [0; 4];
    for character in text.chars() {
        for byte in character.encode_utf8(&mut buffer).bytes() {
            if special(byte) {
                escaped.push_str(&escape(byte));
            } else if byte.is_ascii() {
                escaped.push(char::from(byte));
            } else {
                escaped.push(character);
                break;
            }
        }
    }
    escaped
}
