use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use super::Arena;

/// The books of a campaign in one statement, so of one moment: the lines of `check_campaign` that do not hold. A line
/// that tells of two acceptances does not, where a resend was asked for; then it is the only one.
const BROKEN: &str = "
    with line as (select name || ': ' || detail as text from campaign.check_campaign($1) where not holds),
    twice as (
      select t.pos, exists (select from chaos.resend r where r.job_no = t.job_no and r.pos = t.pos) as asked
      from campaign.attempt t
      where t.job_no = $2 and t.outcome = 'sent'
      group by t.job_no, t.pos
      having count(*) > 1)
    select text from line
    where (select count(*) from line) > 1 or coalesce((select not bool_and(asked) from twice), true)";

/// How much later than it should be a moment may come before it counts as time that stood still.
const HICCUP: Duration = Duration::from_millis(50);

/// Asks `check_campaign` at random moments, for ever.
pub(super) async fn watch_books(arena: Arc<Arena>) {
    let mut rng = ChaCha20Rng::seed_from_u64(arena.plan.seed);
    rng.set_stream(u64::MAX - u64::from(arena.plan.run));
    loop {
        sleep(Duration::from_millis(rng.random_range(50..=900))).await;
        arena.check_books().await;
    }
}

/// Notes when this machine is late, for ever: then runners are too.
pub(super) async fn watch_time(arena: Arc<Arena>) {
    const STEP: Duration = Duration::from_millis(10);
    loop {
        let (from, start) = (SystemTime::now(), Instant::now());
        sleep(STEP).await;
        if start.elapsed() > STEP + HICCUP {
            arena.notes().frozen.push((from, SystemTime::now()));
        }
    }
}

impl Arena {
    pub(super) async fn check_books(&self) {
        for (job, campaign) in self.jobs.iter().zip(&self.plan.campaigns) {
            let broken = self.ask(BROKEN, &[&job.id, &job.job_no]).await;
            let lines = match broken {
                Ok(rows) => rows.iter().map(|row| row.get(0)).collect(),
                Err(error) => vec![error],
            };
            for line in lines {
                self.complain(format!("check_campaign of {}: {line}", campaign.name));
            }
        }
    }
}
