use e2e::{Db, Links, Runner, Server, hold_replies, relay, until_replies_are_held};
use mail_catcher::Gate;
use serde_json::json;

use crate::tracking::{Sent, one_click};

const SUPPRESSED: &str = "select email || ' ' || reason from campaign.suppressions order by 1";
const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=----b0undary";

#[tokio::test(flavor = "multi_thread")]
async fn one_click_of_a_sent_mail_unsubscribes_whichever_way_it_is_written() {
    let sent = Sent::to(3).await;
    let multipart = "------b0undary\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n------b0undary--\r\n";
    for (number, content_type, body) in [
        (1, URLENCODED, "List-Unsubscribe=One-Click"),
        (2, MULTIPART, multipart),
    ] {
        let mails = sent.job.mails(&sent.catcher);
        let post = mails[0].field("List-Unsubscribe-Post");
        assert_eq!(post.as_deref(), Some("List-Unsubscribe=One-Click"));
        let target = sent.links(number).unsubscribe;
        let headers = [("content-type", content_type)];
        for _ in 0..2 {
            let answer = (sent.server).request("POST", &target, &headers, body).await;
            assert_eq!((answer.status, answer.header("location")), (200, None));
            assert_eq!(answer.header("set-cookie"), None);
            assert!(answer.text().contains("You are unsubscribed"));
        }
    }
    let suppressed: Vec<String> = sent.db.all(SUPPRESSED, &[]).await;
    let expected = ["p1@example.com unsubscribe", "p2@example.com unsubscribe"];
    assert_eq!(suppressed, expected);
    let events = sent.events().await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.iter().all(|event| event.contains("unsubscribe")));
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_the_page_changes_nothing_and_its_button_does() {
    let sent = Sent::to(1).await;
    let target = sent.links(1).unsubscribe;
    let page = sent.server.get(&target).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<form method=\"post\">"));
    assert!(
        !page.text().contains("p1@"),
        "a forwarded mail tells nobody"
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"));
    assert_eq!(page.header("cache-control"), Some("no-store"));

    let headers = [("content-type", URLENCODED)];
    for (method, body) in [
        ("GET", ""),
        ("HEAD", ""),
        ("POST", ""),
        ("POST", "List-Unsubscribe="),
        ("POST", "a=b"),
        ("POST", "list-unsubscribe"),
    ] {
        let answer = sent.server.request(method, &target, &headers, body).await;
        assert_eq!(answer.status, 200, "{method} {body}");
    }
    let other = [("content-type", MULTIPART)];
    let answer = sent
        .server
        .request("POST", &target, &other, "no parts")
        .await;
    assert!(answer.text().contains("<form"));
    assert_eq!(
        sent.db.all::<String>(SUPPRESSED, &[]).await,
        Vec::<String>::new()
    );
    assert_eq!(sent.events().await, Vec::<String>::new());

    // What the button sends.
    let (_, field) = page.text().split_once("<input type=\"hidden\" ").unwrap();
    assert!(field.starts_with("name=\"List-Unsubscribe\" value=\"One-Click\">"));
    one_click(&sent, &target).await;
    assert_eq!(sent.db.all::<String>(SUPPRESSED, &[]).await.len(), 1);
    let page = sent.server.get(&target).await;
    assert!(page.text().contains("unsubscribed already") && !page.text().contains("<form"));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_test_mails_and_bad_links_say_so() {
    let db = Db::clone_template().await;
    let server = Server::spawn(&db, &[]).await;
    let headers = [("content-type", URLENCODED)];
    for token in ["test", "preview"] {
        for method in ["GET", "POST"] {
            let target = format!("/unsubscribe?t={token}");
            let body = "List-Unsubscribe=One-Click";
            let answer = server.request(method, &target, &headers, body).await;
            assert_eq!(answer.status, 200);
            assert!(answer.text().contains("test mail"));
        }
    }
    for target in [
        "/unsubscribe",
        "/unsubscribe?t=",
        "/unsubscribe?t=AAAA",
        "/unsubscribe?t=a&t=b",
    ] {
        let answer = server.get(target).await;
        assert_eq!(answer.status, 404, "{target}");
        assert!(answer.text().contains("does not work"));
    }
    let answer = server
        .request("DELETE", "/unsubscribe?t=test", &[], "")
        .await;
    assert_eq!(answer.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribes_while_a_campaign_runs_gets_no_mail_of_it() {
    const N: usize = 200;
    let db = Db::clone_template().await;
    let gate = Gate::closed();
    let catcher = relay(&db, [hold_replies(&gate)]).await;
    let server = Server::spawn(&db, &[]).await;
    db.set_public_url(&server.url()).await;
    let _runner = Runner::spawn(&db, &[]).await;
    let earlier = db.start_to("P199@EXAMPLE.COM", "relay").await;
    db.until_status(&earlier, "completed").await;
    let link = Links::of_header(&earlier.mails(&catcher)[0], &server);

    let job = db
        .start(N, json!({"chunk_size": 20, "concurrency": 3}))
        .await;
    until_replies_are_held(&job, &catcher, 3).await;
    let headers = [("content-type", URLENCODED)];
    let body = "List-Unsubscribe=One-Click";
    let answer = server.request("POST", &link, &headers, body).await;
    assert_eq!(answer.status, 200);
    gate.open();
    db.until_status(&job, "completed").await;

    let mails = job.mails(&catcher);
    assert!(
        !mails
            .iter()
            .any(|mail| mail.recipient == "p199@example.com")
    );
    assert_eq!(db.count(&job, "suppressed_count").await, 1);
    assert_eq!(db.count(&job, "sent_count").await, 199);
    db.assert_books_hold(&job).await;
}
