//! Enrollment tokens that were taken: once each, and on the disk before anything is issued.

use jiff::Timestamp;
use sqlx::{AnyConnection, Row as _};

use super::{AuditEntry, Store, StoreError, audit, failed, row};

/// A token that somebody wants to use, with the key that a certificate is wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the token, hexadecimal.
    pub token_sha256: String,
    /// The gateway that it enrolls.
    pub gateway: String,
    /// SHA-256 of the public key, hexadecimal.
    pub key_sha256: String,
    /// Now.
    pub at: Timestamp,
}

/// Whether a token may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Yes: it is taken for this key now, and nothing has been issued.
    Taken,
    /// It was used with this key: this is what was issued, DER in base64.
    Issued(String),
    /// It was used with another key.
    ByAnother,
}

/// What was issued for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedFor {
    /// The certificate, DER in base64.
    pub certificate: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// What the audit says.
    pub detail: String,
}

impl Store {
    /// Takes a token for a key; on the disk before this returns.
    ///
    /// # Errors
    /// The database.
    pub async fn claim_token(&self, tenant: &str, claim: Claim) -> Result<Claimed, StoreError> {
        let tenant = tenant.to_owned();
        self.writer().write(move |c| Box::pin(async move { take(c, &tenant, &claim).await })).await
    }

    /// Keeps what was issued for a token, unless something was already; what is kept then.
    ///
    /// # Errors
    /// The database.
    pub async fn keep_issued(
        &self,
        tenant: &str,
        claim: Claim,
        issued: IssuedFor,
    ) -> Result<String, StoreError> {
        let tenant = tenant.to_owned();
        self.writer().write(move |c| Box::pin(async move { keep(c, &tenant, &claim, &issued).await })).await
    }
}

async fn take(connection: &mut AnyConnection, tenant: &str, claim: &Claim) -> Result<Claimed, StoreError> {
    sqlx::query(
        "INSERT INTO enrollments (tenant, token_sha256, gateway, key_sha256, taken_ms) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, token_sha256) DO NOTHING",
    )
    .bind(tenant.to_owned())
    .bind(claim.token_sha256.clone())
    .bind(claim.gateway.clone())
    .bind(claim.key_sha256.clone())
    .bind(claim.at.as_millisecond())
    .execute(&mut *connection)
    .await
    .map_err(failed("to take a token"))?;
    let (key_sha256, certificate) = read(connection, tenant, claim).await?;
    Ok(match certificate {
        _ if key_sha256 != claim.key_sha256 => Claimed::ByAnother,
        Some(certificate) => Claimed::Issued(certificate),
        None => Claimed::Taken,
    })
}

async fn keep(
    connection: &mut AnyConnection,
    tenant: &str,
    claim: &Claim,
    issued: &IssuedFor,
) -> Result<String, StoreError> {
    let kept = sqlx::query(
        "UPDATE enrollments SET certificate = $3, serial = $4 \
         WHERE tenant = $1 AND token_sha256 = $2 AND key_sha256 = $5 AND certificate IS NULL",
    )
    .bind(tenant.to_owned())
    .bind(claim.token_sha256.clone())
    .bind(issued.certificate.clone())
    .bind(issued.serial.clone())
    .bind(claim.key_sha256.clone())
    .execute(&mut *connection)
    .await
    .map_err(failed("to keep a certificate"))?;
    if kept.rows_affected() > 0 {
        let entry = AuditEntry::new(claim.at, &claim.gateway, "certificate.enroll", issued.detail.clone());
        audit::append(connection, tenant, &entry).await?;
    }
    let (_, certificate) = read(connection, tenant, claim).await?;
    certificate.ok_or(StoreError::Range { what: "certificate" })
}

async fn read(
    connection: &mut AnyConnection,
    tenant: &str,
    claim: &Claim,
) -> Result<(String, Option<String>), StoreError> {
    let found = sqlx::query(
        "SELECT key_sha256, certificate FROM enrollments WHERE tenant = $1 AND token_sha256 = $2",
    )
    .bind(tenant.to_owned())
    .bind(claim.token_sha256.clone())
    .fetch_one(connection)
    .await
    .map_err(failed("to read a token"))?;
    Ok((row::text(&found, "key_sha256")?, found.try_get("certificate").map_err(failed("certificate"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEFAULT_TENANT;

    fn claim(key: &str) -> Claim {
        let (token_sha256, gateway) = ("t1".to_owned(), "gw-1".to_owned());
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
        let store = Store::open_detached(&url).await.unwrap();
        let racing = (0..20).map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.claim_token(DEFAULT_TENANT, claim(&format!("k{n}"))).await })
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
        let again = store.claim_token(DEFAULT_TENANT, claim(key)).await.unwrap();
        assert_eq!(again, Claimed::Taken);
        let keep = |certificate| store.keep_issued(DEFAULT_TENANT, claim(key), issued(certificate));
        assert_eq!(keep("first").await.unwrap(), "first");
        assert_eq!(keep("second").await.unwrap(), "first");
        let after = store.claim_token(DEFAULT_TENANT, claim(key)).await.unwrap();
        assert_eq!(after, Claimed::Issued("first".to_owned()));
        assert_eq!(store.claim_token(DEFAULT_TENANT, claim("x")).await.unwrap(), Claimed::ByAnother);
        let audit = store.audit(DEFAULT_TENANT, None).await.unwrap();
        assert_eq!(audit.items.iter().filter(|entry| entry.what == "certificate.enroll").count(), 1);
    }
}
