//! Built messages, read back by another parser.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use mail_parser::{MessageParser, MimeHeaders};
use message::mail::{BuildError, Identity, Sender, build, dot_stuffed};
use message::template::Rendered;
use uuid::Uuid;

fn identity() -> Identity {
    Identity {
        job_id: Uuid::from_u128(0x1234),
        pos: 42,
        date: SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_100_000),
    }
}

fn rendered(subject: &str) -> Rendered {
    Rendered {
        subject: subject.to_owned(),
        html: "<p>Hola José 🎉</p>\n<p>.</p>\n".to_owned(),
        text: "Hola José 🎉\n.\n".to_owned(),
    }
}

static NO_HEADERS: BTreeMap<String, String> = BTreeMap::new();

fn sender(headers: &BTreeMap<String, String>) -> Sender<'_> {
    Sender {
        email: "team@example.org",
        name: None,
        reply_to: None,
        headers,
    }
}

fn built(name: Option<&str>, rendered: &Rendered) -> Vec<u8> {
    let sender = Sender {
        name,
        ..sender(&NO_HEADERS)
    };
    build(&sender, "ana@example.com", rendered, None, &identity()).unwrap()
}

fn assert_wire_form(bytes: &[u8]) {
    assert!(bytes.is_ascii());
    assert!(bytes.ends_with(b"\r\n"));
    for line in bytes.split(|&b| b == b'\n') {
        assert!(line.len() <= 999);
        assert!(line.is_empty() || line.ends_with(b"\r"));
        assert_eq!(
            line.iter().filter(|&&b| b == b'\r').count(),
            line.len().min(1)
        );
    }
}

#[test]
fn another_parser_reads_what_was_meant() {
    let bytes = built(Some("OpenClaw Meetups"), &rendered("¿Vienes, José? 🎉"));
    assert_wire_form(&bytes);
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.subject(), Some("¿Vienes, José? 🎉"));
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!(from.name(), Some("OpenClaw Meetups"));
    assert_eq!(from.address(), Some("team@example.org"));
    assert_eq!(
        mail.to().unwrap().first().unwrap().address(),
        Some("ana@example.com")
    );
    assert_eq!(
        mail.message_id(),
        Some("00000000000000000000000000001234.42@example.org")
    );
    assert_eq!(mail.date().unwrap().to_timestamp(), 1_772_100_000);
    assert_eq!(mail.header_raw("MIME-Version").map(str::trim), Some("1.0"));
    let kind = mail.content_type().unwrap();
    assert_eq!(
        (kind.ctype(), kind.subtype()),
        ("multipart", Some("alternative"))
    );
    assert_eq!(
        mail.parts[1].content_type().unwrap().subtype(),
        Some("plain")
    );
    assert_eq!(
        mail.parts[2].content_type().unwrap().subtype(),
        Some("html")
    );
    assert_eq!(
        mail.body_text(0).unwrap().replace("\r\n", "\n").trim_end(),
        "Hola José 🎉\n."
    );
    assert_eq!(
        mail.body_html(0).unwrap().replace("\r\n", "\n").trim_end(),
        "<p>Hola José 🎉</p>\n<p>.</p>"
    );
}

#[test]
fn every_attempt_is_the_same_mail_byte_for_byte() {
    assert_eq!(
        built(Some("Ünï"), &rendered("s")),
        built(Some("Ünï"), &rendered("s"))
    );
}

#[test]
fn another_recipient_has_another_message_id_and_boundary() {
    let sender = sender(&NO_HEADERS);
    let other = Identity {
        pos: 43,
        ..identity()
    };
    let bytes = build(&sender, "ana@example.com", &rendered("s"), None, &other).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.contains("boundary=\"=_00000000000000000000000000001234.43\""),
        "{text}"
    );
    assert_eq!(
        other.message_id(sender.email),
        "<00000000000000000000000000001234.43@example.org>"
    );
}

#[test]
fn a_subject_or_a_name_cannot_bring_in_a_header() {
    let evil = "x\r\nBcc: evil@example.com\r\n\r\n<b>";
    let bytes = built(Some(evil), &rendered(evil));
    assert_wire_form(&bytes);
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert!(mail.bcc().is_none());
    assert_eq!(mail.subject(), Some("x Bcc: evil@example.com <b>"));
    assert_eq!(
        mail.from().unwrap().first().unwrap().name(),
        Some("x Bcc: evil@example.com <b>")
    );
}

#[test]
fn difficult_names_and_subjects_come_back_unchanged() {
    let long = "Ñandú ".repeat(80) + "O'Connor";
    let words = "word ".repeat(400) + "end";
    for text in [
        "O'Connor, \"Ana\" <x@y>",
        "José 🎉👩‍👩‍👧 Ñandú",
        "a=?utf-8?q?b?=c",
        "=?utf-8?q?b?=",
        &long,
        &words,
        &"ñ".repeat(1500),
    ] {
        let bytes = built(Some(text), &rendered(text));
        assert_wire_form(&bytes);
        let mail = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(mail.subject(), Some(text));
        assert_eq!(mail.from().unwrap().first().unwrap().name(), Some(text));
    }
}

