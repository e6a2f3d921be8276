//! What the API refuses to everybody: too much, too long, too often, from elsewhere.

use std::time::Duration;

use e2e::{Answer, Caller, Db, FAST, Server, assert_problem, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn bodies_are_bounded_in_size_time_and_kind() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = Caller::new(&db, &server, "admin").await;
    let bearer = format!("Bearer {}", admin.token);
    let auth = ("authorization", bearer.as_str());
    let json_type = ("content-type", "application/json");
    let status = async |headers: &[(&str, &str)], body: &str| {
        server
            .request("POST", "/api/suppressions", headers, body)
            .await
            .status
    };
    assert_eq!(status(&[auth], "{}").await, 415);
    assert_eq!(
        status(&[auth, ("content-type", "text/plain")], "{}").await,
        415
    );
    assert_eq!(status(&[auth, json_type], "{").await, 400);
    assert_eq!(status(&[auth, json_type], "").await, 400);
    assert_eq!(status(&[auth, json_type], r#"{"email": 1}"#).await, 422);
    assert_eq!(status(&[auth, json_type], &"[".repeat(100_000)).await, 422);
    let large = json!({"email": "x".repeat(1024 * 1024)}).to_string();
    assert_eq!(status(&[auth, json_type], &large).await, 413);

    // A body that never comes.
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let head = format!(
        "POST /api/suppressions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\ncontent-type: application/json\r\nauthorization: {bearer}\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut answer = Vec::new();
    timeout(Duration::from_secs(30), stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_and_undone() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = Caller::new(&db, &server, "admin").await;
    let somebody = db
        .leave_open("lock table campaign.email_templates in exclusive mode")
        .await;
    let content = json!({"name": "X", "slug": "letter", "subject": "X", "html": "<p>X</p>"});
    let put = Some(content);
    admin
        .refused("PUT", "/api/templates/letter", put, 504)
        .await;
    // Others were not held up, and nothing of it is left.
    drop(somebody);
    let template = admin.get("/api/templates/letter").await;
    assert_eq!(template["template"]["version"], 1);
}

/// A session of the database that does nothing at all, not even notice its time-out, until this value is dropped.
struct Frozen(Pid);

impl Frozen {
    /// The one that waits for a lock, once there is one.
    async fn who_waits(db: &Db) -> Frozen {
        let waits = "select max(pid) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'";
        let pid = until("a session waits for a lock", async || {
            db.one::<Option<i32>>(waits, &[]).await
        });
        let pid = Pid::from_raw(pid.await).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Frozen(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[tokio::test]
async fn a_504_is_true_also_where_the_database_cannot_be_interrupted() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = Caller::new(&db, &server, "admin").await;
    let somebody = db
        .leave_open("lock table campaign.email_templates in exclusive mode")
        .await;
    let content = json!({"name": "X", "slug": "letter", "subject": "X", "html": "<p>X</p>"});
    let put = admin.ask("PUT", "/api/templates/letter", Some(content), 504);
    let (problem, frozen) = tokio::join!(put, Frozen::who_waits(&db));
    assert_eq!(problem["type"], "urn:pg-campaign:too-slow");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("keeps nothing"), "{detail}");

    let pid = frozen.0.as_raw_nonzero().get();
    drop((somebody, frozen));
    let gone = "select not exists (select from pg_stat_activity where pid = $1)";
    db.until("the session is over", gone, &[&pid]).await;
    let template = admin.get("/api/templates/letter").await;
    assert_eq!(template["template"]["version"], 1);
}

#[tokio::test]
async fn when_a_commit_is_not_answered_nobody_is_told_that_nothing_is_kept() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = Caller::new(&db, &server, "admin").await;
    db.run(
        "create function public.waits() returns trigger language plpgsql as $$
         begin perform pg_advisory_xact_lock(1); return null; end $$;
         create constraint trigger waits after update on campaign.email_templates
         deferrable initially deferred for each row execute function public.waits()",
    )
    .await;
    let somebody = db.leave_open("select pg_advisory_xact_lock(1)").await;
    let content = json!({"name": "X", "slug": "letter", "subject": "X", "html": "<p>X</p>"});
    let put = admin.ask("PUT", "/api/templates/letter", Some(content), 503);
    let (problem, frozen) = tokio::join!(put, Frozen::who_waits(&db));
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.contains("may have been done"), "{hint}");
    drop((somebody, frozen));
}

#[tokio::test]
async fn slow_calls_of_one_token_hold_up_nobody_else() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &FAST).await;
    let slow = Caller::new(&db, &server, "admin").await;
    let other = Caller::new(&db, &server, "reader").await;
    let _somebody = db
        .leave_open("lock table campaign.email_templates in access exclusive mode")
        .await;
    let three_hang = "select count(*) = 3 from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let ask = async || slow.send("GET", "/api/templates", None).await.status;
    let others = async {
        db.until("three calls hang", three_hang, &[]).await;
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(other.send("GET", "/api/segments", None).await.status);
            answers.push(server.get("/health").await.status);
        }
        answers
    };
    let (a, b, c, d, e, others) = tokio::join!(ask(), ask(), ask(), ask(), ask(), others);
    let mut slow = [a, b, c, d, e];
    slow.sort_unstable();
    assert_eq!(slow, [429, 429, 504, 504, 504]);
    assert_eq!(others, [200; 20]);
}

