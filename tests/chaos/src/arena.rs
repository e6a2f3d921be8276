//! One run: a cluster, a relay, runners and campaigns of its own, and what strikes them.

mod ending;
mod strike;
mod witness;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use e2e::{Cluster, Db, Job, LIMIT, Runner};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::check::{Figures, Finding, check};
use crate::clock::Clock;
use crate::fault::{Family, Fault};
use crate::plan::{CampaignPlan, Plan, Strike};
use crate::proxy::Proxy;
use crate::relay::Relay;

/// The next fault strikes when no mail has come for so long.
const PATIENCE: Duration = Duration::from_secs(4);
const AUDIT: &str = include_str!("audit.sql");

/// What a run came to.
#[derive(Default)]
pub struct Outcome {
    pub figures: Figures,
    pub findings: Vec<Finding>,
    pub strikes: BTreeMap<Family, u64>,
    /// Runners and servers that were killed.
    pub kills: u64,
    pub took: Duration,
}

struct Arena {
    plan: Plan,
    jobs: Vec<Job>,
    slots: Vec<Slot>,
    relay: Relay,
    database_clock: Option<Clock>,
    notes: StdMutex<Notes>,
    db: Db,
    /// Held while it is down or restarted. After `db`, which is dropped in it.
    cluster: Mutex<Cluster>,
}

/// Where a runner lives, and its successors.
struct Slot {
    /// To PostgreSQL.
    proxy: Proxy,
    clock: Option<Clock>,
    runner: Mutex<Option<Runner>>,
    /// Faults of one runner come one after the other.
    struck: Mutex<()>,
    /// Of runners that are gone.
    logs: StdMutex<Vec<String>>,
}

#[derive(Default)]
struct Notes {
    strikes: BTreeMap<Family, u64>,
    kills: u64,
    complaints: Vec<String>,
    frozen: Vec<(SystemTime, SystemTime)>,
    /// By campaign.
    cancelled_at: BTreeMap<usize, SystemTime>,
}

/// Panics where the run cannot be made at all; everything else is a finding.
pub async fn run(plan: &Plan, logs: &Path) -> Outcome {
    let started = Instant::now();
    let arena = Arc::new(Arena::build(plan).await);
    let mut background = JoinSet::new();
    background.spawn(witness::watch_books(arena.clone()));
    background.spawn(witness::watch_time(arena.clone()));
    for index in 0..arena.slots.len() {
        arena.start_runner(index).await;
    }
    let mut strikes = JoinSet::new();
    for Strike { after_mails, fault } in &plan.strikes {
        arena.until_mails(*after_mails).await;
        if arena.have_ended().await {
            break;
        }
        *arena.notes().strikes.entry(fault.family()).or_default() += 1;
        let (struck, fault) = (arena.clone(), fault.clone());
        // A snapshot is held to the end.
        let tasks = match fault {
            Fault::HeldSnapshot => &mut background,
            _ => &mut strikes,
        };
        tasks.spawn(async move { struck.strike(&fault).await });
    }
    while let Some(struck) = strikes.join_next().await {
        struck.expect("a fault could not strike");
    }
    let complaint = arena.end().await;
    if let Some(ended) = background.try_join_next() {
        arena.complain(format!("a witness did not stay to the end: {ended:?}"));
    }
    background.shutdown().await;
    let mut evidence = arena.evidence().await;
    evidence.complaints.extend(complaint);
    let (figures, findings) = check(&evidence);
    if !findings.is_empty() {
        arena.keep_logs(logs);
    }
    let notes = arena.notes();
    Outcome {
        figures,
        findings,
        strikes: notes.strikes.clone(),
        kills: notes.kills,
        took: started.elapsed(),
    }
}

