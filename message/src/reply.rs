//! What an SMTP reply, or its absence, says about a recipient.

/// Where in the SMTP dialogue an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Resolving, TCP connect, TLS.
    Connect,
    /// Waiting for the 220 banner.
    Greeting,
    /// EHLO, STARTTLS, AUTH.
    Ehlo,
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
    /// The name as stored in `attempt.phase`.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Connect => "connect",
            Phase::Greeting => "greeting",
            Phase::Ehlo => "ehlo",
            Phase::Mail => "mail",
            Phase::Rcpt => "rcpt",
            Phase::Data => "data",
            Phase::Body => "body",
            Phase::Dot => "dot",
            Phase::Render => "render",
        }
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
    pub code: u16,
    /// Enhanced status code (RFC 3463), such as `5.1.1`.
    pub enhanced: Option<String>,
    /// Text of the reply, its lines joined by `\n`, with the enhanced code where the server sent one. Without other
    /// control characters: PostgreSQL refuses U+0000, and the rest would garble a terminal.
    pub text: String,
}

impl Answer {
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

/// What the end of an attempt means. `answer` is the reply that ended it; `None` = the connection was lost, or the
/// server did not answer in time, in that phase.
///
/// RFC 5321 section 4.2.5: after a 4xx or 5xx reply to the final dot the server must not deliver. A lost connection
/// before the dot counts as a 451 (section 3.8); at the dot nothing can be known (RFC 1047).
pub fn classify(phase: Phase, answer: Option<&Answer>) -> Outcome {
    match phase {
        Phase::Connect | Phase::Greeting | Phase::Ehlo => return Outcome::Returned,
        // The same data would fail again.
        Phase::Render => return Outcome::Failed,
        Phase::Mail | Phase::Rcpt | Phase::Data | Phase::Body | Phase::Dot => {}
    }
    match (answer.map(|answer| answer.code), phase) {
        // The server closes the channel, whatever was asked (RFC 5321 section 3.8).
        (Some(400..=499), _) => Outcome::Deferred,
        (Some(500..=599), _) => Outcome::Failed,
        (Some(200..=299), Phase::Dot) => Outcome::Sent,
        // Neither accepted nor refused: as good as no reply.
        (_, Phase::Dot) => Outcome::Uncertain,
        (_, _) => Outcome::Deferred,
    }
}
