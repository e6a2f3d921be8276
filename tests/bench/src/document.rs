//! The document: all tables of one run, and what they mean for the targets.

use std::fmt::Write;

use crate::cpu::Cpu;
use crate::fairness::Fairness;
use crate::growth::Growth;
use crate::latency::Latency;
use crate::limit;
use crate::peers::Peers;
use crate::speed::{Limit, Speed};
use crate::table::Table;

pub struct Results {
    pub full: bool,
    pub machine: Vec<(&'static str, String)>,
    pub limit: Limit,
    pub speed: Speed,
    pub peers: Peers,
    pub growth: Growth,
    pub latency: Latency,
    pub fairness: Fairness,
    pub cpu: Cpu,
}

/// What was aimed at, and what was measured.
struct Target {
    what: &'static str,
    bound: Bound,
    value: f64,
    unit: &'static str,
    /// How many digits after the point are shown.
    digits: usize,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.value >= bound,
            Bound::AtMost(bound) => self.value <= bound,
        }
    }

    fn row(&self) -> Vec<String> {
        let bound = match self.bound {
            Bound::AtLeast(bound) => format!("≥ {bound}{}", self.unit),
            Bound::AtMost(bound) => format!("≤ {bound}{}", self.unit),
        };
        let verdict = if self.is_met() { "met" } else { "**missed**" };
        vec![
            self.what.to_owned(),
            bound,
            format!("{:.*}{}", self.digits, self.value, self.unit),
            verdict.to_owned(),
        ]
    }
}

impl Results {
    fn targets(&self) -> Vec<Target> {
        use Bound::{AtLeast, AtMost};
        let ours = self.speed.ours();
        let target = |what, bound, value, unit, digits| Target {
            what,
            bound,
            value,
            unit,
            digits,
        };
        vec![
            target(
                "ours / limit",
                AtLeast(0.9),
                ours / self.limit.rate(),
                "",
                2,
            ),
            target(
                "ours / graphile-worker + nodemailer",
                AtLeast(8.0),
                ours / self.peers.graphile_worker(),
                "",
                1,
            ),
            target(
                "ours / nodemailer alone, no database",
                AtLeast(7.0),
                ours / self.peers.nodemailer(),
                "",
                1,
            ),
            target(
                "claim p99 at 1 M over at 10 k, snapshot held, nothing else on the cores",
                AtMost(1.5),
                self.growth.claims(),
                "",
                2,
            ),
            target(
                "dead tuples per recipient at 1 M, snapshot held",
                AtMost(0.02),
                self.growth.dead_tuples(),
                "",
                4,
            ),
            target(
                "WAL per recipient at 1 M, start to end",
                AtMost(600.0),
                self.growth.wal(),
                " bytes",
                0,
            ),
            target(
                "runner's peak memory at 1 M",
                AtMost(64.0),
                self.growth.peak_memory() as f64 / 1_048_576.0,
                " MiB",
                1,
            ),
            target(
                "… and flat: in the end over after a tenth",
                AtMost(1.1),
                self.growth.memory_grows(),
                "",
                2,
            ),
            target(
                "start_campaign for 1 M, in one call",
                AtMost(6.0),
                self.growth.start().as_secs_f64(),
                " s",
                1,
            ),
            target(
                "commit → first mail, p99, NOTIFY",
                AtMost(50.0),
                self.latency.p99().as_secs_f64() * 1_000.0,
                " ms",
                1,
            ),
            target(
                "200 mails beside 1 M over alone, until all are recorded",
                AtMost(3.0),
                self.fairness.last_mail(),
                "",
                1,
            ),
            target(
                "… until the campaign is completed",
                AtMost(3.0),
                self.fairness.completed(),
                "",
                1,
            ),
        ]
    }

    pub fn targets_table(&self) -> Table {
        targets_table(&self.targets())
    }

