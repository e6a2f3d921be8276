use std::time::{Duration, SystemTime};

use e2e::{Db, Job, LIMIT, Runner, relay, until};
use mail_catcher::{Catcher, Fault, Gate, Rule, Stage};
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// No mail is begun later than this after a campaign was cancelled or paused.
const BOUND: Duration = Duration::from_secs(1);
/// How long is watched whether one is.
const WATCHED: Duration = Duration::from_secs(2);
/// Mails a second of the campaigns that are stopped; `None`: as many as the relay takes. In the slow ones a runner has
/// little to report, and so little occasion to hear that they are stopped.
const RATES: [Option<f64>; 5] = [Some(0.8), Some(1.3), Some(3.0), Some(10.0), None];

const BY_NOTIFICATION: [&str; 4] = ["--notify", "true", "--poll", "1h"];
const BY_POLLING: [&str; 2] = ["--notify", "false"];

/// A relay so slow that there is a middle of the job.
fn slow() -> Rule {
    Rule::always(delay(20))
}

/// The reply comes after this time, in milliseconds.
fn delay(ms: u64) -> Fault {
    Fault::Delay(Stage::Dot, Duration::from_millis(ms))
}

/// Campaigns of several rates, each of them under way.
struct Flow {
    runner: Runner,
    catcher: Catcher,
    jobs: Vec<(Job, usize)>,
    db: Db,
}

impl Flow {
    async fn begin(flags: &[&str]) -> Flow {
        let db = Db::clone_template().await;
        let slow_for_many = Rule::when(|_, name| name.ends_with(['3', '6', '9']), delay(300));
        let catcher = relay(&db, [slow(), slow_for_many]).await;
        let runner = Runner::spawn(&db, flags).await;
        if flags == BY_NOTIFICATION {
            db.until_somebody_listens().await;
        }
        let mut jobs = Vec::new();
        for rate in RATES {
            // For some 6 seconds.
            let n = rate.map_or(500, |rate| (rate * 6.0).ceil() as usize);
            let config = json!({"chunk_size": 100, "concurrency": 10, "rate_limit": rate});
            jobs.push((db.start(n, config).await, n));
        }
        until("mails of each campaign flow", async || {
            let flows = |job: &Job| job.mails(&catcher).len() >= 2;
            jobs.iter().all(|(job, _)| flows(job)).then_some(())
        })
        .await;
        Flow {
            runner,
            catcher,
            jobs,
            db,
        }
    }

    /// Calls the function for all campaigns in one transaction, watches, and panics if a mail is begun too late.
    async fn stop(&self, verb: &str) {
        let ids: Vec<Uuid> = self.jobs.iter().map(|(job, _)| job.id).collect();
        let stop = format!("select count(campaign.{verb}(id)) from unnest($1::uuid[]) id");
        let stopped: i64 = self.db.one(&stop, &[&ids]).await;
        let (stopped_at, watch) = (SystemTime::now(), Instant::now() + WATCHED);
        assert_eq!(stopped, 5);
        for (job, n) in &self.jobs {
            assert!(job.mails(&self.catcher).len() < *n, "it was over already");
        }

        sleep_until(watch).await;
        let begun = self.catcher.mail_from_times().into_iter().max().unwrap();
        let late = begun.duration_since(stopped_at).unwrap_or_default();
        assert!(late <= BOUND, "a mail was begun {late:?} after {verb}");
    }

    async fn assert_the_rest_is_cancelled(&self) {
        for (job, n) in &self.jobs {
            let sent = job.mails(&self.catcher).len() as i64;
            assert_eq!(self.db.count(job, "sent_count").await, sent);
            let rest = *n as i64 - sent;
            assert_eq!(self.db.count(job, "cancelled_count").await, rest);
            self.db.assert_books_hold(job).await;
        }
    }

