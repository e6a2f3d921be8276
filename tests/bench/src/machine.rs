//! What was measured, and on what.

use std::fs;
use std::process::Command;

use e2e::Db;

use crate::peers;

/// Of the machine and of the programs, for the document. Nothing that names the machine.
pub async fn describe() -> Vec<(&'static str, String)> {
    let db = Db::clone_template().await;
    let settings = [
        "fsync",
        "synchronous_commit",
        "full_page_writes",
        "shared_buffers",
        "max_wal_size",
        "checkpoint_timeout",
        "autovacuum",
    ];
    let mut shown = Vec::new();
    for setting in settings {
        let value: String = db.one("select current_setting($1)", &[&setting]).await;
        shown.push(format!("{setting} = {value}"));
    }
    let postgresql: String = db.one("select split_part(version(), ' on ', 1)", &[]).await;
    let cores = std::thread::available_parallelism().expect("a number of cores");
    vec![
        (
            "machine",
            format!("{cores} cores of {}, {} of memory", model(), memory()),
        ),
        (
            "system",
            format!("{}, {}", system(), said("uname", &["-sr"])),
        ),
        (
            "database",
            format!("{postgresql}, with {}", shown.join(", ")),
        ),
        (
            "ours",
            format!(
                "campaign-runner {} (release), {}, lettre {}",
                env!("CARGO_PKG_VERSION"),
                said("rustc", &["--version"])
                    .split(" (")
                    .next()
                    .unwrap_or_default(),
                lettre()
            ),
        ),
        (
            "peers",
            format!(
                "node {}, nodemailer {}, graphile-worker {}, pg-boss {}",
                peers::node_version(),
                peers::version("nodemailer"),
                peers::version("graphile-worker"),
                peers::version("pg-boss")
            ),
        ),
        (
            "sink",
            format!(
                "smtp-sink of Postfix {}, plain SMTP over 127.0.0.1",
                std::env::var("SMTP_SINK_VERSION").expect("SMTP_SINK_VERSION: run `make bench`")
            ),
        ),
    ]
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn model() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").expect("/proc/cpuinfo");
    field(&cpus, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn memory() -> String {
    let memory = fs::read_to_string("/proc/meminfo").expect("/proc/meminfo");
    let total = field(&memory, "MemTotal").expect("a total");
    let kibibytes: f64 = total.trim_end_matches(" kB").parse().expect("a number");
    format!("{:.0} GiB", kibibytes / 1_048_576.0)
}

fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").expect("/etc/os-release");
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.expect("a name").trim_matches('"').to_owned()
}

fn lettre() -> String {
    let lock = include_str!("../../../Cargo.lock");
    let (_, rest) = lock
        .split_once("name = \"lettre\"\nversion = \"")
        .expect("lettre is locked");
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// Of lines `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 6\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(
            field(text, "model name").as_deref(),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(field(text, "name"), None);
    }
}
