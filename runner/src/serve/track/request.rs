//! What is taken out of a reader's request. Nothing else of it has any effect.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;

/// Tokens are shorter by far.
const MAX_TOKEN: usize = 200;
/// Characters of a user agent that are kept.
const MAX_USER_AGENT: usize = 500;

/// The parameter `t`, if it is there once and could be a token.
pub fn token(query: Option<&str>) -> Option<String> {
    let mut values = form_urlencoded::parse(query?.as_bytes())
        .filter_map(|(name, value)| (name == "t").then_some(value));
    let token = values.next()?;
    let is_possible = values.next().is_none()
        && (1..=MAX_TOKEN).contains(&token.len())
        && token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_possible.then(|| token.into_owned())
}

pub fn user_agent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(USER_AGENT)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(text.chars().take(MAX_USER_AGENT).collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_only_t() {
        assert_eq!(token(Some("t=aB3-_")).as_deref(), Some("aB3-_"));
        assert_eq!(token(Some("utm=1&t=a&url=x")).as_deref(), Some("a"));
        assert_eq!(token(Some("t=%61")).as_deref(), Some("a"));
        for wrong in [
            "", "t", "t=", "T=a", "t=a&t=a", "t=a&t=", "t=a%00", "t=a+b", "t=%C3%A9", "x=a",
        ] {
            assert_eq!(token(Some(wrong)), None, "{wrong}");
        }
        assert_eq!(token(None), None);
    }

    #[test]
    fn long_tokens_are_none() {
        let query = |n| format!("t={}", "a".repeat(n));
        assert!(token(Some(&query(MAX_TOKEN))).is_some());
        assert!(token(Some(&query(MAX_TOKEN + 1))).is_none());
    }

    #[test]
    fn user_agents_are_text_of_limited_length() {
        let mut headers = HeaderMap::new();
        assert_eq!(user_agent(&headers), None);
        headers.insert(USER_AGENT, b"a\xFFb".as_slice().try_into().unwrap());
        assert_eq!(user_agent(&headers).as_deref(), Some("a\u{FFFD}b"));
        headers.insert(USER_AGENT, "é".repeat(600).try_into().unwrap());
        assert_eq!(user_agent(&headers).unwrap().chars().count(), 500);
    }
}
