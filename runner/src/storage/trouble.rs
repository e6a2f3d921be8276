//! Troubles of a database that are no fault of what was asked: the call is repeated until they are over.

use std::fmt;

use tokio_postgres::error::SqlState;

/// What keeps the database from doing what it is asked, in the words of whoever has to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    Unreachable,
    NoAnswer,
    TooManyConnections,
    DiskFull,
    OutOfResources,
    Interrupted,
    Locked,
    ReadOnly,
    LoginRefused,
    NoDatabase,
    NoRights,
    OtherObjects,
    Pooled,
}

impl Trouble {
    /// `None`: none that is known.
    pub fn of(code: &SqlState) -> Option<Trouble> {
        Some(match code.code() {
            "25006" => Trouble::ReadOnly,
            "26000" | "42P05" | "08P01" => Trouble::Pooled,
            "3D000" | "57P04" => Trouble::NoDatabase,
            "40001" | "40P01" | "55P03" => Trouble::Locked,
            "42501" => Trouble::NoRights,
            "53100" => Trouble::DiskFull,
            "53300" => Trouble::TooManyConnections,
            "57014" => Trouble::Interrupted,
            // While the extension is being updated, or where it is missing; 0A000: a plan from before.
            "0A000" | "3F000" | "42703" | "42704" | "42883" | "42P01" => Trouble::OtherObjects,
            code => match code.get(..2).unwrap_or_default() {
                "08" | "57" => Trouble::Unreachable,
                "28" => Trouble::LoginRefused,
                "53" | "58" => Trouble::OutOfResources,
                _ => return None,
            },
        })
    }

    /// Whether it says nothing of who asks, only of the database's bad day.
    pub fn passes(self) -> bool {
        !matches!(self, Trouble::NoRights | Trouble::OtherObjects)
    }

    /// What a person may do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Trouble::Unreachable => {
                "does PostgreSQL run, and is there a way to it? After a restart nothing is to be done"
            }
            Trouble::NoAnswer => "is the way to PostgreSQL cut, or the server overloaded?",
            Trouble::TooManyConnections => {
                "end sessions that nobody needs, or raise max_connections, or the CONNECTION LIMIT of role or database"
            }
            Trouble::DiskFull => "make room on PostgreSQL's disk",
            Trouble::OutOfResources => "see the log of PostgreSQL's server: memory, files or disks",
            Trouble::Interrupted => {
                "who cancels statements? Else the server is too slow: look for what keeps it busy"
            }
            Trouble::Locked => "look in pg_locks for who holds the lock",
            Trouble::ReadOnly => {
                "a standby, or default_transaction_read_only is on: lead runners to the primary, or promote this server"
            }
            Trouble::LoginRefused => {
                "look at the runner's role, its password and pg_hba.conf; a changed password needs a restart"
            }
            Trouble::NoDatabase => {
                "the database was dropped or renamed: PGDATABASE or [database] name says which one is meant"
            }
            Trouble::NoRights => "grant campaign_runner to the runner's role",
            Trouble::OtherObjects => {
                "is pg_campaign there, and of the runner's version? While it is updated nothing is to be done"
            }
            Trouble::Pooled => {
                "the pooler must keep one session for each connection (session mode)"
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Unreachable => "the database is not reached",
            Trouble::NoAnswer => "no answer in time",
            Trouble::TooManyConnections => "too many connections",
            Trouble::DiskFull => "the disk is full",
            Trouble::OutOfResources => "the server is out of resources",
            Trouble::Interrupted => "statements are cancelled",
            Trouble::Locked => "somebody holds a lock",
            Trouble::ReadOnly => "the database is read-only",
            Trouble::LoginRefused => "the login is refused",
            Trouble::NoDatabase => "there is no such database",
            Trouble::NoRights => "rights are missing",
            Trouble::OtherObjects => "the database has other objects",
            Trouble::Pooled => "a pooler is in the way",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sqlstate_says_which_trouble_it_is() {
        for (code, trouble) in [
            ("08006", Trouble::Unreachable),
            ("57P01", Trouble::Unreachable),
            ("57P03", Trouble::Unreachable),
            ("57P05", Trouble::Unreachable),
            ("53100", Trouble::DiskFull),
            ("53200", Trouble::OutOfResources),
            ("53300", Trouble::TooManyConnections),
            ("58030", Trouble::OutOfResources),
            ("57014", Trouble::Interrupted),
            ("55P03", Trouble::Locked),
            ("40001", Trouble::Locked),
            ("40P01", Trouble::Locked),
            ("25006", Trouble::ReadOnly),
            ("28P01", Trouble::LoginRefused),
            ("28000", Trouble::LoginRefused),
            ("3D000", Trouble::NoDatabase),
            ("57P04", Trouble::NoDatabase),
            ("42501", Trouble::NoRights),
            ("42883", Trouble::OtherObjects),
            ("0A000", Trouble::OtherObjects),
            ("08P01", Trouble::Pooled),
            ("26000", Trouble::Pooled),
        ] {
            assert_eq!(
                Trouble::of(&SqlState::from_code(code)),
                Some(trouble),
                "{code}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_no_trouble() {
        for code in ["22P05", "23514", "P0001", "XX000", "CP022"] {
            assert_eq!(Trouble::of(&SqlState::from_code(code)), None, "{code}");
        }
    }

    #[test]
    fn who_asks_an_api_is_told_to_come_back_only_if_that_may_help() {
        for (code, helps) in [
            ("25006", true),
            ("28P01", true),
            ("3D000", true),
            ("40P01", true),
            ("53100", true),
            ("53300", true),
            ("57P03", true),
            ("42501", false),
            ("42883", false),
        ] {
            let trouble = Trouble::of(&SqlState::from_code(code));
            assert_eq!(trouble.map(Trouble::passes), Some(helps), "{code}");
        }
    }
}
