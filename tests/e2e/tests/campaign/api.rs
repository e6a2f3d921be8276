//! The API, with a server as a real process.

use std::collections::BTreeSet;

use e2e::{Caller, Db, FAST, LIMIT, Runner, Server, assert_problem, relay, until};
use mail_catcher::{Fault, Rule};
use serde_json::{Value, json};
use uuid::Uuid;

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
    let operator = Caller::new(&db, &server, "operator").await;

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
    let operator = Caller::new(&db, &server, "operator").await;
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
    let operator = Caller::new(&db, &server, "operator").await;
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
    let admin = Caller::new(&db, &server, "admin").await;
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
    let reader = Caller::new(&db, &server, "reader").await;
    let revoked = Caller::new(&db, &server, "admin").await;
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
        Caller::new(&db, &server, "reader").await,
        Caller::new(&db, &server, "operator").await,
        Caller::new(&db, &server, "admin").await,
    );
    let job = db.start(3, json!({})).await;
    let campaign = format!("/api/campaigns/{}", job.id);
    let letter = json!({"name": "New", "slug": "new", "subject": "Hi", "html": "<p>Hi</p>"});
    let draft = json!({"subject": "Hi", "html": "<p>Hi</p>"});

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
                .refused("POST", "/api/preview", Some(draft.clone()), 403)
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
    let admin = Caller::new(&db, &server, "admin").await;
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
    let admin = Caller::new(&db, &server, "admin").await;

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
    let operator = Caller::new(&db, &server, "operator").await;
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
    let catcher = relay(&db, []).await;
    let server = Server::spawn(&db, &FAST).await;
    let reader = Caller::new(&db, &server, "reader").await;
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
        catcher.wait_for(met.len(), LIMIT).await.unwrap();
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
async fn the_log_names_nobody() {
    let db = Db::clone_template().await;
    let _catcher = relay(&db, []).await;
    let server = Server::spawn(&db, &FAST).await;
    let admin = Caller::new(&db, &server, "admin").await;
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
