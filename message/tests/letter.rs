//! A prepared letter makes the very mails that are made from the beginning.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use message::header::{Campaign, bulk};
use message::letter::{From, Letter, Mail, Ours};
use message::links::Links;
use message::mail::Identity;
use message::template::Source;
use message::token::Key;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use uuid::Uuid;

#[derive(Debug, Clone)]
struct Case {
    subject: String,
    html: String,
    text: Option<String>,
    name: Option<String>,
    reply_to: Option<String>,
    headers: BTreeMap<String, String>,
    /// Opens, clicks; `None` = no links of ours.
    tracking: Option<(bool, bool)>,
    public_url: String,
}

impl Default for Case {
    fn default() -> Case {
        Case {
            subject: "Hi {{first_name}}".to_owned(),
            html: "<p>Hi {{first_name}}</p>".to_owned(),
            text: None,
            name: Some("OpenClaw Meetups".to_owned()),
            reply_to: None,
            headers: BTreeMap::new(),
            tracking: Some((true, true)),
            public_url: "https://mail.example.org".to_owned(),
        }
    }
}

impl Case {
    fn html(html: &str) -> Case {
        Case {
            html: html.to_owned(),
            ..Case::default()
        }
    }

    fn letter(&self) -> Letter {
        let variables = ["x".to_owned()];
        let source = Source {
            subject: &self.subject,
            html: &self.html,
            text: self.text.as_deref(),
            variables: &variables,
        };
        let campaign = Campaign {
            from_email: "team@example.org",
            id: "0a0c1e002026",
            segment: "no-show",
            has_unsubscribe: self.tracking.is_some(),
        };
        let from = From {
            email: "team@example.org".to_owned(),
            name: self.name.clone(),
            reply_to: self.reply_to.clone(),
            headers: bulk(&campaign, &self.headers),
        };
        let ours = match self.tracking {
            Some((track_opens, track_clicks)) => Ours::All(Links {
                public_url: self.public_url.clone(),
                key: Key::new(&[7; 32]).unwrap(),
                key_id: 3,
                job_no: 4711,
                track_opens,
                track_clicks,
            }),
            None => Ours::None,
        };
        let letter = Letter::new(&source, from, ours).unwrap();
        letter.prepare();
        letter
    }
}

fn identity(pos: u64) -> Identity {
    Identity {
        job_id: Uuid::from_u128(0x0a0c_1e00_2026_4226_8000_0000_0000_0001),
        pos,
        date: SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_100_000),
    }
}

fn vars(first_name: &str, name: &str, x: &str) -> Map<String, Value> {
    let vars = json!({"first_name": first_name, "name": name, "x": x});
    vars.as_object().unwrap().clone()
}

/// The mail that was prepared for these values, if it was; it is the one that is made from the beginning.
fn prepared(letter: &Letter, email: &str, vars: &Map<String, Value>, pos: u64) -> Option<Mail> {
    let prepared = letter.prepared_mail(email, vars, &identity(pos))?;
    let expected = letter.rendered_mail(email, vars, &identity(pos)).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&prepared.content),
        String::from_utf8_lossy(&expected.content)
    );
    assert!(prepared == expected);
    Some(prepared)
}

fn is_prepared(html: &str, value: &str) -> bool {
    let letter = Case::html(html).letter();
    prepared(&letter, "ada@example.com", &vars(value, value, value), 7).is_some()
}

