//! What a seed decides: everything but the interleaving.

use std::fmt;
use std::time::Duration;

use rand::rngs::ChaCha20Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use crate::fault::{Cut, CutEnds, Decision, Family, Fault};

/// A runner that is silent for so long is taken for dead.
pub const STALE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub seed: u64,
    pub run: u32,
    pub family: Family,
    pub runners: usize,
    pub campaigns: Vec<CampaignPlan>,
    /// In the order in which they strike.
    pub strikes: Vec<Strike>,
    /// How long the relay takes to answer the final dot.
    pub reply_after: Duration,
    /// How many of a thousand recipients the relay refuses until it is mended.
    pub refused_per_mille: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CampaignPlan {
    /// Of the integration and of the sender's local part.
    pub name: &'static str,
    pub on_uncertain: &'static str,
    pub recipients: usize,
    pub chunk_size: usize,
    pub concurrency: usize,
    /// Mails a second. Without, mails wait behind others, and are announced with their end.
    pub rate: Option<usize>,
    pub max_retries: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// When the relay has accepted so many mails, or after some time without progress.
    pub after_mails: usize,
    pub fault: Fault,
}

impl Plan {
    /// `only`: the family of all runs; else it goes round.
    pub fn new(seed: u64, run: u32, only: Option<Family>) -> Plan {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(run));
        let turn = run.saturating_sub(1) as usize % Family::ALL.len();
        let family = only.unwrap_or(Family::ALL[turn]);
        let runners = rng.random_range(2..=4);
        let both = rng.random_bool(0.75) || matches!(family, Family::Resolve | Family::AllAtOnce);
        let policies = [("hold", true), ("resend", both)];
        let campaigns: Vec<CampaignPlan> = policies
            .into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(policy, _)| campaign(&mut rng, policy))
            .collect();
        let total: usize = campaigns.iter().map(|one| one.recipients).sum();

        let mut faults = match family {
            Family::AllAtOnce => several(&mut rng, runners, campaigns.len()),
            family => {
                let times = match family {
                    Family::Cancel | Family::HeldSnapshot => 1,
                    Family::Stop | Family::DatabaseCrash | Family::DatabaseClock => 2,
                    _ => rng.random_range(3..=4),
                };
                let faults = (0..times).map(|_| fault(&mut rng, family, runners, campaigns.len()));
                let mut faults: Vec<Fault> = faults.collect();
                if family == Family::Resolve {
                    // So that there is something to decide about.
                    faults.insert(0, fault(&mut rng, Family::Kill, runners, campaigns.len()));
                    faults.insert(
                        2,
                        fault(&mut rng, Family::RelayDrops, runners, campaigns.len()),
                    );
                    let (runner, campaign) = (
                        rng.random_range(0..runners),
                        rng.random_range(0..campaigns.len()),
                    );
                    faults.push(Fault::ResendToZombie { runner, campaign });
                }
                faults
            }
        };
        faults.sort_by_key(|fault| *fault != Fault::HeldSnapshot);
        let mut times: Vec<usize> = faults
            .iter()
            .map(|_| total * rng.random_range(3..=75) / 100)
            .collect();
        times.sort_unstable();
        let strikes = times.into_iter().zip(faults);
        let refuses = matches!(family, Family::RetryFailed | Family::AllAtOnce);
        Plan {
            seed,
            run,
            family,
            runners,
            campaigns,
            strikes: strikes
                .map(|(after_mails, fault)| Strike { after_mails, fault })
                .collect(),
            reply_after: Duration::from_millis(rng.random_range(5..=40)),
            refused_per_mille: if refuses { 20 } else { 5 },
        }
    }

    pub fn has(&self, family: Family) -> bool {
        let mut strikes = self.strikes.iter();
        strikes.any(|strike| strike.fault.family() == family)
    }
}

fn campaign(rng: &mut ChaCha20Rng, policy: &'static str) -> CampaignPlan {
    let is_limited = rng.random_bool(0.5);
    let recipients = rng.random_range(match is_limited {
        true => 1_000..=2_000,
        false => 2_000..=5_000,
    });
    CampaignPlan {
        name: policy,
        on_uncertain: policy,
        recipients,
        chunk_size: *[30, 100, 250, 500].choose(rng).unwrap_or(&100),
        concurrency: rng.random_range(2..=6),
        rate: is_limited.then(|| recipients / rng.random_range(8..=12)),
        max_retries: rng.random_range(4..=6),
    }
}

/// Some of all families, each at most once.
fn several(rng: &mut ChaCha20Rng, runners: usize, campaigns: usize) -> Vec<Fault> {
    let mut families: Vec<Family> = Family::ALL
        .into_iter()
        .filter(|family| !matches!(family, Family::AllAtOnce | Family::HeldSnapshot))
        .collect();
    families.shuffle(rng);
    families.truncate(rng.random_range(7..=10));
    let mut faults = vec![Fault::HeldSnapshot];
    faults.extend(
        families
            .into_iter()
            .map(|family| fault(rng, family, runners, campaigns)),
    );
    faults
}

