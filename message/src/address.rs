//! Addresses: which can be delivered to, and when two are the same.

use std::borrow::Cow;

/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// RFC 5321 section 4.5.3.1.3: a path of 256 octets, less its angle brackets.
const MAX_ADDRESS: usize = 254;
/// RFC 1035 section 2.3.4.
const MAX_LABEL: usize = 63;

/// The form of an address by which duplicates are found and to which mail is sent: trimmed, lower-case, the domain in
/// its ASCII form (IDNA).
///
/// `None` = not a deliverable address: not `dot-atom@domain`, a local part that needs SMTPUTF8, a quoted local part,
/// an address literal, a domain without a dot or with a numeric top level, or longer than RFC 5321 section 4.5.3.1
/// allows.
pub fn fold(address: &str) -> Option<String> {
    let (local, domain) = address.trim().split_once('@')?;
    if !is_dot_atom(local) || local.len() > MAX_LOCAL {
        return None;
    }
    let domain = ascii_domain(domain)?;
    if !is_domain(domain.as_bytes()) || local.len() + 1 + domain.len() > MAX_ADDRESS {
        return None;
    }
    let mut folded = String::with_capacity(local.len() + 1 + domain.len());
    folded.push_str(local);
    folded.push('@');
    folded.push_str(&domain);
    folded.make_ascii_lowercase();
    Some(folded)
}

/// RFC 5322 section 3.2.3, ASCII only.
fn is_dot_atom(local: &str) -> bool {
    let mut after_dot = true;
    for byte in local.bytes() {
        if byte == b'.' {
            if after_dot {
                return false;
            }
            after_dot = true;
        } else if ATEXT[usize::from(byte)] {
            after_dot = false;
        } else {
            return false;
        }
    }
    !after_dot
}

const ATEXT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-/=?^_`{|}~";
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

/// Only a domain with other than ASCII letters, or with labels that claim to be encoded ones, needs IDNA.
fn ascii_domain(domain: &str) -> Option<Cow<'_, str>> {
    let encoded = |label: &[u8]| {
        label
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"))
    };
    if domain.is_ascii() && !domain.as_bytes().split(|&b| b == b'.').any(encoded) {
        return Some(Cow::Borrowed(domain));
    }
    idna::domain_to_ascii(domain).ok().map(Cow::Owned)
}

/// RFC 1123 section 2.1 host names with at least two labels, of which the last is not a number.
fn is_domain(domain: &[u8]) -> bool {
    let mut labels = 0;
    let mut numeric = false;
    for label in domain.split(|&b| b == b'.') {
        let (Some(first), Some(last)) = (label.first(), label.last()) else {
            return false;
        };
        if label.len() > MAX_LABEL
            || *first == b'-'
            || *last == b'-'
            || !label
                .iter()
                .all(|&b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return false;
        }
        numeric = label.iter().all(u8::is_ascii_digit);
        labels += 1;
    }
    labels >= 2 && !numeric
}
