use std::collections::BTreeSet;
use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;

use mail_catcher::{Accepted, Catcher};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use crate::cluster::{Cluster, Server};
use crate::until;

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Login of the runners: it has the rights of the role `campaign_runner` and no others.
pub(crate) const RUNNER_ROLE: &str = "campaign_e2e_runner";
/// Login of the servers: that of the role `campaign_server`.
pub(crate) const SERVER_ROLE: &str = "campaign_e2e_server";

const SOMEBODY_LISTENS: &str = "exists (
    select from pg_stat_activity where datname = current_database() and query ilike 'listen campaign_wake')";

/// Sessions that wait for the one that asks.
const HELD_UP: &str =
    "from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid))";

const MEETUP: [&str; 4] = [
    include_str!("../../../sql/meetup/010_tables.sql"),
    include_str!("../../../sql/meetup/020_event_check.sql"),
    include_str!("../../../sql/meetup/030_on_sent.sql"),
    include_str!("../../../sql/meetup/040_segments.sql"),
];

/// A database with the extension and the template `letter`, and a superuser's connection to it. It is dropped with
/// this value, so runners must be declared after it.
pub struct Db {
    server: Server,
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

/// The audience of the recipients 1 to `n`.
fn numbered(n: usize) -> String {
    format!(
        r#"select g::text as recipient_key, format('p%s@example.com', g) as email,
             '{{"name": "Ada Lovelace", "first_name": "Ada"}}'::jsonb as vars
           from generate_series(1, {n}) g"#
    )
}

impl Db {
    /// In the cluster that the tests share.
    pub async fn clone_template() -> Db {
        let template = env::var("CAMPAIGN_TEMPLATE_DB").expect(
            "CAMPAIGN_TEMPLATE_DB must name a database that has the extension: run `make test-e2e`, which makes one",
        );
        let db = Db::create(Server::shared(), &template).await;
        db.prepare().await;
        db
    }

    /// In a cluster of the test's own.
    pub async fn create_in(cluster: &Cluster) -> Db {
        let db = Db::create(cluster.server().clone(), "template0").await;
        db.run("create extension pg_campaign").await;
        db.prepare().await;
        db
    }

    /// All of it on the small disk of the cluster.
    pub async fn create_on_small_disk(cluster: &Cluster) -> Db {
        let admin = cluster.server().connect("postgres").await;
        let location = cluster.small_disk();
        admin
            .batch_execute(&format!("create tablespace small location '{location}'"))
            .await
            .expect("no tablespace");
        let db = Db::create(cluster.server().clone(), "template0 tablespace small").await;
        db.run("create extension pg_campaign").await;
        db.prepare().await;
        db
    }

    /// Until no page more has room.
    pub async fn fill_disk(&self) {
        self.run(
            "create table public.ballast (block text);
             alter table public.ballast alter block set storage plain;
             do $$ begin
               for rows in reverse 50..1 by 49 loop
                 loop
                   begin
                     insert into public.ballast select repeat('x', 5000) from generate_series(1, rows);
                   exception when disk_full then exit;
                   end;
                 end loop;
               end loop;
             end $$",
        )
        .await;
    }

    /// Makes room again.
    pub async fn empty_disk(&self) {
        self.run("drop table public.ballast").await;
    }

    /// Loads what [`Db::dump`] wrote.
    pub async fn restore(cluster: &Cluster, dump: &Path) -> Db {
        let db = Db::create(cluster.server().clone(), "template0").await;
        let restore = ["--exit-on-error", "--dbname", &db.name];
        db.server.run("pg_restore", &restore, dump).await;
        db.admit_programs().await;
        db
    }

    /// A clone, made by PostgreSQL. Runners must have ended.
    pub async fn duplicate(&mut self) -> Db {
        self.client = self.server.connect("postgres").await;
        until("nobody is connected to what is cloned", async || {
            let connected = "select exists (select from pg_stat_activity where datname = $1)";
            (!self.one::<bool>(connected, &[&self.name]).await).then_some(())
        })
        .await;
        let copy = Db::create(self.server.clone(), &self.name).await;
        self.reconnect().await;
        copy
    }

