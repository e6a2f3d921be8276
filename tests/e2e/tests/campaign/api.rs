//! The API, with a server as a real process.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use e2e::{Answer, Cluster, Db, Runner, Server, relay, until};
use mail_catcher::{Fault, Rule};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

const PROBLEM: &str = "application/problem+json";
/// High enough for a test.
const FAST: [&str; 2] = ["--rate", "10000"];

/// Somebody with a token.
struct Caller<'a> {
    server: &'a Server,
    token: String,
}

impl Caller<'_> {
    async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", bearer.as_str())];
        let body = body.map(|body| body.to_string());
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.unwrap_or_default();
        self.server.request(method, target, &headers, &body).await
    }

    /// What a route answers with this status.
    async fn ask(&self, method: &str, target: &str, body: Option<Value>, status: u16) -> Value {
        let answer = self.send(method, target, body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{method} {target}: {text}");
        if status == 204 {
            return Value::Null;
        }
        let kind = answer.header("content-type").unwrap();
        let expected = if status < 400 {
            "application/json"
        } else {
            PROBLEM
        };
        assert_eq!(kind, expected, "{method} {target}");
        serde_json::from_str(&text).unwrap()
    }

    async fn get(&self, target: &str) -> Value {
        self.ask("GET", target, None, 200).await
    }

    async fn post(&self, target: &str, body: Value, status: u16) -> Value {
        self.ask("POST", target, Some(body), status).await
    }

    /// The SQLSTATE of a problem, which says all that it should.
    async fn refused(
        &self,
        method: &str,
        target: &str,
        body: Option<Value>,
        status: u16,
    ) -> String {
        let problem = self.ask(method, target, body, status).await;
        assert_problem(&problem, status);
        problem["sqlstate"].as_str().unwrap_or_default().to_owned()
    }
}

fn assert_problem(problem: &Value, status: u16) {
    assert_eq!(problem["status"], status, "{problem}");
    for field in ["type", "title", "detail", "hint"] {
        assert!(
            problem[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}: {problem}"
        );
    }
}

async fn caller<'a>(db: &Db, server: &'a Server, role: &str) -> Caller<'a> {
    let create = "select token from campaign.create_api_token($1, $2)";
    let name = format!("{role} of the test");
    let token = db.one(create, &[&name, &role]).await;
    Caller { server, token }
}

/// An event of `n` who came, whom operators may read.
async fn event(db: &Db, n: i32) -> Uuid {
    let event = db.load_meetup(n).await;
    db.run("grant select on public.attendees, public.event_attendees to campaign_operator")
        .await;
    event
}

