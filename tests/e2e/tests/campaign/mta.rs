//! With a real mail server instead of a scripted one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use e2e::{Db, Exim, Job, Runner, address};
use mail_catcher::Authority;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A mail server with a certificate for `name`, its integration, and the folder of the authority's certificate.
async fn exim(db: &Db, name: &str, change: impl FnOnce(&mut Value)) -> (Exim, TempDir) {
    let authority = Authority::new().unwrap();
    let exim = Exim::start(&authority.certificate(&[name]).unwrap());
    let folder = TempDir::new().unwrap();
    let ca_file: PathBuf = folder.path().join("ca.pem");
    authority.write_pem(&ca_file).unwrap();
    let mut config = json!({
        "host": "localhost", "port": exim.port(), "tls": "starttls", "ca_file": ca_file,
        "username": Exim::USERNAME, "password": Exim::PASSWORD
    });
    change(&mut config);
    db.set_integration(config).await;
    (exim, folder)
}

/// The values of a field in the log lines of all mails that the server took.
fn logged<'a>(log: &'a str, field: &str) -> BTreeSet<&'a str> {
    let received = log.lines().filter(|line| line.contains(" <= "));
    let fields = received.flat_map(|line| line.split(' '));
    fields.filter_map(|word| word.strip_prefix(field)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mails_are_delivered_once_each_over_starttls_with_a_login() {
    const N: usize = 1_000;
    let db = Db::clone_template().await;
    let announced = |config: &mut Value| config["pipelining"] = json!("messages");
    let (exim, _folder) = exim(&db, "localhost", announced).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start(N, json!({"chunk_size": 100, "concurrency": 5}))
        .await;
    db.until_status(&job, "completed").await;

    assert_eq!(db.count(&job, "sent_count").await, 1_000);
    let mut expected: Vec<String> = (1..=N).map(address).collect();
    expected.sort();
    e2e::until("all mails are delivered", async || {
        (exim.deliveries().len() >= N).then_some(())
    })
    .await;
    assert_eq!(exim.deliveries(), expected);

    let log = exim.log();
    let login = format!("plain:{}", Exim::USERNAME);
    assert_eq!(logged(&log, "A="), BTreeSet::from([login.as_str()]));
    assert_eq!(logged(&log, "P="), BTreeSet::from(["esmtpsa"]));
    // The connection goes to an IPv4 address, the certificate is asked for by name.
    assert_eq!(logged(&log, "SNI="), BTreeSet::from(["localhost"]));
    assert!(!log.contains("[::1]"), "a connection over IPv6");
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_recipient_fails_and_a_greylisted_one_is_put_off() {
    let db = Db::clone_template().await;
    let (exim, _folder) = exim(&db, "localhost", |_| {}).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let audience = "select n as recipient_key, n || '@example.com' as email,
          '{\"name\": \"Ada Lovelace\", \"first_name\": \"Ada\"}'::jsonb as vars
        from unnest(array['ana', 'greylisted', 'unknown']) n";
    let job = db.start_for(audience, json!({})).await;
    let answers = "select string_agg(concat_ws(' ', t.outcome, t.phase, t.smtp_code, t.class), ', ' order by t.pos)
        from campaign.attempt t where t.job_no = $1";
    let expected = "sent dot 250, deferred rcpt 451 temporary, failed rcpt 550 bad_address";
    e2e::until("each recipient has its answer", async || {
        let answers: Option<String> = db.one(answers, &[&job.job_no]).await;
        (answers.as_deref() == Some(expected)).then_some(())
    })
    .await;
    e2e::until("the mail is delivered", async || {
        (exim.deliveries() == ["ana@example.com"]).then_some(())
    })
    .await;
    db.assert_books_hold(&job).await;
}

async fn assert_paused_without_attempt(db: &Db, job: &Job, exim: &Exim, reason: &str) {
    db.until_status(job, "paused").await;
    let why: String = db
        .one(
            "select status_reason from campaign.email_jobs where id = $1",
            &[&job.id],
        )
        .await;
    assert!(why.to_lowercase().contains(reason), "{why}");
    // Recipients that a runner gives back are not attempted.
    let attempts =
        "select count(*) from campaign.attempt where job_no = $1 and outcome <> 'returned'";
    assert_eq!(db.one::<i64>(attempts, &[&job.job_no]).await, 0);
    assert!(exim.deliveries().is_empty());
    db.assert_books_hold(job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_pauses_the_job_before_anybody_is_attempted() {
    let db = Db::clone_template().await;
    let wrong = |config: &mut Value| config["password"] = json!("let me out");
    let (exim, _folder) = exim(&db, "localhost", wrong).await;
    let runner = Runner::spawn(&db, &[]).await;
    let job = db.start(50, json!({})).await;
    assert_paused_without_attempt(&db, &job, &exim, "535").await;
    assert!(!runner.log().contains("let me out"));

    // Once mended, the job goes on where it was.
    let mend = format!(
        "update campaign.email_integrations set config = config || '{{\"password\": \"{}\"}}'",
        Exim::PASSWORD
    );
    db.run(&mend).await;
    let resume = "select status from campaign.resume_campaign($1)";
    db.one::<String>(resume, &[&job.id]).await;
    db.until_status(&job, "completed").await;
    assert_eq!(db.count(&job, "sent_count").await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_pauses_the_job_before_anybody_is_attempted() {
    let db = Db::clone_template().await;
    let (exim, _folder) = exim(&db, "other.example", |_| {}).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db.start(50, json!({})).await;
    assert_paused_without_attempt(&db, &job, &exim, "certificate").await;
}
