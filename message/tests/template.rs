//! What is checked when a template is saved, and how it renders.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use message::template::{
    Part, Recipient, RenderError, Rendered, Source, Template, TemplateError, check,
};
use serde_json::{Map, Value, json};

fn compile(subject: &str, html: &str, text: Option<&str>) -> Result<Template, TemplateError> {
    Template::compile(&Source {
        subject,
        html,
        text,
        variables: &["city".to_owned(), "items".to_owned()],
    })
}

fn error(html: &str) -> TemplateError {
    compile("s", html, None).err().unwrap()
}

fn render(template: &Template, vars: Value) -> Result<Rendered, RenderError> {
    let vars: Map<String, Value> = vars.as_object().cloned().unwrap();
    template.render(&Recipient {
        email: "ana@example.com",
        unsubscribe_url: None,
        vars: &vars,
    })
}

#[test]
fn an_unknown_variable_is_named_with_its_place_and_the_nearest_name() {
    let found = error("<p>ñ</p>\n<p>ñ {{ city }} {% if cty %}{% endif %}");
    assert_eq!((found.part, found.line, found.column), (Part::Html, 2, 23));
    assert_eq!(found.message, "unknown variable `cty`");
    assert_eq!(found.hint.as_deref(), Some("Did you mean `city`?"));
    assert_eq!(
        found.to_string(),
        "html, line 2, column 23: unknown variable `cty`"
    );
}

#[test]
fn without_a_near_name_the_hint_lists_the_variables() {
    assert_eq!(
        error("{{ company }}").hint.as_deref(),
        Some("The variables are city, email, first_name, items, name, unsubscribe_url.")
    );
}

#[test]
fn each_part_is_checked() {
    assert_eq!(
        compile("{{ x }}", "", None).err().unwrap().part,
        Part::Subject
    );
    assert_eq!(compile("", "{{ x }}", None).err().unwrap().part, Part::Html);
    assert_eq!(
        compile("", "", Some("{{ x }}")).err().unwrap().part,
        Part::Text
    );
}

#[test]
fn an_attribute_or_an_argument_of_the_same_name_is_not_the_variable() {
    let found =
        error("{{ items.cty }}{{ items|first|default(cty='x') }}{{ items|join(d='-') }}{{ cty }}");
    assert_eq!(found.column, 76);
}

#[test]
fn a_syntax_error_has_line_and_column() {
    let found = error("<p>\n  {{ name }} {% if %}x{% endif %}");
    assert_eq!((found.line, found.column), (2, 20));
    assert!(
        found.message.starts_with("syntax error"),
        "{}",
        found.message
    );
    let found = error("a\n{% if name %}x");
    assert_eq!(found.line, 2);
}

#[test]
fn an_unknown_filter_is_found_when_the_template_is_saved() {
    let found = error("\n{{ name|uper }}");
    assert_eq!((found.line, found.column), (2, 9));
    assert_eq!(found.message, "unknown filter `uper`");
    assert_eq!(
        error("{% filter nope %}x{% endfilter %}").message,
        "unknown filter `nope`"
    );
}

#[test]
fn an_unknown_test_is_found_when_the_template_is_saved() {
    let found = error("\n{% if name is definde %}x{% endif %}");
    assert_eq!((found.line, found.column), (2, 15));
    assert_eq!(found.message, "unknown test `definde`");
    for html in [
        "{{ name is not nope }}",
        "{{ name is nope(1) }}",
        "{{ 0 and name is nope }}",
    ] {
        assert_eq!(error(html).message, "unknown test `nope`", "{html}");
    }
    for html in [
        "{{ name is defined }}",
        "{{ not name is not none }}",
        "{{ 3 is divisibleby(3) and 3 is divisibleby 3 is not false }}",
        "{{ name is not in ['x'] }}",
    ] {
        assert!(compile("s", html, None).is_ok(), "{html}");
    }
}

#[test]
fn loop_variables_set_variables_and_macro_arguments_are_known() {
    let template = compile(
        "s",
        "{% macro m(a) %}[{{ a }}]{% endmacro %}{% set n = city %}{% for i in items %}{{ loop.index }}{{ m(i) }}{{ n }}{% endfor %}{{ range(2)|join }}",
        None,
    )
    .unwrap();
    assert_eq!(template.used(), ["city", "items"]);
    let html = render(&template, json!({"city": "x", "items": ["a", "b"]}))
        .unwrap()
        .html;
    assert_eq!(html, "1[a]x2[b]x01");
}

