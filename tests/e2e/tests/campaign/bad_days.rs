//! The database is there and cannot do what it is asked.

use std::time::{Duration, Instant};

use e2e::{Caller, Cluster, Db, FAST, Job, LIMIT, Runner, Server, relay, until};
use mail_catcher::{Catcher, Fault, Rule, Stage};
use serde_json::json;
use tokio::time::sleep;

const CONCURRENCY: usize = 5;
/// `_send_window` of these campaigns.
const WINDOW: usize = CONCURRENCY + 50;
/// Leases of a job that a runner has at most.
const LEASES: usize = 2;
/// What was asked for before the trouble may still be begun for so long.
const BEGUN: Duration = Duration::from_secs(1);
/// How long is watched whether more is.
const WATCHED: Duration = Duration::from_secs(1);
const OVER: &str = "the database answers again";

/// A relay so slow that there is a middle of the job.
async fn slow_relay(db: &Db) -> Catcher {
    let slow = Rule::always(Fault::Delay(Stage::Dot, Duration::from_millis(10)));
    relay(db, [slow]).await
}

async fn start(db: &Db, n: usize) -> Job {
    let config = json!({"chunk_size": 100, "concurrency": CONCURRENCY});
    db.start(n, config).await
}

/// The runner says what it is, once; then nothing more is begun.
async fn assert_it_waits(runner: &mut Runner, catcher: &Catcher, trouble: &str) {
    runner.until_it_says(trouble).await;
    sleep(BEGUN).await;
    let begun = catcher.mail_from_count();
    sleep(WATCHED).await;
    assert_eq!(catcher.mail_from_count(), begun, "mails are begun");
    assert_eq!(catcher.accepted().len(), begun, "a mail does not end");
    assert_eq!(runner.said(trouble), 1, "{trouble}");
    assert!(runner.is_alive());
    assert!(!runner.log().contains("@example.com"));
}

/// Pages that are there already have room for some rows.
async fn until_pages_are_full(catcher: &Catcher) {
    until("nothing is begun for a second", async || {
        let begun = catcher.mail_from_count();
        sleep(WATCHED).await;
        (catcher.mail_from_count() == begun).then_some(())
    })
    .await;
}

/// Mails that were accepted and are not recorded: the runner keeps them, and no more than windows have room for.
async fn assert_what_is_kept_is_bounded(db: &Db, job: &Job, catcher: &Catcher) -> usize {
    let recorded = "select count(*) from campaign.attempt where job_no = $1 and outcome = 'sent'";
    let recorded: i64 = db.one(recorded, &[&job.job_no]).await;
    let kept = job.mails(catcher).len() - usize::try_from(recorded).unwrap();
    assert!(kept <= LEASES * WINDOW, "{kept} outcomes are kept");
    kept
}

