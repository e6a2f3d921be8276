use std::collections::BTreeSet;
use std::time::Duration;

use e2e::{Cluster, Db, Job, LIMIT, Runner, relay, until};
use mail_catcher::{Catcher, Fault, Rule, Stage};
use serde_json::json;

const N: usize = 2_000;

/// A campaign of two runners, and a standby that has not heard of the last `lost` mails when its primary ends.
async fn primary_ends(
    lost: usize,
    while_it_is_blind: impl AsyncFnOnce(&Db),
    with_the_primary: impl AsyncFnOnce(&mut [Runner; 2]),
) -> (Cluster, Db, Job, Catcher, [Runner; 2]) {
    let cluster = Cluster::create();
    let mut db = Db::create_in(&cluster).await;
    db.detect_dead_runners_early().await;
    let slow = Rule::always(Fault::Delay(Stage::Dot, Duration::from_millis(25)));
    let catcher = relay(&db, [slow]).await;
    let mut runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let mut standby = cluster.standby();
    let config = json!({"chunk_size": 100, "concurrency": 4});
    let job = db.start(N, config).await;
    catcher.wait_for(300, LIMIT).await.unwrap();
    standby.stop_receiving().await;
    while_it_is_blind(&db).await;
    catcher
        .wait_for(catcher.accepted().len() + lost, LIMIT)
        .await
        .unwrap();
    assert!(catcher.accepted().len() < N - 300, "it was over already");
    cluster.stop("immediate");
    with_the_primary(&mut runners).await;
    standby.promote(&cluster);
    db.reconnect().await;
    drop(cluster);
    (standby, db, job, catcher, runners)
}

/// How many mails there are that were not the first to their recipient.
fn more_than_one(job: &Job, catcher: &Catcher) -> usize {
    let mails = job.mails(catcher);
    let recipients: BTreeSet<&str> = mails.iter().map(|mail| &*mail.recipient).collect();
    mails.len() - recipients.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_lost_the_last_commits_hears_them_from_the_runners() {
    let (_standby, db, job, catcher, mut runners) =
        primary_ends(600, async |_| {}, async |_| {}).await;
    let known: i64 = db.one("select count(*) from campaign.attempt", &[]).await;
    assert!(
        known < 700,
        "{known} of at least 900 are known: nothing was lost"
    );
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.count(&job, "sent_count").await, 2_000);
    assert_eq!(db.count(&job, "uncertain_count").await, 0);
    assert!(runners.iter_mut().all(|runner| runner.is_alive()));
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_came_after_the_last_commit_that_was_kept_is_heard_too() {
    let mut third = None;
    let comes = async |db: &Db| {
        let runner = Runner::spawn(db, &[]).await;
        until("the third has sent something", async || {
            let sent = "select exists (
                select from campaign.attempt a join campaign.runner r using (runner_id) where r.pid = $1)";
            (db.one::<bool>(sent, &[&runner.pid()]).await).then_some(())
        })
        .await;
        third = Some(runner);
    };
    let (_standby, db, job, catcher, _runners) = primary_ends(600, comes, async |_| {}).await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.count(&job, "uncertain_count").await, 0);
    assert!(third.unwrap().is_alive());
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_runner_died_with_the_primary_a_person_decides() {
    let mut pid = 0;
    let dies = async |runners: &mut [Runner; 2]| {
        pid = runners[0].pid();
        runners[0].kill().await;
    };
    let (_standby, db, job, catcher, _runners) = primary_ends(300, async |_| {}, dies).await;
    db.until_status(&job, "paused").await;
    let reason = "select status_reason from campaign.email_jobs where job_no = $1";
    let reason: String = db.one(reason, &[&job.job_no]).await;
    assert!(reason.contains("promoted standby"), "{reason}");
    assert!(reason.contains(&format!("process {pid}")), "{reason}");
    assert_eq!(more_than_one(&job, &catcher), 0, "mail went out meanwhile");

    let sent = db.recipients(&job, "sent").await.len();
    let forgotten = job.mails(&catcher).len() - sent;
    assert!(forgotten > 0, "nothing was lost");
    db.run(&format!("select campaign.resume_campaign('{}')", job.id))
        .await;
    db.until_status(&job, "completed").await;
    assert!(more_than_one(&job, &catcher) <= forgotten);
    db.assert_books_hold(&job).await;
}