#[test]
fn the_variables_of_all_parts_are_listed_once() {
    let template = compile("{{ name }}", "{{ city }}{{ name }}", Some("{{ email }}")).unwrap();
    assert_eq!(template.used(), ["city", "email", "name"]);
}

#[test]
fn neither_debug_nor_dict_nor_other_templates_can_be_reached() {
    for html in [
        "{{ debug() }}",
        "{{ dict() }}",
        "{% include 'html' %}",
        "{% extends 'html' %}",
    ] {
        assert!(compile("s", html, None).is_err(), "{html}");
    }
}

#[test]
fn a_missing_variable_and_a_null_are_errors_where_they_are_printed() {
    for html in [
        "\n{{ city }}",
        "\n<a href='?{{ city }}'>",
        "\n<p {{ city }}>",
        "\n{{ city ~ 'x' }}",
        "\n{{ city|upper }}",
    ] {
        let template = compile("s", html, None).unwrap();
        for vars in [json!({}), json!({"city": null})] {
            let error = render(&template, vars).unwrap_err();
            assert_eq!((error.part, error.line), (Part::Html, 2), "{html}");
        }
    }
}

#[test]
fn the_variables_without_a_value_are_named() {
    for html in [
        "{{ city }}",
        "<a href='?{{ city }}'>",
        "<p {{city}}>",
        "{{ city|upper }}",
        "{% if city %}x{% endif %}",
    ] {
        let template = compile("s", html, None).unwrap();
        let error = render(&template, json!({})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "html, line 1: undefined value (without a value: city)",
            "{html}"
        );
    }
}

#[test]
fn a_null_inside_a_value_is_an_error_too() {
    for html in [
        "{{ city.x }}",
        "<a href='?{{ city.x }}'>",
        "<p {{ city.x }}>",
    ] {
        let template = compile("s", html, None).unwrap();
        assert!(
            render(&template, json!({"city": {"x": null}})).is_err(),
            "{html}"
        );
    }
}

#[test]
fn a_default_stands_in_for_a_missing_variable_or_a_null() {
    let template = compile(
        "s",
        "<a href='?{{ city|default(\"a b\") }}'>{% if city is defined %}!{% endif %}",
        None,
    )
    .unwrap();
    for vars in [json!({}), json!({"city": null})] {
        assert_eq!(render(&template, vars).unwrap().html, "<a href='?a%20b'>");
    }
}

#[test]
fn subject_and_text_are_not_escaped() {
    let template = compile("{{ name }} & co", "x", Some("{{ name }} & <co>")).unwrap();
    let rendered = render(&template, json!({"name": "O'Connor <x> \"y\""})).unwrap();
    assert_eq!(rendered.subject, "O'Connor <x> \"y\" & co");
    assert_eq!(rendered.text, "O'Connor <x> \"y\" & <co>");
}

#[test]
fn control_characters_and_line_breaks_in_a_subject_become_one_space() {
    let template = compile("Hola {{ name }}\n", "x", None).unwrap();
    let rendered = render(
        &template,
        json!({"name": "Ana\r\nBcc: x@example.com\0\u{2028}\tz\u{85}"}),
    )
    .unwrap();
    assert_eq!(rendered.subject, "Hola Ana Bcc: x@example.com z");
}

#[test]
fn the_variable_email_is_the_recipients_address() {
    let template = compile("{{ email }}", "x", None).unwrap();
    assert_eq!(
        render(&template, json!({"email": "other@example.com"}))
            .unwrap()
            .subject,
        "ana@example.com"
    );
}

#[test]
fn a_template_cannot_run_for_ever_or_grow_without_bound() {
    for html in [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "<a href='?{% for a in range(40000) %}{{ city }}{% endfor %}'>",
    ] {
        let template = compile("s", html, None).unwrap();
        let city = "ñ".repeat(2000);
        assert!(render(&template, json!({"city": city})).is_err(), "{html}");
    }
}

/// As `check`, on a stack that is smaller than any that runs it.
fn check_on_a_small_stack(html: String) -> Result<(), TemplateError> {
    let checked = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            let template = compile("s", &html, Some("t"))?;
            // Whether it makes sense is another question.
            let _ = render(&template, json!({}));
            Ok(())
        });
    checked.unwrap().join().unwrap()
}

