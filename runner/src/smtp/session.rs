//! The mail transaction (RFC 5321 section 3.3) over a connection that is ready for it.

use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::commands::{Data, Mail as MailCommand, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::MailParameter;
use message::mail::dot_stuffed;
use message::reply::{Answer, Phase};
use tokio::time::Instant;

use super::wire::{Lost, Unwritten, Wire};
use super::{Mail, Next, Permit, Relay, Sent, seconds};
use crate::storage::{IntegrationSpec, Pipelining};

const QUIT: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is asked first whether it lives.
const FRESH: Duration = Duration::from_secs(5);
/// One write of the body, each with its own time limit.
const BLOCK: usize = 64 * 1024;

/// Room for a final dot and the commands of the next message.
const ENVELOPE: usize = 512;

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub greeting: Duration,
    pub command: Duration,
    pub body: Duration,
    pub dot: Duration,
}

impl Limits {
    pub fn new(relay: &IntegrationSpec) -> Limits {
        let timeouts = &relay.timeouts;
        Limits {
            greeting: seconds(timeouts.greeting_s),
            command: seconds(timeouts.command_s),
            body: seconds(timeouts.body_s),
            dot: seconds(timeouts.dot_s),
        }
    }
}

/// What the relay offers in its answer to EHLO.
#[derive(Debug, Default)]
pub struct Abilities {
    pub starttls: bool,
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 1870.
    pub size: bool,
    /// Mechanisms of AUTH, upper case.
    pub logins: Vec<String>,
}

impl Abilities {
    pub fn parse(text: &str) -> Abilities {
        let mut abilities = Abilities::default();
        // The first line is the relay's name.
        for line in text.lines().skip(1) {
            let line = line.to_ascii_uppercase();
            // Old servers write AUTH=.
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => abilities.starttls = true,
                Some("PIPELINING") => abilities.pipelining = true,
                Some("SIZE") => abilities.size = true,
                Some("AUTH") => abilities.logins.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        abilities
    }

    pub fn offers_login_by(&self, mechanism: &str) -> bool {
        self.logins.iter().any(|offered| offered == mechanism)
    }
}

pub struct Session {
    wire: Wire,
    abilities: Abilities,
    limits: Limits,
    pipelining: Pipelining,
    /// False while a transaction runs, and for ever after a timeout, an I/O error or a reply that cannot be read: a
    /// late reply would be taken for that of the next command.
    healthy: bool,
    /// When the last transaction ended; `None` on a fresh connection.
    used: Option<Instant>,
    /// A refused transaction has to be reset before the next; not on a fresh connection, where some servers take it
    /// for junk.
    reset: bool,
    /// MAIL, RCPT and DATA of the next message are written; their replies are still to be read.
    announced: bool,
}

/// The replies to MAIL, RCPT and DATA; no later one than the first that ended the transaction.
enum Opened {
    /// The relay waits for the message.
    Yes,
    No(Sent),
    /// The relay does not understand a parameter of MAIL.
    Parameter(Answer),
}

impl Session {
    pub fn new(
        wire: Wire,
        abilities: Abilities,
        limits: Limits,
        pipelining: Pipelining,
    ) -> Session {
        Session {
            wire,
            abilities,
            limits,
            pipelining,
            healthy: true,
            used: None,
            reset: false,
            announced: false,
        }
    }

    /// RSET and what the replies to earlier commands need before MAIL. The error says how the connection died while it
    /// was idle.
    async fn wake(&mut self) -> Result<(), Lost> {
        let Some(used) = self.used else {
            return Ok(());
        };
        if let Some(lost) = self.wire.unexpected().await {
            return Err(lost);
        }
        if self.reset || used.elapsed() > FRESH {
            let answer = self.wire.command(Rset, self.limits.command).await?;
            if answer.code != 250 {
                return Err(Lost(format!(
                    "{} {} in reply to RSET",
                    answer.code, answer.text
                )));
            }
        }
        self.reset = false;
        Ok(())
    }

    /// MAIL, RCPT and DATA.
    fn envelope(&self, mail: &Mail) -> [String; 3] {
        let size = MailParameter::Size(mail.content.len());
        let parameters = if self.abilities.size {
            vec![size]
        } else {
            vec![]
        };
        [
            MailCommand::new(Some(mail.from.clone()), parameters).to_string(),
            Rcpt::new(mail.to.clone(), vec![]).to_string(),
            Data.to_string(),
        ]
    }

    async fn open(&mut self, mail: &Mail) -> Opened {
        let envelope = self.envelope(mail);
        if self.abilities.pipelining && self.pipelining != Pipelining::Off {
            self.open_at_once(envelope.concat()).await
        } else {
            self.open_step_by_step(envelope).await
        }
    }

