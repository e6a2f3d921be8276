use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use e2e::{Db, Server, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const GREEDY: Ipv4Addr = Ipv4Addr::LOCALHOST;
const READER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OF_ONE: usize = 256;
const MORE: usize = 44;
/// For a head that does not come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that send one byte each, and those of them that the server closes at once.
async fn silent(server: &Server, n: usize) -> (Vec<TcpStream>, usize) {
    let mut open = Vec::new();
    for _ in 0..n {
        let mut stream = server.connect_from(GREEDY).await;
        // Fails where it is closed already.
        let _ = stream.write_all(b"G").await;
        open.push(stream);
    }
    let mut closed = 0;
    let mut left = Vec::new();
    for mut stream in open {
        match timeout(Duration::from_millis(5), ends(&mut stream)).await {
            Ok(()) => closed += 1,
            Err(_) => left.push(stream),
        }
    }
    (left, closed)
}

/// Whichever way.
async fn ends(stream: &mut TcpStream) {
    while stream.read(&mut [0; 512]).await.is_ok_and(|read| read > 0) {}
}

const PIXEL: &str = "/api/track/open?t=x";

/// Asks for a pixel, and leaves the connection open.
pub async fn ask(stream: &mut TcpStream, target: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nhost: mail.example\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 2_048];
    let mut length = 0;
    while !answer[..length].ends_with(b"\x44\x01\0\x3B") {
        let read = stream.read(&mut answer[length..]).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        length += read;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_with_many_connections_does_not_keep_others_waiting() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &[]).await;
    let mut faithful = server.connect_from(GREEDY).await;
    ask(&mut faithful, PIXEL).await;

    let begun = Instant::now();
    let (left, closed) = silent(&server, OF_ONE + MORE).await;
    assert_eq!((left.len(), closed), (OF_ONE - 1, MORE + 1));
    for (method, target, status) in [
        ("GET", PIXEL, 200),
        ("POST", "/unsubscribe?t=test", 200),
        ("GET", "/api/campaigns", 401),
    ] {
        let asked = Instant::now();
        let answer = server.request_from(READER, method, target, &[], "").await;
        assert_eq!(answer.status, status, "{target}");
        assert!(asked.elapsed() < Duration::from_millis(500), "{target}");
    }
    // What it has already is as good as anybody's.
    ask(&mut faithful, PIXEL).await;

    // A connection that is never used is soon closed; one that was used may wait.
    for mut stream in left {
        ends(&mut stream).await;
    }
    let elapsed = begun.elapsed();
    assert!(
        (PATIENCE..PATIENCE * 2).contains(&elapsed),
        "closed after {elapsed:?}"
    );
    ask(&mut faithful, PIXEL).await;
    assert_eq!(server.get(PIXEL).await.status, 200);
    let log = server.log();
    assert_eq!(log.matches("--forwarded true").count(), 1, "{log}");
    assert!(!log.contains("peer="), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_has_as_many_connections_as_it_needs() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &["--forwarded", "true"]).await;
    let (left, closed) = silent(&server, OF_ONE + MORE).await;
    assert_eq!((left.len(), closed), (OF_ONE + MORE, 0));
    assert_eq!(server.get(PIXEL).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_take_the_answers_loses_its_place() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &[]).await;
    let mut stream = server.connect_from(GREEDY).await;
    ask(&mut stream, PIXEL).await;
    let requests = format!("GET {PIXEL} HTTP/1.1\r\nhost: mail.example\r\n\r\n").repeat(1_000);
    // Until the answers have filled all buffers, and then no more requests are taken.
    while let Ok(sent) = timeout(
        Duration::from_secs(2),
        stream.write_all(requests.as_bytes()),
    )
    .await
    {
        sent.unwrap();
    }
    until("the connection is closed", async || {
        stream
            .try_write(b"G")
            .is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
            .then_some(())
    })
    .await;
}