impl Arena {
    async fn build(plan: &Plan) -> Arena {
        let database_clock = plan.has(Family::DatabaseClock).then(Clock::right);
        let environment = database_clock.iter().flat_map(Clock::environment).collect();
        let cluster = tokio::task::block_in_place(|| Cluster::create_with(environment));
        let db = Db::create_in(&cluster).await;
        db.detect_dead_runners_early().await;
        db.run(AUDIT).await;
        let relay = Relay::start(plan).await;
        let mut jobs = Vec::new();
        for campaign in &plan.campaigns {
            jobs.push(start(&db, &relay, campaign).await);
        }
        let mut slots = Vec::new();
        for _ in 0..plan.runners {
            slots.push(Slot {
                proxy: Proxy::start(db.addr()).await.expect("no proxy"),
                clock: plan.has(Family::RunnerClock).then(Clock::right),
                runner: Mutex::default(),
                struck: Mutex::default(),
                logs: StdMutex::default(),
            });
        }
        Arena {
            plan: plan.clone(),
            jobs,
            slots,
            relay,
            database_clock,
            notes: StdMutex::default(),
            db,
            cluster: Mutex::new(cluster),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complain(&self, complaint: String) {
        self.notes().complaints.push(complaint);
    }

    async fn start_runner(&self, index: usize) {
        let slot = &self.slots[index];
        let mut environment = vec![
            ("PGHOST".to_owned(), slot.proxy.addr().ip().to_string()),
            ("PGPORT".to_owned(), slot.proxy.addr().port().to_string()),
        ];
        environment.extend(slot.clock.iter().flat_map(Clock::environment));
        *slot.runner.lock().await = Some(Runner::start(&self.db, &[], &environment));
    }

    /// The rows of a statement, which is repeated until the server answers. The error begins with the SQLSTATE.
    async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, String> {
        let end = Instant::now() + LIMIT;
        loop {
            let answer = match self.db.connect().await {
                Ok(client) => client.query(sql, params).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(rows) => return Ok(rows),
                Err(error) => {
                    let code = error.code().map(|code| code.code().to_owned());
                    // Shutting down, starting up, or broken off.
                    let away = |code: &String| code.starts_with("57") || code.starts_with("08");
                    if let Some(code) = code.filter(|code| !away(code)) {
                        return Err(format!("{code}: {error:?}"));
                    }
                    assert!(Instant::now() < end, "no answer to {sql}: {error}");
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The first column of the only row.
    async fn one<T: tokio_postgres::types::FromSqlOwned>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> T {
        let rows = self
            .ask(sql, params)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows[0].get(0)
    }

    /// Or until nothing has come for some time.
    async fn until_mails(&self, n: usize) {
        let mut seen = self.relay.catcher.mail_from_count();
        let mut since = Instant::now();
        while self
            .relay
            .catcher
            .wait_for(n, Duration::from_millis(250))
            .await
            .is_err()
        {
            let now = self.relay.catcher.mail_from_count();
            if now > seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > PATIENCE {
                return;
            }
        }
    }

    async fn have_ended(&self) -> bool {
        let open = "select not exists (select from campaign.email_jobs where status not in ('completed', 'failed', 'cancelled'))";
        self.one(open, &[]).await
    }

    fn keep_logs(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("no folder for logs");
        for (index, slot) in self.slots.iter().enumerate() {
            let logs = slot.logs.lock().unwrap_or_else(PoisonError::into_inner);
            for (successor, log) in logs.iter().enumerate() {
                let file = folder.join(format!("runner-{index}.{successor}.log"));
                std::fs::write(file, log).expect("the log cannot be kept");
            }
        }
    }
}

/// Recipient n of campaign `name` is `p{n}@{name}.example`; mails come from `{name}@meetups.example`.
async fn start(db: &Db, relay: &Relay, plan: &CampaignPlan) -> Job {
    let name = plan.name;
    let addr = relay.proxy.addr();
    let integration = json!({
        "host": addr.ip(), "port": addr.port(), "pipelining": "messages", "from_email": format!("{name}@meetups.example"),
        // Half-open connections shall not outlive the run; a runner that was stopped shall still read its replies.
        "timeouts": {"connect": 3, "greeting": 4, "command": 4, "body": 4, "dot": 12}
    });
    let insert = "insert into campaign.email_integrations (name, config, rate_limit) values ($1, $2, null) returning name";
    db.one::<String>(insert, &[&name, &integration]).await;
    let audience = format!(
        r#"select g::text as recipient_key, format('p%s@{name}.example', g) as email,
             '{{"name": "Ada Lovelace", "first_name": "Ada"}}'::jsonb as vars
           from generate_series(1, {}) g"#,
        plan.recipients
    );
    let mut config = json!({
        "chunk_size": plan.chunk_size, "concurrency": plan.concurrency, "max_retries": plan.max_retries
    });
    if let Some(rate) = plan.rate {
        config["rate_limit"] = json!(rate);
    }
    let start = "select id from campaign.start_campaign('custom', 'letter', config => $1, audience_query => $2,
        integration => $3, dedupe_key => $3, on_uncertain => $4)";
    let id = db
        .one(start, &[&config, &audience, &name, &plan.on_uncertain])
        .await;
    let job_no = "select job_no from campaign.email_jobs where id = $1";
    let job_no = db.one(job_no, &[&id]).await;
    Job { id, job_no }
}
