//! Where a value is printed decides how it is encoded.

#![allow(clippy::unwrap_used)]

use message::template::{Recipient, Source, Template};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn vars(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn html(html: &str, value: Value) -> String {
    let variables: Vec<String> = ["x", "y", "items"].map(str::to_owned).to_vec();
    Template::compile(&Source {
        subject: "s",
        html,
        text: Some("t"),
        variables: &variables,
    })
    .unwrap()
    .render(&Recipient {
        email: "agustin@example.com",
        unsubscribe_url: Some("https://mail.example.org/unsubscribe?t=AQ_-"),
        vars: &vars(value),
    })
    .unwrap()
    .html
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
fn before_the_query_a_value_is_html_escaped() {
    assert_eq!(
        html(
            r#"<img src="https://x/{{x}}/p.png?u={{x}}">"#,
            json!({"x": "a&b"})
        ),
        r#"<img src="https://x/a&amp;b/p.png?u=a%26b">"#
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
        r#"<a href="/p/3&amp;4?b=3%264&c=3%264">"#
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
