//! The audit: who may read it, its verification and its export.

use std::sync::Arc;

use comm_server_core::audit::{Head, Known};
use comm_server_core::roles::Permission;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use super::{Actor, Forbidden};
use crate::store::{AuditChain, AuditFilter, Recorded, Scoped, Store, StoreError};

/// Maximum number of entries that the API and the console export at once, about 500 MB.
pub(crate) const EXPORT_ENTRIES: i64 = 1_000_000;

/// Maximum length of a chain that is verified whenever the page is shown; this takes some tens of milliseconds.
const SHORT_CHAIN: u64 = 5_000;

/// Why the audit isn't shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// There are more entries than one export may have.
    #[error("more than {EXPORT_ENTRIES} entries: choose a shorter period with from and to")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The state of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was verified now.
    Verified(AuditChain),
    /// It is too long to be verified whenever the page is shown.
    Unverified(Head),
}

/// Verifies and exports the audit; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    store: Store,
    /// Limits the verifications of a whole chain to one at a time.
    one: Arc<Mutex<()>>,
}

impl Audit {
    /// The service on a store.
    #[must_use]
    pub(crate) fn new(store: Store) -> Self {
        Self { store, one: Arc::default() }
    }

    /// Seals new entries, and verifies the whole chain.
    ///
    /// # Errors
    /// See [`AuditError`]; a broken chain is not an error.
    pub(crate) async fn verify(&self, actor: &Actor, known: Option<Known>) -> Result<AuditChain, AuditError> {
        actor.check(Permission::SeeAudit)?;
        let _one = self.one.lock().await;
        let own = self.store.of(&actor.scope);
        own.seal_audit().await?;
        Ok(own.verify_audit(known).await?)
    }

    /// The state of the chain without much work: only a short chain is verified.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub(crate) async fn standing(&self, actor: &Actor) -> Result<Standing, AuditError> {
        actor.check(Permission::SeeAudit)?;
        let own = self.store.of(&actor.scope);
        let head = own.audit_head().await?;
        if head.number.saturating_sub(head.first_number) > SHORT_CHAIN {
            return Ok(Standing::Unverified(head));
        }
        Ok(Standing::Verified(own.verify_audit(None).await?))
    }

    /// Seals new entries, and begins an export of at most `most` entries.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub(crate) async fn export(
        &self,
        actor: &Actor,
        filter: AuditFilter,
        most: Option<i64>,
    ) -> Result<AuditExport, AuditError> {
        actor.check(Permission::SeeAudit)?;
        let store = self.store.of(&actor.scope);
        store.seal_audit().await?;
        if let Some(most) = most
            && store.has_more_audit_than(&filter, most).await?
        {
            return Err(AuditError::TooMany);
        }
        Ok(AuditExport { store, filter, after: 0 })
    }
}

/// An export: sealed entries in the order of their chain, in portions.
#[derive(Debug)]
pub(crate) struct AuditExport {
    store: Scoped,
    filter: AuditFilter,
    after: i64,
}

impl AuditExport {
    /// The next entries; empty at the end.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn next(&mut self) -> Result<Vec<Recorded>, StoreError> {
        let portion = self.store.audit_portion(&self.filter, self.after).await?;
        if let Some(last) = portion.last() {
            self.after = last.number.unwrap_or(i64::MAX);
        }
        Ok(portion)
    }
}

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the time is not valid: expected a day (2026-11-29, in UTC) or a time (2026-11-29T20:00:00Z)")]
pub(crate) struct InvalidTime;

/// A time, or the beginning of a day in UTC.
///
/// # Errors
/// The text is neither.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, InvalidTime> {
    text.parse::<Timestamp>().or_else(|_| {
        let day: Date = text.parse().map_err(|_| InvalidTime)?;
        Ok(day.to_zoned(TimeZone::UTC).map_err(|_| InvalidTime)?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        let table = [
            ("2026-11-29", Some("2026-11-29T00:00:00Z")),
            ("2026-11-29T20:00:00+01:00", Some("2026-11-29T19:00:00Z")),
            ("yesterday", None),
            ("2026-13-01", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_time(text).ok(), expected.map(|time| time.parse().unwrap()), "{text}");
        }
    }
}
