//! Links that lead through us, and the URLs behind them.

#![allow(clippy::unwrap_used)]

use message::links::{Links, count, unsubscribe_url, url};
use message::template::{Recipient, Source, Template};
use message::token::{Key, Kind, Token};
use proptest::prelude::*;
use regex::Regex;
use serde_json::json;
use url::Url;

const US: &str = "https://mail.example.com/r";

fn links(track_opens: bool, track_clicks: bool) -> Links {
    Links {
        public_url: US.to_owned(),
        key: Key::new(&[7; 32]).unwrap(),
        key_id: 1,
        job_no: 42,
        track_opens,
        track_clicks,
    }
}

fn tracked(html: &str) -> String {
    links(false, true).tracked(html.to_owned(), 7).unwrap()
}

fn token(kind: Kind) -> String {
    Token {
        kind,
        key_id: 1,
        job_no: 42,
        pos: 7,
    }
    .sign(&Key::new(&[7; 32]).unwrap())
}

fn click(link: u32) -> String {
    format!("{US}/api/track/click?t={}", token(Kind::Click { link }))
}

fn pixel() -> String {
    let token = token(Kind::Open);
    format!(
        r#"<img src="{US}/api/track/open?t={token}" width="1" height="1" alt="" style="border:0">"#
    )
}

fn urls(html: &str) -> Vec<String> {
    (1..=count(html, US).unwrap())
        .map(|n| url(html, US, n).unwrap().unwrap_or_default())
        .collect()
}