fn start(event: Uuid) -> Value {
    json!({"event_id": event, "segment": "checked-in", "template_id": "letter"})
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_campaign_is_started_watched_and_told_of_in_the_shapes_of_the_mission() {
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let event = event(&db, 5).await;
    let server = Server::spawn(&db, &FAST).await;
    let operator = caller(&db, &server, "operator").await;

    let counted = operator
        .get(&format!(
            "/api/segments/checked-in/count?event_id={event}&template_id=letter"
        ))
        .await;
    assert_eq!(
        counted,
        json!({"segment": "checked-in", "unsent": 5, "excluded": {}})
    );
    let answer = operator
        .send("POST", "/api/campaigns", Some(start(event)))
        .await;
    assert_eq!(answer.status, 201);
    let started: Value = serde_json::from_slice(&answer.body).unwrap();
    let job = &started["job"];
    assert_eq!(
        keys(job),
        ["created_at", "id", "sent_count", "status", "total_contacts"]
    );
    assert_eq!(
        (&job["status"], &job["total_contacts"], &job["sent_count"]),
        (&json!("pending"), &json!(5), &json!(0))
    );
    let id = job["id"].as_str().unwrap();
    let path = format!("/api/campaigns/{id}");
    assert_eq!(answer.header("location"), Some(path.as_str()));

    let job = &operator.get(&path).await["job"];
    for field in [
        "id",
        "status",
        "total_contacts",
        "sent_count",
        "failed_count",
        "cursor",
        "errors",
        "started_at",
        "last_heartbeat",
        "eta_seconds",
    ] {
        assert!(job.get(field).is_some(), "{field}: {job}");
    }
    assert_eq!(job["created_by"], "operator of the test");
    let refused = operator
        .refused("POST", "/api/campaigns", Some(start(event)), 409)
        .await;
    assert_eq!(refused, "CP007");

    let _runner = Runner::spawn(&db, &[]).await;
    until("the campaign is completed", async || {
        (operator.get(&path).await["job"]["status"] == "completed").then_some(())
    })
    .await;
    let job = &operator.get(&path).await["job"];
    assert_eq!(
        (&job["sent_count"], &job["percent"], &job["cursor"]),
        (&json!(5), &json!(100.0), &json!(5))
    );
    assert_eq!(catcher.accepted().len(), 5);
    let stats = &operator.get(&format!("{path}/stats")).await["stats"];
    assert_eq!(
        (
            &stats["sent_count"],
            &stats["open_rate"],
            &stats["human_clicks"]
        ),
        (&json!(5), &json!(0.0), &json!(0))
    );
    let recipients = operator
        .get(&format!("{path}/recipients?outcome=sent&limit=2"))
        .await;
    assert_eq!(recipients["recipients"][1]["email"], "p2@example.com");
    assert_eq!(recipients["next_cursor"], "2");
    let listed = operator
        .get(&format!(
            "/api/campaigns?event_id={event}&segment=checked-in&status=completed&template_id=letter"
        ))
        .await;
    assert_eq!(
        (&listed["jobs"][0]["id"], &listed["next_cursor"]),
        (&json!(id), &Value::Null)
    );
    assert_eq!(
        operator.get("/api/campaigns?status=failed").await["jobs"],
        json!([])
    );
    let counted = operator
        .get(&format!("/api/segments/checked-in/count?event_id={event}"))
        .await;
    assert_eq!(
        counted,
        json!({"segment": "checked-in", "unsent": 0, "excluded": {"already_mailed": 5}})
    );
}

#[tokio::test]
async fn verbs_act_on_the_campaign_that_the_path_names() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let server = Server::spawn(&db, &FAST).await;
    let operator = caller(&db, &server, "operator").await;
    let job = db.start(3, json!({})).await;
    let path = |verb: &str| format!("/api/campaigns/{}/{verb}", job.id);

    assert_eq!(
        operator.refused("POST", &path("resume"), None, 409).await,
        "CP011"
    );
    let paused = operator.ask("POST", &path("pause"), None, 200).await;
    assert_eq!(paused["job"]["status"], "paused");
    assert_eq!(
        paused["job"]["status_reason"],
        "paused by operator of the test"
    );
    assert_eq!(
        operator.ask("POST", &path("resume"), None, 200).await["job"]["status"],
        "pending"
    );
    assert_eq!(
        operator.ask("POST", &path("retry"), None, 200).await["job"]["id"],
        json!(job.id)
    );
    let cancelled = operator.ask("POST", &path("cancel"), None, 200).await;
    assert_eq!(cancelled["job"]["status"], "cancelled");
    assert_eq!(cancelled["job"]["cancelled_count"], 3);
    assert_eq!(
        operator.refused("POST", &path("retry"), None, 409).await,
        "CP011"
    );
    let nobody = format!("/api/campaigns/{}", Uuid::new_v4());
    for (method, target) in [
        ("GET", ""),
        ("GET", "/stats"),
        ("GET", "/events"),
        ("GET", "/recipients"),
        ("GET", "/uncertain"),
        ("POST", "/cancel"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/retry"),
    ] {
        let target = format!("{nobody}{target}");
        assert_eq!(
            operator.refused(method, &target, None, 404).await,
            "CP001",
            "{target}"
        );
    }
    operator
        .refused("GET", "/api/campaigns/nonsense", None, 404)
        .await;
}

#[tokio::test]
async fn a_key_starts_a_campaign_once() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let event = event(&db, 2).await;
    let server = Server::spawn(&db, &FAST).await;
    let operator = caller(&db, &server, "operator").await;
    let bearer = format!("Bearer {}", operator.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json; charset=utf-8"),
        ("idempotency-key", "once"),
    ];
    let start = start(event);
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let answer = server
            .request("POST", "/api/campaigns", &headers, &start.to_string())
            .await;
        assert_eq!(answer.status, 201);
        ids.insert(answer.header("location").unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    let mut again = start.clone();
    again["idempotency_key"] = json!("once");
    operator.post("/api/campaigns", again.clone(), 201).await;
    again["event_id"] = Value::Null;
    assert_eq!(
        operator
            .refused("POST", "/api/campaigns", Some(again), 409)
            .await,
        "CP012"
    );
    let mut other = start.clone();
    other["subject"] = json!("Another one");
    other["idempotency_key"] = json!("once");
    assert_eq!(
        operator
            .refused("POST", "/api/campaigns", Some(other), 409)
            .await,
        "CP012"
    );
    let mut two = start.clone();
    two["idempotency_key"] = json!("twice");
    let answer = server
        .request("POST", "/api/campaigns", &headers, &two.to_string())
        .await;
    assert_eq!(answer.status, 422);
    for (second, status) in [("once", 201), ("twice", 422), ("é", 422)] {
        let headers = [&headers[..], &[("idempotency-key", second)]].concat();
        let answer = server
            .request("POST", "/api/campaigns", &headers, &start.to_string())
            .await;
        assert_eq!(answer.status, status, "{second}");
    }
}

#[tokio::test]
async fn no_sql_comes_over_http_and_nothing_that_is_not_known() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let event = event(&db, 3).await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = caller(&db, &server, "admin").await;
    let with = |field: &str, value: Value| {
        let mut body = start(event);
        body[field] = value;
        Some(body)
    };
    for body in [
        with("audience_query", json!("select 1")),
        with("segments", json!("checked-in")),
        with("scheduled_at", json!("tomorrow")),
        with("scheduled_at", json!("infinity")),
        with("audience_keys", json!("1")),
        with("event_id", json!("1")),
        with("config", json!([])),
        with("segment", Value::Null),
    ] {
        admin.refused("POST", "/api/campaigns", body, 422).await;
    }
    for (body, code) in [
        (with("template_id", json!("nothing")), "CP002"),
        (with("segment", json!("nobody")), "CP003"),
        (with("integration", json!("none")), "CP004"),
        (with("event_id", json!(Uuid::new_v4())), "CP005"),
        (with("on_uncertain", json!("hope")), "CP008"),
        (with("config", json!({"speed": 1})), "CP008"),
        (with("track_opens", json!(true)), "CP008"),
        (with("subject", json!("a\u{0}b")), "22P05"),
    ] {
        assert_eq!(
            admin.refused("POST", "/api/campaigns", body, 422).await,
            code
        );
    }
    for target in [
        "/api/campaigns?sort=id",
        "/api/campaigns?limit=x",
        "/api/campaigns?limit=0",
        "/api/campaigns?limit=1001",
        "/api/campaigns?cursor=x",
        "/api/campaigns?status=gone",
        "/api/campaigns?limit=1&limit=2",
        "/api/campaigns?segment=%00",
        "/api/templates?limit=-1",
        "/api/suppressions?limit=0",
        "/api/segments/custom/count?event_id=1",
    ] {
        admin.refused("GET", target, None, 422).await;
    }
    let custom =
        json!({"segment": "custom", "template_id": "letter", "audience_keys": ["2", "3", "x"]});
    assert_eq!(
        admin.get("/api/segments/custom/count?keys=2,3,x").await["unsent"],
        2
    );
    assert_eq!(
        admin.post("/api/campaigns", custom, 201).await["job"]["total_contacts"],
        2
    );
    let count: i64 = db
        .one("select count(*) from campaign.email_jobs", &[])
        .await;
    assert_eq!(count, 1, "what was refused did nothing");
}

