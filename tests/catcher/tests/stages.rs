//! Faults at every stage of a session.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use mail_catcher::{Act, Catcher, Config, Deaf, Fault, Gate, Idle, Reply, Rule, Script, Stage};
use support::{Client, envelope};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANA: &str = "ana@example.com";
const SOON: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(30);

async fn catcher(rules: impl IntoIterator<Item = Rule>) -> Catcher {
    start(rules, |_| {}).await
}

async fn start(rules: impl IntoIterator<Item = Rule>, change: impl FnOnce(&mut Config)) -> Catcher {
    let mut config = Config {
        script: Script::new(rules),
        ..Config::default()
    };
    change(&mut config);
    Catcher::start(config).await.unwrap()
}

/// What a client says from the start, one answer awaited before the next line, to the dot.
const DIALOGUE: [&str; 5] = [
    "EHLO test\r\n",
    "MAIL FROM:<hello@example.net>\r\n",
    "RCPT TO:<ana@example.com>\r\n",
    "DATA\r\n",
    "Subject: x\r\n\r\nx\r\n.\r\n",
];

/// The codes of the greeting and of the answers to [`DIALOGUE`], up to the end of the connection.
async fn dialogue(catcher: &Catcher) -> Vec<u16> {
    let mut client = Client::connect(catcher.addr()).await;
    let mut codes = Vec::new();
    codes.extend(client.reply().await);
    for line in DIALOGUE {
        if codes.is_empty() {
            break;
        }
        match client.say(line).await {
            Some(code) => codes.push(code),
            None => break,
        }
    }
    codes
}

const STAGES: [Stage; 6] = [
    Stage::Greeting,
    Stage::Ehlo,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::Dot,
];
const CODES: [u16; 6] = [220, 250, 250, 250, 354, 250];

#[tokio::test]
async fn a_drop_comes_instead_of_the_answer_of_its_stage() {
    for (index, stage) in STAGES.into_iter().enumerate() {
        let catcher = catcher([Rule::always(Fault::Drop(stage)).first(1)]).await;
        assert_eq!(dialogue(&catcher).await, CODES[..index], "{stage:?}");
        assert_eq!(catcher.accepted().len(), 0);
        assert_eq!(dialogue(&catcher).await, CODES);
        assert_eq!(catcher.accepted().len(), 1);
    }
    let catcher = catcher([Rule::always(Fault::Drop(Stage::Connect))]).await;
    assert!(dialogue(&catcher).await.is_empty());
}

#[tokio::test]
async fn a_drop_after_a_stage_lets_its_answer_through() {
    for (index, stage) in STAGES.into_iter().enumerate() {
        let catcher = catcher([Rule::always(Fault::DropAfter(stage))]).await;
        let codes = dialogue(&catcher).await;
        assert_eq!(codes, CODES[..=index], "{stage:?}");
        let taken = usize::from(stage == Stage::Dot);
        assert_eq!(catcher.accepted().len(), taken);
    }
}

