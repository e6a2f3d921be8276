//! Lines in, replies out, over one TCP connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::{Reply, stopped};

/// The connection is over, by whoever's will.
#[derive(Debug)]
pub(crate) struct Closed;

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "connection lost");
        Self
    }
}

/// RFC 5321 section 4.5.3.2.7.
const IDLE: Duration = Duration::from_secs(300);
/// Bounds the buffer; far above every line that the protocol allows.
const LONGEST_LINE: usize = 64 * 1024;
/// RFC 5321 section 4.5.3.1.6, line end included.
const LONGEST_TEXT_LINE: usize = 1000;

pub(crate) struct Wire {
    stream: TcpStream,
    stop: watch::Receiver<bool>,
    input: Vec<u8>,
    /// `input` before this offset has been handed out.
    taken: usize,
    output: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, stop: watch::Receiver<bool>) -> Self {
        Self {
            stream,
            stop,
            input: Vec::with_capacity(16 * 1024),
            taken: 0,
            output: Vec::new(),
        }
    }

    /// Replies wait until the server has to wait for the client: a pipelined group is answered in
    /// one packet (RFC 2920 section 3.2).
    pub(crate) fn reply(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Closed> {
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        Ok(())
    }

    /// Resolves when the server is being stopped.
    pub(crate) async fn stopped(&mut self) {
        stopped(&mut self.stop).await;
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
            () = sleep(IDLE) => self.last_words(421, "4.4.2 idle for too long").await,
        }
    }

    /// Replies, and closes the connection.
    pub(crate) async fn last_words<T>(&mut self, code: u16, text: &str) -> Result<T, Closed> {
        self.reply(&Reply::new(code, text));
        self.flush().await?;
        Err(Closed)
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
