use std::net::SocketAddr;

use e2e::{Cluster, Db, PASSWORD, Runner, TrustedAuthority, USERNAME, auth, doctor, until};
use mail_catcher::{Catcher, Config, Fault, Reply, Rule, Script, Stage, Tls};
use serde_json::{Value, json};
use uuid::Uuid;

/// An integration by this name, which mails from `hello@meetups.example`.
async fn add(db: &Db, name: &str, config: Value) {
    let insert = "insert into campaign.email_integrations (name, config, rate_limit)
        values ($1, jsonb_build_object('from_email', 'hello@meetups.example') || $2, null) returning id";
    db.one::<Uuid>(insert, &[&name, &config]).await;
}

/// A server with a login, which refuses mails to nobody@…
struct Server {
    trusted: TrustedAuthority,
    catcher: Catcher,
}

impl Server {
    async fn start(host_of_certificate: &str) -> Server {
        let trusted = TrustedAuthority::create();
        let certificate = trusted.authority.certificate(&[host_of_certificate]);
        let unknown = Fault::Reply(Stage::Rcpt, Reply::new(550, "5.1.1 no such user"));
        let config = Config {
            tls: Some(Tls::starttls(&certificate.unwrap()).unwrap()),
            auth: auth(),
            script: Script::new([Rule::for_local_part("nobody", unknown)]),
            ..Config::default()
        };
        let catcher = Catcher::start(config).await.unwrap();
        Server { trusted, catcher }
    }

    /// Of an integration that works.
    fn settings(&self) -> Value {
        self.trusted.login_at(&self.catcher, "starttls")
    }

    fn settings_but(&self, key: &str, value: Value) -> Value {
        let mut settings = self.settings();
        settings[key] = value;
        settings
    }
}

/// Where nobody listens.
async fn closed_port() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Has an integration tested; returns how it ended and `step result: detail` of each step.
async fn tested(db: &Db, integration: &str, email: Option<&str>) -> (String, Vec<String>) {
    let test = "select id from campaign.test_integration($1, $2)";
    let id: Uuid = db.one(test, &[&integration, &email]).await;
    let state = until("the test is over", async || {
        let state =
            "select state from campaign.integration_tests where id = $1 and ended_at is not null";
        db.all::<String>(state, &[&id]).await.pop()
    })
    .await;
    let steps = "select format('%s %s: %s', step, result, detail) from campaign.integration_test_steps where id = $1";
    (state, db.all(steps, &[&id]).await)
}

fn assert_steps(steps: &[String], expected: &[&str]) {
    let fits = |(step, expected): (&String, &&str)| {
        let parts: Vec<&str> = expected.split('…').collect();
        step.starts_with(parts[0]) && parts.iter().all(|part| step.contains(part))
    };
    assert!(
        steps.len() == expected.len() && steps.iter().zip(expected).all(fits),
        "{steps:#?} is not {expected:#?}"
    );
}

const AFTER_A_FAILURE: &str = "skipped: a step before it failed";

