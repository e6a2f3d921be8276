//! Commands out, replies in (RFC 5321 section 4.2), over one stream.
//!
//! Read here and not by a library, since what a relay said is the product: a code alone on its line, codes like 571 and
//! texts that are not UTF-8 are replies too (decision 13).

use std::fmt;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use message::reply::Answer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::logging::chain;

/// RFC 5321 section 4.5.3.1.5 wants 512 octets a line; real ones are longer, endless ones are an attack.
const LONGEST_REPLY: usize = 64 * 1024;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The connection gave no usable reply, and may not be used again: the next one could be to an earlier command.
#[derive(Debug)]
pub struct Lost(pub String);

impl Lost {
    /// Words of the relay are made printable: PostgreSQL takes no U+0000, and the rest would garble a terminal.
    fn new(how: impl AsRef<str>) -> Lost {
        let is_garbage = |c: char| c.is_control() && c != '\n';
        Lost(how.as_ref().replace(is_garbage, " "))
    }
}

/// A write that did not come to its end.
#[derive(Debug)]
pub enum Unwritten {
    Lost {
        how: Lost,
        /// Bytes that the system took.
        written: usize,
    },
    Forbidden,
}

pub struct Wire {
    stream: Box<dyn Stream>,
    /// Read, and not yet understood.
    input: Vec<u8>,
    /// Between us and the system there is a buffer: what is written may leave later.
    buffers: bool,
}

impl Wire {
    pub fn new(stream: Box<dyn Stream>) -> Wire {
        Wire {
            stream,
            input: Vec::new(),
            buffers: false,
        }
    }

    pub fn encrypted(stream: Box<dyn Stream>) -> Wire {
        Wire {
            buffers: true,
            ..Wire::new(stream)
        }
    }

    pub fn buffers(&self) -> bool {
        self.buffers
    }

    pub async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), Lost> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(limit, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Lost::new(chain(&error))),
            Err(_) => Err(unread(limit)),
        }
    }

    /// Writes as many bytes as `bound` allows, which is asked, with the number of bytes written so far, at the moment of each
    /// write: `None` = no more, and what was begun stays in pieces. Returns how many were written.
    pub async fn write_within(
        &mut self,
        bytes: &[u8],
        mut bound: impl FnMut(usize) -> Option<usize>,
        limit: Duration,
    ) -> Result<usize, Unwritten> {
        let mut written = 0;
        let stream = &mut self.stream;
        let writing = async {
            poll_fn::<std::io::Result<bool>, _>(|context| {
                loop {
                    let end = match bound(written) {
                        None => return Poll::Ready(Ok(false)),
                        Some(end) => end.min(bytes.len()),
                    };
                    if written >= end {
                        return Poll::Ready(Ok(true));
                    }
                    let part = &bytes[written..end];
                    match ready!(Pin::new(&mut *stream).poll_write(context, part))? {
                        0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                        n => written += n,
                    }
                }
            })
            .await
        };
        let end = match timeout(limit, writing).await {
            Ok(Ok(true)) => match timeout(limit, self.stream.flush()).await {
                Ok(Ok(())) => return Ok(written),
                Ok(Err(error)) => Lost::new(chain(&error)),
                Err(_) => unread(limit),
            },
            Ok(Ok(false)) => return Err(Unwritten::Forbidden),
            Ok(Err(error)) => Lost::new(chain(&error)),
            Err(_) => unread(limit),
        };
        Err(Unwritten::Lost { how: end, written })
    }

    /// `command` with its line end.
    pub async fn command(
        &mut self,
        command: impl fmt::Display,
        limit: Duration,
    ) -> Result<Answer, Lost> {
        self.write(command.to_string().as_bytes(), limit).await?;
        self.reply(limit).await
    }

    /// The next reply, all its lines.
    pub async fn reply(&mut self, limit: Duration) -> Result<Answer, Lost> {
        match timeout(limit, self.read_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(Lost::new(format!("no reply within {limit:?}"))),
        }
    }

    async fn read_reply(&mut self) -> Result<Answer, Lost> {
        let mut code = None;
        let mut text = String::new();
        let mut end = 0;
        loop {
            let line = self.line(&mut end).await?;
            let line = String::from_utf8_lossy(&self.input[line]);
            let line = parse(&line).ok_or_else(|| {
                let shown: String = line.chars().take(200).collect();
                Lost::new(format!("this is not an SMTP reply: {shown}"))
            })?;
            if code.is_some_and(|code| code != line.code) {
                let first = code.unwrap_or_default();
                return Err(Lost::new(format!(
                    "one reply with two codes, {first} and {}: {text}\n{}",
                    line.code, line.text
                )));
            }
            if code.replace(line.code).is_some() {
                text.push('\n');
            }
            text.push_str(line.text);
            if line.is_last {
                let answer = Answer::parse(line.code, &text);
                self.input.drain(..end);
                return Ok(answer);
            }
        }
    }

    /// Where the line is that begins at `start`, without its end; `start` becomes that of the next.
    async fn line(&mut self, start: &mut usize) -> Result<Range<usize>, Lost> {
        let mut searched = *start;
        loop {
            if let Some(found) = self.input[searched..].iter().position(|&b| b == b'\n') {
                let end = searched + found;
                let has_return = self.input[*start..end].ends_with(b"\r");
                let line = *start..end - usize::from(has_return);
                *start = end + 1;
                return Ok(line);
            }
            searched = self.input.len();
            if searched > LONGEST_REPLY {
                return Err(Lost::new("the reply has no end"));
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) if searched > *start => {
                    return Err(Lost::new(
                        "the relay closed the connection in the middle of a reply",
                    ));
                }
                Ok(0) => return Err(Lost::new("the relay closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(Lost::new(chain(&error))),
            }
        }
    }

    /// `None` while the relay is silent, as it should be between two commands; else what it did.
    pub async fn unexpected(&mut self) -> Option<Lost> {
        if self.input.is_empty() {
            // What has come is seen when the runtime has looked at its sockets. No timeout, not even of zero: its timer takes a
            // millisecond, which is longer than a mail.
            tokio::task::yield_now().await;
            let read = tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.input) => read,
                () = std::future::ready(()) => return None,
            };
            match read {
                Ok(0) => return Some(Lost::new("the relay had closed the connection")),
                Ok(_) => {}
                Err(error) => return Some(Lost::new(chain(&error))),
            }
        }
        let said = String::from_utf8_lossy(&self.input);
        let said: String = said.trim_end().chars().take(200).collect();
        Some(Lost::new(format!("the relay had said unasked: {said}")))
    }

    /// The stream below, for TLS; `None` if more was read than the replies asked for: it could have been injected.
    pub fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.input.is_empty().then_some(self.stream)
    }
}

