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
async fn two_runners_together_keep_the_rate_limit_of_the_job_and_use_it() {
    const N: usize = 300;
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let _runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let config = json!({"chunk_size": 20, "concurrency": 5, "rate_limit": RATE});
    let job = db.start(N, config).await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    let mut times = catcher.mail_from_times();
    times.sort();
    let took = times[N - 1].duration_since(times[0]).unwrap();
    let fastest = SECOND.mul_f64((N - 1) as f64 / RATE as f64);
    assert!(took >= fastest - LATE, "{N} mails in {took:?}");
    assert!(took <= fastest.div_f64(0.6), "{N} mails in {took:?}");
    let most = busiest_second(&times);
    let allowed = RATE as f64 * (SECOND + LATE).as_secs_f64() + 1.0;
    assert!(most as f64 <= allowed, "{most} mails in a second");
    let shares = "select count(distinct runner_id) from campaign.attempt where job_no = $1";
    assert_eq!(db.one::<i64>(shares, &[&job.job_no]).await, 2);
    db.assert_books_hold(&job).await;
}