#[tokio::test]
async fn a_421_is_said_before_the_connection_ends() {
    for (index, stage) in STAGES.into_iter().enumerate() {
        let closing = Fault::ReplyThenDrop(stage, Reply::new(421, "4.3.2 closing"));
        let catcher = catcher([Rule::always(closing)]).await;
        let codes = dialogue(&catcher).await;
        assert_eq!(codes[..index], CODES[..index]);
        assert_eq!(codes[index..], [421], "{stage:?}");
        assert_eq!(catcher.accepted().len(), 0);
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_leaves_the_connection_open_until_the_client_goes() {
    for stage in STAGES {
        let catcher = catcher([Rule::always(Fault::Silence(stage))]).await;
        assert!(timeout(PAUSE, dialogue(&catcher)).await.is_err());
        until_all_closed(&catcher).await;
        assert_eq!(catcher.accepted().len(), 0);
    }
}

async fn until_all_closed(catcher: &Catcher) {
    let end = Instant::now() + SOON;
    while catcher.open_connections() > 0 {
        assert!(Instant::now() < end, "a connection is still open");
        tokio::task::yield_now().await;
    }
    assert!(
        catcher
            .connections()
            .iter()
            .all(|seen| seen.closed.is_some())
    );
}

#[tokio::test]
async fn every_stage_can_be_slow() {
    for stage in STAGES {
        let catcher = catcher([
            Rule::always(Fault::Delay(stage, PAUSE)),
            Rule::always(Fault::Trickle(stage, Duration::from_millis(1))),
        ])
        .await;
        let before = Instant::now();
        assert_eq!(dialogue(&catcher).await, CODES);
        // Each answer has more than ten octets.
        assert!(
            before.elapsed() >= PAUSE + Duration::from_millis(10),
            "{stage:?}"
        );
    }
}

#[tokio::test]
async fn a_greeting_may_be_a_refusal() {
    let refusal = Reply::new(554, "5.7.1 not from your address");
    let catcher = catcher([Rule::always(Fault::Reply(Stage::Greeting, refusal)).first(1)]).await;
    assert_eq!(dialogue(&catcher).await[0], 554);
    assert_eq!(dialogue(&catcher).await[0], 220);
}

#[tokio::test]
async fn bytes_come_as_they_are() {
    for bytes in [
        &b"550 5.1.1 Empf\xe4nger unbekannt\r\n"[..],
        b"550\r\n",
        b"571 5.7.1 no\r\n",
        b"550-5.1.1 no\r\n450 4.1.1 later\r\n",
        b"\x00\xffgarbage",
    ] {
        let fault = Fault::Raw(Stage::Rcpt, bytes.to_vec());
        let catcher = catcher([Rule::for_local_part("ana", fault)]).await;
        let mut client = Client::ready(catcher.addr()).await;
        assert_eq!(client.say(DIALOGUE[1]).await, Some(250));
        client.write(DIALOGUE[2]).await;
        assert_eq!(client.piece().await, bytes);
        // None of them was a recipient.
        assert_eq!(client.say("DATA\r\n").await, Some(554));
    }
}

#[tokio::test]
async fn a_positive_answer_of_the_script_goes_on_as_the_servers_own() {
    let queued = b"250 2.0.0 angenommen f\xfcr ana\r\n".to_vec();
    let catcher = catcher([
        Rule::always(Fault::Reply(Stage::Mail, Reply::new(250, "2.1.0 fine"))),
        Rule::always(Fault::Raw(Stage::Data, b"354\r\n".to_vec())),
        Rule::always(Fault::Raw(Stage::Dot, queued.clone())),
    ])
    .await;
    let mut client = Client::ready(catcher.addr()).await;
    client.write(&envelope(ANA)).await;
    assert_eq!(client.replies().await, [Some(250), Some(250)]);
    client.write("DATA\r\n").await;
    assert_eq!(client.piece().await, b"354\r\n");
    client.write(DIALOGUE[4]).await;
    assert_eq!(client.piece().await, queued);
    assert_eq!(catcher.accepted().len(), 1);
}

#[tokio::test]
async fn data_answered_with_250_waits_for_no_mail() {
    let catcher = catcher([Rule::always(Fault::Reply(
        Stage::Data,
        Reply::new(250, "ok"),
    ))])
    .await;
    let mut client = Client::ready(catcher.addr()).await;
    client.write(&envelope(ANA)).await;
    assert_eq!(client.replies().await, [Some(250), Some(250)]);
    assert_eq!(client.say("DATA\r\n").await, Some(250));
    assert_eq!(client.say("Subject: x\r\n").await, Some(500));
}

#[tokio::test]
async fn half_a_reply_is_followed_by_the_end_or_by_the_rest() {
    let gate = Gate::closed();
    let rest = vec![
        Act::Send(b"250 2.1.".to_vec()),
        Act::Hold(gate.clone()),
        Act::Send(b"5 ok\r\n".to_vec()),
    ];
    let catcher = catcher([
        Rule::for_local_part("ana", Fault::RawThenDrop(Stage::Rcpt, b"250 2.".to_vec())),
        Rule::for_local_part("bo", Fault::Acts(Stage::Rcpt, rest)),
    ])
    .await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say(DIALOGUE[1]).await, Some(250));
    client.write(DIALOGUE[2]).await;
    assert_eq!(client.piece().await, b"250 2.");
    assert_eq!(client.piece().await, b"");

    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say(DIALOGUE[1]).await, Some(250));
    client.write("RCPT TO:<bo@example.com>\r\n").await;
    assert_eq!(client.piece().await, b"250 2.1.");
    gate.open();
    assert_eq!(client.piece().await, b"5 ok\r\n");
    assert_eq!(client.say("DATA\r\n").await, Some(354));
}

