//! Whole messages, byte for byte, as they are in `golden/`, and what another parser reads there. UPDATE_GOLDEN=1 writes
//! them; read what was written.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mail_parser::{Message, MessageParser};
use message::css;
use message::header::{Campaign, bulk};
use message::letter::{From, Letter, Ours};
use message::links::{Links, unsubscribe_url};
use message::mail::{Identity, Sender, build};
use message::template::{Recipient, Source, Template};
use message::token::Key;
use serde_json::{Value, json};
use uuid::Uuid;

const US: &str = "https://mail.example.com";

struct Mail<'a> {
    from_name: Option<&'a str>,
    segment: &'a str,
    /// Without: no public_url.
    links: Option<Links>,
    is_test: bool,
    headers: &'a [(&'a str, &'a str)],
    subject: &'a str,
    html: &'a str,
    text: Option<&'a str>,
    email: &'a str,
    vars: Value,
}

impl Default for Mail<'_> {
    fn default() -> Self {
        Mail {
            from_name: Some("OpenClaw Meetups"),
            segment: "checked-in",
            links: None,
            is_test: false,
            headers: &[],
            subject: "Thanks for coming, {{first_name}}",
            html: "<p>Hi {{name}}</p><p><a href=\"https://example.org/slides?name={{name}}&amp;email={{email}}\">Slides</a></p>\n",
            text: None,
            email: "ada@example.com",
            vars: json!({"name": "Ada Lovelace", "first_name": "Ada"}),
        }
    }
}

fn links(track_opens: bool, track_clicks: bool) -> Option<Links> {
    Some(Links {
        public_url: US.to_owned(),
        key: Key::new(&[7; 32]).unwrap(),
        key_id: 1,
        job_no: 42,
        track_opens,
        track_clicks,
    })
}

impl Mail<'_> {
    fn bytes(&self) -> Vec<u8> {
        let identity = Identity {
            job_id: Uuid::from_u128(0x0a0c_1e00_2026_4226_8000_0000_0000_0001),
            pos: 7,
            date: SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_100_000),
        };
        let unsubscribe_url = match &self.links {
            Some(links) => Some(links.unsubscribe_url(identity.pos)),
            None => self.is_test.then(|| unsubscribe_url(US, "test")),
        };
        let mut rendered = Template::compile(&Source {
            subject: self.subject,
            html: &css::inlined(self.html).unwrap(),
            text: self.text,
            variables: &[],
        })
        .unwrap()
        .render(&Recipient {
            email: self.email,
            unsubscribe_url: unsubscribe_url.as_deref(),
            vars: self.vars.as_object().unwrap(),
        })
        .unwrap();
        if let Some(links) = &self.links {
            rendered.html = links.tracked(rendered.html, identity.pos).unwrap();
        }
        let own = (self.headers.iter())
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let campaign = Campaign {
            from_email: "hello@meetups.example",
            id: if self.is_test { "test" } else { "0a0c1e002026" },
            segment: self.segment,
            has_unsubscribe: unsubscribe_url.is_some(),
        };
        let sender = Sender {
            email: campaign.from_email,
            name: self.from_name,
            reply_to: None,
            headers: &bulk(&campaign, &own),
        };
        let url = unsubscribe_url.as_deref();
        let bytes = build(&sender, self.email, &rendered, url, &identity).unwrap();
        assert!(self.letter(&bulk(&campaign, &own), &identity) == bytes);
        bytes
    }

    /// As a campaign makes it, or a test.
    fn letter(&self, headers: &BTreeMap<String, String>, identity: &Identity) -> Vec<u8> {
        let ours = match &self.links {
            Some(of_mail) => {
                let mut ours = links(of_mail.track_opens, of_mail.track_clicks).unwrap();
                ours.job_no = of_mail.job_no;
                Ours::All(ours)
            }
            None if self.is_test => Ours::Test {
                unsubscribe_url: unsubscribe_url(US, "test"),
            },
            None => Ours::None,
        };
        let source = Source {
            subject: self.subject,
            html: &css::inlined(self.html).unwrap(),
            text: self.text,
            variables: &[],
        };
        let from = From {
            email: "hello@meetups.example".to_owned(),
            name: self.from_name.map(str::to_owned),
            reply_to: None,
            headers: headers.clone(),
        };
        let letter = Letter::new(&source, from, ours).unwrap();
        letter.prepare();
        let vars = self.vars.as_object().unwrap();
        letter.mail(self.email, vars, identity).unwrap().content
    }

    /// Compares the message with the file, and hands over what another parser reads in it.
    fn is_as_in(&self, name: &str, read: impl FnOnce(Message<'_>)) {
        let bytes = self.bytes();
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        let golden = fs::read(&path).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            String::from_utf8(golden.clone()).unwrap(),
            "{name}"
        );
        read(MessageParser::default().parse(&golden).unwrap());
    }
}