#[test]
fn chains_that_would_need_too_much_stack_are_refused_before_they_are_read() {
    let chain =
        |open: &str, link: &str, n: usize, close: &str| format!("{open}{}{close}", link.repeat(n));
    for n in [10, 20, 45, 50, 98, 150, 20_000] {
        for (open, link, close) in [
            ("{{ ", "-", "1 }}"),
            ("{{ ", "-", "1"),
            ("{{ ", "not ", "1 }}"),
            ("{{ 1", " and 1", " }}"),
            ("{{ 1", " or 0", " }}"),
            ("{{ 1", "~1", " }}"),
            ("{{ 1", "+1", " }}"),
            ("{{ 1", "**1", " }}"),
            ("{{ 1", " if 1 else 1", " }}"),
            ("{{ 1", " is defined", " }}"),
            ("{{ 1", " < 2", " }}"),
            ("{{ name", ".x", " }}"),
            ("{{ name", "[0]", " }}"),
            ("{{ name", "()", " }}"),
            ("{{ name", "|upper", " }}"),
            ("{{ ", "(", "1"),
            ("{{ ", "[", "1"),
            ("{{ ", "{1:", "1"),
            ("{{ ", "range(", "1"),
            ("{% if 1 %}", "{% elif 1 %}", "{% endif %}"),
            ("", "{% if 1 %}", ""),
            ("", "{% for a in [1] %}", ""),
            ("", "{% set a %}", ""),
            ("", "{% macro m() %}", ""),
            ("", "{% with %}", ""),
            ("", "{% filter upper %}", ""),
            ("", "{% if 1 %}{% set a|default(b=1) %}{% endset %}", ""),
            ("", "{% if 1 %}1", &"{% endif %}".repeat(n)),
        ] {
            let checked = check_on_a_small_stack(chain(open, link, n, close));
            if n == 20_000 {
                let error = checked.unwrap_err();
                assert!(error.message.contains("more than"), "{link}: {error}");
            }
        }
    }
}

#[test]
fn what_is_deep_in_each_way_at_once_fits_the_stack() {
    let elifs = |n: usize| format!("{{% if 0 %}}{}", "{% elif 0 %}".repeat(n));
    let nested = |open: &str, close: &str, n| format!("{}1{}", open.repeat(n), close.repeat(n));
    for (expression, is_refused) in [
        (format!("{}1", "-".repeat(98)), false),
        (format!("1{}", " and 1".repeat(49)), false),
        (format!("1{}", " if 1 else 1".repeat(24)), false),
        (nested("(-", ")", 20), false),
        (nested("1 in [", "]", 20), false),
        (nested("[--", "]", 20), true),
        (nested("{1:", "}", 20), true),
        (nested("range(", ")", 20), true),
        (nested("email(b=", ")", 18), true),
        (
            format!("1{}{}", "|default(1".repeat(19), ")".repeat(19)),
            false,
        ),
    ] {
        let html = format!(
            "{}{}{{{{ {expression} }}}}{{% else %}}{{{{ {expression} }}}}{}",
            "{% if 1 %}".repeat(19),
            elifs(50),
            "{% endif %}".repeat(20)
        );
        let checked = check_on_a_small_stack(html);
        assert_eq!(checked.is_err(), is_refused, "{expression}: {checked:?}");
    }
    let loops = "{% for a in [1] %}".repeat(18);
    let ends = "{% endfor %}".repeat(18);
    let call = nested("1 in [", "]", 18).replace("[1]", "[m(1)]");
    let html =
        format!("{{% macro m(n) %}}{loops}{{{{ {call} }}}}{ends}{{% endmacro %}}{{{{ m(1) }}}}");
    assert_eq!(check_on_a_small_stack(html), Ok(()));
}

#[test]
fn bounds_hold_for_what_is_spread_over_blocks() {
    let branches = "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(50);
    let ended = "{% endif %}";
    assert_eq!(
        check_on_a_small_stack((branches.clone() + ended).repeat(20)),
        Ok(())
    );
    for (html, message) in [
        (
            branches.repeat(2) + &ended.repeat(2),
            "more than 50 elif in one if, and the ifs around it",
        ),
        (
            "{% set a|default(b=1) %}".repeat(21),
            "more than 20 blocks in each other",
        ),
        (
            format!("{{{{ {}1{} }}}}", "[".repeat(21), "]".repeat(21)),
            "more than 20 brackets in each other",
        ),
    ] {
        let error = check_on_a_small_stack(html).unwrap_err();
        assert_eq!(error.message, message);
        assert!(error.hint.is_some());
    }
}

