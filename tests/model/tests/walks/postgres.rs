//! A campaign in a real PostgreSQL, and what is in its tables.

use std::collections::BTreeMap;

use e2e::Db;
use model::database::{Policy, Rules};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::steps::RECIPIENTS;

const TABLES: &str = "select to_jsonb(t) from (select
        (select status from campaign.email_jobs where job_no = $1) as status,
        (select jsonb_build_array(sent_count, failed_count, uncertain_count) from campaign.email_jobs where job_no = $1) as job_counters,
        (select jsonb_agg(s.state order by s.pos) from campaign.recipient_state s where s.job_no = $1) as states,
        (select jsonb_agg(jsonb_build_object('chunk_no', c.chunk_no, 'state', c.state, 'owner', c.runner_id, 'epoch', c.epoch, 'mark', c.mark,
           'passed', c.passed, 'recorded', c.recorded, 'open', to_jsonb(campaign._open_positions(c)),
           'counters', jsonb_build_array(c.n_sent, c.n_failed, c.n_uncertain), 'dirty', c.dirty) order by c.chunk_no)
         from campaign.chunk c where c.job_no = $1) as chunks,
        (select coalesce(jsonb_agg(jsonb_build_array(a.pos, a.chunk_no, a.outcome) order by a.pos, a.chunk_no), '[]')
         from campaign.attempt a where a.job_no = $1) as attempts,
        (select coalesce(jsonb_agg(jsonb_build_array(d.pos, d.chunk_no, coalesce(d.decision, 'open')) order by d.pos, d.chunk_no), '[]')
         from campaign.doubt d where d.job_no = $1) as doubts,
        (select coalesce(jsonb_agg(jsonb_build_array(i.pos, i.chunk_no) order by i.pos), '[]')
         from campaign.retry_item i where i.job_no = $1) as retries,
        (select coalesce(jsonb_agg(k.name || ': ' || k.detail), '[]')
         from campaign.check_campaign($2) k where not k.holds and k.name <> 'nobody was accepted twice') as broken) t";

/// The campaign of each walk is deleted before the next.
pub struct Postgres {
    /// A person, pg_cron.
    operator: Client,
    tables: Statement,
    /// One session for each runner.
    runners: [Client; 2],
    /// Dropped last.
    _db: Db,
}

/// A campaign that was started.
pub struct Campaign {
    pub id: Uuid,
    pub job_no: i64,
}

impl Postgres {
    pub async fn prepare() -> Postgres {
        let db = Db::clone_template().await;
        db.set_integration(json!({"host": "127.0.0.1", "port": 25}))
            .await;
        // Runners are stale when a step says so.
        db.run(
            "insert into campaign.setting (name, value)
             values ('clock', '2026-02-26 18:00+00'), ('stale_after', '100 days')",
        )
        .await;
        let operator = db.connect().await.unwrap();
        // Compiling the comparison would take longer than all of a walk.
        operator.batch_execute("set jit = off").await.unwrap();
        Postgres {
            tables: operator.prepare(TABLES).await.unwrap(),
            operator,
            runners: [db.connect().await.unwrap(), db.connect().await.unwrap()],
            _db: db,
        }
    }