fn skipped(step: &str) -> String {
    format!("{step} {AFTER_A_FAILURE}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_an_integration_tells_each_step_in_plain_words() {
    let db = Db::clone_template().await;
    let server = Server::start("localhost").await;
    add(&db, "works", server.settings()).await;
    add(
        &db,
        "unknown host",
        server.settings_but("host", json!("no-such-host.invalid")),
    )
    .await;
    let nobody_listens = json!(closed_port().await.port());
    add(
        &db,
        "nobody listens",
        server.settings_but("port", nobody_listens),
    )
    .await;
    add(
        &db,
        "wrong password",
        server.settings_but("password", json!("wrong-secret")),
    )
    .await;
    let other = Server::start("mail.example.org").await;
    add(&db, "wrong certificate", other.settings()).await;
    let runner = Runner::spawn(&db, &[]).await;

    let (state, steps) = tested(&db, "works", None).await;
    assert_eq!(state, "passed");
    assert_steps(
        &steps,
        &[
            "resolve ok: localhost is 127.0.0.1",
            "connect ok: 127.0.0.1:… answered in … ms",
            "tls ok: TLS 1.3, the certificate is valid for localhost",
            "login ok: the relay accepts the login, by PLAIN",
            "mail ok: the relay accepted a mail to hello@meetups.example: 250 2.0.0 accepted",
        ],
    );
    let [mail] = &server.catcher.accepted()[..] else {
        panic!("one mail")
    };
    assert_eq!(mail.recipient, "hello@meetups.example");
    assert!(mail.tls && mail.user.as_deref() == Some(USERNAME));

    let (state, steps) = tested(&db, "works", Some("nobody@example.com")).await;
    assert_eq!(state, "failed");
    assert_steps(
        &steps[4..],
        &["mail failed: refused at rcpt: 550 5.1.1 no such user"],
    );

    for (integration, failure) in [
        ("unknown host", "resolve failed: …no-such-host.invalid"),
        ("nobody listens", "connect failed: 127.0.0.1:…refused"),
        (
            "wrong certificate",
            "tls failed: the relay's certificate is for another host, not for localhost",
        ),
        (
            "wrong password",
            "login failed: 535 5.7.8 username or password is wrong",
        ),
    ] {
        let (state, steps) = tested(&db, integration, None).await;
        assert_eq!(state, "failed", "{integration}");
        let failed = steps.iter().position(|step| step.contains(" failed: "));
        let failed = failed.unwrap_or_else(|| panic!("{integration}: {steps:#?}"));
        assert_steps(&steps[failed..=failed], &[failure]);
        let before = steps[..failed].iter();
        assert!(
            before.clone().all(|step| step.contains(" ok: ")),
            "{steps:#?}"
        );
        let after = ["resolve", "connect", "tls", "login", "mail"][failed + 1..].iter();
        let after: Vec<String> = after.map(|step| skipped(step)).collect();
        assert_eq!(steps[failed + 1..], after);
    }
    assert_eq!(server.catcher.accepted().len(), 1);
    assert_eq!(other.catcher.mail_from_count(), 0);
    for server in [&server, &other] {
        assert!(!server.catcher.saw_credentials_in_plain_text());
    }
    assert_eq!(
        db.one::<i64>("select count(*) from campaign.email_jobs", &[])
            .await,
        0
    );
    let log = runner.log();
    assert!(
        !log.contains(PASSWORD) && !log.contains("wrong-secret"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_wrong_password_is_mended_the_next_test_passes() {
    let db = Db::clone_template().await;
    let server = Server::start("localhost").await;
    add(
        &db,
        "relay",
        server.settings_but("password", json!("wrong")),
    )
    .await;
    let _runner = Runner::spawn(&db, &[]).await;
    assert_eq!(tested(&db, "relay", None).await.0, "failed");
    db.change_relay(json!({"password": PASSWORD})).await;
    assert_eq!(tested(&db, "relay", None).await.0, "passed");
}

/// A database in which the doctor finds no fault: other tests switch off what only matters after a crash.
async fn healthy(cluster: &Cluster) -> Db {
    let db = Db::create_in(cluster).await;
    for statement in [
        "alter system set fsync = on",
        "alter system set full_page_writes = on",
        "select pg_reload_conf()",
    ] {
        db.run(statement).await;
    }
    let holds = "select bool_and(holds) from campaign.check_installation()";
    db.until("the installation is safe", holds, &[]).await;
    db
}

/// What the doctor printed and its exit code.
async fn examined(db: &Db, flags: &[&str]) -> (i32, String) {
    let output = doctor(db, flags).await;
    let said = String::from_utf8(output.stdout).unwrap();
    let said = said + &String::from_utf8(output.stderr).unwrap();
    for secret in [PASSWORD, "wrong-secret"] {
        assert!(!said.contains(secret), "{said}");
    }
    (output.status.code().unwrap(), said)
}

/// Panics unless the text has lines that begin so, in this order.
fn assert_says(said: &str, expected: &[&str]) {
    let mut lines = said.lines();
    for line in expected {
        let found = lines.any(|said| said.trim_start().starts_with(line));
        assert!(found, "no line begins with {line}, in this order:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_no_fault_and_sends_a_mail_only_where_it_is_told_to() {
    let cluster = Cluster::create();
    let db = healthy(&cluster).await;
    let server = Server::start("localhost").await;
    add(&db, "relay", server.settings()).await;

    let (code, said) = examined(&db, &[]).await;
    let port = server.catcher.addr().port();
    let title = format!("relay (localhost:{port})");
    assert_says(
        &said,
        &[
            "database (",
            &title,
            "resolve      ok      localhost is 127.0.0.1",
            "connect      ok      127.0.0.1:",
            "tls          ok      TLS 1.3, the certificate is valid for localhost",
            "login        ok      the relay accepts the login, by PLAIN",
            "mail         skipped no address was given",
        ],
    );
    assert_eq!(code, 0, "{said}");
    assert_eq!(server.catcher.mail_from_count(), 0);

    let (code, said) = examined(&db, &["--to", "ada@example.com"]).await;
    assert_says(
        &said,
        &["mail         ok      the relay accepted a mail to ada@example.com: 250 2.0.0 accepted"],
    );
    assert_eq!(code, 0, "{said}");
    let recipients = server.catcher.accepted().into_iter();
    let recipients: Vec<String> = recipients.map(|mail| mail.recipient).collect();
    assert_eq!(recipients, ["ada@example.com"]);

    let (code, said) = examined(&db, &["--to", "nobody@example.com"]).await;
    assert_says(
        &said,
        &["mail         failed  refused at rcpt: 550 5.1.1 no such user"],
    );
    assert_eq!(code, 1, "{said}");
    let written = "select (select count(*) from campaign.runner) + (select count(*) from campaign.integration_test)";
    assert_eq!(db.one::<i64>(written, &[]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_wrong_with_each_integration() {
    let cluster = Cluster::create();
    let db = healthy(&cluster).await;
    let (code, said) = examined(&db, &[]).await;
    assert_says(
        &said,
        &["integrations", "find         failed  there is none yet"],
    );
    assert_eq!(code, 1);

    let server = Server::start("localhost").await;
    add(&db, "works", server.settings()).await;
    add(
        &db,
        "unknown host",
        server.settings_but("host", json!("no-such-host.invalid")),
    )
    .await;
    let nobody_listens = json!(closed_port().await.port());
    add(
        &db,
        "nobody listens",
        server.settings_but("port", nobody_listens),
    )
    .await;
    add(
        &db,
        "wrong password",
        server.settings_but("password", json!("wrong-secret")),
    )
    .await;
    let not_set = json!("env:CAMPAIGN_E2E_NOT_SET");
    add(&db, "no password", server.settings_but("password", not_set)).await;
    let other = Server::start("mail.example.org").await;
    add(&db, "wrong certificate", other.settings()).await;

    for (integration, failure) in [
        ("unknown host", "resolve      failed "),
        ("nobody listens", "connect      failed "),
        (
            "wrong certificate",
            "tls          failed  the relay's certificate is for another host, not for localhost",
        ),
        (
            "wrong password",
            "login        failed  535 5.7.8 username or password is wrong",
        ),
        (
            "no password",
            "login        failed  the integration's password names the variable CAMPAIGN_E2E_NOT_SET, which is not set; set it",
        ),
    ] {
        let (code, said) = examined(&db, &["--integration", integration]).await;
        let after = "mail         skipped a step before it failed";
        let title = format!("{integration} (");
        assert_says(
            &said,
            &[
                "database (",
                &title,
                failure,
                after,
                "campaign-runner: one step failed",
            ],
        );
        assert_eq!(code, 1, "{said}");
    }
    let (code, said) = examined(&db, &["--integration", "works"]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = examined(&db, &["--integration", "no such"]).await;
    assert_says(
        &said,
        &["find         failed  there is no integration no such; there are "],
    );
    assert_eq!(code, 1);
    let (code, said) = examined(&db, &[]).await;
    assert_says(&said, &["campaign-runner: 5 steps failed"]);
    assert_eq!(code, 1);
    assert_eq!(server.catcher.mail_from_count(), 0);
    for server in [&server, &other] {
        assert!(!server.catcher.saw_credentials_in_plain_text());
    }
}
