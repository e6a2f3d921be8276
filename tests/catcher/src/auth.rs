//! AUTH PLAIN and LOGIN (RFC 4954, RFC 4616).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::Reply;
use crate::wire::{Closed, Wire};

/// Who may send. With it, mails without a login are refused.
#[derive(Clone, Debug)]
pub struct Auth {
    pub username: String,
    pub password: String,
    /// Offer and take it without TLS, too.
    pub in_plain_text: bool,
}

impl Auth {
    /// Only over TLS.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            in_plain_text: false,
        }
    }
}

pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

/// Asks for what `mechanism` needs; `initial` is what came with the command. The error is the reply to send.
pub(crate) async fn credentials(
    wire: &mut Wire,
    mechanism: &str,
    initial: Option<String>,
) -> Result<Result<Credentials, Reply>, Closed> {
    let malformed = || Reply::new(501, "5.5.2 malformed credentials");
    Ok(match mechanism {
        "PLAIN" => {
            let response = match initial {
                Some(initial) => initial,
                None => challenge(wire, "").await?,
            };
            decode(&response)
                .as_deref()
                .and_then(plain)
                .ok_or_else(malformed)
        }
        "LOGIN" => {
            let username = match initial {
                Some(initial) => initial,
                None => challenge(wire, "Username:").await?,
            };
            let Some(username) = decode(&username) else {
                return Ok(Err(malformed()));
            };
            let password = challenge(wire, "Password:").await?;
            match decode(&password) {
                Some(password) => Ok(Credentials { username, password }),
                None => Err(malformed()),
            }
        }
        _ => Err(Reply::new(504, "5.5.4 this mechanism is not offered")),
    })
}

async fn challenge(wire: &mut Wire, prompt: &str) -> Result<String, Closed> {
    wire.reply(&Reply::new(334, BASE64_STANDARD.encode(prompt)));
    let line = wire.line().await?;
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

fn decode(response: &str) -> Option<String> {
    let response = if response == "=" { "" } else { response };
    String::from_utf8(BASE64_STANDARD.decode(response).ok()?).ok()
}

/// `authorization NUL username NUL password`.
fn plain(text: &str) -> Option<Credentials> {
    let mut parts = text.split('\0').skip(1).map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(username), Some(password), None) => Some(Credentials { username, password }),
        _ => None,
    }
}
