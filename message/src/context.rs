//! Encoding by context: where in the HTML a value is printed decides how it is encoded, as in Go's html/template.
//!
//! The places are found once per template version: the literal text between the tags goes through the states of an HTML
//! tokenizer, all branches at once, so that a tag has a set of states. A value gets the filter that is safe in all of
//! them. It never leaves its place, so what follows can be read without knowing it.
//!
//! What is HTML already (a block that is set, the result of a macro or of `e`) is decoded where HTML is not what the
//! place needs. What an author marks by `safe` at the end of an expression is taken as encoded for its place.

mod state;

use std::collections::BTreeMap;
use std::fmt::Write;

use minijinja::machinery::Token;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, HtmlEscape, State as Engine};

use crate::markup::decoded;
use crate::tags::{Piece, Spanned, pieces, position};
use crate::template::{Part, TemplateError};
use state::{Mode, State};

/// Where a value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Text, or a comment: the engine's HTML escaping is enough.
    Text,
    /// A quoted attribute, the text of an element without markup; a whole URL in quotes.
    Quoted,
    /// An attribute without quotes: white space would end it.
    Unquoted,
    /// A name in a tag: a slash would end it, too.
    Name,
    /// A part of a URL before its query.
    Path,
    /// A part of a URL's query.
    Query,
    /// A part of a value of CSS.
    Css(Ground),
    /// The URL of `url(…)`.
    CssUrl(Ground),
    /// Several, or one that a value decides.
    Doubtful,
}

/// Where CSS stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// In a style element.
    Raw,
    Quoted,
    Bare,
}

impl Place {
    /// What is safe in both.
    fn join(self, other: Place) -> Place {
        match (self, other) {
            _ if self == other => self,
            (Place::Css(Ground::Raw) | Place::CssUrl(Ground::Raw), _)
            | (_, Place::Css(Ground::Raw) | Place::CssUrl(Ground::Raw)) => Place::Doubtful,
            (Place::Text, Place::Quoted) | (Place::Quoted, Place::Text) => Place::Quoted,
            (Place::Text | Place::Quoted, strict) | (strict, Place::Text | Place::Quoted) => strict,
            (Place::Unquoted, strict @ (Place::Name | Place::Path | Place::Query))
            | (strict @ (Place::Name | Place::Path | Place::Query), Place::Unquoted) => strict,
            (Place::Path, Place::Query) | (Place::Query, Place::Path) => Place::Query,
            _ => Place::Doubtful,
        }
    }

    /// `is_marked` = the author says that the value is encoded for its place.
    fn filter(self, is_marked: bool) -> Option<&'static str> {
        Some(match (self, is_marked) {
            (Place::Text, _) => return None,
            (Place::Quoted, _) => QUOTED,
            (Place::Unquoted, _) => UNQUOTED,
            (Place::Name, _) => NAME,
            (Place::Path | Place::Query, true) => URL,
            (Place::Css(ground) | Place::CssUrl(ground), true) => match ground {
                Ground::Raw => RAW_CSS,
                Ground::Quoted => QUOTED,
                Ground::Bare => UNQUOTED,
            },
            (Place::Path, false) => PATH,
            (Place::Css(Ground::Bare), false) => BARE_CSS,
            (Place::Css(Ground::Raw | Ground::Quoted), false) => CSS,
            (Place::CssUrl(_), false) => CSS_URL,
            (Place::Query, false) | (Place::Doubtful, _) => QUERY,
        })
    }
}

const QUOTED: &str = "__quoted";
const UNQUOTED: &str = "__unquoted";
const NAME: &str = "__name";
const PATH: &str = "__path";
const QUERY: &str = "__query";
const URL: &str = "__url";
const CSS: &str = "__css";
const BARE_CSS: &str = "__bare_css";
const CSS_URL: &str = "__css_url";
const RAW_CSS: &str = "__raw_css";
const OR_QUOTES: &str = "__or_quotes";

