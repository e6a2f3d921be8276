//! A client that sends what it is told to, also what no library would.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::LIMIT;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// In lower case, in order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header that is there at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// A connection that comes from this address of the loopback network.
pub(crate) async fn connect_from(from: Ipv4Addr, addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("no socket");
    socket.bind((from, 0).into()).expect("no such address");
    socket.connect(addr).await.expect("no connection")
}

/// Over a connection of its own, which comes from this address. `host` and `connection` are added unless they are given.
pub(crate) async fn request_from(
    from: Ipv4Addr,
    addr: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    let length = body.len().to_string();
    let addr_text = addr.to_string();
    let added = [
        ("host", addr_text.as_str()),
        ("connection", "close"),
        ("content-length", &length),
    ];
    let added = added.iter().filter(|(name, _)| !given(name));
    for (name, value) in headers.iter().chain(added) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.push_str(body);
    let exchange = async {
        let mut stream = connect_from(from, addr).await;
        stream.write_all(head.as_bytes()).await.expect("cut off");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("cut off");
        answer
    };
    let answer = timeout(LIMIT, exchange).await.expect("no answer");
    parse(&answer)
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.expect("the answer has no head");
    let head = std::str::from_utf8(&answer[..end]).expect("a head in ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').expect("a header has a colon");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Answer {
        status: status.and_then(|s| s.parse().ok()).expect("a status"),
        headers: headers.collect(),
        body: answer[end + 4..].to_vec(),
    }
}