#[tokio::test]
async fn without_a_token_every_route_of_the_document_answers_401() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &["--rate", "10000", "--docs", "true"]).await;
    let reader = caller(&db, &server, "reader").await;
    let revoked = caller(&db, &server, "admin").await;
    db.run("select campaign.revoke_api_token('admin of the test')")
        .await;
    let document: Value =
        serde_json::from_slice(&server.get("/api/openapi.json").await.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = BTreeSet::new();
    let mut routes = 0;
    let bad: Vec<String> = [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer pgc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &format!("Bearer {}", revoked.token),
        &format!("Bearer {}x", reader.token),
        &format!("Token {}", reader.token),
        &reader.token,
    ]
    .map(str::to_owned)
    .to_vec();
    for (path, item) in document["paths"].as_object().unwrap() {
        let target = path
            .replace("{id}", &Uuid::new_v4().to_string())
            .replace("{template}", "letter")
            .replace("{name}", "custom")
            .replace("{email}", "ada@example.com");
        for (method, operation) in item.as_object().unwrap() {
            assert!(
                operations.insert(operation["operationId"].to_string()),
                "{operation}"
            );
            let method = method.to_uppercase();
            if path == "/health" || path == "/unsubscribe" || path.starts_with("/api/track/") {
                assert_ne!(
                    server.request(&method, &target, &[], "").await.status,
                    401,
                    "{path}"
                );
                continue;
            }
            routes += 1;
            assert_eq!(operation["security"], json!([{"token": []}]), "{path}");
            assert!(operation["responses"].get("401").is_some(), "{path}");
            // Also when there is nothing right about the rest.
            for body in ["", "{", "[1]"] {
                for value in &bad {
                    let answer = server
                        .request(&method, &target, &[("authorization", value)], body)
                        .await;
                    assert_eq!(answer.status, 401, "{method} {path} {value}");
                    assert!(
                        answer
                            .header("www-authenticate")
                            .unwrap()
                            .starts_with("Bearer")
                    );
                    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
                    assert_problem(&problem, 401);
                    assert_eq!(problem["sqlstate"], "CP030");
                }
                assert_eq!(
                    server.request(&method, &target, &[], body).await.status,
                    401,
                    "{method} {path}"
                );
            }
        }
        if path.starts_with("/api/") && !path.starts_with("/api/track/") {
            assert_eq!(
                server.request("PATCH", &target, &[], "").await.status,
                401,
                "{path}"
            );
            let answer = reader.send("PATCH", &target, None).await;
            assert_eq!(answer.status, 405, "{path}");
            assert!(!answer.header("allow").unwrap().is_empty());
        }
    }
    assert!(routes > 20, "{routes} routes");
    for target in ["/api", "/api/", "/api/nothing", "/api/campaigns/x/y/z"] {
        assert_eq!(server.get(target).await.status, 401, "{target}");
        reader.refused("GET", target, None, 404).await;
    }
    assert_eq!(server.get("/nothing").await.status, 404);
}

