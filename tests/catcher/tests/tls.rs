//! TLS and AUTH, as a client sees them and as the ledger records them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mail_catcher::{Auth, Authority, Catcher, Certificate, Config, Fault, Reply, Rule, Script};
use mail_catcher::{Stage, Tls};
use support::Client;
use tokio::time::timeout;

const ANA: &str = "ana@example.com";
const PAUSE: Duration = Duration::from_millis(30);
const SOON: Duration = Duration::from_secs(10);

async fn start(tls: Tls, auth: Option<Auth>, rules: impl IntoIterator<Item = Rule>) -> Catcher {
    let config = Config {
        tls: Some(tls),
        auth,
        script: Script::new(rules),
        ..Config::default()
    };
    Catcher::start(config).await.unwrap()
}

async fn starttls(authority: &Authority, rules: impl IntoIterator<Item = Rule>) -> Catcher {
    let certificate = authority.certificate(&["localhost"]).unwrap();
    let auth = Some(Auth::new("ana", "secret"));
    start(Tls::starttls(&certificate).unwrap(), auth, rules).await
}

fn plain(username: &str, password: &str) -> String {
    let credentials = BASE64_STANDARD.encode(format!("\0{username}\0{password}"));
    format!("AUTH PLAIN {credentials}\r\n")
}

fn login(text: &str) -> String {
    format!("{}\r\n", BASE64_STANDARD.encode(text))
}

#[tokio::test]
async fn starttls_and_a_login_are_offered_in_this_order_and_recorded() {
    let authority = Authority::new().unwrap();
    let catcher = starttls(&authority, []).await;
    let mut client = Client::connect(catcher.addr()).await;
    assert_eq!(client.reply().await, Some(220));
    client.write("EHLO test\r\n").await;
    let offers = client.full_reply().await.unwrap();
    assert!(
        offers.contains("250-STARTTLS\r\n") && !offers.contains("AUTH"),
        "{offers}"
    );
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(530));

    assert_eq!(client.say("STARTTLS\r\n").await, Some(220));
    let mut client = client.encrypt(&authority, "localhost").await.unwrap();
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(503));
    client.write("EHLO test\r\n").await;
    let offers = client.full_reply().await.unwrap();
    assert!(
        !offers.contains("STARTTLS") && offers.contains("250-AUTH PLAIN LOGIN\r\n"),
        "{offers}"
    );
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(530));
    assert_eq!(client.say(&plain("ana", "secret")).await, Some(235));
    assert_eq!(client.send(ANA).await, Some(250));

    let accepted = &catcher.accepted()[0];
    assert!(accepted.tls);
    assert_eq!(accepted.sni.as_deref(), Some("localhost"));
    assert_eq!(accepted.user.as_deref(), Some("ana"));
    let connection = &catcher.connections()[0];
    assert!(connection.tls && connection.mails == 1);
    assert_eq!(connection.user.as_deref(), Some("ana"));
    assert!(connection.commands.contains(&"AUTH PLAIN …".to_owned()));
    assert!(!catcher.saw_credentials_in_plain_text());
}

#[tokio::test]
async fn implicit_tls_begins_before_the_greeting() {
    let authority = Authority::new().unwrap();
    let certificate = authority.certificate(&["localhost", "127.0.0.1"]).unwrap();
    let catcher = start(Tls::implicit(&certificate).unwrap(), None, []).await;
    for (name, sni) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let client = Client::connect(catcher.addr()).await;
        let mut client = client.encrypt(&authority, name).await.unwrap();
        assert_eq!(client.reply().await, Some(220));
        assert_eq!(client.say("EHLO test\r\n").await, Some(250));
        assert_eq!(client.send(ANA).await, Some(250));
        let accepted = catcher.accepted().pop().unwrap();
        assert!(accepted.tls);
        assert_eq!(accepted.sni.as_deref(), sni);
        assert_eq!(client.say("QUIT\r\n").await, Some(221));
    }
}

