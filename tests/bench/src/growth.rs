//! What does not grow with a campaign, and what it costs per recipient.

use std::time::{Duration, Instant};

use e2e::{Db, Runner};
use tokio::time::{MissedTickBehavior, interval};

use crate::calls::{Calls, Log, durations, of_one_chunk};
use crate::campaign::{self, Campaign};
use crate::claims;
use crate::figures::{grouped, mebibytes, milliseconds, percentile, seconds};
use crate::sink::Sink;
use crate::speed::CONNECTIONS;
use crate::table::Table;
use crate::usage;

/// No campaign is given less, and each has more for every recipient.
const LONGEST: Duration = Duration::from_secs(60);
const LONGEST_EACH: Duration = Duration::from_millis(1);

/// A size, and how often it is measured: small campaigns have few claims.
const SIZES: [(u64, usize); 3] = [(10_000, 25), (100_000, 2), (1_000_000, 1)];
const LARGEST: (u64, usize) = (10_000_000, 1);
const CLAIMS: [(u64, usize); 2] = [(10_000, 25), (1_000_000, 1)];

/// All campaigns of one size.
pub struct Size {
    recipients: u64,
    snapshot_held: bool,
    started: Vec<Duration>,
    claims: Calls,
    reports: Calls,
    progress: Vec<Duration>,
    wal: u64,
    /// Updates and deletes: what would be dead as long as a snapshot is held.
    obsolete: i64,
    /// Of these, what was still there in the end.
    dead: i64,
    table_bytes: i64,
    memory: Memory,
    campaigns: u64,
    parts: Option<Parts>,
}

/// What a start could not do without, and what it does besides: each a statement of its own.
struct Parts {
    /// The audience's query.
    query: Duration,
    /// The query, and its rows into a table like that of recipients.
    insert: Duration,
    /// The query, and who is left out: all but writing.
    plan: Duration,
}

impl Parts {
    async fn measure(db: &Db, recipients: u64) -> Parts {
        let audience = campaign::audience(recipients);
        db.run("create table public.bare (like campaign.recipient including all)")
            .await;
        let query = format!("select count(a.vars) from ({audience}) a");
        let insert = format!(
            "insert into public.bare (job_no, pos, recipient_key, email, vars)
             select 1, row_number() over (), a.recipient_key, a.email, a.vars from ({audience}) a"
        );
        let plan = format!(
            "select total_contacts from campaign.plan_campaign('custom', 'letter', audience_query => $audience${audience}$audience$)"
        );
        let parts = Parts {
            query: timed(db, &query).await,
            insert: timed(db, &insert).await,
            plan: timed(db, &plan).await,
        };
        db.run("drop table public.bare").await;
        parts
    }
}

async fn timed(db: &Db, statement: &str) -> Duration {
    let begun = Instant::now();
    db.run(statement).await;
    begun.elapsed()
}

/// Of the runner, over all campaigns of a size.
#[derive(Default)]
struct Memory {
    peak: u64,
    /// Resident memory after the first tenth of the last campaign, and at its end.
    early: u64,
    late: u64,
}

pub struct Growth {
    sizes: Vec<Size>,
    /// Claims with nobody else on the cores, by size.
    claims: Vec<(u64, Calls)>,
}

impl Growth {
    fn size(&self, recipients: u64, snapshot_held: bool) -> &Size {
        let mut sizes = self.sizes.iter();
        let size =
            sizes.find(|size| size.recipients == recipients && size.snapshot_held == snapshot_held);
        size.expect("a size that was measured")
    }

    /// p99 of claims at 1 M over that at 10 k, with a snapshot held open and nobody else on the cores.
    pub fn claims(&self) -> f64 {
        let p99 = |size| {
            let mut claims = self.claims.iter();
            let (_, calls) = claims.find(|(n, _)| *n == size).expect("it was measured");
            percentile(&calls.all(), 0.99).as_secs_f64()
        };
        p99(1_000_000) / p99(10_000)
    }

    /// Per recipient at 1 M, with a snapshot held open.
    pub fn dead_tuples(&self) -> f64 {
        let size = self.size(1_000_000, true);
        size.per_recipient(size.dead as f64)
    }

    /// Bytes per recipient at 1 M.
    pub fn wal(&self) -> f64 {
        let size = self.size(1_000_000, false);
        size.per_recipient(size.wal as f64)
    }

    /// Bytes at 1 M, the most of both.
    pub fn peak_memory(&self) -> u64 {
        let peak = |held| self.size(1_000_000, held).memory.peak;
        peak(false).max(peak(true))
    }