#[tokio::test]
async fn a_token_has_the_rights_of_its_role_and_no_others() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    db.change_relay(json!({"username": "meetups", "password": "hunter2 hunter2"}))
        .await;
    let event = event(&db, 3).await;
    let server = Server::spawn(&db, &FAST).await;
    let (reader, operator, admin) = (
        caller(&db, &server, "reader").await,
        caller(&db, &server, "operator").await,
        caller(&db, &server, "admin").await,
    );
    let job = db.start(3, json!({})).await;
    let campaign = format!("/api/campaigns/{}", job.id);
    let letter = json!({"name": "New", "slug": "new", "subject": "Hi", "html": "<p>Hi</p>"});

    for (target, body) in [
        ("/api/campaigns", Some(start(event))),
        (&format!("{campaign}/cancel"), None),
        (&format!("{campaign}/pause"), None),
        (&format!("{campaign}/resume"), None),
        (&format!("{campaign}/retry"), None),
        (
            &format!("{campaign}/uncertain"),
            Some(json!({"decision": "sent"})),
        ),
        (
            "/api/suppressions",
            Some(json!({"email": "ada@example.com"})),
        ),
        ("/api/bounces", Some(json!({"email": "ada@example.com"}))),
        ("/api/complaints", Some(json!({"email": "ada@example.com"}))),
    ] {
        assert_eq!(
            reader.refused("POST", target, body, 403).await,
            "42501",
            "{target}"
        );
    }
    assert_eq!(
        reader
            .refused(
                "GET",
                &format!("/api/segments/checked-in/count?event_id={event}"),
                None,
                403
            )
            .await,
        "42501"
    );
    for caller in [&reader, &operator] {
        assert_eq!(
            caller
                .refused("POST", "/api/templates", Some(letter.clone()), 403)
                .await,
            "42501"
        );
        assert_eq!(
            caller
                .refused("PUT", "/api/templates/letter", Some(letter.clone()), 403)
                .await,
            "42501"
        );
        assert_eq!(
            caller
                .refused("DELETE", "/api/suppressions/ada@example.com", None, 403)
                .await,
            "42501"
        );
        caller.get("/api/campaigns").await;
        caller.get("/api/templates").await;
        caller.get("/api/templates/letter").await;
        caller
            .post("/api/templates/letter/preview", json!({}), 200)
            .await;
        caller.get("/api/segments").await;
        caller.get("/api/suppressions").await;
        caller.get(&format!("{campaign}/recipients")).await;
    }
    for caller in [&reader, &operator, &admin] {
        let integrations = caller.get("/api/integrations").await;
        let relay = &integrations["integrations"][0];
        assert_eq!(relay["config"]["from_email"], "hello@meetups.example");
        assert!(
            relay["config"].get("username").is_none() && relay["config"].get("password").is_none()
        );
        let text = integrations.to_string();
        assert!(
            !text.contains("hunter2") && !text.contains("\"meetups\""),
            "{text}"
        );
    }
    // There is no route for it, and the database would not do it.
    operator
        .refused(
            "POST",
            "/api/tokens",
            Some(json!({"name": "x", "role": "admin"})),
            404,
        )
        .await;
    let untouched = "select status = 'pending' and (select count(*) from campaign.email_jobs) = 1 from campaign.email_jobs";
    assert!(db.one::<bool>(untouched, &[]).await);
}

