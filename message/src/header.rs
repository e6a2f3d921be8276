//! Header fields of one's own (RFC 5322 section 3.6.8).

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
