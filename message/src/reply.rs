//! SMTP replies, and where in the dialogue they come.

use std::str::FromStr;

/// Where in the SMTP dialogue an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Looking the relay's name up.
    Resolve,
    /// TCP connect.
    Connect,
    /// STARTTLS and the handshake.
    Tls,
    /// Waiting for the 220 banner.
    Greeting,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    /// DATA sent, 354 not yet received.
    Data,
    /// Writing the message; the final dot has not been written.
    Body,
    /// The final dot may have been written: the server may have accepted the message.
    Dot,
    /// The message could not be made; nothing was sent.
    Render,
}

impl Phase {
    pub const ALL: [Phase; 12] = [
        Phase::Resolve,
        Phase::Connect,
        Phase::Tls,
        Phase::Greeting,
        Phase::Ehlo,
        Phase::Auth,
        Phase::Mail,
        Phase::Rcpt,
        Phase::Data,
        Phase::Body,
        Phase::Dot,
        Phase::Render,
    ];

    /// While the session is opened no recipient is concerned.
    pub fn opens_session(self) -> bool {
        matches!(
            self,
            Phase::Resolve
                | Phase::Connect
                | Phase::Tls
                | Phase::Greeting
                | Phase::Ehlo
                | Phase::Auth
        )
    }

    /// The name as stored in `attempt.phase`.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Tls => "tls",
            Phase::Greeting => "greeting",
            Phase::Ehlo => "ehlo",
            Phase::Auth => "auth",
            Phase::Mail => "mail",
            Phase::Rcpt => "rcpt",
            Phase::Data => "data",
            Phase::Body => "body",
            Phase::Dot => "dot",
            Phase::Render => "render",
        }
    }
}

impl FromStr for Phase {
    type Err = ();

    fn from_str(name: &str) -> Result<Phase, ()> {
        Phase::ALL
            .into_iter()
            .find(|phase| phase.as_str() == name)
            .ok_or(())
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Accepted by the server.
    Sent,
    /// Refused for good.
    Failed,
    /// Not accepted; may be tried again.
    Deferred,
    /// The server may or may not have accepted it (RFC 1047).
    Uncertain,
    /// Never attempted: no try is spent.
    Returned,
}

impl Outcome {
    /// The name as stored in `attempt.outcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Sent => "sent",
            Outcome::Failed => "failed",
            Outcome::Deferred => "deferred",
            Outcome::Uncertain => "uncertain",
            Outcome::Returned => "returned",
        }
    }
}

/// A server's reply (RFC 5321 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Three digits, 200 to 599. Servers use codes that RFC 5321 does not allow, such as 571.
    pub code: u16,
    /// Enhanced status code (RFC 3463), such as `5.1.1`.
    pub enhanced: Option<String>,
    /// Text of the reply, its lines joined by `\n`, with the enhanced code where the server sent one. Without other
    /// control characters: PostgreSQL refuses U+0000, and the rest would garble a terminal.
    pub text: String,
}

impl Answer {
    /// Reads a reply as it is logged: one or more lines, each with its code. `None`: it does not begin with a code.
    pub fn read(reply: &str) -> Option<Answer> {
        let reply = reply.trim();
        let code = reply.get(..3)?;
        if !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let text: Vec<&str> = reply
            .lines()
            .map(|line| match line.strip_prefix(code) {
                Some("") => "",
                Some(rest) => rest.strip_prefix(['-', ' ']).unwrap_or(line),
                None => line,
            })
            .collect();
        let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
        Some(Answer::parse(code, &text.join("\n")))
    }

    /// Takes the enhanced status code from the beginning of the text. RFC 2034 section 4 wants its class to agree
    /// with the reply code; one that does not is no enhanced code.
    pub fn parse(code: u16, text: &str) -> Answer {
        let enhanced = enhanced_code(text).filter(|found| {
            found
                .bytes()
                .next()
                .is_some_and(|class| u16::from(class - b'0') == code / 100)
        });
        Answer {
            code,
            enhanced: enhanced.map(str::to_owned),
            text: text.replace(|c: char| c.is_control() && c != '\n', " "),
        }
    }
}

/// `class "." subject "." detail` (RFC 3463 section 2), followed by a blank or the end.
fn enhanced_code(text: &str) -> Option<&str> {
    let code = text.split_ascii_whitespace().next()?;
    if !text.starts_with(code) {
        return None;
    }
    let mut parts = code.split('.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    let number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (parts.next().is_none()
        && matches!(class, "2" | "4" | "5")
        && number(subject)
        && number(detail))
    .then_some(code)
}
