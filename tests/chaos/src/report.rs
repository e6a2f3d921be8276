//! The table of all runs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::arena::Outcome;
use crate::check::Figures;
use crate::fault::Family;
use crate::plan::Plan;

const BEGIN: &str = "<!-- begin: written by make chaos RUNS=50 -->";
const END: &str = "<!-- end -->";
/// Of findings of one run that are printed.
const SHOWN: usize = 12;

#[derive(Default)]
pub struct Report {
    rows: BTreeMap<Family, Line>,
    /// Those of runs with all faults counted too.
    strikes: BTreeMap<Family, u64>,
    failed: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct Line {
    runs: u64,
    strikes: u64,
    kills: u64,
    figures: Figures,
}

impl Report {
    pub fn add(&mut self, plan: &Plan, outcome: Outcome) {
        let Figures {
            mails,
            duplicates,
            asked,
            lost,
            uncertain,
            bound,
            unknown,
            recovered,
            lost_at_dot,
        } = outcome.figures;
        let passed = outcome.findings.is_empty();
        let strikes: u64 = outcome.strikes.values().sum();
        println!(
            "run {} of seed {} {} in {}: {mails} mails, {duplicates} duplicates (and {asked} asked for), {lost} lost, \
             {uncertain} uncertain of at most {bound} ({recovered} leases recovered, {lost_at_dot} connections lost), {unknown} of them accepted; \
             {strikes} strikes, {} kills",
            plan.run,
            plan.seed,
            if passed { "passed" } else { "FAILED" },
            rounded(outcome.took),
            outcome.kills
        );
        for finding in outcome.findings.iter().take(SHOWN) {
            println!("    {finding}");
        }
        if outcome.findings.len() > SHOWN {
            println!("    and {} more", outcome.findings.len() - SHOWN);
        }
        if !passed {
            self.failed.push(plan.run);
        }
        let line = self.rows.entry(plan.family).or_default();
        line.runs += 1;
        line.strikes += strikes;
        line.kills += outcome.kills;
        line.figures += outcome.figures;
        for (family, times) in outcome.strikes {
            *self.strikes.entry(family).or_default() += times;
        }
    }

    /// How often each fault struck, in runs of its own and in those of all.
    pub fn strikes(&self) -> String {
        let each = self.strikes.iter();
        let each: Vec<String> = each
            .map(|(family, times)| format!("{family} {times}"))
            .collect();
        each.join(", ")
    }

    pub fn passed(&self) -> bool {
        self.failed.is_empty()
    }

    pub fn runs(&self) -> u64 {
        self.rows.values().map(|line| line.runs).sum()
    }

    /// Replaces what stands between the markers.
    pub fn write(&self, document: &Path, seed: u64, took: Duration) {
        let text = std::fs::read_to_string(document).expect("the document cannot be read");
        let (before, rest) = text.split_once(BEGIN).expect("the document has no begin");
        let (_, after) = rest.split_once(END).expect("the document has no end");
        let figures = format!(
            "{before}{BEGIN}\nSeed {seed}, {} runs in {}, on {}.\n\n{self}{END}{after}",
            self.runs(),
            rounded(took),
            machine()
        );
        std::fs::write(document, figures).expect("the document cannot be written");
    }
}

/// As a table of Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = [
            "runs",
            "strikes",
            "kills",
            "mails",
            "duplicates",
            "asked for",
            "lost",
            "uncertain",
            "bound",
        ];
        write!(f, "| {:32} |", "fault")?;
        for head in heads {
            write!(f, " {head:>10} |")?;
        }
        write!(f, "\n| {} |", "-".repeat(32))?;
        for _ in heads {
            write!(f, " {}: |", "-".repeat(9))?;
        }
        writeln!(f)?;
        let mut all = Line::default();
        for (family, line) in &self.rows {
            writeln!(f, "| {family:32} |{line}")?;
            all.runs += line.runs;
            all.strikes += line.strikes;
            all.kills += line.kills;
            all.figures += line.figures;
        }
        writeln!(f, "| {:32} |{all}", "all runs")?;
        if !self.failed.is_empty() {
            writeln!(f, "\nFAILED: runs {:?}", self.failed)?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures {
            mails,
            duplicates,
            asked,
            lost,
            uncertain,
            bound,
            ..
        } = self.figures;
        let numbers = [
            self.runs,
            self.strikes,
            self.kills,
            mails,
            duplicates,
            asked,
            lost,
            uncertain,
            bound,
        ];
        for number in numbers {
            write!(f, " {number:>10} |")?;
        }
        Ok(())
    }
}

pub fn rounded(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    format!(
        "{cores} cores of {model}, Linux {}",
        read("/proc/sys/kernel/osrelease").trim()
    )
}