#[test]
fn links_to_the_web_lead_through_us() {
    let (one, two) = (click(1), click(2));
    for (from, to, behind) in [
        (
            r#"<a href="https://a.example/x">"#,
            format!(r#"<a href="{one}">"#),
            "https://a.example/x",
        ),
        (
            "<a href='http://a.example/'>",
            format!("<a href='{one}'>"),
            "http://a.example/",
        ),
        (
            "<a href=https://a.example/>",
            format!("<a href=\"{one}\">"),
            "https://a.example/",
        ),
        (
            "<A class=b HREF = HTTPS://A.example/X >",
            format!("<A class=b HREF = \"{one}\" >"),
            "https://a.example/X",
        ),
        (
            "<area href='https://a.example/'>",
            format!("<area href='{one}'>"),
            "https://a.example/",
        ),
        (
            "<a href=' \n\thttps://a.example/ '>",
            format!("<a href='{one}'>"),
            "https://a.example/",
        ),
        (
            "<a href='&#x68;ttps&colon;//a.example/?b=1&amp;c=2&copy=3'>",
            format!("<a href='{one}'>"),
            "https://a.example/?b=1&c=2&copy=3",
        ),
        (
            "<a href='https://a.example/?b=\"<é🎉'>",
            format!("<a href='{one}'>"),
            "https://a.example/?b=%22%3C%C3%A9%F0%9F%8E%89",
        ),
        (
            "<a href='https://a.example/1' href='https://a.example/2'>",
            format!("<a href='{one}' href='https://a.example/2'>"),
            "https://a.example/1",
        ),
        (
            "<a href='https://mail.example.com/rest'>",
            format!("<a href='{one}'>"),
            "https://mail.example.com/rest",
        ),
        (
            "<a href='https://mail.example.com/r/tickets'>",
            format!("<a href='{one}'>"),
            "https://mail.example.com/r/tickets",
        ),
        (
            "<a href='https://mail.example.com/r/unsubscribed'>",
            format!("<a href='{one}'>"),
            "https://mail.example.com/r/unsubscribed",
        ),
        (
            "<a href='mailto:x@a.example'><a href='https://a.example/'>",
            format!("<a href='mailto:x@a.example'><a href='{one}'>"),
            "https://a.example/",
        ),
    ] {
        assert_eq!(tracked(from), to);
        assert_eq!(urls(from), [behind], "{from}");
    }
    assert_eq!(
        tracked("<p>é<a href='https://a.example/'>a</a><a href='https://a.example/'>b</a>"),
        format!("<p>é<a href='{one}'>a</a><a href='{two}'>b</a>")
    );
}

#[test]
fn all_others_stay_as_they_are() {
    for html in [
        "<a href='javascript:alert(1)'>",
        "<a href='data:text/html,https://a.example'>",
        "<a href='mailto:a@b.example?body=https://a.example'>",
        "<a href='tel:+34123'>",
        "<a href='sms:+34123'>",
        "<a href='cid:1'>",
        "<a href='ftp://a.example'>",
        "<a href='#https://a.example'>",
        "<a href='/https://a.example'>",
        "<a href='//a.example/'>",
        "<a href='?https://a.example'>",
        "<a href='https:a.example'>",
        "<a href='https'>",
        "<a href='https://'>",
        "<a href='https://a b/'>",
        "<a href='https://[::1'>",
        "<a href='https://mail.example.com/r/api/track/click?t=x'>",
        "<a href='https://mail.example.com/r/unsubscribe'>",
        "<a href=''><a href><a>",
        "<a name='https://a.example'>",
        "<a data-href='https://a.example' title='<a href=https://b.example>'>",
        "<img src='https://a.example/x.png'>",
        "<link href='https://a.example/x.css'>",
        "<form action='https://a.example/'>",
        "<a href='https://mail.example.com/r/unsubscribe?t=x'>",
        "<a href=' &#104;ttps:&#x2f;/mail.example.com/r/unsubscribe?t=x'>",
        "<!-- <a href='https://a.example'> -->",
        "<!--[if mso]><a href='https://a.example'><![endif]-->",
        "<style>a { b: \"<a href='https://a.example'>\" }</style>",
        "<textarea><a href='https://a.example'></textarea>",
        "https://a.example &lt;a href='https://a.example'&gt;",
    ] {
        assert_eq!(tracked(html), html);
        assert_eq!(count(html, US), Ok(0), "{html}");
    }
}

#[test]
fn there_is_no_link_outside_of_those_that_are_counted() {
    let html = "<a href='https://a.example/'>";
    assert_eq!(url(html, US, 0), Ok(None));
    assert_eq!(url(html, US, 2), Ok(None));
    assert_eq!(url(html, US, usize::MAX), Ok(None));
}

#[test]
fn a_url_is_one_line_of_ascii() {
    let html = "<a href='https://bücher.example/&#10;a\tb\r\nSet-Cookie: c=&#0;é'>";
    let url = url(html, US, 1).unwrap().unwrap();
    assert!(url.bytes().all(|byte| (33..127).contains(&byte)), "{url}");
    assert!(
        url.starts_with("https://xn--bcher-kva.example/abSet-Cookie:"),
        "{url}"
    );
}

#[test]
fn the_pixel_is_the_last_thing_in_the_body() {
    let opened = |html: &str| links(true, false).tracked(html.to_owned(), 7).unwrap();
    let pixel = pixel();
    for (from, to) in [
        ("<p>a", format!("<p>a{pixel}")),
        (
            "<html><body><p>a</body></html>\n",
            format!("<html><body><p>a{pixel}</body></html>\n"),
        ),
        (
            "<BODY>é<!-- </body> --></BODY >",
            format!("<BODY>é<!-- </body> -->{pixel}</BODY >"),
        ),
        ("<body>a", format!("<body>a{pixel}")),
        ("a</body>", format!("a</body>{pixel}")),
        ("", pixel.clone()),
    ] {
        assert_eq!(opened(from), to);
    }
}

#[test]
fn opens_and_clicks_are_tracked_together_or_not_at_all() {
    let html = "<body><a href='https://a.example/'></body><a href='https://b.example/'>";
    let both = format!(
        "<body><a href='{}'>{}</body><a href='{}'>",
        click(1),
        pixel(),
        click(2)
    );
    assert_eq!(links(true, true).tracked(html.to_owned(), 7).unwrap(), both);
    assert_eq!(
        links(false, false).tracked(html.to_owned(), 7).unwrap(),
        html
    );
}

#[test]
fn the_link_to_unsubscribe_is_left_alone_wherever_it_stands() {
    let links = links(false, true);
    let unsubscribe = links.unsubscribe_url(7);
    assert_eq!(unsubscribe, unsubscribe_url(US, &token(Kind::Unsubscribe)));
    for html in [
        "<a href='{{unsubscribe_url}}'>",
        "<a href={{unsubscribe_url}}>",
        "<a href=\" {{ unsubscribe_url|e }}\">",
        "<a href='{{ unsubscribe_url ~ \"&lang=es\" }}'>",
    ] {
        let template = compile(html);
        let html = template
            .html(&recipient(&unsubscribe, &Default::default()))
            .unwrap();
        assert_eq!(tracked(&html), html);
        assert_eq!(count(&html, US), Ok(0), "{html}");
    }
}

fn compile(html: &str) -> Template {
    Template::compile(&Source {
        subject: "",
        html,
        text: None,
        variables: &["x".to_owned(), "items".to_owned()],
    })
    .unwrap()
}

fn recipient<'a>(
    unsubscribe_url: &'a str,
    vars: &'a serde_json::Map<String, serde_json::Value>,
) -> Recipient<'a> {
    Recipient {
        email: "agustin+news%1@example.com",
        unsubscribe_url: Some(unsubscribe_url),
        vars,
    }
}