#[test]
fn the_usual_templates_are_prepared() {
    for html in [
        "<p>Hi {{first_name}}</p>",
        "<h1>Hello, {{ name }}!</h1><p>We {{x}} you.</p>",
        "<ul><li>Name: {{name}}<li>Address: {{email}}, which is yours, and long enough to be wrapped</ul>",
        "<ol><li>one<li>{{name}} and more and more and more and more and more and more and more and more</ol>",
        "<blockquote>{{name}} said <b>{{x}}</b><br>and so on</blockquote>",
        "<table><tr><td>Hi {{name}}<td><a href='https://a.example/?n={{name}}&e={{email}}'>Here</a></table>",
        "<a href=https://a.example/?n={{name}}>x</a><a href=\"mailto:{{email}}\">{{email}}</a>",
        "<a href=\"{{unsubscribe_url}}\">stop</a> <img src='https://a.example/{{x}}.png' alt='{{name}}'>",
        "<a href='https://mail.example.org/e/{{x}}/{{name}}'>of the same host</a>{{x}}",
        "<title>{{name}}</title><body><p title='{{name}}'>\r\n{{name}}</p></body><p>late",
        "<!--[if mso]><a href='https://a.example/?n={{name}}'>x</a><![endif]--><p>{{name}}</p>",
        "<pre>  a  \n b</pre><p>{{x}}",
        "",
        "no tag {{first_name}} =\n.\n..{{x}}\n",
    ] {
        assert!(is_prepared(html, "Ada"), "{html}");
        assert!(is_prepared(html, "José O'Neil-Müller & Cia"), "{html}");
    }
}

#[test]
fn what_values_may_decide_is_not_prepared() {
    for html in [
        "{% if x %}a{% endif %}",
        "{{ x|upper }}",
        "{{ x or name }}",
        "<p {{x}}>",
        "<p title={{x}}>",
        "<p style='color: {{x}}'>",
        "<ol start='{{x}}'><li>a</ol>",
        "<sup>{{x}}</sup>",
        "<pre>{{x}}</pre>",
        "<s>{{x}}</s>",
        "<a href='{{x}}'>a</a>",
        "<a href='https://{{x}}.example/'>a</a>",
        "<a href='https://mail.example.org{{x}}'>a</a>",
        "<a href='https://mail.example.org/{{x}}'>a</a>",
        "<a href='https://mail.example.org/api/{{x}}'>a</a>",
        "<a href='https://mail.example.org/unsubscribe{{x}}'>a</a>",
        "<b title='{{x}}'><b title='{{name}}'>a",
        "&{{x}};",
        "<!-- {{x}}> <a href='https://a.example'>a</a> -->",
    ] {
        assert!(!is_prepared(html, "Ada"), "{html}");
    }
}

#[test]
fn unusual_values_are_made_from_the_beginning() {
    let html = "<p>Hi {{x}}</p>";
    assert!(is_prepared(html, "Ada"));
    for value in [
        "",
        " ",
        " Ada",
        "a\nb",
        "a\u{7f}",
        "a\u{301}",
        "👩‍👩‍👧",
        &"a".repeat(257),
        &"a".repeat(80),
    ] {
        assert!(!is_prepared(html, value), "{value:?}");
        let letter = Case::html(html).letter();
        let vars = vars(value, value, value);
        let mail = letter.mail("ada@example.com", &vars, &identity(7));
        assert_eq!(
            mail,
            letter.rendered_mail("ada@example.com", &vars, &identity(7))
        );
    }
    let letter = Case::html(html).letter();
    for value in [json!(null), json!(7), json!(true), json!(["a"])] {
        let mut vars = vars("a", "b", "c");
        vars.insert("x".to_owned(), value);
        assert_eq!(
            letter.prepared_mail("ada@example.com", &vars, &identity(7)),
            None
        );
    }
    assert_eq!(
        letter.prepared_mail("nobody", &vars("a", "b", "c"), &identity(7)),
        None
    );
}

#[test]
fn a_letter_is_prepared_when_it_is_asked_to_and_its_mails_stay_the_same() {
    let case = Case::default();
    let prepared_letter = case.letter();
    let source = Source {
        subject: &case.subject,
        html: &case.html,
        text: None,
        variables: &[],
    };
    let from = From {
        email: "team@example.org".to_owned(),
        name: None,
        reply_to: None,
        headers: BTreeMap::new(),
    };
    let letter = Letter::new(&source, from, Ours::None).unwrap();
    let vars = vars("Ada", "Ada", "Ada");
    let is_prepared =
        |letter: &Letter| (letter.prepared_mail("ada@example.com", &vars, &identity(7))).is_some();
    assert!(is_prepared(&prepared_letter));
    let first = letter.mail("ada@example.com", &vars, &identity(7));
    assert!(!is_prepared(&letter));
    letter.prepare();
    assert!(is_prepared(&letter));
    assert_eq!(letter.mail("ada@example.com", &vars, &identity(7)), first);
}

