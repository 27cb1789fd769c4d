//! Device cookies: a browser that logged in to an account is known there afterwards, so that wrong passwords of others
//! don't keep it out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
//!
//! The cookie opens nothing. It names a source of failures of its own, for one account, and is signed with a key that all
//! servers of a database share.

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use jiff::Timestamp;

use super::OperatorState;
use super::error::ApiError;
use super::session::random_token;

/// Name of the cookie.
const COOKIE: &str = "__Host-platen_device";

/// Name of the key in the database.
const KEY: &str = "device_cookie";

/// A browser is known for so long after a login, seconds.
const KNOWN_S: i64 = 180 * 24 * 3600;

/// Clocks of two servers differ by so much at most, seconds.
const CLOCK_SLACK_S: i64 = 300;

/// The key that device cookies are signed with.
#[derive(Debug)]
pub(super) struct Devices(hmac::Key);

impl Devices {
    /// With the key of the database; one is made if there is none.
    pub(super) async fn load(state: &OperatorState) -> Result<Self, ApiError> {
        let secret = state.store().server_key(KEY, random_token()?, Timestamp::now()).await?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    /// `Set-Cookie` for a browser that logged in.
    pub(super) fn cookie(&self, tenant: &str, user: &str, now: Timestamp) -> Result<String, ApiError> {
        let id: String = random_token()?.chars().take(32).collect();
        let issued_s = now.as_second();
        let signature = hex::encode(hmac::sign(&self.0, signed(tenant, user, &id, issued_s).as_bytes()));
        let value = format!("{id}.{issued_s}.{signature}");
        Ok(format!("{COOKIE}={value}; Path=/; Max-Age={KNOWN_S}; HttpOnly; Secure; SameSite=Strict"))
    }

    /// The identifier of a browser that is known for this account.
    pub(super) fn id(&self, headers: &HeaderMap, tenant: &str, user: &str, now: Timestamp) -> Option<String> {
        let jar = CookieJar::from_headers(headers);
        let mut parts = jar.get(COOKIE)?.value().split('.');
        let (id, issued, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let issued_s: i64 = issued.parse().ok()?;
        let is_current = (-CLOCK_SLACK_S..KNOWN_S).contains(&now.as_second().checked_sub(issued_s)?);
        let signature = hex::decode(signature).ok()?;
        let text = signed(tenant, user, id, issued_s);
        let is_ours = hmac::verify(&self.0, text.as_bytes(), &signature).is_ok();
        (is_current && is_ours && parts.next().is_none()).then(|| id.to_owned())
    }
}

fn signed(tenant: &str, user: &str, id: &str, issued_s: i64) -> String {
    format!("platen device 1\0{tenant}\0{user}\0{id}\0{issued_s}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header;

    #[test]
    fn a_browser_is_known_for_its_account_and_for_a_time() {
        let devices = Devices(hmac::Key::new(hmac::HMAC_SHA256, b"a secret"));
        let other = Devices(hmac::Key::new(hmac::HMAC_SHA256, b"another secret"));
        let at = |second| Timestamp::from_second(second).unwrap();
        let text = devices.cookie("t", "erin", at(1000)).unwrap();
        let cookie = text.split(';').next().unwrap().strip_prefix("__Host-platen_device=").unwrap();
        for flag in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=15552000"] {
            assert!(text.contains(flag), "{text}");
        }
        let carrying = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, format!("{COOKIE}={value}").parse().unwrap());
            headers
        };
        let own = carrying(cookie);
        assert_eq!(devices.id(&own, "t", "erin", at(1000)).map(|id| id.len()), Some(32));
        assert!(devices.id(&own, "t", "erin", at(1000 + KNOWN_S - 1)).is_some());
        for refused in [
            devices.id(&own, "t", "erin", at(1000 + KNOWN_S)),
            devices.id(&own, "t", "erin", at(0)),
            devices.id(&own, "t", "carol", at(1000)),
            devices.id(&own, "u", "erin", at(1000)),
            other.id(&own, "t", "erin", at(1000)),
            devices.id(&carrying(&format!("{cookie}.")), "t", "erin", at(1000)),
            devices.id(&carrying(&cookie.replacen('.', "0.", 1)), "t", "erin", at(1000)),
            devices.id(&carrying("..."), "t", "erin", at(1000)),
            devices.id(&HeaderMap::new(), "t", "erin", at(1000)),
        ] {
            assert_eq!(refused, None);
        }
    }
}
