//! The limit: a plain loop over lettre's mails, pipelined, without a database.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lettre::Message;
use lettre::message::{Mailbox, MultiPart};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::speed::{CONNECTIONS, Cost, Meter, Sender};

const HTML: &str = include_str!("../letters/plain.html");
const TEXT: &str = include_str!("../letters/plain.txt");
const FROM: &str = "hello@meetups.example";

/// Sends so many mails, each built for its recipient.
pub async fn build_each(mails: u64) -> Cost {
    send(mails, None).await
}

/// Sends the same bytes so many times: the wire alone.
pub async fn build_once(mails: u64) -> Cost {
    send(mails, Some(build(1).into())).await
}

/// How many bytes a mail has.
pub fn size() -> usize {
    build(1).len()
}

async fn send(mails: u64, same: Option<Arc<[u8]>>) -> Cost {
    let meter = Meter::start(None, Sender::ThisProcess).await;
    let next = Arc::new(AtomicU64::new(1));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(connection(
            meter.addr(),
            mails,
            Arc::clone(&next),
            same.clone(),
        ));
    }
    while let Some(ended) = connections.join_next().await {
        ended.expect("a connection failed");
    }
    meter.end(mails)
}

async fn connection(addr: SocketAddr, mails: u64, next: Arc<AtomicU64>, same: Option<Arc<[u8]>>) {
    let stream = TcpStream::connect(addr).await.expect("no connection");
    stream.set_nodelay(true).expect("no NODELAY");
    let mut connection = Connection {
        stream: BufReader::new(stream),
        reply: String::new(),
    };
    connection.expect("220").await;
    connection.write(b"EHLO bench.example\r\n").await;
    while connection.line().await.as_bytes().get(3) == Some(&b'-') {}
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n > mails {
            break;
        }
        let envelope = format!("MAIL FROM:<{FROM}>\r\nRCPT TO:<{}>\r\nDATA\r\n", address(n));
        connection.write(envelope.as_bytes()).await;
        let built;
        let mail = match &same {
            Some(mail) => mail,
            None => {
                built = build(n);
                &built[..]
            }
        };
        for code in ["250", "250", "354"] {
            connection.expect(code).await;
        }
        connection.write(mail).await;
        connection.expect("250").await;
    }
    connection.write(b"QUIT\r\n").await;
    connection.expect("221").await;
}

struct Connection {
    stream: BufReader<TcpStream>,
    reply: String,
}

impl Connection {
    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("cut off");
    }

    async fn line(&mut self) -> &str {
        self.reply.clear();
        let read = self.stream.read_line(&mut self.reply).await;
        assert!(read.expect("cut off") > 0, "the sink closed a connection");
        &self.reply
    }

    async fn expect(&mut self, code: &str) {
        let reply = self.line().await;
        assert!(reply.starts_with(code), "expected {code}, got {reply}");
    }
}

fn address(n: u64) -> String {
    format!("p{n}@example.com")
}

/// A mail to a recipient, as it goes over the wire, with its dot.
fn build(n: u64) -> Vec<u8> {
    let (name, email) = (format!("Ada Lovelace {n}"), address(n));
    let fill = |letter: &str| {
        letter
            .replace("{{first_name}}", "Ada")
            .replace("{{name}}", &name)
            .replace("{{email}}", &email)
    };
    let to = Mailbox::new(Some(name.clone()), email.parse().expect("an address"));
    let message = Message::builder()
        .from(format!("Meetup <{FROM}>").parse().expect("an address"))
        .to(to)
        .subject(fill("{{first_name}}, see you in March"))
        .message_id(None)
        .multipart(MultiPart::alternative_plain_html(fill(TEXT), fill(HTML)))
        .expect("a mail");
    stuffed(&message.formatted())
}

/// With dots doubled where a line begins with one, and the final one.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(mail.len() + 64);
    let mut line_begins = true;
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if line_begins && line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
        line_begins = line.ends_with(b"\n");
    }
    if !line_begins {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_with_a_dot_gets_another() {
        assert_eq!(stuffed(b".a\r\nb.\r\n..\r\n"), b"..a\r\nb.\r\n...\r\n.\r\n");
        assert_eq!(stuffed(b"a"), b"a\r\n.\r\n");
    }

    #[test]
    fn the_mail_has_2_9_kilobytes_and_says_who_it_is_for() {
        let mail = String::from_utf8(build(7)).unwrap();
        assert!((2_850..2_950).contains(&mail.len()), "{} bytes", mail.len());
        assert!(mail.contains("p7@example.com") && mail.contains("Hi Ada Lovelace 7,"));
        assert!(!mail.contains("{{"));
    }
}