fn nasty() -> Vec<String> {
    [
        "O\"Brien",
        "<b>Ana</b>",
        "Ana & Co",
        "O'Connor",
        "'><script>alert(1)</script>",
        "\" onclick=\"x",
        "🎉👩‍👩‍👧",
        "שלום \u{202e}عربى\u{202c}",
        "a\tb c  d",
        "100% + 1 = #?&=;/",
        "&amp;&lt;&#39;&copy",
        "{{ name }}{% if %}",
        "\u{0}\u{7f}\u{85}x",
        "é\u{301}\u{fffd}",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["ñ\"<".repeat(3_334)])
    .collect()
}

/// The value of the first attribute of that name.
fn attribute(html: &str, name: &str) -> String {
    let pattern = Regex::new(&format!(r#"\b{name}=(?:"([^"]*)"|'([^']*)'|([^\s>]*))"#)).unwrap();
    let found = pattern.captures(html).unwrap();
    let raw = found.iter().skip(1).flatten().next().unwrap().as_str();
    text(raw)
}

/// The character references that we write, resolved.
fn text(raw: &str) -> String {
    let mut out = String::new();
    let mut rest = raw;
    while let Some((before, reference)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = reference.split_once(';').unwrap();
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            number => {
                let number = number.strip_prefix('#').unwrap();
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
                    None => number.parse().unwrap(),
                };
                char::from_u32(code).unwrap()
            }
        });
        rest = after;
    }
    out + rest
}

#[test]
fn a_value_is_the_same_in_text_attribute_and_query_and_behind_the_link() {
    let template = compile(
        r#"<p title="{{name}}">{{name}}</p><a href="https://a.example/?name={{name}}&email={{email}}#{{name}}">x</a><a href='https://b.example/?{% for i in items %}n{{loop.index}}={{i}}&amp;{% endfor %}'>y</a><a href=https://c.example/?q={{name}}>z</a>"#,
    );
    for name in nasty() {
        let vars = json!({"name": name, "items": [name, "2", name]});
        let vars = vars.as_object().unwrap();
        let html = template.html(&recipient(US, vars)).unwrap();
        let inside = html
            .split_once("\">")
            .unwrap()
            .1
            .split_once("</p>")
            .unwrap()
            .0;
        assert_eq!(text(inside), name);
        assert_eq!(attribute(&html, "title"), name);

        let urls: Vec<Url> = urls(&html).iter().map(|url| url.parse().unwrap()).collect();
        let pairs =
            |url: &Url| -> Vec<(String, String)> { url.query_pairs().into_owned().collect() };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            pairs(&urls[0]),
            [
                pair("name", &name),
                pair("email", "agustin+news%1@example.com")
            ]
        );
        assert_eq!(
            pairs(&urls[1]),
            [pair("n1", &name), pair("n2", "2"), pair("n3", &name)]
        );
        assert_eq!(pairs(&urls[2]), [pair("q", &name)]);

        let sent = tracked(&html);
        assert!(sent.contains(&format!("<a href=\"{}\">x</a>", click(1))));
        assert!(sent.ends_with(&format!("<a href=\"{}\">z</a>", click(3))));
        assert_eq!(count(&sent, US), Ok(0), "all lead through us");
    }
}

