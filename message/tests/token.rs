//! Tokens of links: one spelling, one key, one purpose.

#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use message::token::{Key, Kind, Token};
use proptest::prelude::*;

fn key() -> Key {
    Key::new(&[7; 32]).unwrap()
}

fn click() -> Token {
    Token {
        kind: Kind::Click { link: 3 },
        key_id: 1,
        job_no: 42,
        pos: 300,
    }
}

fn read(text: &str, key: &Key) -> Option<Token> {
    let unverified = Token::parse(text)?;
    unverified.is_genuine(key).then_some(unverified.token)
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn the_bytes_are_as_documented() {
    // HMAC-SHA256 by Python's hmac.
    assert_eq!(click().sign(&key()), "AQIBKqwCA5_DkxlBiXOAlUUoO9kHFK4");
}

#[test]
fn a_short_secret_makes_no_key() {
    assert!(Key::new(&[0; 31]).is_none());
    assert!(Key::new(&[0; 64]).is_some());
    assert!(Key::new(&[0; 65]).is_some());
}

#[test]
fn a_secret_may_be_written_in_hexadecimal_digits() {
    let key = Key::from_hex(&"0aF1".repeat(16)).unwrap();
    let same = Key::new(&[0x0a, 0xf1].repeat(16)).unwrap();
    assert_eq!(click().sign(&key), click().sign(&same));
    for wrong in [
        "07".repeat(31),
        "7".repeat(65),
        "0g".repeat(32),
        "é".repeat(32),
        "+1".repeat(32),
    ] {
        assert!(Key::from_hex(&wrong).is_none(), "{wrong}");
    }
}

#[test]
fn another_key_does_not_verify() {
    let other = Key::new(&[8; 32]).unwrap();
    assert_eq!(read(&click().sign(&other), &key()), None);
}

#[test]
fn a_token_changed_in_any_bit_or_character_is_none() {
    let good = click().sign(&key());
    let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(&encoded(&bytes), &key()), None, "bit {bit}");
    }
    for at in 0..good.len() {
        for letter in
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ é".chars()
        {
            let mut changed: Vec<char> = good.chars().collect();
            changed[at] = letter;
            let changed: String = changed.iter().collect();
            if changed != good {
                assert_eq!(read(&changed, &key()), None, "{changed}");
            }
        }
    }
}

#[test]
fn nothing_stands_before_or_behind() {
    let good = click().sign(&key());
    for text in [
        format!("{good}="),
        format!("{good}A"),
        format!("{good}AAAA"),
        format!(" {good}"),
        format!("{good}\n"),
        good[1..].to_owned(),
        good[..good.len() - 1].to_owned(),
        String::new(),
    ] {
        assert_eq!(read(&text, &key()), None, "{text:?}");
    }
}

#[test]
fn numbers_have_one_spelling_and_fit_the_database() {
    let mac = [0; 16];
    let parses = |bytes: &[u8]| Token::parse(&encoded(&[bytes, &mac].concat())).is_some();
    assert!(parses(&[1, 1, 1, 42, 5]));
    assert!(!parses(&[1, 1, 0x81, 0, 42, 5]), "not minimal");
    assert!(!parses(&[1, 1, 1, 42]), "no position");
    assert!(!parses(&[1, 1, 1, 42, 5, 1]), "a link that is no click");
    assert!(!parses(&[1, 2, 1, 42, 5]), "a click without link");
    assert!(!parses(&[1, 4, 1, 42, 5]), "unknown kind");
    assert!(!parses(&[2, 1, 1, 42, 5]), "unknown version");
    assert!(
        !parses(&[1, 1, 0x80, 0x80, 0x80, 0x80, 8, 42, 5]),
        "key id of 2^31"
    );
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(parses(&[&[1, 1, 1][..], &most, &[5]].concat()));
    let more = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    assert!(
        !parses(&[&[1, 1, 1][..], &more, &[5]].concat()),
        "a job of 2^63"
    );
    assert!(!parses(&[]));
}

proptest! {
    #[test]
    fn what_was_signed_is_read(
        kind in prop_oneof![
            Just(Kind::Open),
            (0..=i32::MAX as u32).prop_map(|link| Kind::Click { link }),
            Just(Kind::Unsubscribe),
        ],
        key_id in 0..=i32::MAX as u32,
        job_no in 0..=i64::MAX as u64,
        pos in 0..=i64::MAX as u64,
    ) {
        let token = Token { kind, key_id, job_no, pos };
        let text = token.sign(&key());
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        prop_assert!(text.len() <= 64);
        prop_assert_eq!(read(&text, &key()), Some(token));
    }

    #[test]
    fn any_text_is_read_without_harm(text in any::<String>()) {
        prop_assert_eq!(read(&text, &key()), None);
    }

    #[test]
    fn any_bytes_that_parse_are_those_that_were_written(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Some(unverified) = Token::parse(&encoded(&bytes)) {
            let again = unverified.token.sign(&key());
            let again = URL_SAFE_NO_PAD.decode(again).unwrap();
            prop_assert_eq!(&bytes[..bytes.len() - 16], &again[..again.len() - 16]);
        }
    }
}
