use std::collections::BTreeSet;

use e2e::{Db, MeetupRelay, Runner, Simulation};
use serde_json::json;

/// `make bench-relay` shows the same at length.
#[tokio::test(flavor = "multi_thread")]
async fn pooled_and_retried_all_181_are_sent_by_the_relay_that_drops_connections() {
    let db = Db::clone_template().await;
    db.load_demo().await;
    let simulation = Simulation {
        faster: 1_000,
        seed: 20260226,
        messages_per_connection: 100,
    };
    let relay = MeetupRelay::start(&db, &simulation).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start_for_demo(json!({"concurrency": MeetupRelay::CONNECTIONS}))
        .await;
    db.until_status(&job, "completed").await;

    assert_eq!(db.count(&job, "sent_count").await, MeetupRelay::PEOPLE);
    let mails = job.mails(&relay.catcher);
    let recipients: BTreeSet<&str> = mails.iter().map(|mail| mail.recipient.as_str()).collect();
    assert_eq!((mails.len(), recipients.len()), (181, 181));
    let dropped: i64 = db
        .one(
            "select count(*) from campaign.attempt where job_no = $1 and outcome = 'deferred'",
            &[&job.job_no],
        )
        .await;
    assert!(dropped > 0, "the relay dropped no connection");
    assert!(relay.catcher.peak_connections() <= 3);
    db.assert_books_hold(&job).await;
}