#[test]
fn long_lines_and_lone_carriage_returns_become_lines_that_smtp_allows() {
    for line in ["x".repeat(5000), "ñ".repeat(5000), "a\rb\r\nc\n".repeat(10)] {
        let body = Rendered {
            subject: "s".into(),
            html: line.clone(),
            text: line.clone(),
        };
        let bytes = built(None, &body);
        assert_wire_form(&bytes);
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let expected = line.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(
            mail.body_text(0).unwrap().replace("\r\n", "\n").trim_end(),
            expected.trim_end()
        );
    }
}

#[test]
fn a_header_that_cannot_be_folded_is_encoded() {
    let text = "x".repeat(3000);
    let bytes = built(Some(&text), &rendered(&text));
    assert_wire_form(&bytes);
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.subject(), Some(text.as_str()));
}

#[test]
fn wrong_addresses_are_refused_without_naming_them() {
    let build_with = |from: &str, to: &str| {
        build(
            &Sender {
                email: from,
                ..sender(&NO_HEADERS)
            },
            to,
            &rendered("s"),
            None,
            &identity(),
        )
    };
    assert_eq!(
        build_with("a b@x", "a@example.com"),
        Err(BuildError::Sender)
    );
    assert_eq!(
        build_with("a@example.com", "a\r\nRCPT@x"),
        Err(BuildError::Recipient)
    );
    assert!(!BuildError::Recipient.to_string().contains('@'));
}

fn built_with(headers: &[(&str, &str)], reply_to: Option<&str>) -> Result<Vec<u8>, BuildError> {
    let headers = (headers.iter())
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let sender = Sender {
        reply_to,
        ..sender(&headers)
    };
    build(
        &sender,
        "ana@example.com",
        &rendered("s"),
        None,
        &identity(),
    )
}

#[test]
fn answers_go_where_the_sender_wants_them() {
    let bytes = built_with(&[], Some("answers@example.org")).unwrap();
    let mail = MessageParser::default().parse(&bytes).unwrap();
    let reply_to = mail.reply_to().unwrap().first().unwrap();
    assert_eq!(reply_to.address(), Some("answers@example.org"));
    assert_eq!(
        built_with(&[], Some("nobody")),
        Err(BuildError::ReplyTo),
        "and nowhere else"
    );
}

#[test]
fn headers_of_the_senders_own_come_back_unchanged() {
    let url = format!("<https://example.org/{}>", "x".repeat(400));
    let words = "word ".repeat(150) + "end";
    let headers = [
        ("List-Help", url.as_str()),
        ("X-Campaign", "spring"),
        ("X-Encoded", "a=?utf-8?q?b?=c"),
        ("X-Greeting", "Grüße 🎉"),
        ("X-Long", &words),
        ("X-Longest", &"ñ".repeat(900)),
    ];
    let bytes = built_with(&headers, None).unwrap();
    assert_wire_form(&bytes);
    let mail = MessageParser::default().parse(&bytes).unwrap();
    for (name, value) in headers {
        let read = mail.header_as(name, mail_parser::HeaderForm::Text);
        let read = read.first().and_then(|value| value.as_text());
        assert_eq!(read, Some(value), "{name}");
    }
}

#[test]
fn headers_that_are_not_for_users_or_not_one_line_are_refused() {
    for (name, value) in [
        ("subject", "x"),
        ("BCC", "eve@example.com"),
        ("Content-Type", "text/plain"),
        ("Resent-To", "eve@example.com"),
        ("X-A", "1\r\nBcc: eve@example.com"),
        ("X-A", "1\n 2"),
        ("X-A\r\nBcc", "eve@example.com"),
        ("X A", "1"),
        ("X-Ä", "1"),
        ("X:", "1"),
        ("", "1"),
        ("X-A", " "),
        ("X-A", &"x".repeat(901)),
        (&"X".repeat(77), "1"),
    ] {
        assert!(
            matches!(
                built_with(&[(name, value)], None),
                Err(BuildError::Header(_))
            ),
            "{name}: {value}"
        );
    }
}

#[test]
fn a_subject_of_many_blanks_keeps_its_lines_short() {
    let text = format!("a{}b", " ".repeat(3000));
    let bytes = built(Some(&text), &rendered(&text));
    assert_wire_form(&bytes);
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.subject(), Some(text.as_str()));
}

#[test]
fn a_dot_at_the_beginning_of_a_line_is_doubled() {
    for (content, expected) in [
        ("", "\r\n"),
        (".", "..\r\n"),
        ("\r\n", "\r\n"),
        ("a.\r\n", "a.\r\n"),
        (".\r\n..a\r\nb.\r\n.", "..\r\n...a\r\nb.\r\n..\r\n"),
        ("a\r\n.\r\n.b\r\n", "a\r\n..\r\n..b\r\n"),
        ("a\n.b", "a\n..b\r\n"),
        ("a\r", "a\r\r\n"),
    ] {
        let stuffed = dot_stuffed(content.as_bytes().to_vec());
        assert_eq!(String::from_utf8(stuffed).unwrap(), expected);
    }
}

#[test]
fn a_message_without_such_a_line_is_not_copied() {
    let content = built(None, &rendered("s"));
    let plain: Vec<u8> = (content.iter().copied())
        .filter(|&byte| byte != b'.')
        .collect();
    let place = plain.as_ptr();
    let stuffed = dot_stuffed(plain);
    assert_eq!(stuffed.as_ptr(), place);
    assert!(stuffed.ends_with(b"--\r\n"));
}
