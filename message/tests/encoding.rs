//! Where a value is printed decides how it is encoded.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use html5ever::buffer_queue::BufferQueue;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};
use message::template::{Recipient, Source, Template, TemplateError};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use url::Url;

fn vars(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn compiled(html: &str) -> Result<Template, TemplateError> {
    let variables: Vec<String> = ["x", "y", "items"].map(str::to_owned).to_vec();
    Template::compile(&Source {
        subject: "s",
        html,
        text: Some("t"),
        variables: &variables,
    })
}

fn error(html: &str) -> TemplateError {
    compiled(html).err().unwrap()
}

fn rendered(template: &Template, value: Value) -> String {
    template
        .html(&Recipient {
            email: "agustin@example.com",
            unsubscribe_url: Some("https://mail.example.org/unsubscribe?t=AQ_-"),
            vars: &vars(value),
        })
        .unwrap()
}

fn html(html: &str, value: Value) -> String {
    rendered(&compiled(html).unwrap(), value)
}

#[test]
fn the_users_own_link_comes_out_as_the_user_wrote() {
    assert_eq!(
        html(
            r#"<p>Hola {{name}}</p><a href="https://tally.so/r/J964LY?name={{name}}&email={{ email }}">x</a>"#,
            json!({"name": "Rodrigo Fernandez"})
        ),
        r#"<p>Hola Rodrigo Fernandez</p><a href="https://tally.so/r/J964LY?name=Rodrigo%20Fernandez&email=agustin%40example.com">x</a>"#
    );
}

#[test]
fn in_text_markup_is_escaped_and_the_rest_stays_readable() {
    assert_eq!(
        html(
            "<p>{{x}}</p>",
            json!({"x": "José O'Connor <b> & \"co\" 🎉"})
        ),
        "<p>José O&#x27;Connor &lt;b&gt; &amp; &quot;co&quot; 🎉</p>"
    );
}

#[test]
fn only_unreserved_characters_stay_in_a_query() {
    assert_eq!(
        html(
            "<a href='/p?a={{x}}'>",
            json!({"x": "aZ9-._~ !'&=#%ñ🎉/?\""})
        ),
        "<a href='/p?a=aZ9-._~%20%21%27%26%3D%23%25%C3%B1%F0%9F%8E%89%2F%3F%22'>"
    );
}

#[test]
fn a_question_mark_in_text_or_in_another_attribute_begins_no_query() {
    assert_eq!(
        html(
            r#"Really? {{x}} <p title="what? {{x}}">{{x}}"#,
            json!({"x": "a b&"})
        ),
        r#"Really? a b&amp; <p title="what? a b&amp;">a b&amp;"#
    );
}

#[test]
fn before_the_query_a_value_begins_none() {
    assert_eq!(
        html(
            r#"<img src="https://x/{{x}}/p.png?u={{x}}"><a href="mailto:{{ email }}">"#,
            json!({"x": "a/b?c&d#é"})
        ),
        r#"<img src="https://x/a/b%3Fc%26d%23%C3%A9/p.png?u=a%2Fb%3Fc%26d%23%C3%A9"><a href="mailto:agustin@example.com">"#
    );
}

#[test]
fn a_whole_url_stays_one_and_what_follows_it_is_a_part() {
    assert_eq!(
        html(
            r#"<a href="{{x}}"><a href="{{x}}{{y}}"><a href='{% if y %}{{x}}{% else %}{{y}}{% endif %}&n={{y}}'>"#,
            json!({"x": "/p?a=1&b=2", "y": "c/&d"})
        ),
        "<a href=\"&#x2f;p?a=1&amp;b=2\"><a href=\"&#x2f;p?a=1&amp;b=2c/%26d\"><a href='&#x2f;p?a=1&amp;b=2&n=c%2F%26d'>"
    );
}

#[test]
fn numbers_and_booleans_are_encoded_as_they_are_printed() {
    assert_eq!(
        html(
            "<a href='?n={{x}}&b={{y}}'>{{x}}",
            json!({"x": 1.5, "y": true})
        ),
        "<a href='?n=1.5&b=True'>1.5"
    );
}

#[test]
fn what_the_author_encoded_is_not_encoded_twice() {
    let value = json!({"x": "a b&c"});
    assert_eq!(
        html("<a href='?n={{ x|urlencode }}'>", value.clone()),
        "<a href='?n=a%20b%26c'>"
    );
    assert_eq!(html("<p>{{ x|e }}", value.clone()), "<p>a b&amp;c");
    assert_eq!(html("<p>{{ x|urlencode }}", value), "<p>a%20b%26c");
    assert_eq!(html("<p>{{ x|safe }}", json!({"x": "<b>"})), "<p><b>");
    assert_eq!(
        html("<a href='?{{ x|safe }}'>", json!({"x": "n=a%20b&amp;m=ñ"})),
        "<a href='?n=a%20b&amp;m=%C3%B1'>"
    );
}

#[test]
fn a_value_marked_safe_still_cannot_end_a_query() {
    for quote in ["'", "\"", ""] {
        let out = html(
            &format!("<a href={quote}/?{{{{ x|safe }}}}{quote}>"),
            json!({"x": "' \" > onclick=alert`1`"}),
        );
        assert_eq!(
            out,
            format!("<a href={quote}/?%27%20%22%20%3E%20onclick=alert%601%60{quote}>")
        );
    }
}

#[test]
fn an_unquoted_attribute_cannot_be_left() {
    assert_eq!(
        html("<p title={{x}}>{{x}}", json!({"x": "a onclick=b>"})),
        "<p title=a&#32;onclick&#61;b&#62;>a onclick=b&gt;"
    );
    assert_eq!(
        html("<a href=/p?q={{x}}>", json!({"x": "a onclick=b>"})),
        "<a href=/p?q=a%20onclick%3Db%3E>"
    );
}

#[test]
fn a_value_in_a_tag_cannot_end_the_tag() {
    assert_eq!(
        html("<p {{x}}>", json!({"x": "><script>"})),
        "<p &#62;&#60;script&#62;>"
    );
}

#[test]
fn control_flow_inside_a_url_keeps_the_query() {
    let template = r#"<a href="/p{% if x %}?a={{x}}{% else %}/{{y}}?b={{y}}{% endif %}&c={{y}}">"#;
    assert_eq!(
        html(template, json!({"x": "1 2", "y": "3&4"})),
        r#"<a href="/p?a=1%202&c=3%264">"#
    );
    assert_eq!(
        html(template, json!({"x": "", "y": "3&4"})),
        r#"<a href="/p/3%264?b=3%264&c=3%264">"#
    );
}

#[test]
fn a_query_begun_in_a_loop_goes_on_in_its_next_round() {
    assert_eq!(
        html(
            r#"<a href="/p{% for i in items %}{{i}}{% if loop.first %}?{% else %}&{% endif %}{% endfor %}">"#,
            json!({"items": ["a b", "c d"]})
        ),
        r#"<a href="/pa%20b?c%20d&">"#
    );
}

#[test]
fn links_inside_loops_and_branches_are_encoded_alike() {
    assert_eq!(
        html(
            r#"{% for i in items %}{% if i != "z" %}<a href="/?q={{ i }}">{{ i }}</a>{% endif %}{% endfor %}"#,
            json!({"items": ["a b", "z", "c&d"]})
        ),
        r#"<a href="/?q=a%20b">a b</a><a href="/?q=c%26d">c&amp;d</a>"#
    );
}

#[test]
fn tags_may_hold_what_looks_like_markup() {
    assert_eq!(
        html(
            r#"{% if 1 < 2 and "<a href='?" %}{# <a href="? #}<p>{{ x }}</p>{% endif %}"#,
            json!({"x": "a b"})
        ),
        "<p>a b</p>"
    );
    assert_eq!(
        html(
            r#"<a href="?q={{ "}}" ~ x if x == "1 2" else y }}">"#,
            json!({"x": "1 2"})
        ),
        r#"<a href="?q=%7D%7D1%202">"#
    );
}

#[test]
fn outlooks_conditional_comments_are_read_as_html() {
    assert_eq!(
        html(
            r#"<!--[if mso]><a href="/?n={{x}}">{{x}}</a><![endif]--><!-- {{x}} -->"#,
            json!({"x": "a b-->"})
        ),
        r#"<!--[if mso]><a href="/?n=a%20b--%3E">a b--&gt;</a><![endif]--><!-- a b--&gt; -->"#
    );
}

#[test]
fn raw_blocks_and_whitespace_control_do_not_shift_the_places() {
    assert_eq!(
        html(
            "{% raw %}<b>{{x}}</b>{% endraw %}ñ  {%- if x -%}  <a href=\"/?n={{- x -}}  &m=1\">  {%- endif %}",
            json!({"x": "a b"})
        ),
        "<b>{{x}}</b>ñ<a href=\"/?n=a%20b&m=1\">"
    );
}

#[test]
fn a_long_text_does_not_hide_what_follows() {
    let long = "ñ".repeat(20_000);
    let out = html(
        &format!("<p>{long}{{{{x}}}}{long}<a href='?{{{{x}}}}'>{{{{x}}}}"),
        json!({"x": "a b"}),
    );
    assert_eq!(out, format!("<p>{long}a b{long}<a href='?a%20b'>a b"));
}

#[test]
fn an_empty_inline_if_prints_nothing_in_any_place() {
    assert_eq!(
        html(
            "<a {{ 'x' if y }} href='?{{ x if y }}'>{{ x if y }}",
            json!({"y": false})
        ),
        "<a  href='?'>"
    );
}

/// A name that would add a parameter, an attribute, a rule or an element.
const HOSTILE: &str = "x&admin=1 o=\"'>;)<b>`/";
const IN_QUERY: &str = "x%26admin%3D1%20o%3D%22%27%3E%3B%29%3Cb%3E%60%2F";

#[test]
fn what_is_html_already_is_decoded_before_it_goes_into_a_url() {
    for template in [
        r#"{% set w %}{{ x }}{% endset %}<a href="https://x/?n={{ w }}">"#,
        r#"{% macro m(n) %}{{ n }}{% endmacro %}<a href="https://x/?n={{ m(x) }}">"#,
        r#"<a href="https://x/?n={{ x|e }}">"#,
        r#"{% set w = x|e %}<a href="https://x/?n={{ w if w else w|safe }}">"#,
        r#"{% set w = x|urlencode %}<a href="https://x/?n={{ w }}">"#,
        r#"{% set w %}{{ x|urlencode }}{% endset %}<a href="https://x/?n={{ w }}">"#,
        r#"{% set w %}{{ x }}{% endset %}<a href="https://x/?n={{ w|urlencode }}">"#,
        r#"{% set w %}https://x/?n={{ x }}{% endset %}<a href="{{ w }}">"#,
        r#"{% macro m(n) %}https://x/?n={{ n }}{% endmacro %}<a href="{{ m(x) }}">"#,
        r#"{% macro m(n) %}<a href="https://x/?n={{ n }}">{% endmacro %}{{ m(x) }}"#,
    ] {
        assert_eq!(
            html(template, json!({"x": HOSTILE})),
            format!(r#"<a href="https://x/?n={IN_QUERY}">"#),
            "{template}"
        );
    }
}

#[test]
fn what_the_author_marks_as_safe_is_taken_as_encoded() {
    let value = json!({"x": "a=1&b=2"});
    assert_eq!(
        html(
            "<a href='/?{{ x|safe }}&c={{ x|trim|safe }}'>",
            value.clone()
        ),
        "<a href='/?a=1&b=2&c=a=1&b=2'>"
    );
    // Not the whole of the value.
    assert_eq!(
        html("<a href='/?{{ x|e if x else y|safe }}'>", value.clone()),
        "<a href='/?a%3D1%26b%3D2'>"
    );
    assert_eq!(
        html("<a href='/?{{ x|e ~ x|safe }}'>", value),
        "<a href='/?a%3D1%26b%3D2a%3D1%26b%3D2'>"
    );
    assert_eq!(
        html(
            "<style>p { {{ x|safe }} }</style><p style=\"{{ x|safe }}\">",
            json!({"x": "font: 1px \"A\"</style>"})
        ),
        "<style>p { font: 1px \"A\"\\3c /style> }</style><p style=\"font: 1px &#34;A&#34;&#60;/style&#62;\">"
    );
}

#[test]
fn html_in_an_attribute_cannot_end_it() {
    assert_eq!(
        html(
            "{% set w %}<b title=\"{{ x }}\">{% endset %}<p title=\"{{ w }}\" id={{ w }}>",
            json!({"x": "a b"})
        ),
        "<p title=\"&#60;b title=&#34;a b&#34;&#62;\" id=&#60;b&#32;title&#61;&#34;a&#32;b&#34;&#62;>"
    );
}

#[test]
fn a_block_around_an_attribute_does_not_hide_its_name() {
    for (template, quote) in [
        (
            r#"<a {% if x %}href="https://x/?n={{ x }}"{% endif %}>"#,
            "\"",
        ),
        (
            r#"<a {% if x %}href='https://x/?n={{ x }}'{% endif %}>"#,
            "'",
        ),
        (r#"<a {% if x %}href=https://x/?n={{ x }}{% endif %}>"#, ""),
        (
            r#"<a {% if y %}{% else %}hr{% endif %}ef=https://x/?n={{ x }}>"#,
            "",
        ),
        (
            r#"<a {% if y %}data-{% endif %}href{% if x %}={% endif %}'https://x/?n={{ x }}'>"#,
            "'",
        ),
    ] {
        assert_eq!(
            html(template, json!({"x": HOSTILE, "y": ""})),
            format!("<a href={quote}https://x/?n={IN_QUERY}{quote}>"),
            "{template}"
        );
    }
}

#[test]
fn in_css_a_url_is_percent_encoded_and_no_value_ends_another() {
    for (before, after) in [
        ("<td style=\"background:url(https://x/?n=", ")\">"),
        ("<td style='background: URL(\"https://x/?n=", "\")'>"),
        ("<td style=background:url(https://x/?n=", ")>"),
        (
            "<td style=\"background:url(&quot;https://x/?n=",
            "&quot;)\">",
        ),
        ("<style>td { background:url('https://x/?n=", "') }</style>"),
        ("<style>@import 'https://x/?n=", "'</style>"),
    ] {
        assert_eq!(
            html(
                &format!("{before}{{{{ x }}}}{after}"),
                json!({"x": HOSTILE})
            ),
            format!("{before}{IN_QUERY}{after}")
        );
    }
    let value = json!({"x": "#fff; } b:c(\"'</style>", "y": "1px 50%, Ñu"});
    assert_eq!(
        html("<p style=\"color: {{x}}; margin: {{y}}\">", value.clone()),
        "<p style=\"color: #fff\\3b  \\7d  b\\3a c\\28 \\22 \\27 \\3c \\2f style\\3e ; margin: 1px 50%, Ñu\">"
    );
    assert_eq!(
        html("<style>p { color: {{x}} } </style>{{y}}", value.clone()),
        "<style>p { color: #fff\\3b  \\7d  b\\3a c\\28 \\22 \\27 \\3c \\2f style\\3e  } </style>1px 50%, Ñu"
    );
    assert_eq!(
        html("<p style=margin:{{y}}>", value),
        "<p style=margin:1px\\00002050%,\\000020Ñu>"
    );
}

#[test]
fn a_whole_url_in_css_stays_one() {
    assert_eq!(
        html(
            "<td style=\"background: url({{ x }})\"><td style='background: url(\"{{ x }}\")'>",
            json!({"x": "https://a.example/b.png?c=1&d=(')"})
        ),
        "<td style=\"background: url(https://a.example/b.png?c=1\\000026d=\\000028\\000027\\000029)\"><td style='background: url(\"https://a.example/b.png?c=1\\000026d=\\000028\\000027\\000029\")'>"
    );
}

#[test]
fn where_programs_or_branches_differ_a_value_is_safe_in_all_places() {
    for (template, expected) in [
        (
            "<noscript><img width={{ x }}></noscript>{{ x }}",
            "<noscript><img width=a&#32;b&#61;c></noscript>a b=c",
        ),
        (
            "<noembed><img width={{ x }}></noembed><noframes><i title='{{ x }}'></noframes>",
            "<noembed><img width=a&#32;b&#61;c></noembed><noframes><i title='a b=c'></noframes>",
        ),
        (
            "<template><img width={{ x }}></template>",
            "<template><img width=a&#32;b&#61;c></template>",
        ),
        (
            "{% if not x %}<!--{% endif %}<i title={{ x }}>{% if not x %}-->{% endif %}{{ x }}",
            "<i title=a&#32;b&#61;c>a b=c",
        ),
        (
            "<i {% if y %}title=\"{% endif %}{{ x }}>",
            "<i a&#32;b&#61;c>",
        ),
        (
            "<i title={% if y %}\"{% endif %}{{ x }}{% if y %}\"{% endif %}>{{ x }}",
            "<i title=a&#32;b&#61;c>a b=c",
        ),
        (
            "{% for i in items %}{% if loop.first %}<i title={% else %}>{% endif %}{{ x }}{% endfor %}",
            "<i title=a&#32;b&#61;c>a&#32;b&#61;c",
        ),
        (
            "<svg><style><i title={{ x }}></style></svg>",
            "<svg><style><i title=a%20b%3Dc></style></svg>",
        ),
        (
            "<svg><![CDATA[ > <i title={{ x }}> ]]></svg>{{ x }}",
            "<svg><![CDATA[ > <i title=a&#32;b&#61;c> ]]></svg>a b=c",
        ),
        (
            "<{% if y %}script{% else %}b{% endif %} title='{{ x }}'>",
            "<b title='a b=c'>",
        ),
        ("<h{{ x }}>", "<ha&#32;b&#61;c>"),
        ("<i {{ y }}>{{ x }}", "<i >a b=c"),
        ("<i {{ x }}='{{ x }}'>", "<i a&#32;b&#61;c='a%20b%3Dc'>"),
        (
            "<i data-{{ x }}='{{ x }}'>",
            "<i data-a&#32;b&#61;c='a b=c'>",
        ),
        ("<title>{{ x }}</title>{{ x }}", "<title>a b=c</title>a b=c"),
    ] {
        assert_eq!(
            html(template, json!({"x": "a b=c", "y": "", "items": [1, 2]})),
            expected,
            "{template}"
        );
    }
}

#[test]
fn an_empty_value_without_quotes_does_not_make_the_next_attribute_its_value() {
    assert_eq!(
        html(
            "<p title={{ x }} id={{ y }}><p id={{ y }}{{ x }}>",
            json!({"x": "", "y": "a"})
        ),
        "<p title=\"\" id=a><p id=a>"
    );
}

#[test]
fn a_value_in_a_script_is_refused_with_its_place() {
    for template in [
        "<p>\n<script>f('{{ x }}')</script>",
        "<p>\n<b onclick=\"f('{{ x }}')\">",
        "<p>\n<b {% if x %}ONLOAD={% else %}title={% endif %}{{ x }}>",
        "<p>\n<a href=\" JavaScript:f('{{ x }}')\">",
        "<p>\n<{{ x }}>{{ x }}",
        "<p>\n<script><!-- <script></script>{{ x }}//--></script>",
        "{% for i in items %}{{ i }}{% if x %}\n<script>{% endif %}{% endfor %}",
    ] {
        let error = error(template);
        assert!(error.message.contains("in a script"), "{template}: {error}");
        assert!(
            error.line <= 2 && error.hint.is_some(),
            "{template}: {error}"
        );
    }
    assert_eq!(
        html(
            "<script><!--\nf('a')\n//--></script>{{ x }}",
            json!({"x": "a b"})
        ),
        "<script><!--\nf('a')\n//--></script>a b"
    );
}

#[test]
fn blocks_that_leave_what_they_open_to_others_are_refused() {
    for template in [
        "{% set w %}<p title={% endset %}{{ w }}{{ x }}>",
        "{% macro m() %}<!--{% endmacro %}{{ m() }}{{ x }}",
        "{% set w|replace(from=1) %}<style>{% endset %}",
        "<p title={% filter upper %}{{ x }}{% endfilter %}>",
        "{% macro m() %}{{ caller() }}{% endmacro %}<p title={% call m() %}{{ x }}{% endcall %}>",
        "{% for i in items recursive %}<p {{ loop(i) }}{% endfor %}",
    ] {
        assert!(error(template).hint.is_some(), "{template}");
    }
    assert_eq!(
        html(
            "{% macro m() %}<b>{{ caller() }}</b>{% endmacro %}{% call m() %}<i>{{ x }}</i>{% endcall %}{% filter upper %}{{ x }}{% endfilter %}",
            json!({"x": "a<"})
        ),
        "<b><i>a&lt;</i></b>A&LT;"
    );
}

#[test]
fn the_markup_of_a_macro_stays_where_only_some_programs_read_it() {
    let button = r#"{% macro b() %}<a href="/?n={{ x }}">{{ caller() if caller is defined else x }}</a>{% endmacro %}"#;
    for (open, close) in [
        ("<!--[if mso]>", "<![endif]-->"),
        ("<noscript>", "</noscript>"),
    ] {
        let template = format!(
            "{button}{open}{{{{ b() }}}}{{% call b() %}}!{{% endcall %}}{close}<i title={{{{ x }}}}>"
        );
        assert_eq!(
            html(&template, json!({"x": "a -->"})),
            format!(
                r#"{open}<a href="/?n=a%20--%3E">a --&gt;</a><a href="/?n=a%20--%3E">!</a>{close}<i title=a&#32;--&#62;>"#
            )
        );
    }
    // What a macro ends early is not taken as a comment.
    assert_eq!(
        html(
            "{% set w %}-->{% endset %}<!-- {{ w }}<i title={{ x }}> -->",
            json!({"x": "a b"})
        ),
        "<!-- --><i title=a&#32;b> -->"
    );
}

/// Within 10 s, which a build without optimisation needs, too, and on a stack of 1 MiB. The error is the message.
fn compiled_in_time(html: String) -> Result<(), String> {
    let start = html[..html.len().min(60)].to_owned();
    let (sender, receiver) = mpsc::channel();
    let compile = move || {
        let result = compiled(&html).map(drop).map_err(|error| error.message);
        sender.send(result).unwrap();
    };
    let builder = thread::Builder::new().stack_size(1 << 20);
    builder.spawn(compile).unwrap();
    let result = receiver.recv_timeout(Duration::from_secs(10));
    assert!(result.is_ok(), "more than 10 s, or a panic: {start}");
    result.unwrap()
}

const TOO_MANY_PLACES: &str = "its blocks and values are in too many places of the HTML at once";

/// Loops in each other, with a text after each.
fn loops(texts: &[&str]) -> String {
    let open = "{% for i in 'a' %}".repeat(texts.len());
    let close = texts.iter().map(|text| format!("{text}{{% endfor %}}"));
    open + &String::from_iter(close)
}

#[test]
fn blocks_in_blocks_are_read_in_bounded_time() {
    let (mut open, mut close) = (String::new(), String::new());
    for n in 0..9 {
        open.push_str("{% for i in items %}{% if x %}<a b='");
        close.push_str("c=\"{% else %}<!-- <d{% endif %}{% endfor %}");
        open.push_str(&format!("e{n}"));
    }
    // Refused or not, it ends.
    let _ = compiled_in_time(format!("{open}{{{{ x }}}}{close}{{{{ x }}}}"));
}

#[test]
fn what_stands_in_many_places_at_once_is_read_in_bounded_time() {
    let ifs = "{% if x %}{% endif %}";
    let pad = "x".repeat(100_000);
    for (texts, after) in [
        (vec!["a", "b"], ifs.repeat(9_000)),
        (vec!["a", "b"], format!("{}>{pad}", ifs.repeat(3_000))),
        (vec!["a", "b", "abc"], String::new()),
        (vec!["a", "b", "abc"], ifs.repeat(9_000)),
        (vec!["a", "b", &ifs.repeat(9_000)], String::new()),
        (
            vec!["a", "b", &"{% set a = 1 %}".repeat(15_000)],
            String::new(),
        ),
        (vec!["a", "b", &"{{ x }}".repeat(30_000)], String::new()),
        (vec!["a", "b", "abc", "abcd"], "{{ x }}".repeat(30_000)),
    ] {
        let refused = compiled_in_time(format!("<p {}{after}>", loops(&texts))).err();
        assert_eq!(refused.as_deref(), Some(TOO_MANY_PLACES), "{texts:.60?}");
    }
}

#[test]
fn names_of_optional_letters_are_read_in_bounded_time() {
    let name = String::from_iter(
        "abcdefg"
            .chars()
            .map(|c| format!("{{% if x %}}{c}{{% endif %}}")),
    );
    for after in ["{{ x }} ", "{% for i in 'a' %}{% endfor %}", " "] {
        // Refused or not, it ends.
        let n = (250_000 - name.len()) / after.len();
        let _ = compiled_in_time(format!("<p {name}{}>", after.repeat(n)));
    }
    let more = format!("<p {name}{{% if x %}}h{{% endif %}} >");
    assert_eq!(compiled_in_time(more).unwrap_err(), TOO_MANY_PLACES);
}

#[test]
fn many_values_are_read_wherever_they_stand() {
    for start in [
        "",
        "<p title='",
        "<!--",
        "<!--[if mso]>",
        "<!",
        "<t{{ x }}></t",
        "<style></s",
    ] {
        let html = format!("{start}{}", "{{ x }}".repeat(30_000));
        assert_eq!(compiled_in_time(html), Ok(()), "{start}");
    }
}

#[test]
fn ordinary_mails_are_read_however_long_they_are() {
    let row = "{% if x %}<td width='{{ x }}' style='color:{{ y }}'>{% else %}<td>{% endif %}<a href='https://a.example/?q={{ x }}'>{{ x }}</a></td>{% for i in items %}<b {% if i %}title={{ i }}{% endif %}>{{ i }}</b>{% endfor %}";
    for (start, end) in [
        ("<p>", "</p>"),
        ("<!--[if mso]>", "<![endif]-->"),
        ("<!-- {{ x }}", "-->"),
        ("<noscript>", "</noscript>"),
    ] {
        let html = format!("{start}{}{end}", row.repeat(1_200));
        assert_eq!(compiled_in_time(html), Ok(()), "{start}");
    }
}

/// Names of elements, of attributes, and of the parameters of URLs.
type Structure = Vec<(String, BTreeSet<String>, Vec<String>)>;

/// What a value makes of a name is cut off: all values begin with VALUE.
const VALUE: &str = "vv";

fn cut(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let end = name.find(VALUE).unwrap_or(name.len());
    name[..end].to_owned()
}

fn element(
    name: &str,
    attributes: Vec<(String, String)>,
) -> (String, BTreeSet<String>, Vec<String>) {
    let base = Url::parse("https://base.example/").unwrap();
    let parameters = (attributes.iter())
        // A value may be a whole URL, and markup is none.
        .filter(|(name, value)| {
            name == "href" && !cut(value.trim()).is_empty() && !value.trim().starts_with('<')
        })
        .filter_map(|(_, value)| base.join(value).ok())
        .flat_map(|url| Vec::from_iter(url.query_pairs().map(|(name, _)| cut(&name))))
        .collect();
    let names = attributes.iter().map(|(name, _)| cut(name)).collect();
    (cut(name), names, parameters)
}

/// Reads the text of all elements as markup, or not that of those that a mail program with scripts does not.
struct Elements {
    has_raw: bool,
    found: RefCell<Structure>,
}

impl TokenSink for Elements {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else {
            return TokenSinkResult::Continue;
        };
        let attributes = (tag.attrs.iter())
            .map(|a| (a.name.local.to_string(), a.value.to_string()))
            .collect();
        self.found.borrow_mut().push(element(&tag.name, attributes));
        let is_start = tag.kind == TagKind::StartTag;
        match &*tag.name {
            "style" if is_start => TokenSinkResult::RawData(RawKind::Rawtext),
            "noscript" if is_start && self.has_raw => TokenSinkResult::RawData(RawKind::Rawtext),
            _ => TokenSinkResult::Continue,
        }
    }
}

fn structure(html: &str, has_raw: bool) -> Structure {
    let sink = Elements {
        has_raw,
        found: RefCell::default(),
    };
    let tokenizer = Tokenizer::new(sink, Default::default());
    let input = BufferQueue::default();
    input.push_back(html.into());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.found.into_inner()
}

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{{ x }}",
        "{{ x|e }}",
        "{{ x|upper }}",
        "{{ x|urlencode }}",
        "{{ x ~ y }}",
        "{{ x }}{{ x if y }}",
        "{{ w }}",
        "{{ m(x) }}",
        "{{ link }}",
        "{{ l(x) }}",
    ])
    .prop_map(str::to_owned)
}