    /// Writes the database to a file in the custom format of `pg_dump`.
    pub async fn dump(&self, file: &Path) {
        let dump = ["--format=custom", "--dbname", &self.name, "--file"];
        self.server.run("pg_dump", &dump, file).await;
    }

    async fn create(server: Server, template: &str) -> Db {
        let name = format!("e2e_{}", Uuid::new_v4().simple());
        let admin = server.connect("postgres").await;
        admin
            .batch_execute(&format!("create database {name} template {template}"))
            .await
            .expect("no database");
        let client = server.connect(&name).await;
        Db {
            server,
            name,
            client,
        }
    }

    async fn prepare(&self) {
        self.admit_programs().await;
        self.run(
            "insert into campaign.email_templates (name, slug, subject, html)
             values ('Letter', 'letter', 'Hi {{first_name}}', '<p>Hi {{name}}</p>')",
        )
        .await;
    }

    async fn admit_programs(&self) {
        // Roles belong to the cluster: another test may be creating it too.
        for (login, role) in [
            (RUNNER_ROLE, "campaign_runner"),
            (SERVER_ROLE, "campaign_server"),
        ] {
            self.run(&format!(
                "do $$ begin
                   create role {login} login in role {role};
                 exception when duplicate_object or unique_violation then null;
                 end $$"
            ))
            .await;
        }
    }

    /// Another connection of the superuser.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn connect(&self) -> Result<Client, Error> {
        self.server.try_connect(&self.name).await
    }

    /// Where the server listens.
    pub fn addr(&self) -> SocketAddr {
        let host = self.server.host.parse().expect("PGHOST is an address");
        SocketAddr::new(host, self.server.port)
    }

    /// Connects again, after a restart of the server.
    pub async fn reconnect(&mut self) {
        self.client = self.server.connect(&self.name).await;
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn set_relay(&self, relay: SocketAddr) {
        self.set_integration(json!({"host": relay.ip(), "port": relay.port()}))
            .await;
    }

    /// The default integration, without a rate limit. The sender is added.
    pub async fn set_integration(&self, mut config: Value) {
        let config = config.as_object_mut().expect("an object");
        config.insert("from_email".to_owned(), json!("hello@meetups.example"));
        let config = Value::from(config.clone());
        let insert =
            "insert into campaign.email_integrations (name, config, rate_limit, is_default)
            values ('relay', $1, null, true)";
        self.client.execute(insert, &[&config]).await.unwrap();
    }

    /// Changes keys of the config of all integrations; null removes one.
    pub async fn change_relay(&self, config: Value) {
        let update =
            "update campaign.email_integrations set config = jsonb_strip_nulls(config || $1)";
        self.client.execute(update, &[&config]).await.unwrap();
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
        self.start_for(&numbered(n), config).await
    }

    /// What the links of campaigns that start from now on begin with.
    pub async fn set_public_url(&self, url: &str) {
        let set = "insert into campaign.setting (name, value) values ('public_url', $1)
            on conflict (name) do update set value = excluded.value";
        self.client.execute(set, &[&url]).await.unwrap();
    }

    /// As [`Db::start`], with opens and clicks tracked.
    pub async fn start_tracked(&self, n: usize, config: Value) -> Job {
        let start =
            "select id, job_no from campaign.start_campaign('custom', 'letter', config => $1,
            audience_query => $2, track_opens => true, track_clicks => true, allow_repeat => true)";
        self.started(start, &[&config, &numbered(n)]).await
    }

