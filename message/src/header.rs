//! Header fields beside those that make a mail a mail: the sender's own (RFC 5322 section 3.6.8), and those of mail to
//! many.

use std::collections::BTreeMap;

use crate::address;

/// A value that cannot be folded stays within a line of 998 with its name (RFC 5322 section 2.1.1).
const MAX_NAME: usize = 76;
pub(crate) const MAX_VALUE: usize = 900;

/// Fields that a mail gets from its campaign, or from the servers that carry it.
const RESERVED: [&str; 15] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "return-path",
    "received",
    "mime-version",
    "dkim-signature",
];
const RESERVED_PREFIXES: [&str; 2] = ["content-", "resent-"];

/// What is wrong with a header field, in words; `None` = it can be sent.
pub fn fault(name: &str, value: &str) -> Option<&'static str> {
    // ftext, RFC 5322 section 3.6.8.
    let is_ftext = |byte: u8| (33..=126).contains(&byte) && byte != b':';
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_ftext) {
        return Some("its name is not 1 to 76 printable ASCII characters without blank and colon");
    }
    let folded = name.to_ascii_lowercase();
    if RESERVED.contains(&folded.as_str())
        || (RESERVED_PREFIXES.iter()).any(|prefix| folded.starts_with(prefix))
    {
        return Some("it is not for users to set");
    }
    if value.trim().is_empty() || value.chars().count() > MAX_VALUE {
        return Some("its value does not have 1 to 900 characters");
    }
    if value.chars().any(char::is_control) {
        return Some("its value is not one line");
    }
    None
}

/// Where to unsubscribe (RFC 2369 section 3.2).
pub(crate) const UNSUBSCRIBE: &str = "List-Unsubscribe";

/// What mailbox providers know a campaign by.
#[derive(Debug, Clone, Copy)]
pub struct Campaign<'a> {
    pub from_email: &'a str,
    /// Of this campaign and no other.
    pub id: &'a str,
    pub segment: &'a str,
    /// Whether its mails say where to unsubscribe.
    pub has_unsubscribe: bool,
}

/// The fields of all mails of a campaign: those of mail to many, and the sender's `own`, which win.
pub fn bulk(campaign: &Campaign<'_>, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let folded = address::fold(campaign.from_email);
    let domain = (folded.as_deref().unwrap_or(campaign.from_email))
        .rsplit('@')
        .next()
        .unwrap_or_default();
    let mut fields = vec![
        // RFC 2919.
        ("List-Id", format!("<campaigns.{domain}>")),
        // Of Gmail: counted by each of its parts, from the right, of which the last has 5 to 15 characters.
        (
            "Feedback-ID",
            format!(
                "{}:{}:campaign:{}",
                campaign.id,
                slug(campaign.segment),
                sender_id(domain)
            ),
        ),
        // Keeps programs from answering (RFC 3834 section 2).
        ("Precedence", "bulk".to_owned()),
    ];
    let is_own = |name: &str| own.keys().any(|other| other.eq_ignore_ascii_case(name));
    // It speaks of our List-Unsubscribe.
    if campaign.has_unsubscribe && !is_own(UNSUBSCRIBE) {
        let one_click = "List-Unsubscribe=One-Click".to_owned();
        fields.push(("List-Unsubscribe-Post", one_click));
    }
    let ours = fields.into_iter().filter(|(name, _)| !is_own(name));
    ours.map(|(name, value)| (name.to_owned(), value))
        .chain(own.clone())
        .collect()
}

/// Lower-case letters and digits, and single dashes between them.
fn slug(text: &str) -> String {
    const MAX: usize = 40;
    let folded = text.to_lowercase();
    let words = folded
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut slug = Vec::from_iter(words).join("-");
    slug.truncate(MAX);
    match slug.trim_end_matches('-') {
        "" => "other".to_owned(),
        slug => slug.to_owned(),
    }
}

fn sender_id(domain: &str) -> String {
    let mut id: String = domain
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(15)
        .collect();
    if id.len() < 5 {
        id.insert_str(0, "mail");
    }
    id
}