    /// How much more memory the runner has in the end of 1 M than after a tenth of them, the most of both.
    pub fn memory_grows(&self) -> f64 {
        let grows = |held| {
            let memory = &self.size(1_000_000, held).memory;
            memory.late as f64 / memory.early as f64
        };
        f64::max(grows(false), grows(true))
    }

    /// Of 1 M.
    pub fn start(&self) -> Duration {
        percentile(&self.size(1_000_000, false).started, 0.5)
    }

    pub fn calls_table(&self) -> Table {
        let mut table = Table::new(&[
            "recipients",
            "snapshot",
            "start_campaign",
            "claims",
            "claim p50 / p99",
            "first decile",
            "last decile",
            "report p50 / p99",
            "progress p50 / p99",
        ]);
        for size in &self.sizes {
            table.row(vec![
                grouped(size.recipients),
                size.snapshot().to_owned(),
                seconds_or_less(percentile(&size.started, 0.5)),
                size.claims.all().len().to_string(),
                pair(&size.claims.all()),
                pair(&size.claims.first_decile()),
                pair(&size.claims.last_decile()),
                pair(&size.reports.all()),
                pair(&size.progress),
            ]);
        }
        table
    }

    pub fn claims_table(&self) -> Table {
        let mut table = Table::new(&[
            "recipients",
            "claims",
            "p50 / p99",
            "first decile",
            "last decile",
        ]);
        for (recipients, claims) in &self.claims {
            table.row(vec![
                grouped(*recipients),
                claims.all().len().to_string(),
                pair(&claims.all()),
                pair(&claims.first_decile()),
                pair(&claims.last_decile()),
            ]);
        }
        table
    }

    pub fn start_table(&self) -> Table {
        let mut table = Table::new(&[
            "recipients",
            "the audience's query",
            "with a plain INSERT",
            "plan_campaign",
            "start_campaign",
        ]);
        for size in &self.sizes {
            let Some(parts) = &size.parts else { continue };
            let started = percentile(&size.started, 0.5);
            let mut row = vec![grouped(size.recipients)];
            row.extend([parts.query, parts.insert, parts.plan, started].map(seconds_or_less));
            table.row(row);
        }
        table
    }

    pub fn space_table(&self) -> Table {
        let mut table = Table::new(&[
            "recipients",
            "snapshot",
            "WAL bytes",
            "table and index bytes",
            "updates and deletes",
            "dead tuples in the end",
            "runner: peak",
            "after a tenth",
            "in the end",
        ]);
        for size in &self.sizes {
            table.row(vec![
                grouped(size.recipients),
                size.snapshot().to_owned(),
                format!("{:.0}", size.per_recipient(size.wal as f64)),
                format!("{:.0}", size.per_recipient(size.table_bytes as f64)),
                format!("{:.4}", size.per_recipient(size.obsolete as f64)),
                format!("{:.4}", size.per_recipient(size.dead as f64)),
                mebibytes(size.memory.peak),
                mebibytes(size.memory.early),
                mebibytes(size.memory.late),
            ]);
        }
        table
    }
}

/// p50 and p99.
fn pair(values: &[Duration]) -> String {
    let [p50, p99] = [0.5, 0.99].map(|share| milliseconds(percentile(values, share)));
    format!("{p50} / {p99}")
}

fn seconds_or_less(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        milliseconds(duration)
    } else {
        seconds(duration)
    }
}

pub async fn measure(full: bool) -> Growth {
    println!("Growth");
    let mut growth = Growth {
        sizes: Vec::new(),
        claims: Vec::new(),
    };
    for snapshot_held in [false, true] {
        let largest = full.then_some(LARGEST);
        for (recipients, campaigns) in SIZES.into_iter().chain(largest) {
            let begun = Instant::now();
            let size = Size::measure(recipients, campaigns, snapshot_held).await;
            println!(
                "  {:>10} recipients, snapshot {}: {} campaigns in {}",
                grouped(recipients),
                size.snapshot(),
                campaigns,
                seconds(begun.elapsed())
            );
            growth.sizes.push(size);
        }
    }
    for (recipients, campaigns) in CLAIMS {
        let begun = Instant::now();
        let calls = claims::measure(recipients, campaigns).await;
        println!(
            "  {:>10} recipients, claims alone: {} campaigns in {}",
            grouped(recipients),
            campaigns,
            seconds(begun.elapsed())
        );
        growth.claims.push((recipients, calls));
    }
    println!(
        "{}{}{}{}",
        growth.start_table(),
        growth.calls_table(),
        growth.claims_table(),
        growth.space_table()
    );
    growth
}

