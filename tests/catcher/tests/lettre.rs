//! The client library that the runner is built on gets along with this server.

#![allow(clippy::unwrap_used, clippy::panic)]

use lettre::message::header::ContentType;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use mail_catcher::{Catcher, Config, Fault, Reply, Rule, Script, Stage};

fn message(to: &str) -> Message {
    Message::builder()
        .from("Hello <hello@example.net>".parse().unwrap())
        .to(to.parse().unwrap())
        .subject("¡Hola! 👋")
        .message_id(Some("<1.1@example.net>".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .body(".a dot first\r\nand Ünïcode\r\n".to_owned())
        .unwrap()
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte() {
    let catcher = Catcher::start(Config::default()).await.unwrap();
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(catcher.addr().port())
        .build();
    let message = message("ana@example.com");
    let response = transport.send(message.clone()).await.unwrap();
    assert!(response.is_positive());
    let [accepted] = &catcher.accepted()[..] else {
        panic!("one mail")
    };
    // lettre ends the last line itself, even where it has an end.
    let sent = [&message.formatted()[..], b"\r\n"].concat();
    assert_eq!(accepted.mail.as_deref(), Some(&sent[..]));
    assert_eq!(accepted.message_id.as_deref(), Some("<1.1@example.net>"));
    assert_eq!(accepted.recipient, "ana@example.com");
}

#[tokio::test]
async fn a_pipelined_envelope_is_answered_command_by_command() {
    let refusal = Fault::Reply(Stage::Rcpt, Reply::new(550, "5.1.1 no such user"));
    let script = Script::new([Rule::for_local_part("ana", refusal)]);
    let catcher = Catcher::start(Config {
        script,
        ..Config::default()
    })
    .await
    .unwrap();
    let hello = ClientId::Domain("client.example.net".to_owned());
    let mut connection =
        AsyncSmtpConnection::connect_tokio1(catcher.addr(), None, &hello, None, None)
            .await
            .unwrap();
    assert!(
        connection
            .server_info()
            .supports_feature(Extension::EightBitMime)
    );

    let mail = Mail::new(Some("hello@example.net".parse().unwrap()), vec![]);
    let ana = Rcpt::new("ana@example.com".parse().unwrap(), vec![]);
    assert!(
        connection
            .command(format!("{mail}{ana}{Data}"))
            .await
            .is_ok()
    );
    let refused = connection.read_response().await.unwrap_err();
    assert_eq!(refused.status().map(u16::from), Some(550));
    let no_recipient = connection.read_response().await.unwrap_err();
    assert_eq!(no_recipient.status().map(u16::from), Some(554));
    assert!(catcher.accepted().is_empty());
}
