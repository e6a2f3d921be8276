//! One SMTP session: command order, envelope, and what the script does to it.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::auth::credentials;
use crate::command::{self, Command};
use crate::ledger::OpenConnection;
use crate::script::Plan;
use crate::tls::Mode;
use crate::wire::{Closed, Wire};
use crate::{Act, Connection, Moment, Reply, Server, Stage, Tls};

/// RFC 5321 section 4.5.3.1.8.
const MOST_RECIPIENTS: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Envelope {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
}

/// Where stages have no address.
const NOBODY: &[String] = &[String::new()];

/// Where a mail comes from.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) peer: SocketAddr,
    pub(crate) connection: u64,
    pub(crate) tls: bool,
    pub(crate) sni: Option<String>,
    pub(crate) user: Option<String>,
}

pub(crate) struct Session {
    server: Arc<Server>,
    wire: Wire,
    origin: Origin,
    greeted: bool,
    /// MAIL commands that were answered with 2xx.
    mails: u64,
    envelope: Option<Envelope>,
    /// The recipient of the last RCPT, taken or not.
    asked: String,
}

impl Session {
    pub(crate) fn new(
        server: Arc<Server>,
        stream: TcpStream,
        peer: SocketAddr,
        open: OpenConnection,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let connection = open.number;
        let wire = Wire::new(stream, open, server.idle, stop);
        Self {
            server,
            wire,
            origin: Origin {
                peer,
                connection,
                tls: false,
                sni: None,
                user: None,
            },
            greeted: false,
            mails: 0,
            envelope: None,
            asked: String::new(),
        }
    }

