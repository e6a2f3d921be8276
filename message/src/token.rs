//! What a link of a mail carries: who it was sent to and what for, and a MAC that only the database's key can make.
//!
//! A token holds no URL and no address, so nobody can forge an event, and no server that reads tokens can be made to
//! redirect elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const VERSION: u8 = 1;

/// RFC 2104 section 5 allows to cut a MAC down to half of it: 128 bits.
const MAC_LENGTH: usize = 16;

/// A key is at least as long as the MAC's hash (RFC 2104 section 3).
const MIN_SECRET: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Open,
    /// Number of the link in the message, from 1.
    Click {
        link: u32,
    },
    Unsubscribe,
}

/// What a token says. Numbers are those of the database: at most `i32::MAX` and `i64::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub key_id: u32,
    pub job_no: u64,
    pub pos: u64,
}

/// A signing key, ready to use. Never shown.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// `None` = the secret has less than 32 bytes.
    pub fn new(secret: &[u8]) -> Option<Key> {
        if secret.len() < MIN_SECRET {
            return None;
        }
        Hmac::new_from_slice(secret).ok().map(Key)
    }

    /// Of a secret in hexadecimal digits.
    pub fn from_hex(digits: &str) -> Option<Key> {
        let byte = |pair: &[u8]| {
            let (high, low) = (char::from(*pair.first()?), char::from(*pair.get(1)?));
            Some((high.to_digit(16)? << 4 | low.to_digit(16)?) as u8)
        };
        let secret: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
        Key::new(&secret?)
    }
}

/// A token as it came: well formed, of unknown origin.
pub struct Unverified {
    pub token: Token,
    signed: Vec<u8>,
    mac: [u8; MAC_LENGTH],
}

impl Unverified {
    /// In constant time.
    pub fn is_genuine(&self, key: &Key) -> bool {
        let Key(mac) = key;
        mac.clone()
            .chain_update(&self.signed)
            .verify_truncated_left(&self.mac)
            .is_ok()
    }
}

impl Token {
    /// As it stands in a URL: A–Z, a–z, 0–9, `-`, `_`.
    pub fn sign(&self, key: &Key) -> String {
        let mut text = String::new();
        self.sign_into(key, &mut text);
        text
    }

    /// Appends what [`Token::sign`] returns.
    pub(crate) fn sign_into(&self, key: &Key, text: &mut String) {
        let (kind, link) = match self.kind {
            Kind::Open => (1, None),
            Kind::Click { link } => (2, Some(link)),
            Kind::Unsubscribe => (3, None),
        };
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&[VERSION, kind]);
        put(&mut bytes, self.key_id.into());
        put(&mut bytes, self.job_no);
        put(&mut bytes, self.pos);
        if let Some(link) = link {
            put(&mut bytes, link.into());
        }
        let Key(mac) = key;
        let mac = mac.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac[..MAC_LENGTH]);
        URL_SAFE_NO_PAD.encode_string(bytes, text);
    }

    /// Each token has one spelling. `None` = it is no token.
    pub fn parse(text: &str) -> Option<Unverified> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, mac) = bytes.split_last_chunk::<MAC_LENGTH>()?;
        let [VERSION, kind, rest @ ..] = signed else {
            return None;
        };
        let mut rest = rest;
        let key_id = take_small(&mut rest)?;
        let job_no = take(&mut rest)?;
        let pos = take(&mut rest)?;
        let kind = match kind {
            1 => Kind::Open,
            2 => Kind::Click {
                link: take_small(&mut rest)?,
            },
            3 => Kind::Unsubscribe,
            _ => return None,
        };
        rest.is_empty().then(|| Unverified {
            token: Token {
                kind,
                key_id,
                job_no,
                pos,
            },
            signed: signed.to_vec(),
            mac: *mac,
        })
    }
}

/// LEB128: seven bits a byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A number up to `i64::MAX`, whose 63 bits are nine bytes. `None` = there is none, or it is longer than it need be.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (*byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}

/// A number up to `i32::MAX`.
fn take_small(bytes: &mut &[u8]) -> Option<u32> {
    let number = i32::try_from(take(bytes)?).ok()?;
    Some(number.unsigned_abs())
}
