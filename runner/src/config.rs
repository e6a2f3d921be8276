//! What the runner is told at its start, in layers: defaults, a TOML file, the environment, flags. The later wins.

mod layer;
#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ::axum::http::{HeaderValue, Uri};
use ::config::{Config, ConfigError, ValueKind};
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::secret::Secret;
pub use layer::Environment;
use layer::{CONFIG_VARIABLE, Layer, PASSWORD_VARIABLE};

/// How long the server may work on one call. Less than [`CALL_TIMEOUT`], so that a call that was given up on is not
/// executed later.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the runner waits for the answer to one call before it asks again.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(12);
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const MAX_RATE: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

const DEFAULTS: [(&str, &str); 10] = [
    ("poll", "1s"),
    ("notify", "true"),
    ("log.format", "text"),
    // The pool reports each closed connection; the calls that this fails say so once.
    ("log.level", "info,deadpool=off"),
    ("database.host", "127.0.0.1"),
    ("database.port", "5432"),
    ("serve.listen", "127.0.0.1:8080"),
    ("serve.forwarded", "false"),
    ("serve.docs", "false"),
    ("serve.rate", "50"),
];

#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often to look for work without being woken.
    pub poll: Duration,
    /// Whether to listen for notifications; else work is found by polling only.
    pub notify: bool,
    pub log: Log,
    pub database: Database,
    pub serve: Serve,
}

/// Of the command `serve`.
#[derive(Debug, PartialEq, Eq)]
pub struct Serve {
    pub listen: SocketAddr,
    /// Whether the last entry of X-Forwarded-For is the client's address.
    pub forwarded: bool,
    /// The origin whose pages may call the API.
    pub cors_origin: Option<HeaderValue>,
    /// Whether the API's description is served.
    pub docs: bool,
    /// Requests a second of one client to the API.
    pub rate: NonZeroU32,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// A filter as of [`EnvFilter`], checked.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Where the database is, and as whom to log in.
#[derive(Debug, PartialEq, Eq)]
pub struct Database {
    /// Name, or folder of the Unix socket.
    pub host: String,
    pub port: u16,
    /// A member of `campaign_runner`; `None` = named like the system user.
    pub user: Option<String>,
    /// Has the extension pg_campaign; `None` = named like the role.
    pub name: Option<String>,
    pub password: Option<Secret>,
}

impl Database {
    pub fn to_config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .application_name("campaign-runner")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(15))
            .options(format!(
                "-c statement_timeout={}",
                STATEMENT_TIMEOUT.as_millis()
            ));
        if let Some(user) = &self.user {
            config.user(user);
        }
        if let Some(name) = &self.name {
            config.dbname(name);
        }
        if let Some(password) = &self.password {
            config.password(password.reveal());
        }
        config
    }
}

