//! What the runner is told at its start: flags, and the environment variables of libpq.

use std::time::Duration;

use clap::{Args, ValueEnum};

/// How long the server may work on one call. Less than [`CALL_TIMEOUT`], so that a call that was given up on is not
/// executed later.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the runner waits for the answer to one call before it asks again.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(12);
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the database is. The password comes from `PGPASSWORD`: a flag would show it in the list of processes.
#[derive(Debug, Clone, Args)]
pub struct Database {
    /// Host name, or folder of the Unix socket
    #[arg(long, env = "PGHOST", default_value = "127.0.0.1")]
    pub pghost: String,
    #[arg(long, env = "PGPORT", default_value_t = 5432)]
    pub pgport: u16,
    /// Role to log in as: a member of `campaign_runner` [default: name of the system user]
    #[arg(long, env = "PGUSER")]
    pub pguser: Option<String>,
    /// Database that has the extension pg_campaign [default: the role's name]
    #[arg(long, env = "PGDATABASE")]
    pub pgdatabase: Option<String>,
}

impl Database {
    pub fn to_config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.pghost)
            .port(self.pgport)
            .application_name("campaign-runner")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(15))
            .options(format!(
                "-c statement_timeout={}",
                STATEMENT_TIMEOUT.as_millis()
            ));
        if let Some(user) = &self.pguser {
            config.user(user);
        }
        if let Some(database) = &self.pgdatabase {
            config.dbname(database);
        }
        if let Ok(password) = std::env::var("PGPASSWORD") {
            config.password(password);
        }
        config
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Sends the campaigns of one database until it is told to stop
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub database: Database,
    /// How often to look for work without being woken
    #[arg(long, env = "CAMPAIGN_POLL", default_value = "1s", value_parser = positive_duration)]
    pub poll: Duration,
    /// Do not listen for notifications: find work by polling only
    #[arg(long)]
    pub no_notify: bool,
    #[arg(long, env = "CAMPAIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than zero".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}
