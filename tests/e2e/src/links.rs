use mail_catcher::Accepted;
use mail_parser::MessageParser;
use regex::Regex;

use crate::Server;

/// The links of a mail as it was sent, each from the path on.
pub struct Links {
    pub open: String,
    /// In the order of the mail.
    pub clicks: Vec<String>,
    /// Of the header.
    pub unsubscribe: String,
    /// All targets of `href` that do not lead to the server.
    pub others: Vec<String>,
}

impl Links {
    pub fn of(mail: &Accepted, server: &Server) -> Links {
        let raw = mail.mail.as_deref().expect("the mail was kept");
        let parsed = MessageParser::default().parse(raw).expect("a mail");
        let html = parsed.body_html(0).expect("HTML");
        let ours = |url: &str| url.strip_prefix(&server.url()).map(str::to_owned);
        let attributes = |name: &str| -> Vec<String> {
            let pattern = Regex::new(&format!(r#"\b{name}="([^"]*)""#)).unwrap();
            (pattern.captures_iter(&html))
                .map(|found| found[1].to_owned())
                .collect()
        };
        let hrefs = attributes("href");
        let is_click = |target: &String| target.starts_with("/api/track/click?");
        Links {
            open: (attributes("src").iter().find_map(|url| ours(url))).expect("a pixel"),
            clicks: (hrefs.iter().filter_map(|url| ours(url)))
                .filter(is_click)
                .collect(),
            unsubscribe: Links::of_header(mail, server),
            others: (hrefs.into_iter())
                .filter(|url| ours(url).is_none())
                .collect(),
        }
    }

    /// Where List-Unsubscribe leads, which all mails have.
    pub fn of_header(mail: &Accepted, server: &Server) -> String {
        let header = mail.field("List-Unsubscribe").expect("List-Unsubscribe");
        let url = header.trim_matches(['<', '>']);
        let target = url.strip_prefix(&server.url());
        target.expect("a link to the server").to_owned()
    }
}
