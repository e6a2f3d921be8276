//! What making a mail costs: `cargo bench -p message`. Nanoseconds are of the best of many rounds; instructions are told by
//! `valgrind --tool=callgrind --toggle-collect='*bench_case*' … prepared 1000` over the program that cargo names.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use message::header::{Campaign, bulk};
use message::letter::{From, Letter, Ours};
use message::links::Links;
use message::mail::{Identity, Sender, build, dot_stuffed};
use message::template::{Recipient, Source, Template};
use message::token::{Key, Kind, Token};
use serde_json::{Map, json};
use uuid::Uuid;

const EMAIL: &str = "ada.lovelace@example.com";
const ROUNDS: usize = 40;

/// 2.9 kB with four links.
fn html() -> String {
    let paragraph = "<p style=\"margin:0 0 16px;font-family:Arial,Helvetica,sans-serif;font-size:16px;line-height:24px;color:#222222\">";
    let link = |path: &str, text: &str| {
        format!(
            "{paragraph}<a href=\"https://events.example.org/{path}?name={{{{name}}}}&email={{{{email}}}}\" style=\"color:#0b5fff\">{text}</a></p>\n"
        )
    };
    let words = "It was a good evening with many people, many talks and even more questions, and we would like to hear what you think of it. ";
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Thank you</title></head>\n<body style=\"margin:0;padding:0\">\n\
         <table role=\"presentation\" width=\"100%\"><tr><td style=\"padding:24px\">\n{paragraph}Hi {{{{first_name}}}},</p>\n{paragraph}{}</p>\n{}{}{}{}\
         {paragraph}{}</p>\n</td></tr></table>\n<p style=\"font-size:12px\">You get this mail as {{{{email}}}} because you were there.\n\
         <a href=\"{{{{unsubscribe_url}}}}\">No more mails</a></p>\n</body></html>\n",
        words.repeat(5),
        link("feedback", "Tell us what you think"),
        link("slides", "Slides of all talks"),
        link("photos", "Photos"),
        link("next", "The next evening"),
        words.repeat(5),
    )
}

fn links() -> Links {
    Links {
        public_url: "https://mail.example.org".to_owned(),
        key: Key::new(&[7; 32]).unwrap(),
        key_id: 3,
        job_no: 4711,
        track_opens: true,
        track_clicks: true,
    }
}

/// Its name, how often it is run at once, and what is run, with a position.
type Case<'a> = (&'static str, u64, Box<dyn FnMut(u64) + 'a>);

#[inline(never)]
fn bench_case(run: &mut dyn FnMut(u64), from: u64, n: u64) {
    for pos in from..from + n {
        run(pos);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let only = arguments.first();
    let fixed = arguments.get(1).map(|n| n.parse::<u64>().unwrap());

    let html = html();
    let source = Source {
        subject: "Thanks for coming, {{first_name}}",
        html: &html,
        text: None,
        variables: &[],
    };
    let campaign = Campaign {
        from_email: "hello@meetups.example",
        id: "0a0c1e002026",
        segment: "checked-in",
        has_unsubscribe: true,
    };
    let headers = bulk(&campaign, &BTreeMap::new());
    let from = From {
        email: campaign.from_email.to_owned(),
        name: Some("OpenClaw Meetups".to_owned()),
        reply_to: None,
        headers: headers.clone(),
    };
    let vars: Map<_, _> = json!({"name": "Ada Lovelace", "first_name": "Ada"})
        .as_object()
        .unwrap()
        .clone();
    let accents: Map<_, _> = json!({"name": "José Müller", "first_name": "José"})
        .as_object()
        .unwrap()
        .clone();
    let identity = |pos| Identity {
        job_id: Uuid::from_u128(0x0a0c_1e00_2026_4226_8000_0000_0000_0001),
        pos,
        date: SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_100_000),
    };
    let links = links();
    let url = links.unsubscribe_url(7);
    let recipient = Recipient {
        email: EMAIL,
        unsubscribe_url: Some(&url),
        vars: &vars,
    };
    let sender = Sender {
        email: campaign.from_email,
        name: Some("OpenClaw Meetups"),
        reply_to: None,
        headers: &headers,
    };
    let template = Template::compile(&source).unwrap();
    let rendered = template.render(&recipient).unwrap();
    let token = Token {
        kind: Kind::Click { link: 1 },
        key_id: 3,
        job_no: 4711,
        pos: 7,
    };
    let prepared = || {
        let letter = Letter::new(&source, from.clone(), Ours::All(self::links())).unwrap();
        letter.prepare();
        letter
    };
    let letter = prepared();
    let mail = letter.prepared_mail(EMAIL, &vars, &identity(7)).unwrap();
    assert_eq!(
        Ok(mail.clone()),
        letter.rendered_mail(EMAIL, &vars, &identity(7))
    );
    assert!(
        letter
            .prepared_mail(EMAIL, &accents, &identity(7))
            .is_some()
    );
    println!(
        "HTML {} bytes, mail {} bytes",
        html.len(),
        mail.content.len()
    );

    let mut cases: Vec<Case<'_>> = vec![
        (
            "render HTML",
            200,
            Box::new(|_| drop(black_box(template.html(&recipient)))),
        ),
        (
            "render all",
            20,
            Box::new(|_| drop(black_box(template.render(&recipient)))),
        ),
        (
            "links",
            200,
            Box::new(|pos| drop(black_box(links.tracked(rendered.html.clone(), pos)))),
        ),
        (
            "token",
            2_000,
            Box::new(|_| drop(black_box(token.sign(&links.key)))),
        ),
        (
            "build",
            200,
            Box::new(|pos| {
                drop(black_box(build(
                    &sender,
                    EMAIL,
                    &rendered,
                    Some(&url),
                    &identity(pos),
                )))
            }),
        ),
        (
            "made from the beginning",
            20,
            Box::new(|pos| {
                drop(black_box(letter.rendered_mail(
                    EMAIL,
                    &vars,
                    &identity(pos),
                )))
            }),
        ),
        (
            "prepared",
            1_000,
            Box::new(|pos| {
                drop(black_box(letter.prepared_mail(
                    EMAIL,
                    &vars,
                    &identity(pos),
                )))
            }),
        ),
        (
            "prepared accents",
            1_000,
            Box::new(|pos| {
                drop(black_box(letter.prepared_mail(
                    EMAIL,
                    &accents,
                    &identity(pos),
                )))
            }),
        ),
        (
            "dot stuffed",
            1_000,
            Box::new(|_| drop(black_box(dot_stuffed(mail.content.clone())))),
        ),
        ("preparing", 1, Box::new(|_| drop(black_box(prepared())))),
    ];
    for (name, n, run) in &mut cases {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let n = fixed.unwrap_or(*n);
        let rounds = (0..fixed.map_or(ROUNDS, |_| 1)).map(|_| {
            let start = Instant::now();
            bench_case(run, 1, n);
            start.elapsed()
        });
        let best = rounds.min().unwrap_or_default();
        println!("{name:24} {:>9.0} ns", best.as_nanos() as f64 / n as f64);
    }
}
