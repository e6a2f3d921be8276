use std::collections::BTreeSet;

use e2e::{Db, Runner, address, relay};
use mail_catcher::{Catcher, Fault, Reply, Rule, Stage};
use serde_json::json;

/// What the relay does to one recipient, and what follows from it.
struct Case {
    fault: Fault,
    /// Outcome, verdict and class of the attempt.
    attempt: &'static str,
    then: Then,
    /// Whether the next recipient is served over the same connection.
    kept: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Tried again within seconds.
    Soon,
    /// Tried again, not within half a minute.
    Later,
    GivenUp,
    /// Given up, and never mailed again.
    Suppressed,
    Unknown,
}

fn say(stage: Stage, code: u16, text: &str) -> Fault {
    Fault::Reply(stage, Reply::new(code, text))
}

/// The rows of the tables of replies and phases that concern one recipient.
fn cases() -> Vec<Case> {
    use Stage::{Data, Dot, Rcpt};
    use Then::{GivenUp, Later, Soon, Suppressed, Unknown};
    let raw = |bytes: &[u8]| Fault::Raw(Rcpt, bytes.to_vec());
    let row = |fault, attempt, then, kept| Case {
        fault,
        attempt,
        then,
        kept,
    };
    let closing = |stage, text| Fault::ReplyThenDrop(stage, Reply::new(421, text));
    vec![
        row(
            say(Rcpt, 550, "5.1.1 no such user"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 551, "5.1.6 moved"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 553, "5.1.3 bad syntax"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 550, "5.1.2 no such domain"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 550, "5.1.0 rejected"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 556, "5.1.10 null MX"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 525, "5.7.13 disabled"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            say(Dot, 550, "5.1.1 no such user"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 550, "5.2.1 mailbox disabled"),
            "failed fail inactive",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 550, "5.7.17 owner changed"),
            "failed fail inactive",
            Suppressed,
            true,
        ),
        row(
            say(Rcpt, 450, "4.2.1 receives too fast"),
            "deferred defer recipient_rate",
            Later,
            true,
        ),
        row(
            say(Rcpt, 452, "4.2.2 over quota"),
            "deferred defer mailbox_full",
            Later,
            true,
        ),
        row(
            say(Rcpt, 552, "5.2.2 mailbox full"),
            "deferred defer mailbox_full",
            Later,
            true,
        ),
        row(
            say(Dot, 452, "4.2.2 over quota"),
            "deferred defer mailbox_full",
            Later,
            true,
        ),
        row(
            say(Rcpt, 450, "4.7.1 greylisted"),
            "deferred defer temporary",
            Later,
            true,
        ),
        row(
            say(Rcpt, 451, "4.3.0 trouble"),
            "deferred defer temporary",
            Later,
            true,
        ),
        row(
            say(Rcpt, 451, "4.4.1 no answer from host"),
            "deferred defer temporary",
            Later,
            true,
        ),
        row(
            say(Rcpt, 450, "later"),
            "deferred defer temporary",
            Later,
            true,
        ),
        row(
            say(Rcpt, 452, "4.5.3 too many recipients"),
            "deferred defer too_many_rcpt",
            Later,
            true,
        ),
        row(
            say(Data, 451, "4.3.0 trouble"),
            "deferred defer",
            Later,
            true,
        ),
        row(
            say(Rcpt, 550, "5.7.1 not wanted"),
            "failed fail policy",
            GivenUp,
            true,
        ),
        row(
            say(Dot, 550, "5.7.515 access denied"),
            "failed fail policy",
            GivenUp,
            true,
        ),
        row(
            say(Dot, 550, "5.7.26 unauthenticated"),
            "failed fail policy",
            GivenUp,
            true,
        ),
        row(
            say(Dot, 554, "5.7.1 this is spam"),
            "failed fail policy",
            GivenUp,
            true,
        ),
        row(
            say(Rcpt, 553, "5.7.1 [BL21] refused"),
            "failed fail policy",
            GivenUp,
            true,
        ),
        row(
            say(Rcpt, 503, "5.5.1 bad sequence"),
            "deferred defer client_bug",
            Later,
            false,
        ),
        // What a library took for no reply at all.
        row(raw(b"571 blocked\r\n"), "failed fail policy", GivenUp, true),
        row(raw(b"550\r\n"), "failed fail", GivenUp, true),
        row(
            raw(b"550 5.1.1 Empf\xe4nger unbekannt\r\n"),
            "failed fail bad_address",
            Suppressed,
            true,
        ),
        row(
            raw(b"550-5.1.1 a\r\n450 4.1.1 b\r\n"),
            "deferred defer",
            Soon,
            false,
        ),
        row(raw(b"what?\r\n"), "deferred defer", Soon, false),
        row(raw(b"\0\x01 binary\r\n"), "deferred defer", Soon, false),
        row(
            Fault::RawThenDrop(Rcpt, b"550 5.1".to_vec()),
            "deferred defer",
            Soon,
            false,
        ),
        // Lost connections, by phase.
        row(Fault::Drop(Rcpt), "deferred defer", Soon, false),
        row(Fault::Drop(Data), "deferred defer", Soon, false),
        row(
            Fault::DropAtDot { accepted: false },
            "uncertain uncertain",
            Unknown,
            false,
        ),
        row(
            Fault::DropAtDot { accepted: true },
            "uncertain uncertain",
            Unknown,
            false,
        ),
        row(Fault::DropAfter(Dot), "sent", Unknown, false),
        // The relay has too much to do: slower from here on.
        row(
            say(Rcpt, 450, "4.7.28 unusual rate"),
            "deferred slow_down rate",
            Later,
            true,
        ),
        row(
            say(
                Dot,
                454,
                "Throttling failure: Maximum sending rate exceeded.",
            ),
            "deferred slow_down rate",
            Later,
            true,
        ),
        row(
            closing(Rcpt, "4.7.0 [TS01] later"),
            "deferred slow_down rate",
            Later,
            false,
        ),
        row(
            closing(Dot, "4.3.2 shutting down"),
            "deferred slow_down rate",
            Later,
            false,
        ),
    ]
}

