use e2e::{Db, Job, Runner, relay, until};
use mail_catcher::{Fault, Reply, Rule, Stage};
use serde_json::{Value, json};

/// Lets everybody who waits for a retry be tried again, until the job is completed.
async fn complete_without_waiting(db: &Db, job: &Job) {
    until("the job is completed", async || {
        let due = "update campaign.retry_item set due = campaign.now() where chunk_no is null";
        db.run(due).await;
        let status = "select status from campaign.email_jobs where id = $1";
        (db.one::<String>(status, &[&job.id]).await == "completed").then_some(())
    })
    .await;
}

/// What is known of the relay: its rate and what it was slowed down from, as numbers.
async fn slowed_down(db: &Db) -> (Option<f64>, Option<f64>) {
    let state = "select jsonb_build_array(rate, base) from campaign.relay_state";
    let state: Value = db.one(state, &[]).await;
    (state[0].as_f64(), state[1].as_f64())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_send_no_more_than_the_daily_quota_and_the_rest_when_it_is_raised() {
    const QUOTA: usize = 50;
    const N: usize = 60;
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    db.run("update campaign.email_integrations set daily_quota = 50")
        .await;
    let _runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let config = json!({"chunk_size": 10, "concurrency": 3});
    let jobs = [db.start(N, config.clone()).await, db.start(N, config).await];
    for job in &jobs {
        let until = "waiting until ";
        let said = db.until_status_reason(job, until).await;
        let why = ": relay relay: daily_quota of 50 mails is used up";
        assert!(said.starts_with(until) && said.ends_with(why), "{said}");
        let when = said.strip_prefix(until).unwrap().strip_suffix(why).unwrap();
        let in_a_day = "select $1::text::timestamptz between now() + interval '23 hours 50 min' and now() + interval '24 hours 15 min'";
        assert!(db.one::<bool>(in_a_day, &[&when]).await, "{when}");
    }
    catcher.wait_for(QUOTA, e2e::LIMIT).await.unwrap();
    db.until_grants_have_lapsed().await;
    assert_eq!(catcher.mail_from_count(), QUOTA);

    db.run("update campaign.email_integrations set daily_quota = 90")
        .await;
    catcher.wait_for(90, e2e::LIMIT).await.unwrap();
    db.until_grants_have_lapsed().await;
    assert_eq!(catcher.mail_from_count(), 90);

    db.run("update campaign.email_integrations set daily_quota = 120")
        .await;
    for job in &jobs {
        db.until_status(job, "completed").await;
        job.assert_each_has_one_mail(&catcher, N);
        db.assert_books_hold(job).await;
    }
    assert_eq!(catcher.mail_from_count(), 2 * N);
}

/// A relay that refuses so what is more than it takes in a second gets mails at half the rate.
async fn a_throttled_relay_gets_half_the_rate(refusal: fn(Stage, Reply) -> Fault, reply: Reply) {
    const N: usize = 240;
    let db = Db::clone_template().await;
    let catcher = relay(&db, [Rule::always(refusal(Stage::Mail, reply)).above(45)]).await;
    db.run("update campaign.email_integrations set rate_limit = 60")
        .await;
    let _runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let job = db
        .start(N, json!({"chunk_size": 40, "concurrency": 5}))
        .await;
    let refused = "select count(*) > 0 from campaign.attempt where verdict = 'slow_down' and outcome = 'deferred'";
    db.until("the relay has refused one", refused, &[]).await;
    db.until_grants_have_lapsed().await;
    assert_eq!(slowed_down(&db).await, (Some(30.0), Some(60.0)));
    complete_without_waiting(&db, &job).await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.count(&job, "sent_count").await, N as i64);
    assert_eq!(slowed_down(&db).await, (Some(30.0), Some(60.0)));
    let classes = "select distinct class from campaign.attempt where outcome = 'deferred'";
    assert_eq!(db.all::<String>(classes, &[]).await, ["rate"]);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_says_maximum_rate_exceeded_gets_half_the_rate() {
    let text = "Throttling failure: Maximum sending rate exceeded.";
    a_throttled_relay_gets_half_the_rate(Fault::Reply, Reply::new(454, text)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_says_421_gets_half_the_rate() {
    let reply = Reply::new(421, "4.7.0 Try again later");
    a_throttled_relay_gets_half_the_rate(Fault::ReplyThenDrop, reply).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_daily_quota_is_used_up_is_left_alone_and_campaigns_say_so() {
    const N: usize = 60;
    let db = Db::clone_template().await;
    let text = "Throttling failure: Daily message quota exceeded.";
    let used_up = Fault::Reply(Stage::Mail, Reply::new(454, text));
    // The day ends with the 40th mail; when it is asked again, there is a new one.
    let day = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mails = day.clone();
    let rule = Rule::at(
        move |_| {
            let before = mails.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (20..1_000).contains(&before)
        },
        used_up,
    );
    let catcher = relay(&db, [rule]).await;
    let _runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let config = json!({"chunk_size": 10, "concurrency": 3, "rate_limit": 40});
    let job = db.start(N, config).await;

    let said = db.until_status_reason(&job, "waiting until ").await;
    let why = ": relay relay: 454 Throttling failure: Daily message quota exceeded.";
    assert!(said.ends_with(why), "{said}");
    db.until_grants_have_lapsed().await;
    let (accepted, asked) = (
        catcher.accepted().len(),
        day.load(std::sync::atomic::Ordering::Relaxed),
    );
    assert_eq!(accepted, 20);
    db.run("update campaign.retry_item set due = campaign.now()")
        .await;
    db.until_grants_have_lapsed().await;
    assert_eq!(catcher.accepted().len(), accepted);
    assert_eq!(day.load(std::sync::atomic::Ordering::Relaxed), asked);
    assert_eq!(slowed_down(&db).await, (None, None));
    let other = db.start(1, json!({})).await;
    db.until_status_reason(&other, why).await;

    day.store(1_000, std::sync::atomic::Ordering::Relaxed);
    db.run("update campaign.relay_state set held_until = campaign.now()")
        .await;
    db.until_status(&other, "completed").await;
    complete_without_waiting(&db, &job).await;
    job.assert_each_has_one_mail(&catcher, N);
    other.assert_each_has_one_mail(&catcher, 1);
    for job in [&job, &other] {
        db.assert_books_hold(job).await;
    }
}