fn literal() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "<a href=\"/p?n=",
        "<a href='/p/",
        "<a href=/p?a=1&n=",
        "<a href=",
        "<i title=",
        "<i title=\"",
        "<i ",
        "<i",
        "<img style=\"color:",
        "<img style='background:url(/p?n=",
        "<noscript>",
        "</noscript>",
        "<style>",
        "</style>",
        "<!--",
        "-->",
        "<!--[if mso]>",
        "<![endif]-->",
        "<b>",
        "</b>",
        ">",
        "\"",
        "'",
        "=",
        " ",
        "&n=",
        "?",
        "text ",
        "href",
        "/",
        "<",
        "</",
        "<!",
        "<?",
        "-",
        "]>",
        ")",
        "data-",
    ])
    .prop_map(str::to_owned)
}

fn template() -> impl Strategy<Value = String> {
    let part = prop_oneof![3 => literal(), 2 => value()];
    let parts =
        |part| prop::collection::vec(part, 1..5).prop_map(|parts: Vec<String>| parts.concat());
    let block = part.boxed().prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            4 => parts(inner.clone().boxed()),
            1 => parts(inner.clone().boxed()).prop_map(|a| format!("{{% if y %}}{a}{{% endif %}}")),
            1 => parts(inner.clone().boxed()).prop_map(|a| format!("{{% if not y %}}{a}{{% endif %}}")),
            1 => (parts(inner.clone().boxed()), parts(inner.clone().boxed()))
                .prop_map(|(a, b)| format!("{{% if y %}}{a}{{% else %}}{b}{{% endif %}}")),
            1 => parts(inner.clone().boxed()).prop_map(|a| format!("{{% for i in items %}}{a}{{% endfor %}}")),
            1 => parts(inner.boxed())
                .prop_map(|a| format!("{{% set s %}}{a}{{% endset %}}<u title='{{{{ s }}}}'>{{{{ s }}}}")),
        ]
    });
    prop::collection::vec(block, 1..10).prop_map(|blocks| {
        let link = "<a href=\"/?n={{ n }}\">{{ n }}</a>";
        format!(
            "{{% set w %}}{{{{ x }}}}{{% endset %}}{{% macro m(n) %}}{{{{ n }}}}{{% endmacro %}}{{% macro l(n) %}}{link}{{% endmacro %}}{{% set link %}}{{{{ x }}}}?n={{{{ x }}}}{{% endset %}}{}",
            blocks.concat()
        )
    })
}