    /// Starts a campaign for the recipients of this query.
    pub async fn start_for(&self, audience: &str, config: Value) -> Job {
        let start =
            "select id, job_no from campaign.start_campaign('custom', 'letter', config => $1,
            audience_query => $2, allow_repeat => true)";
        self.started(start, &[&config, &audience]).await
    }

    /// Starts a campaign for one recipient over a relay of this name.
    pub async fn start_to(&self, email: &str, integration: &str) -> Job {
        let audience = format!(
            r#"select '1' as recipient_key, '{email}' as email, '{{"name": "Ada Lovelace", "first_name": "Ada"}}'::jsonb as vars"#
        );
        let start =
            "select id, job_no from campaign.start_campaign('custom', 'letter', integration => $1,
            audience_query => $2, allow_repeat => true)";
        self.started(start, &[&integration, &audience]).await
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

    /// Calls a function of a job, and returns the SQLSTATE with which it was refused.
    pub async fn refusal(&self, verb: &str, job: &Job) -> String {
        let call = format!("select campaign.{verb}($1)");
        let refused = self.client.execute(&call, &[&job.id]).await;
        let error = refused.expect_err("it was not refused");
        error.code().expect("the server is gone").code().to_owned()
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

    /// Returns the reason once it contains this.
    pub async fn until_status_reason(&self, job: &Job, contains: &str) -> String {
        let sql = "select status_reason from campaign.email_jobs where id = $1";
        until(&format!("status_reason says: {contains}"), async || {
            let reason: Option<String> = self.one(sql, &[&job.id]).await;
            reason.filter(|reason| reason.contains(contains))
        })
        .await
    }

    /// Waits until no runner has anything left to give back.
    pub async fn until_nothing_is_leased(&self) {
        let sql = "select not exists (select from campaign.chunk where state = 'leased')";
        self.until("what was leased is given back", sql, &[]).await;
    }

    /// Waits until runners have nothing left of what they were granted before (2 s), and a tick has seen it.
    pub async fn until_grants_have_lapsed(&self) {
        let now: SystemTime = self.one("select clock_timestamp()", &[]).await;
        let ticked =
            "select last_tick_at > $1::timestamptz + interval '3 s' from campaign.tick_state";
        self.until("grants have lapsed", ticked, &[&now]).await;
    }

    pub async fn resume(&self, job: &Job) {
        let resume = "select status from campaign.resume_campaign($1)";
        self.one::<String>(resume, &[&job.id]).await;
    }

    /// How many attempts of a campaign ended so, e.g. `sent 3`.
    pub async fn outcomes(&self, job: &Job) -> Vec<String> {
        self.all(
            "select outcome || ' ' || count(*) from campaign.attempt where job_no = $1 group by outcome order by 1",
            &[&job.job_no],
        )
        .await
    }

    /// A column of `email_jobs`.
    pub async fn count(&self, job: &Job, column: &str) -> i64 {
        let sql = format!("select {column} from campaign.email_jobs where id = $1");
        self.one(&sql, &[&job.id]).await
    }

    /// The addresses of the recipients in this state.
    pub async fn recipients(&self, job: &Job, state: &str) -> BTreeSet<String> {
        let recipients = "select r.email from campaign.recipient r
            join campaign.recipient_state s using (job_no, pos) where job_no = $1 and s.state = $2";
        let recipients = self.all(recipients, &[&job.job_no, &state]).await;
        recipients.into_iter().collect()
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

    /// For servers the database is away until [`Db::admit_servers`]. So it is for runners.
    pub async fn refuse_servers(&self) {
        self.limit_connections(0).await;
        self.all::<bool>(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and usename in ($1, $2)",
            &[&SERVER_ROLE, &RUNNER_ROLE],
        )
        .await;
    }

    pub async fn admit_servers(&self) {
        self.limit_connections(-1).await;
    }

    /// Of all but superusers.
    async fn limit_connections(&self, limit: i32) {
        let name = &self.name;
        self.run(&format!("alter database {name} connection limit {limit}"))
            .await;
    }

    /// What runners of this database find set at the beginning of their sessions, which begin anew.
    pub async fn set_for_runners(&self, setting: &str, value: &str) {
        let name = &self.name;
        self.run(&format!(
            "alter role {RUNNER_ROLE} in database {name} set {setting} = {value}"
        ))
        .await;
        self.terminate_sessions_of_runners().await;
    }

    /// Connections of somebody who is no superuser, until no more are taken.
    pub async fn take_all_connections(&self) -> Vec<Client> {
        self.run("create role stranger login").await;
        let stranger = Server {
            user: "stranger".to_owned(),
            ..self.server.clone()
        };
        let mut taken = Vec::new();
        loop {
            match stranger.try_connect(&self.name).await {
                Ok(client) => taken.push(client),
                Err(error) => {
                    assert_eq!(error.code(), Some(&SqlState::TOO_MANY_CONNECTIONS));
                    return taken;
                }
            }
        }
    }

    /// Cancels a report that waits for what [`Db::hold_up_a_report`] holds. Whether there was one.
    pub async fn cancel_what_is_held_up(&self) -> bool {
        let cancel = format!("select coalesce(bool_or(pg_cancel_backend(pid)), false) {HELD_UP}");
        self.one(&cancel, &[]).await
    }

    /// Ends the session of a runner while it waits for the answer to a report, which is rolled back.
    pub async fn terminate_session_that_reports(&self, job: &Job) {
        self.hold_up_a_report(job).await;
        let terminate = format!("select count(pg_terminate_backend(pid)) > 0 {HELD_UP}");
        assert!(self.one::<bool>(&terminate, &[]).await);
        self.run("commit").await;
    }

    /// Returns when a report waits for a lock that this connection holds until it ends its transaction.
    pub async fn hold_up_a_report(&self, job: &Job) {
        self.run(&format!(
            "begin; select from campaign.chunk where job_no = {} for update",
            job.job_no
        ))
        .await;
        let held_up = format!("select count(*) > 0 {HELD_UP}");
        self.until("a report waits for its chunk", &held_up, &[])
            .await;
    }

    /// Cancels a campaign, of which no runner hears until the connection that this returns is dropped: its calls wait.
    pub async fn cancel_unheard(&self, job: &Job) -> Client {
        let hold_up = self.server.connect(&self.name).await;
        let calls = "begin; lock table campaign.tick_state, campaign.runner, campaign.attempt in share mode";
        hold_up.batch_execute(calls).await.unwrap();
        let cancel = "select status from campaign.cancel_campaign($1)";
        self.one::<String>(cancel, &[&job.id]).await;
        // Not before, since cancel_campaign reads it.
        let grants = "lock table campaign.email_integrations in access exclusive mode";
        hold_up.batch_execute(grants).await.unwrap();
        hold_up
    }

    /// Statements of somebody whose transaction stays open until the connection that this returns is dropped.
    pub async fn leave_open(&self, sql: &str) -> Client {
        let somebody = self.server.connect(&self.name).await;
        let statements = format!("begin; {sql}");
        somebody.batch_execute(&statements).await.unwrap();
        somebody
    }

    /// Returns when a runner listens for notifications.
    pub async fn until_somebody_listens(&self) {
        let listens = format!("select {SOMEBODY_LISTENS}");
        self.until("a runner listens", &listens, &[]).await;
    }

    pub async fn somebody_listens(&self) -> bool {
        self.one(&format!("select {SOMEBODY_LISTENS}"), &[]).await
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
        let (server, name) = (self.server.clone(), self.name.clone());
        let failed = std::thread::panicking();
        // A test drops this inside its own runtime, which cannot be waited on here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let campaigns = if failed {
                    campaigns(&server, &name).await
                } else {
                    String::new()
                };
                let drop = format!("drop database {name} with (force)");
                let admin = server.connect("postgres").await;
                admin.batch_execute(&drop).await.unwrap();
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
async fn campaigns(server: &Server, database: &str) -> String {
    let all = "select coalesce(string_agg(to_jsonb(j)::text || E'\n', '' order by j.job_no), '') from campaign.email_jobs j";
    let client = server.connect(database).await;
    let row = client.query_one(all, &[]).await.unwrap();
    format!("campaigns of this test:\n{}", row.get::<_, String>(0))
}
