//! The sources of settings. Each value is a text with the place that it is from: a line of the file, a variable, a flag.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use ::config::{ConfigError, Map, Source, Value};
use toml::de::{DeTable, DeValue};

use super::{Flags, Refusal, nearest, suggestion};

pub const SETTINGS: [&str; 14] = [
    "poll",
    "notify",
    "log.format",
    "log.level",
    "database.host",
    "database.port",
    "database.user",
    "database.name",
    "database.password",
    "serve.listen",
    "serve.forwarded",
    "serve.cors_origin",
    "serve.docs",
    "serve.rate",
];

/// Of two for one setting, the later wins.
const VARIABLES: [(&str, &str); 14] = [
    ("PGHOST", "database.host"),
    ("PGPORT", "database.port"),
    ("PGUSER", "database.user"),
    ("PGDATABASE", "database.name"),
    ("RUST_LOG", "log.level"),
    ("CAMPAIGN_RUNNER_LOG_LEVEL", "log.level"),
    ("CAMPAIGN_RUNNER_LOG_FORMAT", "log.format"),
    ("CAMPAIGN_RUNNER_POLL", "poll"),
    ("CAMPAIGN_RUNNER_NOTIFY", "notify"),
    ("CAMPAIGN_RUNNER_LISTEN", "serve.listen"),
    ("CAMPAIGN_RUNNER_FORWARDED", "serve.forwarded"),
    ("CAMPAIGN_RUNNER_CORS_ORIGIN", "serve.cors_origin"),
    ("CAMPAIGN_RUNNER_DOCS", "serve.docs"),
    ("CAMPAIGN_RUNNER_RATE", "serve.rate"),
];
pub const CONFIG_VARIABLE: &str = "CAMPAIGN_RUNNER_CONFIG";
pub const PASSWORD_VARIABLE: &str = "PGPASSWORD";
/// Every variable that begins like this is the runner's, so a misspelt one is found.
const PREFIX: &str = "CAMPAIGN_RUNNER_";

/// The environment variables; an empty one counts as not set.
pub struct Environment(BTreeMap<String, OsString>);

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Environment {
        let variables = variables.into_iter();
        Environment(
            variables
                .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
                .collect(),
        )
    }
}

impl Environment {
    /// # Errors
    /// The value is not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.0.get(name).map(|value| value.to_str()) {
            Some(None) => Err(Refusal::Wrong(format!(
                "variable {name}: its value is not UTF-8; set another one"
            ))),
            Some(Some("")) | None => Ok(None),
            Some(value) => Ok(value),
        }
    }

    /// # Errors
    /// A variable with the runner's prefix is none of its own.
    pub fn check_names(&self) -> Result<(), Refusal> {
        let names = || {
            let names = VARIABLES.iter().map(|(name, _)| *name);
            names.chain([CONFIG_VARIABLE, PASSWORD_VARIABLE])
        };
        let wrong = self
            .0
            .keys()
            .find(|name| name.starts_with(PREFIX) && !names().any(|right| right == *name));
        let Some(wrong) = wrong else { return Ok(()) };
        let without = |name: &'static str| name.strip_prefix(PREFIX).unwrap_or(name);
        let near = nearest(
            wrong.strip_prefix(PREFIX).unwrap_or(wrong),
            names().map(|name| (without(name), name)),
        );
        Err(Refusal::Wrong(format!(
            "variable {wrong}: campaign-runner has no such variable; {}",
            suggestion(near, names())
        )))
    }
}

/// The values of one source, by key.
#[derive(Clone, Default)]
pub struct Layer(Map<String, Value>);

