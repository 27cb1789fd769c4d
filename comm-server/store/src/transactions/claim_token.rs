//! The use of enrollment tokens: once each, and durable before anything is issued.

use comm_server_core::cadence::Cadence;
use comm_server_core::tenancy::TenantId;
use sqlx::AnyConnection;

use super::register_gateway::register_with_meters;
use crate::db::StoreError;
use crate::db::writer::Caller;
use crate::tables::audit;
use crate::tables::enrollments::{self, Claim, IssuedFor};
use crate::{AuditEntry, Scoped};

/// Whether a token may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Yes: it is now bound to this key, and nothing has been issued.
    Taken,
    /// It was used with this key: the issued certificate, DER in base64.
    Issued(String),
    /// It was used with another key.
    ByAnother,
}

impl Scoped {
    /// Binds a token to a key, durably.
    pub async fn claim_token(&self, claim: Claim) -> Result<Claimed, StoreError> {
        let tenant = self.tenant().clone();
        self.writer().write(move |c| Box::pin(async move { take(c, &tenant, &claim).await })).await
    }

    /// Stores the certificate issued for a token, unless one is stored already, and registers the gateway; returns the
    /// stored one. For `random` see [`crate::Store::take_poll`].
    pub async fn keep_issued(
        &self,
        claim: Claim,
        issued: IssuedFor,
        (cadence, random): (Cadence, u32),
    ) -> Result<String, StoreError> {
        let caller =
            Caller { tenant: self.tenant().clone(), gateway: claim.gateway.clone(), cadence, now: claim.at };
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                register_with_meters(c, &caller, ("server", random)).await?;
                keep(c, &caller.tenant, &claim, &issued).await
            })
        });
        work.await
    }
}

async fn take(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    claim: &Claim,
) -> Result<Claimed, StoreError> {
    enrollments::insert(connection, tenant, claim).await?;
    let (key_sha256, certificate) = enrollments::read(connection, tenant, claim).await?;
    Ok(match certificate {
        _ if key_sha256 != claim.key_sha256 => Claimed::ByAnother,
        Some(certificate) => Claimed::Issued(certificate),
        None => Claimed::Taken,
    })
}

async fn keep(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    claim: &Claim,
    issued: &IssuedFor,
) -> Result<String, StoreError> {
    if enrollments::set_issued(connection, tenant, claim, issued).await? {
        let entry =
            AuditEntry::new(claim.at, claim.gateway.as_str(), "certificate.enroll", issued.detail.clone());
        audit::append(connection, tenant, &entry).await?;
    }
    let (_, certificate) = enrollments::read(connection, tenant, claim).await?;
    certificate.ok_or(StoreError::Range { what: "enrollments.certificate" })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::Store;
    use crate::testing::scope;

    fn claim(key: &str) -> Claim {
        let (token_sha256, gateway) = ("t1".to_owned(), "gw-1".parse().unwrap());
        Claim { token_sha256, gateway, key_sha256: key.to_owned(), at: Timestamp::UNIX_EPOCH }
    }

    fn issued(certificate: &str) -> IssuedFor {
        let (serial, detail) = ("01".to_owned(), "for a test".to_owned());
        IssuedFor { certificate: certificate.to_owned(), serial, detail }
    }

    #[tokio::test]
    async fn a_token_is_taken_once_and_gives_the_same_certificate_to_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("platen.db").display());
        let store = Store::open_detached(&url).await.unwrap().of(&scope());
        let racing = (0..20).map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.claim_token(claim(&format!("k{n}"))).await })
        });
        let mut taken = Vec::new();
        for (key, race) in racing.collect::<Vec<_>>().into_iter().enumerate() {
            match race.await.unwrap().unwrap() {
                Claimed::Taken => taken.push(format!("k{key}")),
                Claimed::ByAnother => {}
                Claimed::Issued(_) => panic!("nothing was issued"),
            }
        }
        let [key] = taken.as_slice() else { panic!("{taken:?}") };
        // A crash before anything was issued: the same key may go on, another may not.
        let again = store.claim_token(claim(key)).await.unwrap();
        assert_eq!(again, Claimed::Taken);
        let keep = |certificate| store.keep_issued(claim(key), issued(certificate), (Cadence::default(), 0));
        assert_eq!(keep("first").await.unwrap(), "first");
        assert_eq!(keep("second").await.unwrap(), "first");
        let after = store.claim_token(claim(key)).await.unwrap();
        assert_eq!(after, Claimed::Issued("first".to_owned()));
        assert_eq!(store.claim_token(claim("x")).await.unwrap(), Claimed::ByAnother);
        let audit = store.audit(None).await.unwrap();
        assert_eq!(audit.items.iter().filter(|entry| entry.what == "certificate.enroll").count(), 1);
    }
}