fn hostile() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "&",
        "&admin=1",
        "=",
        "\"",
        "'",
        "`",
        " ",
        "\n",
        "/",
        ">",
        "<",
        "<b>",
        "<!--",
        "-->",
        "--",
        "!",
        "?",
        "#",
        ";",
        ")",
        "}",
        "onclick=1",
        "</style>",
        "</noscript>",
        "]]>",
        "[if mso]>",
        "&lt;",
        "&#34;",
        "%26",
        "%",
        "é",
        "a",
    ]);
    // The ends are those of the harmless value, which may be parts of names.
    prop::collection::vec(part, 1..6).prop_map(|parts| format!("{VALUE}{}v", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever the template, a value is text: with any, the document has the same tags, attributes and parameters.
    #[test]
    fn no_value_changes_the_structure_of_any_html(
        template in template(), value in hostile(), flag in any::<bool>(), rounds in 0..3usize,
    ) {
        let Ok(template) = compiled(&template) else {
            return Ok(());
        };
        let with = |value: &str| {
            let flag = if flag { "v" } else { "" };
            rendered(&template, json!({"x": value, "y": flag, "items": vec![1; rounds]}))
        };
        let (expected, found) = (with("vvv"), with(&value));
        for has_raw in [false, true] {
            prop_assert_eq!(
                structure(&found, has_raw),
                structure(&expected, has_raw),
                "\n{}\n{}", found, expected
            );
        }
    }
}

proptest! {
    /// A value is text: whatever it contains, the document has the same tags and attributes.
    #[test]
    fn no_value_changes_the_structure_of_the_html(value in any::<String>()) {
        let template = r#"<p title="{{x}}" class='{{x}}' id=a{{x}}>{{x}}<a href="/{{x}}?q={{x}}" data=b?{{x}}>{{x}}</a></p>"#;
        let structure = |html: &str| {
            let mut tags = Vec::new();
            lol_html::rewrite_str(
                html,
                lol_html::RewriteStrSettings::new().append_element_content_handler(
                    lol_html::element!("*", |element| {
                        let names: Vec<String> = element.attributes().iter().map(|a| a.name()).collect();
                        tags.push((element.tag_name(), names));
                        Ok(())
                    }),
                ),
            )
            .unwrap();
            tags
        };
        let expected = structure(&html(template, json!({"x": "v"})));
        prop_assert_eq!(structure(&html(template, json!({"x": value}))), expected);
    }
}
