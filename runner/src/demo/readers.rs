//! The invented people read their mail: some open it, fewer follow the link in it, as their mail programs would ask for.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use mail_parser::MessageParser;
use tokio::net::TcpStream;

/// How each of them reads; the pixel is fetched by a program that shows images.
const MAIL_PROGRAM: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.7.0";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:134.0) Gecko/20100101 Firefox/134.0";

const PATIENCE: Duration = Duration::from_secs(10);

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub opens: usize,
    pub clicks: usize,
}

/// Two of three open a mail of these campaigns, one of four follows its link.
///
/// # Errors
/// A mail cannot be read, or the server of its links does not answer.
pub async fn read_mails(mailbox: &Path, campaigns: &[String]) -> Result<Reading> {
    let mut reading = Reading::default();
    for entry in std::fs::read_dir(mailbox)? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "eml") {
            continue;
        }
        let content = std::fs::read(&path)
            .with_context(|| format!("the mail {} cannot be read", path.display()))?;
        let Some((pos, links)) = links(&content, campaigns) else {
            continue;
        };
        if pos % 3 != 0
            && let Some(pixel) = &links.pixel
        {
            get(pixel, MAIL_PROGRAM).await?;
            reading.opens += 1;
        }
        if pos.is_multiple_of(4)
            && let Some(link) = &links.link
        {
            get(link, BROWSER).await?;
            reading.clicks += 1;
        }
    }
    Ok(reading)
}

struct Links {
    pixel: Option<Uri>,
    link: Option<Uri>,
}

/// The recipient's position, and the tracked links, of a mail of these campaigns.
fn links(content: &[u8], campaigns: &[String]) -> Option<(u64, Links)> {
    let mail = MessageParser::default().parse(content)?;
    // The Message-ID is {campaign}.{position}@{domain}.
    let (campaign, rest) = mail.message_id()?.split_once('.')?;
    let pos = rest.split_once('@')?.0.parse().ok()?;
    if !campaigns.iter().any(|id| id == campaign) {
        return None;
    }
    let html = mail.body_html(0)?;
    Some((
        pos,
        Links {
            pixel: quoted_url(&html, "/api/track/open?"),
            link: quoted_url(&html, "/api/track/click?"),
        },
    ))
}

/// The first URL between quotes that contains this.
fn quoted_url(html: &str, part: &str) -> Option<Uri> {
    html.split('"')
        .find(|text| text.starts_with("http") && text.contains(part))?
        .parse()
        .ok()
}

/// As a program asks that follows no redirect.
async fn get(url: &Uri, user_agent: &str) -> Result<()> {
    let asked = tokio::time::timeout(PATIENCE, ask(url, user_agent)).await;
    asked
        .map_err(anyhow::Error::from)
        .flatten()
        .context("the server that the mails' links name does not answer; 'make up' starts it")
}

async fn ask(url: &Uri, user_agent: &str) -> Result<()> {
    let authority = url.authority().context("a link has no host")?;
    let path = url.path_and_query().context("a link has no path")?;
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path.as_str())
        .header(HOST, authority.as_str())
        .header(USER_AGENT, user_agent)
        .body(Empty::<Bytes>::new())?;
    tokio::select! {
        answer = sender.send_request(request) => {
            let status = answer?.status();
            anyhow::ensure!(!status.is_server_error(), "it answers {status}");
            Ok(())
        }
        ended = connection => Err(anyhow::anyhow!("the connection ended: {ended:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "Message-ID: <0a0c1e0020264226800000000000abcd.12@meetups.example>\r\n\
        Content-Type: text/html; charset=utf-8\r\n\r\n\
        <a href=\"http://127.0.0.1:8080/api/track/click?t=AB-c_1\">x</a>\
        <img src=\"http://127.0.0.1:8080/api/track/open?t=AB-c_2\">";

    #[test]
    fn the_links_of_a_mail_of_these_campaigns_are_found() {
        let ours = ["0a0c1e0020264226800000000000abcd".to_owned()];
        let (pos, links) = links(MAIL.as_bytes(), &ours).unwrap_or_else(|| unreachable!());
        assert_eq!(pos, 12);
        let text = |url: Option<Uri>| url.map(|url| url.to_string());
        assert_eq!(
            text(links.link).as_deref(),
            Some("http://127.0.0.1:8080/api/track/click?t=AB-c_1")
        );
        assert_eq!(
            text(links.pixel).as_deref(),
            Some("http://127.0.0.1:8080/api/track/open?t=AB-c_2")
        );
    }

    #[test]
    fn a_mail_of_another_campaign_is_left_unread() {
        assert!(links(MAIL.as_bytes(), &["ffff".to_owned()]).is_none());
    }
}