/// Sends the campaigns of one database until it is told to stop
///
/// A flag wins over its environment variable, and that over the configuration file. The database's password comes from
/// PGPASSWORD or the file: a flag would show it in the list of processes.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Configuration file in TOML [env: CAMPAIGN_RUNNER_CONFIG]
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub database: DatabaseFlags,
    /// How often to look for work without being woken [env: CAMPAIGN_RUNNER_POLL] [default: 1s]
    #[arg(long, value_name = "DURATION")]
    pub poll: Option<String>,
    /// Whether to listen for notifications; else work is found by polling only [env: CAMPAIGN_RUNNER_NOTIFY] [default: true]
    #[arg(long, value_name = "true|false")]
    pub notify: Option<String>,
    /// [env: CAMPAIGN_RUNNER_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "text|json")]
    pub log_format: Option<String>,
    /// Filter of the crate tracing [env: CAMPAIGN_RUNNER_LOG_LEVEL, RUST_LOG] [default: info,deadpool=off]
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
    #[arg(skip)]
    pub serve: ServeFlags,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ServeFlags {
    /// Address and port to listen on; plain HTTP, so others than this host come through a proxy that speaks TLS
    /// [env: CAMPAIGN_RUNNER_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Whether a proxy in front tells the client's address: the last entry of X-Forwarded-For is believed
    /// [env: CAMPAIGN_RUNNER_FORWARDED] [default: false]
    #[arg(long, value_name = "true|false")]
    pub forwarded: Option<String>,
    /// Origin whose pages may call the API from a browser [env: CAMPAIGN_RUNNER_CORS_ORIGIN] [default: none]
    #[arg(long, value_name = "ORIGIN")]
    pub cors_origin: Option<String>,
    /// Whether /api/docs/ and /api/openapi.json describe the API [env: CAMPAIGN_RUNNER_DOCS] [default: false]
    #[arg(long, value_name = "true|false")]
    pub docs: Option<String>,
    /// Requests a second of one client address to the API, four times that at once [env: CAMPAIGN_RUNNER_RATE] [default: 50]
    #[arg(long, value_name = "NUMBER")]
    pub rate: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct DatabaseFlags {
    /// Host name, or folder of the Unix socket [env: PGHOST] [default: 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    pub pghost: Option<String>,
    /// [env: PGPORT] [default: 5432]
    #[arg(long, value_name = "PORT")]
    pub pgport: Option<String>,
    /// Role to log in as: a member of `campaign_runner` [env: PGUSER] [default: name of the system user]
    #[arg(long, value_name = "ROLE")]
    pub pguser: Option<String>,
    /// Database that has the extension pg_campaign [env: PGDATABASE] [default: the role's name]
    #[arg(long, value_name = "NAME")]
    pub pgdatabase: Option<String>,
}

/// Why the configuration is refused: where, what, and what would be right. Contains no secret.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Wrong(String),
    #[error("the configuration cannot be put together: {0}")]
    Layers(#[from] ConfigError),
}

/// # Errors
/// A key, variable or value is wrong, or a file that was named cannot be read.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Settings, Refusal> {
    environment.check_names()?;
    if let Some(mode @ ("require" | "verify-ca" | "verify-full")) = environment.get("PGSSLMODE")? {
        return Err(Refusal::Wrong(format!(
            "variable PGSSLMODE: {mode} asks for TLS, which this version cannot speak to PostgreSQL; \
             use a Unix socket or a trusted network, and unset it"
        )));
    }
    let path = match &flags.config {
        Some(path) => Some(path.clone()),
        None => environment.get(CONFIG_VARIABLE)?.map(PathBuf::from),
    };
    let mut layers = Config::builder();
    for (key, value) in DEFAULTS {
        layers = layers.set_default(key, value)?;
    }
    if let Some(path) = path {
        layers = layers.add_source(Layer::from_file(&path)?);
    }
    let merged = layers
        .add_source(Layer::from_environment(environment)?)
        .add_source(Layer::from_flags(flags))
        .build()?;
    let merged = Merged(merged);
    Ok(Settings {
        poll: merged.get("poll", positive_duration)?,
        notify: merged.get("notify", boolean)?,
        log: Log {
            format: merged.get("log.format", choice)?,
            level: merged.get("log.level", log_filter)?,
        },
        database: Database {
            host: merged.get("database.host", text)?,
            port: merged.get("database.port", port)?,
            user: merged.get_if_set("database.user", text)?,
            name: merged.get_if_set("database.name", text)?,
            password: merged.password(environment)?,
        },
        serve: Serve {
            listen: merged.get("serve.listen", address)?,
            forwarded: merged.get("serve.forwarded", boolean)?,
            cors_origin: merged.get_if_set("serve.cors_origin", origin)?,
            docs: merged.get("serve.docs", boolean)?,
            rate: merged.get("serve.rate", rate)?,
        },
    })
}

struct Merged(Config);

impl Merged {
    fn get<T>(&self, key: &str, parse: Parse<T>) -> Result<T, Refusal> {
        self.get_if_set(key, parse)?
            .ok_or_else(|| Refusal::Wrong(format!("{key} is not set")))
    }

    fn get_if_set<T>(&self, key: &str, parse: Parse<T>) -> Result<Option<T>, Refusal> {
        let Some((value, origin)) = self.find(key) else {
            return Ok(None);
        };
        parse(value).map(Some).map_err(|expected| {
            Refusal::Wrong(format!("{origin}: {key} is {value:?}, but {expected}"))
        })
    }

    /// `PGPASSWORD` is the password itself, as for libpq; what the file says may name a variable or a file.
    fn password(&self, environment: &Environment) -> Result<Option<Secret>, Refusal> {
        if let Some(password) = environment.get(PASSWORD_VARIABLE)? {
            return Ok(Some(Secret::new(password)));
        }
        let Some((value, origin)) = self.find("database.password") else {
            return Ok(None);
        };
        let variable = |name: &str| environment.get(name).ok().flatten().map(str::to_owned);
        Secret::resolve(value, variable)
            .map(Some)
            .map_err(|why| Refusal::Wrong(format!("{origin}: database.password {why}")))
    }

