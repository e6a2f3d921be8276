//! Templates: checked when they are saved, compiled once per version, rendered once per recipient.

use std::collections::BTreeSet;
use std::fmt;

use minijinja::machinery::Token;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, escape_formatter};
use serde_json::Map;

use crate::bounds;
use crate::context;
use crate::css;
use crate::filters;
use crate::images;
use crate::tags::{Piece, Spanned, pieces, position};
use crate::text;
use crate::values;

/// Variables that every template may use, besides the declared ones.
const STANDARD: [&str; 4] = ["email", "first_name", "name", "unsubscribe_url"];

/// Those of them that are what they are, whatever the audience says.
const OWN: [&str; 2] = ["email", "unsubscribe_url"];

/// Bounds time and size of one rendered part: a unit is an instruction or 64 bytes of text, so about 1.2 MB.
const FUEL: u64 = 20_000;

/// Of one value, in bytes: reading it is not accounted for, only printing it.
const MAX_VALUE: usize = 64 << 10;

/// Depth of macros and recursive loops. How templates are read, and how deep they call themselves, fits a stack of 1 MiB, also without
/// optimisation: tokio's threads have 2, a backend of PostgreSQL about 8.
const RECURSION: usize = 64;

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Subject,
    Html,
    Text,
}

impl Part {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Part::Subject => "subject",
            Part::Html => "html",
            Part::Text => "text",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an author writes.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub subject: &'a str,
    pub html: &'a str,
    /// `None` = the text part is made from the HTML.
    pub text: Option<&'a str>,
    /// Declared variables, besides the standard ones.
    pub variables: &'a [String],
}

/// Why a template cannot be compiled. Line and column count from 1, the column in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}, line {line}, column {column}: {message}")]
pub struct TemplateError {
    pub part: Part,
    pub line: usize,
    pub column: usize,
    pub message: String,
    /// What the author may have meant.
    pub hint: Option<String>,
}

/// Why a message cannot be made for one recipient. Holds no value of a variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}, line {line}: {message}")]
pub struct RenderError {
    pub part: Part,
    /// From 1.
    pub line: usize,
    pub message: String,
}

/// The parts of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line without control characters.
    pub subject: String,
    pub html: String,
    pub text: String,
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    pub email: &'a str,
    /// `None` = there is no such page.
    pub unsubscribe_url: Option<&'a str>,
    /// Values of the other variables: texts, numbers, truth values. A null counts as missing, and a variable that is missing
    /// where it is printed is an error.
    pub vars: &'a Map<String, serde_json::Value>,
}

impl Recipient<'_> {
    fn context(&self) -> Value {
        let own = [
            ("email", Some(Value::from(self.email))),
            ("unsubscribe_url", self.unsubscribe_url.map(context::url)),
        ];
        Value::from_pairs(
            (self.vars.iter())
                .filter(|(name, value)| !value.is_null() && !OWN.contains(&name.as_str()))
                .map(|(name, value)| (name.as_str(), Value::from(Serde(value))))
                .chain(
                    own.into_iter()
                        .filter_map(|(name, value)| Some((name, value?))),
                ),
        )
    }
}

/// A compiled template.
pub struct Template {
    env: Environment<'static>,
    has_text: bool,
    used: Vec<String>,
}

/// What is wrong with a template that is to be saved: it does not compile, or it cannot be sent as it is.
pub fn check(source: &Source<'_>) -> Result<(), TemplateError> {
    Template::compile(source)?;
    images::check(source.html)?;
    css::inlined(source.html).map(drop)
}

impl Template {
    /// Checks the syntax of all parts, and that they use no variable, filter or test that does not exist.
    pub fn compile(source: &Source<'_>) -> Result<Template, TemplateError> {
        let mut env = environment();
        let mut used = BTreeSet::new();
        let parts = [
            (Part::Subject, Some(source.subject)),
            (Part::Html, Some(source.html)),
            (Part::Text, source.text),
        ];
        for (part, text) in parts {
            let Some(text) = text else { continue };
            bounds::check(part, text)?;
            env.add_template_owned(part.as_str(), text.to_owned())
                .map_err(|error| syntax_error(part, text, &error))?;
            let read = undeclared(&env, part);
            check_names(&env, part, text, &read, source.variables)?;
            values::check(part, text)?;
            used.extend(read);
        }
        let failed = |error: minijinja::Error| TemplateError {
            part: Part::Html,
            line: 1,
            column: 1,
            message: error.to_string(),
            hint: None,
        };
        env.add_template_owned(Part::Html.as_str(), context::with_encodings(source.html)?)
            .map_err(failed)?;
        Ok(Template {
            env,
            has_text: source.text.is_some(),
            used: used.into_iter().collect(),
        })
    }

