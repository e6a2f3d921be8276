//! Campaigns as the benchmarks send them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::{Db, Job, Runner};
use mail_catcher::{Catcher, Config};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::figures::grouped;
use crate::usage;

/// Four tracked links and a pixel, and as many bytes on the wire as the mail of the limit.
const LETTER: &str = include_str!("../letters/tracked.html");
/// The same with an HTML part of 2.9 kB.
pub const LONG_LETTER: &str = include_str!("../letters/long.html");
/// Recipients of a chunk, and messages of a connection, where much is sent fast: as docs/administration.md says.
const CHUNK: u64 = 2_000;
const MESSAGES: u64 = 10_000;
/// How exactly the end of a campaign is seen.
const LOOK: Duration = Duration::from_millis(10);
/// Until a single mail comes.
const LONGEST: Duration = Duration::from_secs(30);

/// A database with so many people, the letter, and this relay.
pub async fn database(relay: SocketAddr, people: u64) -> Db {
    let db = Db::clone_template().await;
    db.set_public_url("https://mail.meetups.example").await;
    db.set_relay(relay).await;
    db.change_relay(json!({"pipelining": "messages", "messages_per_connection": MESSAGES}))
        .await;
    db.run(&format!(
        "update campaign.email_templates set subject = '{{{{first_name}}}}, see you in March', html = $letter${LETTER}$letter$;
         create table public.people (id bigint primary key, name text not null, first_name text not null, email text not null);
         insert into public.people
         select g, 'Ada Lovelace ' || g, 'Ada', format('p%s@example.com', g) from generate_series(1, {people}) g;"
    ))
    .await;
    db.run("vacuum analyze public.people").await;
    db.run("checkpoint").await;
    db
}

/// How many bytes a mail of a campaign has on the wire, with its dot.
pub async fn size_of_a_mail(letter: Option<&str>) -> usize {
    let catcher = Catcher::start(Config::default()).await;
    let catcher = catcher.expect("no SMTP server");
    let db = database(catcher.addr(), 1).await;
    if let Some(html) = letter {
        use_letter(&db, html).await;
    }
    let running = runners(&db, 1).await;
    Campaign::start(&db, 1, json!({})).await;
    let mails = catcher.wait_for(1, LONGEST).await;
    let mails = mails.expect("the mail does not come");
    stop(running).await;
    let mail = mails[0].mail.as_ref().expect("it is kept");
    mail.len() + ".\r\n".len()
}

pub async fn use_letter(db: &Db, html: &str) {
    db.run(&format!(
        "update campaign.email_templates set html = $letter${html}$letter$"
    ))
    .await;
}

/// Of a campaign that is to be sent fast.
pub fn config(connections: usize) -> Value {
    json!({"concurrency": connections, "chunk_size": CHUNK})
}

/// Runners that listen, each with a rest since it was registered.
pub async fn runners(db: &Db, n: usize) -> Vec<Runner> {
    let mut runners = Vec::new();
    for _ in 0..n {
        runners.push(Runner::spawn(db, &[]).await);
    }
    let listening = "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen campaign_wake'";
    e2e::until("all runners listen", async || {
        (db.one::<i64>(listening, &[]).await == n as i64).then_some(())
    })
    .await;
    runners
}

pub async fn stop(runners: Vec<Runner>) {
    for mut runner in runners {
        runner.terminate();
        let status = runner.ended().await;
        assert!(status.success(), "the runner ended with {status}");
    }
}

/// The pid of the server that this database is in.
pub async fn postmaster(db: &Db) -> i32 {
    usage::parent(db.one("select pg_backend_pid()", &[]).await)
}

/// A campaign that was started.
pub struct Campaign {
    pub job: Job,
    mails: u64,
    /// When `start_campaign` was called and when it was committed.
    pub called: Instant,
    pub committed: Instant,
}

impl Campaign {
    /// To the first so many people, with opens and clicks tracked.
    pub async fn start(db: &Db, mails: u64, config: Value) -> Campaign {
        let start = "select id, job_no from campaign.start_campaign('custom', 'letter', config => $1, dedupe_key => $2,
            audience_query => $3, track_opens => true, track_clicks => true)";
        let audience = audience(mails);
        let dedupe_key = uuid::Uuid::new_v4().to_string();
        let client = db.connect().await.expect("no connection");
        let statement = client.prepare(start).await.expect("start_campaign");
        let called = Instant::now();
        let row = client
            .query_one(&statement, &[&config, &dedupe_key, &audience])
            .await;
        let committed = Instant::now();
        let row = row.expect("the campaign does not start");
        Campaign {
            job: Job {
                id: row.get(0),
                job_no: row.get(1),
            },
            mails,
            called,
            committed,
        }
    }

    /// Waits until it is completed, and returns how long that took since it was committed.
    pub async fn completed(&self, db: &Db, longest: Duration) -> Duration {
        let status = "select status from campaign.email_jobs where id = $1";
        loop {
            let status: String = db.one(status, &[&self.job.id]).await;
            let took = self.committed.elapsed();
            if status == "completed" {
                return took;
            }
            assert!(
                took < longest,
                "{} mails were not sent within {longest:?}: the campaign is {status}",
                grouped(self.mails)
            );
            sleep(LOOK).await;
        }
    }

    /// Panics unless the books hold and everybody has the mail.
    pub async fn verify(&self, db: &Db) {
        db.assert_books_hold(&self.job).await;
        let sent = db.count(&self.job, "sent_count").await;
        assert!(
            sent == self.mails as i64,
            "{sent} of {} were sent",
            self.mails
        );
    }
}

/// The query that names the first so many people.
pub fn audience(mails: u64) -> String {
    format!(
        "select p.id::text as recipient_key, p.email, jsonb_build_object('name', p.name, 'first_name', p.first_name) as vars
         from public.people p where p.id <= {mails}"
    )
}

/// Waits until so many mails of a campaign are recorded as sent.
pub async fn until_reported(db: &Db, job: &Job, mails: u64) {
    let sql = "select count(*) >= $2 from campaign.attempt where job_no = $1 and outcome = 'sent'";
    let end = Instant::now() + e2e::LIMIT;
    while !db.one::<bool>(sql, &[&job.job_no, &(mails as i64)]).await {
        assert!(
            Instant::now() < end,
            "{mails} mails are not recorded within {:?}",
            e2e::LIMIT
        );
        sleep(Duration::from_millis(5)).await;
    }
}
