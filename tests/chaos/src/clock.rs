//! The clock of one process and of its children, by libfaketime.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

/// Where the library is: set by tools/test.sh.
const LIBRARY: &str = "FAKETIME_LIBRARY";

/// Right until it is set. It may be set while processes run.
pub struct Clock {
    folder: TempDir,
    library: String,
}

impl Clock {
    pub fn right() -> Clock {
        let folder = tempfile::tempdir().expect("no folder for a clock");
        // PostgreSQL may run as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its rights");
        let library = std::env::var(LIBRARY)
            .unwrap_or_else(|_| panic!("{LIBRARY} is not set: run `make chaos`, which sets it"));
        let clock = Clock { folder, library };
        clock.set(0);
        clock
    }

    /// For the processes that shall have it. CLOCK_MONOTONIC and CLOCK_BOOTTIME stay right.
    pub fn environment(&self) -> Vec<(String, String)> {
        let file = self.file().display().to_string();
        [
            ("LD_PRELOAD", self.library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Processes that read it meanwhile see the old time or the new one.
    pub fn set(&self, hours: i64) {
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{:+}", hours * 3_600)).expect("the clock cannot be written");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("its rights");
        fs::rename(&new, self.file()).expect("the clock cannot be set");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }
}