#[test]
fn a_value_cannot_become_a_link_that_we_follow() {
    let template = compile("<a href=\"{{x}}\">a</a><a href=\"https://a.example/{{x}}\">b</a>");
    for value in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "mailto:x@y.example",
    ] {
        let vars = json!({"x": value});
        let html = template
            .html(&recipient(US, vars.as_object().unwrap()))
            .unwrap();
        let urls = urls(&html);
        assert_eq!(urls.len(), 1, "{html}");
        assert!(urls[0].starts_with("https://a.example/"), "{urls:?}");
    }
}

#[test]
fn links_of_loops_and_conditions_are_those_that_this_recipient_has() {
    let template = compile(
        "{% if x %}<a href='https://a.example/{{x}}'>{% endif %}{% for i in items %}<a {% if i %}href='https://b.example/{{i}}'{% endif %}>{% endfor %}<a href='https://c.example/'>",
    );
    for (vars, expected) in [
        (
            json!({"x": 1, "items": [1, 0, 2]}),
            vec![
                "https://a.example/1",
                "https://b.example/1",
                "https://b.example/2",
                "https://c.example/",
            ],
        ),
        (json!({"x": 0, "items": []}), vec!["https://c.example/"]),
    ] {
        let html = template
            .html(&recipient(US, vars.as_object().unwrap()))
            .unwrap();
        assert_eq!(urls(&html), expected);
    }
}

#[test]
fn the_address_of_a_body_is_no_link() {
    let html = "<body href='http://x.example/'><a href='http://a.example/'>1</a><a href='http://b.example/'>2</a></body>";
    for track_opens in [false, true] {
        let sent = links(track_opens, true)
            .tracked(html.to_owned(), 7)
            .unwrap();
        assert!(sent.starts_with(&format!(
            "<body href='http://x.example/'><a href='{}'>1</a><a href='{}'>2</a>",
            click(1),
            click(2)
        )));
    }
    assert_eq!(urls(html), ["http://a.example/", "http://b.example/"]);
}

/// Tags with an address, which is written for `@`, and others.
const TAGS: [&str; 40] = [
    "<a @>",
    "<A @>",
    "<a class=b @ title='>'>",
    "<a @ @>",
    "<a @/>",
    "<area @>",
    "<AREA @/>",
    "<base @>",
    "<body @>",
    "<BODY @>",
    "<head>",
    "<html>",
    "<link @>",
    "<img @>",
    "</a>",
    "</body>",
    "</BODY>",
    "</html>",
    "<svg>",
    "<svg @>",
    "</svg>",
    "<math>",
    "</math>",
    "<foreignObject>",
    "</foreignObject>",
    "<template>",
    "</template>",
    "<noscript>",
    "</noscript>",
    "<!--",
    "-->",
    "<!--[if mso]>",
    "<![endif]-->",
    "<![CDATA[",
    "]]>",
    "<div @>",
    "</div>",
    "<textarea>",
    "</textarea>",
    "<table><tr><td>",
];