/// The connection over which the first mail to this recipient went.
fn connection(catcher: &Catcher, recipient: usize) -> Option<u64> {
    let command = format!("RCPT TO:<{}>", address(recipient));
    let connections = catcher.connections();
    let found = connections
        .iter()
        .find(|connection| connection.commands.contains(&command));
    found.map(|connection| connection.number)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_has_its_verdict_its_retry_and_its_effect_on_the_connection() {
    let cases = cases();
    let n = cases.len();
    let db = Db::clone_template().await;
    let rules = cases.iter().enumerate().map(|(index, case)| {
        Rule::for_local_part(&format!("p{}", index + 1), case.fault.clone()).first(1)
    });
    let catcher = relay(&db, rules).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start(n + 1, json!({"concurrency": 1, "chunk_size": 100}))
        .await;
    db.until(
        "everybody was attempted",
        "select count(distinct pos) = $2 from campaign.attempt where job_no = $1",
        &[&job.job_no, &i64::try_from(n + 1).unwrap()],
    )
    .await;

    let first =
        "select distinct on (pos) concat_ws(' ', outcome, verdict, class) from campaign.attempt
        where job_no = $1 order by pos, at";
    let attempts: Vec<String> = db.all(first, &[&job.job_no]).await;
    let suppressed = "select email from campaign.suppressions where reason = 'bounce'";
    let suppressed = BTreeSet::from_iter(db.all::<String>(suppressed, &[]).await);
    // What is due within seconds may have been tried again already.
    let waits =
        "select r.email from campaign.retry_item i join campaign.recipient r using (job_no, pos)
        join campaign.attempt a using (job_no, pos)
        where job_no = $1 and i.due > a.at + interval '30 s'";
    let waits = BTreeSet::from_iter(db.all::<String>(waits, &[&job.job_no]).await);
    let retried = "select r.email from campaign.recipient r where r.job_no = $1 and (
        exists (select from campaign.retry_item i where i.job_no = r.job_no and i.pos = r.pos)
        or (select count(*) > 1 from campaign.attempt a where a.job_no = r.job_no and a.pos = r.pos))";
    let retried = BTreeSet::from_iter(db.all::<String>(retried, &[&job.job_no]).await);
    for (index, case) in cases.iter().enumerate() {
        let recipient = index + 1;
        let name = format!("{:?} for p{recipient}", case.fault);
        let email = address(recipient);
        assert_eq!(attempts[index], case.attempt, "{name}");
        let expected = match case.then {
            Then::Soon => (true, false, false),
            Then::Later => (true, true, false),
            Then::GivenUp | Then::Unknown => (false, false, false),
            Then::Suppressed => (false, false, true),
        };
        let found = (
            retried.contains(&email),
            waits.contains(&email),
            suppressed.contains(&email),
        );
        assert_eq!(found, expected, "retried, waits, suppressed: {name}");
        let same = connection(&catcher, recipient) == connection(&catcher, recipient + 1);
        assert_eq!(same, case.kept, "connection kept: {name}");
    }

    let count = |then: &[Then]| {
        let of_them = cases.iter().filter(|case| then.contains(&case.then));
        i64::try_from(of_them.count()).unwrap()
    };
    let failed = count(&[Then::GivenUp, Then::Suppressed]);
    db.until(
        "who was lost before the dot has the mail now",
        "select sent_count = $2 and failed_count = $3 and uncertain_count = 2 from campaign.email_jobs where id = $1",
        &[&job.id, &(count(&[Then::Soon]) + 2), &failed],
    )
    .await;
    db.assert_books_hold(&job).await;
}

