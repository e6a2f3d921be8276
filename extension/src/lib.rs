//! The extension `pg_campaign`: the SQL of `sql/`, and the leaves of the crate `message` that it calls.
//!
//! Leaves take and return values only. They read no table and run no query, and SQLSTATEs of the domain (`CPxxx`) are
//! raised in SQL, because pgrx knows only PostgreSQL's own.

#![expect(
    clippy::result_large_err,
    reason = "pgrx keeps the SQLSTATE of an unboxed ErrorReport only"
)]

use message::reply::{Answer, Phase};
use message::template::{self, Recipient, Source, Template, TemplateError};
use message::token::{Key, Kind, Token};
use message::verdict::{RuleRow, Rules};
use message::{address, agent, css, header, links};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{JsonB, function_name};
use serde_json::{Map, Value, json};

::pgrx::pg_module_magic!(name, version);

// The foot of the chain: leaves are created before the first file of `sql/`.
extension_sql!(
    "",
    name = "leaves",
    requires = [
        fold_address,
        check_header,
        check_template,
        template_variables,
        inline_css,
        render,
        link_url,
        link_count,
        check_smtp_rule,
        judge_reply,
        read_token,
        token_is_genuine,
        make_token,
        judge_agent
    ]
);
include!(concat!(env!("OUT_DIR"), "/install.rs"));

/// The address as duplicates are found by (trimmed, lower-case, IDNA domain); null where no mail can be delivered to it.
// Without a search_path, which it does not use: to set one takes four times as long as what it does, and it is called for each recipient.
#[pg_extern(name = "_fold_address", immutable, strict, parallel_safe)]
fn fold_address(address: &str) -> Option<String> {
    address::fold(address)
}

/// What is wrong with a header field of the sender's own, in words; null if it can be sent.
#[pg_extern(name = "_check_header", immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn check_header(name: &str, value: &str) -> Option<&'static str> {
    header::fault(name, value)
}

/// What is wrong with a template, as `{part, line, column, message, hint}` (counted from 1); null if it is sound.
#[pg_extern(name = "_check_template", immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn check_template(
    subject: Option<&str>,
    html: Option<&str>,
    body_text: Option<&str>,
    variables: Option<Vec<Option<String>>>,
) -> Result<Option<JsonB>, ErrorReport> {
    let variables = names(variables)?;
    let source = source(subject, html, body_text, &variables)?;
    Ok(template::check(&source).err().map(|error| {
        JsonB(json!({
            "part": error.part.to_string(),
            "line": error.line,
            "column": error.column,
            "message": error.message,
            "hint": error.hint,
        }))
    }))
}

/// The HTML of a template as it is sent: the rules of its style elements also stand in the elements that they speak of. Error 22023 if
/// that cannot be done; _check_template says so before.
#[pg_extern(name = "_inline_css", immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn inline_css(html: &str) -> Result<String, ErrorReport> {
    css::inlined(html).map_err(not_sound)
}

/// The sorted names of the variables that a template reads. Error 22023 if it is not sound.
#[pg_extern(name = "_template_variables", immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn template_variables(
    subject: Option<&str>,
    html: Option<&str>,
    body_text: Option<&str>,
    variables: Option<Vec<Option<String>>>,
) -> Result<Vec<String>, ErrorReport> {
    let variables = names(variables)?;
    let template = compile(&source(subject, html, body_text, &variables)?)?;
    Ok(template.used().to_vec())
}

/// A template as one recipient gets it, its links as the author wrote them. unsubscribe_url: null if there is none. Error 22023 if the
/// template is not sound, or if a variable that it reads has no value.
#[pg_extern(name = "_render", immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn render(
    subject: Option<&str>,
    html: Option<&str>,
    body_text: Option<&str>,
    variables: Option<Vec<Option<String>>>,
    email: Option<&str>,
    unsubscribe_url: Option<&str>,
    vars: Option<JsonB>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(subject, String),
            name!(html, String),
            name!(text, String),
        ),
    >,
    ErrorReport,
> {
    let variables = names(variables)?;
    let template = compile(&source(subject, html, body_text, &variables)?)?;
    let rendered = template
        .render(&Recipient {
            email: required("email", email)?,
            unsubscribe_url,
            vars: &object("vars", vars)?,
        })
        .map_err(|error| {
            invalid("the template cannot be rendered").set_detail(error.to_string())
        })?;
    Ok(TableIterator::once((
        rendered.subject,
        rendered.html,
        rendered.text,
    )))
}

