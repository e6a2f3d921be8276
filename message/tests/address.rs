//! Which addresses can be delivered to, and when two are the same.

use message::address::fold;
use proptest::prelude::*;

#[test]
fn spellings_of_one_address_fold_to_one_key() {
    for spelling in ["ana@example.com", " Ana@Example.COM\n", "ANA@EXAMPLE.COM"] {
        assert_eq!(fold(spelling).as_deref(), Some("ana@example.com"));
    }
    for spelling in [
        "u@bücher.example",
        "U@BÜCHER.example",
        "u@xn--bcher-kva.example",
        "u@XN--BCHER-KVA.EXAMPLE",
    ] {
        assert_eq!(
            fold(spelling).as_deref(),
            Some("u@xn--bcher-kva.example"),
            "{spelling}"
        );
    }
}

#[test]
fn every_character_of_a_dot_atom_is_allowed() {
    let address = "o'connor.a+b!#$%&*-/=?^_`{|}~9@a-b.example";
    assert_eq!(fold(address).as_deref(), Some(address));
}

#[test]
fn what_cannot_be_delivered_to_is_refused() {
    for address in [
        "",
        "@",
        "a",
        "a@",
        "@example.com",
        "a@b",
        "a@@example.com",
        "a@b@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a b@example.com",
        "a\0@example.com",
        "a\r\nBcc: b@example.com",
        "\"a b\"@example.com",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "josé@example.com",
        "a@.example.com",
        "a@example.com.",
        "a@example..com",
        "a@-a.example",
        "a@a-.example",
        "a@a_b.example",
        "a@exa mple.com",
        "a@xn--\u{e9}.example",
        "a@xn--a.example",
        "Ana <a@example.com>",
        "a@example.com,b@example.com",
        "a@\u{200b}example.com\u{1}",
    ] {
        assert_eq!(fold(address), None, "{address:?}");
    }
}

#[test]
fn the_lengths_of_rfc_5321_hold() {
    let label = "d".repeat(63);
    assert!(fold(&format!("{}@example.com", "l".repeat(64))).is_some());
    assert!(fold(&format!("{}@example.com", "l".repeat(65))).is_none());
    assert!(fold(&format!("a@{label}.com")).is_some());
    assert!(fold(&format!("a@{label}d.com")).is_none());
    let domain = format!("{label}.{label}.{}.com", "d".repeat(57));
    assert_eq!(domain.len(), 189);
    assert!(fold(&format!("{}@{domain}", "l".repeat(64))).is_some());
    assert!(fold(&format!("{}@d{domain}", "l".repeat(64))).is_none());
}

proptest! {
    #[test]
    fn folding_twice_changes_nothing_and_leaves_plain_ascii(text in any::<String>(), domain in "\\PC{1,12}") {
        for address in [text.clone(), format!("a@{domain}.example"), format!("{text}@example.com")] {
            if let Some(folded) = fold(&address) {
                prop_assert!(folded.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(fold(&folded), Some(folded.clone()));
                prop_assert!(folded.parse::<lettre::Address>().is_ok());
            }
        }
    }
}
