//! Rules of style elements, written into the elements they speak of.

#![allow(clippy::unwrap_used)]

use message::css::inlined;
use message::template::{Source, Template};
use proptest::prelude::*;
use regex::Regex;

fn assert_inlined(source: &str, expected: &str) {
    assert_eq!(inlined(source).unwrap(), expected, "{source}");
}

fn assert_unchanged(source: &str) {
    assert_inlined(source, source);
}

#[test]
fn without_a_style_element_nothing_happens() {
    assert_unchanged("<P Class='a'>{{ name }}<br/><td>&nbsp;");
}

#[test]
fn each_element_gets_its_rules_and_the_rest_stays_as_it_was_written() {
    assert_inlined(
        "<!DOCTYPE html>\n<HTML><head><style>p { color: red }\n.b { font-weight: bold }</style></head><body>\n<P Class='b' >a  &amp;<br/>b<p>c</P></body>",
        "<!DOCTYPE html>\n<HTML><head><style>p { color: red }\n.b { font-weight: bold }</style></head><body>\n<P style=\"color: red;font-weight: bold\" Class='b' >a  &amp;<br/>b<p style=\"color: red\">c</P></body>",
    );
}

#[test]
fn tags_stay_where_they_are() {
    assert_inlined(
        "<style>td { color: red }</style><table>{% for i in items %}<tr>{# <td> #}<td title='{{ i }}'>{% raw %}{{ x }}{% endraw %}{{- i -}}</td></tr>{% else %}<tr><td></td></tr>{% endfor %}</table>",
        "<style>td { color: red }</style><table>{% for i in items %}<tr>{# <td> #}<td style=\"color: red\" title='{{ i }}'>{% raw %}{{ x }}{% endraw %}{{- i -}}</td></tr>{% else %}<tr><td style=\"color: red\"></td></tr>{% endfor %}</table>",
    );
}