#[test]
fn what_is_missing_is_told_as_before() {
    let letter = Case::default().letter();
    let error = letter
        .mail("ada@example.com", &Map::new(), &identity(7))
        .unwrap_err();
    assert!(error.contains("first_name"), "{error}");
}

fn value() -> impl Strategy<Value = String> {
    let usual = prop::sample::select(vec![
        "Ada",
        "José",
        "Müller",
        "Ada Lovelace",
        "O'Neil",
        "Łukasz",
        "Ann-Marie",
        "Иван Петров",
        "Γιώργος",
        "dr. no",
    ]);
    let part = prop::sample::select(vec![
        "a",
        "Z",
        "7",
        " ",
        "  ",
        ".",
        "=",
        "==",
        "=20",
        "&",
        "<",
        ">",
        "\"",
        "'",
        "/",
        "%",
        "+",
        "?",
        "#",
        "-",
        "--",
        "_",
        "~",
        "é",
        "ñ",
        "漢字",
        "かな",
        "🎉",
        "👩‍👩‍👧",
        "❤\u{fe0f}",
        "א",
        "ب",
        "\u{301}",
        "\u{a0}",
        "\u{200b}",
        "\u{2028}",
        "\r\n",
        "\n",
        "\t",
        "\u{7f}",
        "word",
        "aVeryLongWordWithoutAnyPlaceToBreakItInTwo",
        "a b c d e f g",
        "=?utf-8?q?a?=",
        "x@example.com",
        "From ",
        "{{x}}",
        "&amp;",
        "-->",
        "]]>",
        "lt;",
    ]);
    prop_oneof![
        6 => usual.prop_map(str::to_owned),
        3 => prop::collection::vec(part.clone(), 0..4).prop_map(|parts| parts.concat()),
        1 => prop::collection::vec(part, 5..40).prop_map(|parts| parts.concat()),
        1 => any::<String>(),
        1 => "[a-zé ]{60,90}",
    ]
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z]{1,12}(\\.[a-z]{1,8})?@[a-z]{1,10}\\.(example|org)",
        2 => "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,60}@[A-Z]{1,10}\\.example",
        1 => Just("ada@bücher.example".to_owned()),
        1 => Just("nobody".to_owned()),
    ]
}

fn html() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "<p>",
        "</p>",
        "<br>",
        "<div>",
        "</div>",
        "<ul><li>",
        "<li>",
        "</ul>",
        "<ol>",
        "</ol>",
        "<blockquote>",
        "</blockquote>",
        "<h2>",
        "</h2>",
        "<b>",
        "</b>",
        "<em>",
        "<table><tr><td>",
        "<td>",
        "</table>",
        "</a>",
        "<a href='https://a.example/?a=1&amp;b=2'>",
        "<pre>",
        "</pre>",
        "<hr>",
        "<dl><dt>",
        "<dd>",
        "</dl>",
        "<sup>",
        "<s>",
        "<span style=\"color:red\">",
        "<body>",
        "</body>",
        "<!-- c -->",
        "<title>",
        "</title>",
        "<img src=a.png alt='an image'>",
        "<style>p { color: red }</style>",
        "<a href=\"{{unsubscribe_url}}\">",
        "<a href=\"mailto:team@example.org\">",
        "<div style=\"margin:0;padding:0;font-family:Arial,Helvetica,sans-serif\" class=\"wide\">",
        "Some words of text that go on for a while. ",
        "word ",
        "word",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        ".",
        "..",
        "=",
        "===",
        "é",
        "漢字",
        "🎉",
        "&nbsp;",
        "&eacute;",
        "&amp;",
        "\t",
        "aVeryLongWordWithoutAnyPlaceToBreakItInTwoThatIsLongerThanALineOfTextAndThenSomeMore",
        " trailing  \n",
        "\n.begins with a dot\n",
        "➜",
    ]);
    let values = prop::sample::select(vec![
        "{{x}}",
        "{{ name }}",
        "Hi {{first_name}},",
        "{{email}}",
        "<p>{{first_name}} {{name}}</p>",
        "<a href=\"https://a.example/r?name={{name}}&email={{email}}\">",
        "<a href='https://a.example/{{x}}'>{{x}}</a>",
        "<a href=https://a.example/?q={{x}}>",
        "<img src=\"https://a.example/{{x}}\" alt=\"{{name}}\">",
        "<p title='{{x}}'>",
        "{{unsubscribe_url}}",
        "<a href=\"https://mail.example.org/e/{{x}}\">e</a>",
        "<!-- {{x}} -->",
        "<li>{{name}}: {{x}}",
        "<td>{{x}}",
        "<h1>{{x}}</h1>",
        "{{x}}{{name}}",
        "{{x}}\n{{name}}",
    ]);
    let rare = prop::sample::select(vec![
        "{% if x %}a{% else %}b{% endif %}",
        "{{ x|upper }}",
        "<a href='{{x}}'>",
        "<a href='https://{{x}}/'>",
        "<p style='color:{{x}}'>",
        "&{{x}}",
        "{# c #}",
        "{%- set y = x -%}",
    ]);
    let piece = prop_oneof![30 => fixed, 20 => values, 1 => rare];
    prop::collection::vec(piece.prop_map(str::to_owned), 0..24).prop_map(|pieces| pieces.concat())
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Hi {{first_name}},\n",
        "{{x}}",
        "{{name}}",
        "{{email}}",
        "\n",
        "\n\n",
        " ",
        "word ",
        ".",
        "=",
        "é",
        "🎉",
        "漢字漢字漢字",
        "\r\n",
        "\t",
        " \n",
        "{{unsubscribe_url}}",
        "https://a.example/?name={{name}}\n",
        "A line of text that is so long that it has to be wrapped in quoted-printable, whatever else is in it.\n",
    ]);
    prop::collection::vec(piece.prop_map(str::to_owned), 0..16).prop_map(|pieces| pieces.concat())
}

