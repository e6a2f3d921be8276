use std::sync::LazyLock;

use regex::Regex;

/// Columns whose values belong to a machine or a moment.
const COLUMNS: [&str; 5] = ["host", "pid", "port", "per_minute", "eta_seconds"];

static UUID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap());
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:\d\d)?)?").unwrap()
});
static SPACE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s+").unwrap());
static RULER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"-{2,}").unwrap());

/// The lines of what psql said, without what differs from run to run: ids, times, columns of the machine, and the
/// widths that follow from them.
pub fn without_volatile(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.trim_end().lines().map(fold).collect();
    let mut columns = Vec::new();
    for at in 0..lines.len() {
        if lines.get(at + 1).is_some_and(|below| is_ruler(below)) {
            columns = cells(&lines[at]).map(str::to_owned).collect();
        } else if !is_ruler(&lines[at]) && cells(&lines[at]).count() == columns.len() {
            let kept = cells(&lines[at]).zip(&columns).map(|(cell, column)| {
                if COLUMNS.contains(&column.as_str()) {
                    format!("<{column}>")
                } else {
                    cell.to_owned()
                }
            });
            lines[at] = kept.collect::<Vec<String>>().join(" | ");
        } else if !is_ruler(&lines[at]) {
            columns.clear();
        }
    }
    lines
}

fn fold(line: &str) -> String {
    let line = UUID.replace_all(line, "<uuid>");
    let line = TIME.replace_all(&line, "<time>");
    let line = RULER.replace_all(&line, "-");
    SPACE.replace_all(&line, " ").trim().to_owned()
}

fn is_ruler(line: &str) -> bool {
    line.starts_with('-') && line.chars().all(|c| c == '-' || c == '+')
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split('|').map(str::trim)
}

#[test]
fn ids_times_and_widths_are_not_compared() {
    let once = " id                                   | at                            | n\n\
                --------------------------------------+-------------------------------+---\n \
                0a0c1e00-2026-4226-8000-000000000001 | 2026-02-26 18:00:00.123456+00 | 3\n(1 row)\n";
    let again = " id | at | n \n--+---+---\n \
                7d9d3a52-41f7-4a6e-9b5e-2f4f0e6d1c11 | 2027-01-01 00:00:00+01:30 |   3\n(1 row)\n\n";
    assert_eq!(without_volatile(once), without_volatile(again));
    assert_ne!(
        without_volatile(once),
        without_volatile(&again.replace("  3", "  4"))
    );
}

#[test]
fn columns_of_the_machine_are_not_compared_and_their_neighbours_are() {
    let once = " host | alive\n------+-------\n here | t\n(1 row)\n";
    let again = " host | alive\n------+-------\n there | t\n(1 row)\n";
    assert_eq!(without_volatile(once), without_volatile(again));
    assert_ne!(
        without_volatile(once),
        without_volatile(&again.replace("| t", "| f"))
    );
}
