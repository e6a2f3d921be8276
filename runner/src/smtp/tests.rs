use std::time::Duration;

use mail_catcher::{Catcher, Config, Fault, Reply, Rule, Script};

use super::*;
use crate::fence::Fence;
use crate::storage::IntegrationSpec;

async fn catcher(rules: impl IntoIterator<Item = Rule>) -> Catcher {
    let config = Config {
        script: Script::new(rules),
        ..Config::default()
    };
    Catcher::start(config).await.unwrap()
}

/// A relay on this port of the loopback address, without TLS and rules.
pub fn spec(port: u16) -> IntegrationSpec {
    spec_with(port, serde_json::json!({}))
}

/// As [`spec`], with these settings instead of its own.
pub fn spec_with(port: u16, settings: serde_json::Value) -> IntegrationSpec {
    let mut all = serde_json::json!({
        "id": uuid::Uuid::nil(), "name": "relay", "revision": 1, "host": "127.0.0.1", "port": port,
        "secure": false, "tls": "auto", "username": null, "password": null,
        "address_family": "ipv4", "ca_file": null, "messages_per_connection": 100,
        "connection_age_s": 300,
        "timeouts": {"connect_s": 30, "greeting_s": 60, "command_s": 60, "body_s": 180, "dot_s": 600},
        "from_email": "team@example.org", "from_name": null, "reply_to": null, "headers": {},
        "rules": []
    });
    for (key, value) in settings.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

async fn dial(catcher: &Catcher) -> Box<dyn Relay> {
    dial_with(catcher, serde_json::json!({})).await.unwrap()
}

async fn dial_with(
    catcher: &Catcher,
    settings: serde_json::Value,
) -> Result<Box<dyn Relay>, DialError> {
    let spec = spec_with(catcher.addr().port(), settings);
    (NetDialer::default())
        .dial(&spec, &mut Trace::default())
        .await
}

pub fn mail(local_part: &str) -> Mail {
    Mail {
        from: "team@example.org".parse().unwrap(),
        to: format!("{local_part}@example.com").parse().unwrap(),
        content: format!("Subject: for {local_part}\r\n\r\n.\r\n.. and\r\n").into_bytes(),
    }
}

pub fn permit() -> Permit {
    let fence = Fence::new(Duration::from_secs(20), Duration::ZERO, || Duration::ZERO);
    Permit::new(Arc::default(), Fences::without_news(fence))
}

fn ended(sent: Sent) -> (Phase, Option<u16>) {
    match sent {
        Sent::Ended { phase, answer, .. } => (phase, answer.map(|answer| answer.code)),
        other => panic!("not ended: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_arrives_as_it_is_with_its_envelope() {
    let catcher = catcher([]).await;
    let mut relay = dial(&catcher).await;
    let sent = relay.send(&mail("ana"), &permit()).await;
    assert_eq!(ended(sent), (Phase::Dot, Some(250)));
    let accepted = &catcher.accepted()[0];
    assert_eq!(accepted.recipient, "ana@example.com");
    assert_eq!(accepted.from, "team@example.org");
    let content = accepted.mail.clone().unwrap();
    assert!(content.starts_with(&mail("ana").content));
}

#[tokio::test]
async fn a_refused_recipient_does_not_cost_the_connection() {
    let unknown = Fault::ReplyAtRcpt(Reply::new(550, "5.1.1 unknown"));
    let catcher = catcher([Rule::for_local_part("bob", unknown)]).await;
    let mut relay = dial(&catcher).await;
    for (name, expected) in [
        ("ana", (Phase::Dot, Some(250))),
        ("bob", (Phase::Rcpt, Some(550))),
        ("cleo", (Phase::Dot, Some(250))),
    ] {
        assert_eq!(ended(relay.send(&mail(name), &permit()).await), expected);
        assert!(relay.is_healthy());
    }
    assert_eq!(catcher.connection_count(), 1);
    let bodies: Vec<bool> = (catcher.accepted().iter())
        .map(|accepted| {
            let name = accepted.recipient.split('@').next().unwrap();
            accepted
                .mail
                .clone()
                .unwrap()
                .starts_with(&mail(name).content)
        })
        .collect();
    assert_eq!(bodies, [true, true]);
}

#[tokio::test]
async fn a_refusal_after_the_dot_does_not_cost_the_connection() {
    let full = Fault::ReplyAtDot(Reply::new(452, "4.2.2 full"));
    let catcher = catcher([Rule::for_local_part("bob", full)]).await;
    let mut relay = dial(&catcher).await;
    let sent = relay.send(&mail("bob"), &permit()).await;
    assert_eq!(ended(sent), (Phase::Dot, Some(452)));
    assert!(relay.is_healthy());
}

#[tokio::test]
async fn a_lost_connection_says_in_which_phase_and_is_not_used_again() {
    let catcher = catcher([
        Rule::for_local_part("ana", Fault::DropAtRcpt),
        Rule::for_local_part("bob", Fault::DropAtDot { accepted: true }),
    ])
    .await;
    for (name, phase) in [("ana", Phase::Rcpt), ("bob", Phase::Dot)] {
        let mut relay = dial(&catcher).await;
        assert_eq!(
            ended(relay.send(&mail(name), &permit()).await),
            (phase, None)
        );
        assert!(!relay.is_healthy());
    }
}

#[tokio::test]
async fn a_closing_reply_ends_the_connection() {
    let closing = Fault::ReplyAtRcpt(Reply::new(421, "4.7.0 later"));
    let catcher = catcher([Rule::always(closing)]).await;
    let mut relay = dial(&catcher).await;
    let sent = relay.send(&mail("ana"), &permit()).await;
    assert_eq!(ended(sent), (Phase::Rcpt, Some(421)));
    assert!(!relay.is_healthy());
}

#[tokio::test]
async fn a_closed_gate_begins_nothing() {
    let catcher = catcher([]).await;
    let mut relay = dial(&catcher).await;
    let permit = permit();
    permit.gate.close();
    assert_eq!(relay.send(&mail("ana"), &permit).await, Sent::NotStarted);
    assert!(relay.is_healthy());
    assert_eq!(catcher.mail_from_count(), 0);
}

#[tokio::test]
async fn without_news_nothing_is_begun_and_what_is_in_flight_ends() {
    static CALLS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let catcher = catcher([]).await;
    let mut relay = dial(&catcher).await;
    let alive = Fence::new(Duration::from_secs(20), Duration::ZERO, || Duration::ZERO);
    // Each look at the clock is a second later: there is news at the first MAIL, and then no more.
    let clock = || Duration::from_secs(CALLS.fetch_add(1, Ordering::Relaxed));
    let news = Fence::new(Duration::from_secs(1), Duration::ZERO, clock);
    let permit = Permit::new(Arc::default(), Fences { alive, news });
    let sent = relay.send(&mail("ana"), &permit).await;
    assert_eq!(ended(sent), (Phase::Dot, Some(250)));
    assert_eq!(relay.send(&mail("bob"), &permit).await, Sent::NotStarted);
    assert_eq!(catcher.mail_from_count(), 1);
}

#[tokio::test]
async fn behind_the_fence_no_final_dot_is_written() {
    static CALLS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let catcher = catcher([]).await;
    let mut relay = dial(&catcher).await;
    // Each look at the clock is a second later: the fence holds at MAIL and not at the dot.
    let clock = || Duration::from_secs(CALLS.fetch_add(1, Ordering::Relaxed));
    let alive = Fence::new(Duration::from_secs(1), Duration::ZERO, clock);
    let news = Fence::new(Duration::from_secs(1), Duration::ZERO, || Duration::ZERO);
    let permit = Permit::new(Arc::default(), Fences { alive, news });
    assert_eq!(relay.send(&mail("ana"), &permit).await, Sent::Withheld);
    assert!(!relay.is_healthy());
    assert!(!permit.finishing());
    assert_eq!(catcher.mail_from_count(), 1);
    assert!(catcher.stop().await.is_empty());
}

#[tokio::test]
async fn no_greeting_means_nobody_was_attempted() {
    let catcher = catcher([Rule::always(Fault::DropAtConnect)]).await;
    let error = dial_with(&catcher, serde_json::json!({}))
        .await
        .err()
        .unwrap();
    assert_eq!(error.phase, Phase::Greeting);
}