#[test]
fn what_the_author_wrote_in_the_element_wins() {
    let style = "<style>p { color: red; margin: 0 }</style>";
    for (from, to) in [
        (
            r#"<p style="color: {{ c }}">"#,
            r#"<p style="color: red;margin: 0;color: {{ c }}">"#,
        ),
        (
            "<p style='color:blue'>",
            "<p style='color: red;margin: 0;color:blue'>",
        ),
        (
            "<p style=color:blue>",
            r#"<p style="color: red;margin: 0;color:blue">"#,
        ),
        ("<p style>", r#"<p style="color: red;margin: 0" style>"#),
    ] {
        assert_inlined(&format!("{style}{from}"), &format!("{style}{to}"));
    }
}

#[test]
fn important_rules_stay_important() {
    let style = "<style>p { color: red !important }</style>";
    assert_inlined(
        &format!("{style}<p style='color: blue'>"),
        &format!("{style}<p style='color: red !important;color: blue'>"),
    );
}

#[test]
fn quotes_in_rules_do_not_end_the_attribute() {
    let style = r#"<style>p { font-family: "Helvetica Neue", 'Arial' }</style>"#;
    for (from, to) in [
        (
            "<p>",
            r#"<p style="font-family: &#39;Helvetica Neue&#39;, &#39;Arial&#39;">"#,
        ),
        (
            "<p style='x:y'>",
            "<p style='font-family: &#39;Helvetica Neue&#39;, &#39;Arial&#39;;x:y'>",
        ),
    ] {
        assert_inlined(&format!("{style}{from}"), &format!("{style}{to}"));
    }
}

#[test]
fn a_string_with_both_quotes_is_left_to_the_style_element() {
    assert_unchanged(r#"<style>p { content: "it's" }</style><p>"#);
}

#[test]
fn media_queries_are_left_to_the_mail_program() {
    assert_unchanged("<style>@media (max-width: 600px) { p { color: red } }</style><p>");
    assert_unchanged("<style media='print'>p { color: red }</style><p>");
    assert_inlined(
        "<style media=all>p { color: red } @media print { p { color: black } }</style><p>",
        "<style media=all>p { color: red } @media print { p { color: black } }</style><p style=\"color: red\">",
    );
}

#[test]
fn the_author_can_refuse() {
    assert_unchanged("<style data-css-inline='ignore'>p { color: red }</style><p>");
    assert_unchanged("<style>p { color: red }</style><p data-css-inline='ignore'>");
}

#[test]
fn what_depends_on_tags_is_left_to_the_style_element() {
    for source in [
        "<style>p { color: {{ c }} }</style><p>",
        "{% if x %}<style>p { color: red }</style>{% endif %}<p>",
        "<style>p { color: red }</style><p class='a {{ c }}'>",
        "<style>p { color: red }</style><p id={{ c }}>",
        "<style>p { color: red }</style><p {% if x == \">\" %}class='b'{% endif %}>",
        "<style>td:nth-child(2) { color: red }</style><table>{% for i in x %}<tr><td><td></tr>{% endfor %}",
        "<style>p + p { color: red }</style>{% if x %}<p>{% endif %}<p>",
    ] {
        assert_unchanged(source);
    }
    assert_inlined(
        "<style>p + p { color: red }</style><p>{{ c }}<p>",
        "<style>p + p { color: red }</style><p>{{ c }}<p style=\"color: red\">",
    );
}

#[test]
fn no_rule_becomes_a_tag() {
    assert_unchanged("<style>p { content: \"{% raw %}{{ email }}{% endraw %}\" }</style><p>");
    assert_unchanged("{% raw %}<style>p { content: \"{{ email }}\" }</style>{% endraw %}<p>");
}

#[test]
fn conditional_comments_and_what_is_not_shown_stay() {
    assert_unchanged(
        "<style>* { color: red }</style><head><title>x</title><meta name=x></head><!--[if mso]><p><![endif]-->",
    );
}

#[test]
fn a_tree_that_would_exhaust_the_stack_is_refused() {
    let style = "\n <style>p { color: red }</style>";
    for (open, close) in [
        ("<div>", "</div>"),
        ("<table><tr><td>", ""),
        ("<b class=a>", ""),
        ("<a href=x><div>", ""),
        ("<ul><li>", ""),
    ] {
        let deep = |n: usize| format!("{style}{}{}", open.repeat(n), close.repeat(n));
        let error = inlined(&deep(101)).unwrap_err();
        assert_eq!((error.line, error.column), (2, 2), "{open}");
        assert!(error.hint.unwrap().contains("data-css-inline"));
        assert!(inlined(&deep(50)).is_ok(), "{open}");
        assert_unchanged(&deep(10_000).replace("<style", "<style data-css-inline=ignore"));
    }
    assert!(inlined(&format!("{style}{}", "<p><b>".repeat(1_000))).is_err());
    let sloppy = "<div><span>a</div><p><img><br><td><li>";
    assert!(inlined(&format!("{style}{}", sloppy.repeat(1_000))).is_ok());
}

#[test]
fn lines_stay_those_of_the_source() {
    let source = "<style>p { font-family: \"a\",\n\n  b }</style>\n<p>{{ name }}";
    let inlined = inlined(source).unwrap();
    assert_ne!(inlined, source);
    assert_eq!(inlined.matches('\n').count(), source.matches('\n').count());
}

const PIECES: [&str; 24] = [
    "<table>",
    "</table>",
    "<tr>",
    "<td class=a>",
    "</td>",
    "<p>",
    "<p class='a {{x}}'>",
    "</p>",
    "<b id=i>",
    "</b>",
    "{{ x }}",
    "{% for y in x %}",
    "{% endfor %}",
    "{% if x %}",
    "{% endif %}",
    "{# <p> #}",
    "{% raw %}<i>{{{% endraw %}",
    "<!-- <p> -->",
    "<a href='?{{ x }}'>",
    "text & <",
    "<p style='color: {{x}}'>",
    "<div style=\"a:b\" {% if x %}title=b{% endif %}>",
    "</div>",
    "é🎉\r\n",
];

/// The pieces, less the ends of blocks that are not open, and with those that are missing.
fn well_nested(parts: &[usize]) -> String {
    let mut open = Vec::new();
    let mut source = String::new();
    for &part in parts {
        let piece = PIECES[part];
        match piece {
            "{% for y in x %}" => open.push("{% endfor %}"),
            "{% if x %}" => open.push("{% endif %}"),
            end if end.starts_with("{% end") => match open.pop_if(|last| *last == end) {
                Some(_) => {}
                None => continue,
            },
            _ => {}
        }
        source.push_str(piece);
    }
    source.extend(open.into_iter().rev());
    source
}

proptest! {
    /// Whatever the template: without the attributes that were added, it is the same byte for byte.
    #[test]
    fn only_style_attributes_are_added(parts in proptest::collection::vec(0..PIECES.len(), 0..30)) {
        let style = "<style>p, td { za: 1 } .a { zb: 1 } b { zc: 1 } #i, div { zd: 1 }</style>";
        let source = format!("{style}{}", well_nested(&parts));
        let variables = ["x".to_owned()];
        let compiles = |html: &str| Template::compile(&Source { subject: "", html, text: None, variables: &variables }).is_ok();
        prop_assume!(compiles(&source));
        let inlined = inlined(&source).unwrap();
        prop_assert!(compiles(&inlined));
        let added = Regex::new(r#" style="z[a-d]: 1(;z[a-d]: 1)*"|(z[a-d]: 1;)+"#).unwrap();
        prop_assert_eq!(added.replace_all(&inlined, ""), source);
    }
}

#[test]
fn what_would_take_long_is_refused() {
    let html = format!(
        "<style>{}</style>{}",
        "p:nth-child(2){color:red}".repeat(2_000),
        "<p>x</p>".repeat(3_000)
    );
    let error = inlined(&html).unwrap_err();
    assert!(
        error.message.contains("3004 elements and 2000 selectors"),
        "{error}"
    );
    assert!(error.hint.unwrap().contains("data-css-inline"));
}

#[test]
fn declarations_that_would_take_long_are_refused() {
    let rule: String = (0..3_000).map(|n| format!("b{n}:c;")).collect();
    let html = format!("<style>p{{{rule}}}</style>{}", "<p>x</p>".repeat(3_000));
    let error = inlined(&html).unwrap_err();
    assert!(
        error
            .message
            .contains("3004 elements and 3001 declarations"),
        "{error}"
    );
}

#[test]
fn long_selectors_that_would_take_long_are_refused() {
    for part in [".a", "[x]", ":not(.b)"] {
        let selector = part.repeat(100_000 / part.len());
        let html = format!(
            "<style>p{selector}{{c:d}}</style>{}",
            "<p class=a x>".repeat(8_000)
        );
        let error = inlined(&html).unwrap_err();
        assert!(error.message.contains("kB of rules"), "{error}");
    }
}

#[test]
fn rules_of_siblings_that_would_take_long_are_refused() {
    let html = |n: usize| {
        let style = "i + p ~ p ~ p + p ~ p {c:d} i ~ p {c:d}".repeat(15);
        format!("<style>{style}</style><i></i>{}", "<p></p>".repeat(n))
    };
    let error = inlined(&html(2_000)).unwrap_err();
    assert!(error.message.contains("60 times ~"), "{error}");
    assert!(inlined(&html(300)).is_ok());
}

#[test]
fn declarations_that_would_take_much_memory_are_refused() {
    let rule: String = (0..150).map(|n| format!("b{n}:c;")).collect();
    let html = format!("<style>p{{{rule}}}</style>{}", "<p>x</p>".repeat(9_000));
    let error = inlined(&html).unwrap_err();
    assert!(error.message.contains("151 declarations"), "{error}");
}

#[test]
fn what_would_become_too_long_to_be_sent_is_refused() {
    let font = "x".repeat(1_000);
    let html = format!("<style>p{{color:{font}}}</style>{}", "<p>x</p>".repeat(300));
    let error = inlined(&html).unwrap_err();
    assert!(error.message.contains("more than 256 kB"), "{error}");
    assert!(error.hint.unwrap().contains("data-css-inline"));
}

#[test]
fn a_block_that_is_set_through_a_filter_begins_where_it_begins() {
    let set = "{% set a|default(b=1) %}x{% endset %}";
    assert_inlined(
        &format!("<style>p{{color:red}}</style>{set}<p>x</p>"),
        &format!("<style>p{{color:red}}</style>{set}<p style=\"color: red\">x</p>"),
    );
}
