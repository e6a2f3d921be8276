//! From the commit of `start_campaign` to the first mail, on idle runners.

use std::time::{Duration, SystemTime};

use e2e::Runner;
use mail_catcher::{Catcher, Config, Store};
use serde_json::json;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use crate::campaign::{self, Campaign};
use crate::figures::{milliseconds, percentile};
use crate::table::Table;

const CAMPAIGNS: usize = 200;
const LONGEST: Duration = Duration::from_secs(30);

pub struct Latency {
    notified: Vec<Duration>,
    polling: Vec<Duration>,
}

impl Latency {
    /// With notifications.
    pub fn p99(&self) -> Duration {
        percentile(&self.notified, 0.99)
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new(&["", "campaigns", "p50", "p99", "slowest"]);
        for (name, values) in [
            ("with NOTIFY", &self.notified),
            ("by polling, once a second", &self.polling),
        ] {
            table.row(vec![
                name.to_owned(),
                values.len().to_string(),
                milliseconds(percentile(values, 0.5)),
                milliseconds(percentile(values, 0.99)),
                milliseconds(percentile(values, 1.0)),
            ]);
        }
        table
    }
}

pub async fn measure() -> Latency {
    println!("Latency: {CAMPAIGNS} campaigns of one recipient, each on an idle runner");
    let notified = of_runner(CAMPAIGNS, "true", Duration::from_millis(100)).await;
    // Several at a time, each with a database of its own: they wait most of the time.
    const AT_A_TIME: usize = 8;
    let several = async {
        let mut runners = JoinSet::new();
        for _ in 0..AT_A_TIME {
            let each = CAMPAIGNS / AT_A_TIME;
            runners.spawn_local(of_runner(each, "false", Duration::from_secs(1)));
        }
        runners.join_all().await.concat()
    };
    let polling = LocalSet::new().run_until(several).await;
    let latency = Latency { notified, polling };
    println!("{}", latency.table());
    latency
}

/// `rest`: the most that is waited before each campaign. It is random, so that campaigns come at any time between two polls.
async fn of_runner(campaigns: usize, notify: &str, rest: Duration) -> Vec<Duration> {
    let config = Config {
        store: Store::Nowhere,
        ..Config::default()
    };
    let sink = Catcher::start(config).await.expect("no SMTP server");
    let db = campaign::database(sink.addr(), 1).await;
    let mut runner = Runner::spawn(&db, &["--notify", notify]).await;
    if notify == "true" {
        db.until_somebody_listens().await;
    }
    let mut latencies = Vec::new();
    for n in 1..=campaigns {
        sleep(rest.mul_f64(fastrand::f64())).await;
        let campaign = Campaign::start(&db, 1, json!({})).await;
        let committed = SystemTime::now();
        let accepted = sink.wait_for(n, LONGEST).await;
        let accepted = accepted.expect("the mail does not come");
        latencies.push(since(committed, accepted[n - 1].at));
        campaign::until_reported(&db, &campaign.job, 1).await;
    }
    runner.terminate();
    assert!(runner.ended().await.success(), "the runner failed");
    latencies
}

/// Before is at once: whoever commits hears of it last.
fn since(committed: SystemTime, accepted: SystemTime) -> Duration {
    accepted.duration_since(committed).unwrap_or_default()
}
