//! The folder of `.eml` files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::Accepted;

pub(crate) struct Mailbox {
    dir: PathBuf,
    log: Mutex<File>,
}

#[derive(Serialize)]
struct LogLine<'a> {
    at: String,
    seq: u64,
    message_id: Option<&'a str>,
    recipient: &'a str,
    from: &'a str,
    peer: String,
    file: &'a str,
}

const SUFFIX: &str = ".eml";

impl Mailbox {
    /// Makes the folder where absent. Also returns the highest sequence number in it: numbers go on.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, u64)> {
        fs::create_dir_all(dir)?;
        let mut last = 0;
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let number = name
                .strip_suffix(SUFFIX)
                .and_then(|name| name.split_once('-'));
            if let Some(number) = number.and_then(|(number, _)| number.parse().ok()) {
                last = last.max(number);
            }
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join("log.jsonl"))?;
        let mailbox = Self {
            dir: dir.to_owned(),
            log: Mutex::new(log),
        };
        Ok((mailbox, last))
    }

    /// Stores one mail; under its final name a file is always whole. Not synced to disk: it outlives
    /// the process, not a power failure.
    pub(crate) fn store(&self, accepted: &Accepted, mail: &[u8]) -> io::Result<()> {
        let name = file_name(accepted.seq, &accepted.recipient);
        let unfinished = self.dir.join(format!(".{name}.tmp"));
        fs::write(&unfinished, mail)?;
        fs::rename(&unfinished, self.dir.join(&name))?;
        let line = LogLine {
            at: humantime::format_rfc3339_millis(accepted.at).to_string(),
            seq: accepted.seq,
            message_id: accepted.message_id.as_deref(),
            recipient: &accepted.recipient,
            from: &accepted.from,
            peer: accepted.peer.to_string(),
            file: &name,
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.write_all(&line)
    }
}

fn file_name(seq: u64, recipient: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+');
    let recipient: String = recipient
        .chars()
        .map(|c| if safe(c) { c } else { '_' })
        .take(100)
        .collect();
    format!("{seq:08}-{recipient}{SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_sorts_by_number_and_stays_in_its_folder() {
        assert_eq!(
            file_name(7, "a+b@example.com"),
            "00000007-a+b@example.com.eml"
        );
        assert_eq!(file_name(12, "\"../x y\"@h"), "00000012-_.._x_y_@h.eml");
        assert!(file_name(1, &"x".repeat(300)).len() < 255);
    }
}
