use std::time::Duration;

use mail_catcher::{Act, Catcher, Config, Fault, Idle, Reply, Rule, Script, Stage};

use super::session::{Abilities, Limits, Session};
use super::wire::Wire;
use super::*;
use crate::fence::Fence;
use crate::storage::{IntegrationSpec, Pipelining};

async fn catcher(rules: impl IntoIterator<Item = Rule>) -> Catcher {
    catcher_with(rules, Config::default()).await
}

async fn catcher_with(rules: impl IntoIterator<Item = Rule>, config: Config) -> Catcher {
    let config = Config {
        script: Script::new(rules),
        ..config
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
        "connection_age_s": 300, "pipelining": "messages",
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

/// One message, from its first command to what became of it.
pub async fn carry(
    pool: &Pool,
    mail: &Mail,
    relay: &Arc<IntegrationSpec>,
    permit: &Permit,
) -> Result<Carried, DialError> {
    Ok(match pool.begin(mail, relay, permit, || {}).await? {
        Begun::Yes(mut connection) => {
            let carried = connection.finish(mail, permit, None).await;
            pool.park(connection);
            carried
        }
        Begun::No(carried) => carried,
    })
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
    let unknown = Fault::Reply(Stage::Rcpt, Reply::new(550, "5.1.1 unknown"));
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

/// How a message ends that meets this fault, over a connection with a short patience; with or without PIPELINING.
struct Case {
    fault: Fault,
    phase: Phase,
    /// `None` = no reply that could be understood.
    code: Option<u16>,
    /// Whether the next message may go over the same connection.
    kept: bool,
}

fn case(fault: Fault, phase: Phase, code: impl Into<Option<u16>>, kept: bool) -> Case {
    Case {
        fault,
        phase,
        code: code.into(),
        kept,
    }
}

fn cases() -> Vec<Case> {
    use Fault::{Acts, Drop, DropAtDot, Endless, Raw, RawThenDrop, Reply as Say, Silence, Trickle};
    let say = |stage, code, text: &str| Say(stage, Reply::new(code, text));
    let raw = |stage, bytes: &[u8]| Raw(stage, bytes.to_vec());
    let rcpt = Stage::Rcpt;
    let in_two = vec![
        Act::Send(b"550-5.1.1 no\r\n550 5.1".to_vec()),
        Act::Wait(Duration::from_millis(20)),
        Act::Send(b".1 such user\r\n".to_vec()),
    ];
    vec![
        case(Drop(Stage::Mail), Phase::Mail, None, false),
        case(
            say(Stage::Mail, 550, "5.1.8 bad sender"),
            Phase::Mail,
            550,
            true,
        ),
        case(say(Stage::Mail, 451, "4.3.0 later"), Phase::Mail, 451, true),
        case(say(Stage::Mail, 421, "4.7.0 busy"), Phase::Mail, 421, false),
        case(
            say(Stage::Mail, 503, "5.5.1 out of order"),
            Phase::Mail,
            503,
            false,
        ),
        case(Drop(rcpt), Phase::Rcpt, None, false),
        case(say(rcpt, 550, "5.1.1 unknown"), Phase::Rcpt, 550, true),
        case(say(rcpt, 450, "4.7.1 greylisted"), Phase::Rcpt, 450, true),
        case(say(rcpt, 421, "4.7.0 later"), Phase::Rcpt, 421, false),
        case(
            say(rcpt, 550, "5.1.1 no\n5.1.1 such user"),
            Phase::Rcpt,
            550,
            true,
        ),
        case(
            raw(rcpt, b"550 5.1.1 Empf\xe4nger\r\n"),
            Phase::Rcpt,
            550,
            true,
        ),
        case(raw(rcpt, b"550\r\n"), Phase::Rcpt, 550, true),
        case(raw(rcpt, b"571 5.7.1 blocked\r\n"), Phase::Rcpt, 571, true),
        case(raw(rcpt, b"471 later\r\n"), Phase::Rcpt, 471, true),
        case(Acts(rcpt, in_two), Phase::Rcpt, 550, true),
        case(
            raw(rcpt, b"550-5.1.1 a\r\n450 4.1.1 b\r\n"),
            Phase::Rcpt,
            None,
            false,
        ),
        case(raw(rcpt, b"what?\r\n"), Phase::Rcpt, None, false),
        case(
            RawThenDrop(rcpt, b"550 5.1".to_vec()),
            Phase::Rcpt,
            None,
            false,
        ),
        case(Silence(rcpt), Phase::Rcpt, None, false),
        case(Endless(rcpt), Phase::Rcpt, None, false),
        case(
            Trickle(rcpt, Duration::from_millis(1)),
            Phase::Dot,
            250,
            true,
        ),
        case(Drop(Stage::Data), Phase::Data, None, false),
        case(say(Stage::Data, 451, "4.3.0 later"), Phase::Data, 451, true),
        case(say(Stage::Data, 554, "5.7.1 no"), Phase::Data, 554, true),
        case(Silence(Stage::Data), Phase::Data, None, false),
        case(Drop(Stage::Body), Phase::Body, None, false),
        case(Drop(Stage::Dot), Phase::Dot, None, false),
        case(DropAtDot { accepted: true }, Phase::Dot, None, false),
        case(Silence(Stage::Dot), Phase::Dot, None, false),
        case(raw(Stage::Dot, b"what?\r\n"), Phase::Dot, None, false),
        case(say(Stage::Dot, 452, "4.2.2 full"), Phase::Dot, 452, true),
        case(say(Stage::Dot, 554, "5.7.1 spam"), Phase::Dot, 554, true),
        case(say(Stage::Dot, 421, "4.3.2 bye"), Phase::Dot, 421, false),
        case(
            raw(Stage::Dot, b"554 5.6.0 unzul\xe4ssig\r\n"),
            Phase::Dot,
            554,
            true,
        ),
    ]
}

#[tokio::test]
async fn each_fault_is_told_in_its_phase_and_the_connection_kept_or_not() {
    let impatient = serde_json::json!({
        "timeouts": {"connect_s": 5, "greeting_s": 5, "command_s": 0.4, "body_s": 5, "dot_s": 0.4}
    });
    for pipelining in [true, false] {
        for Case {
            fault,
            phase,
            code,
            kept,
        } in cases()
        {
            let name = format!("{fault:?}, pipelining: {pipelining}");
            let config = Config {
                pipelining,
                ..Config::default()
            };
            let rule = match phase {
                Phase::Mail => Rule::always(fault).first(1),
                _ => Rule::for_local_part("ana", fault).first(1),
            };
            let catcher = catcher_with([rule], config).await;
            let mut relay = dial_with(&catcher, impatient.clone()).await.unwrap();
            let first = match phase {
                Phase::Body => large(),
                _ => mail("ana"),
            };
            let sent = relay.send(&first, &permit()).await;
            assert_eq!(ended(sent), (phase, code), "{name}");
            assert_eq!(relay.is_healthy(), kept, "{name}");
            if kept {
                let sent = relay.send(&mail("bob"), &permit()).await;
                assert_eq!(ended(sent), (Phase::Dot, Some(250)), "after {name}");
                let bob = catcher.accepted().pop().unwrap();
                assert_eq!(bob.recipient, "bob@example.com", "after {name}");
                assert!(
                    bob.mail.unwrap().starts_with(&mail("bob").content),
                    "after {name}"
                );
                assert_eq!(catcher.connection_count(), 1, "{name}");
            }
            drop(relay);
            catcher.stop().await;
        }
    }
}

/// Sends the first, and begins the second with its end.
async fn announce(
    relay: &mut dyn Relay,
    first: &Mail,
    second: &Mail,
    permit: &Permit,
) -> (Sent, Result<(), Sent>) {
    relay.begin(first, permit).await.unwrap();
    let sent = relay.finish(first, permit, Some((second, permit))).await;
    let begun = match relay.is_healthy() {
        true => relay.begin(second, permit).await,
        false => Err(Sent::NotStarted),
    };
    (sent, begun)
}

#[tokio::test]
async fn each_fault_of_an_announced_message_is_told_as_if_it_had_not_been_announced() {
    let impatient = serde_json::json!({
        "timeouts": {"connect_s": 5, "greeting_s": 5, "command_s": 0.4, "body_s": 5, "dot_s": 0.4}
    });
    for Case {
        fault,
        phase,
        code,
        kept,
    } in cases()
    {
        let name = format!("{fault:?}");
        let catcher = catcher([Rule::for_local_part("ana", fault).first(1)]).await;
        let mut relay = dial_with(&catcher, impatient.clone()).await.unwrap();
        let permit = permit();
        // The sender's name, too, so that faults at MAIL are this message's.
        let ana = Mail {
            from: "ana@example.org".parse().unwrap(),
            ..if phase == Phase::Body {
                large()
            } else {
                mail("ana")
            }
        };
        let (sent, begun) = announce(&mut *relay, &mail("zoe"), &ana, &permit).await;
        assert_eq!(ended(sent), (Phase::Dot, Some(250)), "before {name}");
        let sent = match begun {
            Ok(()) => relay.finish(&ana, &permit, None).await,
            Err(sent) => sent,
        };
        // A connection that is lost before anything was answered has attempted nobody.
        match (phase, code) {
            (Phase::Mail, None) => assert!(matches!(sent, Sent::DeadIdle(_)), "{name}: {sent:?}"),
            _ => assert_eq!(ended(sent), (phase, code), "{name}"),
        }
        assert_eq!(relay.is_healthy(), kept, "{name}");
        if kept {
            let sent = relay.send(&mail("bob"), &permit).await;
            assert_eq!(ended(sent), (Phase::Dot, Some(250)), "after {name}");
            let bob = catcher.accepted().pop().unwrap();
            assert_eq!(bob.recipient, "bob@example.com", "after {name}");
            assert!(
                bob.mail.unwrap().starts_with(&mail("bob").content),
                "after {name}"
            );
        }
        assert_eq!(catcher.connection_count(), 1, "{name}");
        drop(relay);
        catcher.stop().await;
    }
}

#[tokio::test]
async fn what_happens_at_the_dot_does_not_reach_the_message_that_was_announced_with_it() {
    let say = |code, text: &str| Fault::Reply(Stage::Dot, Reply::new(code, text));
    for (fault, code, goes_on) in [
        (say(554, "5.7.1 spam"), Some(554), true),
        (say(452, "4.2.2 full"), Some(452), true),
        (say(421, "4.3.2 bye"), Some(421), false),
        (Fault::Drop(Stage::Dot), None, false),
        (Fault::DropAtDot { accepted: true }, None, false),
    ] {
        let name = format!("{fault:?}");
        let catcher = catcher([Rule::for_local_part("ana", fault)]).await;
        let mut relay = dial(&catcher).await;
        let permit = permit();
        let (sent, begun) = announce(&mut *relay, &mail("ana"), &mail("bob"), &permit).await;
        assert_eq!(ended(sent), (Phase::Dot, code), "{name}");
        assert_eq!(begun.is_ok(), goes_on, "{name}");
        if goes_on {
            let sent = relay.finish(&mail("bob"), &permit, None).await;
            assert_eq!(ended(sent), (Phase::Dot, Some(250)), "{name}");
        }
        drop(relay);
        let for_bob = |mail: &mail_catcher::Accepted| mail.recipient == "bob@example.com";
        let bodies: Vec<_> = (catcher.stop().await.into_iter())
            .filter(for_bob)
            .map(|accepted| accepted.mail.unwrap().starts_with(&mail("bob").content))
            .collect();
        assert_eq!(bodies, Vec::from_iter(goes_on.then_some(true)), "{name}");
    }
}

#[tokio::test]
async fn a_message_is_announced_with_the_end_of_one_of_any_size() {
    let catcher = catcher([]).await;
    let mut relay = dial(&catcher).await;
    let permit = permit();
    for first in [mail("ana"), large()] {
        let (sent, begun) = announce(&mut *relay, &first, &mail("bob"), &permit).await;
        assert_eq!((ended(sent), begun), ((Phase::Dot, Some(250)), Ok(())));
        let sent = relay.finish(&mail("bob"), &permit, None).await;
        assert_eq!(ended(sent), (Phase::Dot, Some(250)));
    }
    let accepted = catcher.accepted();
    let sizes: Vec<_> = (accepted.iter())
        .map(|accepted| accepted.mail.as_ref().unwrap().len())
        .collect();
    assert_eq!(
        (sizes[0], sizes[2]),
        (mail("ana").content.len(), large().content.len())
    );
    assert_eq!(sizes[1], mail("bob").content.len());
}

#[tokio::test]
async fn a_closed_gate_announces_nothing_and_what_is_in_flight_ends() {
    let catcher = catcher([]).await;
    let mut relay = dial(&catcher).await;
    let (ana, bob) = (permit(), permit());
    relay.begin(&mail("ana"), &ana).await.unwrap();
    bob.gate.close();
    let sent = relay
        .finish(&mail("ana"), &ana, Some((&mail("bob"), &bob)))
        .await;
    assert_eq!(ended(sent), (Phase::Dot, Some(250)));
    assert_eq!(relay.begin(&mail("bob"), &bob).await, Err(Sent::NotStarted));
    assert_eq!(catcher.mail_from_count(), 1);
}

#[tokio::test]
async fn an_announced_message_whose_gate_closes_before_its_turn_is_not_handed_over() {
    let catcher = catcher([]).await;
    let mut relay = dial(&catcher).await;
    let (ana, bob) = (permit(), permit());
    relay.begin(&mail("ana"), &ana).await.unwrap();
    let sent = relay
        .finish(&mail("ana"), &ana, Some((&mail("bob"), &bob)))
        .await;
    assert_eq!(ended(sent), (Phase::Dot, Some(250)));
    bob.gate.close();
    assert_eq!(relay.begin(&mail("bob"), &bob).await, Err(Sent::NotStarted));
    // The relay waits for a message that does not come.
    assert!(!relay.is_healthy());
    drop(relay);
    let accepted = catcher.stop().await;
    let recipients: Vec<_> = accepted
        .iter()
        .map(|mail| mail.recipient.as_str())
        .collect();
    assert_eq!(recipients, ["ana@example.com"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_not_written_to_its_dot_may_be_sent_again() {
    // Room for a part of the message.
    let (mut relay, ours) = tokio::io::duplex(64);
    let abilities = Abilities::parse("mx\nPIPELINING");
    let limits = Limits::new(&spec(25));
    let wire = Wire::new(Box::new(ours));
    let mut session = Session::new(wire, abilities, limits, Pipelining::Messages);
    let permit = permit();
    let (ana, bob) = (mail("ana"), mail("bob"));
    let opened = async {
        tokio::io::AsyncWriteExt::write_all(&mut relay, b"250 ok\r\n250 ok\r\n354 go\r\n")
            .await
            .unwrap();
        let mut commands = vec![0; 64];
        while !commands.ends_with(b"DATA\r\n") {
            let mut more = [0; 64];
            let n = tokio::io::AsyncReadExt::read(&mut relay, &mut more)
                .await
                .unwrap();
            commands.extend_from_slice(&more[..n]);
        }
    };
    let (begun, ()) = tokio::join!(session.begin(&ana, &permit), opened);
    assert_eq!(begun, Ok(()));
    let long = Mail {
        content: b"0123456789\r\n".repeat(20),
        ..ana
    };
    let waits = session.finish(&long, &permit, Some((&bob, &permit)));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), waits)
            .await
            .is_err()
    );
    assert!(!permit.finishing());
}

#[tokio::test]
async fn messages_are_announced_where_the_relay_and_its_settings_allow_it() {
    for (offered, setting, announced) in [
        (true, "messages", true),
        (true, "commands", false),
        (true, "off", false),
        (false, "messages", false),
    ] {
        let config = Config {
            pipelining: offered,
            ..Config::default()
        };
        let catcher = catcher_with([], config).await;
        let setting = serde_json::json!({"pipelining": setting});
        let relay = dial_with(&catcher, setting).await.unwrap();
        assert_eq!(relay.announces(), announced);
    }
}

/// Too large for the buffers between us: what happens in its middle is seen there.
fn large() -> Mail {
    Mail {
        content: b"0123456789abcdef\r\n".repeat(400_000),
        ..mail("ana")
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_mail_is_heard() {
    let too_big = Fault::ReplyThenDrop(Stage::Body, Reply::new(552, "5.3.4 too big"));
    let catcher = catcher([Rule::always(too_big)]).await;
    let mut relay = dial(&catcher).await;
    let (phase, code) = ended(relay.send(&large(), &permit()).await);
    assert_eq!(code, Some(552));
    assert!(matches!(phase, Phase::Body | Phase::Dot), "{phase:?}");
    assert!(catcher.stop().await.is_empty());
}

#[tokio::test]
async fn a_password_that_the_relay_repeats_is_not_told() {
    let login = serde_json::json!({"username": "joe", "password": "s3cretpw"});
    let echoes = [
        "500 5.5.1 Command unrecognized: \"AUTH PLAIN AGpvZQBzM2NyZXRwdw==\"\r\n",
        "unknown command: AUTH PLAIN AGpvZQBzM2NyZXRwdw==\r\n",
        "535 5.7.8 s3cretpw, that is czNjcmV0cHc=, is wrong\r\n",
    ];
    for echo in echoes {
        let fault = Fault::Raw(Stage::Auth, echo.as_bytes().to_vec());
        let config = Config {
            auth: Some(mail_catcher::Auth {
                in_plain_text: true,
                ..mail_catcher::Auth::new("joe", "other")
            }),
            ..Config::default()
        };
        let catcher = catcher_with([Rule::always(fault)], config).await;
        let error = dial_with(&catcher, login.clone()).await.err().unwrap();
        assert_eq!(error.phase, Phase::Auth);
        let told = format!("{error:?}");
        for secret in ["s3cretpw", "AGpvZQBzM2NyZXRwdw", "czNjcmV0cHc"] {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(told.contains("***"), "{told}");
    }
}

#[tokio::test]
async fn commands_go_together_where_the_relay_offers_that() {
    for pipelining in [true, false] {
        let config = Config {
            pipelining,
            ..Config::default()
        };
        let catcher = catcher_with([], config).await;
        let mut relay = dial(&catcher).await;
        relay.send(&mail("ana"), &permit()).await;
        assert_eq!(catcher.connections()[0].pipelined, pipelining);
    }
}

#[tokio::test]
async fn a_relay_that_waits_for_a_mail_to_nobody_gets_none() {
    for (stage, phase, kept) in [
        (Stage::Rcpt, Phase::Rcpt, true),
        (Stage::Mail, Phase::Mail, false),
    ] {
        let refusal = Fault::Reply(stage, Reply::new(550, "5.7.1 no"));
        let first = Rule::at(|moment| moment.local_part != "bob", refusal);
        let config = Config {
            lenient: true,
            ..Config::default()
        };
        let catcher = catcher_with([first], config).await;
        let mut relay = dial(&catcher).await;
        let sent = relay.send(&mail("ana"), &permit()).await;
        assert_eq!(ended(sent), (phase, Some(550)));
        assert_eq!(relay.is_healthy(), kept);
        if kept {
            relay.send(&mail("bob"), &permit()).await;
        }
        drop(relay);
        let accepted = catcher.stop().await;
        let recipients: Vec<_> = accepted
            .iter()
            .map(|mail| mail.recipient.as_str())
            .collect();
        assert_eq!(
            recipients,
            Vec::from_iter(kept.then_some("bob@example.com"))
        );
    }
}

#[tokio::test]
async fn a_parameter_that_the_relay_does_not_understand_is_left_out() {
    let not_understood = Fault::Reply(Stage::Mail, Reply::new(555, "5.5.4 SIZE?"));
    let catcher = catcher([Rule::always(not_understood).first(1)]).await;
    let mut relay = dial(&catcher).await;
    for name in ["ana", "bob"] {
        let sent = relay.send(&mail(name), &permit()).await;
        assert_eq!(ended(sent), (Phase::Dot, Some(250)));
    }
    let commands = catcher.connections()[0].commands.clone();
    let mails = commands
        .iter()
        .filter(|command| command.starts_with("MAIL"));
    let with_size: Vec<bool> = mails.map(|command| command.contains("SIZE=")).collect();
    assert_eq!(with_size, [true, false, false]);
}

#[tokio::test]
async fn a_connection_that_died_between_two_messages_has_attempted_nobody() {
    let closes = |farewell| Config {
        idle: Idle {
            after: Duration::from_millis(20),
            farewell,
        },
        ..Config::default()
    };
    let at_once = Rule::for_local_part("ana", Fault::DropAfter(Stage::Dot));
    for (rule, config) in [
        (Some(at_once), Config::default()),
        (None, closes(true)),
        (None, closes(false)),
    ] {
        let catcher = catcher_with(rule, config).await;
        let mut relay = dial(&catcher).await;
        let sent = relay.send(&mail("ana"), &permit()).await;
        assert_eq!(ended(sent), (Phase::Dot, Some(250)));
        while catcher.open_connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let sent = relay.send(&mail("bob"), &permit()).await;
        assert!(matches!(sent, Sent::DeadIdle(_)), "{sent:?}");
        assert!(!relay.is_healthy());
    }
}

/// What a relay of 10,000 messages does to some of them, by number.
fn trouble(seed: u64) -> Vec<Rule> {
    use Fault::{Delay, Drop, Reply as Say, Silence};
    let stages = [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot];
    let faults = stages.into_iter().flat_map(|stage| {
        let late = Duration::from_millis(60);
        let refused = Reply::new(550, "5.7.1 not this one");
        [
            Delay(stage, late),
            Silence(stage),
            Drop(stage),
            Say(stage, refused),
        ]
    });
    let hit = move |local_part: &str, kind: u64| {
        let number: u64 = local_part
            .trim_start_matches(|c: char| c.is_alphabetic())
            .parse()
            .unwrap_or(0);
        fastrand::Rng::with_seed(seed ^ number ^ (kind << 32)).u32(..400) == 0
    };
    (0..)
        .zip(faults)
        .map(|(kind, fault)| Rule::when(move |_, local_part| hit(local_part, kind), fault))
        .collect()
}

/// `None` = nobody was attempted, the connection is gone.
async fn begin_announced(
    pool: &Pool,
    mut connection: Connection,
    mail: &Mail,
    permit: &Permit,
) -> Option<Result<Connection, Carried>> {
    match connection.begin(mail, permit).await {
        Ok(()) => Some(Ok(connection)),
        Err(carried) => {
            pool.park(connection);
            (!matches!(carried.sent, Sent::DeadIdle(_))).then_some(Err(carried))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_reaches_exactly_the_recipient_it_names_whatever_is_late_or_given_up() {
    const MAILS: u64 = 10_000;
    let seed = fastrand::u64(..);
    let catcher = Arc::new(catcher(trouble(seed)).await);
    let impatient = serde_json::json!({
        "timeouts": {"connect_s": 5, "greeting_s": 5, "command_s": 0.04, "body_s": 5, "dot_s": 0.04}
    });
    let spec = Arc::new(spec_with(catcher.addr().port(), impatient));
    let pool = Arc::new(Pool::new(Arc::new(NetDialer::default())));
    pool.set_ceiling(spec.id, Some(10));
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..10 {
        let (pool, spec) = (pool.clone(), spec.clone());
        senders.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed + sender);
            let mut ended = Vec::new();
            // The sender's name, too, so that faults at MAIL can be chosen.
            let mail = |number: u64| Mail {
                from: format!("r{number}@example.org").parse().unwrap(),
                ..mail(&format!("r{number}"))
            };
            let mut announced = None;
            for number in (sender..MAILS).step_by(10) {
                let (permit, next_permit) = (permit(), permit());
                let (this, next) = (mail(number), mail(number + 10));
                // Counted in turns of the runtime, each of which looks at the sockets: a timer is slower than a mail.
                let turns = (random.u32(..20) == 0).then(|| random.u32(..20));
                let patience = async {
                    match turns {
                        Some(turns) => {
                            for _ in 0..turns {
                                tokio::task::yield_now().await;
                            }
                        }
                        None => std::future::pending().await,
                    }
                };
                let open = announced.take();
                let carried = async {
                    let begun = match open {
                        Some(connection) => {
                            begin_announced(&pool, connection, &this, &permit).await
                        }
                        None => None,
                    };
                    let mut connection = match begun {
                        Some(Ok(connection)) => connection,
                        Some(Err(carried)) => return Some((carried, None)),
                        None => match pool.begin(&this, &spec, &permit, || {}).await.ok()? {
                            Begun::Yes(connection) => connection,
                            Begun::No(carried) => return Some((carried, None)),
                        },
                    };
                    let may_announce = random.bool() && pool.may_announce(&connection);
                    let next = may_announce.then_some((&next, &next_permit));
                    let carried = connection.finish(&this, &permit, next).await;
                    if may_announce && connection.is_healthy() {
                        return Some((carried, Some(connection)));
                    }
                    pool.park(connection);
                    Some((carried, None))
                };
                let carried = tokio::select! {
                    carried = carried => carried,
                    () = patience => None,
                };
                let sent = carried.map(|(carried, connection)| {
                    announced = connection;
                    carried.sent
                });
                ended.push((number, sent, permit.finishing()));
            }
            ended
        });
    }
    let ended: Vec<_> = senders.join_all().await.into_iter().flatten().collect();
    let catcher = Arc::into_inner(catcher).unwrap();
    let mut accepted = std::collections::HashMap::new();
    for mail in catcher.stop().await {
        let local_part = mail
            .recipient
            .strip_suffix("@example.com")
            .unwrap()
            .to_owned();
        let content = mail.mail.unwrap();
        let expected = format!("Subject: for {local_part}\r\n\r\n.\r\n.. and\r\n");
        assert!(
            *content == *expected.as_bytes(),
            "seed {seed}: {local_part} got another mail"
        );
        *accepted.entry(local_part).or_insert(0) += 1;
    }
    let (mut given_up, mut lost, mut refused) = (0, 0, 0);
    for (number, sent, finishing) in ended {
        let mails = accepted.remove(&format!("r{number}")).unwrap_or(0);
        let possible = match sent {
            Some(Sent::Ended {
                phase: Phase::Dot,
                answer: Some(answer),
                ..
            }) if answer.code == 250 => 1..=1,
            Some(Sent::Ended {
                answer: Some(_), ..
            }) => {
                refused += 1;
                0..=0
            }
            Some(Sent::Ended {
                phase: Phase::Dot, ..
            }) => {
                lost += 1;
                0..=1
            }
            None if finishing => {
                given_up += 1;
                0..=1
            }
            None => {
                given_up += 1;
                0..=0
            }
            Some(_) => 0..=0,
        };
        assert!(
            possible.contains(&mails),
            "seed {seed}: r{number} got {mails} mails"
        );
    }
    assert!(
        accepted.is_empty(),
        "seed {seed}: mails to nobody: {accepted:?}"
    );
    let all = [given_up, lost, refused];
    assert!(
        all.iter().all(|&n| n > 20),
        "seed {seed}: too little went wrong: {all:?}"
    );
}
