use std::env;
use std::net::SocketAddr;

use mail_catcher::{Accepted, Catcher};
use serde_json::{Value, json};
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::until;

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Login of the runners: it has the rights of the role `campaign_runner` and no others.
pub(crate) const RUNNER_ROLE: &str = "campaign_e2e_runner";

const MEETUP: [&str; 4] = [
    include_str!("../../../sql/meetup/010_tables.sql"),
    include_str!("../../../sql/meetup/020_event_check.sql"),
    include_str!("../../../sql/meetup/030_on_sent.sql"),
    include_str!("../../../sql/meetup/040_segments.sql"),
];

/// A database with the extension and the template `letter`, and a superuser's connection to it. It is dropped with
/// this value, so runners must be declared after it.
pub struct Db {
    name: String,
    client: Client,
}

/// A campaign that was started.
pub struct Job {
    pub id: Uuid,
    pub job_no: i64,
}

impl Job {
    /// The accepted mails of this campaign, in order of acceptance.
    pub fn mails(&self, catcher: &Catcher) -> Vec<Accepted> {
        let prefix = format!("<{}.", self.id.simple());
        let ours = |mail: &Accepted| {
            (mail.message_id.as_deref()).is_some_and(|message_id| message_id.starts_with(&prefix))
        };
        catcher.accepted().into_iter().filter(ours).collect()
    }

    /// Panics unless the relay accepted one mail for each of the recipients 1 to `n`, and no other.
    pub fn assert_each_has_one_mail(&self, catcher: &Catcher, n: usize) {
        let mut got: Vec<String> = (self.mails(catcher).into_iter())
            .map(|mail| mail.recipient)
            .collect();
        let mut expected: Vec<String> = (1..=n).map(address).collect();
        got.sort();
        expected.sort();
        assert!(
            got == expected,
            "expected one mail for each of {n} recipients, got {} mails for {} recipients",
            got.len(),
            {
                got.dedup();
                got.len()
            }
        );
    }
}

/// Of a recipient of [`Db::start`].
pub fn address(number: usize) -> String {
    format!("p{number}@example.com")
}

impl Db {
    pub async fn clone_template() -> Db {
        let template = env::var("CAMPAIGN_TEMPLATE_DB").expect(
            "CAMPAIGN_TEMPLATE_DB must name a database that has the extension: run `make test-e2e`, which makes one",
        );
        let name = format!("e2e_{}", Uuid::new_v4().simple());
        let admin = connect("postgres").await;
        admin
            .batch_execute(&format!("create database {name} template {template}"))
            .await
            .expect("no database");
        let client = connect(&name).await;
        let db = Db { name, client };
        // Roles belong to the cluster: another test may be creating it too.
        db.run(&format!(
            "do $$ begin
               create role {RUNNER_ROLE} login in role campaign_runner;
             exception when duplicate_object or unique_violation then null;
             end $$"
        ))
        .await;
        db.run(
            "insert into campaign.email_templates (name, slug, subject, html)
             values ('Letter', 'letter', 'Hi {{first_name}}', '<p>Hi {{name}}</p>')",
        )
        .await;
        db
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn set_relay(&self, relay: SocketAddr) {
        let config = json!({
            "host": relay.ip(), "port": relay.port(), "from_email": "hello@meetups.example"
        });
        let insert =
            "insert into campaign.email_integrations (name, config, rate_limit, is_default)
            values ('relay', $1, null, true)";
        self.client.execute(insert, &[&config]).await.unwrap();
    }

    /// A runner is taken for dead after 3 s instead of 30. For runners that are registered afterwards.
    pub async fn detect_dead_runners_early(&self) {
        self.run(
            "insert into campaign.setting (name, value)
             values ('heartbeat_every', '0.5 s'), ('fence_after', '2 s'), ('stale_after', '3 s')",
        )
        .await;
    }

    /// The tables, segments and functions of the application, and an event with `n` attendees who came: their ids are
    /// 1 to `n`, their addresses [`address`] of it. Returns the event.
    pub async fn load_meetup(&self, n: i32) -> Uuid {
        for script in MEETUP {
            self.run(script).await;
        }
        let event = self
            .one(
                "insert into public.events (name, date) values ('Meetup', now()) returning id",
                &[],
            )
            .await;
        let people = "insert into public.attendees (id, name, email)
            select g, 'Person ' || g, format('p%s@example.com', g) from generate_series(1, $1::integer) g";
        let came = "insert into public.event_attendees (event_id, attendee_id, checked_in)
            select $1, a.id, true from public.attendees a";
        self.client.execute(people, &[&n]).await.unwrap();
        self.client.execute(came, &[&event]).await.unwrap();
        event
    }

    /// Starts a campaign for the recipients 1 to `n`, see [`address`].
    pub async fn start(&self, n: usize, config: Value) -> Job {
        let audience = format!(
            r#"select g::text as recipient_key, format('p%s@example.com', g) as email,
                 '{{"name": "Ada Lovelace", "first_name": "Ada"}}'::jsonb as vars
               from generate_series(1, {n}) g"#
        );
        let start =
            "select id, job_no from campaign.start_campaign('custom', 'letter', config => $1,
            audience_query => $2, allow_repeat => true)";
        self.started(start, &[&config, &audience]).await
    }