    async fn open_step_by_step(&mut self, commands: [String; 3]) -> Opened {
        let limit = self.limits.command;
        for (phase, command) in [Phase::Mail, Phase::Rcpt, Phase::Data].iter().zip(commands) {
            match self.wire.command(command, limit).await {
                Ok(answer) if goes_on(*phase, &answer) => {}
                answer => return self.refused(*phase, answer),
            }
        }
        Opened::Yes
    }

    /// MAIL, RCPT and DATA in one packet.
    async fn open_at_once(&mut self, commands: String) -> Opened {
        let limit = self.limits.command;
        match self.wire.write(commands.as_bytes(), limit).await {
            Ok(()) => self.opened().await,
            Err(lost) => self.refused(Phase::Mail, Err(lost)),
        }
    }

    /// What came of MAIL, RCPT and DATA, all written. Each reply is read, or the next would be taken for another's.
    async fn opened(&mut self) -> Opened {
        let limit = self.limits.command;
        let from = self.wire.reply(limit).await;
        if from.is_err() {
            return self.refused(Phase::Mail, from);
        }
        let to = self.wire.reply(limit).await;
        let data = match to {
            Ok(_) => self.wire.reply(limit).await,
            Err(_) => Err(Lost(String::new())),
        };
        let waits = data.as_ref().is_ok_and(|data| data.code == 354);
        let in_step = data.is_ok();
        let (phase, answer) = [(Phase::Mail, from), (Phase::Rcpt, to), (Phase::Data, data)]
            .into_iter()
            .find(|(phase, answer)| !answer.as_ref().is_ok_and(|answer| goes_on(*phase, answer)))
            .unzip();
        let (Some(phase), Some(answer)) = (phase, answer) else {
            return Opened::Yes;
        };
        let mut opened = self.refused(phase, answer);
        // A reply that did not come leaves the connection out of step.
        self.healthy &= in_step;
        if waits && self.healthy {
            self.healthy = phase == Phase::Rcpt && self.send_nothing().await;
        }
        if let (Opened::Parameter(answer), false) = (&opened, self.healthy) {
            opened = Opened::No(ended(Phase::Mail, answer.clone()));
        }
        opened
    }

    /// The relay waits for a message although it has refused the recipient: it gets a lone dot, which it has nobody to
    /// deliver to (RFC 2920 section 3.1). Had it refused the sender, an empty mail could reach the recipient.
    async fn send_nothing(&mut self) -> bool {
        let answer = self.wire.command(".\r\n", self.limits.command).await;
        answer.is_ok_and(|answer| answer.code != 421)
    }

    fn refused(&mut self, phase: Phase, answer: Result<Answer, Lost>) -> Opened {
        let answer = match answer {
            Ok(answer) if answer.code >= 400 => answer,
            Ok(answer) => {
                let how = format!(
                    "{} {} in reply to {}",
                    answer.code,
                    answer.text,
                    phase.as_str()
                );
                return Opened::No(lost(phase, how));
            }
            Err(Lost(how)) => return Opened::No(lost(phase, how)),
        };
        self.settle(&answer);
        self.reset = true;
        if phase == Phase::Mail
            && self.abilities.size
            && self.healthy
            && matches!(answer.code, 501 | 504 | 555)
        {
            return Opened::Parameter(answer);
        }
        Opened::No(ended(phase, answer))
    }

    /// The connection lives on after this answer, unless it says otherwise: 421 closes it, whatever was asked (RFC 5321
    /// section 3.8), and 503 tells that we and the relay do not agree where we are.
    fn settle(&mut self, answer: &Answer) {
        self.healthy = !matches!(answer.code, 421 | 503);
    }