fn field(mail: &Message<'_>, name: &str) -> Option<String> {
    mail.header_raw(name)
        .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn body(mail: &Message<'_>, html: bool) -> String {
    let body = if html {
        mail.body_html(0)
    } else {
        mail.body_text(0)
    };
    body.unwrap().replace("\r\n", "\n").trim_end().to_owned()
}

#[test]
fn a_campaign_without_links_of_ours() {
    Mail::default().is_as_in("plain.eml", |mail| {
        assert_eq!(mail.subject(), Some("Thanks for coming, Ada"));
        assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("OpenClaw Meetups"));
        assert_eq!(field(&mail, "List-Id").unwrap(), "<campaigns.meetups.example>");
        assert_eq!(field(&mail, "Feedback-ID").unwrap(), "0a0c1e002026:checked-in:campaign:meetupsexample");
        assert_eq!(field(&mail, "Precedence").unwrap(), "bulk");
        assert_eq!(field(&mail, "List-Unsubscribe"), None);
        assert_eq!(field(&mail, "List-Unsubscribe-Post"), None);
        assert_eq!(
            body(&mail, true),
            "<p>Hi Ada Lovelace</p><p><a href=\"https://example.org/slides?name=Ada%20Lovelace&amp;email=ada%40example.com\">Slides</a></p>"
        );
        assert_eq!(
            body(&mail, false),
            "Hi Ada Lovelace\n\n[Slides][1]\n\n[1]: https://example.org/slides?name=Ada%20Lovelace&email=ada%40example.com"
        );
    });
}

#[test]
fn a_tracked_campaign() {
    Mail {
        links: links(true, true),
        html: "<!DOCTYPE html>\n<html><head><style>a { color: teal }\n@media print { a { color: black } }</style></head>\n<body><p>Hi {{name}}</p>\n<p><a href=\"https://example.org/slides?name={{name}}&email={{email}}\">Slides</a>, <a href='https://example.org/'>more</a>, <a href=\"mailto:team@example.org\">us</a></p>\n<p><a href=\"{{unsubscribe_url}}\">No more mails</a></p></body></html>\n",
        ..Mail::default()
    }
    .is_as_in("tracked.eml", |mail| {
        let unsubscribe = field(&mail, "List-Unsubscribe").unwrap();
        let url = unsubscribe.strip_prefix('<').unwrap().strip_suffix('>').unwrap();
        assert!(url.starts_with("https://mail.example.com/unsubscribe?t="));
        assert_eq!(field(&mail, "List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
        let (html, text) = (body(&mail, true), body(&mail, false));
        assert!(html.contains(&format!("href=\"{url}\"")));
        assert_eq!(html.matches("https://mail.example.com/api/track/click?t=").count(), 2);
        assert_eq!(html.matches("https://mail.example.com/api/track/open?t=").count(), 1);
        assert!(html.contains("href=\"mailto:team@example.org\""));
        assert!(html.contains("<a style=\"color: teal\""));
        assert!(text.contains("https://example.org/slides?name=Ada%20Lovelace"), "{text}");
        assert!(text.contains(url) && !text.contains("/api/track/"), "{text}");
    });
}

#[test]
fn a_test_mail() {
    Mail {
        is_test: true,
        segment: "test",
        text: Some("Hi {{name}}\nNo more: {{unsubscribe_url}}\n"),
        ..Mail::default()
    }
    .is_as_in("test.eml", |mail| {
        assert_eq!(
            field(&mail, "Feedback-ID").unwrap(),
            "test:test:campaign:meetupsexample"
        );
        assert_eq!(
            field(&mail, "List-Unsubscribe").unwrap(),
            "<https://mail.example.com/unsubscribe?t=test>"
        );
        assert_eq!(
            body(&mail, false),
            "Hi Ada Lovelace\nNo more: https://mail.example.com/unsubscribe?t=test"
        );
    });
}

#[test]
fn headers_of_the_senders_own_win() {
    Mail {
        links: links(false, false),
        headers: &[
            ("list-unsubscribe", "<mailto:stop@meetups.example>"),
            ("PRECEDENCE", "list"),
            ("List-Id", "Meetups <news.meetups.example>"),
        ],
        ..Mail::default()
    }
    .is_as_in("own-headers.eml", |mail| {
        assert_eq!(
            field(&mail, "List-Unsubscribe").unwrap(),
            "<mailto:stop@meetups.example>"
        );
        assert_eq!(
            field(&mail, "List-Unsubscribe-Post"),
            None,
            "it would speak of ours"
        );
        assert_eq!(field(&mail, "Precedence").unwrap(), "list");
        assert_eq!(
            field(&mail, "List-Id").unwrap(),
            "Meetups <news.meetups.example>"
        );
        for name in ["list-unsubscribe", "precedence", "list-id", "feedback-id"] {
            let fields = mail
                .headers_raw()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name));
            assert_eq!(fields.count(), 1, "{name}");
        }
    });
}