    /// The variables that the parts read, sorted.
    pub fn used(&self) -> &[String] {
        &self.used
    }

    /// Renders the parts for one recipient.
    pub fn render(&self, to: &Recipient<'_>) -> Result<Rendered, RenderError> {
        let context = self.context(Part::Subject, to)?;
        let subject = self.part(Part::Subject, &context)?;
        let html = self.part(Part::Html, &context)?;
        let text = if self.has_text {
            self.part(Part::Text, &context)?
        } else {
            text::from_html(&html).map_err(|message| RenderError {
                part: Part::Text,
                line: 1,
                message,
            })?
        };
        Ok(Rendered {
            subject: one_line(&subject),
            html,
            text,
        })
    }

    /// The HTML part alone.
    pub fn html(&self, to: &Recipient<'_>) -> Result<String, RenderError> {
        self.part(Part::Html, &self.context(Part::Html, to)?)
    }

    /// What the parts read, `part` first.
    fn context(&self, part: Part, to: &Recipient<'_>) -> Result<Value, RenderError> {
        let is_long = |name: &&String| {
            let value = to.vars.get(*name).and_then(serde_json::Value::as_str);
            value.is_some_and(|value| value.len() > MAX_VALUE)
        };
        match self.used.iter().find(is_long) {
            None => Ok(to.context()),
            Some(name) => Err(RenderError {
                part,
                line: 1,
                message: format!("the value of {name} has more than {} kB", MAX_VALUE >> 10),
            }),
        }
    }

    /// A part as the engine makes it: a subject may have several lines.
    pub(crate) fn raw_part(&self, part: Part, to: &Recipient<'_>) -> Result<String, RenderError> {
        self.part(part, &self.context(part, to)?)
    }

    fn part(&self, part: Part, context: &Value) -> Result<String, RenderError> {
        self.env
            .get_template(part.as_str())
            .and_then(|template| template.render(context.clone()))
            .map_err(|error| RenderError {
                part,
                line: error.line().unwrap_or(1),
                message: self.with_missing(&error, context),
            })
    }

    /// The engine does not say which variable is undefined.
    fn with_missing(&self, error: &minijinja::Error, context: &Value) -> String {
        let missing: Vec<&str> = self
            .used
            .iter()
            .map(String::as_str)
            .filter(|name| {
                context
                    .get_attr(name)
                    .is_ok_and(|value| value.is_undefined())
            })
            .collect();
        let message = describe(error);
        if error.kind() == ErrorKind::UndefinedError && !missing.is_empty() {
            return format!("{message} (without a value: {})", missing.join(", "));
        }
        message
    }
}

