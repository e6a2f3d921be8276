use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use e2e::{Answer, Db, Job, Links, Runner, Server, relay};
use mail_catcher::Catcher;
use message::token::{Key, Token};
use serde_json::{Value, json};

use crate::clients;

const LETTER: &str = r##"<p>Hi {{name}}</p>
<a href="https://example.com/1?name={{name}}&amp;email={{email}}">1</a> <a href="https://example.com/2">2</a>
<a href="https://example.com/3">3</a> <a href="http://example.com/4#part">4</a> <a href="https://example.com/5">5</a>
<a href="https://example.com/6">6</a> <a href="mailto:hello@example.com">mail</a> <a href="tel:+15550100">call</a>
<a href="javascript:void(0)">run</a> <a href="data:text/plain,hi">data</a> <a href="#top">top</a>
<a href="{{unsubscribe_url}}">unsubscribe</a>"##;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const GOOGLE_PROXY: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const GOOGLE_PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
const APPLE: &str = "Mozilla/5.0";
const CURL: &str = "curl/8.14.1";

/// A campaign whose mails were sent, with opens and clicks tracked, and the server that its links lead to.
pub struct Sent {
    pub server: Server,
    pub job: Job,
    pub catcher: Catcher,
    _runner: Runner,
    // Dropped last.
    pub db: Db,
}

impl Sent {
    pub async fn to(recipients: usize) -> Sent {
        Sent::with(recipients, &[]).await
    }

    async fn with(recipients: usize, flags: &[&str]) -> Sent {
        let db = Db::clone_template().await;
        let update =
            "update campaign.email_templates set html = $1 where slug = 'letter' returning slug";
        db.one::<String>(update, &[&LETTER]).await;
        let server = Server::spawn(&db, flags).await;
        db.set_public_url(&server.url()).await;
        let catcher = relay(&db, []).await;
        let runner = Runner::spawn(&db, &[]).await;
        let job = db.start_tracked(recipients, json!({})).await;
        db.until_status(&job, "completed").await;
        Sent {
            server,
            job,
            catcher,
            _runner: runner,
            db,
        }
    }

    /// Of the mail to p`number`.
    pub fn links(&self, number: usize) -> Links {
        let mails = self.job.mails(&self.catcher);
        let address = e2e::address(number);
        let mail = mails.iter().find(|mail| mail.recipient == address);
        Links::of(mail.expect("a mail"), &self.server)
    }

    async fn read(&self, target: &str, user_agent: &str) -> Answer {
        let headers = [("user-agent", user_agent)];
        self.server.request("GET", target, &headers, "").await
    }

    /// Waits until nothing waits for the database.
    async fn settle(&self) {
        e2e::until("opens and clicks are written", async || {
            let health = self.server.get("/health").await;
            let health: Value = serde_json::from_slice(&health.body).unwrap();
            (health["tracking"]["waiting"] == 0).then_some(())
        })
        .await;
    }

    /// All that readers did, e.g. `1 open human`.
    pub async fn events(&self) -> Vec<String> {
        self.settle().await;
        self.db
            .all(
                "select format('%s %s %s', pos, kind, agent) from campaign.tracking_event order by pos, kind, event_no",
                &[],
            )
            .await
    }
}

/// All but the time.
fn without_date(mut answer: Answer) -> Answer {
    answer.headers.retain(|(name, _)| name != "date");
    answer
}

