//! A client that writes what it is told and reads replies: for what a proper client never does.
#![allow(dead_code)] // Each test binary uses its own part.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Client {
    stream: TcpStream,
    input: String,
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let input = String::new();
        Self { stream, input }
    }

    /// Connected, greeted, EHLO said.
    pub async fn ready(addr: SocketAddr) -> Self {
        let mut client = Self::connect(addr).await;
        assert_eq!(client.reply().await, Some(220));
        assert_eq!(client.say("EHLO test\r\n").await, Some(250));
        client
    }

    pub async fn write(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Writes, and returns the code of the next reply; `None` when the connection is over.
    pub async fn say(&mut self, bytes: &str) -> Option<u16> {
        self.write(bytes).await;
        self.reply().await
    }

    pub async fn reply(&mut self) -> Option<u16> {
        self.full_reply()
            .await
            .map(|reply| reply[..3].parse().unwrap())
    }

    /// All lines of the next reply.
    pub async fn full_reply(&mut self) -> Option<String> {
        let mut reply = String::new();
        loop {
            while let Some(end) = self.input.find("\r\n") {
                let line: String = self.input.drain(..end + 2).collect();
                reply += &line;
                if line.as_bytes()[3] == b' ' {
                    return Some(reply);
                }
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer).await {
                Ok(n) if n > 0 => self.input += std::str::from_utf8(&buffer[..n]).unwrap(),
                _ => return None,
            }
        }
    }

    pub async fn replies<const N: usize>(&mut self) -> [Option<u16>; N] {
        let mut codes = [None; N];
        for code in &mut codes {
            *code = self.reply().await;
        }
        codes
    }

    /// One whole mail in one write; the reply to the last step that was answered, `None` when the
    /// connection is over.
    pub async fn send(&mut self, recipient: &str) -> Option<u16> {
        let envelope = envelope(recipient);
        for command in [envelope.as_str(), "DATA\r\n"] {
            for line in command.split_inclusive("\r\n") {
                let code = self.say(line).await;
                if code.is_none_or(|code| code >= 400) {
                    return code;
                }
            }
        }
        self.say(&format!("{}.\r\n", mail(recipient))).await
    }
}

pub fn envelope(recipient: &str) -> String {
    format!("MAIL FROM:<hello@example.net>\r\nRCPT TO:<{recipient}>\r\n")
}

pub fn mail(recipient: &str) -> String {
    format!("Message-ID: <{recipient}>\r\nSubject: hello\r\n\r\nHello {recipient}.\r\n")
}
