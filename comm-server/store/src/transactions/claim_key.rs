//! Idempotency keys: of all requests with the same key, one is executed.

use jiff::Timestamp;

use crate::Scoped;
use crate::db::StoreError;
use crate::tables::idempotency_keys::{self, IdempotencyKey, StoredAnswer};

/// What happens to a request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyClaim {
    /// It is the first one: execute it, then store the response or release the key.
    First,
    /// The first one is in flight, or its server failed before the response was stored.
    Running,
    /// The key belongs to another request.
    Other,
    /// The first one was executed, with this response.
    Answered(StoredAnswer),
}

impl Scoped {
    /// Claims a key for a request, which is identified by a hash.
    pub async fn claim_key(
        &self,
        of: &IdempotencyKey,
        fingerprint: String,
        now: Timestamp,
    ) -> Result<KeyClaim, StoreError> {
        let (tenant, of) = (self.tenant().clone(), of.clone());
        self.writer()
            .write(move |c| {
                Box::pin(async move {
                    if idempotency_keys::insert(c, &tenant, &of, (&fingerprint, now)).await? {
                        return Ok(KeyClaim::First);
                    }
                    Ok(match idempotency_keys::read(c, &tenant, &of).await? {
                        Some(known) if known.fingerprint != fingerprint => KeyClaim::Other,
                        Some(known) => known.answer.map_or(KeyClaim::Running, KeyClaim::Answered),
                        // It was released since.
                        None => KeyClaim::Running,
                    })
                })
            })
            .await
    }

    /// Stores the response to the first request with a key.
    pub async fn store_answer(&self, of: &IdempotencyKey, answer: StoredAnswer) -> Result<(), StoreError> {
        let (tenant, of) = (self.tenant().clone(), of.clone());
        self.writer()
            .write(move |c| {
                Box::pin(async move { idempotency_keys::set_answer(c, &tenant, &of, &answer).await })
            })
            .await
    }

    /// Releases a key whose request changed nothing, so that it can be retried.
    pub async fn release_key(&self, of: &IdempotencyKey) -> Result<(), StoreError> {
        let (tenant, of) = (self.tenant().clone(), of.clone());
        self.writer()
            .write(move |c| Box::pin(async move { idempotency_keys::delete(c, &tenant, &of).await }))
            .await
    }
}
