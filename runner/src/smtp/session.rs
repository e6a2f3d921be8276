//! The mail transaction (RFC 5321 section 3.3) over a connection that is past EHLO.

use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailCommand, Rcpt, Rset};
use lettre::transport::smtp::response::Response;
use message::reply::{Answer, Phase};
use tokio::time::timeout;

use super::{Mail, Permit, Relay, Sent};
use crate::logging::chain;

/// Greeting and EHLO, MAIL, RCPT, DATA.
pub const COMMAND: Duration = Duration::from_secs(60);
/// From the beginning of the body to the reply. RFC 5321 section 4.5.3.2.6 wants ten minutes: a shorter wait makes
/// duplicates.
const DOT: Duration = Duration::from_secs(600);
const QUIT: Duration = Duration::from_secs(2);
/// Relays limit the messages of a session; a new connection in time costs less than their refusal.
const MESSAGES_PER_CONNECTION: u32 = 100;

pub struct Session {
    connection: AsyncSmtpConnection,
    messages: u32,
    /// False while a transaction runs, and for ever after a timeout, an I/O error or a reply that cannot be read: a
    /// late reply would be taken for that of the next command.
    healthy: bool,
    /// A refused transaction has to be reset before the next; not on a fresh connection, where some servers take it
    /// for junk.
    reset: bool,
}

/// A command that got no usable reply.
struct Lost(String);

impl Session {
    pub fn new(connection: AsyncSmtpConnection) -> Session {
        Session {
            connection,
            messages: 0,
            healthy: true,
            reset: false,
        }
    }

    async fn command(&mut self, command: impl std::fmt::Display + Send) -> Result<Answer, Lost> {
        match timeout(COMMAND, self.connection.command(command)).await {
            Ok(result) => understood(result),
            Err(_) => Err(Lost(format!("no reply within {COMMAND:?}"))),
        }
    }

    /// The relay has ended the transaction with this answer; the connection lives on, unless it says otherwise.
    fn ended(&mut self, phase: Phase, answer: Answer) -> Sent {
        // 421: the server closes the channel, whatever was asked (RFC 5321 section 3.8).
        self.healthy = answer.code != 421;
        self.reset = phase != Phase::Dot;
        Sent::Ended {
            phase,
            answer: Some(answer),
            lost: None,
        }
    }
}

#[async_trait]
impl Relay for Session {
    async fn send(&mut self, mail: &Mail, permit: &Permit) -> Sent {
        let reused = self.messages > 0;
        // True again only at the end: a future dropped in between leaves the connection unusable.
        self.healthy = false;

        if std::mem::take(&mut self.reset)
            && let Err(Lost(how)) = self.command(Rset).await
        {
            return Sent::DeadIdle(how);
        }
        if !permit.may_start() {
            self.healthy = true;
            return Sent::NotStarted;
        }
        self.messages += 1;
        match self
            .command(MailCommand::new(Some(mail.from.clone()), vec![]))
            .await
        {
            Ok(answer) if answer.code / 100 == 2 => {}
            Ok(answer) => return self.ended(Phase::Mail, answer),
            Err(Lost(how)) if reused => return Sent::DeadIdle(how),
            Err(lost) => return lost.in_phase(Phase::Mail),
        }
        match self.command(Rcpt::new(mail.to.clone(), vec![])).await {
            Ok(answer) if answer.code / 100 == 2 => {}
            Ok(answer) => return self.ended(Phase::Rcpt, answer),
            Err(lost) => return lost.in_phase(Phase::Rcpt),
        }
        match self.command(Data).await {
            Ok(answer) if answer.code == 354 => {}
            Ok(answer) if answer.code >= 400 => return self.ended(Phase::Data, answer),
            Ok(answer) => {
                let how = format!("{} in reply to DATA", answer.code);
                return Lost(how).in_phase(Phase::Data);
            }
            Err(lost) => return lost.in_phase(Phase::Data),
        }
        if !permit.may_finish() {
            return Sent::Withheld;
        }
        match timeout(DOT, self.connection.message(&mail.content)).await {
            Ok(result) => match understood(result) {
                Ok(answer) => self.ended(Phase::Dot, answer),
                Err(lost) => lost.in_phase(Phase::Dot),
            },
            Err(_) => Lost(format!("no reply within {DOT:?}")).in_phase(Phase::Dot),
        }
    }

    fn is_reusable(&self) -> bool {
        self.healthy && self.messages < MESSAGES_PER_CONNECTION
    }

    async fn quit(&mut self) {
        if self.healthy {
            // The reply matters to nobody.
            let _ = timeout(QUIT, self.connection.quit()).await;
        }
    }
}

impl Lost {
    fn in_phase(self, phase: Phase) -> Sent {
        Sent::Ended {
            phase,
            answer: None,
            lost: Some(self.0),
        }
    }
}

fn understood(result: Result<Response, lettre::transport::smtp::Error>) -> Result<Answer, Lost> {
    match result {
        Ok(response) => {
            let text = response.message().collect::<Vec<_>>().join("\n");
            Ok(Answer::parse(response.code().into(), &text))
        }
        Err(error) => reply(&error).ok_or_else(|| Lost(chain(&error))),
    }
}

/// The negative reply behind an error, if it is one.
pub fn reply(error: &lettre::transport::smtp::Error) -> Option<Answer> {
    let code = error.status()?;
    let text = std::error::Error::source(error).map(ToString::to_string);
    Some(Answer::parse(code.into(), &text.unwrap_or_default()))
}