/// Control characters and line breaks, which would begin a new header, become one space.
pub(crate) fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut parts = text
        .split(breaks)
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut line = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        line.push(' ');
        line.push_str(part);
    }
    line
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_debug(false);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(RECURSION);
    env.set_auto_escape_callback(|name| {
        if name == Part::Html.as_str() {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    env.set_formatter(|out, state, value| {
        context::refuse_null(value)?;
        escape_formatter(out, state, value)
    });
    // They would print the values of all variables, or build what no message needs; a namespace can hold itself, and has then
    // no end.
    env.remove_global("debug");
    env.remove_global("dict");
    env.remove_global("namespace");
    for filter in values::NOT_THERE {
        env.remove_filter(filter);
    }
    // They read a text of megabytes for the fuel of one instruction.
    env.remove_test("lower");
    env.remove_test("upper");
    filters::add(&mut env);
    context::add_filters(&mut env);
    env
}

/// Names that a part reads and does not set itself.
fn undeclared(env: &Environment<'_>, part: Part) -> BTreeSet<String> {
    env.get_template(part.as_str())
        .map(|template| template.undeclared_variables(false))
        .unwrap_or_default()
        .into_iter()
        .filter(|name| env.globals().all(|(global, _)| global != name))
        .collect()
}

fn check_names(
    env: &Environment<'_>,
    part: Part,
    source: &str,
    read: &BTreeSet<String>,
    declared: &[String],
) -> Result<(), TemplateError> {
    let allowed: BTreeSet<&str> = STANDARD
        .into_iter()
        .chain(declared.iter().map(String::as_str))
        .collect();
    let unknown: BTreeSet<&str> = read
        .iter()
        .map(String::as_str)
        .filter(|name| !allowed.contains(name))
        .collect();
    for piece in pieces(source) {
        let (Piece::Output(tokens) | Piece::Statement(tokens)) = &piece else {
            continue;
        };
        for (i, token) in tokens.iter().enumerate() {
            let Some(name) = token.name() else { continue };
            let before = i.checked_sub(1).and_then(|i| tokens.get(i));
            let message = if is_filter(&piece, before) {
                if !name.starts_with("__") && has_filter(env, name) {
                    continue;
                }
                format!("unknown filter `{name}`")
            } else if is_test(tokens, i) {
                if has_test(env, name) {
                    continue;
                }
                format!("unknown test `{name}`")
            } else if unknown.contains(name) && is_variable(before, tokens.get(i + 1)) {
                format!("unknown variable `{name}`")
            } else {
                continue;
            };
            let hint = message
                .starts_with("unknown variable")
                .then(|| suggestion(name, &allowed));
            let (line, column) = position(source, token.at.start);
            return Err(TemplateError {
                part,
                line,
                column,
                message,
                hint,
            });
        }
    }
    Ok(())
}

/// `| name`, or `{% filter name %}`.
fn is_filter(piece: &Piece<'_>, before: Option<&Spanned<'_>>) -> bool {
    before.is_some_and(|before| match before.token {
        Token::Pipe => true,
        Token::Ident("filter") => matches!(piece, Piece::Statement(_)),
        _ => false,
    })
}

/// `is name`, or `is not name`.
fn is_test(tokens: &[Spanned<'_>], i: usize) -> bool {
    let before = |n| (i.checked_sub(n)).and_then(|i| tokens.get(i)?.name());
    match before(1) {
        Some("is") => tokens[i].name() != Some("not"),
        Some("not") => before(2) == Some("is"),
        _ => false,
    }
}

/// Neither an attribute nor the name of an argument.
fn is_variable(before: Option<&Spanned<'_>>, after: Option<&Spanned<'_>>) -> bool {
    !before.is_some_and(|t| matches!(t.token, Token::Dot))
        && !after.is_some_and(|t| matches!(t.token, Token::Assign))
}

fn has_filter(env: &Environment<'_>, name: &str) -> bool {
    !matches!(env.empty_state().apply_filter(name, &[]), Err(error) if error.kind() == ErrorKind::UnknownFilter)
}

fn has_test(env: &Environment<'_>, name: &str) -> bool {
    !matches!(env.empty_state().perform_test(name, &[]), Err(error) if error.kind() == ErrorKind::UnknownTest)
}

fn suggestion(name: &str, allowed: &BTreeSet<&str>) -> String {
    let near = allowed
        .iter()
        .map(|other| (strsim::osa_distance(name, other), *other))
        .filter(|(distance, other)| *distance <= 2 && *distance < other.chars().count())
        .min();
    match near {
        Some((_, other)) => format!("Did you mean `{other}`?"),
        None => format!(
            "The variables are {}.",
            Vec::from_iter(allowed.iter().copied()).join(", ")
        ),
    }
}

fn syntax_error(part: Part, source: &str, error: &minijinja::Error) -> TemplateError {
    let (line, column) = match error.range() {
        Some(range) => position(source, range.start),
        None => (error.line().unwrap_or(1), 1),
    };
    TemplateError {
        part,
        line,
        column,
        message: describe(error),
        hint: None,
    }
}

fn describe(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}