impl Layer {
    pub fn from_flags(flags: &Flags) -> Layer {
        let mut layer = Layer::default();
        for (flag, key, value) in [
            ("--poll", "poll", &flags.poll),
            ("--notify", "notify", &flags.notify),
            ("--log-format", "log.format", &flags.log_format),
            ("--log-level", "log.level", &flags.log_level),
            ("--pghost", "database.host", &flags.database.pghost),
            ("--pgport", "database.port", &flags.database.pgport),
            ("--pguser", "database.user", &flags.database.pguser),
            ("--pgdatabase", "database.name", &flags.database.pgdatabase),
            ("--listen", "serve.listen", &flags.serve.listen),
            ("--forwarded", "serve.forwarded", &flags.serve.forwarded),
            (
                "--cors-origin",
                "serve.cors_origin",
                &flags.serve.cors_origin,
            ),
            ("--docs", "serve.docs", &flags.serve.docs),
            ("--rate", "serve.rate", &flags.serve.rate),
        ] {
            if let Some(value) = value {
                layer.set(key, value, format!("flag {flag}"));
            }
        }
        layer
    }

    /// # Errors
    /// A value is not UTF-8.
    pub fn from_environment(environment: &Environment) -> Result<Layer, Refusal> {
        let mut layer = Layer::default();
        for (name, key) in VARIABLES {
            if let Some(value) = environment.get(name)? {
                layer.set(key, value, format!("variable {name}"));
            }
        }
        Ok(layer)
    }

    /// # Errors
    /// The file cannot be read, is not TOML, or has a key that is no setting.
    pub fn from_file(path: &Path) -> Result<Layer, Refusal> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Refusal::Wrong(format!(
                "the configuration file {} cannot be read: {error}; name one that is there by --config or {CONFIG_VARIABLE}",
                path.display()
            ))
        })?;
        let mut file = File {
            path,
            text: &text,
            layer: Layer::default(),
        };
        // The error's own display shows the line, and a password may be in it.
        let table = DeTable::parse(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            file.wrong(start, format!("this is not TOML: {}", error.message()))
        })?;
        file.add("", table.get_ref())?;
        Ok(file.layer)
    }

    fn set(&mut self, key: &str, value: &str, origin: String) {
        self.0
            .insert(key.to_owned(), Value::new(Some(&origin), value));
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Without the values: one may be a password.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    layer: Layer,
}

impl File<'_> {
    /// Adds the settings of a table, whose key ends with a dot, if it has one.
    fn add(&mut self, table_key: &str, table: &DeTable<'_>) -> Result<(), Refusal> {
        for (name, value) in table {
            let key = format!("{table_key}{}", name.get_ref());
            let at = name.span().start;
            let prefix = format!("{key}.");
            let is_section = SETTINGS.iter().any(|right| right.starts_with(&prefix));
            match value.get_ref() {
                DeValue::Table(inner) if is_section || !inner.is_empty() => {
                    self.add(&prefix, inner)?;
                }
                _ if is_section => {
                    return Err(self.wrong(at, format!("{key} is a table; write [{key}]")));
                }
                _ if !SETTINGS.contains(&key.as_str()) => {
                    return Err(self.wrong(at, unknown(&key)));
                }
                DeValue::String(text) => self.layer.set(&key, text, self.place(at)),
                DeValue::Array(_) | DeValue::Table(_) => {
                    return Err(self.wrong(at, format!("{key} must be a single value")));
                }
                // As written: 5_432 is not a port.
                _ => {
                    let written = self.text.get(value.span()).unwrap_or_default();
                    self.layer.set(&key, written, self.place(at));
                }
            }
        }
        Ok(())
    }

    fn place(&self, at: usize) -> String {
        let before = self.text.bytes().take(at);
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        format!("{}, line {line}", self.path.display())
    }

    fn wrong(&self, at: usize, why: String) -> Refusal {
        Refusal::Wrong(format!("{}: {why}", self.place(at)))
    }
}

/// By the last part, so that a key in a wrong table is found too.
fn unknown(key: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    let last_part = |right: &'static str| (right.rsplit('.').next().unwrap_or(right), right);
    let sections = SETTINGS
        .iter()
        .filter_map(|right| right.split_once('.').map(|(section, _)| (section, section)));
    let right = SETTINGS.into_iter().map(last_part).chain(sections);
    format!(
        "campaign-runner has no setting {key}; {}",
        suggestion(nearest(name, right), SETTINGS.into_iter())
    )
}
