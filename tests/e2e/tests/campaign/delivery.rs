use e2e::{Db, Runner, relay};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_share_a_job_of_5000_and_each_recipient_gets_one_mail() {
    const N: usize = 5_000;
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let _runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];

    let job = db
        .start(N, json!({"chunk_size": 100, "concurrency": 5}))
        .await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, N);
    let sums = "select row(total_contacts, sent_count, failed_count, uncertain_count, suppressed_count, cancelled_count, cursor)
        = row(5000, 5000, 0, 0, 0, 0, 5000) from campaign.email_jobs where id = $1";
    assert!(db.one::<bool>(sums, &[&job.id]).await);
    let shares: Vec<i64> = db
        .all(
            "select count(*) from campaign.attempt where job_no = $1 group by runner_id",
            &[&job.job_no],
        )
        .await;
    assert_eq!(shares.len(), 2, "mails by runner: {shares:?}");
    assert_eq!(shares.iter().sum::<i64>(), 5_000);
    db.assert_books_hold(&job).await;
}

/// In one snapshot, so a batch recorded in another transaction than its attendees would be seen.
const ATTENDEES_DIFFER: &str = "
    select count(*)
    from campaign.recipient r
    join public.attendees a on a.id = r.recipient_key::integer
    left join campaign.attempt t on t.job_no = r.job_no and t.pos = r.pos and t.outcome = 'sent'
    where r.job_no = $1
      and row(a.email_sent, a.email_sent_at is not null, coalesce(a.email_type, ''))
        is distinct from row(t.pos is not null, t.pos is not null, case when t.pos is null then '' else 'checked-in' end)";

#[tokio::test(flavor = "multi_thread")]
async fn attendees_are_marked_in_the_transaction_that_records_their_mail() {
    const N: i32 = 600;
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let event = db.load_meetup(N).await;
    // Which transaction wrote what.
    db.run(
        "create table public.written (id bigint, source text, xact xid8);
         create function public.note_attempt() returns trigger language plpgsql security definer as $$
         begin
           insert into public.written
           select r.recipient_key::bigint, 'attempt', pg_current_xact_id()
           from campaign.recipient r where r.job_no = new.job_no and r.pos = new.pos and new.outcome = 'sent';
           return null;
         end $$;
         create function public.note_attendee() returns trigger language plpgsql security definer as $$
         begin
           insert into public.written values (new.id, 'attendee', pg_current_xact_id());
           return null;
         end $$;
         create trigger note after insert on campaign.attempt for each row execute function public.note_attempt();
         create trigger note after update on public.attendees for each row execute function public.note_attendee();",
    )
    .await;
    let _runner = Runner::spawn(&db, &[]).await;

    let job = db
        .start_for_event(event, json!({"chunk_size": 50, "concurrency": 5}))
        .await;
    e2e::until("the job is completed", async || {
        assert_eq!(
            db.one::<i64>(ATTENDEES_DIFFER, &[&job.job_no]).await,
            0,
            "attendees differ from the recorded mails"
        );
        (db.count(&job, "sent_count").await == i64::from(N)).then_some(())
    })
    .await;
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, 600);
    let together: i64 = db
        .one(
            "select count(*) from public.written t join public.written a using (id, xact)
             where t.source = 'attempt' and a.source = 'attendee'",
            &[],
        )
        .await;
    let written: i64 = db.one("select count(*) from public.written", &[]).await;
    assert_eq!((together, written), (600, 1_200));
    assert_eq!(db.one::<i64>(ATTENDEES_DIFFER, &[&job.job_no]).await, 0);
    db.assert_books_hold(&job).await;
}
