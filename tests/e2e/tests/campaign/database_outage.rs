use std::time::Duration;

use e2e::{Cluster, Db, LIMIT, Runner, relay};
use mail_catcher::{Fault, Rule, Stage};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_to_postgresql_cost_no_mail_and_send_none_twice() {
    const N: usize = 1_500;
    let db = Db::clone_template().await;
    let slow = Rule::always(Fault::Delay(Stage::Dot, Duration::from_millis(10)));
    let catcher = relay(&db, [slow]).await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start(N, json!({"chunk_size": 100, "concurrency": 5}))
        .await;
    for accepted in [200, 400, 600, 800, 1_000, 1_200] {
        catcher.wait_for(accepted, LIMIT).await.unwrap();
        db.terminate_session_that_reports(&job).await;
        assert!(db.terminate_sessions_of_runners().await > 0);
    }
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.count(&job, "sent_count").await, 1_500);
    assert!(runner.is_alive());
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgresql_is_restarted_again_and_again_the_job_goes_on_by_itself() {
    const N: usize = 2_400;
    let cluster = Cluster::create();
    let mut db = Db::create_in(&cluster).await;
    let slow = Rule::always(Fault::Delay(Stage::Dot, Duration::from_millis(10)));
    let catcher = relay(&db, [slow]).await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start(N, json!({"chunk_size": 100, "concurrency": 5}))
        .await;
    for (accepted, mode, is_held_up) in [
        (300, "fast", false),
        (600, "immediate", false),
        (900, "fast", true),
        (1_200, "immediate", true),
        (1_500, "immediate", false),
    ] {
        catcher.wait_for(accepted, LIMIT).await.unwrap();
        if is_held_up {
            db.hold_up_a_report(&job).await;
        }
        cluster.restart(mode);
        db.reconnect().await;
        assert!(catcher.accepted().len() < N, "it was over already");
    }
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.count(&job, "sent_count").await, 2_400);
    assert!(runner.is_alive());
    db.assert_books_hold(&job).await;
}
