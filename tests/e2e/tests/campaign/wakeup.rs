use e2e::{Db, Runner, relay};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn without_notifications_a_job_is_found_by_polling() {
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let _runner = Runner::spawn(&db, &["--notify", "false", "--poll", "200ms"]).await;
    let job = db.start(300, json!({"chunk_size": 30})).await;
    db.until_status(&job, "completed").await;
    assert!(!db.somebody_listens().await);
    job.assert_each_has_one_mail(&catcher, 300);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_wakes_a_runner_that_would_not_poll_for_an_hour() {
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let _runner = Runner::spawn(&db, &["--notify", "true", "--poll", "1h"]).await;
    db.until_somebody_listens().await;
    let job = db.start(300, json!({"chunk_size": 30})).await;
    db.until_status(&job, "completed").await;
    job.assert_each_has_one_mail(&catcher, 300);
    db.assert_books_hold(&job).await;
}
