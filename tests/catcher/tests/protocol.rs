//! RFC 5321 as a client sees it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, SystemTime};

use mail_catcher::{Catcher, Config, Store};
use support::{Client, envelope, mail};

const SOON: Duration = Duration::from_secs(10);

async fn catcher() -> Catcher {
    Catcher::start(Config::default()).await.unwrap()
}

#[tokio::test]
async fn ehlo_lists_the_extensions_and_helo_does_not() {
    let catcher = catcher().await;
    let mut client = Client::connect(catcher.addr()).await;
    assert!(
        client
            .full_reply()
            .await
            .unwrap()
            .starts_with("220 localhost ESMTP")
    );
    client.write("EHLO test\r\n").await;
    let offers = client.full_reply().await.unwrap();
    for offer in [
        "250-8BITMIME\r\n",
        "250-PIPELINING\r\n",
        "250 SIZE 10485760\r\n",
    ] {
        assert!(offers.contains(offer), "{offers}");
    }
    client.write("HELO test\r\n").await;
    assert_eq!(client.full_reply().await.unwrap(), "250 localhost\r\n");
}

#[tokio::test]
async fn commands_out_of_order_are_refused_with_503() {
    let catcher = catcher().await;
    let mut client = Client::connect(catcher.addr()).await;
    assert_eq!(client.reply().await, Some(220));
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(503));
    assert_eq!(client.say("EHLO test\r\n").await, Some(250));
    assert_eq!(client.say("RCPT TO:<a@example.com>\r\n").await, Some(503));
    assert_eq!(client.say("DATA\r\n").await, Some(503));
    let before = SystemTime::now();
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(250));
    let after = SystemTime::now();
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(503));
    assert_eq!(client.say("DATA\r\n").await, Some(554));
    let [started] = catcher.mail_from_times()[..] else {
        panic!("one mail")
    };
    assert!(before <= started && started <= after);
}

#[tokio::test]
async fn rset_and_ehlo_forget_the_envelope() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    for forget in ["RSET\r\n", "EHLO again\r\n"] {
        client.write(&envelope("ana@example.com")).await;
        assert_eq!(client.replies().await, [Some(250), Some(250)]);
        assert_eq!(client.say(forget).await, Some(250));
        assert_eq!(client.say("DATA\r\n").await, Some(503));
    }
}

#[tokio::test]
async fn noop_vrfy_and_unknown_commands_leave_the_session_as_it_is() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say("MAIL FROM:<a@example.com>\r\n").await, Some(250));
    assert_eq!(client.say("NOOP\r\n").await, Some(250));
    assert_eq!(client.say("VRFY ana\r\n").await, Some(252));
    assert_eq!(client.say("EXPN all\r\n").await, Some(502));
    assert_eq!(client.say("HOLA\r\n").await, Some(500));
    assert_eq!(client.say("RCPT TO:<ana@example.com>\r\n").await, Some(250));
    assert_eq!(client.say("QUIT\r\n").await, Some(221));
    assert_eq!(client.reply().await, None);
}

#[tokio::test]
async fn a_mail_is_kept_as_it_was_before_dot_stuffing() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    client.write(&envelope("ana@example.com")).await;
    assert_eq!(client.replies().await, [Some(250), Some(250)]);
    assert_eq!(client.say("DATA\r\n").await, Some(354));
    let stuffed = "message-id: <1@x>\r\n\r\n..\r\n...two\r\nöne.\r\n.\r\n";
    assert_eq!(client.say(stuffed).await, Some(250));
    let [accepted] = &catcher.accepted()[..] else {
        panic!("one mail")
    };
    let kept = "message-id: <1@x>\r\n\r\n.\r\n..two\r\nöne.\r\n";
    assert_eq!(accepted.mail.as_deref(), Some(kept.as_bytes()));
    assert_eq!(accepted.message_id.as_deref(), Some("<1@x>"));
    assert_eq!(accepted.from, "hello@example.net");
    assert_eq!(accepted.recipient, "ana@example.com");
}

#[tokio::test]
async fn each_recipient_of_a_mail_is_an_acceptance() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    client.write(&envelope("ana@example.com")).await;
    client.write("RCPT TO:<bo@example.com>\r\nDATA\r\n").await;
    let codes = [Some(250), Some(250), Some(250), Some(354)];
    assert_eq!(client.replies().await, codes);
    assert_eq!(
        client.say(&format!("{}.\r\n", mail("x@y"))).await,
        Some(250)
    );
    let recipients = catcher.accepted().into_iter().map(|mail| mail.recipient);
    assert_eq!(
        recipients.collect::<Vec<_>>(),
        ["ana@example.com", "bo@example.com"]
    );
}

#[tokio::test]
async fn the_dot_of_one_mail_and_the_envelope_of_the_next_may_share_a_packet() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    client
        .write(&format!("{}DATA\r\n", envelope("ana@example.com")))
        .await;
    assert_eq!(client.replies().await, [Some(250), Some(250), Some(354)]);
    let next = envelope("bo@example.com");
    client
        .write(&format!("{}.\r\n{next}DATA\r\n", mail("ana@example.com")))
        .await;
    assert_eq!(
        client.replies().await,
        [Some(250), Some(250), Some(250), Some(354)]
    );
    client
        .write(&format!("{}.\r\nQUIT\r\n", mail("bo@example.com")))
        .await;
    assert_eq!(client.replies().await, [Some(250), Some(221), None]);
    assert_eq!(catcher.accepted().len(), 2);
}

#[tokio::test]
async fn a_mail_may_arrive_octet_by_octet() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    let session = format!("{}DATA\r\n{}.\r\n", envelope("a@b"), mail("a@b"));
    for index in 0..session.len() {
        client.write(&session[index..=index]).await;
    }
    assert_eq!(
        client.replies().await,
        [Some(250), Some(250), Some(354), Some(250)]
    );
}