fn named(file: &str, name: &str, email: &str) {
    Mail {
        from_name: Some(name),
        links: links(true, true),
        subject: "{{name}}",
        html: "<p title=\"{{name}}\">{{name}}</p><a href=\"https://example.org/?name={{name}}&email={{email}}\">x</a>",
        text: Some("{{name}}\n"),
        email,
        vars: json!({"name": name}),
        ..Mail::default()
    }
    .is_as_in(file, |mail| {
        assert_eq!(mail.subject(), Some(name));
        assert_eq!(mail.from().unwrap().first().unwrap().name(), Some(name));
        assert_eq!(mail.to().unwrap().first().unwrap().address(), Some(email));
        assert_eq!(body(&mail, false), name);
    });
}

#[test]
fn long_names() {
    named(
        "long-name.eml",
        &"Ñandú \"<& ".repeat(60).trim_end().replace("& Ñ", "&Ñ"),
        "ada@example.com",
    );
}

#[test]
fn names_written_from_right_to_left() {
    named(
        "right-to-left.eml",
        "אסתר לוי، فاطمة الزهراء",
        "ada@example.com",
    );
}

#[test]
fn names_of_emoji_and_addresses_of_signs() {
    named(
        "emoji.eml",
        "Zoë 🎉👩‍👩‍👧 O'Brien <\"&\">",
        "zoe+news%1@example.com",
    );
}

#[test]
fn a_name_of_ten_thousand_characters_arrives() {
    let name = "Ñ\"<&' 🎉א".repeat(1_250);
    assert_eq!(name.chars().count(), 10_000);
    let bytes = Mail {
        links: links(true, true),
        subject: "{{name}}",
        text: Some("{{name}}"),
        vars: json!({"name": name}),
        ..Mail::default()
    }
    .bytes();
    assert!(
        bytes
            .split(|&byte| byte == b'\n')
            .all(|line| line.len() <= 999 && line.is_ascii())
    );
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.subject(), Some(name.as_str()));
    assert_eq!(body(&mail, false), name);
}

#[test]
fn segments_and_domains_of_any_kind_make_a_feedback_id() {
    let id = |from_email, segment| {
        let campaign = Campaign {
            from_email,
            id: "0a0c1e002026",
            segment,
            has_unsubscribe: false,
        };
        bulk(&campaign, &BTreeMap::new())["Feedback-ID"].clone()
    };
    for (from_email, segment, expected) in [
        (
            "a@x.io",
            "No-show: Madrid!",
            "no-show-madrid:campaign:mailxio",
        ),
        (
            "a@newsletters.a-long-name.example",
            "__",
            "other:campaign:newslettersalon",
        ),
        (
            "a@bücher.example",
            "ñandú 参加",
            "and:campaign:xnbcherkvaexamp",
        ),
        (
            "a@x.example",
            &"ab ".repeat(40),
            "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-a:campaign:xexample",
        ),
    ] {
        assert_eq!(id(from_email, segment), format!("0a0c1e002026:{expected}"));
    }
}