#[tokio::test]
async fn an_endless_line_ends_with_the_client() {
    let catcher = catcher([Rule::always(Fault::Endless(Stage::Ehlo))]).await;
    let mut client = Client::connect(catcher.addr()).await;
    assert_eq!(client.reply().await, Some(220));
    client.write("EHLO test\r\n").await;
    for _ in 0..100 {
        let piece = client.piece().await;
        assert!(!piece.is_empty() && !piece.contains(&b'\n'));
    }
    drop(client);
    until_all_closed(&catcher).await;
}

#[tokio::test]
async fn stopping_ends_silence_and_endless_lines() {
    for fault in [Fault::Endless(Stage::Ehlo), Fault::Silence(Stage::Ehlo)] {
        let catcher = catcher([Rule::always(fault)]).await;
        let mut client = Client::connect(catcher.addr()).await;
        assert_eq!(client.reply().await, Some(220));
        client.write("EHLO test\r\n").await;
        catcher.stop().await;
    }
}

#[tokio::test]
async fn a_large_mail_cannot_be_written_to_its_end_before_a_fault_in_its_body() {
    let large = "x".repeat(70) + "\r\n";
    let large = large.repeat(100_000);
    let catcher = start(
        [Rule::for_local_part("ana", Fault::Drop(Stage::Body))],
        |_| {},
    )
    .await;
    let mut stream = TcpStream::connect(catcher.addr()).await.unwrap();
    let session = format!("EHLO test\r\n{}DATA\r\n{large}.\r\n", envelope(ANA));
    let written = tokio::io::AsyncWriteExt::write_all(&mut stream, session.as_bytes()).await;
    assert!(written.is_err());
    assert_eq!(catcher.accepted().len(), 0);
}

#[tokio::test]
async fn a_reply_in_the_middle_of_a_mail_is_the_answer_to_its_dot() {
    let later = Fault::Reply(Stage::Body, Reply::new(451, "4.3.0 later"));
    let catcher = catcher([Rule::for_local_part("ana", later)]).await;
    let mut client = Client::ready(catcher.addr()).await;
    client.write(&format!("{}DATA\r\n", envelope(ANA))).await;
    assert_eq!(client.replies().await, [Some(250), Some(250), Some(354)]);
    assert_eq!(client.say("Subject: x\r\n").await, Some(451));
    assert_eq!(client.say("\r\nx\r\n.\r\nNOOP\r\n").await, Some(250));
    assert_eq!(client.send("bo@example.com").await, Some(250));
    assert_eq!(catcher.accepted().len(), 1);
}

#[tokio::test]
async fn mails_beyond_a_number_are_refused_on_each_connection() {
    let enough = Reply::new(421, "4.4.2 maximum message count per session reached");
    let fault = Fault::ReplyThenDrop(Stage::Mail, enough);
    let catcher = catcher([Rule::from_mail(3, fault)]).await;
    for _ in 0..2 {
        let mut client = Client::ready(catcher.addr()).await;
        for expected in [Some(250), Some(250), Some(421), None] {
            match expected {
                None => assert_eq!(client.reply().await, None),
                code => assert_eq!(client.send(ANA).await, code),
            }
        }
    }
    let mails: Vec<usize> = (catcher.connections().iter())
        .map(|seen| seen.mails)
        .collect();
    assert_eq!(mails, [2, 2]);
}

#[tokio::test]
async fn a_rule_may_name_the_sender() {
    let no = Fault::Reply(Stage::Mail, Reply::new(550, "5.7.1 sender not allowed"));
    let catcher = catcher([Rule::for_local_part("eve", no)]).await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(
        client.say("MAIL FROM:<eve@example.net>\r\n").await,
        Some(550)
    );
    assert_eq!(client.send(ANA).await, Some(250));
}

#[tokio::test]
async fn what_is_above_the_rate_is_refused_over_all_connections() {
    let throttled = Reply::new(
        454,
        "4.7.0 throttling failure: maximum sending rate exceeded",
    );
    let fault = Fault::Reply(Stage::Mail, throttled);
    let catcher = catcher([Rule::always(fault).above(3)]).await;
    let mut clients = [
        Client::ready(catcher.addr()).await,
        Client::ready(catcher.addr()).await,
    ];
    let mut codes = Vec::new();
    for index in 0..6 {
        codes.extend(clients[index % 2].send(ANA).await);
    }
    assert_eq!(codes, [250, 250, 250, 454, 454, 454]);
    // A second after the first three.
    let end = Instant::now() + SOON;
    while clients[0].send(ANA).await != Some(250) {
        assert!(Instant::now() < end, "the limit does not pass");
    }
}