/// The HTML template with the encoding of its place on each value. It must compile.
pub(crate) fn with_encodings(source: &str) -> Result<String, TemplateError> {
    let pieces = pieces(source);
    let outputs = Finder::new(source, &pieces).outputs()?;
    let mut encoded = String::with_capacity(source.len() + 32 * outputs.len());
    let mut copied = 0;
    for (n, piece) in pieces.iter().enumerate() {
        let Piece::Output(tokens) = piece else {
            continue;
        };
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
            continue;
        };
        let output = outputs.get(&n);
        let place = output.map_or(Place::Doubtful, |output| output.place);
        let Some(filter) = place.filter(is_marked(tokens)) else {
            continue;
        };
        encoded.push_str(&source[copied..first.at.start]);
        encoded.push('(');
        encoded.push_str(&source[first.at.start..last.at.end]);
        encoded.push_str(")|");
        encoded.push_str(filter);
        let ends_here = match pieces.get(n + 1) {
            Some(Piece::Literal(at)) => {
                source[at.clone()].starts_with(|c: char| c == '>' || c.is_ascii_whitespace())
            }
            _ => false,
        };
        if ends_here && output.is_some_and(|output| output.is_whole_value) {
            // Else what follows would become the value.
            encoded.push('|');
            encoded.push_str(OR_QUOTES);
        }
        copied = last.at.end;
    }
    encoded.push_str(&source[copied..]);
    Ok(encoded)
}

/// How a value of a variable is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is.
    Plain,
    Html,
    Path,
    Query,
}

impl Encoding {
    /// Appends what is printed of a text that is no HTML.
    pub(crate) fn encode(self, text: &str, out: &mut String) {
        if self == Encoding::Plain || text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return out.push_str(text);
        }
        match self {
            Encoding::Plain => {}
            // A String takes all that is written.
            Encoding::Html => drop(write!(out, "{}", HtmlEscape(text))),
            Encoding::Path => out.push_str(&path_encoded(text)),
            Encoding::Query => out.push_str(&percent_encoded(text)),
        }
    }
}

/// The encodings of what a template without statements prints, in order. `None` = it stands where more than the value decides
/// what is printed.
pub(crate) fn encodings(source: &str) -> Result<Vec<Option<Encoding>>, TemplateError> {
    let pieces = pieces(source);
    let outputs = Finder::new(source, &pieces).outputs()?;
    let encoding = |output: &Output| match output.place {
        _ if output.is_whole_value => None,
        Place::Text | Place::Quoted => Some(Encoding::Html),
        Place::Path => Some(Encoding::Path),
        Place::Query => Some(Encoding::Query),
        Place::Unquoted | Place::Name | Place::Css(_) | Place::CssUrl(_) | Place::Doubtful => None,
    };
    Ok(outputs.values().map(encoding).collect())
}

/// Whether the whole of an expression is a value with `safe` as its last filter.
fn is_marked(tokens: &[Spanned<'_>]) -> bool {
    let [rest @ .., pipe, last] = tokens else {
        return false;
    };
    let mut depth = 0usize;
    let is_one_value = rest.iter().all(|token| {
        match token.token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                depth = depth.saturating_sub(1);
            }
            Token::Ident("if" | "else" | "and" | "or" | "not" | "in" | "is") => return depth > 0,
            Token::Ident(_) | Token::Str(_) | Token::String(_) | Token::Dot | Token::Pipe => {}
            _ => return depth > 0,
        }
        true
    });
    is_one_value && matches!(pipe.token, Token::Pipe) && last.name() == Some("safe")
}

/// Adds the filters that `with_encodings` writes, and the authors' `urlencode`.
pub(crate) fn add_filters(env: &mut Environment<'_>) {
    let mut add = |name, plain: fn(&str) -> String, safe: fn(&str) -> String| {
        env.add_filter(name, move |engine: &mut Engine, value: &Value| {
            encode(engine, value, plain, safe)
        });
    };
    add(QUOTED, |text| HtmlEscape(text).to_string(), quoted);
    add(
        UNQUOTED,
        |text| tag_encoded(text, b"&"),
        |text| tag_encoded(text, b""),
    );
    add(
        NAME,
        |text| tag_encoded(text, b"&/"),
        |text| tag_encoded(text, b"/"),
    );
    add(PATH, path_encoded, |html| reencoded(html, path_encoded));
    add(QUERY, percent_encoded, |html| {
        reencoded(html, percent_encoded)
    });
    add(URL, percent_encoded, url_normalized);
    add(CSS, css_encoded, |html| css_encoded(&plain(html)));
    add(BARE_CSS, bare_css_encoded, |html| {
        bare_css_encoded(&plain(html))
    });
    add(CSS_URL, css_url_encoded, |html| {
        css_url_encoded(&plain(html))
    });
    add(RAW_CSS, css_encoded, |css| css.replace('<', "\\3c "));
    add("urlencode", percent_encoded, |html| {
        percent_encoded(&plain(html))
    });
    env.add_filter(OR_QUOTES, |value: &Value| match value.as_str() {
        Some("") => Value::from_safe_string("\"\"".to_owned()),
        _ => value.clone(),
    });
}

