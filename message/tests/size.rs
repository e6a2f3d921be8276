//! How large the tree of a document may become, for those who read it: the inliner of CSS, and the conversion to text.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use message::css::inlined;
use message::template::{Recipient, RenderError, Source, Template, TemplateError};
use serde_json::Map;

fn with_css(html: &str) -> String {
    format!("<style>b{{color:red}}</style>{html}")
}

fn text(html: &str) -> Result<String, RenderError> {
    let source = Source {
        subject: "s",
        html,
        text: None,
        variables: &[],
    };
    let recipient = Recipient {
        email: "a@example.com",
        unsubscribe_url: None,
        vars: &Map::new(),
    };
    let template = Template::compile(&source).unwrap();
    Ok(template.render(&recipient)?.text)
}

/// `read` on a stack of 1 MiB, in a time that is no square of the length.
fn bounded<T: Send + 'static>(html: &str, read: fn(&str) -> T) -> T {
    let owned = html.to_owned();
    let begun = Instant::now();
    let on_small_stack = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || read(&owned));
    let result = on_small_stack.unwrap().join().unwrap();
    let took = begun.elapsed();
    assert!(took.as_secs() < 8, "{took:?} for {html:.60}");
    result
}

fn inlined_on_a_small_stack(html: &str) -> Result<String, TemplateError> {
    bounded(html, |html| inlined(&with_css(html)))
}

fn text_on_a_small_stack(html: &str) -> Result<String, RenderError> {
    bounded(html, text)
}

fn assert_refused(html: &str, why: &str) {
    let error = inlined_on_a_small_stack(html).unwrap_err();
    assert!(error.message.contains(why), "{html:.60}: {error}");
    assert!(error.hint.unwrap().contains("data-css-inline"));
    assert_needs_text(html, why);
}

fn assert_needs_text(html: &str, why: &str) {
    let error = text_on_a_small_stack(html).unwrap_err();
    assert!(error.message.contains(why), "{html:.60}: {error}");
    assert!(
        error.message.ends_with("needs its own text part"),
        "{error}"
    );
}

/// Each `<b …>` is another one to a parser, which opens it again wherever it is not closed.
fn unclosed(n: usize) -> String {
    (0..n).map(|n| format!("<b x{n}>")).collect()
}

fn numbered(n: usize, around: [&str; 2]) -> String {
    let [before, after] = around;
    (0..n).map(|n| format!("{before}<b x{n}>{after}")).collect()
}

#[test]
fn elements_that_their_end_tags_do_not_close_are_levels() {
    for html in [
        "<span><div></span>".repeat(3_000),
        "<div><object></div>".repeat(8_000),
        "<optgroup>".repeat(20_000),
        format!("<svg>{}", "<td>".repeat(50_000)),
        numbered(3_000, ["<p>", "</p>"]),
        numbered(3_300, ["<div>", "x</div>"]),
    ] {
        assert_refused(&html, "more than 100 elements in each other");
    }
}

#[test]
fn elements_that_are_opened_again_are_counted() {
    for html in [
        format!("<p>{}{}", unclosed(90), "<p>x".repeat(9_000)),
        format!("<table>{}{}", unclosed(90), "<tr>y".repeat(9_000)),
        "<p></b>".repeat(12_000),
        "<!---->".repeat(12_000),
        format!("{}<table>{}", "<br>".repeat(5_000), "x</b>".repeat(20_000)),
    ] {
        assert_refused(&html, "more than 10000 elements");
    }
}

#[test]
fn attributes_that_would_take_long_are_refused() {
    let names = |n: usize| -> String { (0..n).map(|n| format!(" {n:x}")).collect() };
    for html in [
        format!("<p><b{}>{}", names(6_000), "<p>x".repeat(100)),
        format!("<b{}>{}", names(6_000), "<b></b>".repeat(9_000)),
        format!("<p><b x='{}'>{}", "x".repeat(30_000), "<p>x".repeat(100)),
        format!("<p{}>", names(3_000)).repeat(18),
    ] {
        assert_refused(&html, "too many or too long attributes");
    }
    let html = format!("<p{}>", names(40_000));
    assert_refused(&html, "a tag or comment of more than 32 kB");
    let html: String = (0..9_000).map(|n| format!("<body x{n}>")).collect();
    assert_refused(&html, "more than 100 html or body tags");
}

#[test]
fn attributes_and_selectors_that_would_take_long_are_refused() {
    let names: String = (0..3_000).map(|n| format!(" {n:x}")).collect();
    let html = format!(
        "<style>{}</style>{}",
        "[x]{y:z}".repeat(1_000),
        format!("<p{names}>").repeat(10)
    );
    let error = bounded(&html, inlined).unwrap_err();
    assert!(
        error.message.contains("attributes and 1000 selectors"),
        "{error}"
    );
}