#[tokio::test]
async fn bad_certificates_are_bad_and_the_name_is_recorded_all_the_same() {
    let authority = Authority::new().unwrap();
    for certificate in [
        authority.certificate(&["other.example"]).unwrap(),
        authority.expired_certificate(&["localhost"]).unwrap(),
        Certificate::self_signed(&["localhost"]).unwrap(),
        Authority::new()
            .unwrap()
            .certificate(&["localhost"])
            .unwrap(),
    ] {
        let catcher = start(Tls::implicit(&certificate).unwrap(), None, []).await;
        let client = Client::connect(catcher.addr()).await;
        assert!(client.encrypt(&authority, "localhost").await.is_err());
        let connection = &catcher.connections()[0];
        assert_eq!(connection.sni.as_deref(), Some("localhost"));
    }
}

#[tokio::test]
async fn login_asks_for_username_and_password() {
    let authority = Authority::new().unwrap();
    let catcher = starttls(&authority, []).await;
    let mut client = Client::secure(catcher.addr(), &authority).await;
    client.write("AUTH LOGIN\r\n").await;
    assert_eq!(client.full_reply().await.unwrap(), "334 VXNlcm5hbWU6\r\n");
    assert_eq!(client.say(&login("ana")).await, Some(334));
    assert_eq!(client.say(&login("wrong")).await, Some(535));
    assert_eq!(
        client.say(&format!("AUTH LOGIN {}", login("ana"))).await,
        Some(334)
    );
    assert_eq!(client.say(&login("secret")).await, Some(235));
    assert_eq!(client.send(ANA).await, Some(250));
}

#[tokio::test]
async fn wrong_credentials_and_other_mechanisms_are_refused() {
    let authority = Authority::new().unwrap();
    let catcher = starttls(&authority, []).await;
    let mut client = Client::secure(catcher.addr(), &authority).await;
    for (command, code) in [
        (plain("ana", "wrong"), 535),
        (plain("bo", "secret"), 535),
        ("AUTH PLAIN !\r\n".to_owned(), 501),
        ("AUTH CRAM-MD5\r\n".to_owned(), 504),
        ("AUTH PLAIN\r\n".to_owned(), 334),
        ("AGFuYQBzZWNyZXQ=\r\n".to_owned(), 235),
        (plain("ana", "secret"), 503),
    ] {
        assert_eq!(client.say(&command).await, Some(code), "{command}");
    }
    assert_eq!(catcher.connections()[0].user.as_deref(), Some("ana"));
}

#[tokio::test]
async fn credentials_in_plain_text_are_refused_and_recorded() {
    let authority = Authority::new().unwrap();
    let catcher = starttls(&authority, []).await;
    let mut client = Client::ready(catcher.addr()).await;
    assert!(!catcher.saw_credentials_in_plain_text());
    assert_eq!(client.say(&plain("ana", "secret")).await, Some(538));
    assert!(catcher.saw_credentials_in_plain_text());
}

#[tokio::test]
async fn credentials_in_plain_text_may_be_taken() {
    let auth = Auth {
        in_plain_text: true,
        ..Auth::new("ana", "secret")
    };
    let config = Config {
        auth: Some(auth),
        ..Config::default()
    };
    let catcher = Catcher::start(config).await.unwrap();
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say(&plain("ana", "secret")).await, Some(235));
    assert_eq!(client.send(ANA).await, Some(250));
    assert!(catcher.saw_credentials_in_plain_text());
}

#[tokio::test]
async fn a_login_may_fail_for_now() {
    let later = Fault::Reply(Stage::Auth, Reply::new(454, "4.7.0 temporary failure"));
    let authority = Authority::new().unwrap();
    let catcher = starttls(&authority, [Rule::always(later).first(1)]).await;
    let mut client = Client::secure(catcher.addr(), &authority).await;
    assert_eq!(client.say(&plain("ana", "secret")).await, Some(454));
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(530));
    assert_eq!(client.say(&plain("ana", "secret")).await, Some(235));
}

