//! The MIME form of a message.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use lettre::message::header::{Header, HeaderName, HeaderValue, Subject};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::Envelope};
use memchr::memmem;
use uuid::Uuid;

use crate::header;
use crate::template::{Rendered, one_line};

/// Length of an encoded word without its delimiters, so that it stays within the 75 of RFC 2047 section 2.
const ENCODED_TEXT: usize = 60;

/// Longest word left as it is: lettre folds between words only, and RFC 5322 section 2.1.1 sets 998 for a line.
const MAX_WORD: usize = 200;

/// Who the message is from, and what else is in its header.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    pub email: &'a str,
    pub name: Option<&'a str>,
    /// Where answers go (RFC 5322 section 3.6.2); `None` = to `email`.
    pub reply_to: Option<&'a str>,
    /// Further fields, see [`header::fault`] and [`header::bulk`].
    pub headers: &'a BTreeMap<String, String>,
}

/// What makes a message the same message in every attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub job_id: Uuid,
    /// Position of the recipient in the job, from 1.
    pub pos: u64,
    /// Date of the message: the first lease of the recipient's range chunk, not the time of the attempt.
    pub date: SystemTime,
}

impl Identity {
    /// Message-ID (RFC 5322 section 3.6.4): `<{job}.{pos}@{domain of from_email}>`.
    pub fn message_id(&self, from_email: &str) -> String {
        let domain = from_email.rsplit('@').next().unwrap_or_default();
        format!("<{}.{}@{domain}>", self.job_id.simple(), self.pos)
    }

    /// No line of a body can be taken for it: neither quoted-printable nor base64 contains `=_` (RFC 2045 section 6.7).
    fn boundary(&self) -> String {
        format!("=_{}.{}", self.job_id.simple(), self.pos)
    }
}

/// Why a message cannot be built. Names no address: the text may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("the sender's address is not valid")]
    Sender,
    #[error("the recipient's address is not valid")]
    Recipient,
    #[error("the address for answers is not valid")]
    ReplyTo,
    #[error("a header field cannot be sent: {0}")]
    Header(&'static str),
    #[error("the message cannot be built: {0}")]
    Message(String),
}

/// Builds the message as it goes over the wire after DATA, without dot-stuffing: multipart/alternative, text first,
/// CRLF line ends, ASCII only. The same arguments give the same bytes.
///
/// `unsubscribe_url` is what mail programs post to when their user unsubscribes (RFC 8058).
pub fn build(
    sender: &Sender<'_>,
    to: &str,
    rendered: &Rendered,
    unsubscribe_url: Option<&str>,
    identity: &Identity,
) -> Result<Vec<u8>, BuildError> {
    let from: Address = sender.email.parse().map_err(|_| BuildError::Sender)?;
    let to: Address = to.parse().map_err(|_| BuildError::Recipient)?;
    let envelope = Envelope::new(Some(from.clone()), vec![to.clone()])
        .map_err(|error| BuildError::Message(error.to_string()))?;
    let mut builder = Message::builder()
        .envelope(envelope)
        .to(Mailbox::new(None, to))
        .message_id(Some(identity.message_id(sender.email)))
        .date(identity.date);
    let name = sender.name.map(one_line).filter(|name| !name.is_empty());
    builder = match (name.as_deref()).and_then(|name| encoded_words(name, MAX_WORD)) {
        Some(words) => builder.raw_header(pre_encoded("From", format!("{words}\r\n <{from}>"))),
        None => builder.from(Mailbox::new(name, from)),
    };
    builder = builder.raw_header(subject(&rendered.subject));
    if let Some(reply_to) = sender.reply_to {
        let reply_to = reply_to.parse().map_err(|_| BuildError::ReplyTo)?;
        builder = builder.reply_to(Mailbox::new(None, reply_to));
    }
    for (name, value) in sender.headers {
        builder = builder.raw_header(custom(name, value)?);
    }
    let has_own = (sender.headers.keys()).any(|n| n.eq_ignore_ascii_case(header::UNSUBSCRIBE));
    if let Some(url) = unsubscribe_url.filter(|_| !has_own) {
        builder = builder.raw_header(custom(header::UNSUBSCRIBE, &format!("<{url}>"))?);
    }
    let message = builder
        .multipart(
            MultiPart::builder()
                .kind(lettre::message::MultiPartKind::Alternative)
                .boundary(identity.boundary())
                .build()
                .singlepart(SinglePart::plain(unix_lines(&rendered.text).into_owned()))
                .singlepart(SinglePart::html(unix_lines(&rendered.html).into_owned())),
        )
        .map_err(|error| BuildError::Message(error.to_string()))?;
    Ok(message.formatted())
}