fn fault(rng: &mut ChaCha20Rng, family: Family, runners: usize, campaigns: usize) -> Fault {
    let runner = rng.random_range(0..runners);
    let campaign = rng.random_range(0..campaigns);
    let lasts = |rng: &mut ChaCha20Rng, ms| Duration::from_millis(rng.random_range(ms));
    match family {
        Family::Kill => Fault::Kill {
            runner,
            back_after: lasts(rng, 200..=4_000),
        },
        Family::Stop => Fault::Stop {
            runner,
            lasts: STALE + lasts(rng, 1_500..=5_000),
        },
        Family::Terminate => Fault::Terminate {
            runner,
            back_after: lasts(rng, 0..=2_000),
        },
        Family::DatabaseCrash => Fault::DatabaseCrash {
            lasts: lasts(rng, 0..=4_000),
        },
        Family::SessionsEnd => Fault::SessionsEnd,
        Family::DatabaseHalfOpen => Fault::DatabaseHalfOpen {
            runner,
            cut: cut(rng),
        },
        Family::RelayHalfOpen => Fault::RelayHalfOpen { cut: cut(rng) },
        Family::RelayDrops => Fault::RelayDrops {
            per_mille: rng.random_range(10..=40),
            lasts: lasts(rng, 2_000..=6_000),
        },
        Family::RelayDown => Fault::RelayDown {
            lasts: lasts(rng, 500..=4_000),
        },
        Family::RunnerClock => Fault::RunnerClock {
            runner,
            hours: hour(rng),
            lasts: lasts(rng, 1_000..=6_000),
        },
        Family::DatabaseClock => Fault::DatabaseClock {
            hours: hour(rng),
            lasts: lasts(rng, 1_000..=6_000),
        },
        Family::Cancel => Fault::Cancel { campaign },
        Family::Pause => Fault::Pause {
            campaign,
            lasts: lasts(rng, 100..=3_000),
        },
        Family::RetryFailed => Fault::RetryFailed { campaign },
        Family::Resolve => match rng.random_range(0..5) {
            0 => Fault::ResendToZombie { runner, campaign },
            1 => resolve(campaign, Decision::Sent),
            2 => resolve(campaign, Decision::Resend { force: false }),
            _ => resolve(campaign, Decision::Resend { force: true }),
        },
        Family::HeldSnapshot | Family::AllAtOnce => Fault::HeldSnapshot,
    }
}

fn resolve(campaign: usize, decision: Decision) -> Fault {
    Fault::Resolve { campaign, decision }
}

fn hour(rng: &mut ChaCha20Rng) -> i64 {
    if rng.random_bool(0.5) { 1 } else { -1 }
}

fn cut(rng: &mut ChaCha20Rng) -> Cut {
    let (up, down) = *[(true, true), (true, false), (false, true)]
        .choose(rng)
        .unwrap_or(&(true, true));
    Cut {
        up,
        down,
        new_ones: rng.random_bool(0.5),
        // Shorter and longer than a lease lives.
        lasts: Duration::from_millis(rng.random_range(1_000..=7_000)),
        ends: *[CutEnds::Carried, CutEnds::Closed, CutEnds::Never]
            .choose(rng)
            .unwrap_or(&CutEnds::Closed),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "run {} of seed {}: {}; {} runners, replies after {:?}, {} of 1000 recipients refused",
            self.run,
            self.seed,
            self.family,
            self.runners,
            self.reply_after,
            self.refused_per_mille
        )?;
        for one in &self.campaigns {
            writeln!(
                f,
                "  campaign {}: {} recipients, chunks of {}, {} connections, {}, {} tries",
                one.name,
                one.recipients,
                one.chunk_size,
                one.concurrency,
                one.rate
                    .map_or("no rate".to_owned(), |rate| format!("{rate} a second")),
                one.max_retries
            )?;
        }
        for Strike { after_mails, fault } in &self.strikes {
            writeln!(f, "  after {after_mails:>4} mails: {fault:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_run_decide_the_schedule() {
        assert_eq!(Plan::new(7, 17, None), Plan::new(7, 17, None));
        assert_ne!(Plan::new(7, 17, None), Plan::new(8, 17, None));
        let one = |run| Plan::new(7, run, Some(Family::AllAtOnce)).strikes;
        assert_ne!(one(1), one(2));
    }

    #[test]
    fn each_family_strikes_in_its_run() {
        for (run, family) in (1..).zip(Family::ALL) {
            let plan = Plan::new(1, run, None);
            assert_eq!(plan.family, family);
            assert!(family == Family::AllAtOnce || plan.has(family), "{plan}");
        }
    }
}