/// Each address of a document has a number of its own, and stands behind it.
fn numbered() -> impl Strategy<Value = String> {
    let tag = (prop::sample::select(TAGS.to_vec()), 0..4usize);
    prop::collection::vec(tag, 0..25).prop_map(|tags| {
        let mut html = String::new();
        for (n, (tag, quotes)) in (1..).zip(tags) {
            let address = match quotes {
                0 => format!("id={n} href='http://x.example/{n}'"),
                1 => format!("ID={n} HREF=\"HTTPS://x.example/{n}\""),
                2 => format!("id={n} href=http://x.example/{n}?"),
                _ => format!("id={n} href=mailto:{n}@x.example"),
            };
            html.push_str(&tag.replace('@', &address));
        }
        html
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_number_in_a_link_leads_to_what_stood_there(html in numbered(), track_opens in any::<bool>()) {
        let sent = links(track_opens, true).tracked(html.clone(), 7).unwrap();
        let rewritten = Regex::new(r#"(?i:id=(\d+) href)=['"]([^'"]*/api/track/click[^'"]*)['"]"#).unwrap();
        let found: Vec<_> = rewritten.captures_iter(&sent).collect();
        for (n, found) in (1..).zip(&found) {
            prop_assert_eq!(&found[2], click(n));
            let leads_to = url(&html, US, n as usize).unwrap().unwrap();
            let path = leads_to.split_once("x.example/").unwrap().1;
            prop_assert_eq!(path.trim_end_matches(['?', '/']), &found[1], "{}", sent);
        }
        prop_assert_eq!(count(&html, US), Ok(found.len()));
        prop_assert_eq!(sent.matches("/api/track/click").count(), found.len());
    }
}

const PARTS: [&str; 20] = [
    "<a href='https://a.example/1'>",
    "<a href=\"http://b.example/?x=1&amp;y=2\">",
    "<a href=HTTPS://c.example>",
    "<a href='mailto:x@y.example'>",
    "<a href='#'>",
    "<area href=' https://d.example/é '>",
    "</a>",
    "<p title='<a href=x>'>",
    "<!-- ",
    " -->",
    "<!--[if mso]>",
    "<![endif]-->",
    "<body>",
    "</body>",
    "<style>",
    "</style>",
    "text \" ' < > & é🎉",
    "<a ",
    "href='https://e.example/'",
    "<table><tr><td>",
];

proptest! {
    /// Whatever the markup: the same code counts and rewrites, and nothing but links changes.
    #[test]
    fn each_link_that_is_rewritten_is_found_again(parts in proptest::collection::vec(0..PARTS.len(), 0..25)) {
        let html: String = parts.iter().map(|&i| PARTS[i]).collect();
        let sent = links(true, true).tracked(html.clone(), 7).unwrap();
        let clicks = sent.matches("/api/track/click?t=").count();
        prop_assert_eq!(clicks, count(&html, US).unwrap());
        prop_assert_eq!(sent.matches(&pixel()).count(), 1);
        // The values of the links, put back where they were.
        let mut rest = sent.replacen(&pixel(), "", 1);
        let mut read = html.as_str();
        let value = Regex::new(r#"^(\s*https?://[^\s'"<>]*\s*)"#).unwrap();
        for n in 1..=clicks {
            let click = click(u32::try_from(n).unwrap());
            let (before, after) = rest.split_once(&click).unwrap();
            let (before, after) = match (before.strip_suffix("=\""), after.strip_prefix('"')) {
                (Some(before), Some(after)) if !read.starts_with(&format!("{before}=\"")) => (format!("{before}="), after),
                _ => (before.to_owned(), after),
            };
            read = read.strip_prefix(before.as_str()).unwrap();
            read = &read[value.captures(&read.to_lowercase()).unwrap()[0].len()..];
            rest = after.to_owned();
        }
        prop_assert_eq!(rest, read);
    }

    #[test]
    fn any_html_is_tracked_without_harm(html in any::<String>()) {
        let sent = links(true, true).tracked(html.clone(), 7).unwrap();
        prop_assert!(sent.len() >= html.len());
    }
}
