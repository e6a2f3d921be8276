//! Postfix's smtp-sink, and its own count of the mails that it took.

use std::env;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use crate::usage;

/// How exactly the first and the last mail are seen.
const LOOK: Duration = Duration::from_millis(2);

/// Killed with this value.
pub struct Sink {
    child: Child,
    addr: SocketAddr,
    counters: NamedTempFile,
}

impl Sink {
    pub async fn start() -> Sink {
        let folder = PathBuf::from(env::var_os("SMTP_SINK").expect("SMTP_SINK: run `make bench`"));
        let counters = NamedTempFile::new().expect("no file for the counters");
        let addr = free_address();
        let mut command = Command::new(folder.join("smtp-sink"));
        if rustix::process::getuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        command
            .arg("-c")
            .arg(addr.to_string())
            .arg("1024")
            .env("LD_LIBRARY_PATH", &folder)
            .stdin(Stdio::null())
            .stdout(counters.reopen().expect("no file for the counters"))
            .kill_on_drop(true);
        let child = command.spawn().expect("smtp-sink does not start");
        e2e::until("smtp-sink listens", async || {
            TcpStream::connect(addr).ok().map(drop)
        })
        .await;
        Sink {
            child,
            addr,
            counters,
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many mails it has accepted.
    pub fn accepted(&self) -> u64 {
        count(&self.counters.reopen().expect("the counters are gone"))
    }

    pub fn cpu(&self) -> Duration {
        let pid = self.child.id().expect("smtp-sink has ended");
        usage::cpu(pid.try_into().expect("a pid"))
    }

    /// Begins to watch the count.
    pub fn watch(&self) -> Watch {
        let counters = self.counters.reopen().expect("the counters are gone");
        let over = Arc::new(AtomicBool::new(false));
        let seen_over = Arc::clone(&over);
        let watcher = thread::spawn(move || {
            let before = count(&counters);
            let mut seen: Option<Seen> = None;
            loop {
                // Read before the count, so that the last look is one after the end.
                let last = seen_over.load(Ordering::Acquire);
                let now = count(&counters);
                let at = Instant::now();
                match &mut seen {
                    None if now > before => {
                        seen = Some(Seen {
                            first: (at, now),
                            last: (at, now),
                        })
                    }
                    Some(seen) if now > seen.last.1 => seen.last = (at, now),
                    _ => {}
                }
                if last {
                    return seen.expect("no mail came");
                }
                thread::sleep(LOOK);
            }
        });
        Watch { over, watcher }
    }
}

pub struct Watch {
    over: Arc<AtomicBool>,
    watcher: JoinHandle<Seen>,
}

impl Watch {
    pub fn end(self) -> Seen {
        self.over.store(true, Ordering::Release);
        self.watcher.join().expect("the count could not be read")
    }
}

/// When the count was seen to rise first and last, and what it was then.
pub struct Seen {
    first: (Instant, u64),
    last: (Instant, u64),
}

impl Seen {
    /// Mails a second between the first and the last acceptance.
    pub fn rate(&self) -> f64 {
        let mails = self.last.1 - self.first.1;
        mails as f64 / self.last.0.duration_since(self.first.0).as_secs_f64()
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free port");
    listener.local_addr().expect("an address")
}

fn count(counters: &File) -> u64 {
    let length = counters.metadata().expect("the counters are gone").len();
    let mut tail = [0; 128];
    let begin = length.saturating_sub(tail.len() as u64);
    let read = counters
        .read_at(&mut tail, begin)
        .expect("the counters cannot be read");
    last_count(&tail[..read])
}

/// smtp-sink writes its counters again for each mail, and ends them with a carriage return.
fn last_count(counters: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(counters);
    let Some((lines, _)) = text.rsplit_once('\r') else {
        return 0;
    };
    let (_, count) = lines.rsplit_once("mesg=").expect("a count of mails");
    count.trim().parse().expect("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_count_of_the_sink_is_read() {
        assert_eq!(last_count(b""), 0);
        assert_eq!(last_count(b"sess=1 quit=0 mesg=41\r"), 41);
        assert_eq!(
            last_count(b"it=0 mesg=41\rsess=1 quit=0 mesg=42\rsess=1 quit=0 mesg=4"),
            42
        );
    }
}