#[tokio::test]
async fn templates_are_kept_changed_and_previewed_and_campaigns_keep_theirs() {
    let db = Db::clone_template().await;
    let catcher = relay(&db, []).await;
    let event = event(&db, 1).await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = caller(&db, &server, "admin").await;
    let content = json!({"name": "News", "slug": "news", "subject": "For {{first_name}}", "html": "<p>Hi {{name}} {{city}}</p>", "variables": ["city"]});

    let created = admin.post("/api/templates", content.clone(), 201).await;
    assert_eq!(
        (
            &created["template"]["version"],
            &created["template"]["variables"]
        ),
        (&json!(1), &json!(["city"]))
    );
    assert_eq!(
        admin
            .refused("POST", "/api/templates", Some(content.clone()), 409)
            .await,
        "23505"
    );
    let listed = admin.get("/api/templates?limit=1").await;
    assert_eq!(
        (&listed["templates"][0]["slug"], &listed["next_cursor"]),
        (&json!("letter"), &json!("letter"))
    );
    let listed = admin.get("/api/templates?limit=1&cursor=letter").await;
    assert_eq!(listed["templates"][0]["slug"], "news");
    assert!(listed["templates"][0].get("html").is_none());
    let vars = json!({"email": "x@example.com", "vars": {"name": "A & B", "first_name": "A", "city": "Bilbao"}});
    let preview = admin.post("/api/templates/news/preview", vars, 200).await;
    assert_eq!(
        (&preview["subject"], &preview["html"]),
        (&json!("For A"), &json!("<p>Hi A &amp; B Bilbao</p>"))
    );
    assert_eq!(
        admin
            .refused("POST", "/api/templates/news/preview", Some(json!({})), 422)
            .await,
        "CP009"
    );
    for method in ["GET", "PUT"] {
        let body = (method == "PUT").then(|| content.clone());
        assert_eq!(
            admin
                .refused(method, "/api/templates/nothing", body, 404)
                .await,
            "CP002"
        );
    }
    assert_eq!(
        admin
            .refused(
                "POST",
                "/api/templates/nothing/preview",
                Some(json!({})),
                404
            )
            .await,
        "CP002"
    );
    let mut broken = content.clone();
    broken["html"] = json!("<p>{{ nobody }}</p>");
    let problem = admin
        .ask("PUT", "/api/templates/news", Some(broken), 422)
        .await;
    assert_eq!(problem["sqlstate"], "CP009");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("line 1, column"),
        "{problem}"
    );

    let draft =
        json!({"subject": "Hi", "html": "<style>p { color: red }</style><p>{{first_name}}</p>"});
    let preview = admin.post("/api/preview", draft, 200).await;
    let named = json!({"name": "P", "slug": "preview", "subject": "Hi", "html": "<p>x</p>"});
    admin.post("/api/templates", named, 201).await;
    let found = admin.get("/api/templates/preview").await;
    assert_eq!(found["template"]["slug"], "preview");
    let html = preview["html"].as_str().unwrap();
    assert!(
        html.contains("color: red\">Ada</p>") || html.contains("color: red;\">Ada</p>"),
        "{html}"
    );
    for (draft, code) in [
        (json!({"subject": "", "html": "<p>x</p>"}), "CP008"),
        (
            json!({"subject": "x", "html": "<p>{{nobody}}</p>"}),
            "CP009",
        ),
    ] {
        assert_eq!(
            admin
                .refused("POST", "/api/preview", Some(draft), 422)
                .await,
            code
        );
    }

    // The campaign was started before the change.
    let started = admin.post("/api/campaigns", start(event), 201).await;
    let changed =
        json!({"name": "Letter", "slug": "letter", "subject": "Changed", "html": "<p>Changed</p>"});
    let changed = admin
        .ask("PUT", "/api/templates/letter", Some(changed), 200)
        .await;
    assert_eq!(changed["template"]["version"], 2);
    let job = admin
        .get(&format!(
            "/api/campaigns/{}",
            started["job"]["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(job["job"]["template_version"], 1);
    let _runner = Runner::spawn(&db, &[]).await;
    until("the mail is sent", async || {
        (catcher.accepted().len() == 1).then_some(())
    })
    .await;
    let subject = catcher.accepted()[0].field("Subject").unwrap();
    assert!(subject.starts_with("Hi Person"), "{subject}");
}

#[tokio::test]
async fn addresses_are_suppressed_and_bounces_recorded() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = caller(&db, &server, "admin").await;

    let made = admin
        .post(
            "/api/suppressions",
            json!({"email": " Ada@EXAMPLE.com"}),
            201,
        )
        .await;
    assert_eq!(
        (
            &made["suppression"]["email"],
            &made["suppression"]["reason"]
        ),
        (&json!("ada@example.com"), &json!("manual"))
    );
    let again = admin
        .post(
            "/api/suppressions",
            json!({"email": "ada@example.com", "reason": "complaint"}),
            200,
        )
        .await;
    assert_eq!(
        (&again["created"], &again["suppression"]["reason"]),
        (&json!(false), &json!("manual"))
    );
    assert_eq!(
        admin
            .refused(
                "POST",
                "/api/suppressions",
                Some(json!({"email": "nobody"})),
                422
            )
            .await,
        "CP008"
    );
    admin
        .post(
            "/api/suppressions",
            json!({"email": "b+c%25@example.com"}),
            201,
        )
        .await;
    let listed = admin.get("/api/suppressions?limit=1").await;
    assert_eq!(
        (&listed["suppressions"][0]["email"], &listed["next_cursor"]),
        (&json!("ada@example.com"), &json!("ada@example.com"))
    );
    admin
        .ask("DELETE", "/api/suppressions/ADA%40example.com", None, 204)
        .await;
    assert_eq!(
        admin
            .refused("DELETE", "/api/suppressions/ada@example.com", None, 404)
            .await,
        "CP014"
    );
    admin
        .ask(
            "DELETE",
            "/api/suppressions/b%2Bc%2525@example.com",
            None,
            204,
        )
        .await;

    let bounced = admin
        .post(
            "/api/bounces",
            json!({"email": "bob@example.com", "detail": "no such user"}),
            200,
        )
        .await;
    assert_eq!(
        bounced,
        json!({"email": "bob@example.com", "suppressed": true, "job_id": null, "recorded": false})
    );
    admin
        .post("/api/complaints", json!({"email": "bob@example.com"}), 200)
        .await;
    assert_eq!(
        admin
            .refused("POST", "/api/bounces", Some(json!({})), 422)
            .await,
        "CP008"
    );
    let unknown = json!({"email": "bob@example.com", "job_id": Uuid::new_v4()});
    assert_eq!(
        admin
            .refused("POST", "/api/complaints", Some(unknown), 422)
            .await,
        "CP001"
    );
}

#[tokio::test]
async fn doubts_are_listed_and_decided_by_keys() {
    let db = Db::clone_template().await;
    // The relay goes away at the final dot of two mails.
    let lose = Rule::when(
        |_, local| ["p1", "p3"].contains(&local),
        Fault::DropAtDot { accepted: false },
    );
    let _catcher = relay(&db, [lose]).await;
    let server = Server::spawn(&db, &FAST).await;
    let operator = caller(&db, &server, "operator").await;
    let job = db.start(4, json!({})).await;
    let mut runner = Runner::spawn(&db, &[]).await;
    let path = format!("/api/campaigns/{}/uncertain", job.id);
    db.until_status(&job, "completed").await;
    runner.kill().await;

    let listed = operator.get(&path).await;
    assert_eq!(listed["uncertain"][1]["recipient_key"], "3");
    assert_eq!(
        keys(&listed["uncertain"][0]),
        ["cause", "email", "quiet_until", "recipient_key", "since"]
    );
    assert_eq!(
        operator.get(&format!("{path}?limit=1&cursor=1")).await["uncertain"][0]["recipient_key"],
        "3"
    );
    let wrong = json!({"decision": "sent", "recipient_keys": ["1", "2"]});
    assert_eq!(
        operator.refused("POST", &path, Some(wrong), 422).await,
        "CP013"
    );
    let maybe = json!({"decision": "maybe"});
    assert_eq!(
        operator.refused("POST", &path, Some(maybe), 422).await,
        "CP008"
    );
    let one = operator
        .post(
            &path,
            json!({"decision": "sent", "recipient_keys": ["3"]}),
            200,
        )
        .await;
    assert_eq!(
        (&one["job"]["uncertain_count"], &one["job"]["sent_count"]),
        (&json!(1), &json!(3))
    );
    let none = operator
        .post(
            &path,
            json!({"decision": "sent", "recipient_keys": []}),
            200,
        )
        .await;
    assert_eq!(none["job"]["uncertain_count"], 1);
    let all = operator
        .post(&path, json!({"decision": "resend", "force": true}), 200)
        .await;
    assert_eq!(all["job"]["status"], "partial");
    assert_eq!(all["job"]["pending_count"], 1);
    let decided: Vec<String> = db
        .all("select distinct decided_by from campaign.doubt", &[])
        .await;
    assert_eq!(decided, ["operator of the test"]);
}

#[tokio::test]
async fn pages_lose_and_repeat_nobody_while_the_campaign_runs() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let server = Server::spawn(&db, &FAST).await;
    let reader = caller(&db, &server, "reader").await;
    let job = db
        .start(500, json!({"chunk_size": 20, "rate_limit": 200}))
        .await;
    let _runner = Runner::spawn(&db, &[]).await;
    let mut met = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = reader
            .get(&format!(
                "/api/campaigns/{}/recipients?limit=7{cursor}",
                job.id
            ))
            .await;
        met.extend(
            page["recipients"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r["email"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
        sleep(Duration::from_millis(5)).await;
    }
    let expected: Vec<String> = (1..=500).map(e2e::address).collect();
    assert_eq!(met, expected);
    let mut outcomes = 0;
    db.until_status(&job, "completed").await;
    for outcome in [
        "sent",
        "pending",
        "uncertain",
        "failed",
        "suppressed",
        "cancelled",
    ] {
        let page = reader
            .get(&format!(
                "/api/campaigns/{}/recipients?limit=1000&outcome={outcome}",
                job.id
            ))
            .await;
        outcomes += page["recipients"].as_array().unwrap().len();
    }
    assert_eq!(outcomes, 500);
}

#[tokio::test]
async fn bodies_are_bounded_in_size_time_and_kind() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = caller(&db, &server, "admin").await;
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
    let admin = caller(&db, &server, "admin").await;
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
    let admin = caller(&db, &server, "admin").await;
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
    let admin = caller(&db, &server, "admin").await;
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
    let slow = caller(&db, &server, "admin").await;
    let other = caller(&db, &server, "reader").await;
    let _somebody = db
        .leave_open("lock table campaign.email_templates in access exclusive mode")
        .await;
    let ask = async || slow.send("GET", "/api/templates", None).await.status;
    let others = async {
        let mut answers = Vec::new();
        for _ in 0..10 {
            sleep(Duration::from_millis(300)).await;
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
    let reader = caller(&db, &server, "reader").await;
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
    let reader = caller(&db, &server, "reader").await;
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
    let reader = caller(&db, &server, "reader").await;
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
    let reader = caller(&db, &server, "reader").await;
    let operator = caller(&db, &server, "operator").await;
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
    let token = caller(&db, &server, "admin").await.token;
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
        "POST /api/suppressions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\ncontent-type: application/json\r\nauthorization: Bearer {token}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(300)).await;
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
    let reader = caller(&db, &server, "reader").await;
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

#[tokio::test]
async fn the_log_names_nobody() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = caller(&db, &server, "admin").await;
    admin
        .post(
            "/api/suppressions",
            json!({"email": "secret.person@example.com"}),
            201,
        )
        .await;
    admin
        .refused(
            "DELETE",
            "/api/suppressions/other.person@example.com",
            None,
            404,
        )
        .await;
    admin
        .refused("GET", "/api/campaigns?cursor=secret.person", None, 422)
        .await;
    server.get("/api/track/open?t=secret-token").await;
    server.get("/unsubscribe?t=secret-token").await;
    let log = server.log();
    assert!(log.contains("serving"), "{log}");
    for secret in ["person", "secret-token", admin.token.as_str(), "pgc_"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
