//! Idempotency keys of requests that may be repeated (draft-ietf-httpapi-idempotency-key-header).

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;

use super::Actor;
use crate::store::{IdempotencyKey, KeyClaim, Store, StoreError, StoredAnswer};

/// The longest key, octets.
const KEY_BYTES: usize = 255;

/// A text that is not a valid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Idempotency-Key is not valid: expected 1 to 255 visible ASCII characters, preferably a UUID")]
pub(crate) struct InvalidKey;

/// A request with a key that this server executes.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedKey {
    store: Store,
    actor: Actor,
    of: IdempotencyKey,
}

/// Claims keys; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Idempotency {
    store: Store,
}

/// What to do with a request that has a key.
pub(crate) enum Repeated {
    First(ClaimedKey),
    Running,
    Other,
    Answered(StoredAnswer),
}

/// The key in a header: a text in quotes (RFC 9651, section 3.3.3), or without them, as many programs send it.
///
/// # Errors
/// The header is not a valid key.
pub(crate) fn parse_key(value: &[u8]) -> Result<String, InvalidKey> {
    let text = std::str::from_utf8(value).map_err(|_| InvalidKey)?.trim();
    let text = text.strip_prefix('"').map_or(Some(text), |rest| rest.strip_suffix('"')).ok_or(InvalidKey)?;
    let is_key = (1..=KEY_BYTES).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\'));
    if is_key { Ok(text.to_owned()) } else { Err(InvalidKey) }
}

/// Identifies a request: a hash of its parts, each with its length.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    hex::encode(context.finish())
}

impl Idempotency {
    /// The service on a store.
    pub(super) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Claims a key of an actor for a request.
    pub(crate) async fn claim(
        &self,
        actor: &Actor,
        key: String,
        fingerprint: String,
    ) -> Result<Repeated, StoreError> {
        let of = IdempotencyKey { caller: actor.name.clone(), key };
        let claim = self.store.of(&actor.scope).claim_key(&of, fingerprint, Timestamp::now()).await?;
        Ok(match claim {
            KeyClaim::First => {
                Repeated::First(ClaimedKey { store: self.store.clone(), actor: actor.clone(), of })
            }
            KeyClaim::Running => Repeated::Running,
            KeyClaim::Other => Repeated::Other,
            KeyClaim::Answered(answer) => Repeated::Answered(answer),
        })
    }
}

impl ClaimedKey {
    /// Stores the response, which later requests with the key get.
    pub(crate) async fn answered(&self, answer: StoredAnswer) -> Result<(), StoreError> {
        self.store.of(&self.actor.scope).store_answer(&self.of, answer).await
    }

    /// Releases the key, because its request changed nothing.
    pub(crate) async fn release(&self) -> Result<(), StoreError> {
        self.store.of(&self.actor.scope).release_key(&self.of).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_short_visible_text() {
        assert_eq!(parse_key(b"\"8e03978e-40d5\"").as_deref(), Ok("8e03978e-40d5"));
        assert_eq!(parse_key(b" abc ").as_deref(), Ok("abc"));
        assert_eq!(parse_key("x".repeat(255).as_bytes()).unwrap().len(), 255);
        let long = "x".repeat(256);
        for bad in
            [&b""[..], b"\"\"", b"\"abc", b"abc\"", b"a b", b"a\\b", b"\xff", "ä".as_bytes(), long.as_bytes()]
        {
            assert_eq!(parse_key(bad), Err(InvalidKey), "{bad:?}");
        }
    }

    #[test]
    fn parts_of_a_request_cannot_move() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
        assert_eq!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"ab", b"c"]));
    }
}
