//! Text that no log may show.

use std::fmt;

use serde::Deserialize;

#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// `env:NAME` is the value of a variable, `file:PATH` the content of a file less the line end; anything else is the
    /// secret itself.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about it.
    pub fn resolve(
        text: &str,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Secret, String> {
        let secret = if let Some(name) = text.strip_prefix("env:") {
            variable(name)
                .ok_or_else(|| format!("names the variable {name}, which is not set; set it"))?
        } else if let Some(path) = text.strip_prefix("file:") {
            let content = std::fs::read_to_string(path)
                .map_err(|error| format!("names the file {path}, which cannot be read: {error}"))?;
            let line = content.strip_suffix('\n').unwrap_or(&content);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        } else {
            text.to_owned()
        };
        match secret.is_empty() {
            true => Err("is empty".to_owned()),
            false => Ok(Secret(secret)),
        }
    }

    /// For whoever has to prove that it is known. Never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
