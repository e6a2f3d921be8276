//! Each fault, as the client meets it and as the ledger records it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use mail_catcher::{Catcher, Config, Fault, Gate, Reply, Rule, Script, Stage};
use support::Client;

const ANA: &str = "ana@example.com";
const BO: &str = "bo@example.com";
const SOON: Duration = Duration::from_secs(10);

async fn catcher(rules: impl IntoIterator<Item = Rule>) -> Catcher {
    let script = Script::new(rules);
    Catcher::start(Config {
        script,
        ..Config::default()
    })
    .await
    .unwrap()
}

fn recipients(catcher: &Catcher) -> Vec<String> {
    catcher
        .accepted()
        .into_iter()
        .map(|mail| mail.recipient)
        .collect()
}

/// Sends over a connection of its own.
async fn send(catcher: &Catcher, recipient: &str) -> Option<u16> {
    Client::ready(catcher.addr()).await.send(recipient).await
}

#[tokio::test]
async fn a_connection_is_dropped_before_the_greeting() {
    let catcher = catcher([Rule::on_connection(1, Fault::Drop(Stage::Connect))]).await;
    assert_eq!(Client::connect(catcher.addr()).await.reply().await, None);
    assert_eq!(send(&catcher, ANA).await, Some(250));
    assert_eq!(catcher.connection_count(), 2);
}

#[tokio::test]
async fn the_first_connections_are_dropped_then_all_are_served() {
    let catcher = catcher([Rule::always(Fault::Drop(Stage::Connect)).first(2)]).await;
    for _ in 0..2 {
        assert_eq!(Client::connect(catcher.addr()).await.reply().await, None);
    }
    assert_eq!(send(&catcher, ANA).await, Some(250));
}

#[tokio::test]
async fn a_connection_is_dropped_at_rcpt_after_the_reply_to_mail() {
    let catcher = catcher([Rule::for_local_part("ana", Fault::Drop(Stage::Rcpt))]).await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(250));
    assert_eq!(client.say("RCPT TO:<ana@example.com>\r\n").await, None);
    assert_eq!(send(&catcher, BO).await, Some(250));
    assert_eq!(recipients(&catcher), [BO]);
}

#[tokio::test]
async fn rcpt_is_refused_and_the_session_goes_on() {
    let unknown = Reply::new(550, "5.1.1 no such user\nask postmaster");
    let catcher = catcher([Rule::for_local_part(
        "ana",
        Fault::Reply(Stage::Rcpt, unknown),
    )])
    .await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(250));
    client.write("RCPT TO:<ana@example.com>\r\n").await;
    let reply = client.full_reply().await.unwrap();
    assert_eq!(reply, "550-5.1.1 no such user\r\n550 ask postmaster\r\n");
    assert_eq!(client.say("RSET\r\n").await, Some(250));
    assert_eq!(client.send(BO).await, Some(250));
    assert_eq!(recipients(&catcher), [BO]);
}

#[tokio::test]
async fn the_dot_is_refused_and_the_mail_is_not_taken() {
    let later = Reply::new(451, "4.7.1 greylisted");
    let catcher = catcher([Rule::for_local_part("ana", Fault::Reply(Stage::Dot, later))]).await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.send(ANA).await, Some(451));
    assert_eq!(client.send(BO).await, Some(250));
    assert_eq!(recipients(&catcher), [BO]);
}

#[tokio::test]
async fn a_drop_at_the_dot_looks_the_same_whether_the_mail_was_taken_or_not() {
    let catcher = catcher([
        Rule::for_local_part("ana", Fault::DropAtDot { accepted: true }),
        Rule::for_local_part("bo", Fault::DropAtDot { accepted: false }),
    ])
    .await;
    assert_eq!(send(&catcher, ANA).await, None);
    assert_eq!(send(&catcher, BO).await, None);
    assert_eq!(recipients(&catcher), [ANA]);
}

#[tokio::test]
async fn rules_for_one_recipient_follow_each_other() {
    let catcher = catcher([
        Rule::for_local_part("ana", Fault::DropAtDot { accepted: false }).first(2),
        Rule::for_local_part(
            "ana",
            Fault::Reply(Stage::Dot, Reply::new(451, "4.3.0 later")),
        )
        .first(1),
    ])
    .await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(send(&catcher, ANA).await);
    }
    assert_eq!(codes, [None, None, Some(451), Some(250)]);
    assert_eq!(recipients(&catcher), [ANA]);
}

#[tokio::test]
async fn the_limit_of_a_rule_counts_each_recipient_apart() {
    let catcher = catcher([Rule::always(Fault::DropAtDot { accepted: false }).first(1)]).await;
    assert_eq!(send(&catcher, ANA).await, None);
    assert_eq!(send(&catcher, BO).await, None);
    assert_eq!(send(&catcher, ANA).await, Some(250));
}

#[tokio::test]
async fn a_rule_may_look_at_connection_and_recipient() {
    let rule = Rule::when(
        |connection, local_part| connection == 2 && local_part != "bo",
        Fault::Reply(Stage::Dot, Reply::new(554, "5.7.1 no")),
    );
    let catcher = catcher([rule]).await;
    assert_eq!(send(&catcher, ANA).await, Some(250));
    let mut second = Client::ready(catcher.addr()).await;
    assert_eq!(second.send(ANA).await, Some(554));
    assert_eq!(second.send(BO).await, Some(250));
}

#[tokio::test]
async fn a_delayed_reply_comes_after_the_delay() {
    let delay = Duration::from_millis(50);
    let catcher = catcher([Rule::always(Fault::Delay(Stage::Dot, delay))]).await;
    let mut client = Client::ready(catcher.addr()).await;
    let before = Instant::now();
    assert_eq!(client.send(ANA).await, Some(250));
    assert!(before.elapsed() >= delay);
}

#[tokio::test]
async fn a_held_mail_is_accepted_at_once_and_answered_when_the_gate_opens() {
    let gate = Gate::closed();
    let catcher = catcher([Rule::always(Fault::Hold(Stage::Dot, gate.clone()))]).await;
    let mut client = Client::ready(catcher.addr()).await;
    {
        let mut sending = std::pin::pin!(client.send(ANA));
        tokio::select! {
            code = &mut sending => panic!("answered {code:?} before the gate opened"),
            accepted = catcher.wait_for(1, SOON) => assert_eq!(accepted.unwrap().len(), 1),
        }
        gate.open();
        assert_eq!(sending.await, Some(250));
    }
    assert_eq!(client.send(BO).await, Some(250));
}

#[tokio::test]
async fn a_gate_holds_a_drop_as_well_as_a_reply() {
    let gate = Gate::closed();
    let catcher = catcher([
        Rule::always(Fault::Hold(Stage::Dot, gate.clone())),
        Rule::always(Fault::DropAtDot { accepted: true }),
    ])
    .await;
    let open_when_accepted = async {
        catcher.wait_for(1, SOON).await.unwrap();
        gate.open();
    };
    let (code, ()) = tokio::join!(send(&catcher, ANA), open_when_accepted);
    assert_eq!(code, None);
}

#[tokio::test]
async fn stopping_ends_a_held_reply_by_dropping_its_connection() {
    let catcher = catcher([Rule::always(Fault::Hold(Stage::Dot, Gate::closed()))]).await;
    let addr = catcher.addr();
    let sending = tokio::spawn(async move { Client::ready(addr).await.send(ANA).await });
    catcher.wait_for(1, SOON).await.unwrap();
    catcher.stop().await;
    assert_eq!(sending.await.unwrap(), None);
}