async fn assert_all_is_well(db: &Db, job: &Job, catcher: &Catcher, n: usize) {
    db.until_status(job, "completed").await;
    job.assert_each_has_one_mail(catcher, n);
    assert_eq!(db.count(job, "sent_count").await, n as i64);
    db.assert_books_hold(job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_is_full_outcomes_are_kept_and_when_there_is_room_the_job_goes_on() {
    const N: usize = 1_500;
    let cluster = Cluster::create_with_small_disk();
    let db = Db::create_on_small_disk(&cluster).await;
    let catcher = slow_relay(&db).await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let job = start(&db, N).await;
    catcher.wait_for(300, LIMIT).await.unwrap();

    db.fill_disk().await;
    runner.until_it_says("the disk is full").await;
    until_pages_are_full(&catcher).await;
    assert_it_waits(&mut runner, &catcher, "the disk is full").await;
    assert!(catcher.accepted().len() < N, "it was over already");
    assert!(assert_what_is_kept_is_bounded(&db, &job, &catcher).await > 0);
    assert_eq!(runner.said(OVER), 0);

    db.empty_disk().await;
    assert_all_is_well(&db, &job, &catcher, N).await;
    runner.until_it_says(OVER).await;
    assert_eq!(runner.said(OVER), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_more_connections_and_then_is_a_standby_is_waited_for() {
    const N: usize = 1_500;
    let cluster = Cluster::create();
    let mut db = Db::create_in(&cluster).await;
    db.run("alter system set max_connections = 20").await;
    cluster.restart("fast");
    db.reconnect().await;
    let catcher = slow_relay(&db).await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = Caller::new(&db, &server, "admin").await;
    let suppress = async || {
        let nobody = json!({"email": "nobody@example.net"});
        admin.send("POST", "/api/suppressions", Some(nobody)).await
    };

    let strangers = db.take_all_connections().await;
    assert!(strangers.len() > 10);
    let mut runner = Runner::start(&db, &[], &[]);
    runner.until_it_says("too many connections").await;
    drop(strangers);
    runner.until_registered(&db).await;
    runner.until_it_says(OVER).await;
    let job = start(&db, N).await;
    catcher.wait_for(300, LIMIT).await.unwrap();

    cluster.restart_as_standby();
    db.reconnect().await;
    assert_it_waits(&mut runner, &catcher, "the database is read-only").await;
    assert_what_is_kept_is_bounded(&db, &job, &catcher).await;
    let answer = suppress().await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    let read = admin.send("GET", "/api/campaigns", None).await;
    assert_eq!(read.status, 200, "a standby can be read");

    db.run("select pg_promote()").await;
    assert_all_is_well(&db, &job, &catcher, N).await;
    let answer = suppress().await;
    assert_eq!(answer.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_are_cancelled_or_find_locks_are_repeated() {
    const N: usize = 1_500;
    let db = Db::clone_template().await;
    let catcher = slow_relay(&db).await;
    // A runner sets its own.
    db.set_for_runners("statement_timeout", "1").await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let job = start(&db, N).await;
    catcher.wait_for(200, LIMIT).await.unwrap();

    db.hold_up_a_report(&job).await;
    assert!(db.cancel_what_is_held_up().await);
    runner.until_it_says("statements are cancelled").await;
    assert_what_is_kept_is_bounded(&db, &job, &catcher).await;
    db.run("commit").await;
    catcher.wait_for(600, LIMIT).await.unwrap();

    db.set_for_runners("lock_timeout", "50").await;
    db.run("begin; lock table campaign.attempt in share mode")
        .await;
    assert_it_waits(&mut runner, &catcher, "somebody holds a lock").await;
    assert!(assert_what_is_kept_is_bounded(&db, &job, &catcher).await > 0);
    db.run("commit").await;
    assert_all_is_well(&db, &job, &catcher, N).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_told_to_stop_while_nothing_can_be_recorded_says_what_it_leaves() {
    const N: usize = 1_500;
    let db = Db::clone_template().await;
    db.detect_dead_runners_early().await;
    let catcher = slow_relay(&db).await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let job = start(&db, N).await;
    catcher.wait_for(300, LIMIT).await.unwrap();

    db.set_for_runners("default_transaction_read_only", "on")
        .await;
    assert_it_waits(&mut runner, &catcher, "the database is read-only").await;
    let kept = assert_what_is_kept_is_bounded(&db, &job, &catcher).await;
    let told = Instant::now();
    runner.terminate();
    let status = runner.ended().await;
    assert!(told.elapsed() < Duration::from_secs(40));
    assert_eq!(status.code(), Some(1));
    assert_eq!(runner.said("outcomes are not recorded"), 1);
    let left = runner.log();
    let left = left.split("record: ").nth(1).expect("how many are left");
    let left: usize = left.split(' ').next().unwrap().parse().unwrap();
    // Also those that were passed and not begun.
    assert!((kept..=LEASES * WINDOW).contains(&left), "{left}, {kept}");

    db.set_for_runners("default_transaction_read_only", "off")
        .await;
    let _second = Runner::spawn(&db, &[]).await;
    db.until_status(&job, "completed").await;
    let uncertain: usize = db.count(&job, "uncertain_count").await.try_into().unwrap();
    assert!((kept..=LEASES * WINDOW).contains(&uncertain), "{uncertain}");
    let mut mailed: Vec<String> = job
        .mails(&catcher)
        .into_iter()
        .map(|mail| mail.recipient)
        .collect();
    let accepted = mailed.len();
    mailed.sort();
    mailed.dedup();
    assert_eq!(mailed.len(), accepted, "somebody has two mails");
    let sent: usize = db.count(&job, "sent_count").await.try_into().unwrap();
    assert_eq!(sent + uncertain, N);
    assert_eq!(sent + kept, accepted);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_the_database_does_not_take_takes_no_other_with_it() {
    const N: usize = 300;
    let db = Db::clone_template().await;
    let catcher = slow_relay(&db).await;
    db.run(
        "alter table campaign.attempt add constraint no_words check (pos <> 7 or detail is null)",
    )
    .await;
    db.run("alter table campaign.attempt add constraint never check (pos <> 9)")
        .await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let job = start(&db, N).await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.count(&job, "sent_count").await, N as i64 - 1);
    assert_eq!(db.count(&job, "uncertain_count").await, 1);
    assert_eq!(runner.said("its recipient becomes uncertain"), 1);
    assert!(runner.is_alive());
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_mail_of_which_nothing_can_be_recorded_is_sent_once() {
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    db.run("alter table campaign.test_mail add constraint never check (outcome is null)")
        .await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let send = "select campaign.send_test('letter', 'ada@example.com')::text";
    db.one::<String>(send, &[]).await;
    runner
        .until_it_says("the report of a test is refused")
        .await;
    sleep(WATCHED).await;
    assert_eq!(catcher.mail_from_count(), 1);

    db.run("alter table campaign.test_mail drop constraint never")
        .await;
    let sent = "select outcome = 'sent' from campaign.test_mail";
    let sent = format!("select coalesce(({sent}), false)");
    db.until("the outcome is recorded", &sent, &[]).await;
    assert_eq!(catcher.mail_from_count(), 1);
}
