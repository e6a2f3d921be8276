//! Lines in, replies out, over one connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;

use crate::ledger::OpenConnection;
use crate::{Idle, Reply, stopped};

/// The connection is over, by whoever's will.
#[derive(Debug)]
pub(crate) struct Closed;

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "connection lost");
        Self
    }
}

/// Bounds the buffer; far above every line that the protocol allows.
const LONGEST_LINE: usize = 64 * 1024;
/// RFC 5321 section 4.5.3.1.6, line end included.
const LONGEST_TEXT_LINE: usize = 1000;
/// How long the client may take to read the last words before the connection is reset.
const FAREWELL: Duration = Duration::from_secs(1);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(crate) struct Wire {
    /// The first field, so that a client that has seen the end is not counted any more when it comes again.
    open: Option<OpenConnection>,
    stream: Box<dyn Stream>,
    idle: Idle,
    stop: watch::Receiver<bool>,
    input: Vec<u8>,
    /// `input` before this offset has been handed out.
    taken: usize,
    output: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(
        stream: TcpStream,
        open: OpenConnection,
        idle: Idle,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            open: Some(open),
            stream: Box::new(stream),
            idle,
            stop,
            input: Vec::with_capacity(16 * 1024),
            taken: 0,
            output: Vec::new(),
        }
    }

    /// Replies wait until the server has to wait for the client: a pipelined group is answered in
    /// one packet (RFC 2920 section 3.2).
    pub(crate) fn reply(&mut self, reply: &Reply) {
        self.bytes(&reply.to_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Each octet on its own, after this time.
    pub(crate) async fn trickle(&mut self, bytes: &[u8], pause: Duration) -> Result<(), Closed> {
        for byte in bytes {
            self.until(sleep(pause)).await?;
            self.bytes(&[*byte]);
        }
        self.flush().await
    }

    /// Writes what is to be written, and waits. Also ends when the server is being stopped.
    pub(crate) async fn until(&mut self, over: impl Future<Output = ()>) -> Result<(), Closed> {
        let done = async {
            write(&mut self.stream, &mut self.output).await?;
            over.await;
            Ok(())
        };
        tokio::select! {
            done = done => done,
            () = stopped(&mut self.stop) => Err(Closed),
        }
    }

    /// Reads and says nothing, until the client is gone.
    pub(crate) async fn until_gone(&mut self) -> Closed {
        loop {
            self.input.clear();
            self.taken = 0;
            let read = async {
                write(&mut self.stream, &mut self.output).await?;
                self.stream.read_buf(&mut self.input).await
            };
            tokio::select! {
                () = stopped(&mut self.stop) => return Closed,
                read = read => if !matches!(read, Ok(1..)) { return Closed },
            }
        }
    }

    /// A line without end, until the client is gone.
    pub(crate) async fn endless(&mut self) -> Closed {
        self.bytes(b"250-");
        while self.until(std::future::ready(())).await.is_ok() {
            self.bytes(&[b'x'; 4096]);
        }
        Closed
    }

    /// Whether the client has sent more than was read.
    pub(crate) fn has_more(&self) -> bool {
        self.taken < self.input.len()
    }

    /// The handshake. What the client sent ahead of it in plain text is thrown away. `hello` is told the server name.
    pub(crate) async fn encrypt(
        &mut self,
        config: Arc<ServerConfig>,
        hello: impl FnOnce(Option<&str>),
    ) -> Result<(), Closed> {
        self.flush().await?;
        self.input.clear();
        self.taken = 0;
        let (gone, _) = tokio::io::duplex(1);
        let stream = std::mem::replace(&mut self.stream, Box::new(gone));
        let handshake = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            hello(start.client_hello().server_name());
            start.into_stream(config).await
        };
        let stream = tokio::select! {
            stream = handshake => stream?,
            () = stopped(&mut self.stop) => return Err(Closed),
        };
        self.stream = Box::new(stream);
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Closed> {
        Ok(write(&mut self.stream, &mut self.output).await?)
    }

    /// The next line, its LF included.
    pub(crate) async fn line(&mut self) -> Result<&[u8], Closed> {
        let mut searched = self.taken;
        loop {
            if let Some(found) = self.input[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let start = self.taken;
                self.taken = searched + found + 1;
                return Ok(&self.input[start..self.taken]);
            }
            if self.input.len() - self.taken > LONGEST_LINE {
                return self.last_words(500, "5.5.2 line too long, closing").await;
            }
            searched = self.fill().await?;
        }
    }

    /// Reads more, and returns where the new bytes begin.
    async fn fill(&mut self) -> Result<usize, Closed> {
        self.flush().await?;
        self.input.drain(..self.taken);
        self.taken = 0;
        let old = self.input.len();
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => self.last_words(421, "4.3.2 shutting down").await,
            read = self.stream.read_buf(&mut self.input) => match read? {
                0 => Err(Closed),
                _ => Ok(old),
            },
            () = sleep(self.idle.after) => match self.idle.farewell {
                true => self.last_words(421, "4.4.2 idle for too long").await,
                false => Err(Closed),
            },
        }
    }

    /// Replies, and closes the connection.
    pub(crate) async fn last_words<T>(&mut self, code: u16, text: &str) -> Result<T, Closed> {
        self.reply(&Reply::new(code, text));
        Err(self.part().await)
    }

    /// Ends the connection so that the client can read all replies: closing a socket with unread input resets it, which
    /// throws away what is on its way.
    pub(crate) async fn part(&mut self) -> Closed {
        self.open = None;
        let part = async {
            self.flush().await?;
            self.stream.shutdown().await?;
            Ok::<_, Closed>(self.until_gone().await)
        };
        // The client may take its time; the connection ends anyway.
        let _ = timeout(FAREWELL, part).await;
        Closed
    }

    /// Returns when the mail has begun to arrive.
    pub(crate) async fn mail_begins(&mut self) -> Result<(), Closed> {
        while !self.has_more() {
            self.fill().await?;
        }
        Ok(())
    }

    /// The mail up to the final dot, dots unstuffed (RFC 5321 section 4.5.2), at most `max` octets.
    /// What breaks the rules is read to its end all the same; then the inner error is the reply.
    pub(crate) async fn mail(&mut self, max: usize) -> Result<Result<Vec<u8>, Reply>, Closed> {
        let mut mail = Vec::new();
        let mut defect = None;
        // Only CRLF ends a line, so `LF . CRLF` is not the end: no smuggling of a second mail.
        let mut after_crlf = true;
        loop {
            let line = self.line().await?;
            if after_crlf && line == b".\r\n" {
                return Ok(defect.map_or(Ok(mail), Err));
            }
            after_crlf = line.ends_with(b"\r\n");
            let text = line.strip_suffix(b"\r\n");
            if text.is_none_or(|text| text.contains(&b'\r')) {
                defect = Some(Reply::new(554, "5.6.0 CR or LF alone in the mail"));
            }
            let line = line.strip_prefix(b".").unwrap_or(line);
            if line.len() > LONGEST_TEXT_LINE {
                defect = Some(Reply::new(554, "5.6.0 a line of the mail is too long"));
            }
            if mail.len() + line.len() > max {
                defect = Some(Reply::new(552, "5.3.4 mail too big"));
            }
            if defect.is_none() {
                mail.extend_from_slice(line);
            }
        }
    }
}

async fn write(stream: &mut Box<dyn Stream>, output: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(output).await?;
    output.clear();
    stream.flush().await
}