    /// Serves until the connection is over.
    pub(crate) async fn run(mut self) -> Result<Infallible, Closed> {
        let plan = self.plan(Stage::Connect, NOBODY);
        self.answer_bytes(plan, Vec::new()).await?;
        if let Some(tls) = self.tls_of(Mode::Implicit) {
            self.handshake(&tls).await?;
        }
        let plan = self.plan(Stage::Greeting, NOBODY);
        self.answer(plan, Reply::new(220, "localhost ESMTP mail-catcher"))
            .await?;
        loop {
            let line = self.wire.line().await?.to_vec();
            let pipelined = self.wire.has_more();
            self.note(|seen| seen.command(&line, pipelined));
            match command::parse(&line) {
                Ok(command) => self.obey(command).await?,
                Err(reply) => self.wire.reply(&reply),
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Closed> {
        match command {
            Command::Ehlo => self.ehlo().await,
            Command::Helo => {
                self.greet();
                self.wire.reply(&Reply::new(250, "localhost"));
                Ok(())
            }
            Command::StartTls => self.starttls().await,
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial).await,
            Command::Mail { from, size } => self.mail(from, size).await,
            Command::Rcpt { to } => self.rcpt(to).await,
            Command::Data => self.data().await,
            Command::Rset => {
                let plan = self.plan(Stage::Rset, NOBODY);
                if plan.goes_ahead(Stage::Rset) {
                    self.envelope = None;
                }
                self.answer(plan, Reply::new(250, "2.0.0 ok")).await
            }
            Command::Noop => {
                let plan = self.plan(Stage::Noop, NOBODY);
                self.answer(plan, Reply::new(250, "2.0.0 ok")).await
            }
            Command::Vrfy => {
                self.wire.reply(&Reply::new(252, "2.1.5 send it and see"));
                Ok(())
            }
            Command::Quit => {
                let plan = self.plan(Stage::Quit, NOBODY);
                self.answer(plan, Reply::new(221, "2.0.0 bye")).await?;
                Err(self.wire.part().await)
            }
        }
    }

    async fn ehlo(&mut self) -> Result<(), Closed> {
        let plan = self.plan(Stage::Ehlo, NOBODY);
        if plan.goes_ahead(Stage::Ehlo) {
            self.greet();
        }
        let mut offers = "localhost\n8BITMIME\nENHANCEDSTATUSCODES".to_owned();
        if self.server.pipelining {
            offers += "\nPIPELINING";
        }
        if !self.origin.tls && self.tls_of(Mode::StartTls).is_some() {
            offers += "\nSTARTTLS";
        }
        let auth = self.server.auth.as_ref();
        if auth.is_some_and(|auth| self.origin.tls || auth.in_plain_text) {
            offers += "\nAUTH PLAIN LOGIN";
        }
        offers += &format!("\nSIZE {}", self.server.max_size);
        self.answer(plan, Reply::new(250, offers)).await
    }

    fn greet(&mut self) {
        self.greeted = true;
        self.envelope = None;
    }

    fn tls_of(&self, mode: Mode) -> Option<Tls> {
        let tls = self.server.tls.as_ref();
        tls.filter(|tls| tls.mode == mode).cloned()
    }

    async fn starttls(&mut self) -> Result<(), Closed> {
        let Some(tls) = self.tls_of(Mode::StartTls) else {
            self.wire.reply(&Reply::new(502, "5.5.1 not implemented"));
            return Ok(());
        };
        if self.origin.tls {
            self.wire.reply(&Reply::new(503, "5.5.1 TLS is on already"));
            return Ok(());
        }
        let plan = self.plan(Stage::StartTls, NOBODY);
        let goes_ahead = plan.goes_ahead(Stage::StartTls);
        self.answer(plan, Reply::new(220, "2.0.0 go ahead")).await?;
        if goes_ahead {
            self.greeted = false;
            self.envelope = None;
            self.handshake(&tls).await?;
        }
        Ok(())
    }

    async fn handshake(&mut self, tls: &Tls) -> Result<(), Closed> {
        let plan = self.plan(Stage::Handshake, NOBODY);
        let instead = plan.acts.is_some();
        let drops_after = plan.drops_after;
        let before = Plan {
            drops_after: false,
            ..plan
        };
        self.answer_bytes(before, Vec::new()).await?;
        if instead {
            return Ok(());
        }
        let ledger = &self.server.ledger;
        let origin = &mut self.origin;
        let hello = |name: Option<&str>| {
            origin.sni = name.map(str::to_owned);
            ledger.connection(origin.connection, |seen| seen.sni.clone_from(&origin.sni));
        };
        self.wire.encrypt(Arc::clone(&tls.config), hello).await?;
        self.origin.tls = true;
        self.note(|seen| seen.tls = true);
        if drops_after {
            return Err(self.wire.part().await);
        }
        Ok(())
    }

    async fn auth(&mut self, mechanism: &str, initial: Option<String>) -> Result<(), Closed> {
        if !self.origin.tls {
            self.note(|seen| seen.auth_in_plain_text = true);
        }
        let refusal = match &self.server.auth {
            None => Some(Reply::new(502, "5.5.1 not implemented")),
            Some(_) if !self.greeted => Some(Reply::new(503, "5.5.1 EHLO first")),
            Some(_) if self.origin.user.is_some() => {
                Some(Reply::new(503, "5.5.1 logged in already"))
            }
            Some(auth) if !self.origin.tls && !auth.in_plain_text => {
                Some(Reply::new(538, "5.7.11 encryption required"))
            }
            Some(_) => None,
        };
        if let Some(refusal) = refusal {
            self.wire.reply(&refusal);
            return Ok(());
        }
        let given = match credentials(&mut self.wire, mechanism, initial).await? {
            Ok(given) => given,
            Err(reply) => {
                self.wire.reply(&reply);
                return Ok(());
            }
        };
        let plan = self.plan(Stage::Auth, NOBODY);
        let right = (self.server.auth.as_ref())
            .is_some_and(|auth| auth.username == given.username && auth.password == given.password);
        let own = if right {
            Reply::new(235, "2.7.0 welcome")
        } else {
            Reply::new(535, "5.7.8 username or password is wrong")
        };
        if plan
            .acts
            .as_ref()
            .map_or(right, |_| plan.goes_ahead(Stage::Auth))
        {
            self.note(|seen| seen.user = Some(given.username.clone()));
            self.origin.user = Some(given.username);
        }
        self.answer(plan, own).await
    }

    async fn mail(&mut self, from: String, size: Option<usize>) -> Result<(), Closed> {
        let login_missing = self.server.auth.is_some() && self.origin.user.is_none();
        let refusal = if !self.greeted {
            Some(Reply::new(503, "5.5.1 EHLO first"))
        } else if self.envelope.is_some() {
            Some(Reply::new(503, "5.5.1 a mail is under way"))
        } else if login_missing && !self.origin.tls && self.tls_of(Mode::StartTls).is_some() {
            Some(Reply::new(530, "5.7.0 STARTTLS first"))
        } else if login_missing {
            Some(Reply::new(530, "5.7.0 authentication required"))
        } else if size.is_some_and(|size| size > self.server.max_size) {
            Some(Reply::new(552, "5.3.4 mail too big"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.wire.reply(&refusal);
            return Ok(());
        }
        let plan = self.plan(Stage::Mail, std::slice::from_ref(&from));
        if plan.goes_ahead(Stage::Mail) {
            self.mails += 1;
            self.server.ledger.mail_begun(from.clone());
            let to = Vec::new();
            self.envelope = Some(Envelope { from, to });
        }
        self.answer(plan, Reply::new(250, "2.1.0 ok")).await
    }

    async fn rcpt(&mut self, to: String) -> Result<(), Closed> {
        if self.envelope.is_none() && self.server.lenient && self.greeted {
            self.envelope = Some(Envelope::default());
        }
        let Some(envelope) = &self.envelope else {
            self.wire.reply(&Reply::new(503, "5.5.1 MAIL first"));
            return Ok(());
        };
        if envelope.to.len() >= MOST_RECIPIENTS {
            self.wire
                .reply(&Reply::new(452, "4.5.3 too many recipients"));
            return Ok(());
        }
        let plan = self.plan(Stage::Rcpt, std::slice::from_ref(&to));
        self.asked.clone_from(&to);
        if let Some(envelope) = &mut self.envelope
            && plan.goes_ahead(Stage::Rcpt)
        {
            envelope.to.push(to);
        }
        self.answer(plan, Reply::new(250, "2.1.5 ok")).await
    }

    async fn data(&mut self) -> Result<(), Closed> {
        let recipients = (self.envelope.as_ref()).is_some_and(|envelope| !envelope.to.is_empty());
        let refusal = match &self.envelope {
            _ if recipients || (self.server.lenient && self.greeted) => None,
            None => Some(Reply::new(503, "5.5.1 MAIL first")),
            Some(_) => Some(Reply::new(554, "5.5.1 no valid recipients")),
        };
        if let Some(refusal) = refusal {
            self.wire.reply(&refusal);
            return Ok(());
        }
        let addresses = match &self.envelope {
            Some(envelope) if recipients => envelope.to.clone(),
            _ => vec![self.asked.clone()],
        };
        let plan = self.plan(Stage::Data, &addresses);
        let goes_ahead = plan.goes_ahead(Stage::Data);
        self.answer(plan, Reply::new(354, "go ahead")).await?;
        if !goes_ahead {
            return Ok(());
        }
        let envelope = self.envelope.take().unwrap_or_default();

        let mut answered = false;
        if self.server.script.has(Stage::Body) {
            self.wire.mail_begins().await?;
            let plan = self.plan(Stage::Body, &addresses);
            answered = plan.acts.is_some();
            self.answer_bytes(plan, Vec::new()).await?;
            self.wire.until(ready(())).await?;
        }
        match self.wire.mail(self.server.max_size).await? {
            _ if answered => Ok(()),
            Ok(mail) => {
                let plan = self.plan(Stage::Dot, &addresses);
                let own = if !recipients {
                    Reply::new(554, "5.5.1 no valid recipients")
                } else if plan.takes || plan.goes_ahead(Stage::Dot) {
                    self.take(envelope, mail).await
                } else {
                    Reply::new(250, "2.0.0 accepted")
                };
                self.answer(plan, own).await
            }
            Err(defect) => {
                self.wire.reply(&defect);
                Ok(())
            }
        }
    }

    async fn take(&mut self, envelope: Envelope, mail: Vec<u8>) -> Reply {
        match self.server.accept(envelope, mail, &self.origin).await {
            Ok(()) => Reply::new(250, "2.0.0 accepted"),
            Err(error) => {
                tracing::error!(%error, "mail not stored");
                Reply::new(451, "4.3.0 mail not stored")
            }
        }
    }

    fn note(&self, note: impl FnOnce(&mut Connection)) {
        self.server.ledger.connection(self.origin.connection, note);
    }

    fn plan(&self, stage: Stage, addresses: &[String]) -> Plan {
        let moment = Moment {
            connection: self.origin.connection,
            mail: self.mails + u64::from(stage == Stage::Mail),
            tls: self.origin.tls,
            local_part: "",
        };
        self.server.script.plan(stage, &moment, addresses)
    }

    async fn answer(&mut self, plan: Plan, own: Reply) -> Result<(), Closed> {
        self.answer_bytes(plan, own.to_bytes()).await
    }

    /// `own` is the server's answer, for want of another.
    async fn answer_bytes(&mut self, plan: Plan, own: Vec<u8>) -> Result<(), Closed> {
        let acts = plan.acts.unwrap_or_else(|| vec![Act::Send(own)]);
        let after = plan.drops_after.then_some(Act::Drop);
        let mut said = false;
        for act in plan.waits.into_iter().chain(acts).chain(after) {
            match (act, plan.trickle) {
                (Act::Send(bytes), pause) => {
                    said = !bytes.is_empty();
                    match pause {
                        None => self.wire.bytes(&bytes),
                        Some(pause) => self.wire.trickle(&bytes, pause).await?,
                    }
                }
                (Act::Wait(time), _) => self.wire.until(sleep(time)).await?,
                (Act::Hold(gate), _) => self.wire.until(gate.passed()).await?,
                (Act::Silence, _) => return Err(self.wire.until_gone().await),
                (Act::Endless, _) => return Err(self.wire.endless().await),
                (Act::Drop, _) if said => return Err(self.wire.part().await),
                (Act::Drop, _) => {
                    // The client gets the replies to everything before, then the end of the stream.
                    self.wire.flush().await?;
                    return Err(Closed);
                }
            }
        }
        Ok(())
    }
}