#[tokio::test]
async fn starttls_may_be_refused_or_not_be_offered() {
    let refused = Fault::Reply(Stage::StartTls, Reply::new(454, "4.7.0 no TLS now"));
    let without = Fault::Reply(Stage::Ehlo, Reply::new(250, "localhost\nSIZE 1000"));
    let authority = Authority::new().unwrap();
    let catcher = starttls(
        &authority,
        [Rule::always(refused), Rule::on_connection(2, without)],
    )
    .await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say("STARTTLS\r\n").await, Some(454));
    assert_eq!(client.say("NOOP\r\n").await, Some(250));
    let mut client = Client::connect(catcher.addr()).await;
    assert_eq!(client.reply().await, Some(220));
    client.write("EHLO test\r\n").await;
    assert_eq!(
        client.full_reply().await.unwrap(),
        "250-localhost\r\n250 SIZE 1000\r\n"
    );
}

#[tokio::test]
async fn plain_text_may_be_injected_behind_the_answer_to_starttls() {
    let injected = b"220 go ahead\r\n250-localhost\r\n250 AUTH PLAIN\r\n".to_vec();
    let authority = Authority::new().unwrap();
    let fault = Fault::Raw(Stage::StartTls, injected.clone());
    let catcher = starttls(&authority, [Rule::always(fault)]).await;
    let mut client = Client::ready(catcher.addr()).await;
    client.write("STARTTLS\r\n").await;
    assert_eq!(client.piece().await, injected);
    // A client that does not look is served all the same.
    let mut client = client.encrypt(&authority, "localhost").await.unwrap();
    assert_eq!(client.say("EHLO test\r\n").await, Some(250));
}

#[tokio::test]
async fn what_a_client_sends_in_plain_text_behind_starttls_is_thrown_away() {
    let authority = Authority::new().unwrap();
    let catcher = starttls(&authority, []).await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say("STARTTLS\r\nNOOP\r\n").await, Some(220));
    let mut client = client.encrypt(&authority, "localhost").await.unwrap();
    assert_eq!(client.say("EHLO test\r\n").await, Some(250));
}

#[tokio::test]
async fn the_handshake_may_be_dropped_garbled_silent_or_slow() {
    let authority = Authority::new().unwrap();
    let catcher = starttls(
        &authority,
        [
            Rule::on_connection(1, Fault::Drop(Stage::Handshake)),
            Rule::on_connection(2, Fault::Delay(Stage::Handshake, PAUSE)),
            Rule::on_connection(
                2,
                Fault::RawThenDrop(Stage::Handshake, b"500 what?\r\n".to_vec()),
            ),
            Rule::on_connection(3, Fault::Silence(Stage::Handshake)),
            Rule::on_connection(4, Fault::Delay(Stage::Handshake, PAUSE)),
            Rule::on_connection(5, Fault::DropAfter(Stage::Handshake)),
        ],
    )
    .await;
    for number in 1..=5 {
        let mut client = Client::ready(catcher.addr()).await;
        assert_eq!(client.say("STARTTLS\r\n").await, Some(220));
        let before = std::time::Instant::now();
        let limit = if number == 3 { PAUSE } else { SOON };
        let handshake = timeout(limit, client.encrypt(&authority, "localhost")).await;
        match (number, handshake) {
            (1 | 2, Ok(Err(_))) | (3, Err(_)) => {}
            (4, Ok(Ok(mut client))) => {
                assert!(before.elapsed() >= PAUSE);
                assert_eq!(client.say("EHLO test\r\n").await, Some(250));
            }
            (5, Ok(Ok(mut client))) => assert_eq!(client.reply().await, None),
            (_, handshake) => panic!("connection {number}: {:?}", handshake.map(|ok| ok.err())),
        }
    }
}

#[tokio::test]
async fn a_rule_may_tell_the_ehlo_inside_tls_from_the_one_before() {
    let no = Fault::Reply(Stage::Ehlo, Reply::new(502, "5.5.1 no"));
    let authority = Authority::new().unwrap();
    let catcher = starttls(&authority, [Rule::at(|moment| moment.tls, no)]).await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say("STARTTLS\r\n").await, Some(220));
    let mut client = client.encrypt(&authority, "localhost").await.unwrap();
    assert_eq!(client.say("EHLO test\r\n").await, Some(502));
}
