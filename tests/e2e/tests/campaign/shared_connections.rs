use std::time::{Duration, SystemTime};

use e2e::{Db, Job, Runner, relay, until};
use mail_catcher::{Catcher, Fault, Rule, Stage};
use serde_json::json;

/// A closed connection may be counted a moment longer by the server, whose processes wait for their turn.
const LATE: Duration = Duration::from_millis(100);

async fn share(db: &Db, connections: i32) {
    let update = "update campaign.email_integrations set max_connections = $1 returning name";
    db.one::<String>(update, &[&connections]).await;
}

/// The most connections that were open at a time after this moment.
fn most_connections(catcher: &Catcher, after: SystemTime) -> usize {
    let connections = catcher.connections();
    let end = |connection: &mail_catcher::Connection| connection.closed.map(|at| at - LATE);
    let open_at = |moment: SystemTime| {
        let is_open = |connection: &&mail_catcher::Connection| {
            connection.opened <= moment && end(connection).is_none_or(|end| moment < end)
        };
        connections.iter().filter(is_open).count()
    };
    let opened = connections.iter().map(|connection| connection.opened);
    opened
        .chain([after])
        .filter(|&at| at >= after)
        .map(open_at)
        .max()
        .unwrap_or(0)
}

async fn runners_of(db: &Db, job: &Job) -> i64 {
    let runners = "select count(distinct runner_id) from campaign.attempt where job_no = $1";
    db.one(runners, &[&job.job_no]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_runners_with_two_jobs_never_hold_more_connections_than_the_relay_takes() {
    const N: usize = 400;
    let db = Db::clone_template().await;
    let slow = Fault::Delay(Stage::Dot, Duration::from_millis(10));
    let catcher = relay(&db, [Rule::always(slow)]).await;
    share(&db, 3).await;
    db.change_relay(json!({"messages_per_connection": 20}))
        .await;
    let _runners = [
        Runner::spawn(&db, &[]).await,
        Runner::spawn(&db, &[]).await,
        Runner::spawn(&db, &[]).await,
    ];
    let config = json!({"chunk_size": 20, "concurrency": 10});
    let jobs = [db.start(N, config.clone()).await, db.start(N, config).await];
    for job in &jobs {
        db.until_status(job, "completed").await;
        job.assert_each_has_one_mail(&catcher, N);
        db.assert_books_hold(job).await;
    }

    assert_eq!(most_connections(&catcher, SystemTime::UNIX_EPOCH), 3);
    assert!(catcher.connection_count() >= 2 * N as u64 / 20);
    let both = runners_of(&db, &jobs[0]).await + runners_of(&db, &jobs[1]).await;
    assert!(both > 2, "runners wait for a connection all the time");
    let given_back = "select not exists (select from campaign.relay_connection)";
    db.until("connections are given back", given_back, &[])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_runner_that_died_are_given_to_the_others() {
    const N: usize = 300;
    let db = Db::clone_template().await;
    db.detect_dead_runners_early().await;
    let slow = Fault::Delay(Stage::Dot, Duration::from_millis(100));
    let catcher = relay(&db, [Rule::always(slow)]).await;
    share(&db, 3).await;
    let mut first = Runner::spawn(&db, &[]).await;
    let _others = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let job = db
        .start(N, json!({"chunk_size": 5, "concurrency": 10}))
        .await;
    let shared = "select count(*) = 3 from campaign.relay_connection where may_hold = 1";
    db.until("each runner has a connection", shared, &[]).await;
    until("each is open", async || {
        (catcher.open_connections() == 3).then_some(())
    })
    .await;

    first.kill().await;
    until("the dead runner's connection is closed", async || {
        (catcher.open_connections() == 2).then_some(())
    })
    .await;
    until("another has it", async || {
        (catcher.open_connections() == 3).then_some(())
    })
    .await;
    assert!(
        job.mails(&catcher).len() < N,
        "the campaign was over already"
    );
    db.until_status(&job, "completed").await;

    assert_eq!(most_connections(&catcher, SystemTime::UNIX_EPOCH), 3);
    let uncertain = db.count(&job, "uncertain_count").await;
    assert!(uncertain >= 1, "its mail was under way");
    assert_eq!(db.count(&job, "sent_count").await, N as i64 - uncertain);
    let mut mails = job.mails(&catcher);
    mails.sort_by(|a, b| a.recipient.cmp(&b.recipient));
    assert!(
        mails
            .windows(2)
            .all(|two| two[0].recipient != two[1].recipient),
        "somebody has two mails"
    );
    assert!(mails.len() as i64 >= N as i64 - uncertain);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_number_of_connections_holds_within_seconds_and_a_higher_one_too() {
    const N: usize = 600;
    let db = Db::clone_template().await;
    let slow = Fault::Delay(Stage::Dot, Duration::from_millis(50));
    let catcher = relay(&db, [Rule::always(slow)]).await;
    share(&db, 6).await;
    let _runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let job = db
        .start(N, json!({"chunk_size": 20, "concurrency": 10}))
        .await;
    until("all connections are used", async || {
        (catcher.open_connections() == 6).then_some(())
    })
    .await;

    share(&db, 2).await;
    let asked = SystemTime::now();
    until("the others are closed", async || {
        (catcher.open_connections() == 2).then_some(())
    })
    .await;
    let lowered = SystemTime::now();
    let took = lowered.duration_since(asked).unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let sent = catcher.accepted().len();
    until("it goes on", async || {
        (catcher.accepted().len() >= sent + 40).then_some(())
    })
    .await;
    assert_eq!(most_connections(&catcher, lowered), 2);

    share(&db, 4).await;
    until("there are more connections", async || {
        (catcher.open_connections() == 4).then_some(())
    })
    .await;
    db.until_status(&job, "completed").await;
    assert_eq!(most_connections(&catcher, lowered), 4);
    job.assert_each_has_one_mail(&catcher, N);
    db.assert_books_hold(&job).await;
}
