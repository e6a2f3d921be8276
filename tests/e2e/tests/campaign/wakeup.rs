use e2e::{Db, Runner, relay};
use serde_json::json;

const SOMEBODY_LISTENS: &str = "select exists (
    select from pg_stat_activity where datname = current_database() and query ilike 'listen campaign_wake')";

#[tokio::test(flavor = "multi_thread")]
async fn without_notifications_a_job_is_found_by_polling() {
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let _runner = Runner::spawn(&db, &["--notify", "false", "--poll", "200ms"]).await;
    let job = db.start(300, json!({"chunk_size": 30})).await;
    db.until_status(&job, "completed").await;
    assert!(!db.one::<bool>(SOMEBODY_LISTENS, &[]).await);
    job.assert_each_has_one_mail(&catcher, 300);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_wakes_a_runner_that_would_not_poll_for_an_hour() {
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let _runner = Runner::spawn(&db, &["--notify", "true", "--poll", "1h"]).await;
    db.until("the runner listens", SOMEBODY_LISTENS, &[]).await;
    let job = db.start(300, json!({"chunk_size": 30})).await;
    db.until_status(&job, "completed").await;
    job.assert_each_has_one_mail(&catcher, 300);
    db.assert_books_hold(&job).await;
}
