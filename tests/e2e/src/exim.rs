use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use mail_catcher::Certificate;
use rustix::process::{Pid, Signal, getegid, geteuid, kill_process_group, test_kill_process_group};
use tempfile::TempDir;

const CONFIG: &str = include_str!("../exim.conf");

/// Whom root runs Exim as: it refuses to run as root.
const NOBODY: u32 = 65534;

/// A real mail server, see `exim.conf`. Killed with this value; its log is shown when the test fails.
pub struct Exim {
    daemon: Child,
    port: u16,
    folder: TempDir,
}

impl Exim {
    pub const USERNAME: &str = "meetups";
    pub const PASSWORD: &str = "let me in";

    pub fn start(certificate: &Certificate) -> Exim {
        let folder = TempDir::new().expect("no folder");
        let path = folder.path();
        let (uid, gid) = if geteuid().is_root() {
            (NOBODY, NOBODY)
        } else {
            (geteuid().as_raw(), getegid().as_raw())
        };
        // The user to whom the binary was told, when it was built, to give its privileges: the caller, who has none.
        let user = format!("Debian-exim:x:{uid}:{gid}::/:/bin/false\n");
        let group = format!("Debian-exim:x:{gid}:\n");
        for (name, content) in [
            ("exim.conf", CONFIG),
            ("server.pem", &certificate.pem()),
            ("server.key", &certificate.key_pem()),
            ("passwd", &user),
            ("group", &group),
        ] {
            fs::write(path.join(name), content).expect("no file");
        }
        // Copied, since the user who runs it may be kept out of the cache.
        let unpacked = unpacked();
        for name in ["exim", "libnss_wrapper.so"] {
            fs::copy(unpacked.join(name), path.join(name)).expect("Exim cannot be copied");
        }
        for entry in fs::read_dir(path).expect("no folder") {
            own(&entry.expect("no entry").path(), uid, gid);
        }
        own(path, uid, gid);

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no port");
        let port = listener.local_addr().expect("no port").port();
        let mut command = Command::new(path.join("exim"));
        command
            .arg("-C")
            .arg(path.join("exim.conf"))
            .arg(format!("-DDIR={}", path.display()))
            .arg(format!("-DUSERNAME={}", Self::USERNAME))
            .arg(format!("-DPASSWORD={}", Self::PASSWORD))
            // Takes connections from the socket that is its standard input, so nobody else can take the port.
            .arg("-bw")
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .current_dir(path)
            .env("LD_PRELOAD", path.join("libnss_wrapper.so"))
            .env("NSS_WRAPPER_PASSWD", path.join("passwd"))
            .env("NSS_WRAPPER_GROUP", path.join("group"))
            // With its sessions and deliveries.
            .process_group(0);
        if geteuid().is_root() {
            command.uid(uid).gid(gid);
        }
        Exim {
            daemon: command.spawn().expect("Exim does not start"),
            port,
            folder,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The recipients of the mails that lie in the maildir, in order.
    pub fn deliveries(&self) -> Vec<String> {
        let Ok(mails) = fs::read_dir(self.folder.path().join("maildir/new")) else {
            return Vec::new();
        };
        let mut recipients: Vec<String> = mails
            .map(|mail| recipient(&mail.expect("no entry").path()))
            .collect();
        recipients.sort();
        recipients
    }

    /// Returns when nothing of it can write into the folder any more, which is to be removed.
    fn kill(&mut self) -> std::io::Result<()> {
        const SOON: Duration = Duration::from_secs(2);
        let group = Pid::from_child(&self.daemon);
        kill_process_group(group, Signal::KILL)?;
        self.daemon.wait()?;
        let end = Instant::now() + SOON;
        while test_kill_process_group(group).is_ok() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let logs = ["main.log", "panic.log"].map(|name| self.folder.path().join(name));
        logs.map(|log| fs::read_to_string(log).unwrap_or_default())
            .concat()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of Exim:\n{}", self.log());
        }
        if let Err(error) = self.kill() {
            eprintln!("Exim was not stopped: {error}");
        }
    }
}

/// Where `tools/setup.sh --test` has put the binaries.
fn unpacked() -> PathBuf {
    let unpacked = env::var_os("EXIM").map(PathBuf::from);
    unpacked.expect("EXIM is not set: run `make test-e2e`, which unpacks a mail server")
}

fn own(path: &Path, uid: u32, gid: u32) {
    chown(path, Some(uid), Some(gid)).expect("no right to give a file away");
}

fn recipient(mail: &Path) -> String {
    let mail = fs::read_to_string(mail).expect("the mail cannot be read");
    let field = mail
        .lines()
        .find_map(|line| line.strip_prefix("Envelope-to: "));
    field.expect("Exim adds Envelope-to").to_owned()
}