fn unread(limit: Duration) -> Lost {
    Lost::new(format!("the relay did not read within {limit:?}"))
}

struct Line<'a> {
    code: u16,
    is_last: bool,
    text: &'a str,
}

/// Section 4.2: clients should accept a code without the space that should follow it.
fn parse(line: &str) -> Option<Line<'_>> {
    let (code, rest) = line.split_at_checked(3)?;
    if !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    let (is_last, text) = match rest.as_bytes().first() {
        None => (true, ""),
        Some(b' ' | b'\t') => (true, &rest[1..]),
        Some(b'-') => (false, &rest[1..]),
        Some(_) => return None,
    };
    Some(Line {
        code,
        is_last,
        text,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// What is understood of these bytes, followed by the end of the stream.
    async fn said(bytes: &[u8]) -> Result<Answer, Lost> {
        let (mut relay, ours) = duplex(1024 * 1024);
        relay.write_all(bytes).await.unwrap();
        drop(relay);
        Wire::new(Box::new(ours)).reply(LIMIT).await
    }

    async fn code_and_text(bytes: &[u8]) -> (u16, String) {
        let answer = said(bytes).await.unwrap();
        (answer.code, answer.text)
    }

    async fn lost(bytes: &[u8]) -> String {
        said(bytes).await.unwrap_err().0
    }

    #[tokio::test]
    async fn real_replies_are_understood_whatever_their_form() {
        for (bytes, code, text) in [
            (&b"250 2.0.0 ok\r\n"[..], 250, "2.0.0 ok"),
            (
                b"550-5.1.1 no\r\n550 5.1.1 such user\r\n",
                550,
                "5.1.1 no\n5.1.1 such user",
            ),
            (b"550\r\n", 550, ""),
            (b"550 \r\n", 550, ""),
            (b"571 5.7.1 blocked\r\n", 571, "5.7.1 blocked"),
            (
                b"550 5.1.1 Empf\xe4nger unbekannt\r\n",
                550,
                "5.1.1 Empf\u{fffd}nger unbekannt",
            ),
            (b"250 ends with LF alone\n", 250, "ends with LF alone"),
        ] {
            assert_eq!(code_and_text(bytes).await, (code, text.to_owned()));
        }
    }

    #[tokio::test]
    async fn what_is_no_reply_is_told_with_its_words() {
        for (bytes, expected) in [
            (&b"hello\r\n"[..], "this is not an SMTP reply: hello"),
            (b"25 ok\r\n", "this is not an SMTP reply: 25 ok"),
            (b"2500 ok\r\n", "this is not an SMTP reply: 2500 ok"),
            (b"990 ok\r\n", "this is not an SMTP reply: 990 ok"),
            (
                b"\0\x01binary\x1b[0m\r\n",
                "this is not an SMTP reply:   binary [0m",
            ),
            (b"", "the relay closed the connection"),
            (
                b"550 5.1",
                "the relay closed the connection in the middle of a reply",
            ),
            (b"250-a\r\n", "the relay closed the connection"),
            (
                b"550-5.1.1 no\r\n450 4.1.1 later\r\n",
                "one reply with two codes, 550 and 450: 5.1.1 no\n4.1.1 later",
            ),
        ] {
            assert_eq!(lost(bytes).await, expected);
        }
        let endless = vec![b'5'; LONGEST_REPLY + 2];
        assert_eq!(lost(&endless).await, "the reply has no end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_does_not_end_in_time_is_lost() {
        let (mut relay, ours) = duplex(1024);
        relay.write_all(b"250-still\r\n250").await.unwrap();
        let lost = Wire::new(Box::new(ours)).reply(LIMIT).await;
        assert_eq!(lost.unwrap_err().0, "no reply within 5s");
    }

    #[tokio::test(start_paused = true)]
    async fn to_find_the_relay_silent_takes_no_time() {
        let (_relay, ours) = duplex(1024);
        let begun = tokio::time::Instant::now();
        assert!(Wire::new(Box::new(ours)).unexpected().await.is_none());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn replies_in_one_packet_are_taken_one_by_one() {
        let (mut relay, ours) = duplex(1024);
        relay
            .write_all(b"250 a\r\n550-b\r\n550 c\r\n354 d\r\n")
            .await
            .unwrap();
        let mut wire = Wire::new(Box::new(ours));
        for expected in [250, 550, 354] {
            assert_eq!(wire.reply(LIMIT).await.unwrap().code, expected);
        }
        assert!(wire.unexpected().await.is_none());
        relay.write_all(b"421 4.4.2 idle\r\n").await.unwrap();
        let unasked = wire.unexpected().await;
        assert_eq!(
            unasked.unwrap().0,
            "the relay had said unasked: 421 4.4.2 idle"
        );
        assert!(wire.into_stream().is_none());
    }
}