fn subject() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Hi ",
        "{{first_name}}",
        "{{name}}",
        "{{x}}",
        " ",
        "  ",
        "\n",
        "é",
        "🎉",
        "=?",
        "?=",
        "some words that make it long ",
        ", ",
        "!",
        "{{email}}",
    ]);
    prop::collection::vec(piece.prop_map(str::to_owned), 0..8).prop_map(|pieces| pieces.concat())
}

fn case() -> impl Strategy<Value = Case> {
    let name = prop_oneof![
        Just(None),
        Just(Some("OpenClaw Meetups".to_owned())),
        Just(Some("Ünï, \"Co\" <x>".to_owned())),
        Just(Some("a=?b".repeat(90))),
        Just(Some(String::new())),
    ];
    let headers = prop::sample::select(vec![
        vec![],
        vec![("X-Campaign", "spring"), ("X-Greeting", "Grüße 🎉")],
        vec![("list-unsubscribe", "<mailto:stop@example.org>")],
        vec![(
            "X-Long",
            "word word word word word word word word word word word word word word word word word word word",
        )],
    ]);
    let headers = headers.prop_map(|all| {
        let all = all
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        all.collect::<BTreeMap<String, String>>()
    });
    let tracking = prop_oneof![
        1 => Just(None),
        6 => (any::<bool>(), any::<bool>()).prop_map(Some),
    ];
    let public_url = prop::sample::select(vec![
        "https://mail.example.org",
        "https://mail.example.org/a-long-path/of-a-page?that=is&ours",
        "https://mäil.example.org",
        "https://a.example",
    ]);
    (
        subject(),
        html(),
        prop::option::weighted(0.3, text()),
        name,
        prop::option::weighted(0.3, Just("answers@example.org".to_owned())),
        headers,
        tracking,
        public_url,
    )
        .prop_map(
            |(subject, html, text, name, reply_to, headers, tracking, public_url)| Case {
                subject,
                html,
                text,
                name,
                reply_to,
                headers,
                tracking,
                public_url: public_url.to_owned(),
            },
        )
}

fn usual_value() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => "[A-ZÁÉÑÖÜŁ][a-záéñöüłß]{1,12}( [A-Z][a-zé]{1,12}){0,2}",
        1 => "[A-Z][a-z]{1,10}-[A-Z]'[A-Z][a-z]{1,10}",
        1 => "[А-Я][а-я]{1,10}",
        1 => Just("山田 太郎".to_owned()),
    ]
}

