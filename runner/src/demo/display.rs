//! How the demo looks: its lines, bars and tables.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;

/// Not `println!`, which panics when nobody reads any more.
pub fn say(text: impl Display) -> std::io::Result<()> {
    writeln!(stdout(), "{text}")
}

/// A row of `campaign_progress`.
#[derive(Deserialize)]
pub struct Campaign {
    segment: String,
    pub status: String,
    status_reason: Option<String>,
    total_contacts: u32,
    pub pending_count: u32,
    sent_count: u32,
    failed_count: u32,
    pub uncertain_count: u32,
    percent: Option<f64>,
    per_minute: Option<f64>,
    eta_seconds: Option<f64>,
    /// Seconds since 1970, as is `ended`.
    started: Option<f64>,
    ended: Option<f64>,
}

impl Campaign {
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    pub fn state(&self) -> String {
        let mut text = format!("{} is {}", self.segment, self.status);
        if let Some(reason) = &self.status_reason {
            text += &format!(": {reason}");
        }
        if self.uncertain_count > 0 {
            text += &format!(
                "; {} uncertain: nobody can know whether the relay accepted the mail",
                self.uncertain_count
            );
        }
        text
    }
}

/// Bars on a terminal, else a line a second.
pub enum Live {
    Bars(MultiProgress, Vec<ProgressBar>),
    Lines(Option<Instant>),
}

impl Live {
    pub fn new() -> Self {
        if stdout().is_terminal() {
            Self::Bars(
                MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
                Vec::new(),
            )
        } else {
            Self::Lines(None)
        }
    }

    /// Leaves the bars as they are, and goes on below.
    pub fn end(self) -> std::io::Result<()> {
        match self {
            Self::Bars(_, bars) => {
                bars.iter().for_each(ProgressBar::abandon);
                say("")
            }
            Self::Lines(_) => Ok(()),
        }
    }

    pub fn show(&mut self, campaigns: &[Campaign]) -> Result<()> {
        match self {
            Self::Bars(all, bars) => {
                while bars.len() < campaigns.len() {
                    let style = ProgressStyle::with_template("{prefix:10} {bar:22.green} {msg}")?;
                    let bar = ProgressBar::new(0);
                    bars.push(all.add(bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏ "))));
                }
                for (bar, c) in bars.iter().zip(campaigns) {
                    bar.set_prefix(c.segment.clone());
                    bar.set_length(c.total_contacts.into());
                    bar.set_position((c.total_contacts - c.pending_count).into());
                    let eta = c.eta_seconds.map(|seconds| format!("ETA {seconds:.0} s"));
                    bar.set_message(format!(
                        "{:>3}/{:<3} {:>3.0} %  {:>4.0}/min  {:9}  {} failed",
                        c.sent_count,
                        c.total_contacts,
                        c.percent.unwrap_or_default(),
                        c.per_minute.unwrap_or_default(),
                        eta.unwrap_or(c.status.clone()),
                        c.failed_count
                    ));
                }
            }
            Self::Lines(last) => {
                let due = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(1));
                if due || campaigns.iter().all(Campaign::has_ended) {
                    *last = Some(Instant::now());
                    let parts = campaigns.iter().map(|c| {
                        let Campaign {
                            segment,
                            sent_count,
                            total_contacts,
                            failed_count,
                            ..
                        } = c;
                        format!("{segment} {sent_count}/{total_contacts}, {failed_count} failed")
                    });
                    say(parts.collect::<Vec<_>>().join("; "))?;
                }
            }
        }
        Ok(())
    }
}

/// What came of the campaigns; the time of the total is from the first start to the last end.
pub fn outcome(campaigns: &[Campaign]) -> String {
    let line = |name: &str, part: &[Campaign]| {
        let sum = |count: fn(&Campaign) -> u32| part.iter().map(count).sum::<u32>();
        let started = part.iter().filter_map(|campaign| campaign.started);
        let ended = part.iter().filter_map(|campaign| campaign.ended);
        let seconds = ended.fold(0.0, f64::max) - started.fold(f64::MAX, f64::min);
        let sent = sum(|campaign| campaign.sent_count);
        let (time, per_minute) = match seconds {
            ..=0.0 => Default::default(),
            ..120.0 => (format!("{seconds:.1} s"), 60.0 * f64::from(sent) / seconds),
            _ => (
                format!("{:.1} min", seconds / 60.0),
                60.0 * f64::from(sent) / seconds,
            ),
        };
        vec![
            name.to_owned(),
            sum(|campaign| campaign.total_contacts).to_string(),
            sent.to_string(),
            sum(|campaign| campaign.failed_count).to_string(),
            time,
            format!("{per_minute:.0}"),
        ]
    };
    let header = ["segment", "mails", "sent", "failed", "time", "per minute"];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    lines.extend(
        campaigns
            .iter()
            .map(|one| line(&one.segment, std::slice::from_ref(one))),
    );
    lines.push(line("total", campaigns));
    table(&lines)
}

/// Lays out lines, of which the first is the header, as psql does.
pub fn table(lines: &[Vec<String>]) -> String {
    let width = |column| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(String::len)
            .max()
    };
    let widths: Vec<_> = (0..).map_while(width).collect();
    let mut rows = Vec::new();
    for line in lines {
        let cells =
            line.iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column {
                    0 => format!(" {cell:width$} "),
                    _ => format!(" {cell:>width$} "),
                });
        rows.push(cells.collect::<Vec<_>>().join("|"));
        if rows.len() == 1 {
            let rule = widths.iter().map(|width| "-".repeat(width + 2));
            rows.push(rule.collect::<Vec<_>>().join("+"));
        }
    }
    rows.join("\n")
}
