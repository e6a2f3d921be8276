//! Who a user agent stands for.

#![allow(clippy::unwrap_used)]

use message::agent::{Kind, judge};
use proptest::prelude::*;

fn assert_judged(user_agent: &str, kind: Kind, family: &str) {
    let agent = judge(Some(user_agent));
    assert_eq!(
        (agent.kind, agent.family.as_str()),
        (kind, family),
        "{user_agent}"
    );
}

#[test]
fn people_read_with_browsers_and_mail_programs() {
    for (user_agent, family) in [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            "Chrome",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
            "Firefox",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
            "Safari",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0",
            "Edge",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            "Apple Mail",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            "Apple Mail",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.12.0",
            "Thunderbird",
        ),
        (
            "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Microsoft Outlook 16.0.5134)",
            "Outlook",
        ),
        (
            "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
            "Chrome",
        ),
        ("something else", "unknown"),
    ] {
        assert_judged(user_agent, Kind::Human, family);
    }
}

#[test]
fn providers_fetch_for_people() {
    assert_judged(
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        Kind::GoogleProxy,
        "GoogleImageProxy",
    );
    assert_judged(
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        Kind::YahooProxy,
        "YahooMailProxy",
    );
}

#[test]
fn providers_fetch_before_anybody_reads() {
    assert_judged("Mozilla/5.0", Kind::AppleMpp, "Apple Mail");
    let prefetch = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
    assert_judged(prefetch, Kind::GooglePrefetch, "Gmail");
    let browser = prefetch.strip_suffix(" Mozilla/5.0").unwrap();
    assert_judged(browser, Kind::Human, "Edge");
}

#[test]
fn tools_and_crawlers_are_no_readers() {
    for user_agent in [
        "",
        " ",
        "-",
        "curl/8.5.0",
        "Wget/1.21",
        "python-requests/2.32.3",
        "Python-urllib/3.11",
        "Go-http-client/1.1",
        "Java/17.0.1",
        "Apache-HttpClient/4.5.14 (Java/17.0.1)",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "BarracudaCentral/1.0",
        "Mozilla/5.0 (compatible; ExampleSpider/1.0)",
    ] {
        assert_eq!(judge(Some(user_agent)).kind, Kind::Scanner, "{user_agent}");
    }
    assert_eq!(judge(None).kind, Kind::Scanner);
    assert_eq!(judge(None).family, "unknown");
}

proptest! {
    #[test]
    fn the_family_is_ours_whatever_the_agent_says(user_agent in any::<String>()) {
        let family = judge(Some(&user_agent)).family;
        prop_assert!((1..=60).contains(&family.len()) && family.bytes().all(|b| (32..127).contains(&b)), "{family}");
    }
}

#[test]
fn a_long_agent_is_judged_by_its_beginning() {
    let long = format!("Mozilla/5.0 Firefox/127.0 {}bot", "é".repeat(100_000));
    assert_eq!(judge(Some(&long)).kind, Kind::Human);
}