#[tokio::test]
async fn who_asks_too_often_waits_and_readers_of_mails_never() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &["--rate", "1", "--forwarded", "true"]).await;
    let reader = Caller::new(&db, &server, "reader").await;
    let bearer = format!("Bearer {}", reader.token);
    let from = async |address: &str, target: &str| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", address),
        ];
        server.request("GET", target, &headers, "").await
    };
    for _ in 0..4 {
        assert_eq!(from("192.0.2.1", "/api/segments").await.status, 200);
    }
    let answer = until("the rate is used up", async || {
        let answer = from("192.0.2.1", "/api/segments").await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait));
    assert_problem(&serde_json::from_slice(&answer.body).unwrap(), 429);
    assert_eq!(from("192.0.2.1", "/api/nothing").await.status, 429);
    assert_eq!(
        from("192.0.2.2", "/api/segments").await.status,
        200,
        "another client"
    );
    for target in ["/health", "/api/track/open?t=x"] {
        for _ in 0..20 {
            assert_eq!(from("192.0.2.1", target).await.status, 200, "{target}");
        }
    }
}

#[tokio::test]
async fn other_origins_are_allowed_exactly_as_configured() {
    let db = Db::clone_template().await;
    let closed = Server::spawn(&db, &FAST).await;
    let open = Server::spawn(&db, &["--cors-origin", "https://app.example.com"]).await;
    let preflight = async |server: &Server, origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ];
        server
            .request("OPTIONS", "/api/campaigns", &headers, "")
            .await
    };
    let allowed = |answer: &Answer| {
        answer
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    let answer = preflight(&closed, "https://app.example.com").await;
    assert_eq!((answer.status, allowed(&answer)), (401, None));
    let answer = preflight(&open, "https://app.example.com").await;
    assert_eq!(
        (answer.status, allowed(&answer).as_deref()),
        (200, Some("https://app.example.com"))
    );
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    for origin in [
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "https://example.com",
        "null",
    ] {
        let answer = preflight(&open, origin).await;
        assert_ne!(allowed(&answer).as_deref(), Some(origin));
    }
    let headers = [("origin", "https://app.example.com")];
    let answer = open.request("GET", "/api/campaigns", &headers, "").await;
    assert_eq!(
        (answer.status, allowed(&answer).as_deref()),
        (401, Some("https://app.example.com"))
    );
    for header in [
        "x-content-type-options",
        "content-security-policy",
        "referrer-policy",
        "x-frame-options",
        "cache-control",
    ] {
        assert!(answer.header(header).is_some(), "{header}");
    }
}
