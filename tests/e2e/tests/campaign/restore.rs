use std::collections::BTreeSet;

use e2e::{Cluster, Db, LIMIT, Runner, hold_replies, relay, until_replies_are_held};
use mail_catcher::Gate;
use serde_json::json;

/// Each table with all its rows.
const TABLES: &str = "
    select c.oid::regclass || query_to_xml(format('select t::text from %s t order by 1', c.oid::regclass), false, true, '')::text
    from pg_class c
    where c.relnamespace in ('campaign'::regnamespace, 'public'::regnamespace) and c.relkind = 'r'
    order by c.oid::regclass::text";

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_from_the_middle_of_a_campaign_mails_nobody_unasked() {
    let mut db = Db::clone_template().await;
    db.detect_dead_runners_early().await;
    let catcher = relay(&db, []).await;
    let job = db.start(2_000, json!({"rate_limit": 400})).await;
    let mut runner = Runner::spawn(&db, &[]).await;
    catcher.wait_for(300, LIMIT).await.unwrap();
    runner.kill().await;
    db.until_no_session_of_runners().await;
    let accepted = catcher.accepted().len();

    let clone = db.duplicate().await;
    let _stray = Runner::spawn(&clone, &[]).await;
    clone.until_status(&job, "paused").await;
    assert_eq!(catcher.accepted().len(), accepted);
    clone.assert_books_hold(&job).await;

    let _second = Runner::spawn(&db, &[]).await;
    db.until_status(&job, "completed").await;
    let mails = job.mails(&catcher);
    let recipients: BTreeSet<&str> = mails.iter().map(|mail| &*mail.recipient).collect();
    assert_eq!(recipients.len(), mails.len(), "somebody has two mails");
    let uncertain = usize::try_from(db.count(&job, "uncertain_count").await).unwrap();
    assert!(mails.len() + uncertain >= 2_000, "somebody is lost");
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_from_the_middle_of_a_campaign_is_finished_in_another_cluster_when_a_person_says_so()
{
    const N: usize = 600;
    const CONCURRENCY: usize = 5;
    let db = Db::clone_template().await;
    db.detect_dead_runners_early().await;
    let event = db.load_meetup(600).await;
    db.run("insert into campaign.suppressions (email) values ('nobody@example.com')")
        .await;
    let gate = Gate::closed();
    let catcher = relay(&db, [hold_replies(&gate)]).await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let config = json!({"chunk_size": 50, "concurrency": CONCURRENCY, "rate_limit": 200});
    let job = db.start_for_event(event, config).await;
    // The campaign goes on with the first version.
    db.run("update campaign.email_templates set subject = 'Hello {{first_name}}'")
        .await;
    until_replies_are_held(&job, &catcher, CONCURRENCY).await;
    runner.kill().await;
    db.until_no_session_of_runners().await;
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("campaign.dump");
    db.dump(&dump).await;

    let cluster = Cluster::create();
    let restored = Db::restore(&cluster, &dump).await;
    assert_eq!(
        restored.all::<String>(TABLES, &[]).await,
        db.all::<String>(TABLES, &[]).await
    );
    gate.open();
    let _runner = Runner::spawn(&restored, &[]).await;
    restored.until_status(&job, "paused").await;
    let reason = "select status_reason like 'this database is a restored dump or a clone%' \
                  from campaign.email_jobs where job_no = $1";
    assert!(restored.one::<bool>(reason, &[&job.job_no]).await);
    restored
        .run(&format!("select campaign.resume_campaign('{}')", job.id))
        .await;
    restored.until_status(&job, "completed").await;

    let mails = job.mails(&catcher);
    let accepted: BTreeSet<String> = mails.iter().map(|mail| mail.recipient.clone()).collect();
    assert_eq!(accepted.len(), mails.len(), "somebody has two mails");
    let sent = restored.recipients(&job, "sent").await;
    let uncertain = restored.recipients(&job, "uncertain").await;
    assert_eq!(sent.len() + uncertain.len(), N, "somebody is lost");
    assert!(
        sent.is_subset(&accepted),
        "recorded as sent, and not accepted"
    );
    let unrecorded = &accepted - &sent;
    assert!(unrecorded.is_subset(&uncertain), "accepted without a trace");
    assert!(unrecorded.len() >= CONCURRENCY);
    let subjects = mails.iter().map(|mail| mail.field("Subject").unwrap());
    assert!(
        subjects
            .into_iter()
            .all(|subject| subject.starts_with("Hi ")),
        "the version of the start"
    );
    restored.assert_books_hold(&job).await;

    let next = restored.start(300, json!({})).await;
    assert!(next.job_no > job.job_no);
    restored.until_status(&next, "completed").await;
    next.assert_each_has_one_mail(&catcher, 300);
    restored.assert_books_hold(&next).await;
}