/// The URL behind link number n, from 1, of the message that one recipient got; null if it has none. html: as in template_version.
/// unsubscribe_url: any that begins with public_url. Error 22023 as _render.
#[pg_extern(name = "_link_url", immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn link_url(
    html: Option<&str>,
    variables: Option<Vec<Option<String>>>,
    email: Option<&str>,
    unsubscribe_url: Option<&str>,
    vars: Option<JsonB>,
    public_url: Option<&str>,
    link: Option<i32>,
) -> Result<Option<String>, ErrorReport> {
    let html = html_of(html, variables, email, unsubscribe_url, vars)?;
    let link = usize::try_from(required("link", link)?).unwrap_or_default();
    links::url(&html, required("public_url", public_url)?, link).map_err(no_links)
}

/// How many links the message has that one recipient got. Arguments and errors as of _link_url.
#[pg_extern(name = "_link_count", immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn link_count(
    html: Option<&str>,
    variables: Option<Vec<Option<String>>>,
    email: Option<&str>,
    unsubscribe_url: Option<&str>,
    vars: Option<JsonB>,
    public_url: Option<&str>,
) -> Result<i32, ErrorReport> {
    let html = html_of(html, variables, email, unsubscribe_url, vars)?;
    let count = links::count(&html, required("public_url", public_url)?).map_err(no_links)?;
    i32::try_from(count).map_err(|error| no_links(error.to_string()))
}

/// The HTML part that one recipient got, before its links were rewritten.
fn html_of(
    html: Option<&str>,
    variables: Option<Vec<Option<String>>>,
    email: Option<&str>,
    unsubscribe_url: Option<&str>,
    vars: Option<JsonB>,
) -> Result<String, ErrorReport> {
    let variables = names(variables)?;
    let template = compile(&source(Some(""), html, Some(""), &variables)?)?;
    template
        .html(&Recipient {
            email: required("email", email)?,
            unsubscribe_url,
            vars: &object("vars", vars)?,
        })
        .map_err(|error| no_links(error.to_string()))
}

fn no_links(why: String) -> ErrorReport {
    invalid("the links cannot be found").set_detail(why)
}

/// What is wrong with a rule about SMTP replies, in words; null if it is sound.
#[pg_extern(name = "_check_smtp_rule", immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn check_smtp_rule(
    phase: Option<&str>,
    code: Option<&str>,
    enhanced: Option<&str>,
    reply: Option<&str>,
    verdict: Option<&str>,
) -> Result<Option<String>, ErrorReport> {
    let row = RuleRow {
        id: 0,
        phase: phase.map(str::to_owned),
        code: code.map(str::to_owned),
        enhanced: enhanced.map(str::to_owned),
        reply: reply.map(str::to_owned),
        verdict: required("verdict", verdict)?.to_owned(),
        class: String::new(),
    };
    let error = Rules::compile(&[row]).err();
    Ok(error.map(|error| format!("{}: {}", error.column, error.reason)))
}

/// What rules say of a reply that comes in a phase; null: no reply comes. No row: there is no such phase, or it is no reply.
#[expect(clippy::type_complexity, reason = "pgrx reads the columns off it")]
#[pg_extern(name = "_judge_reply", immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn judge_reply(
    phase: Option<&str>,
    reply: Option<&str>,
    rules: Option<JsonB>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(verdict, &'static str),
            name!(class, Option<String>),
            name!(rule, Option<i64>),
        ),
    >,
    ErrorReport,
> {
    let rows: Vec<RuleRow> = serde_json::from_value(required("rules", rules)?.0)
        .map_err(|error| invalid("these are no rules").set_detail(error.to_string()))?;
    let rules = Rules::compile(&rows).map_err(|error| invalid(error.to_string()))?;
    let answer = reply.map(Answer::read);
    let (Ok(phase), None | Some(Some(_))) = (required("phase", phase)?.parse::<Phase>(), &answer)
    else {
        return Ok(TableIterator::new([]));
    };
    let judgement = rules.judge(phase, answer.flatten().as_ref());
    Ok(TableIterator::once((
        judgement.verdict.as_str(),
        judgement.class,
        judgement.rule,
    )))
}