#[test]
fn cells_and_lists_out_of_range_need_a_text_part() {
    for span in [
        "colspan=18446744073709551615",
        "rowspan=18446744073709551615",
        "colspan=20000",
    ] {
        assert_needs_text(
            &format!("<table><tr><td {span}>x<td>y</table>"),
            "columns and rows",
        );
    }
    let cells = format!("<table>{}", "<tr><td rowspan=900>x".repeat(100));
    assert_needs_text(&cells, "columns and rows");
    let wide = format!("<table>{}{}", "<tr>".repeat(4_000), "<td>x".repeat(4_000));
    assert_needs_text(&wide, "tables of too many rows and columns");
    for start in ["9223372036854775807", "-9223372036854775808", "1000001"] {
        assert_needs_text(
            &format!("<ol start={start}><li>a<li>b</ol>"),
            "does not start below 1000000",
        );
    }
    for harmless in [
        "<table><tr><td colspan=0>a<td rowspan=0>b<tr><td colspan=1000>c</table>",
        "<table><tr><td colspan='99999999999999999999'>a<td colspan='100%'>b<td rowspan=-1>c</table>",
        "<ol start=-7><li>a<li>b</ol><ol start=1000000><li>c</ol><ol start=x><li>d</ol>",
    ] {
        text(harmless).unwrap();
    }
}

#[test]
fn html_that_is_too_long_to_be_sent_is_not_converted() {
    let long = |part: &str| {
        format!(
            "<pre>{{% for i in range(20) %}}{}{{% endfor %}}",
            part.repeat(12_000)
        )
    };
    for html in [long("x\n"), long("x "), long("\n\n"), long("\0\0")] {
        assert_needs_text(&html, "HTML of more than 256 kB");
    }
}

#[test]
fn text_that_would_become_too_long_needs_a_text_part() {
    for (open, n) in [("<blockquote>", 90), ("<ol><li>", 45), ("<h1><div>", 45)] {
        let html = format!("{}<pre>{}", open.repeat(n), "x\n".repeat(100_000));
        assert_needs_text(&html, "lists or quotations");
    }
    let html = format!("{}<pre>{}", "<blockquote>".repeat(8), "x\n".repeat(60_000));
    assert_needs_text(&html, "text of more than 1024 kB");
}

#[test]
fn the_worst_trees_that_are_allowed_take_a_bounded_time() {
    let nested = "<table><tr><td>".repeat(48);
    for html in [
        format!("{nested}<pre>{}", "\n".repeat(250_000)),
        format!("{nested}{}", "<p>x".repeat(9_700)),
        format!("<p>{}{}", unclosed(95), "<p>x".repeat(100)),
        format!("{}{}", "<div>".repeat(97), "<i></i>".repeat(9_800)),
        format!(
            "<table><tr>{}{}",
            "<td colspan=3 rowspan=3>".repeat(100),
            "<tr>x".repeat(1_600)
        ),
        format!("<table>{}", "<tr><td colspan=1000>x".repeat(9)),
        format!("{}<table>{}", "<br>".repeat(5_000), "x</b>".repeat(4_900)),
        format!("<ul>{}", "<li>x".repeat(9_900)),
        format!("{}{}", "<blockquote>".repeat(90), "x ".repeat(5_000)),
        format!("{}{}", "<template>".repeat(95), "<p>x".repeat(9_000)),
        format!("<select>{}", "<option>x".repeat(9_900)),
    ] {
        assert!(text_on_a_small_stack(&html).is_ok(), "{html:.60}");
        assert!(inlined_on_a_small_stack(&html).is_ok(), "{html:.60}");
    }
}

#[test]
fn a_large_newsletter_is_far_from_the_bounds() {
    let cell = "<td class=\"a b\" style=\"padding: 0 10px\" width=\"50%\" align=\"left\" valign=\"top\"><p>Some text &amp; <b>more</b> <a href=\"https://example.com/{{ email }}\" target=\"_blank\">there</a><br></p></td>";
    let row = format!("<tr>{}</tr>", cell.repeat(2));
    let (open, close) = (
        "<table><tbody><tr><td><div>",
        "</div></td></tr></tbody></table>",
    );
    let html = format!(
        "<!DOCTYPE html><html><head><style>{}</style></head><body>{}<table>{}</table><ul>{}</ul>{}</body></html>",
        ".a p { color: red } ".repeat(50),
        open.repeat(12),
        row.repeat(230),
        "<li>item</li>".repeat(50),
        close.repeat(12),
    );
    assert!(html.len() > 90_000 && html.matches('<').count() > 4_000);
    assert!(bounded(&html, inlined).is_ok());
    assert!(text_on_a_small_stack(&html).is_ok());
}

/// To a parser that does not know of this element, what follows is HTML; to another one, text.
const ODD: &str = "<math><annotation-xml encoding=text/html><xmp>";

#[test]
fn what_parsers_read_differently_is_not_inlined() {
    for html in [
        format!("{ODD}<p>{}", "<div>".repeat(3_000)),
        format!("{ODD}<p>{}", numbered(300, ["<div>", "</div>"])),
        format!(
            "{ODD}<b></b></annotation-xml></math><style>i{{{}}}</style>{}",
            "a:b;".repeat(700),
            "<i></i>".repeat(900)
        ),
        "<MATH><Annotation-XML encoding=text/html><p>".to_owned(),
    ] {
        let error = inlined_on_a_small_stack(&html).unwrap_err();
        assert!(error.message.contains("annotation-xml"), "{error}");
    }
}

#[test]
fn what_the_author_wrote_into_an_element_is_not_compared_with_each_rule() {
    let rules: String = (0..2_000).map(|n| format!("a{n}:b;")).collect();
    let own = "b:b;".repeat(8_000);
    for attribute in ["", "class={{email}}", "{{email}}"] {
        let element = format!("<i {attribute} style='{own}'></i>").repeat(6);
        let html = format!("<style>i{{{rules}}}</style>{element}");
        let _ = bounded(&html, inlined);
    }
}
