//! Claims with nobody else on the cores: what grows with a campaign, and not who got the processor. A runner without mails.

use std::time::{Duration, Instant};

use e2e::Db;
use serde_json::{Value, json};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::calls::{Calls, Log, durations, of_one_chunk};
use crate::campaign::{self, Campaign};

/// The default.
const CHUNK: u64 = 500;
const PROTOCOL: i32 = 1;
/// How often a runner does.
const TICK: Duration = Duration::from_secs(1);

/// Of so many campaigns of this size, one after the other in one database, while another session holds a snapshot open.
pub async fn measure(recipients: u64, campaigns: usize) -> Calls {
    let nobody = ([127, 0, 0, 1], 9).into();
    let db = campaign::database(nobody, recipients).await;
    let held =
        "set transaction isolation level repeatable read; select count(*) from campaign.email_jobs";
    let _held = db.leave_open(held).await;
    let driver = Driver::register(&db).await;
    let mut claims = Calls::default();
    for _ in 0..campaigns {
        let config = json!({"concurrency": 10, "chunk_size": CHUNK});
        let campaign = Campaign::start(&db, recipients, config).await;
        let log = Log::from_here();
        driver.send().await;
        let lines = log.read();
        db.run("select campaign.tick()").await;
        campaign.verify(&db).await;
        // The last one found nothing.
        let leases = vec![1; recipients.div_ceil(CHUNK) as usize];
        claims.add(of_one_chunk(
            durations(&lines, "campaign.claim_chunks("),
            &leases,
        ));
    }
    claims
}

struct Driver {
    client: Client,
    id: Uuid,
    claim: Statement,
    report: Statement,
}

impl Driver {
    async fn register(db: &Db) -> Driver {
        let client = db.connect().await.expect("no connection");
        let id = Uuid::new_v4();
        let log = "set log_min_duration_statement = 0; set log_parameter_max_length = 0";
        client.batch_execute(log).await.expect("settings");
        let register = "select campaign.register_runner($1, 'bench', 1, '1.0.0', $2)";
        let registered = client.query_one(register, &[&id, &PROTOCOL]).await;
        registered.expect("the runner is not registered");
        let claim = "select job_no, chunk_no, epoch, positions, emails, vars from campaign.claim_chunks($1, 1, '[]')";
        let report = "select campaign.report($1, $2)";
        Driver {
            claim: client.prepare(claim).await.expect("claim_chunks"),
            report: client.prepare(report).await.expect("report"),
            client,
            id,
        }
    }

    /// Claims chunk after chunk and reports that everybody's mail was accepted, until there is none. Ticks meanwhile, as runners do.
    async fn send(&self) {
        let mut ticked = Instant::now();
        while let Some((key, last)) = self.claim().await {
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                let tick = "select campaign.tick($1)";
                self.client.execute(tick, &[&self.id]).await.expect("tick");
            }
            let mut go = json!([]);
            loop {
                let answer = self.report(&key, &go, last).await;
                if answer["verdict"] == "done" {
                    break;
                }
                go = answer["go"].clone();
            }
        }
    }

    /// Job, chunk and epoch of a lease, and its last position.
    async fn claim(&self) -> Option<([i64; 3], i64)> {
        let chunk = self.client.query_opt(&self.claim, &[&self.id]).await;
        let chunk = chunk.expect("claim_chunks")?;
        let positions: Vec<i64> = chunk.get("positions");
        let key = ["job_no", "chunk_no", "epoch"].map(|column| chunk.get(column));
        Some((key, *positions.last().expect("a chunk has positions")))
    }

    async fn report(&self, [job_no, chunk_no, epoch]: &[i64; 3], go: &Value, last: i64) -> Value {
        let go = go.as_array().expect("go is a list");
        let sent = |pos| json!({"pos": pos, "outcome": "sent", "phase": "dot", "code": 250});
        let outcomes: Vec<Value> = go.iter().map(sent).collect();
        let item = json!({"job_no": job_no, "chunk_no": chunk_no, "epoch": epoch, "next_mark": last, "outcomes": outcomes});
        let answers = (self.client)
            .query_one(&self.report, &[&self.id, &json!([item])])
            .await;
        let answers: Value = answers.expect("report").get(0);
        let answer = &answers[0];
        let known = answer["verdict"] == "ok" || answer["verdict"] == "done";
        assert!(known, "the lease is lost: {answer}");
        answer.clone()
    }
}