#[test]
fn ordinary_templates_are_far_from_the_bounds() {
    let html = "{% set a = 1 %}{% if name %}{{ name|default('you')|upper }}{% elif city %}{{ city }}{% else %}you{% endif %}<br>";
    assert_eq!(check_on_a_small_stack(html.repeat(1_500)), Ok(()));
    let error = check_on_a_small_stack("x".repeat(256 * 1024 + 1)).unwrap_err();
    assert_eq!(error.message, "more than 256 kB");
    let error = check_on_a_small_stack(format!("a\n {{{{ {} }}}}", "1+".repeat(200))).unwrap_err();
    assert_eq!((error.line, error.column), (2, 2));
    assert_eq!(error.message, "a tag of more than 100 words and signs");
}

#[test]
fn nothing_can_hold_itself() {
    let html = "{% set n = namespace(x=1) %}{% set n.x = n %}{{ n }}";
    assert_eq!(
        refused(html).unwrap().message,
        "unknown variable `namespace`"
    );
}

#[test]
fn a_collection_is_made_only_where_it_is_used_up_at_once() {
    let grown = |first: &str, step: &str, n: usize, last: &str| {
        format!("{{% set a = {first} %}}{}{{{{ {last} }}}}", step.repeat(n))
    };
    for html in [
        "{{ ([[['x' * 1000] * 100] * 100] * 1000) ~ 1 }}".to_owned(),
        grown("1", "{% set a = [a, a] %}", 26, "a"),
        grown("1", "{% set a = (a, a) %}", 26, "a"),
        grown("1", "{% set a = {1: a} %}", 26, "a"),
        grown("[1]", "{% set a = a + a %}", 22, "a ~ 1"),
        grown("'a,b'|split(',')", "{% set a = a * 1000 %}", 22, "a ~ 1"),
        grown("range(9)", "{% set a = a + a %}", 22, "a ~ 1"),
        "{% set a %}{% endset %}{% with a = [1] %}{{ a }}{% endwith %}".to_owned(),
        "{% macro m(a=[1]) %}{{ a }}{% endmacro %}{{ m() }}".to_owned(),
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m([1]) }}".to_owned(),
        "{% macro m(a) %}{{ caller(1) }}{% endmacro %}{% call(x) m([1]) %}{{ x }}{% endcall %}"
            .to_owned(),
        "{% macro m() %}{% endmacro %}{% set a = m %}".to_owned(),
        "{% for x in [[1]] %}{{ x }}{% endfor %}".to_owned(),
        "{% for x in [1] %}{% set a = loop %}{% endfor %}".to_owned(),
        "{% for x in [1] %}{{ loop.cycle([1]) }}{% endfor %}".to_owned(),
        "{{ [1]|default(1) }}".to_owned(),
        "{{ name|default([1]) }}".to_owned(),
        "{{ [1]|reverse }}".to_owned(),
        "{{ name|split }}".to_owned(),
        "{{ name|lines }}".to_owned(),
        "{{ [1][0:1] }}".to_owned(),
        "{{ [1] if name else 1 }}".to_owned(),
        "{{ name or [1] }}".to_owned(),
        "{{ [1] == [1] }}".to_owned(),
        "{{ 1 in [[1]] }}".to_owned(),
        "{{ range(9) }}".to_owned(),
        "{{ name.split(',') }}".to_owned(),
        "{% filter default([1]) %}{% endfilter %}".to_owned(),
        "{% if [1] %}{% endif %}".to_owned(),
        "{% autoescape [1] %}{% endautoescape %}".to_owned(),
        "{% do range([1]) %}".to_owned(),
        "{{ name or [1] and 1 }}".to_owned(),
        "{% for x in 'a' %}{% set k = loop.cycle(a=k, b=k) %}{% endfor %}".replace("=k", "=1"),
        "{% for x in 'a' %}{{ loop.cycle() }}{% endfor %}".to_owned(),
        "{% for x in 'a' %}{{ loop.cycle(*'') }}{% endfor %}".to_owned(),
        "{% for x in 'a' %}{{ loop.previtem }}{% endfor %}".to_owned(),
        "{% for x in 'a' recursive %}{{ loop(x) }}{% endfor %}".to_owned(),
        "{% for x in 'a' %}{% call loop.cycle() %}x{% endcall %}{% endfor %}".to_owned(),
        "{% call range(3) %}x{% endcall %}".to_owned(),
        "{% macro m(a) %}{% endmacro %}{{ m(*'a') }}".to_owned(),
        "{% macro m(a) %}{% endmacro %}{{ m(**name) }}".to_owned(),
        "{% macro m() %}{{ caller }}{% endmacro %}".to_owned(),
        "{% macro m() %}{{ caller or 1 }}{% endmacro %}".to_owned(),
        "{{ name.upper() }}".to_owned(),
        "{{ name[::2] }}".to_owned(),
        "{% autoescape false %}{{ name }}{% endautoescape %}".to_owned(),
    ] {
        for (subject, html) in [("s", html.as_str()), (html.as_str(), "h")] {
            let error = compile(subject, html, Some("t")).err().unwrap();
            assert!(
                error.message.ends_with("cannot be used here"),
                "{html}: {error}"
            );
            assert!(error.hint.is_some(), "{html}");
        }
    }
    let found = error("<p>\n{{ name|default([1]) }}");
    assert_eq!(
        found.to_string(),
        "html, line 2, column 17: a list cannot be used here"
    );
}

