//! Device cookies: a browser that logged in to an account is recognised there afterwards, so that wrong passwords
//! from elsewhere don't lock it out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
//!
//! The cookie grants no access. It identifies a source of failed logins for one account, and is signed with a key
//! that all servers of a database share.

use aws_lc_rs::hmac;
use comm_server_core::tenancy::{TenantId, UserName};
use jiff::Timestamp;

use super::HashError;
use super::sessions::random_token;
use crate::store::{Store, StoreError};

/// Name of the key in the database.
const KEY: &str = "device_cookie";

/// How long a browser is recognised after a login, seconds.
pub(crate) const KNOWN_S: i64 = 180 * 24 * 3600;

/// The maximum difference between the clocks of two servers, seconds.
const CLOCK_SLACK_S: i64 = 300;

/// The key that device cookies are signed with.
#[derive(Debug)]
pub(super) struct KnownBrowsers(hmac::Key);

/// Why the key can't be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error(transparent)]
    Random(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KnownBrowsers {
    /// Loads the key of the database; creates one if there is none.
    pub(super) async fn load(store: &Store) -> Result<Self, KeyError> {
        let secret = store.server_key(KEY, random_token()?, Timestamp::now()).await?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    /// The cookie's value for a browser that logged in.
    pub(super) fn value(
        &self,
        tenant: &TenantId,
        user: &UserName,
        now: Timestamp,
    ) -> Result<String, HashError> {
        let id: String = random_token()?.chars().take(32).collect();
        let issued_s = now.as_second();
        let signature = hex::encode(hmac::sign(&self.0, signed(tenant, user, &id, issued_s).as_bytes()));
        Ok(format!("{id}.{issued_s}.{signature}"))
    }

    /// The identifier of a browser, if its cookie belongs to this account and is still valid.
    pub(super) fn id(
        &self,
        value: &str,
        tenant: &TenantId,
        user: &UserName,
        now: Timestamp,
    ) -> Option<String> {
        let mut parts = value.split('.');
        let (id, issued, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let issued_s: i64 = issued.parse().ok()?;
        let is_current = (-CLOCK_SLACK_S..KNOWN_S).contains(&now.as_second().checked_sub(issued_s)?);
        let signature = hex::decode(signature).ok()?;
        let text = signed(tenant, user, id, issued_s);
        let is_ours = hmac::verify(&self.0, text.as_bytes(), &signature).is_ok();
        (is_current && is_ours && parts.next().is_none()).then(|| id.to_owned())
    }
}

fn signed(tenant: &TenantId, user: &UserName, id: &str, issued_s: i64) -> String {
    format!("platen device 1\0{tenant}\0{user}\0{id}\0{issued_s}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::id;

    #[test]
    fn a_browser_is_known_for_its_account_and_for_a_time() {
        let browsers = KnownBrowsers(hmac::Key::new(hmac::HMAC_SHA256, b"a secret"));
        let other = KnownBrowsers(hmac::Key::new(hmac::HMAC_SHA256, b"another secret"));
        let at = |second| Timestamp::from_second(second).unwrap();
        let own = browsers.value(&id("t"), &id("erin"), at(1000)).unwrap();
        assert_eq!(browsers.id(&own, &id("t"), &id("erin"), at(1000)).map(|id| id.len()), Some(32));
        assert!(browsers.id(&own, &id("t"), &id("erin"), at(1000 + KNOWN_S - 1)).is_some());
        for refused in [
            browsers.id(&own, &id("t"), &id("erin"), at(1000 + KNOWN_S)),
            browsers.id(&own, &id("t"), &id("erin"), at(0)),
            browsers.id(&own, &id("t"), &id("carol"), at(1000)),
            browsers.id(&own, &id("u"), &id("erin"), at(1000)),
            other.id(&own, &id("t"), &id("erin"), at(1000)),
            browsers.id(&format!("{own}."), &id("t"), &id("erin"), at(1000)),
            browsers.id(&own.replacen('.', "0.", 1), &id("t"), &id("erin"), at(1000)),
            browsers.id("...", &id("t"), &id("erin"), at(1000)),
            browsers.id("", &id("t"), &id("erin"), at(1000)),
        ] {
            assert_eq!(refused, None);
        }
    }
}
