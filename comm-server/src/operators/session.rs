//! Sessions: the token in the cookie, how long it lives, and the token against forged requests.
//!
//! Only the SHA-256 of a session's token is stored: who reads the database can't take over a session.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};

use super::password::HashError;

/// Name of the cookie. With this prefix a browser takes it from this host over HTTPS only (RFC 6265bis §4.1.3.2).
pub(super) const COOKIE: &str = "__Host-platen_session";

/// Header that a changing request of the API carries.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

/// A session that isn't used ends after this, milliseconds.
pub(super) const IDLE_MS: i64 = 30 * 60 * 1000;

/// Every session ends after this, milliseconds.
pub(super) const ABSOLUTE_MS: i64 = 12 * 60 * 60 * 1000;

/// A session's end is moved at most this often, milliseconds: not every request writes.
const TOUCH_MS: i64 = 60 * 1000;

/// 256 random bits, hexadecimal.
///
/// # Errors
/// The system gives no random numbers.
pub(super) fn random_token() -> Result<String, HashError> {
    let mut bytes = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| HashError::NoRandom)?;
    Ok(hex::encode(bytes))
}

/// What is stored of a token.
#[must_use]
pub(super) fn token_hash(token: &str) -> String {
    hex::encode(digest(&SHA256, token.as_bytes()))
}

/// When a session ends that was begun at `created_ms` and is used at `now_ms`.
#[must_use]
pub(super) fn expiry(created_ms: i64, now_ms: i64) -> i64 {
    (now_ms + IDLE_MS).min(created_ms + ABSOLUTE_MS)
}

/// The new end of a session, if it is worth a write.
#[must_use]
pub(super) fn moved_expiry(created_ms: i64, expires_ms: i64, now_ms: i64) -> Option<i64> {
    let moved = expiry(created_ms, now_ms);
    (moved >= expires_ms + TOUCH_MS).then_some(moved)
}

/// Whether `given` is the session's own token against forged requests; takes the same time for all of a length.
#[must_use]
pub(super) fn is_own_csrf(own: &str, given: &str) -> bool {
    !own.is_empty() && verify_slices_are_equal(own.as_bytes(), given.as_bytes()).is_ok()
}

/// Whether a browser says that another site made it send this request.
#[must_use]
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    matches!(site, Some("cross-site" | "same-site"))
}

/// The cookie of a new session.
#[must_use]
pub(super) fn cookie(token: String) -> Cookie<'static> {
    Cookie::build((COOKIE, token)).path("/").http_only(true).secure(true).same_site(SameSite::Strict).build()
}

/// The cookie that takes a session's away.
#[must_use]
pub(super) fn ended_cookie() -> Cookie<'static> {
    let mut ended = cookie(String::new());
    ended.make_removal();
    ended
}

/// The token that a request carries.
#[must_use]
pub(super) fn token_of(headers: &HeaderMap) -> Option<String> {
    CookieJar::from_headers(headers).get(COOKIE).map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_has_every_flag() {
        let text = cookie("abc".to_owned()).to_string();
        for flag in ["__Host-platen_session=abc", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
            assert!(text.contains(flag), "{text}");
        }
        assert!(ended_cookie().to_string().contains("Max-Age=0"));
    }

    #[test]
    fn a_session_slides_until_its_absolute_end() {
        assert_eq!(expiry(0, 0), IDLE_MS);
        assert_eq!(expiry(0, ABSOLUTE_MS - 1), ABSOLUTE_MS);
        assert_eq!(moved_expiry(0, IDLE_MS, TOUCH_MS - 1), None);
        assert_eq!(moved_expiry(0, IDLE_MS, TOUCH_MS), Some(IDLE_MS + TOUCH_MS));
        assert_eq!(moved_expiry(0, ABSOLUTE_MS, ABSOLUTE_MS - 1), None);
    }

    #[test]
    fn only_the_own_csrf_token_passes() {
        assert!(is_own_csrf("aa", "aa"));
        for forged in ["", "a", "ab", "aaa"] {
            assert!(!is_own_csrf("aa", forged));
        }
        assert!(!is_own_csrf("", ""));
    }

    #[test]
    fn a_request_that_another_site_made_is_known() {
        let from = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", value.parse().unwrap());
            is_from_elsewhere(&headers)
        };
        assert!(from("cross-site") && from("same-site"));
        assert!(!from("same-origin") && !from("none") && !is_from_elsewhere(&HeaderMap::new()));
    }

    #[test]
    fn tokens_are_long_and_stored_as_digests() {
        let token = random_token().unwrap();
        assert_eq!(token.len(), 64);
        assert_ne!(token_hash(&token), token);
        assert_eq!(token_hash("").len(), 64);
    }
}