#[test]
fn lists_to_choose_from_to_look_into_and_to_join_are_allowed() {
    for (html, expected) in [
        (
            "{% for x in ['a', 'b'] %}{{ loop.cycle('1', '2') }}{{ x }}{% endfor %}",
            "1a2b",
        ),
        (
            "{% for x in city|split(',') if x != 'q' %}[{{ x|trim }}]{% endfor %}",
            "[p][r]",
        ),
        (
            "{% for n in range(1, 4)|reverse %}{{ n }}{% endfor %}",
            "321",
        ),
        ("{% if city in ['x', 'p,q,r'] %}y{% endif %}", "y"),
        ("{% if 'x' not in ('x', 'y') %}y{% else %}n{% endif %}", "n"),
        ("{{ city is in ['a'] }}", "False"),
        ("{{ ['a', city]|join(' ') }}", "a p,q,r"),
        (
            "{{ (city|split(','))[1] }}{{ (city|split(','))[1:]|last }}",
            "qr",
        ),
        (
            "{{ city|split(',')|length }}{{ city|split(',')|first }}",
            "3p",
        ),
        ("{{ ['a', 'b'][loop_no|default(1)] }}", "b"),
        (
            "{% for x in items|default(['a', 'b']) %}{{ x }}{% endfor %}{{ items|default([1, 2])|join }}",
            "ab12",
        ),
        (
            "{% macro m() %}{% if caller is undefined %}n{% endif %}{{ caller() if caller is defined else 'x' }}{% endmacro %}{{ m() }}{% call m() %}y{% endcall %}",
            "nxy",
        ),
        (
            "{% for x in 'ab' if x %}{{ loop.index }}{{ loop.last }}{{ loop.changed(x) }}{% endfor %}",
            "1FalseTrue2TrueTrue",
        ),
        ("{{ city[0] }}{{ city|reverse }}{{ city[:1] }}", "pr,q,pp"),
    ] {
        let html = html.replace("loop_no", "items");
        let template = compile("s", &html, Some("t")).unwrap();
        let rendered = render(&template, json!({"city": "p,q,r"})).unwrap();
        assert_eq!(rendered.html, expected, "{html}");
    }
}

#[test]
fn what_makes_collections_of_collections_is_not_there() {
    for filter in [
        "map('upper')",
        "batch(2)",
        "items",
        "tojson",
        "groupby('x')",
        "list",
    ] {
        let html = format!("{{% for x in city|{filter} %}}{{% endfor %}}");
        assert!(error(&html).message.starts_with("unknown filter"), "{html}");
    }
}