    /// The message, its final dot and, where there is a `next`, the envelope of that. Without a buffer between us and the system it is one
    /// write, which is a third of the work that the relay and we have with a short mail.
    async fn hand_over(&mut self, mail: &Mail, permit: &Permit, next: Option<Next<'_>>) -> Sent {
        let mut bytes = Vec::with_capacity(mail.content.len() + ENVELOPE);
        bytes.extend_from_slice(&mail.content);
        let mut bytes = dot_stuffed(bytes);
        let ahead = match self.wire.buffers() {
            // The dot leaves when it is allowed, not when a buffer is emptied.
            true => bytes.len(),
            false => bytes.len() - bytes.len() % BLOCK,
        };
        for block in bytes[..ahead].chunks(BLOCK) {
            if let Err(Lost(how)) = self.wire.write(block, self.limits.body).await {
                return self.cut_off(how).await;
            }
        }
        bytes.drain(..ahead);
        bytes.extend_from_slice(b".\r\n");
        let dot = bytes.len();
        if let Some((mail, _)) = next {
            for command in self.envelope(mail) {
                bytes.extend_from_slice(command.as_bytes());
            }
        }
        let bound = |written| {
            if written >= dot {
                permit.set_finishing();
            } else if !permit.may_finish() {
                return None;
            }
            match next {
                Some((_, next)) if written > dot || next.may_start() => Some(bytes.len()),
                _ => Some(dot),
            }
        };
        match (self.wire.write_within(&bytes, bound, self.limits.body)).await {
            Ok(written) => self.announced = written > dot,
            Err(Unwritten::Forbidden) => return Sent::Withheld,
            Err(Unwritten::Lost {
                how: Lost(how),
                written,
            }) if written < dot => return self.cut_off(how).await,
            Err(Unwritten::Lost { how: Lost(how), .. }) => return lost(Phase::Dot, how),
        }
        match self.wire.reply(self.limits.dot).await {
            Ok(answer) if answer.code / 100 == 3 => {
                let how = format!("{} {} in reply to the final dot", answer.code, answer.text);
                lost(Phase::Dot, how)
            }
            Ok(answer) => {
                self.settle(&answer);
                ended(Phase::Dot, answer)
            }
            Err(Lost(how)) => lost(Phase::Dot, how),
        }
    }

    /// The message was not written to its end. A relay that refuses in the middle says so before it closes.
    async fn cut_off(&mut self, how: String) -> Sent {
        match self.wire.reply(self.limits.command).await {
            Ok(answer) if answer.code >= 400 => ended(Phase::Body, answer),
            _ => lost(Phase::Body, how),
        }
    }
}

#[async_trait]
impl Relay for Session {
    async fn begin(&mut self, mail: &Mail, permit: &Permit) -> Result<(), Sent> {
        // True again only where the relay and we agree: a future dropped in between leaves the connection unusable.
        self.healthy = false;
        let reused = self.used.is_some();
        let announced = std::mem::take(&mut self.announced);
        let mut opened = if announced {
            self.opened().await
        } else {
            if let Err(Lost(how)) = self.wake().await {
                return Err(Sent::DeadIdle(how));
            }
            if !permit.may_start() {
                self.healthy = true;
                return Err(Sent::NotStarted);
            }
            self.open(mail).await
        };
        if let Opened::Parameter(_) = opened {
            self.abilities.size = false;
            self.healthy = false;
            let reset = self.wire.command(Rset, self.limits.command);
            opened = match reset.await {
                Ok(_) => self.open(mail).await,
                Err(Lost(how)) => Opened::No(lost(Phase::Mail, how)),
            };
        }
        let sent = match opened {
            // The end of the message before may have been long in coming. The relay has an envelope and nothing else, and only the
            // end of the connection takes that back.
            Opened::Yes if announced && !permit.may_start() => return Err(Sent::NotStarted),
            Opened::Yes => return Ok(()),
            Opened::Parameter(answer) => ended(Phase::Mail, answer),
            Opened::No(Sent::Ended {
                phase: Phase::Mail,
                answer: None,
                lost: Some(how),
            }) if reused => Sent::DeadIdle(how),
            Opened::No(sent) => sent,
        };
        self.used = Some(Instant::now());
        Err(sent)
    }

    async fn finish(&mut self, mail: &Mail, permit: &Permit, next: Option<Next<'_>>) -> Sent {
        let sent = self.hand_over(mail, permit, next).await;
        self.used = Some(Instant::now());
        sent
    }

    fn announces(&self) -> bool {
        self.abilities.pipelining && self.pipelining == Pipelining::Messages
    }

    fn is_healthy(&self) -> bool {
        self.healthy
    }

    async fn quit(&mut self) {
        if self.healthy {
            // The reply matters to nobody.
            let _ = self.wire.command(Quit, QUIT).await;
        }
    }
}

fn goes_on(phase: Phase, answer: &Answer) -> bool {
    match phase {
        Phase::Data => answer.code == 354,
        _ => answer.code / 100 == 2,
    }
}

fn ended(phase: Phase, answer: Answer) -> Sent {
    Sent::Ended {
        phase,
        answer: Some(answer),
        lost: None,
    }
}

fn lost(phase: Phase, how: String) -> Sent {
    Sent::Ended {
        phase,
        answer: None,
        lost: Some(how),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_recognised_in_every_spelling() {
        let offered = Abilities::parse("mx PIPELINING\nSIZE 1000\nstarttls\nAUTH=plain LOGIN");
        assert!(offered.starttls && offered.size && !offered.pipelining);
        assert!(offered.offers_login_by("PLAIN") && offered.offers_login_by("LOGIN"));
    }
}