impl Size {
    fn snapshot(&self) -> &'static str {
        if self.snapshot_held { "held" } else { "-" }
    }

    fn per_recipient(&self, value: f64) -> f64 {
        value / (self.recipients * self.campaigns) as f64
    }

    async fn measure(recipients: u64, campaigns: usize, snapshot_held: bool) -> Size {
        let sink = Sink::start().await;
        let db = campaign::database(sink.addr(), recipients).await;
        for (setting, value) in [
            ("log_min_duration_statement", "0"),
            ("log_parameter_max_length", "0"),
        ] {
            db.set_for_runners(setting, value).await;
        }
        let mut size = Size {
            recipients,
            snapshot_held,
            started: Vec::new(),
            claims: Calls::default(),
            reports: Calls::default(),
            progress: Vec::new(),
            wal: 0,
            obsolete: 0,
            dead: 0,
            table_bytes: 0,
            memory: Memory::default(),
            campaigns: campaigns as u64,
            parts: None,
        };
        if !snapshot_held {
            size.parts = Some(Parts::measure(&db, recipients).await);
        }
        let _held = if snapshot_held {
            let held = "set transaction isolation level repeatable read; select count(*) from campaign.email_jobs";
            Some(db.leave_open(held).await)
        } else {
            None
        };
        let mut runners = campaign::runners(&db, 1).await;
        let bytes_before = table_bytes(&db).await;
        let (obsolete_before, dead_before) = obsolete(&db).await;
        for _ in 0..campaigns {
            size.campaign(&db, &runners[0]).await;
        }
        assert!(
            sink.accepted() == recipients * size.campaigns,
            "smtp-sink counted {} mails",
            sink.accepted()
        );
        size.memory.peak = usage::peak_memory(runners[0].pid());
        campaign::stop(std::mem::take(&mut runners)).await;
        db.until_no_session_of_runners().await;
        size.table_bytes = table_bytes(&db).await - bytes_before;
        let (obsolete, dead) = obsolete(&db).await;
        size.obsolete = obsolete - obsolete_before;
        size.dead = dead - dead_before;
        size
    }

    async fn campaign(&mut self, db: &Db, runner: &Runner) {
        let log = Log::from_here();
        let wal = wal(db).await;
        let campaign = Campaign::start(db, self.recipients, campaign::config(CONNECTIONS)).await;
        self.started.push(campaign.committed - campaign.called);
        let longest = LONGEST + LONGEST_EACH * self.recipients as u32;
        let mut memory = Vec::new();
        let mut looks = interval(Duration::from_millis(50));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let progress = "select status, sent_count, pending_count from campaign.campaign_progress where id = $1";
        let client = db.connect().await.expect("no connection");
        let progress = client.prepare(progress).await.expect("campaign_progress");
        loop {
            looks.tick().await;
            let asked = Instant::now();
            let row = client.query_one(&progress, &[&campaign.job.id]).await;
            self.progress.push(asked.elapsed());
            memory.push(usage::memory(runner.pid()));
            let row = row.expect("campaign_progress");
            let status: &str = row.get(0);
            if status == "completed" {
                break;
            }
            assert!(
                campaign.committed.elapsed() < longest,
                "the campaign is {status} after {longest:?}"
            );
        }
        self.wal += self::wal(db).await - wal;
        self.memory.early = memory[memory.len() / 10];
        self.memory.late = memory[memory.len() - 1];
        campaign.verify(db).await;
        let lines = log.read();
        // Chunks that were leased by one claim have its time.
        let leases = "select array_agg(l.n order by l.at)
            from (select first_leased_at as at, count(*) as n from campaign.chunk where job_no = $1 group by 1) l";
        let leases: Vec<i64> = db.one(leases, &[&campaign.job.job_no]).await;
        let claims = durations(&lines, "campaign.claim_chunks(");
        self.claims.add(of_one_chunk(claims, &leases));
        self.reports.add(durations(&lines, "campaign.report("));
    }
}

async fn wal(db: &Db) -> u64 {
    let position = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
    db.one::<i64>(position, &[]).await as u64
}

async fn table_bytes(db: &Db) -> i64 {
    let bytes = "select sum(pg_total_relation_size(relid))::bigint from pg_stat_user_tables where schemaname = 'campaign'";
    db.one(bytes, &[]).await
}

/// Updates and deletes so far, and the dead tuples that there are.
async fn obsolete(db: &Db) -> (i64, i64) {
    let tuples = |what: &str| {
        format!("select sum({what})::bigint from pg_stat_user_tables where schemaname = 'campaign'")
    };
    db.run("select pg_stat_force_next_flush()").await;
    let [made, left] = ["n_tup_upd + n_tup_del", "n_dead_tup"].map(tuples);
    (db.one(&made, &[]).await, db.one(&left, &[]).await)
}