#[test]
fn long_texts_that_are_made_again_and_again_take_a_bounded_time() {
    let long = "{% set a = 'x, ' * 100000 %}";
    for step in [
        "{% set b = 'a'|split(a)|first %}",
        "{% set b = 'a'|replace(a, '') %}",
        "{% set b = 3|replace(a, '') %}",
        "{% set b = 'a'|trim(a) %}",
        "{% set b = a|upper %}",
        "{% set b = a|lower %}",
        "{% set b = a|title %}",
        "{% set b = a|capitalize %}",
        "{% set b = a|trim %}",
        "{% set b = a|escape %}",
        "{% set b = a|reverse %}",
        "{% set b = a|string %}",
        "{% set b = a|length %}",
        "{% set b = a|indent(8) %}",
        "{% set b = a|replace('x', 'yy') %}",
        "{% set b = a|replace('', a) %}",
        "{% set b = a|int(default=0) %}",
        "{% set b = a|float(default=0) %}",
        "{% set b = '%s'|format(a) %}",
        "{% set b = '%1000000000d'|format(1) %}",
        "{% set b = a|split(',')|last %}",
        "{% set b = a|split('')|last %}",
        "{% set b = a|lines|first %}",
        "{% set b = 'xyz'|join(a) %}",
        "{% set b = range(100000)|join(a) %}",
        "{% set b = range(100000)|last %}",
        "{% set b = a * 1000000 %}",
        "{% set b = a ~ a %}",
        "{% set a = a + a %}",
        "{% set b = a == a ~ 1 %}",
        "{% set b = a < a ~ 1 %}",
        "{% set b = 'xx' in a %}",
        "{% set b = 'xx' in a|split(',') %}",
        "{% set b = -1 in range(100000) %}",
        "{% set b = a is startingwith a %}",
        "{% set b = a is endingwith a %}",
        "{% for c in a %}{% endfor %}",
        "{% filter upper %}{{ a }}{% endfilter %}",
        "<a href='?{{ a }}' style='color: {{ a }}' title={{ a }}>",
    ] {
        let html = format!("{long}{{% for i in range(40000) %}}{step}{{% endfor %}}");
        let template = compile("s", &html, Some("t")).unwrap();
        let began = Instant::now();
        assert!(render(&template, json!({})).is_err(), "{step}");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{step}: {took:?}");
    }
    for test in ["lower", "upper"] {
        let html = format!("{{{{ name is {test} }}}}");
        assert!(error(&html).message.starts_with("unknown test"), "{html}");
    }
}

#[test]
fn a_value_longer_than_any_mail_needs_is_refused_where_it_is_used() {
    let template = compile("{{ city }}", "x", None).unwrap();
    let value = |n| json!({"city": "x".repeat(n), "unused": "x".repeat(100_000)});
    assert!(render(&template, value(65_536)).is_ok());
    let error = render(&template, value(65_537)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "subject, line 1: the value of city has more than 64 kB"
    );
    let error = template.html(&Recipient {
        email: "ana@example.com",
        unsubscribe_url: None,
        vars: value(65_537).as_object().unwrap(),
    });
    assert_eq!(error.unwrap_err().part, Part::Html);
}

#[test]
fn a_format_has_few_digits() {
    for format in [
        "'%.65535e'|format(1.5)",
        "'%.70000g'|format(1.5)",
        "'%100d'|format(1)",
        "'%-0999d'|format(1)",
        "'%(a)100d'|format(a=1)",
        "'%*d'|format(99, 1)",
        "'%d %.*f'|format(1, 2, 3.0)",
    ] {
        let template = compile(&format!("{{{{ {format} }}}}"), "x", None).unwrap();
        let error = render(&template, json!({})).unwrap_err();
        assert!(error.message.contains("two digits"), "{format}: {error}");
    }
    for (format, expected) in [
        ("'%.2f € of 1000'|format(9.999)", "10.00 € of 1000"),
        ("'100%% of 2000: %05d'|format(42)", "100% of 2000: 00042"),
        ("'%(a)s, %(b)-3s.'|format(a='x', b='y')", "x, y  ."),
        ("'%d%% 123'|format(7)", "7% 123"),
    ] {
        let template = compile(&format!("{{{{ {format} }}}}"), "x", None).unwrap();
        let subject = render(&template, json!({})).unwrap().subject;
        assert_eq!(subject, expected, "{format}");
    }
}

#[test]
fn no_numbers_make_it_panic() {
    for expression in [
        "range(9223372036854775807, -9223372036854775807, -1)|length",
        "range(2147483647, -2147483648, -2147483648)|length",
        "range(0, 9, 0)|length",
        "city[-9223372036854775808:9223372036854775807]",
        "city[9223372036854775807]",
        "-9223372036854775808 // -1",
        "9223372036854775807 * 9223372036854775807 * 9223372036854775807 * 9",
        "1 % 0",
        "1 // 0",
        "2 ** 1000000",
        "1.5|round(2147483647)",
        "1e308|int",
        "'9' * 400|int",
        "city * -1",
        "city|indent(-1)",
    ] {
        let Ok(template) = compile(&format!("{{{{ {expression} }}}}"), "x", None) else {
            continue;
        };
        let _ = render(&template, json!({"city": "abc"}));
    }
}

