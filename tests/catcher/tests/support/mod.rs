//! A client that writes what it is told and reads replies: for what a proper client never does.
#![allow(dead_code)] // Each test binary uses its own part.

use std::net::SocketAddr;
use std::sync::Arc;

use mail_catcher::Authority;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub struct Client {
    stream: Box<dyn Stream>,
    input: String,
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: Box::new(stream),
            input: String::new(),
        }
    }

    /// The handshake; fails where the certificate is not one of this authority's for this name.
    pub async fn encrypt(self, authority: &Authority, name: &str) -> std::io::Result<Self> {
        assert_eq!(self.input, "", "plain text ahead of the handshake");
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = Box::new(connector.connect(name, self.stream).await?);
        let input = String::new();
        Ok(Self { stream, input })
    }

    /// Connected, STARTTLS, EHLO said again.
    pub async fn secure(addr: SocketAddr, authority: &Authority) -> Self {
        let mut client = Self::ready(addr).await;
        assert_eq!(client.say("STARTTLS\r\n").await, Some(220));
        let mut client = client.encrypt(authority, "localhost").await.unwrap();
        assert_eq!(client.say("EHLO test\r\n").await, Some(250));
        client
    }

    /// What comes in one piece; empty when the connection is over.
    pub async fn piece(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 4096];
        let read = self.stream.read(&mut buffer).await.unwrap_or(0);
        buffer.truncate(read);
        buffer
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
