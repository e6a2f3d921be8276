use std::time::{Duration, SystemTime};

use e2e::{Db, Runner, relay};
use serde_json::json;

const RATE: usize = 50;
const SECOND: Duration = Duration::from_secs(1);
/// What is limited is when a mail is allowed, what is measured when it is begun: on a machine with more to do than
/// processors, processes wait for their turn this long, and what was allowed before comes together.
const LATE: Duration = Duration::from_millis(300);

/// The most of these moments, which are in order, in any second.
fn busiest_second(times: &[SystemTime]) -> usize {
    let within = |(first, start): (usize, &SystemTime)| {
        let end = *start + SECOND;
        times[first..].iter().take_while(|&&at| at < end).count()
    };
    times.iter().enumerate().map(within).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_together_keep_one_rate_and_use_it() {
    const LASTS: Duration = Duration::from_secs(20);
    let allowed_in = |time: Duration| RATE as f64 * time.as_secs_f64();
    let n = RATE * 20 + 30;
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let rate = "update campaign.email_integrations set rate_limit = 50";
    db.run(rate).await;
    let _runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let job = db
        .start(n, json!({"chunk_size": 100, "concurrency": 5}))
        .await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, n);
    let mut times = catcher.mail_from_times();
    times.sort();
    let end = times[0] + LASTS;
    let total = times.iter().take_while(|&&at| at < end).count() as f64;
    let allowed = allowed_in(LASTS);
    assert!(
        (total - allowed).abs() <= 0.03 * allowed,
        "{total} mails in {LASTS:?}, of {allowed}"
    );
    let most = busiest_second(&times);
    assert!(
        most as f64 <= allowed_in(SECOND + LATE),
        "{most} mails in a second"
    );
    let shares = "select count(distinct runner_id) from campaign.attempt where job_no = $1";
    assert_eq!(db.one::<i64>(shares, &[&job.job_no]).await, 2);
    db.assert_books_hold(&job).await;
    println!("{total} of {allowed} mails in {LASTS:?}, at most {most} in a second");
}
