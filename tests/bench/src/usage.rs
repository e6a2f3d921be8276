//! What processes cost, as /proc tells it.

use std::fs;
use std::time::Duration;

/// CPU time that the process has used, in user and kernel mode.
pub fn cpu(pid: i32) -> Duration {
    let fields = stat(pid).expect("the process is gone");
    ticks(fields[UTIME] + fields[STIME])
}

/// CPU time of the server, and of all sessions that it has now or had.
pub fn cpu_of_server(postmaster: i32) -> Duration {
    let fields = stat(postmaster).expect("PostgreSQL is gone");
    let own = fields[UTIME] + fields[STIME] + fields[CUTIME] + fields[CSTIME];
    let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
    let children = children.expect("the kernel lists no children");
    let living = (children.split(' '))
        .filter_map(|pid| stat(pid.parse().ok()?))
        .map(|fields| fields[UTIME] + fields[STIME]);
    ticks(own + living.sum::<u64>())
}

pub fn parent(pid: i32) -> i32 {
    let fields = stat(pid).expect("the process is gone");
    fields[PPID].try_into().expect("a pid")
}

/// Resident memory now, in bytes.
pub fn memory(pid: i32) -> u64 {
    status(pid, "VmRSS:")
}

/// The most resident memory that it ever had, in bytes.
pub fn peak_memory(pid: i32) -> u64 {
    status(pid, "VmHWM:")
}

// proc_pid_stat(5), counted from the state, which is the third field.
const PPID: usize = 1;
const UTIME: usize = 11;
const STIME: usize = 12;
const CUTIME: usize = 13;
const CSTIME: usize = 14;

fn stat(pid: i32) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat_fields(&stat))
}

/// Names of programs may contain spaces and parentheses. What is no natural number counts as zero.
fn stat_fields(stat: &str) -> Vec<u64> {
    let (_, fields) = stat.rsplit_once(") ").expect("a line of stat");
    let fields = fields.split_ascii_whitespace();
    fields.map(|field| field.parse().unwrap_or(0)).collect()
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn status(pid: i32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is gone");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 = (kibibytes.expect("the process has no memory"))
        .trim()
        .parse()
        .expect("a number");
    kibibytes * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194304 100 0 0 0 310 25 40 5 20 0 1 0 99\n";
        let fields = stat_fields(stat);
        assert_eq!(fields[PPID], 7);
        assert_eq!(fields[UTIME], 310);
        assert_eq!(fields[STIME], 25);
        assert_eq!(fields[CUTIME], 40);
        assert_eq!(fields[CSTIME], 5);
    }

    #[test]
    fn this_process_has_memory_and_a_parent() {
        let pid = std::process::id().try_into().unwrap();
        assert!(memory(pid) > 0 && memory(pid) <= peak_memory(pid));
        assert!(parent(pid) > 0);
    }
}
