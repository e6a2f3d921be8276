//! Filters that cut and change texts: no value leaves its place through them, and none is written twice.

#![allow(clippy::unwrap_used)]

use message::template::{Recipient, Source, Template};
use serde_json::json;

fn html(template: &str, name: &str) -> String {
    let template = Template::compile(&Source {
        subject: "s",
        html: template,
        text: Some("t"),
        variables: &["city".to_owned()],
    });
    let vars = json!({"name": name, "city": "x onmouseover=alert(1) y="});
    let to = Recipient {
        email: "ana@example.com",
        unsubscribe_url: None,
        vars: vars.as_object().unwrap(),
    };
    template.unwrap().html(&to).unwrap()
}

#[test]
fn a_part_of_what_is_html_is_text() {
    let set = r#"{% set x %}<a title="{{ name }}">k</a>{% endset %}"#;
    for cut in [
        "{{ x|split(',')|first }}",
        "{{ x|split('\"')|join('') }}",
        "{{ x|lines|first }}",
        "{{ x|replace('\"', '') }}",
        "{{ x|reverse }}",
        "{{ x|trim('<a') }}",
        "{{ x|title }}",
        "{{ x|capitalize }}",
        "{{ '%.9s'|format(x) }}",
        "{{ '%.9s'|safe|format(x) }}",
        "{% filter replace('\"', '') %}{{ x }}{% endfilter %}",
        "{% filter reverse %}{{ x }}{% endfilter %}",
        "{% set y|replace('\"', '') %}{{ x }}{% endset %}{{ y }}",
    ] {
        let html = html(&format!("{set}{cut}<p title=\"{{{{ city }}}}\">"), "a,b\nc");
        assert!(!html.contains("<a"), "{cut}: {html}");
        assert_eq!(html.matches('<').count(), 1, "{cut}: {html}");
        assert_eq!(html.matches('"').count(), 2, "{cut}: {html}");
    }
}

#[test]
fn what_is_html_is_encoded_once() {
    for (template, expected) in [
        (
            "{% filter title %}{{ name }}{% endfilter %}",
            "Tom &amp; Ann",
        ),
        ("{{ name|e|title }}", "Tom &amp; Ann"),
        (
            "{% set x %}{{ name }}{% endset %}{{ x|capitalize }}",
            "Tom &amp; ann",
        ),
        ("{{ name|e|replace('&', 'and') }}", "tom and ann"),
        ("{{ name|replace('tom ', '<br>'|safe) }}", "<br>&amp; ann"),
        (
            "{{ '<b>%s</b>'|safe|format(name) }}",
            "<b>tom &amp; ann</b>",
        ),
        ("{{ name|e|split|join('+') }}", "tom+&amp;+ann"),
        ("{{ name|e|reverse }}", "nna &amp; mot"),
        (
            "{% macro m() %} <b>{{ name }}</b> {% endmacro %}{{ m()|trim }}",
            "<b>tom &amp; ann</b>",
        ),
        (
            "{% filter upper %}<b>{{ name }}</b>{% endfilter %}",
            "<B>TOM &AMP; ANN</B>",
        ),
    ] {
        assert_eq!(html(template, "tom & ann"), expected, "{template}");
    }
}