/// Answers that everybody would get.
fn stopping() -> Vec<(Fault, &'static str)> {
    use Stage::{Dot, Mail, Rcpt};
    vec![
        (
            say(
                Mail,
                553,
                "5.7.1 sender address rejected: not owned by user",
            ),
            "from_email",
        ),
        (
            say(Mail, 550, "5.1.8 sender's domain does not exist"),
            "from_email",
        ),
        (say(Mail, 550, "5.7.27 no SPF"), "from_email"),
        (say(Mail, 552, "5.3.4 too large"), "template"),
        (
            say(Mail, 530, "5.7.0 Must issue a STARTTLS command first"),
            "tls",
        ),
        (
            say(Mail, 530, "5.7.0 Authentication required"),
            "username and password",
        ),
        (say(Mail, 501, "5.5.4 syntax"), "from_email"),
        (
            say(Mail, 432, "4.7.12 a password transition is needed"),
            "password",
        ),
        (
            say(Rcpt, 550, "5.7.1 relaying denied"),
            "username, password and port",
        ),
        (
            say(Rcpt, 554, "5.7.1 relay access denied"),
            "username, password and port",
        ),
        (
            say(Dot, 554, "Message rejected: Email address is not verified."),
            "Verify",
        ),
        (say(Dot, 552, "5.3.4 too large"), "template"),
        (say(Dot, 554, "5.6.0 malformed"), "template"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_everybody_would_get_stops_the_job_and_spends_no_attempt() {
    let db = Db::clone_template().await;
    let rules = stopping()
        .into_iter()
        .enumerate()
        .map(|(index, (fault, _))| {
            // The sender's and the recipient's.
            Rule::for_local_part(&format!("case{index}"), fault)
        });
    let catcher = relay(&db, rules).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let mut jobs = Vec::new();
    for index in 0..stopping().len() {
        let name = format!("case{index}");
        let config = json!({
            "host": catcher.addr().ip(), "port": catcher.addr().port(),
            "from_email": format!("{name}@meetups.example")
        });
        let insert = "insert into campaign.email_integrations (name, config, rate_limit) values ($1, $2, null) returning name";
        db.one::<String>(insert, &[&name, &config]).await;
        jobs.push(db.start_to(&format!("{name}@example.com"), &name).await);
    }
    for ((fault, advice), job) in stopping().into_iter().zip(&jobs) {
        db.until_status(job, "paused").await;
        let reason = "select status_reason from campaign.email_jobs where id = $1";
        let reason: String = db.one(reason, &[&job.id]).await;
        assert!(reason.contains(advice), "{fault:?}: {reason}");
        let said = match &fault {
            Fault::Reply(_, reply) => reply.text.as_str(),
            _ => "",
        };
        assert!(reason.contains(said), "{fault:?}: {reason}");
        let attempts = "select count(*) filter (where outcome <> 'returned') from campaign.attempt where job_no = $1";
        assert_eq!(
            db.one::<i64>(attempts, &[&job.job_no]).await,
            0,
            "{fault:?}"
        );
        db.until(
            "the lease is given back",
            "select not exists (select from campaign.chunk where job_no = $1 and state = 'leased')",
            &[&job.job_no],
        )
        .await;
        assert_eq!(db.recipients(job, "pending").await.len(), 1, "{fault:?}");
        db.assert_books_hold(job).await;
    }
    assert!(catcher.accepted().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_that_meets_nearly_everybody_pauses_the_job_and_burns_nobody() {
    const N: usize = 200;
    let db = Db::clone_template().await;
    let blocked = say(
        Stage::Rcpt,
        550,
        "5.7.1 your host is on our list, see https://list.example/?q=1",
    );
    let lifted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let rule = {
        let lifted = lifted.clone();
        Rule::when(
            move |_, local_part| {
                !lifted.load(std::sync::atomic::Ordering::SeqCst) && !local_part.ends_with('7')
            },
            blocked,
        )
    };
    let catcher = relay(&db, [rule]).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start(N, json!({"chunk_size": 30, "rate_limit": 100}))
        .await;
    db.until_status(&job, "paused").await;
    let reason = "select status_reason from campaign.email_jobs where id = $1";
    let reason: String = db.one(reason, &[&job.id]).await;
    assert!(reason.contains("your host is on our list"), "{reason}");
    db.until(
        "who was refused waits again",
        "select failed_count = 0 from campaign.email_jobs where id = $1",
        &[&job.id],
    )
    .await;
    db.assert_books_hold(&job).await;

    lifted.store(true, std::sync::atomic::Ordering::SeqCst);
    let resume = "select status from campaign.resume_campaign($1)";
    db.one::<String>(resume, &[&job.id]).await;
    db.until_status(&job, "completed").await;
    job.assert_each_has_one_mail(&catcher, N);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_few_mails_over_a_connection_gets_more_connections() {
    const N: usize = 40;
    let db = Db::clone_template().await;
    let limit = Reply::new(421, "4.7.0 maximum message count per session reached");
    let rule = Rule::from_mail(5, Fault::ReplyThenDrop(Stage::Mail, limit));
    let catcher = relay(&db, [rule]).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start(N, json!({"concurrency": 1, "max_retries": 1}))
        .await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    let carried: Vec<usize> = catcher.connections().iter().map(|one| one.mails).collect();
    assert!(carried.iter().all(|&mails| mails <= 5), "{carried:?}");
    let returned =
        "select count(*) from campaign.attempt where job_no = $1 and verdict = 'reconnect'";
    assert_eq!(db.one::<i64>(returned, &[&job.job_no]).await, 1);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_transaction_stays_open_holds_nobody_up() {
    const N: usize = 30;
    let db = Db::clone_template().await;
    let unknown = say(Stage::Rcpt, 550, "5.1.1 no such user");
    let catcher = relay(&db, [Rule::for_local_part("p1", unknown)]).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let somebody = db
        .leave_open("insert into campaign.suppressions (email) values ('p1@example.com')")
        .await;
    let job = db.start(N, json!({})).await;
    db.until_status(&job, "completed").await;
    assert_eq!(db.count(&job, "failed_count").await, 1);
    assert_eq!(job.mails(&catcher).len(), N - 1);
    db.assert_books_hold(&job).await;
    drop(somebody);
}
