//! A small campaign beside a large one, over the same runner and relay.

use std::time::{Duration, Instant};

use e2e::Db;

use crate::campaign::{self, Campaign};
use crate::figures::{grouped, median, milliseconds};
use crate::sink::Sink;
use crate::speed::CONNECTIONS;
use crate::table::Table;

const SMALL: u64 = 200;
const LARGE: u64 = 1_000_000;
const REPEATED: usize = 9;
const LONGEST: Duration = Duration::from_secs(60);

pub struct Fairness {
    alone: Times,
    beside: Times,
}

/// Seconds since the small campaign was committed.
#[derive(Default)]
struct Times {
    last_mail: Vec<f64>,
    completed: Vec<f64>,
}

impl Fairness {
    /// Until the last mail is recorded.
    pub fn last_mail(&self) -> f64 {
        median(&self.beside.last_mail) / median(&self.alone.last_mail)
    }

    pub fn completed(&self) -> f64 {
        median(&self.beside.completed) / median(&self.alone.completed)
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new(&["", "alone", "beside", "times"]);
        for (name, alone, beside, ratio) in [
            (
                "all mails recorded",
                &self.alone.last_mail,
                &self.beside.last_mail,
                self.last_mail(),
            ),
            (
                "completed",
                &self.alone.completed,
                &self.beside.completed,
                self.completed(),
            ),
        ] {
            let shown = |values: &[f64]| milliseconds(Duration::from_secs_f64(median(values)));
            table.row(vec![
                name.to_owned(),
                shown(alone),
                shown(beside),
                format!("{ratio:.1}"),
            ]);
        }
        table
    }
}

pub async fn measure() -> Fairness {
    println!(
        "Fairness: {} recipients beside {}, {REPEATED} times",
        grouped(SMALL),
        grouped(LARGE)
    );
    let sink = Sink::start().await;
    let db = campaign::database(sink.addr(), LARGE).await;
    let runners = campaign::runners(&db, 1).await;
    let mut fairness = Fairness {
        alone: Times::default(),
        beside: Times::default(),
    };
    // The first one warms the runner up.
    small(&db, &mut Times::default()).await;
    for _ in 0..REPEATED {
        small(&db, &mut fairness.alone).await;
    }
    let large = Campaign::start(&db, LARGE, campaign::config(CONNECTIONS)).await;
    campaign::until_reported(&db, &large.job, 10_000).await;
    for _ in 0..REPEATED {
        small(&db, &mut fairness.beside).await;
        let status: String = db
            .one(
                "select status from campaign.email_jobs where id = $1",
                &[&large.job.id],
            )
            .await;
        assert!(
            status == "running",
            "the large campaign is {status}, so nothing was beside it"
        );
    }
    let cancel = "select status from campaign.cancel_campaign($1)";
    db.one::<String>(cancel, &[&large.job.id]).await;
    campaign::stop(runners).await;
    println!("{}", fairness.table());
    fairness
}

async fn small(db: &Db, times: &mut Times) {
    let campaign = Campaign::start(db, SMALL, campaign::config(CONNECTIONS)).await;
    campaign::until_reported(db, &campaign.job, SMALL).await;
    let last_mail: Duration = Instant::now() - campaign.committed;
    let completed = campaign.completed(db, LONGEST).await;
    campaign.verify(db).await;
    times.last_mail.push(last_mail.as_secs_f64());
    times.completed.push(completed.as_secs_f64());
}