#[tokio::test]
async fn an_idle_connection_ends_with_or_without_a_word() {
    for farewell in [true, false] {
        let idle = Idle {
            after: PAUSE,
            farewell,
        };
        let catcher = start([], |config| config.idle = idle).await;
        let mut client = Client::ready(catcher.addr()).await;
        assert_eq!(client.send(ANA).await, Some(250));
        if farewell {
            assert_eq!(client.reply().await, Some(421));
        }
        assert_eq!(client.reply().await, None);
    }
}

#[tokio::test]
async fn pipelining_need_not_be_offered_and_is_noticed() {
    let catcher = start([], |config| config.pipelining = false).await;
    let mut client = Client::connect(catcher.addr()).await;
    assert_eq!(client.reply().await, Some(220));
    client.write("EHLO test\r\n").await;
    let offers = client.full_reply().await.unwrap();
    assert!(!offers.contains("PIPELINING"), "{offers}");
    assert_eq!(client.send(ANA).await, Some(250));
    assert!(!catcher.connections()[0].pipelined);
    client.write(&envelope(ANA)).await;
    assert_eq!(client.replies().await, [Some(250), Some(250)]);
    assert!(catcher.connections()[0].pipelined);
}

#[tokio::test]
async fn a_lenient_server_says_354_after_a_refused_rcpt_and_refuses_the_dot() {
    let unknown = Fault::Reply(Stage::Rcpt, Reply::new(550, "5.1.1 no such user"));
    let rules = [Rule::for_local_part("ana", unknown)];
    let catcher = start(rules, |config| config.lenient = true).await;
    let mut client = Client::ready(catcher.addr()).await;
    client.write(&format!("{}DATA\r\n", envelope(ANA))).await;
    assert_eq!(client.replies().await, [Some(250), Some(550), Some(354)]);
    assert_eq!(client.say(".\r\n").await, Some(554));
    assert_eq!(client.send("bo@example.com").await, Some(250));
    assert_eq!(catcher.accepted().len(), 1);
}

#[tokio::test]
async fn a_lenient_server_delivers_an_empty_mail_after_a_refused_mail_to_who_sends_a_lone_dot() {
    let no = Fault::Reply(Stage::Mail, Reply::new(550, "5.7.1 sender not allowed"));
    let catcher = start([Rule::always(no)], |config| config.lenient = true).await;
    let mut client = Client::ready(catcher.addr()).await;
    client.write(&format!("{}DATA\r\n", envelope(ANA))).await;
    assert_eq!(client.replies().await, [Some(550), Some(250), Some(354)]);
    assert_eq!(client.say(".\r\n").await, Some(250));
    assert_eq!(catcher.accepted()[0].mail.as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn rset_noop_and_quit_are_stages_too() {
    let stages = [Stage::Rset, Stage::Noop, Stage::Quit];
    let refused = |stage| Rule::always(Fault::Reply(stage, Reply::new(502, "5.5.1 no")));
    let catcher = catcher(stages.map(refused)).await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.say(DIALOGUE[1]).await, Some(250));
    for line in ["RSET\r\n", "NOOP\r\n"] {
        assert_eq!(client.say(line).await, Some(502));
    }
    assert_eq!(client.say(DIALOGUE[2]).await, Some(250));
    assert_eq!(client.say("QUIT\r\n").await, Some(502));
    assert_eq!(client.reply().await, None);
}

#[tokio::test]
async fn the_ledger_has_the_commands_of_each_connection() {
    let catcher = catcher([]).await;
    dialogue(&catcher).await;
    Client::connect(catcher.addr()).await.reply().await;
    let connections = catcher.connections();
    let expected: Vec<&str> = DIALOGUE[..4].iter().map(|line| line.trim_end()).collect();
    assert_eq!(connections[0].commands, expected);
    assert_eq!((connections[0].number, connections[0].mails), (1, 1));
    assert_eq!(connections[1].commands.len(), 0);
    assert!(connections[0].opened <= connections[1].opened);
    until_all_closed(&catcher).await;
}

#[tokio::test]
async fn nobody_takes_a_connection_to_a_deaf_port() {
    let deaf = Deaf::start().await.unwrap();
    let connecting = TcpStream::connect(deaf.addr());
    assert!(timeout(PAUSE, connecting).await.is_err());
}
