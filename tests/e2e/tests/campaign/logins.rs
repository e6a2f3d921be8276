use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::{Db, Runner, TrustedAuthority, USERNAME, auth, relay_with};
use mail_catcher::{
    Authority, Catcher, Certificate, Config, Fault, Reply, Rule, Script, Stage, Tls,
};
use serde_json::{Value, json};

fn certificate(trusted: &TrustedAuthority) -> Certificate {
    trusted.authority.certificate(&["localhost"]).unwrap()
}

/// A server that takes mails after a login, with TLS as such an integration wants it.
fn server(tls: &str, certificate: &Certificate, rules: impl IntoIterator<Item = Rule>) -> Config {
    let tls = match tls {
        "implicit" => Tls::implicit(certificate),
        _ => Tls::starttls(certificate),
    };
    Config {
        tls: Some(tls.unwrap()),
        auth: auth(),
        script: Script::new(rules),
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_arrive_over_starttls_and_over_tls_from_the_start_by_plain_and_by_login() {
    const N: usize = 20;
    let trusted = TrustedAuthority::create();
    let offers_login_only = Fault::Reply(Stage::Ehlo, Reply::new(250, "localhost\nAUTH LOGIN"));
    let login_only = Arc::new(AtomicBool::new(false));
    for tls in ["starttls", "implicit"] {
        let db = Db::clone_template().await;
        login_only.store(false, Ordering::Relaxed);
        let asked = login_only.clone();
        let rule = Rule::at(
            move |moment| moment.tls && asked.load(Ordering::Relaxed),
            offers_login_only.clone(),
        );
        let catcher = relay_with(&db, server(tls, &certificate(&trusted), [rule])).await;
        db.change_relay(trusted.login_at(&catcher, tls)).await;
        let _runner = Runner::spawn(&db, &[]).await;
        for (mechanism, command) in [("PLAIN", "AUTH PLAIN …"), ("LOGIN", "AUTH LOGIN")] {
            login_only.store(mechanism == "LOGIN", Ordering::Relaxed);
            // Other settings are other connections.
            db.change_relay(json!({"from_name": mechanism})).await;
            let job = db
                .start(N, json!({"chunk_size": 10, "concurrency": 3}))
                .await;
            db.until_status(&job, "completed").await;

            job.assert_each_has_one_mail(&catcher, N);
            let connections = catcher.connections();
            for mail in job.mails(&catcher) {
                assert!(mail.tls, "a mail came in plain text");
                // By a name, although an address is dialled.
                assert_eq!(mail.sni.as_deref(), Some("localhost"));
                assert!(mail.peer.is_ipv4());
                assert_eq!(mail.user.as_deref(), Some(USERNAME));
                let index = usize::try_from(mail.connection - 1).unwrap();
                let commands = &connections[index].commands;
                assert!(commands.iter().any(|said| said == command), "{commands:?}");
            }
            assert_eq!(db.outcomes(&job).await, [format!("sent {N}")]);
            db.assert_books_hold(&job).await;
        }
        assert!(!catcher.saw_credentials_in_plain_text());
    }
}

/// Campaigns over a relay that a person has to mend are paused, nobody is attempted, and after it is mended and they
/// are resumed everybody has one mail.
async fn campaigns_are_paused_until_it_is_mended(
    trusted: &TrustedAuthority,
    broken: Config,
    tls: &str,
    settings: Value,
    reason: &[&str],
) {
    const N: usize = 30;
    let db = Db::clone_template().await;
    let catcher = relay_with(&db, broken).await;
    let mended = server("starttls", &certificate(trusted), []);
    let mended = Catcher::start(mended).await.unwrap();
    db.change_relay(trusted.login_at(&catcher, tls)).await;
    db.change_relay(settings).await;
    let _runners = [Runner::spawn(&db, &[]).await, Runner::spawn(&db, &[]).await];
    let config = json!({"chunk_size": 10, "concurrency": 4, "max_retries": 1});
    let jobs = [db.start(N, config.clone()).await, db.start(N, config).await];
    for job in &jobs {
        db.until_status(job, "paused").await;
        let said = db.until_status_reason(job, "relay relay").await;
        for part in reason {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        assert!(said.ends_with("Then resume_campaign."), "{said}");
    }
    db.until_nothing_is_leased().await;
    for job in &jobs {
        assert_nobody_was_tried(&db, job, N).await;
    }
    assert_eq!(catcher.mail_from_count(), 0);
    assert_eq!(mended.connection_count(), 0);

    db.change_relay(trusted.login_at(&mended, "starttls")).await;
    for job in &jobs {
        db.resume(job).await;
    }
    for job in &jobs {
        db.until_status(job, "completed").await;
        job.assert_each_has_one_mail(&mended, N);
        assert_eq!(db.outcomes(job).await.last().unwrap(), &format!("sent {N}"));
        let reason = "select status_reason from campaign.email_jobs where id = $1";
        assert_eq!(db.one::<Option<String>>(reason, &[&job.id]).await, None);
        db.assert_books_hold(job).await;
    }
    for server in [&catcher, &mended] {
        assert!(!server.saw_credentials_in_plain_text());
    }
}

async fn assert_nobody_was_tried(db: &Db, job: &e2e::Job, n: usize) {
    let tried = "select count(*) from campaign.attempt where job_no = $1 and outcome <> 'returned'";
    assert_eq!(db.one::<i64>(tried, &[&job.job_no]).await, 0);
    assert_eq!(db.recipients(job, "pending").await.len(), n);
    for column in ["sent_count", "failed_count", "uncertain_count"] {
        assert_eq!(db.count(job, column).await, 0, "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_pauses_campaigns() {
    let trusted = TrustedAuthority::create();
    campaigns_are_paused_until_it_is_mended(
        &trusted,
        server("starttls", &certificate(&trusted), []),
        "starttls",
        json!({"password": "another-secret"}),
        &[
            "refuses the login: 535 5.7.8 username or password is wrong.",
            "Check username and password in the integration's config.",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_host_of_the_runner_does_not_have_pauses_campaigns() {
    let trusted = TrustedAuthority::create();
    campaigns_are_paused_until_it_is_mended(
        &trusted,
        server("starttls", &certificate(&trusted), []),
        "starttls",
        json!({"password": "env:CAMPAIGN_E2E_NOT_SET"}),
        &["the integration's password names the variable CAMPAIGN_E2E_NOT_SET, which is not set; set it"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_offers_no_starttls_gets_no_password() {
    let trusted = TrustedAuthority::create();
    let broken = Config {
        tls: None,
        ..server("starttls", &certificate(&trusted), [])
    };
    campaigns_are_paused_until_it_is_mended(
        &trusted,
        broken,
        "starttls",
        json!({}),
        &["offers no encryption that could be trusted: the relay offers no STARTTLS on port "],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_no_login_pauses_campaigns() {
    let trusted = TrustedAuthority::create();
    let broken = Config {
        auth: None,
        ..server("starttls", &certificate(&trusted), [])
    };
    campaigns_are_paused_until_it_is_mended(
        &trusted,
        broken,
        "starttls",
        json!({}),
        &["allows no login: the relay offers no login at all; PLAIN or LOGIN is needed."],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_starttls_gets_no_password() {
    let trusted = TrustedAuthority::create();
    let refuses = Fault::Reply(Stage::StartTls, Reply::new(502, "5.5.1 not today"));
    campaigns_are_paused_until_it_is_mended(
        &trusted,
        server("starttls", &certificate(&trusted), [Rule::always(refuses)]),
        "starttls",
        json!({}),
        &["offers no encryption that could be trusted: 502 5.5.1 not today. The relay refuses STARTTLS"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_host_gets_no_password() {
    let trusted = TrustedAuthority::create();
    let other = trusted.authority.certificate(&["mail.example.org"]);
    let other = other.unwrap();
    for tls in ["starttls", "implicit"] {
        campaigns_are_paused_until_it_is_mended(
            &trusted,
            server(tls, &other, []),
            tls,
            json!({}),
            &["the relay's certificate is for another host, not for localhost."],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_gets_no_password() {
    let trusted = TrustedAuthority::create();
    let expired = trusted.authority.expired_certificate(&["localhost"]);
    campaigns_are_paused_until_it_is_mended(
        &trusted,
        server("starttls", &expired.unwrap(), []),
        "starttls",
        json!({}),
        &["the relay's certificate has expired. Check the relay's certificate, and host, port,"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_gets_no_password() {
    let trusted = TrustedAuthority::create();
    let unknown = Authority::new().unwrap().certificate(&["localhost"]);
    let own = Certificate::self_signed(&["localhost"]);
    for certificate in [unknown.unwrap(), own.unwrap()] {
        campaigns_are_paused_until_it_is_mended(
            &trusted,
            server("implicit", &certificate, []),
            "implicit",
            json!({}),
            &["the relay's certificate is from nobody that this host trusts; for an authority of your own set ca_file"],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_behind_the_answer_to_starttls_ends_the_connection() {
    let trusted = TrustedAuthority::create();
    let injected = b"220 2.0.0 go ahead\r\n250 2.0.0 injected\r\n";
    let injects = Fault::Raw(Stage::StartTls, injected.to_vec());
    campaigns_are_paused_until_it_is_mended(
        &trusted,
        server("starttls", &certificate(&trusted), [Rule::always(injects)]),
        "starttls",
        json!({}),
        &["the relay said more after STARTTLS than it should: somebody may be tampering."],
    )
    .await;
}

/// While the relay does this campaigns wait and say so; afterwards they go on by themselves.
async fn campaigns_wait_until_it_is_over(fault: Fault, settings: Value, says: &str) {
    const N: usize = 20;
    let trusted = TrustedAuthority::create();
    let db = Db::clone_template().await;
    let over = Arc::new(AtomicBool::new(false));
    let is_over = over.clone();
    let rule = Rule::at(move |_| !is_over.load(Ordering::Relaxed), fault);
    let catcher = relay_with(&db, server("starttls", &certificate(&trusted), [rule])).await;
    db.change_relay(trusted.login_at(&catcher, "starttls"))
        .await;
    db.change_relay(settings).await;
    // Which halves where the relay asks for patience; without it the half of nothing would be waited for.
    db.run("update campaign.email_integrations set rate_limit = 40")
        .await;
    let _runner = Runner::spawn(&db, &[]).await;
    let config = json!({"chunk_size": 10, "concurrency": 4, "max_retries": 1});
    let job = db.start(N, config).await;

    let said = db
        .until_status_reason(&job, "waiting for relay relay: ")
        .await;
    assert!(said.contains(says), "{says} is not in: {said}");
    assert!(said.contains("tries again at "), "{said}");
    let trouble = "select coalesce(trouble, '') from campaign.runners";
    let trouble: String = db.one(trouble, &[]).await;
    assert!(trouble.starts_with("relay: "), "{trouble}");
    let status =
        "select status in ('pending', 'running', 'partial') from campaign.email_jobs where id = $1";
    assert!(db.one::<bool>(status, &[&job.id]).await);
    assert_nobody_was_tried(&db, &job, N).await;

    over.store(true, Ordering::Relaxed);
    db.until_status(&job, "completed").await;
    job.assert_each_has_one_mail(&catcher, N);
    assert_eq!(db.outcomes(&job).await, [format!("sent {N}")]);
    let quiet = "select (select status_reason is null from campaign.email_jobs where id = $1)
        and (select trouble is null from campaign.runners)";
    db.until("there is no trouble any more", quiet, &[&job.id])
        .await;
    assert!(!catcher.saw_credentials_in_plain_text());
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_wait_while_the_relay_cannot_check_the_login() {
    let reply = Reply::new(454, "4.7.0 Temporary authentication failure");
    campaigns_wait_until_it_is_over(
        Fault::Reply(Stage::Auth, reply),
        json!({}),
        "no login: 454 4.7.0 Temporary authentication failure;",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_wait_while_the_relay_breaks_handshakes_off() {
    campaigns_wait_until_it_is_over(
        Fault::Drop(Stage::Handshake),
        json!({}),
        "no encryption: the TLS handshake was broken off: ",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_wait_while_the_relay_greets_with_421() {
    let reply = Reply::new(421, "4.3.2 too busy");
    campaigns_wait_until_it_is_over(
        Fault::ReplyThenDrop(Stage::Greeting, reply),
        json!({}),
        "no welcome: 421 4.3.2 too busy;",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_wait_while_the_relay_does_not_greet() {
    campaigns_wait_until_it_is_over(
        Fault::Silence(Stage::Greeting),
        json!({"timeouts": {"greeting": 0.2}}),
        "no welcome: no reply within 200ms;",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_that_wait_go_on_when_the_integration_is_changed() {
    const N: usize = 20;
    let trusted = TrustedAuthority::create();
    let db = Db::clone_template().await;
    let reply = Reply::new(454, "4.7.0 Temporary authentication failure");
    let fails = Rule::always(Fault::Reply(Stage::Auth, reply));
    let failing = relay_with(&db, server("starttls", &certificate(&trusted), [fails])).await;
    let mended = server("starttls", &certificate(&trusted), []);
    let mended = Catcher::start(mended).await.unwrap();
    db.change_relay(trusted.login_at(&failing, "starttls"))
        .await;
    let _runner = Runner::spawn(&db, &[]).await;
    let job = db.start(N, json!({"concurrency": 4})).await;
    db.until_status_reason(&job, "waiting for relay relay: ")
        .await;

    db.change_relay(trusted.login_at(&mended, "starttls")).await;
    db.until_status(&job, "completed").await;
    job.assert_each_has_one_mail(&mended, N);
    assert_eq!(db.outcomes(&job).await, [format!("sent {N}")]);
    db.assert_books_hold(&job).await;
}
