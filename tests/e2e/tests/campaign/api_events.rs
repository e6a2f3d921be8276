//! Campaigns watched over the API, while servers and databases come and go.

use std::time::{Duration, SystemTime};

use e2e::{Caller, Cluster, Db, FAST, Runner, Server, assert_problem, relay, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// A stream of events that somebody watches.
struct Stream {
    stream: TcpStream,
    text: String,
    read: usize,
}

impl Stream {
    async fn open(caller: &Caller<'_>, id: Uuid) -> Stream {
        let mut stream = TcpStream::connect(caller.server.addr()).await.unwrap();
        let head = format!(
            "GET /api/campaigns/{id}/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
            caller.token
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut stream = Stream {
            stream,
            text: String::new(),
            read: 0,
        };
        stream.until_text("\r\n\r\n").await;
        assert!(stream.text.starts_with("HTTP/1.1 200"), "{}", stream.text);
        assert!(stream.text.contains("content-type: text/event-stream"));
        stream
    }

    /// False at the end.
    async fn read(&mut self) -> bool {
        let mut buffer = [0; 65_536];
        let n = timeout(Duration::from_secs(60), self.stream.read(&mut buffer))
            .await
            .expect("silence")
            .unwrap();
        self.text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        n > 0
    }

    async fn until_text(&mut self, text: &str) {
        while !self.text.contains(text) {
            assert!(self.read().await, "ended: {}", self.text);
        }
    }

    /// Name and data of the next event; none at the end.
    async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let unread = &self.text[self.read..];
            if let Some(end) = unread.find("\n\n") {
                let block = unread[..end].to_owned();
                self.read += end + 2;
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::trim)
                };
                if let (Some(event), Some(data)) = (field("event:"), field("data:")) {
                    return Some((event.to_owned(), serde_json::from_str(data).unwrap()));
                }
            } else if !self.read().await {
                return None;
            }
        }
    }
}

#[tokio::test]
async fn events_tell_a_campaign_from_its_start_to_its_end() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let server = Server::spawn(&db, &FAST).await;
    let reader = Caller::new(&db, &server, "reader").await;
    let job = db
        .start(30, json!({"rate_limit": 10, "chunk_size": 5}))
        .await;
    let mut stream = Stream::open(&reader, job.id).await;
    let (event, first) = stream.event().await.unwrap();
    assert_eq!(
        (event.as_str(), &first["job"]["status"]),
        ("progress", &json!("pending"))
    );
    let _runner = Runner::spawn(&db, &[]).await;
    let mut statuses = vec!["pending".to_owned()];
    let mut sent = vec![0];
    while let Some((event, data)) = stream.event().await {
        assert_eq!(event, "progress", "{data}");
        let status = data["job"]["status"].as_str().unwrap();
        if statuses.last().unwrap() != status {
            statuses.push(status.to_owned());
        }
        sent.push(data["job"]["sent_count"].as_i64().unwrap());
    }
    assert_eq!(statuses.first().unwrap(), "pending");
    assert!(statuses.contains(&"running".to_owned()), "{statuses:?}");
    assert_eq!(statuses.last().unwrap(), "completed");
    assert!(sent.is_sorted() && sent.ends_with(&[30]), "{sent:?}");
    assert!(sent.iter().any(|n| (1..30).contains(n)), "{sent:?}");
    // Of one that has ended: its last state, and the end.
    let mut stream = Stream::open(&reader, job.id).await;
    assert_eq!(
        stream.event().await.unwrap().1["job"]["status"],
        "completed"
    );
    assert!(stream.event().await.is_none());
}

#[tokio::test]
async fn events_end_with_the_token() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let server = Server::spawn(&db, &FAST).await;
    let reader = Caller::new(&db, &server, "reader").await;
    let job = db.start(3, json!({})).await;
    let mut stream = Stream::open(&reader, job.id).await;
    stream.event().await.unwrap();
    let revoked = Instant::now();
    db.run("select campaign.revoke_api_token('reader of the test')")
        .await;
    let (event, problem) = stream.event().await.unwrap();
    // Sooner than it would look by itself.
    assert!(revoked.elapsed() < Duration::from_secs(3));
    assert_eq!(event, "problem");
    assert_problem(&problem, 401);
    assert!(stream.event().await.is_none());
}

#[tokio::test]
async fn a_token_watches_sixteen_campaigns_and_leaves_room_for_others() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let server = Server::spawn(&db, &FAST).await;
    let reader = Caller::new(&db, &server, "reader").await;
    let operator = Caller::new(&db, &server, "operator").await;
    let job = db.start(3, json!({})).await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(Stream::open(&reader, job.id).await);
    }
    let path = format!("/api/campaigns/{}/events", job.id);
    let answer = reader.send("GET", &path, None).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    Stream::open(&operator, job.id).await;
    streams.pop();
    until("there is a place again", async || {
        let answer = timeout(Duration::from_secs(1), reader.send("GET", &path, None)).await;
        // A stream does not end.
        answer.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn events_and_requests_end_when_the_server_stops() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let mut server = Server::spawn(&db, &FAST).await;
    let token = Caller::new(&db, &server, "admin").await.token;
    let job = db.start(3, json!({})).await;
    let addr = server.addr();
    let mut stream = Stream::open(
        &Caller {
            server: &server,
            token: token.clone(),
        },
        job.id,
    )
    .await;
    stream.event().await.unwrap();
    // A request whose body is still under way.
    let mut slow = TcpStream::connect(addr).await.unwrap();
    let body = r#"{"email": "ada@example.com"}"#;
    let head = format!(
        "POST /api/suppressions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\nauthorization: Bearer {token}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut goes_on = [0; 25];
    slow.read_exact(&mut goes_on).await.unwrap();
    assert_eq!(goes_on, *b"HTTP/1.1 100 Continue\r\n\r\n");
    server.terminate();
    assert!(stream.event().await.is_none(), "the stream ends");
    until("nobody is let in", async || {
        TcpStream::connect(addr).await.err().map(drop)
    })
    .await;
    slow.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 201"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn an_outage_of_the_database_passes() {
    let cluster = Cluster::create();
    let mut db = Db::create_in(&cluster).await;
    let server = Server::spawn(&db, &FAST).await;
    let reader = Caller::new(&db, &server, "reader").await;
    reader.get("/api/segments").await;
    cluster.stop("fast");
    let began = SystemTime::now();
    let answer = until("the outage is told", async || {
        let answer = reader.send("GET", "/api/segments", None).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(answer.header("retry-after").is_some());
    assert_problem(&serde_json::from_slice(&answer.body).unwrap(), 503);
    assert!(began.elapsed().unwrap() < Duration::from_secs(20));
    assert_eq!(server.get("/health").await.status, 503);
    cluster.start();
    db.reconnect().await;
    // Also an answer to somebody without rights tells that it is back.
    let nobody = Caller {
        server: &server,
        token: "pgc_nonsense".to_owned(),
    };
    until("it is back", async || {
        (nobody.send("GET", "/api/segments", None).await.status == 401).then_some(())
    })
    .await;
    reader.get("/api/segments").await;
    assert_eq!(server.get("/health").await.status, 200);
    let log = server.log();
    for once in [
        "requests to the API are turned away",
        "the database answers again",
    ] {
        assert_eq!(log.matches(once).count(), 1, "{log}");
    }
}
