use std::time::{Duration, SystemTime};

use e2e::{Db, LIMIT, Runner, relay};
use mail_catcher::{Fault, Rule};
use serde_json::json;
use tokio::time::Instant;

/// A relay so slow that there is a middle of the job.
fn slow() -> Rule {
    Rule::always(Fault::DelayAtDot(Duration::from_millis(20)))
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_runner_cleanly_and_another_goes_on() {
    const N: usize = 1_000;
    let db = Db::clone_template().await;
    let catcher = relay(&db, [slow()]).await;
    let mut first = Runner::spawn(&db, &[]).await;
    let job = db
        .start(N, json!({"chunk_size": 100, "concurrency": 5}))
        .await;
    catcher.wait_for(N / 5, LIMIT).await.unwrap();

    let told = Instant::now();
    first.terminate();
    let status = first.ended().await;
    assert!(status.success(), "{status}");
    // Nothing takes long here; the runner's own limit for what is in flight is 30 s.
    assert!(told.elapsed() < Duration::from_secs(30));
    let accepted = job.mails(&catcher).len();
    assert!(accepted < N, "the job was over already");
    let left = "select not exists (select from campaign.chunk where job_no = $1 and (state = 'leased' or passed <> recorded))
        and not exists (select from campaign.runner)";
    assert!(
        db.one::<bool>(left, &[&job.job_no]).await,
        "something is left behind"
    );
    let recorded = "select count(*) from campaign.attempt where job_no = $1 and outcome = 'sent'";
    assert_eq!(
        db.one::<i64>(recorded, &[&job.job_no]).await,
        accepted as i64
    );

    let _second = Runner::spawn(&db, &[]).await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.count(&job, "sent_count").await, 1_000);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_cancel_no_mail_is_begun_and_the_runner_serves_the_next_job() {
    const N: usize = 2_000;
    let db = Db::clone_template().await;
    let catcher = relay(&db, [slow()]).await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let config = json!({"chunk_size": 100, "concurrency": 5, "rate_limit": 200});
    let job = db.start(N, config).await;
    catcher.wait_for(200, LIMIT).await.unwrap();

    let status: String = db
        .one(
            "select status from campaign.cancel_campaign($1)",
            &[&job.id],
        )
        .await;
    let (cancelled_at, before) = (SystemTime::now(), job.mails(&catcher).len());
    assert_eq!(status, "cancelled");
    let settled = "select sent_count + cancelled_count = total_contacts and not exists (
          select from campaign.chunk c where c.job_no = j.job_no and c.state in ('ready', 'leased'))
        from campaign.email_jobs j where id = $1";
    db.until("everybody is sent or cancelled", settled, &[&job.id])
        .await;

    let next = db.start(300, json!({"chunk_size": 100})).await;
    db.until_status(&next, "completed").await;
    next.assert_each_has_one_mail(&catcher, 300);
    assert!(runner.is_alive());

    let mails = job.mails(&catcher);
    let late = mails.len() - before;
    // Two leases, each with a window of 5 connections and a quarter of a second at this rate.
    assert!(late <= 2 * (5 + 50), "{late} mails after the cancel");
    // A second, and what one mail takes.
    let last = mails.iter().map(|mail| mail.at).max().unwrap();
    let delay = last.duration_since(cancelled_at).unwrap_or_default();
    assert!(
        delay < Duration::from_millis(1_500),
        "a mail {delay:?} after the cancel"
    );
    assert_eq!(db.count(&job, "sent_count").await, mails.len() as i64);
    assert!(db.count(&job, "cancelled_count").await > 1_000);
    db.assert_books_hold(&job).await;
    db.assert_books_hold(&next).await;
}