/// Paragraphs, lists, layout tables and links, whole ones.
fn usual_html() -> impl Strategy<Value = String> {
    let block = prop::sample::select(vec![
        "<h1>Hi {{first_name}}</h1>",
        "<p>Dear {{name}},</p>\n",
        "<p style=\"margin:0 0 16px;color:#222\">Dear <b>{{name}}</b>, you wrote from {{email}}, and we answer with so many words that they need more than one line.</p>\r\n",
        "<p><a href=\"https://a.example/r?name={{name}}&amp;email={{email}}\">Answer</a> or <a href='https://a.example/'>read on</a>.</p>\n",
        "<ul>\n<li>Name: {{name}}</li>\n<li>What you told us: {{x}}</li>\n</ul>\n",
        "<table role=\"presentation\" width=\"100%\"><tr><td style=\"padding:24px\">Hi {{first_name}},<br>it is late.</td></tr></table>\n",
        "<p>Ünïcödé, 🎉 and {{x}} → yes</p>",
        "<img src=\"https://a.example/{{x}}.png\" alt=\"{{first_name}}\">\n",
        "<hr>\n",
        "<p>No value at all, but a text that is long enough to be wrapped by all who wrap.</p>\n",
        "<blockquote>{{name}} said: {{x}}</blockquote>\n",
        "<p><a href=\"{{unsubscribe_url}}\">No more mails</a></p>\n",
        "<!-- of {{name}} --><div>\n.{{first_name}}\n</div>\n",
    ]);
    // Few words with many other than ASCII characters would be sent in base64.
    let words = "It was a good evening with many people, many talks and even more questions. ";
    prop::collection::vec(block, 1..10)
        .prop_map(move |blocks| format!("<p>{}</p>\n{}", words.repeat(3), blocks.concat()))
}

/// Runs a case with eight recipients so often; how many mails were prepared, in percent.
fn prepared_percent(
    cases: u32,
    case: impl Strategy<Value = Case>,
    address: impl Strategy<Value = String>,
    value: impl Strategy<Value = String>,
) -> usize {
    let (mails, prepared_mails) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let values = prop::collection::vec(value, 3);
    let recipients = prop::collection::vec((address, values, any::<u64>()), 8);
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    };
    TestRunner::new(config)
        .run(&(case, recipients), |(case, recipients)| {
            let letter = case.letter();
            for (email, values, pos) in recipients {
                let vars = vars(&values[0], &values[1], &values[2]);
                // Eight bytes are more positions than a database has, and most tokens are longer than they are.
                let pos = pos >> (pos % 64).max(1);
                let is_prepared = prepared(&letter, &email, &vars, pos).is_some();
                mails.fetch_add(1, Ordering::Relaxed);
                prepared_mails.fetch_add(usize::from(is_prepared), Ordering::Relaxed);
            }
            Ok(())
        })
        .unwrap();
    100 * prepared_mails.into_inner() / mails.into_inner()
}

#[test]
fn a_prepared_mail_is_the_one_that_is_made_from_the_beginning() {
    let percent = prepared_percent(200, case(), address(), value());
    assert!(percent >= 12, "{percent} % of hard mails were prepared");
}

#[test]
fn nearly_all_usual_mails_are_prepared() {
    let subject = prop::sample::select(vec!["Hi {{first_name}}", "{{name}}: ¿vienes?", "News"]);
    let case = (case(), usual_html(), subject).prop_map(|(case, html, subject)| Case {
        html,
        subject: subject.to_owned(),
        text: (case.text)
            .map(|_| format!("Hi {{{{name}}}},\n\n{}", "we write to you.\n".repeat(5))),
        public_url: "https://mail.example.org".to_owned(),
        tracking: Some(case.tracking.unwrap_or((true, true))),
        ..case
    });
    let address = "[a-z]{1,12}(\\.[a-z]{1,8})?(\\+news)?@[a-zA-Z]{1,10}\\.(example|org)";
    let percent = prepared_percent(100, case, address, usual_value());
    assert!(percent >= 95, "{percent} % of usual mails were prepared");
}
