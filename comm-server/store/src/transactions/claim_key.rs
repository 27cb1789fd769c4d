//! Idempotency keys: of the requests with the same key, one is carried out.

use jiff::Timestamp;

use crate::Scoped;
use crate::db::StoreError;
use crate::tables::idempotency_keys::{self, IdempotencyKey, StoredAnswer};

/// Whether a request with a key is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyClaim {
    /// It is the first one: carry it out, then store the answer or release the key.
    First,
    /// The first one runs, or its server failed before the answer was stored.
    Running,
    /// The key belongs to another request.
    Other,
    /// It was carried out: this was the answer.
    Answered(StoredAnswer),
}

impl Scoped {
    /// Claims a key for a request, which a hash stands for.
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

    /// Stores the answer of the first request with a key.
    pub async fn store_answer(&self, of: &IdempotencyKey, answer: StoredAnswer) -> Result<(), StoreError> {
        let (tenant, of) = (self.tenant().clone(), of.clone());
        self.writer()
            .write(move |c| {
                Box::pin(async move { idempotency_keys::set_answer(c, &tenant, &of, &answer).await })
            })
            .await
    }

    /// Releases a key whose request changed nothing: it can be tried again.
    pub async fn release_key(&self, of: &IdempotencyKey) -> Result<(), StoreError> {
        let (tenant, of) = (self.tenant().clone(), of.clone());
        self.writer()
            .write(move |c| Box::pin(async move { idempotency_keys::delete(c, &tenant, &of).await }))
            .await
    }
}