#[test]
fn what_is_no_value_is_told_with_what_to_do_instead() {
    for (html, message, hint) in [
        (
            "{% macro m() %}{{ caller() if caller else 'x' }}{% endmacro %}",
            "a macro without its brackets cannot be used here",
            "{% if caller is defined %}",
        ),
        (
            "{{ name.upper() }}",
            "a call of what is no macro cannot be used here",
            "{{ name|upper }}",
        ),
        (
            "{{ {'es': 'Hola'}['es'] }}",
            "a map cannot be used here",
            "{% elif … %}",
        ),
        (
            "{% for x in 'a' %}{{ loop.previtem }}{% endfor %}",
            "this of a loop cannot be used here",
            "loop.index",
        ),
        (
            "{% autoescape false %}{{ name }}{% endautoescape %}",
            "autoescape cannot be used here",
            "{{ x|safe }}",
        ),
        ("{{ name[::2] }}", "a step cannot be used here", "|reverse"),
    ] {
        let error = error(html);
        assert_eq!(error.message, message, "{html}");
        assert!(error.hint.unwrap().contains(hint), "{html}");
    }
    for html in ["{{ name|__quoted }}", "{% filter __css %}x{% endfilter %}"] {
        assert!(
            error(html).message.starts_with("unknown filter `__"),
            "{html}"
        );
    }
}