/// The field of a subject.
pub(crate) fn subject(text: &str) -> HeaderValue {
    let text = one_line(text);
    match encoded_words(&text, MAX_WORD) {
        Some(words) => pre_encoded("Subject", words),
        None => Subject::from(text).display(),
    }
}

fn custom(name: &str, value: &str) -> Result<HeaderValue, BuildError> {
    let fault = header::fault(name, value);
    let name = match (HeaderName::new_from_ascii(name.to_owned()), fault) {
        (Ok(name), None) => name,
        (_, fault) => return Err(BuildError::Header(fault.unwrap_or("its name is not valid"))),
    };
    Ok(match encoded_words(value, header::MAX_VALUE) {
        Some(words) => HeaderValue::dangerous_new_pre_encoded(name, String::new(), words),
        None => HeaderValue::new(name, value.to_owned()),
    })
}

fn pre_encoded(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(
        HeaderName::new_from_ascii_str(name),
        String::new(),
        value,
    )
}

/// RFC 2047 words (Q encoding) where lettre would leave a text as it is that must not stay so: one that looks like an
/// encoded word, or has a word, or so many blanks, that are too long to stand in a line.
fn encoded_words(text: &str, max_word: usize) -> Option<String> {
    let folds = text.len() <= max_word
        || text.split(' ').all(|word| word.len() <= max_word)
            && !text.contains(&" ".repeat(max_word));
    let lettre_does = folds && !text.contains("=?");
    if lettre_does {
        return None;
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        let mut encoded = String::new();
        match character {
            ' ' => encoded.push('_'),
            c if c.is_ascii_alphanumeric() => encoded.push(c),
            c => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    encoded.push_str(&format!("={byte:02X}"));
                }
            }
        }
        if word.len() + encoded.len() > ENCODED_TEXT {
            words.push(std::mem::take(&mut word));
        }
        word.push_str(&encoded);
    }
    words.push(word);
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("=?utf-8?q?{word}?="))
        .collect();
    Some(words.join("\r\n "))
}

/// A message with a dot more where a line begins with one, and with an end of its last line (RFC 5321 section 4.5.2): what stands
/// between the answer to DATA and the final dot. One that needs neither comes back as it is.
pub fn dot_stuffed(mut content: Vec<u8>) -> Vec<u8> {
    if !content.ends_with(b"\r\n") {
        content.extend_from_slice(b"\r\n");
    }
    let mut dots = memmem::find_iter(&content, b"\n.").map(|at| at + 1);
    let first = match content.first() {
        Some(b'.') => 0,
        _ => match dots.next() {
            Some(first) => first,
            None => return content,
        },
    };
    let mut stuffed = Vec::with_capacity(content.len() + 64);
    let mut copied = 0;
    for dot in std::iter::once(first).chain(dots) {
        stuffed.extend_from_slice(&content[copied..dot]);
        stuffed.push(b'.');
        copied = dot;
    }
    stuffed.extend_from_slice(&content[copied..]);
    stuffed
}

/// lettre makes CRLF of LF, but would let a lone CR through.
pub(crate) fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}