    pub async fn start(&self, rules: &Rules) -> Campaign {
        self.operator
            .batch_execute(
                "delete from campaign.runner; delete from campaign.breaker; delete from campaign.attempt; delete from campaign.doubt;
                 delete from campaign.retry_item; delete from campaign.chunk; delete from campaign.recipient; delete from campaign.email_jobs;
                 update campaign.setting set value = '2026-02-26 18:00+00' where name = 'clock'",
            )
            .await
            .unwrap();
        let concurrency = rules.window - (rules.chunk_size / 2).max(1);
        let config = json!({
            "chunk_size": rules.chunk_size, "concurrency": concurrency, "max_retries": rules.max_attempts
        });
        let policy = match rules.on_uncertain {
            Policy::Hold => "hold",
            Policy::Resend => "resend",
            Policy::AssumeSent => "assume_sent",
        };
        let audience = format!(
            r#"select g::text as recipient_key, format('p%s@example.com', g) as email,
                 '{{"name": "Ada Lovelace", "first_name": "Ada"}}'::jsonb as vars
               from generate_series(1, {RECIPIENTS}) g"#
        );
        let start =
            "select id, job_no from campaign.start_campaign('custom', 'letter', config => $1,
            audience_query => $2, on_uncertain => $3, allow_repeat => true)";
        let row = self
            .operator
            .query_one(start, &[&config, &audience, &policy])
            .await
            .unwrap();
        Campaign {
            id: row.get(0),
            job_no: row.get(1),
        }
    }

    pub async fn register(&self, runner: usize, process: Uuid) {
        let register = "select campaign.register_runner($1, 'host', 1, '0.1.0', 1)";
        self.runners[runner]
            .query_one(register, &[&process])
            .await
            .unwrap();
    }

    /// So much time goes by that all that waits is due, at the same moment: retries come back in the order of positions.
    pub async fn advance(&self) {
        self.operator
            .batch_execute(
                "update campaign.setting set value = (campaign.now() + interval '15 min')::text where name = 'clock';
                 update campaign.retry_item set due = campaign.now() where chunk_no is null;
                 update campaign.doubt set quiet_until = campaign.now()",
            )
            .await
            .unwrap();
    }

    /// Rows of chunk, epoch, mark, positions.
    pub async fn claim(
        &self,
        runner: usize,
        process: Uuid,
        want: i32,
        known: &Value,
    ) -> Result<Vec<(i64, i64, i64, Vec<i64>)>, String> {
        let claim =
            "select chunk_no, epoch, mark, positions from campaign.claim_chunks($1, $2, $3)";
        let rows = self.runners[runner]
            .query(claim, &[&process, &want, known])
            .await;
        let rows = rows.map_err(|error| said(&error))?;
        Ok(rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
            .collect())
    }

    /// The answer to one item; the SQLSTATE, where it is refused.
    pub async fn call(
        &self,
        runner: usize,
        process: Uuid,
        verb: &str,
        item: &Value,
    ) -> Result<Value, String> {
        let call = format!("select campaign.{verb}($1, $2) -> 0");
        let items = json!([item]);
        let row = self.runners[runner]
            .query_one(&call, &[&process, &items])
            .await;
        row.map(|row| row.get(0)).map_err(|error| said(&error))
    }

    /// A verb of a person; the SQLSTATE, where it is refused.
    pub async fn decide(&self, verb: &str, campaign: &Campaign) -> Result<(), String> {
        let verb = format!("select campaign.{verb}");
        let called = self.operator.execute(&verb, &[&campaign.id]).await;
        called.map(drop).map_err(|error| said(&error))
    }

    /// The runner is taken for dead.
    pub async fn recover(&self, process: Uuid) -> Result<(), String> {
        let silent = format!(
            "update campaign.runner set heartbeat_at = campaign.now() - interval '101 days' where runner_id = '{process}';
             insert into campaign.tick_state (last_tick_at, alive_since) values (campaign.now(), '-infinity')
             on conflict (singleton) do update set alive_since = '-infinity';
             select campaign.recover_stale();
             update campaign.runner set heartbeat_at = campaign.now() where runner_id = '{process}'"
        );
        self.operator
            .batch_execute(&silent)
            .await
            .map_err(|error| said(&error))
    }

    pub async fn tick(&self) -> Result<(), String> {
        let ticked = self.operator.execute("select campaign.tick()", &[]).await;
        ticked.map(drop).map_err(|error| said(&error))
    }

    /// What is in the tables.
    pub async fn tables(&self, campaign: &Campaign) -> Tables {
        let row = self
            .operator
            .query_one(&self.tables, &[&campaign.job_no, &campaign.id])
            .await
            .unwrap();
        Tables(row.get(0))
    }
}

/// The SQLSTATE and the message.
fn said(error: &tokio_postgres::Error) -> String {
    let code = error.code().map_or("", SqlState::code);
    format!(
        "{code} {}",
        error
            .as_db_error()
            .map_or_else(|| error.to_string(), |error| error.message().to_owned())
    )
}

/// What was found, as JSON.
pub struct Tables(pub Value);

impl Tables {
    /// The places of the chunks: range chunks count from 0, retry chunks follow in their order.
    pub fn places(&self) -> BTreeMap<i64, usize> {
        let chunks = self.0["chunks"].as_array().into_iter().flatten();
        let numbers = chunks.filter_map(|chunk| chunk["chunk_no"].as_i64());
        numbers
            .enumerate()
            .map(|(place, number)| (number, place))
            .collect()
    }
}
