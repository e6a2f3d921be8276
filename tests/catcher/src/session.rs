//! One SMTP session: command order, envelope, and what the script does to it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::command::{self, Command};
use crate::wire::{Closed, Wire};
use crate::{Fault, Reply, Server};

/// RFC 5321 section 4.5.3.1.8.
const MOST_RECIPIENTS: usize = 100;

#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
}

pub(crate) struct Session {
    server: Arc<Server>,
    wire: Wire,
    peer: SocketAddr,
    connection: u64,
    greeted: bool,
    envelope: Option<Envelope>,
}

impl Session {
    pub(crate) fn new(
        server: Arc<Server>,
        stream: TcpStream,
        peer: SocketAddr,
        connection: u64,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            server,
            wire: Wire::new(stream, stop),
            peer,
            connection,
            greeted: false,
            envelope: None,
        }
    }

    /// Serves until the connection is over.
    pub(crate) async fn run(mut self) -> Result<Infallible, Closed> {
        if self.server.script.drops_at_connect(self.connection) {
            return Err(Closed);
        }
        self.wire
            .reply(&Reply::new(220, "localhost ESMTP mail-catcher"));
        loop {
            let reply = match command::parse(self.wire.line().await?) {
                Ok(command) => self.answer(command).await?,
                Err(reply) => reply,
            };
            self.wire.reply(&reply);
        }
    }

    async fn answer(&mut self, command: Command) -> Result<Reply, Closed> {
        Ok(match command {
            Command::Ehlo => {
                self.greet();
                let size = self.server.max_size;
                let offers =
                    format!("localhost\n8BITMIME\nENHANCEDSTATUSCODES\nPIPELINING\nSIZE {size}");
                Reply::new(250, offers)
            }
            Command::Helo => {
                self.greet();
                Reply::new(250, "localhost")
            }
            Command::Mail { from, size } => self.mail(from, size),
            Command::Rcpt { to } => self.rcpt(to).await?,
            Command::Data => self.data().await?,
            Command::Rset => {
                self.envelope = None;
                Reply::new(250, "2.0.0 ok")
            }
            Command::Noop => Reply::new(250, "2.0.0 ok"),
            Command::Vrfy => Reply::new(252, "2.1.5 send it and see"),
            Command::Quit => self.wire.last_words(221, "2.0.0 bye").await?,
        })
    }

    fn greet(&mut self) {
        self.greeted = true;
        self.envelope = None;
    }

    fn mail(&mut self, from: String, size: Option<usize>) -> Reply {
        if !self.greeted {
            return Reply::new(503, "5.5.1 EHLO first");
        }
        if self.envelope.is_some() {
            return Reply::new(503, "5.5.1 a mail is under way");
        }
        if size.is_some_and(|size| size > self.server.max_size) {
            return Reply::new(552, "5.3.4 mail too big");
        }
        self.server.ledger.mail_started();
        self.envelope = Some(Envelope {
            from,
            to: Vec::new(),
        });
        Reply::new(250, "2.1.0 ok")
    }

    async fn rcpt(&mut self, to: String) -> Result<Reply, Closed> {
        let Some(envelope) = &mut self.envelope else {
            return Ok(Reply::new(503, "5.5.1 MAIL first"));
        };
        if envelope.to.len() >= MOST_RECIPIENTS {
            return Ok(Reply::new(452, "4.5.3 too many recipients"));
        }
        match self.server.script.at_rcpt(self.connection, &to) {
            None => {
                envelope.to.push(to);
                Ok(Reply::new(250, "2.1.5 ok"))
            }
            Some(Fault::ReplyAtRcpt(reply)) => Ok(reply.clone()),
            Some(_) => self.drop_connection().await,
        }
    }

    async fn data(&mut self) -> Result<Reply, Closed> {
        let Some(envelope) = self.envelope.take_if(|envelope| !envelope.to.is_empty()) else {
            return Ok(match self.envelope {
                None => Reply::new(503, "5.5.1 MAIL first"),
                Some(_) => Reply::new(554, "5.5.1 no valid recipients"),
            });
        };
        self.wire.reply(&Reply::new(354, "go ahead"));
        match self.wire.mail(self.server.max_size).await? {
            Ok(mail) => self.dot(envelope, mail).await,
            Err(defect) => Ok(defect),
        }
    }

    async fn dot(&mut self, envelope: Envelope, mail: Vec<u8>) -> Result<Reply, Closed> {
        let server = Arc::clone(&self.server);
        let waits = server.script.waits_at_dot(self.connection, &envelope.to);
        let fault = server.script.at_dot(self.connection, &envelope.to);
        let refusal = match fault {
            None | Some(Fault::DropAtDot { accepted: true }) => {
                match server
                    .accept(envelope, mail, self.peer, self.connection)
                    .await
                {
                    Ok(()) => None,
                    Err(error) => {
                        tracing::error!(%error, "mail not stored");
                        Some(Reply::new(451, "4.3.0 mail not stored"))
                    }
                }
            }
            Some(Fault::ReplyAtDot(reply)) => Some(reply.clone()),
            Some(_) => None,
        };
        for wait in waits {
            self.wait(wait).await?;
        }
        match (refusal, fault) {
            (_, Some(Fault::DropAtDot { .. })) => self.drop_connection().await,
            (Some(refusal), _) => Ok(refusal),
            (None, _) => Ok(Reply::new(250, "2.0.0 accepted")),
        }
    }

    async fn wait(&mut self, fault: &Fault) -> Result<(), Closed> {
        self.wire.flush().await?;
        let over = async {
            match fault {
                Fault::DelayAtDot(delay) => sleep(*delay).await,
                Fault::HoldAtDot(gate) => gate.passed().await,
                _ => {}
            }
        };
        tokio::select! {
            () = over => Ok(()),
            () = self.wire.stopped() => Err(Closed),
        }
    }

    /// The client gets the replies to everything before, then the end of the stream.
    async fn drop_connection<T>(&mut self) -> Result<T, Closed> {
        self.wire.flush().await?;
        Err(Closed)
    }
}
