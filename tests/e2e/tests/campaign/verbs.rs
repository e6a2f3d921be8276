use e2e::{Db, Runner, address, mails_to, relay, until};
use mail_catcher::{Fault, Reply, Rule, Stage};
use serde_json::json;

fn refused_once(local_part: &str) -> Rule {
    let unwanted = Reply::new(550, "5.7.1 not wanted");
    Rule::for_local_part(local_part, Fault::Reply(Stage::Rcpt, unwanted)).first(1)
}

fn dropped_once(local_part: &str, accepted: bool) -> Rule {
    Rule::for_local_part(local_part, Fault::DropAtDot { accepted }).first(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_failed_sends_to_those_who_failed_and_to_nobody_else() {
    const N: usize = 60;
    let db = Db::clone_template().await;
    let catcher = relay(&db, ["p7", "p25", "p60"].map(refused_once)).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db.start(N, json!({"chunk_size": 20})).await;
    db.until_status(&job, "completed").await;
    assert_eq!(db.count(&job, "failed_count").await, 3);
    assert_eq!(catcher.mail_from_count(), N);

    // Asking twice sends once.
    for _ in 0..2 {
        let retry = "select status from campaign.retry_failed($1)";
        db.one::<String>(retry, &[&job.id]).await;
    }
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(catcher.mail_from_count(), N + 3);
    assert_eq!(db.count(&job, "sent_count").await, 60);
    assert_eq!(db.count(&job, "failed_count").await, 0);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resolve_uncertain_mails_again_whom_a_person_decides_to_mail_again() {
    let db = Db::clone_template().await;
    let rules = [
        dropped_once("p1", true),
        dropped_once("p2", true),
        dropped_once("p3", false),
    ];
    let catcher = relay(&db, rules).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db.start(20, json!({})).await;
    db.until_status(&job, "completed").await;
    assert_eq!(db.count(&job, "uncertain_count").await, 3);

    let sent = "select status from campaign.resolve_uncertain($1, 'sent', array['p1@example.com'])";
    db.one::<String>(sent, &[&job.id]).await;
    let resend = "select status from campaign.resolve_uncertain($1, 'resend', force => true)";
    db.one::<String>(resend, &[&job.id]).await;
    db.until_status(&job, "completed").await;

    assert_eq!(mails_to(&catcher, "p1@example.com"), 1);
    assert_eq!(mails_to(&catcher, "p2@example.com"), 2);
    for number in 3..=20 {
        assert_eq!(mails_to(&catcher, &address(number)), 1, "p{number}");
    }
    assert_eq!(db.count(&job, "sent_count").await, 20);
    assert_eq!(db.count(&job, "uncertain_count").await, 0);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn send_test_brings_one_mail_to_the_address_and_its_outcome_is_shown() {
    let db = Db::clone_template().await;
    let refuse = Fault::Reply(Stage::Rcpt, Reply::new(550, "5.1.1 no such user"));
    let catcher = relay(&db, [Rule::for_local_part("nobody", refuse)]).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let mut outcomes = Vec::new();
    for email in ["tester@example.com", "nobody@example.com"] {
        let send = "select id from campaign.send_test('letter', $1)";
        let id: uuid::Uuid = db.one(send, &[&email]).await;
        let outcome = until("the test mail has an outcome", async || {
            let ended = "select concat_ws(' ', state, phase, smtp_code) from campaign.test_mails
                where id = $1 and state not in ('waiting', 'under way')";
            db.all::<String>(ended, &[&id]).await.pop()
        })
        .await;
        outcomes.push(outcome);
    }

    assert_eq!(outcomes, ["sent dot 250", "failed rcpt 550"]);
    let [mail] = &catcher.accepted()[..] else {
        panic!("one mail")
    };
    assert_eq!(mail.recipient, "tester@example.com");
    assert_eq!(mail.field("Subject").as_deref(), Some("Hi Ada"));
    let jobs = "select count(*) from campaign.email_jobs";
    assert_eq!(db.one::<i64>(jobs, &[]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_have_the_sender_and_headers_of_the_integration_and_those_of_the_campaign_win() {
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    db.run(
        r#"update campaign.email_integrations set config = config || '{
             "from_name": "Meetups", "reply_to": "team@meetups.example",
             "headers": {"X-Team": "meetups", "X-Season": "winter"}}'"#,
    )
    .await;
    let _runner = Runner::spawn(&db, &[]).await;
    let plain = db.start(1, json!({})).await;
    let config = json!({
        "from_name": "Spring Meetup", "reply_to": "spring@meetups.example", "headers": {"x-season": "spring"}
    });
    let own = db.start(1, config).await;
    db.until_status(&plain, "completed").await;
    db.until_status(&own, "completed").await;

    for (job, from, reply_to, season) in [
        (&plain, "Meetups", "team@meetups.example", "winter"),
        (&own, "Spring Meetup", "spring@meetups.example", "spring"),
    ] {
        let [mail] = &job.mails(&catcher)[..] else {
            panic!("one mail")
        };
        let sender = mail.field("From").unwrap().replace('"', "");
        assert_eq!(sender, format!("{from} <hello@meetups.example>"));
        assert_eq!(mail.from, "hello@meetups.example");
        assert_eq!(mail.field("Reply-To").as_deref(), Some(reply_to));
        assert_eq!(mail.field("X-Season").as_deref(), Some(season));
        assert_eq!(mail.field("X-Team").as_deref(), Some("meetups"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_comes_into_the_log_of_a_runner_whoever_names_it() {
    let db = Db::clone_template().await;
    let names = Reply::new(550, "5.1.1 <p2@example.com> is unknown");
    let catcher = relay(
        &db,
        [Rule::for_local_part("p2", Fault::Reply(Stage::Rcpt, names))],
    )
    .await;
    db.run(
        "create function public.told(uuid, text, text[]) returns void language plpgsql as $$
         begin
           raise notice 'a note for p1@example.com';
           raise exception 'there is no attendee p1@example.com';
         end $$;
         insert into campaign.segments (name, query, on_sent)
         values ('custom', 'select null as recipient_key, null as email, null as vars', 'public.told')",
    )
    .await;
    let runner = Runner::spawn(&db, &[]).await;
    let job = db.start(3, json!({})).await;
    db.until_status(&job, "completed").await;
    let told = "select count(*) > 0 from campaign.pending_on_sent";
    db.until("the application could not be told", told, &[])
        .await;

    assert_eq!(mails_to(&catcher, "p1@example.com"), 1);
    let log = runner.log();
    assert!(log.contains("chunk leased") && !log.contains('@'), "{log}");
}