/// What a token of a link says, whoever made it; no row: it is no token. kind: open, click or unsubscribe; link: of a click.
#[pg_extern(name = "_read_token", immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn read_token(
    token: &str,
) -> TableIterator<
    'static,
    (
        name!(kind, &'static str),
        name!(key_id, i32),
        name!(job_no, i64),
        name!(pos, i64),
        name!(link, Option<i32>),
    ),
> {
    let row = Token::parse(token).and_then(|unverified| {
        let token = unverified.token;
        let (kind, link) = match token.kind {
            Kind::Open => ("open", None),
            Kind::Click { link } => ("click", Some(i32::try_from(link).ok()?)),
            Kind::Unsubscribe => ("unsubscribe", None),
        };
        Some((
            kind,
            i32::try_from(token.key_id).ok()?,
            i64::try_from(token.job_no).ok()?,
            i64::try_from(token.pos).ok()?,
            link,
        ))
    });
    TableIterator::new(row)
}

/// Whether a token was signed with a secret, compared in constant time. A secret has 32 bytes or more.
#[pg_extern(name = "_token_is_genuine", immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn token_is_genuine(token: &str, secret: &[u8]) -> bool {
    match (Token::parse(token), Key::new(secret)) {
        (Some(token), Some(key)) => token.is_genuine(&key),
        _ => false,
    }
}

/// A token that opens a message or unsubscribes its recipient, signed. Error 22023 for another kind, a number below zero or a secret
/// of less than 32 bytes.
#[pg_extern(name = "_make_token", immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn make_token(
    kind: &str,
    key_id: i32,
    job_no: i64,
    pos: i64,
    secret: &[u8],
) -> Result<String, ErrorReport> {
    let kind = match kind {
        "open" => Kind::Open,
        "unsubscribe" => Kind::Unsubscribe,
        _ => return Err(invalid("kind must be open or unsubscribe")),
    };
    let key = Key::new(secret).ok_or_else(|| invalid("secret must have 32 bytes or more"))?;
    let negative = |_| invalid("a token's numbers are not negative");
    let token = Token {
        kind,
        key_id: key_id.try_into().map_err(negative)?,
        job_no: job_no.try_into().map_err(negative)?,
        pos: pos.try_into().map_err(negative)?,
    };
    Ok(token.sign(&key))
}

/// Who a header User-Agent stands for; null: the request had none. family: name of the program, or unknown. agent: human, google_proxy,
/// yahoo_proxy, apple_mpp, google_prefetch or scanner.
#[pg_extern(name = "_judge_agent", immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn judge_agent(
    user_agent: Option<&str>,
) -> TableIterator<'static, (name!(family, String), name!(agent, &'static str))> {
    let agent = agent::judge(user_agent);
    TableIterator::once((agent.family, agent.kind.as_str()))
}

fn source<'a>(
    subject: Option<&'a str>,
    html: Option<&'a str>,
    text: Option<&'a str>,
    variables: &'a [String],
) -> Result<Source<'a>, ErrorReport> {
    let (subject, html) = (required("subject", subject)?, required("html", html)?);
    Ok(Source {
        subject,
        html,
        text,
        variables,
    })
}

fn names(variables: Option<Vec<Option<String>>>) -> Result<Vec<String>, ErrorReport> {
    let variables = required("variables", variables)?;
    variables
        .into_iter()
        .map(|name| required("a name in variables", name))
        .collect()
}

fn compile(source: &Source<'_>) -> Result<Template, ErrorReport> {
    Template::compile(source).map_err(not_sound)
}

fn not_sound(error: TemplateError) -> ErrorReport {
    let report = invalid("the template is not sound").set_detail(error.to_string());
    match error.hint {
        Some(hint) => report.set_hint(hint),
        None => report,
    }
}

fn object(what: &str, value: Option<JsonB>) -> Result<Map<String, Value>, ErrorReport> {
    match required(what, value)?.0 {
        Value::Object(object) => Ok(object),
        _ => Err(invalid(format!("{what} must be a JSON object"))),
    }
}

fn required<T>(what: &str, value: Option<T>) -> Result<T, ErrorReport> {
    value.ok_or_else(|| invalid(format!("{what} must not be null")))
}

fn invalid(message: impl Into<String>) -> ErrorReport {
    let code = PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE;
    ErrorReport::new(code, message.into(), function_name!())
}