/// Each token that differs from this one in one character.
fn neighbours(target: &str) -> Vec<String> {
    let start = target.find("t=").expect("a token") + 2;
    (start..target.len())
        .map(|at| {
            let other = if &target[at..=at] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &target[..at], &target[at + 1..])
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_what_readers_did() {
    let sent = Sent::to(10).await;
    let links: Vec<Links> = (1..=10).map(|number| sent.links(number)).collect();
    let of = |number: usize| &links[number - 1];

    for _ in 0..2 {
        sent.read(&of(1).open, CHROME).await;
        sent.read(&of(1).clicks[0], CHROME).await;
    }
    sent.read(&of(2).open, GOOGLE_PROXY).await;
    sent.read(&of(3).open, APPLE).await;
    for target in [&of(4).open, &of(4).clicks[0]] {
        let answer = (sent.server).request("HEAD", target, &[("user-agent", CHROME)], "");
        assert!(answer.await.body.is_empty());
    }
    for forged in neighbours(&of(5).open).iter().take(5) {
        sent.read(forged, CHROME).await;
    }
    let burst = of(6).clicks[..2].iter().chain([&of(6).open]);
    for target in burst.chain(&of(6).clicks[2..5]) {
        sent.read(target, CHROME).await;
    }
    sent.read(&of(7).open, CURL).await;
    sent.read(&of(8).open, GOOGLE_PREFETCH).await;
    sent.read(&of(9).clicks[2], CHROME).await;

    let events = sent.events().await;
    let expected = [
        "1 click human",
        "1 click human",
        "1 open human",
        "1 open human",
        "2 open google_proxy",
        "3 open apple_mpp",
        "6 click scanner",
        "6 click scanner",
        "6 click scanner",
        "6 click scanner",
        "6 click scanner",
        "6 open scanner",
        "7 open scanner",
        "8 open google_prefetch",
        "9 click human",
    ];
    assert_eq!(events, expected);

    // As in the user's specification.
    let report = "SELECT j.id, j.sent_count,
          COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'open')  AS unique_opens,
          COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'click') AS unique_clicks,
          ROUND(COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'open')::numeric  / j.sent_count * 100, 1) AS open_rate,
          ROUND(COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'click')::numeric / j.sent_count * 100, 1) AS click_rate
        FROM email_jobs j LEFT JOIN email_events e ON e.job_id = j.id
        GROUP BY j.id;";
    let report = report.trim_end_matches(';');
    sent.db.run("set search_path = campaign, public").await;
    let row: Value = sent
        .db
        .one(&format!("select to_jsonb(r) from ({report}) r"), &[])
        .await;
    let expected = json!({
        "id": sent.job.id, "sent_count": 10, "unique_opens": 6, "unique_clicks": 3, "open_rate": 60.0, "click_rate": 30.0
    });
    assert_eq!(row, expected);

    let stats: Value = sent
        .db
        .one(
            "select jsonb_build_array(unique_opens, human_opens, unique_clicks, human_clicks) from campaign.campaign_stats where id = $1",
            &[&sent.job.id],
        )
        .await;
    assert_eq!(stats, json!([6, 2, 3, 2]));
    let where_to: String = sent
        .db
        .one(
            "select metadata ->> 'link_url' from campaign.email_events where attendee_id = 9 and event_type = 'click'",
            &[],
        )
        .await;
    assert_eq!(where_to, "https://example.com/3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_leads_where_the_mail_says_and_other_links_stay_as_they_are() {
    let sent = Sent::to(1).await;
    let links = sent.links(1);
    assert_eq!(
        links.others,
        [
            "mailto:hello@example.com",
            "tel:+15550100",
            "javascript:void(0)",
            "data:text/plain,hi",
            "#top"
        ]
    );
    let expected = [
        "https://example.com/1?name=Ada%20Lovelace&email=p1%40example.com",
        "https://example.com/2",
        "https://example.com/3",
        "http://example.com/4#part",
        "https://example.com/5",
        "https://example.com/6",
    ];
    assert_eq!(links.clicks.len(), expected.len());
    for (link, expected) in links.clicks.iter().zip(expected) {
        for method in ["GET", "HEAD"] {
            let answer = sent.server.request(method, link, &[], "").await;
            assert_eq!(answer.status, 302);
            assert_eq!(answer.header("location"), Some(expected));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("x-robots-tag"), Some("noindex"));
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_changed_in_any_byte_does_nothing_and_the_pixel_tells_nobody() {
    let sent = Sent::to(1).await;
    let links = sent.links(1);
    let good = without_date(sent.read(&links.open, CHROME).await);
    assert_eq!(good.status, 200);
    assert_eq!(good.header("content-type"), Some("image/gif"));
    assert!(good.header("cache-control").unwrap().contains("no-store"));
    assert_eq!(
        good.header("cross-origin-resource-policy"),
        Some("cross-origin")
    );
    assert_eq!(good.body.len(), 43);
    assert_eq!(sent.events().await, ["1 open human"]);

    let token = links.open.rsplit_once('=').unwrap().1;
    let mut bad = neighbours(&links.open);
    bad.extend([
        "/api/track/open".to_owned(),
        "/api/track/open?t=".to_owned(),
        format!("/api/track/open?t={token}&t={token}"),
        format!("/api/track/open?t={token}="),
        format!("/api/track/open?t={}", "A".repeat(5_000)),
        format!("/api/track/open?t=%00{token}"),
    ]);
    for target in &bad {
        let answer = without_date(sent.read(target, CHROME).await);
        assert_eq!(answer, good, "{target}");
    }
    for target in neighbours(&links.clicks[0]) {
        let answer = sent.read(&target, CHROME).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (404, None),
            "{target}"
        );
    }
    for target in neighbours(&links.unsubscribe) {
        let answer = one_click(&sent, &target).await;
        assert_eq!(answer.status, 404, "{target}");
        assert_eq!(sent.server.get(&target).await.status, 404, "{target}");
    }
    assert_eq!(sent.events().await, ["1 open human"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_a_pixel_takes_tells_nobody_either() {
    const ROUNDS: usize = 400;
    let sent = Sent::to(1).await;
    let other = sent.db.start_tracked(1, json!({})).await;
    sent.db.until_status(&other, "completed").await;
    let of_other = Links::of(&other.mails(&sent.catcher)[0], &sent.server);
    let links = sent.links(1);
    let as_open = |target: &str| {
        let token = target.rsplit_once('=').unwrap().1;
        format!("/api/track/open?t={token}")
    };
    let forged = neighbours(&links.open).into_iter().nth_back(1).unwrap();
    let kinds = [
        ("genuine", links.open.clone()),
        ("of another campaign", of_other.open.clone()),
        ("with another MAC", forged),
        ("a click's", as_open(&links.clicks[0])),
        ("unsubscribe's", as_open(&links.unsubscribe)),
        ("malformed", links.open[..links.open.len() - 2].to_owned()),
        ("none", "/api/track/open".to_owned()),
    ];
    let mut stream = sent.server.connect_from(Ipv4Addr::LOCALHOST).await;
    let mut times = vec![Vec::with_capacity(ROUNDS); kinds.len()];
    for _ in 0..ROUNDS {
        for ((_, target), times) in kinds.iter().zip(&mut times) {
            let begun = Instant::now();
            clients::ask(&mut stream, target).await;
            times.push(begun.elapsed());
        }
    }
    let medians: Vec<Duration> = (times.into_iter())
        .map(|mut times| {
            times.sort();
            times[ROUNDS / 2]
        })
        .collect();
    let names = kinds.iter().map(|(name, _)| name);
    let figures: Vec<_> = names.zip(&medians).collect();
    println!("{figures:?}");
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    // A look into the database alone takes longer than all the rest.
    let is_same = *most <= *least * 2;
    assert!(is_same, "{figures:?}");
}

pub async fn one_click(sent: &Sent, target: &str) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let body = "List-Unsubscribe=One-Click";
    sent.server.request("POST", target, &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_serves_for_what_it_was_made_and_nothing_else() {
    let sent = Sent::to(1).await;
    let other = sent.db.start_tracked(1, json!({})).await;
    sent.db.until_status(&other, "completed").await;
    let links = sent.links(1);
    let token = |target: &str| target.rsplit_once('=').unwrap().1.to_owned();
    let (open, click, unsubscribe) = (
        token(&links.open),
        token(&links.clicks[0]),
        token(&links.unsubscribe),
    );
    // Whoever knows all but the key.
    let key = Key::new(&[7; 32]).unwrap();
    let forged = |token: &str| -> String {
        let mut token: Token = Token::parse(token).unwrap().token;
        token.job_no = other.job_no.try_into().unwrap();
        token.sign(&key)
    };
    // The one's message with the other's MAC.
    let of_other = Links::of(&other.mails(&sent.catcher)[0], &sent.server);
    let spliced = |ours: &str, others: &str| {
        let others = token(others);
        format!("{}{}", &others[..8], &ours[8..])
    };

    for t in [
        &click,
        &unsubscribe,
        &forged(&open),
        &spliced(&open, &of_other.open),
    ] {
        let answer = sent.read(&format!("/api/track/open?t={t}"), CHROME).await;
        assert_eq!(answer.status, 200);
    }
    for t in [
        &open,
        &unsubscribe,
        &forged(&click),
        &spliced(&click, &of_other.clicks[0]),
    ] {
        let answer = sent.read(&format!("/api/track/click?t={t}"), CHROME).await;
        assert_eq!((answer.status, answer.header("location")), (404, None));
    }
    for t in [
        &open,
        &click,
        &forged(&unsubscribe),
        &spliced(&unsubscribe, &of_other.unsubscribe),
    ] {
        let target = format!("/unsubscribe?t={t}");
        assert_eq!(one_click(&sent, &target).await.status, 404);
    }
    assert_eq!(sent.events().await, Vec::<String>::new());
    let suppressed = "select count(*) from campaign.suppressions";
    assert_eq!(sent.db.one::<i64>(suppressed, &[]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_redirected_to_what_a_request_says() {
    const EVIL: &str = "https://evil.example/";
    let sent = Sent::to(1).await;
    let link = &sent.links(1).clicks[1];
    let token = link.rsplit_once('=').unwrap().1;
    for (target, headers) in [
        (format!("{link}&url={EVIL}"), [("x-a", "")]),
        (
            format!("/api/track/click?url={EVIL}&t={token}"),
            [("x-a", "")],
        ),
        (link.clone(), [("host", "evil.example")]),
        (link.clone(), [("x-forwarded-host", "evil.example")]),
        (link.clone(), [("referer", EVIL)]),
        (format!("http://evil.example{link}"), [("x-a", "")]),
    ] {
        let answer = sent.server.request("GET", &target, &headers, "").await;
        assert_eq!(answer.status, 302, "{target}");
        assert_eq!(answer.header("location"), Some("https://example.com/2"));
    }
    for target in [
        format!("/api/track/click?url={EVIL}"),
        format!("/api/track/click?t={EVIL}"),
        format!("/api/track/click?t={token}%0d%0aLocation:%20{EVIL}"),
        format!("//evil.example{link}"),
        format!("//evil.example/..{link}"),
        format!("/\\evil.example{link}"),
        format!("/api/track/click/{EVIL}?t={token}"),
        format!("/api/track/open?t={token}&url={EVIL}"),
        format!("/unsubscribe?t={token}&url={EVIL}"),
        "//evil.example".to_owned(),
        "//evil.example/api/".to_owned(),
    ] {
        for method in ["GET", "POST"] {
            let answer = sent.server.request(method, &target, &[], "").await;
            assert!(!(300..400).contains(&answer.status), "{target}");
            assert_eq!(answer.header("location"), None, "{target}");
            let body = String::from_utf8_lossy(&answer.body);
            assert!(!body.contains("evil"), "{target}: {body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_never_waits_for_the_database_and_who_clicks_not_for_long() {
    let sent = Sent::to(3).await;
    let links = [sent.links(1), sent.links(2), sent.links(3)];
    // Whatever a genuine token leads to. A forged one would not come so far.
    let held = sent
        .db
        .leave_open("lock table campaign.signing_key, campaign.tracking_event, campaign.recipient in access exclusive mode")
        .await;
    let mut slowest = Duration::ZERO;
    for links in &links {
        for target in [&links.open, &neighbours(&links.open)[20]] {
            let begun = Instant::now();
            assert_eq!(sent.read(target, CHROME).await.status, 200);
            slowest = slowest.max(begun.elapsed());
        }
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");

    let begun = Instant::now();
    let answer = sent.read(&links[0].clicks[0], CHROME).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert!(begun.elapsed() < Duration::from_secs(10));
    drop(held);
    assert_eq!(
        sent.events().await,
        ["1 open human", "2 open human", "3 open human"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_opens_are_kept_and_clicks_are_asked_to_come_again() {
    let sent = Sent::to(2).await;
    let links = [sent.links(1), sent.links(2)];
    sent.db.refuse_servers().await;
    for links in &links {
        assert_eq!(sent.read(&links.open, CHROME).await.status, 200);
        assert_eq!(sent.read(&links.clicks[0], CHROME).await.status, 503);
        assert_eq!(one_click(&sent, &links.unsubscribe).await.status, 503);
    }
    // What no database could know is not looked up.
    let token = |target: &str| target.rsplit_once('=').unwrap().1.to_owned();
    let (open, click) = (token(&links[0].open), token(&links[0].clicks[0]));
    let unsubscribe = token(&links[0].unsubscribe);
    for t in [&open, &unsubscribe, "AAAA", &click[1..]] {
        let answer = sent.read(&format!("/api/track/click?t={t}"), CHROME).await;
        assert_eq!(answer.status, 404);
    }
    for t in [&open, &click, "AAAA", &unsubscribe[1..]] {
        let target = format!("/unsubscribe?t={t}");
        assert_eq!(one_click(&sent, &target).await.status, 404);
        assert_eq!(sent.server.get(&target).await.status, 404);
    }
    assert_eq!(sent.server.get("/health").await.status, 503);
    e2e::until("opens wait for the database", async || {
        let log = sent.server.log();
        log.contains("are kept until").then_some(())
    })
    .await;
    sent.db.admit_servers().await;
    assert_eq!(sent.events().await, ["1 open human", "2 open human"]);
    assert_eq!(sent.read(&links[0].clicks[0], CHROME).await.status, 302);

    let log = sent.server.log();
    assert!(log.contains("takes opens and clicks again"), "{log}");
    for secret in [&links[0].open, &links[0].clicks[0], &links[0].unsubscribe] {
        let token = secret.rsplit_once('=').unwrap().1;
        assert!(!log.contains(token) && !log.contains("?t="), "{log}");
    }
    assert!(!log.contains('@') && !log.contains("example.com"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_written_before_the_server_ends() {
    let mut sent = Sent::to(3).await;
    let links = [sent.links(1), sent.links(2), sent.links(3)];
    let held = sent
        .db
        .leave_open("lock table campaign.tracking_event in access exclusive mode")
        .await;
    for links in &links {
        sent.read(&links.open, CHROME).await;
    }
    sent.server.terminate();
    let log = |sent: &Sent| sent.server.log();
    e2e::until("the server stops", async || {
        log(&sent).contains("stopping").then_some(())
    })
    .await;
    drop(held);
    assert!(sent.server.ended().await.success());
    let opens = "select count(*) from campaign.tracking_event where kind = 'open'";
    assert_eq!(sent.db.one::<i64>(opens, &[]).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_believed_only_when_told_so() {
    const ADDRESSES: &str =
        "select metadata ->> 'ip' from campaign.email_events where event_type = 'open'";
    for (flags, expected) in [
        (&[][..], "127.0.0.0/24"),
        (&["--forwarded", "true"], "203.0.113.0/24"),
    ] {
        let sent = Sent::with(1, flags).await;
        let open = sent.links(1).open;
        let headers = [("x-forwarded-for", "198.51.100.1, 203.0.113.9")];
        sent.server.request("GET", &open, &headers, "").await;
        sent.settle().await;
        assert_eq!(sent.db.all::<String>(ADDRESSES, &[]).await, [expected]);
        assert!(!sent.server.log().contains("203.0.113"));
    }
}