#[tokio::test]
async fn a_dot_after_a_bare_line_feed_does_not_end_the_mail() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    client
        .write(&format!("{}DATA\r\n", envelope("ana@example.com")))
        .await;
    assert_eq!(client.replies().await, [Some(250), Some(250), Some(354)]);
    client
        .write("Subject: x\r\n\r\nsmuggled\n.\r\nMAIL FROM:<evil@example.com>\r\n.\r\n")
        .await;
    assert_eq!(client.say("NOOP\r\n").await, Some(554));
    assert_eq!(client.reply().await, Some(250));
    assert!(catcher.accepted().is_empty());
}

#[tokio::test]
async fn what_is_too_big_is_refused_and_the_session_goes_on() {
    let config = Config {
        max_size: 2000,
        ..Config::default()
    };
    let catcher = Catcher::start(config).await.unwrap();
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(
        client.say("MAIL FROM:<a@example.com> SIZE=2001\r\n").await,
        Some(552)
    );
    for (body, code) in [
        (format!("{}\r\n", "x".repeat(80)).repeat(25), 552),
        (format!("{}\r\n", "x".repeat(999)), 554),
        ("fits\r\n".to_owned(), 250),
    ] {
        client
            .write(&format!("{}DATA\r\n", envelope("ana@example.com")))
            .await;
        assert_eq!(client.replies().await, [Some(250), Some(250), Some(354)]);
        assert_eq!(client.say(&format!("{body}.\r\n")).await, Some(code));
    }
    assert_eq!(
        client.say(&format!("NOOP {}\r\n", "x".repeat(2000))).await,
        Some(500)
    );
    assert_eq!(catcher.accepted().len(), 1);
}

#[tokio::test]
async fn a_line_without_end_closes_the_connection() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say(&"x".repeat(70_000)).await, Some(500));
    assert_eq!(client.reply().await, None);
}

#[tokio::test]
async fn a_mail_has_at_most_a_hundred_recipients() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say("MAIL FROM:<>\r\n").await, Some(250));
    for _ in 0..100 {
        assert_eq!(client.say("RCPT TO:<a@example.com>\r\n").await, Some(250));
    }
    assert_eq!(client.say("RCPT TO:<a@example.com>\r\n").await, Some(452));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_dot_has_sent_nothing() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    client
        .write(&format!("{}DATA\r\n{}", envelope("a@b"), mail("a@b")))
        .await;
    assert_eq!(client.replies().await, [Some(250), Some(250), Some(354)]);
    drop(client);
    assert!(catcher.stop().await.is_empty());
}

#[tokio::test]
async fn stop_says_421_and_frees_the_port() {
    let catcher = catcher().await;
    let addr = catcher.addr();
    let mut client = Client::ready(addr).await;
    catcher.stop().await;
    assert_eq!(client.replies().await, [Some(421), None]);
    let config = Config {
        listen: addr,
        ..Config::default()
    };
    let again = Catcher::start(config).await.unwrap();
    assert_eq!(
        Client::ready(addr).await.send("ana@example.com").await,
        Some(250)
    );
    drop(again);
}

#[tokio::test]
async fn dropping_the_catcher_ends_its_sessions() {
    let catcher = catcher().await;
    let mut client = Client::ready(catcher.addr()).await;
    drop(catcher);
    assert_eq!(client.replies().await, [Some(421), None]);
}

#[tokio::test]
async fn wait_for_returns_when_enough_came_and_says_how_many_came_when_not() {
    let catcher = catcher().await;
    let addr = catcher.addr();
    let send = async {
        let mut client = Client::ready(addr).await;
        client.send("ana@example.com").await;
        client.send("bo@example.com").await;
    };
    let ((), accepted) = tokio::join!(send, catcher.wait_for(2, SOON));
    assert_eq!(accepted.unwrap()[1].recipient, "bo@example.com");
    let too_few = catcher.wait_for(3, Duration::ZERO).await.unwrap_err();
    assert_eq!((too_few.wanted, too_few.accepted), (3, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_pipelining_connections_bring_twenty_thousand_mails_each_once() {
    let config = Config {
        store: Store::Nowhere,
        ..Config::default()
    };
    let catcher = Catcher::start(config).await.unwrap();
    let addr = catcher.addr();
    let clients = (0..10).map(|client_no| {
        tokio::spawn(async move {
            let mut client = Client::ready(addr).await;
            let filler = format!("{}\r\n", "x".repeat(70)).repeat(40);
            let envelope = |mail_no| envelope(&format!("{client_no}.{mail_no}@example.com"));
            client.write(&format!("{}DATA\r\n", envelope(0))).await;
            assert_eq!(client.replies().await, [Some(250), Some(250), Some(354)]);
            for mail_no in 1..2000 {
                let id = mail(&format!("{client_no}.{mail_no}"));
                client
                    .write(&format!("{id}{filler}.\r\n{}DATA\r\n", envelope(mail_no)))
                    .await;
                let codes = [Some(250), Some(250), Some(250), Some(354)];
                assert_eq!(client.replies().await, codes);
            }
            assert_eq!(client.say(&format!("{filler}.\r\n")).await, Some(250));
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let accepted = catcher.accepted();
    let recipients = accepted.iter().map(|mail| mail.recipient.as_str());
    let distinct = recipients.collect::<std::collections::HashSet<_>>();
    assert_eq!((accepted.len(), distinct.len()), (20_000, 20_000));
    assert_eq!(
        (catcher.connection_count(), catcher.peak_connections()),
        (10, 10)
    );
    assert_eq!(catcher.mail_from_count(), 20_000);
    assert!(accepted.iter().all(|accepted| accepted.mail.is_none()));
}