    /// Starts a campaign for who came to the event.
    pub async fn start_for_event(&self, event: Uuid, config: Value) -> Job {
        let start = "select id, job_no from campaign.start_campaign('checked-in', 'letter', $1, config => $2)";
        self.started(start, &[&event, &config]).await
    }

    async fn started(&self, start: &str, params: Params<'_>) -> Job {
        let row = self.client.query_one(start, params).await.unwrap();
        Job {
            id: row.get(0),
            job_no: row.get(1),
        }
    }

    /// The first column of the only row.
    pub async fn one<T: FromSqlOwned>(&self, sql: &str, params: Params<'_>) -> T {
        self.client.query_one(sql, params).await.unwrap().get(0)
    }

    /// The first column of all rows.
    pub async fn all<T: FromSqlOwned>(&self, sql: &str, params: Params<'_>) -> Vec<T> {
        let rows = self.client.query(sql, params).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Statements without parameters or answers.
    pub async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// Waits until the query says true.
    pub async fn until(&self, what: &str, sql: &str, params: Params<'_>) {
        until(what, async || {
            self.one::<bool>(sql, params).await.then_some(())
        })
        .await;
    }

    pub async fn until_status(&self, job: &Job, status: &str) {
        let sql = "select status = $2 from campaign.email_jobs where id = $1";
        self.until(&format!("the job is {status}"), sql, &[&job.id, &status])
            .await;
    }

    /// A column of `email_jobs`.
    pub async fn count(&self, job: &Job, column: &str) -> i64 {
        let sql = format!("select {column} from campaign.email_jobs where id = $1");
        self.one(&sql, &[&job.id]).await
    }

    /// Panics unless everything that `check_campaign` says holds.
    pub async fn assert_books_hold(&self, job: &Job) {
        let broken: Vec<String> = self
            .all(
                "select name || ': ' || detail from campaign.check_campaign($1) where not holds",
                &[&job.id],
            )
            .await;
        assert!(broken.is_empty(), "check_campaign: {broken:#?}");
        let lines: i64 = self
            .one(
                "select count(*) from campaign.check_campaign($1)",
                &[&job.id],
            )
            .await;
        assert!(lines > 0, "check_campaign says nothing");
    }

    /// Ends the sessions of all runners of this database, and returns how many there were.
    pub async fn terminate_sessions_of_runners(&self) -> i64 {
        self.one(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and usename = $1",
            &[&RUNNER_ROLE],
        )
        .await
    }

    /// Ends the session of a runner while it waits for the answer to a report, which is rolled back.
    pub async fn terminate_session_that_reports(&self, job: &Job) {
        self.run(&format!(
            "begin; select from campaign.chunk where job_no = {} for update",
            job.job_no
        ))
        .await;
        let terminate = "select count(pg_terminate_backend(pid)) > 0 from pg_locks
            where not granted and pg_backend_pid() = any (pg_blocking_pids(pid))";
        self.until("a report waits for its chunk", terminate, &[])
            .await;
        self.run("commit").await;
    }

    /// Waits until the server has ended all sessions of runners: what they sent before is committed or rolled back.
    pub async fn until_no_session_of_runners(&self) {
        self.until(
            "no session of a runner is left",
            "select not exists (
               select from pg_stat_activity where datname = current_database() and usename = $1)",
            &[&RUNNER_ROLE],
        )
        .await;
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let name = self.name.clone();
        let failed = std::thread::panicking();
        // A test drops this inside its own runtime, which cannot be waited on here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let campaigns = if failed {
                    campaigns(&name).await
                } else {
                    String::new()
                };
                let drop = format!("drop database {name} with (force)");
                connect("postgres")
                    .await
                    .batch_execute(&drop)
                    .await
                    .unwrap();
                campaigns
            })
        });
        match dropped.join() {
            Ok(campaigns) => eprint!("{campaigns}"),
            Err(_) => eprintln!("the database {} was not dropped", self.name),
        }
    }
}

/// For the message of a test that failed.
async fn campaigns(database: &str) -> String {
    let all = "select coalesce(string_agg(to_jsonb(j)::text || E'\n', '' order by j.job_no), '') from campaign.email_jobs j";
    let row = connect(database).await.query_one(all, &[]).await.unwrap();
    format!("campaigns of this test:\n{}", row.get::<_, String>(0))
}

async fn connect(database: &str) -> Client {
    let value = |name| {
        env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: run `make test-e2e`, which starts a PostgreSQL")
        })
    };
    let mut config = tokio_postgres::Config::new();
    config
        .host(value("PGHOST"))
        .port(value("PGPORT").parse().expect("PGPORT is no port"))
        .user(value("PGUSER"))
        .dbname(database);
    let (client, connection) = config
        .connect(NoTls)
        .await
        .expect("no connection to PostgreSQL");
    tokio::spawn(connection);
    client
}
