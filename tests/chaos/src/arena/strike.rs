use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::Arena;
use crate::fault::{Decision, Fault};
use crate::plan::STALE;

impl Arena {
    /// Returns when it is over.
    pub(super) async fn strike(&self, fault: &Fault) {
        match *fault {
            Fault::Kill { runner, back_after } => self.kill(runner, back_after).await,
            Fault::Stop { runner, lasts } => self.stop(runner, async || sleep(lasts).await).await,
            Fault::Terminate { runner, back_after } => {
                let _struck = self.slots[runner].struck.lock().await;
                self.terminate(runner).await;
                sleep(back_after).await;
                self.start_runner(runner).await;
            }
            Fault::DatabaseCrash { lasts } => {
                let cluster = self.cluster.lock().await;
                self.notes().kills += 1;
                tokio::task::block_in_place(|| cluster.stop("immediate"));
                sleep(lasts).await;
                tokio::task::block_in_place(|| cluster.start());
            }
            Fault::SessionsEnd => {
                let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                    where datname = current_database() and usename = 'campaign_e2e_runner'";
                self.one::<i64>(end, &[]).await;
            }
            Fault::DatabaseHalfOpen { runner, cut } => self.slots[runner].proxy.cut(cut).await,
            Fault::RelayHalfOpen { cut } => {
                let from = SystemTime::now();
                self.relay.proxy.cut(cut).await;
                self.notes().frozen.push((from, SystemTime::now()));
            }
            Fault::RelayDrops { per_mille, lasts } => {
                self.relay.drop_connections(per_mille);
                sleep(lasts).await;
                self.relay.drop_connections(0);
            }
            Fault::RelayDown { lasts } => self.relay.proxy.refuse(lasts).await,
            Fault::RunnerClock {
                runner,
                hours,
                lasts,
            } => {
                let clock = self.slots[runner].clock.as_ref();
                let clock = clock.expect("runners of this plan have clocks");
                clock.set(hours);
                sleep(lasts).await;
                clock.set(0);
            }
            Fault::DatabaseClock { hours, lasts } => {
                let clock = self.database_clock.as_ref();
                let clock = clock.expect("the database of this plan has a clock");
                clock.set(hours);
                let there = "select extract(epoch from clock_timestamp() - $1)::bigint / 1800 <> 0";
                if !self.one::<bool>(there, &[&SystemTime::now()]).await {
                    self.complain("the database's clock did not jump".to_owned());
                }
                sleep(lasts).await;
                clock.set(0);
            }
            Fault::Cancel { campaign } => {
                if self.call("cancel_campaign($1)", campaign).await {
                    let now = SystemTime::now();
                    self.notes().cancelled_at.insert(campaign, now);
                }
            }
            Fault::Pause { campaign, lasts } => {
                if self.call("pause_campaign($1)", campaign).await {
                    sleep(lasts).await;
                    self.call("resume_campaign($1)", campaign).await;
                }
            }
            Fault::RetryFailed { campaign } => {
                self.relay.mend();
                self.call("retry_failed($1)", campaign).await;
            }
            Fault::Resolve { campaign, decision } => {
                let verb = match decision {
                    Decision::Sent => "resolve_uncertain($1, 'sent')",
                    Decision::Resend { force: false } => "resolve_uncertain($1, 'resend')",
                    Decision::Resend { force: true } => {
                        "resolve_uncertain($1, 'resend', force => true)"
                    }
                };
                self.call(verb, campaign).await;
            }
            Fault::ResendToZombie { runner, campaign } => {
                let resend = "resolve_uncertain($1, 'resend', force => true)).status, (campaign.pause_campaign($1)";
                self.stop(runner, async || {
                    sleep(2 * STALE).await;
                    self.call(resend, campaign).await;
                })
                .await;
                sleep(Duration::from_secs(2)).await;
                self.call("resume_campaign($1)", campaign).await;
            }
            Fault::HeldSnapshot => self.hold_a_snapshot().await,
        }
    }

    async fn kill(&self, index: usize, back_after: Duration) {
        let slot = &self.slots[index];
        let _struck = slot.struck.lock().await;
        if let Some(mut runner) = slot.runner.lock().await.take() {
            runner.kill().await;
            self.notes().kills += 1;
            slot.keep(runner.log());
        }
        sleep(back_after).await;
        self.start_runner(index).await;
    }

    /// It goes on after what happens meanwhile.
    async fn stop(&self, index: usize, meanwhile: impl AsyncFnOnce()) {
        let slot = &self.slots[index];
        let _struck = slot.struck.lock().await;
        let from = SystemTime::now();
        if let Some(runner) = slot.runner.lock().await.as_ref() {
            runner.stop();
        }
        meanwhile().await;
        if let Some(runner) = slot.runner.lock().await.as_ref() {
            runner.go_on();
        }
        self.notes().frozen.push((from, SystemTime::now()));
    }

    /// Returns when it has ended. The caller holds `struck`.
    pub(super) async fn terminate(&self, index: usize) {
        let slot = &self.slots[index];
        if let Some(mut runner) = slot.runner.lock().await.take() {
            runner.terminate();
            let status = runner.ended().await;
            let log = runner.log();
            // One that has not begun yet ends as any process does.
            if !status.success() && !log.is_empty() {
                let told = log.lines().last().unwrap_or_default();
                self.complain(format!(
                    "runner {index} ended on SIGTERM with {status}: {told}"
                ));
            }
            slot.keep(runner.log());
        }
    }

    /// Whether the verb was not refused: a campaign may have ended, or been cancelled (CP011).
    pub(super) async fn call(&self, verb: &str, campaign: usize) -> bool {
        let sql = format!("select (campaign.{verb}).status");
        match self.ask(&sql, &[&self.jobs[campaign].id]).await {
            Ok(_) => true,
            Err(error) if error.starts_with("CP011") => false,
            Err(error) => {
                self.complain(format!("{verb}: {error}"));
                false
            }
        }
    }

    /// For ever; taken again when the server is back.
    async fn hold_a_snapshot(&self) {
        loop {
            if let Ok(client) = self.db.connect().await {
                let look = "begin isolation level repeatable read; select from campaign.recipient";
                if client.batch_execute(look).await.is_ok() {
                    while !client.is_closed() {
                        sleep(Duration::from_millis(200)).await;
                    }
                }
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}
