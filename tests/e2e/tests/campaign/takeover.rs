use std::collections::BTreeSet;

use e2e::{Db, Runner, hold_replies, relay, until_replies_are_held};
use mail_catcher::Gate;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn when_a_runner_is_killed_another_takes_over_and_only_what_was_open_is_uncertain() {
    const N: usize = 1_000;
    const CONCURRENCY: usize = 5;
    let db = Db::clone_template().await;
    db.detect_dead_runners_early().await;
    let gate = Gate::closed();
    let catcher = relay(&db, [hold_replies(&gate)]).await;
    let mut first = Runner::spawn(&db, &[]).await;
    let config = json!({"chunk_size": 100, "concurrency": CONCURRENCY, "rate_limit": 200});
    let job = db.start(N, config).await;
    until_replies_are_held(&job, &catcher, CONCURRENCY).await;

    first.kill().await;
    db.until_no_session_of_runners().await;
    let accepted_before = addresses(job.mails(&catcher).into_iter().map(|mail| mail.recipient));
    let open =
        "select coalesce(sum(passed - recorded), 0)::bigint from campaign.chunk where job_no = $1";
    let open: i64 = db.one(open, &[&job.job_no]).await;
    let leases = "select count(*) from campaign.chunk where job_no = $1 and state = 'leased'";
    let leases: i64 = db.one(leases, &[&job.job_no]).await;
    gate.open();
    let _second = Runner::spawn(&db, &[]).await;
    db.until_status(&job, "completed").await;

    let sent = db.recipients(&job, "sent").await;
    let uncertain = db.recipients(&job, "uncertain").await;
    assert_eq!(sent.len() + uncertain.len(), N, "somebody is lost");
    assert_eq!(uncertain.len() as i64, open);
    assert_eq!(db.count(&job, "uncertain_count").await, open);
    let window: i64 = db
        .one(
            "select (campaign.job_spec($1) ->> 'window')::bigint",
            &[&job.job_no],
        )
        .await;
    assert_eq!(window, 5 + 50);
    assert!(open >= 5, "the replies that were held back are open");
    assert!(open <= window * leases, "{open} open in {leases} leases");

    let accepted: Vec<String> = job
        .mails(&catcher)
        .into_iter()
        .map(|mail| mail.recipient)
        .collect();
    let recipients = addresses(accepted.iter().cloned());
    assert_eq!(accepted.len(), recipients.len(), "somebody has two mails");
    assert!(
        sent.is_subset(&recipients),
        "recorded as sent, and not accepted"
    );
    let unrecorded = &recipients - &sent;
    assert!(unrecorded.is_subset(&uncertain), "accepted without a trace");
    assert!(
        unrecorded.is_subset(&accepted_before),
        "sent by the second runner and not recorded"
    );
    assert!(unrecorded.len() >= CONCURRENCY);
    let runners = "select count(distinct runner_id) from campaign.attempt where job_no = $1";
    assert_eq!(db.one::<i64>(runners, &[&job.job_no]).await, 2);
    db.assert_books_hold(&job).await;
}

fn addresses(addresses: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    addresses.into_iter().collect()
}