    /// The value that won, and where it is from.
    fn find(&self, key: &str) -> Option<(&str, &str)> {
        let value = key
            .split('.')
            .try_fold(&self.0.cache, |value, name| match &value.kind {
                ValueKind::Table(table) => table.get(name),
                _ => None,
            })?;
        match &value.kind {
            ValueKind::String(text) => Some((text, value.origin().unwrap_or("default"))),
            _ => None,
        }
    }
}

/// The error continues "… is "value", but …".
type Parse<T> = fn(&str) -> Result<T, String>;

fn positive_duration(value: &str) -> Result<Duration, String> {
    const EXAMPLE: &str = r#"as in "1s" or "500ms""#;
    match humantime::parse_duration(value) {
        Ok(Duration::ZERO) => Err(format!("it must be longer than zero, {EXAMPLE}")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("it must be a duration, {EXAMPLE} ({error})")),
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    value
        .parse()
        .map_err(|_| must_be_one_of(value, &["true", "false"]))
}

fn choice<T: ValueEnum>(value: &str) -> Result<T, String> {
    T::from_str(value, false).map_err(|_| {
        let names: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|variant| Some(variant.to_possible_value()?.get_name().to_owned()))
            .collect();
        must_be_one_of(value, &Vec::from_iter(names.iter().map(String::as_str)))
    })
}

fn text(value: &str) -> Result<String, String> {
    match value.is_empty() {
        true => Err("it must not be empty".to_owned()),
        false => Ok(value.to_owned()),
    }
}

fn port(value: &str) -> Result<u16, String> {
    match value.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err("it must be a port number from 1 to 65535".to_owned()),
    }
}

fn address(value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| {
        r#"it must be an address with a port, as in "127.0.0.1:8080" or "[::1]:8080""#.to_owned()
    })
}

/// Compared byte by byte with what browsers send.
fn origin(value: &str) -> Result<HeaderValue, String> {
    let written = value.parse::<Uri>().ok().and_then(|uri| {
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let is_bare = !authority.as_str().contains('@');
        (["http", "https"].contains(&scheme) && is_bare).then(|| format!("{scheme}://{authority}"))
    });
    match (written, HeaderValue::from_str(value)) {
        (Some(written), Ok(header)) if written == value && value == value.to_lowercase() => {
            Ok(header)
        }
        _ => Err(
            r#"it must be one origin: scheme, host and port, as in "https://app.example.com""#
                .to_owned(),
        ),
    }
}

fn rate(value: &str) -> Result<NonZeroU32, String> {
    match value.parse() {
        Ok(rate) if rate <= MAX_RATE => Ok(rate),
        _ => Err(format!("it must be a number from 1 to {MAX_RATE}")),
    }
}

/// Tracing takes a misspelt level for the name of a target, and then logs nothing: here a word alone must be a level.
fn log_filter(value: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in value.split(',').map(str::trim) {
        let level = directive.rsplit('=').next().unwrap_or(directive);
        let is_word = level
            .chars()
            .all(|c| c.is_alphanumeric() || "_:-".contains(c));
        if is_word && level.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "the level in {directive:?} is wrong: {}",
                must_be_one_of(level, &LEVELS)
            ));
        }
    }
    match EnvFilter::try_new(value) {
        Ok(_) => Ok(value.to_owned()),
        Err(error) => Err(format!(
            r#"it must be a filter, as in "info" or "info,campaign_runner=debug" ({error})"#
        )),
    }
}

fn must_be_one_of(value: &str, names: &[&str]) -> String {
    let expected = format!("it must be {}", names.join(" or "));
    match nearest(value, names.iter().map(|name| (*name, *name))) {
        Some(name) => format!("{expected}; did you mean {name:?}?"),
        None => expected,
    }
}

/// Of pairs (what is compared, what it stands for), the one that is most like a misspelt `name`, if any is like it.
fn nearest<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<&'a str> {
    let name = name.to_lowercase();
    pairs
        .map(|(compared, right)| {
            let distance = strsim::osa_distance(&name, &compared.to_lowercase());
            (distance, compared.chars().count(), right)
        })
        .filter(|(distance, length, _)| *distance < *length && *distance <= (*length / 3).max(2))
        .min()
        .map(|(_, _, right)| right)
}

/// For a wrong key or variable: the nearest right one, else all.
fn suggestion(nearest: Option<&str>, all: impl Iterator<Item = &'static str>) -> String {
    match nearest {
        Some(name) => format!("did you mean {name}?"),
        None => format!("there are {}", Vec::from_iter(all).join(", ")),
    }
}