    /// Panics unless each mail that was begun was accepted.
    fn assert_all_begun_are_accepted(&self) {
        assert_eq!(
            self.catcher.mail_from_count(),
            self.catcher.accepted().len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_runner_cleanly_and_another_goes_on() {
    const N: usize = 1_000;
    let db = Db::clone_template().await;
    let catcher = relay(&db, [slow()]).await;
    let mut first = Runner::spawn(&db, &[]).await;
    let job = db
        .start(N, json!({"chunk_size": 100, "concurrency": 5}))
        .await;
    catcher.wait_for(N / 5, LIMIT).await.unwrap();

    let told = Instant::now();
    first.terminate();
    let status = first.ended().await;
    assert!(status.success(), "{status}");
    // Nothing takes long here; the runner's own limit for what is in flight is 30 s.
    assert!(told.elapsed() < Duration::from_secs(30));
    let accepted = job.mails(&catcher).len();
    assert!(accepted < N, "the job was over already");
    let left = "select not exists (select from campaign.chunk where job_no = $1 and (state = 'leased' or passed <> recorded))
        and not exists (select from campaign.runner)";
    assert!(
        db.one::<bool>(left, &[&job.job_no]).await,
        "something is left behind"
    );
    let recorded = "select count(*) from campaign.attempt where job_no = $1 and outcome = 'sent'";
    assert_eq!(
        db.one::<i64>(recorded, &[&job.job_no]).await,
        accepted as i64
    );

    let _second = Runner::spawn(&db, &[]).await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.count(&job, "sent_count").await, 1_000);
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_after_cancel_no_mail_is_begun_by_notification() {
    cancelled_campaigns_stop(&BY_NOTIFICATION).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_after_cancel_no_mail_is_begun_by_polling() {
    cancelled_campaigns_stop(&BY_POLLING).await;
}

async fn cancelled_campaigns_stop(flags: &[&str]) {
    let mut flow = Flow::begin(flags).await;
    flow.stop("cancel_campaign").await;

    flow.db.until_nothing_is_leased().await;
    flow.assert_the_rest_is_cancelled().await;
    for (job, _) in &flow.jobs {
        for verb in ["resume_campaign", "retry_failed", "pause_campaign"] {
            assert_eq!(flow.db.refusal(verb, job).await, "CP011", "{verb}");
        }
        flow.db.until_status(job, "cancelled").await;
    }

    let next = flow.db.start(30, json!({"concurrency": 10})).await;
    flow.db.until_status(&next, "completed").await;
    next.assert_each_has_one_mail(&flow.catcher, 30);
    assert!(flow.runner.is_alive());
    flow.assert_all_begun_are_accepted();
    flow.db.assert_books_hold(&next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_after_pause_no_mail_is_begun_and_resume_finishes_by_notification() {
    paused_campaigns_stop_and_go_on(&BY_NOTIFICATION).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_after_pause_no_mail_is_begun_and_resume_finishes_by_polling() {
    paused_campaigns_stop_and_go_on(&BY_POLLING).await;
}

async fn paused_campaigns_stop_and_go_on(flags: &[&str]) {
    let flow = Flow::begin(flags).await;
    flow.stop("pause_campaign").await;

    flow.db.until_nothing_is_leased().await;
    for (job, _) in &flow.jobs {
        flow.db.until_status(job, "paused").await;
        flow.db.resume(job).await;
    }
    for (job, n) in &flow.jobs {
        flow.db.until_status(job, "completed").await;
        job.assert_each_has_one_mail(&flow.catcher, *n);
        assert_eq!(flow.db.count(job, "sent_count").await, *n as i64);
        flow.db.assert_books_hold(job).await;
    }
    flow.assert_all_begun_are_accepted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_after_cancel_no_mail_is_begun_by_a_runner_whose_calls_hang() {
    const CONCURRENCY: usize = 10;
    let db = Db::clone_template().await;
    let gate = Gate::closed();
    let catcher = relay(&db, [Rule::always(Fault::Hold(Stage::Dot, gate.clone()))]).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db.start(100, json!({"concurrency": CONCURRENCY})).await;
    catcher.wait_for(CONCURRENCY, LIMIT).await.unwrap();
    let more = "select sum(passed) > 10 from campaign.chunk";
    db.until("more mails may be begun", more, &[]).await;

    let unheard = db.cancel_unheard(&job).await;
    let cancelled = Instant::now();
    sleep_until(cancelled + BOUND).await;
    gate.open();
    sleep_until(cancelled + WATCHED).await;
    assert_eq!(catcher.mail_from_count(), CONCURRENCY);
    drop(unheard);

    let counted = "select sent_count = 10 and cancelled_count = 90 from campaign.email_jobs";
    db.until("the rest is cancelled", counted, &[]).await;
    db.assert_books_hold(&job).await;
}