    pub fn document(&self) -> String {
        let mut text = String::new();
        let command = if self.full {
            "make bench-full"
        } else {
            "make bench"
        };
        let mut add = |part: std::fmt::Arguments| text.write_fmt(part).expect("text");
        add(format_args!(
            "# Benchmarks\n\n\
             Written whole by one run of `{command}`; that is also how to repeat it, on Debian 12 with Rust. Machines differ: the ratios are what \
             matters, each within this run. `make bench PART=speed` measures a part and writes nothing.\n\n"
        ));
        let mut machine = Table::new(&["what", "which"]);
        for (what, which) in &self.machine {
            machine.row(vec![(*what).to_owned(), which.clone()]);
        }
        add(format_args!(
            "{machine}\n## Targets\n\n{}\n",
            self.targets_table()
        ));
        add(format_args!(
            "## Speed\n\n\
             *mails/s* is between the first and the last acceptance, as smtp-sink counts them itself, looked at every 2 ms. *start to end* is from the \
             commit of `start_campaign` to the status `completed`, which a tick proves once a second at most. Medians of the runs. All send over 10 \
             connections unless said otherwise; CPU time is that of all processes, from /proc.\n\n\
             - *limit*: a loop that builds each mail with lettre ({limit} bytes on the wire, multipart, personalised), and sends it with MAIL, RCPT and DATA \
             in one write, message and dot in another, NODELAY; no database. It is measured before, between and after the others.\n\
             - *ours*: a campaign whose mails have {ours} bytes on the wire: personalised, with four tracked links, the pixel, a text part made of the \
             HTML, and unsubscribing; in the row that says so, an HTML part of 2.9 kB makes {long} of them, twice what the limit sends. Every outcome durable. \
             Settings of docs/administration.md, *Much, fast*: `chunk_size` 2,000, 10,000 messages a connection, `pipelining: messages`. Rows name what is otherwise; defaults are \
             500, 100, `commands`, and 3 connections. After each run every line \
             of `check_campaign` holds, and the sink has counted as many mails as there are recipients.\n\n{table}\n",
            limit = limit::size(),
            ours = self.speed.sizes[0],
            long = self.speed.sizes[1],
            table = self.speed.table(&self.limit)
        ));
        add(format_args!(
            "## Peers\n\n\
             The mail of the limit, nodemailer's pool with 10 connections kept for ever, on the same cluster and sink; scripts in `tests/bench/peers`. \
             graphile-worker has a local queue of 500, completes in batches and runs 100 jobs at a time; pg-boss fetches and completes 500 jobs a call. \
             Filling the queues is not counted.\n\n{}\n",
            self.peers.table(&self.limit)
        ));
        add(format_args!(
            "## Growth\n\n\
             Campaigns with all of the above, by one runner at full speed. *snapshot held*: another session has a transaction open all the time, so \
             nothing dead can be cleared away. Claims and reports are timed by PostgreSQL, planning included, while runner and sink want the same cores; the commit, \
             which comes after, is not in it. Claims are those that leased one chunk: of all claims the fastest found nothing and are left out, and so are \
             the few that leased two or more. Small sizes are repeated in one database. *progress* is \
             a round trip of `campaign_progress`.\n\n{}\nClaims once more, with a snapshot held and nothing else on the cores: no runner and no mails, one session that claims a chunk of 500, reports \
             that its mails were accepted, claims the next, and ticks once a second. The target is about these: above, the slowest of a hundred claims is the one that had to wait for a core, \
             and the ratio of two such was 1.9 in one run and 0.4 in another.\n\n{}\nWhere the time of a start goes: the query alone, the query with an INSERT of its rows into a table like that of the recipients, \
             and all but writing: who is repeated, suppressed, or has the mail already, and whether each has what the template reads. \
             A start is both, and looks at what was written once more.\n\n{}\nPer recipient, from before `start_campaign` to the end, and memory of the runner:\n\n{}\n",
            self.growth.calls_table(),
            self.growth.claims_table(),
            self.growth.start_table(),
            self.growth.space_table()
        ));
        add(format_args!(
            "## Latency\n\n\
             From the commit of `start_campaign` to the acceptance of the first mail, on runners that have nothing else to do, over a connection that is open \
             from a campaign before; the relay is the scripted SMTP server of the tests, which answers at once.\n\n{}\n",
            self.latency.table()
        ));
        add(format_args!(
            "## Fairness\n\n\
             A campaign of 200 alone, and while one of 1,000,000 is sent by the same runner over the same relay; medians.\n\n{}\n",
            self.fairness.table()
        ));
        add(format_args!(
            "## Where the instructions go\n\n\
             Instructions of the runner for each mail, counted by callgrind on a run of its own; the kernel's are not among them. What serves several \
             purposes, such as memory, is counted for those who call it. Tokens seem dearer than they are: they are HMACs, and under callgrind SHA-256 does \
             without the instructions that processors have for it.\n\n{}",
            self.cpu.table()
        ));
        text
    }
}

fn targets_table(targets: &[Target]) -> Table {
    let mut table = Table::new(&["what", "target", "measured", ""]);
    for target in targets {
        table.row(target.row());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(bound: Bound, value: f64) -> Target {
        Target {
            what: "speed",
            bound,
            value,
            unit: " ms",
            digits: 1,
        }
    }

    #[test]
    fn a_target_is_met_at_its_bound_and_missed_beyond() {
        assert!(target(Bound::AtLeast(0.9), 0.9).is_met());
        assert!(!target(Bound::AtLeast(0.9), 0.89).is_met());
        assert!(target(Bound::AtMost(1.5), 1.5).is_met());
        assert!(!target(Bound::AtMost(1.5), 1.51).is_met());
        assert!(!target(Bound::AtMost(1.5), f64::NAN).is_met());
    }

    #[test]
    fn a_missed_target_is_shown_as_missed() {
        let row = target(Bound::AtMost(50.0), 61.26).row();
        assert_eq!(row, ["speed", "≤ 50 ms", "61.3 ms", "**missed**"]);
    }
}