#[test]
fn an_error_does_not_tell_the_values() {
    let template = compile("s", "{{ city.x.y }}{{ city + 1 }}", None).unwrap();
    for vars in [
        json!({"city": "secret"}),
        json!({"city": {"x": {"y": "secret"}}}),
    ] {
        let error = render(&template, vars).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn without_a_text_part_one_is_made_from_the_html_with_whole_links() {
    let link = format!(
        "https://example.com/{}?name={{{{ name }}}}",
        "p".repeat(120)
    );
    let html = format!(
        "<style>p {{}}</style><table><tr><td><h1>Hola</h1></td></tr><tr><td>A &amp; {{{{ name }}}} <a href=\"{link}\">Form</a></td></tr></table>"
    );
    let template = compile("s", &html, None).unwrap();
    let rendered = render(&template, json!({"name": "José O'Connor"})).unwrap();
    assert!(
        rendered.text.contains("A & José O'Connor [Form]"),
        "{}",
        rendered.text
    );
    let link = link.replace("{{ name }}", "Jos%C3%A9%20O%27Connor");
    assert!(
        rendered.text.lines().any(|line| line.ends_with(&link)),
        "{}",
        rendered.text
    );
    assert!(!rendered.text.contains("style"), "{}", rendered.text);
    assert_eq!(
        rendered,
        render(&template, json!({"name": "José O'Connor"})).unwrap()
    );
}

#[test]
fn deeply_nested_html_does_not_exhaust_the_stack() {
    for (depth, is_converted) in [(100, true), (101, false), (4_000, false)] {
        let template = compile("s", &"<div>".repeat(depth), None).unwrap();
        let on_small_stack = std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || render(&template, json!({})).is_ok());
        assert_eq!(on_small_stack.unwrap().join().unwrap(), is_converted);
    }
}

#[test]
fn html_that_would_take_too_long_to_convert_asks_for_a_text_part() {
    let html = "<div>".repeat(30_000);
    let template = compile("s", &html, None).unwrap();
    assert_eq!(render(&template, json!({})).unwrap_err().part, Part::Text);
    let template = compile("s", &html, Some("t")).unwrap();
    assert_eq!(render(&template, json!({})).unwrap().text, "t");
}

#[test]
fn the_worst_html_that_is_converted_takes_a_bounded_time() {
    let open: String = (0..99).map(|n| format!("<b x{n}>")).collect();
    for html in [
        format!("{open}{}", "<p>x".repeat(9_800)),
        format!("{open}{}", "<table><tr><td>x".repeat(40)),
        "<sup><s><strong>".repeat(33) + &"<p>x</p>".repeat(4_900),
        format!("<table><tr>{}", "<td>x".repeat(9_900)),
        format!("<table>{}", "<tr><td>x<td>y".repeat(3_300)),
        "<ul><li>".repeat(100) + &"<li>x".repeat(9_700),
        "<a href=x>x</a>".repeat(4_900),
    ] {
        let template = compile("s", &html, None).unwrap();
        let begun = Instant::now();
        // Whether or not it is converted: without the bounds some of them take minutes.
        let _ = render(&template, json!({}));
        let took = begun.elapsed();
        assert!(took.as_secs() < 10, "{took:?} for {html:.60}");
    }
}

#[test]
fn the_time_of_a_check_grows_with_the_template_only() {
    let fill = |part: &str| part.repeat(250_000 / part.len());
    for html in [
        fill("<!--[if x]><style><![endif]-->"),
        fill("<!--[if x]><style></<![endif]-->"),
        fill("<!--[if x]>"),
        fill("<style></style>"),
        format!("<svg>{}", fill("<style>")),
        format!("<svg>{}", fill("<style></")),
        fill("{% set a = 1 %}"),
        fill("{{ 1 }}"),
    ] {
        let begun = Instant::now();
        refused(&html);
        let took = begun.elapsed();
        // Squares of these lengths take minutes.
        assert!(took.as_secs() < 10, "{took:?} for {html:.40}");
    }
}

fn refused(html: &str) -> Option<TemplateError> {
    check(&Source {
        subject: "s",
        html,
        text: None,
        variables: &["city".to_owned()],
    })
    .err()
}

#[test]
fn images_that_would_have_to_come_with_the_mail_are_refused() {
    let found = refused("<p>é</p>\n<img alt=x src='cid:logo'>").unwrap();
    assert_eq!((found.part, found.line, found.column), (Part::Html, 2, 17));
    assert_eq!(
        found.message,
        "src is a cid: URL: images are not sent with a mail"
    );
    assert!(found.hint.unwrap().contains("https address"));
    for html in [
        "<img src=\" CID:logo\">",
        "<img src=data:image/png;base64,AAAA>",
        "<img src='&#100;ata&colon;image/png;base64,AAAA'>",
        "<td background=\"data:image/png;base64,AAAA\">",
        "<video poster=\"cid:x\">",
        "<img srcset=\"https://a.example/1.png 1x, data:image/png;base64,AAAA 2x\">",
        "{% for i in [1] %}<img src='cid:{{ i }}'>{% endfor %}",
        "<!--[if mso]><v:image src='cid:logo'/><![endif]-->",
        "<td style=\"background: URL( &quot;data:image/png;base64,AAAA&quot;)\">",
        "<style>td { background: url('cid:logo') }</style>",
    ] {
        assert!(refused(html).is_some(), "{html}");
    }
    for html in [
        "<img src='https://a.example/cid:1.png'>",
        "<img src='{{ city }}' srcset='/a.png 1x, /b.png 2x'>",
        "<p title='cid:x'>cid:x <a href='data:text/plain,x'>",
        "<!-- <img src='cid:logo'> -->",
        "<td style='background: url(https://a.example/data:1.png)'>",
    ] {
        assert_eq!(refused(html), None, "{html}");
    }
}

#[test]
fn what_does_not_compile_is_refused_first() {
    let found = refused("<img src='cid:x'>{{ cty }}").unwrap();
    assert_eq!(found.message, "unknown variable `cty`");
}

#[test]
fn where_to_unsubscribe_is_a_variable_that_nobody_overrides() {
    let template = compile(
        "s",
        "<a href='{{unsubscribe_url}}'>",
        Some("{{unsubscribe_url}}"),
    )
    .unwrap();
    assert_eq!(template.used(), ["unsubscribe_url"]);
    let vars = json!({"unsubscribe_url": "https://evil.example"});
    let vars = vars.as_object().unwrap();
    let mut to = Recipient {
        email: "ana@example.com",
        unsubscribe_url: Some("https://mail.example.com/unsubscribe?t=AQ"),
        vars,
    };
    let rendered = template.render(&to).unwrap();
    assert_eq!(
        rendered.html,
        "<a href='https://mail.example.com/unsubscribe?t=AQ'>"
    );
    assert_eq!(rendered.text, "https://mail.example.com/unsubscribe?t=AQ");
    to.unsubscribe_url = Some("https://mail.example.com/'><b>");
    assert_eq!(
        template.html(&to).unwrap(),
        "<a href='https:&#x2f;&#x2f;mail.example.com&#x2f;&#x27;&gt;&lt;b&gt;'>"
    );
    to.unsubscribe_url = None;
    let error = template.render(&to).unwrap_err();
    assert!(
        error
            .message
            .ends_with("(without a value: unsubscribe_url)"),
        "{error}"
    );
}
