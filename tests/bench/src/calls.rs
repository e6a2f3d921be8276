//! How long calls of runners took in the database, as its log says.

use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

/// Durations of one call, for each campaign in order of time.
#[derive(Default)]
pub struct Calls {
    campaigns: Vec<Vec<Duration>>,
}

impl Calls {
    pub fn add(&mut self, campaign: Vec<Duration>) {
        assert!(
            !campaign.is_empty(),
            "the log of PostgreSQL has no such call"
        );
        self.campaigns.push(campaign);
    }

    pub fn all(&self) -> Vec<Duration> {
        self.campaigns.concat()
    }

    /// The first tenth of each campaign.
    pub fn first_decile(&self) -> Vec<Duration> {
        let decile = |calls: &Vec<Duration>| calls[..calls.len().div_ceil(10)].to_vec();
        self.campaigns.iter().flat_map(decile).collect()
    }

    /// The last tenth of each campaign.
    pub fn last_decile(&self) -> Vec<Duration> {
        let decile =
            |calls: &Vec<Duration>| calls[calls.len() - calls.len().div_ceil(10)..].to_vec();
        self.campaigns.iter().flat_map(decile).collect()
    }
}

/// The log of the cluster, from some moment on.
pub struct Log(File);

impl Log {
    pub fn from_here() -> Log {
        let folder = env::var_os("PG_CAMPAIGN_CLUSTERS").expect("PG_CAMPAIGN_CLUSTERS");
        let path = PathBuf::from(folder).join("data/server.log");
        let mut file = File::open(path).expect("the log of PostgreSQL cannot be read");
        file.seek(SeekFrom::End(0)).expect("no end of a file");
        Log(file)
    }

    pub fn read(mut self) -> String {
        let mut text = String::new();
        self.0
            .read_to_string(&mut text)
            .expect("the log of PostgreSQL cannot be read");
        text
    }
}

/// The durations of the calls of a function, planning included, in order.
pub fn durations(log: &str, function: &str) -> Vec<Duration> {
    let mut planned: HashMap<&str, Duration> = HashMap::new();
    let mut calls = Vec::new();
    for line in log.lines().filter(|line| line.contains(function)) {
        let Some((session, duration, phase)) = entry(line) else {
            continue;
        };
        match phase {
            "execute" => calls.push(planned.remove(session).unwrap_or_default() + duration),
            _ => *planned.entry(session).or_default() += duration,
        }
    }
    calls
}

/// The claims that leased one chunk. `leases`: how many chunks each of those leased that found any, in order.
pub fn of_one_chunk(calls: Vec<Duration>, leases: &[i64]) -> Vec<Duration> {
    let calls = that_leased(calls, leases.len());
    (calls.into_iter().zip(leases))
        .filter(|(_, chunks)| **chunks == 1)
        .map(|(duration, _)| duration)
        .collect()
}

/// Without those that found nothing: as many as there were leases, the slowest. The order stays.
fn that_leased(calls: Vec<Duration>, leases: usize) -> Vec<Duration> {
    let Some(surplus) = calls.len().checked_sub(leases) else {
        return calls;
    };
    let mut fastest: Vec<usize> = (0..calls.len()).collect();
    fastest.sort_by_key(|index| calls[*index]);
    let left_out = &fastest[..surplus];
    (calls.iter().enumerate())
        .filter(|(index, _)| !left_out.contains(index))
        .map(|(_, duration)| *duration)
        .collect()
}

/// Session, duration and phase of `TIME [SESSION] LOG:  duration: 0.1 ms  execute s1: …`.
fn entry(line: &str) -> Option<(&str, Duration, &str)> {
    let (prefix, entry) = line.split_once("LOG:  duration: ")?;
    let (_, session) = prefix.split_once('[')?;
    let (session, _) = session.split_once(']')?;
    let (milliseconds, rest) = entry.split_once(" ms  ")?;
    let duration = Duration::from_secs_f64(milliseconds.parse::<f64>().ok()? / 1_000.0);
    Some((session, duration, rest.split(' ').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_call_is_as_long_as_its_planning_and_execution() {
        let log = "\
2026-03-25 19:00:00.001 UTC [11] LOG:  duration: 2.000 ms  bind s1: select campaign.report($1, $2)
2026-03-25 19:00:00.002 UTC [12] LOG:  duration: 7.000 ms  execute s1: select campaign.report($1, $2)
2026-03-25 19:00:00.003 UTC [11] LOG:  duration: 3.000 ms  execute s1: select campaign.report($1, $2)
2026-03-25 19:00:00.004 UTC [11] LOG:  duration: 9.000 ms  execute s2: select campaign.tick($1)
2026-03-25 19:00:00.005 UTC [11] ERROR:  campaign.report( failed
";
        assert_eq!(durations(log, "campaign.report("), milliseconds(&[7, 5]));
    }

    #[test]
    fn claims_that_found_nothing_are_the_fastest() {
        let calls = milliseconds(&[1, 9, 5, 2, 7]);
        assert_eq!(that_leased(calls.clone(), 3), milliseconds(&[9, 5, 7]));
        assert_eq!(that_leased(calls.clone(), 5), calls);
        assert_eq!(that_leased(calls.clone(), 6), calls);
    }

    #[test]
    fn claims_of_several_chunks_are_left_out() {
        let calls = milliseconds(&[1, 20, 5, 2, 7]);
        assert_eq!(of_one_chunk(calls, &[2, 1, 1]), milliseconds(&[5, 7]));
    }

    #[test]
    fn deciles_are_of_each_campaign() {
        let mut calls = Calls::default();
        let twenty: Vec<u64> = (1..=20).collect();
        calls.add(milliseconds(&twenty));
        calls.add(milliseconds(&[30, 40]));
        assert_eq!(calls.first_decile(), milliseconds(&[1, 2, 30]));
        assert_eq!(calls.last_decile(), milliseconds(&[19, 20, 40]));
        assert_eq!(calls.all().len(), 22);
    }
}