/// Bounds the time of reading: a step is a state or a piece that is looked at, about 0.1 µs. An ordinary mail of 100 kB takes
/// some 200,000; loops in loops in odd places multiply them.
const STEPS: usize = 2_500_000;

/// In how many places one value may stand. Ordinary mails have less than ten.
const MAX_STATES: usize = 200;

/// Finds the places of the values.
struct Finder<'a> {
    source: &'a str,
    pieces: &'a [Piece<'a>],
    /// Where the tokenizer may be.
    states: Vec<State>,
    /// Blocks that are open.
    open: Vec<Block>,
    has_foreign: bool,
    /// States that one more value does not change.
    settled: Vec<State>,
    /// What is left of STEPS.
    steps: usize,
    /// By piece.
    outputs: BTreeMap<usize, Output>,
}

struct Output {
    place: Place,
    /// Nothing of the value stands before it.
    is_whole_value: bool,
}

/// A block of statements.
struct Block {
    kind: BlockKind,
    /// Its first piece.
    at: usize,
    /// The states where it begins: for a loop, in any round.
    entry: Vec<State>,
    /// Those where branches before this one ended.
    ends: Vec<State>,
    has_else: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockKind {
    If,
    For,
    /// A loop that is called from inside.
    Recursion,
    /// What it makes is printed elsewhere.
    Set,
    /// What it makes is printed here, changed.
    Print,
    Other,
}

impl BlockKind {
    fn of(tokens: &[Spanned<'_>]) -> Option<BlockKind> {
        let has_name = |name| tokens.last().is_some_and(|last| last.name() == Some(name));
        Some(match tokens.first()?.name()? {
            "if" => BlockKind::If,
            "for" if has_name("recursive") => BlockKind::Recursion,
            "for" => BlockKind::For,
            "macro" => BlockKind::Set,
            "set" if !is_assignment(tokens) => BlockKind::Set,
            "call" | "filter" => BlockKind::Print,
            "autoescape" | "with" => BlockKind::Other,
            _ => return None,
        })
    }
}

/// `{% set a = … %}`, and not `{% set a|filter(b=…) %}`.
fn is_assignment(tokens: &[Spanned<'_>]) -> bool {
    (tokens.iter())
        .take_while(|token| !matches!(token.token, Token::Pipe))
        .any(Spanned::is_assignment)
}

impl<'a> Finder<'a> {
    fn new(source: &'a str, pieces: &'a [Piece<'a>]) -> Finder<'a> {
        let lower = source.to_ascii_lowercase();
        Finder {
            source,
            pieces,
            states: vec![State::text()],
            open: Vec::new(),
            has_foreign: lower.contains("<svg") || lower.contains("<math"),
            settled: Vec::new(),
            steps: STEPS,
            outputs: BTreeMap::new(),
        }
    }

    fn outputs(mut self) -> Result<BTreeMap<usize, Output>, TemplateError> {
        let pieces = self.pieces;
        let mut at = 0;
        while let Some(piece) = pieces.get(at) {
            match piece {
                Piece::Literal(text) => {
                    let source = self.source;
                    for byte in source[text.clone()].bytes() {
                        self.step(text.start, |state, mode, next| state.feed(byte, mode, next))?;
                    }
                }
                Piece::Output(tokens) => {
                    let start = tokens.first().map_or(0, |token| token.at.start);
                    self.output(at, start)?;
                    self.print(start)?;
                }
                Piece::Statement(tokens) => {
                    if let Some(loop_start) = self.statement(at, tokens)? {
                        at = loop_start;
                    }
                }
            }
            at += 1;
        }
        Ok(self.outputs)
    }

    fn step(
        &mut self,
        offset: usize,
        step: impl Fn(State, Mode, &mut Vec<State>),
    ) -> Result<(), TemplateError> {
        let mode = Mode {
            is_captured: (self.open.iter())
                .any(|block| matches!(block.kind, BlockKind::Set | BlockKind::Print)),
            has_foreign: self.has_foreign,
        };
        let mut next = Vec::with_capacity(self.states.len());
        for state in self.states.drain(..) {
            step(state, mode, &mut next);
        }
        let steps = next.len();
        next.sort_unstable();
        next.dedup();
        self.states = next;
        self.spend(offset, steps)
    }

    fn print(&mut self, offset: usize) -> Result<(), TemplateError> {
        if self.states == self.settled {
            return Ok(());
        }
        let before = self.states.clone();
        self.step(offset, |state, _, next| state.print(next))?;
        if self.states == before {
            self.settled = before;
        }
        Ok(())
    }

    fn spend(&mut self, offset: usize, steps: usize) -> Result<(), TemplateError> {
        match self.steps.checked_sub(steps) {
            Some(left) if self.states.len() <= MAX_STATES => {
                self.steps = left;
                Ok(())
            }
            _ => Err(self.refused(
                offset,
                "its blocks and values are in too many places of the HTML at once",
                "Put whole elements into blocks, and values into text or into attributes in quotes.",
            )),
        }
    }

    fn output(&mut self, piece: usize, offset: usize) -> Result<(), TemplateError> {
        self.spend(offset, 1 + self.states.len())?;
        let mut joined: Option<Place> = None;
        for state in &self.states {
            let Ok(place) = state.place() else {
                return Err(self.refused(
                    offset,
                    "a value stands in a script, where no encoding makes it safe",
                    "Mail programs run no scripts: leave it out.",
                ));
            };
            joined = Some(joined.map_or(place, |joined| joined.join(place)));
        }
        let place = joined.unwrap_or(Place::Doubtful);
        let is_whole_value = (self.states.iter()).all(|s| matches!(s, State::BeforeValue(..)));
        self.outputs
            .entry(piece)
            .and_modify(|output| {
                output.place = output.place.join(place);
                output.is_whole_value &= is_whole_value;
            })
            .or_insert(Output {
                place,
                is_whole_value,
            });
        Ok(())
    }

    /// Returns the piece at which a loop begins whose next round may begin elsewhere.
    fn statement(
        &mut self,
        at: usize,
        tokens: &[Spanned<'_>],
    ) -> Result<Option<usize>, TemplateError> {
        let offset = tokens.first().map_or(0, |token| token.at.start);
        let around = self.open.last();
        let held = around.map_or(0, |block| block.entry.len() + block.ends.len());
        self.spend(offset, 1 + self.states.len() + held)?;
        if let Some(kind) = BlockKind::of(tokens) {
            let entry = self.states.clone();
            let is_text = |state: &State| state.place() == Ok(Place::Text);
            if kind == BlockKind::Print && !entry.iter().all(is_text) {
                return Err(self.refused(
                    offset,
                    "what this block makes is printed inside a tag or a URL",
                    "Set a variable, and print it there: {% set x %}…{% endset %}.",
                ));
            }
            if matches!(kind, BlockKind::Set | BlockKind::Print) {
                self.states = vec![State::text()];
            }
            self.open.push(Block {
                kind,
                at,
                entry,
                ends: Vec::new(),
                has_else: false,
            });
            return Ok(None);
        }
        let name = tokens.first().and_then(Spanned::name).unwrap_or_default();
        if !(matches!(name, "elif" | "else") || name.starts_with("end")) {
            return Ok(None);
        }
        let Some(mut block) = self.open.pop() else {
            return Ok(None);
        };
        let is_loop = matches!(block.kind, BlockKind::For | BlockKind::Recursion);
        if is_loop && !block.has_else && !is_in(&self.states, &block.entry) {
            if block.kind == BlockKind::Recursion {
                return Err(self.unbalanced(offset));
            }
            add(&mut block.entry, &self.states);
            self.states.clone_from(&block.entry);
            let start = block.at;
            self.open.push(block);
            return Ok(Some(start));
        }
        if matches!(name, "elif" | "else") {
            add(&mut block.ends, &self.states);
            self.states.clone_from(&block.entry);
            block.has_else |= name == "else";
            self.open.push(block);
            return Ok(None);
        }
        match block.kind {
            BlockKind::If | BlockKind::For | BlockKind::Recursion => {
                add(&mut self.states, &block.ends);
                if !block.has_else {
                    add(&mut self.states, &block.entry);
                }
            }
            BlockKind::Set | BlockKind::Print => {
                if !self.states.iter().all(State::is_text) {
                    return Err(self.unbalanced(offset));
                }
                self.states = block.entry;
                if block.kind == BlockKind::Print {
                    add(&mut self.states, &[State::text()]);
                }
            }
            BlockKind::Other => {}
        }
        Ok(None)
    }

    fn unbalanced(&self, offset: usize) -> TemplateError {
        self.refused(
            offset,
            "what this block makes ends inside a tag, a comment or an element without markup",
            "Close in the block what it opens.",
        )
    }

    fn refused(&self, offset: usize, message: &str, hint: &str) -> TemplateError {
        let (line, column) = position(self.source, offset);
        TemplateError {
            part: Part::Html,
            line,
            column,
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        }
    }
}

/// Both are sorted.
fn is_in(some: &[State], all: &[State]) -> bool {
    some.iter().all(|state| all.binary_search(state).is_ok())
}

fn add(states: &mut Vec<State>, more: &[State]) {
    states.extend_from_slice(more);
    states.sort_unstable();
    states.dedup();
}

/// `safe` = the encoding of what is HTML already, or marked by its author.
fn encode(
    engine: &mut Engine<'_, '_>,
    value: &Value,
    plain: fn(&str) -> String,
    safe: fn(&str) -> String,
) -> Result<Value, Error> {
    if value.is_undefined() {
        // Lets `{{ a if b }}` without an else through, as the engine does, and refuses a missing variable.
        return engine.apply_filter("lower", std::slice::from_ref(value));
    }
    refuse_null(value)?;
    let encoded = match (value.as_str(), value.is_safe()) {
        (Some(text), true) => safe(text),
        (Some(text), false) => plain(text),
        (None, _) => plain(&value.to_string()),
    };
    engine.consume_fuel(encoded.len() as u64 / 64)?;
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

/// The text that HTML stands for.
pub(crate) fn plain(html: &str) -> String {
    if html.contains('&') {
        decoded(html)
    } else {
        html.to_owned()
    }
}

/// A part of a URL made of HTML. The result of `urlencode` stays, also by way of a block that is set.
fn reencoded(html: &str, encoded: fn(&str) -> String) -> String {
    let bytes = html.as_bytes();
    let is_encoded = (0..bytes.len()).all(|i| match bytes[i] {
        b'%' => (bytes.get(i + 1..i + 3)).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        byte => is_unreserved(byte),
    });
    if is_encoded {
        html.to_owned()
    } else {
        encoded(&plain(html))
    }
}

/// All but the unreserved characters of RFC 3986 section 2.3.
fn percent_encoded(text: &str) -> String {
    escaped(text, |byte| !is_unreserved(byte), percent)
}

/// Also keeps what a path has, and what begins no query.
fn path_encoded(text: &str) -> String {
    let kept = |byte: u8| is_unreserved(byte) || b"/:@+,".contains(&byte);
    escaped(text, |byte| !kept(byte), percent)
}

/// Characters that no URL contains are encoded; what is encoded already, and separators, stay.
fn url_normalized(text: &str) -> String {
    let kept = |byte: u8| is_unreserved(byte) || b"%:/?#[]@!$&()*+,;=".contains(&byte);
    escaped(text, |byte| !kept(byte), percent)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Keeps what a colour, a length, a family of fonts or a list of them has (CSS Syntax 4.3.7 on escapes).
fn css_encoded(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._,#%+ ".contains(&byte);
    escaped(
        text,
        |byte| byte.is_ascii() && !kept(byte),
        // The blank ends the escape.
        |byte| format!("\\{byte:x} "),
    )
}

fn bare_css_encoded(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._,#%+".contains(&byte);
    escaped(text, |byte| byte.is_ascii() && !kept(byte), css_escape)
}

fn css_url_encoded(url: &str) -> String {
    let kept = |byte: u8| is_unreserved(byte) || b":/?=%#@+,".contains(&byte);
    escaped(url, |byte| byte.is_ascii() && !kept(byte), css_escape)
}

fn css_escape(byte: u8) -> String {
    format!("\\{byte:06x}")
}

/// References for all that ends a quoted attribute or begins a tag.
fn quoted(html: &str) -> String {
    escaped(html, |byte| b"\"'<>".contains(&byte), reference)
}

/// References for all that ends or changes a value without quotes (WHATWG HTML 13.1.2.3), and for others.
fn tag_encoded(text: &str, others: &[u8]) -> String {
    let special = |byte: u8| byte <= b' ' || b"\"'<>=`".contains(&byte) || others.contains(&byte);
    escaped(text, special, reference)
}

fn reference(byte: u8) -> String {
    format!("&#{byte};")
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
