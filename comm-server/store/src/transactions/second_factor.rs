//! Second factors: set up, confirm by a code, use for a login, and remove.

use comm_server_core::logins;
use comm_server_core::tenancy::{Scope, TenantId, UserName};
use jiff::Timestamp;
use serde_json::json;
use sqlx::AnyConnection;

use super::count_login::{Attempt, count_failure};
use super::customers::{Author, ChangeError};
use crate::db::StoreError;
use crate::tables::login_failures::{self, Counted};
use crate::tables::{audit, second_factors, sessions, users};
use crate::{AuditEntry, Authenticator, NewSession, Scoped};

/// The result of comparing a code.
#[derive(Debug, Clone)]
pub enum Proof {
    /// It is a code of the authenticator, of this time step.
    Step(i64),
    /// It is a recovery code, with this SHA-256, hexadecimal.
    Recovery(String),
    /// The code is wrong.
    Wrong,
}

/// A second factor to confirm.
#[derive(Clone)]
pub struct SecondFactorChange {
    /// The secret that the code was compared with.
    pub secret: String,
    /// The time step of that code.
    pub step: i64,
    /// SHA-256 of each recovery code, hexadecimal.
    pub recovery_hashes: Vec<String>,
    /// Hash of the token of the session that continues; the user's other sessions end.
    pub session: String,
}

impl Scoped {
    /// The authenticator of a user.
    pub async fn authenticator(&self, user: &UserName) -> Result<Option<Authenticator>, StoreError> {
        second_factors::read(&mut *self.reader().await?, self.tenant(), user).await
    }

    /// The number of unused recovery codes of a user.
    pub async fn recovery_codes_left(&self, user: &UserName) -> Result<i64, StoreError> {
        second_factors::count_recovery_codes(&mut *self.reader().await?, self.tenant(), user).await
    }

    /// Stores the secret of an authenticator to confirm; `false` if the user has a confirmed one.
    pub async fn propose_authenticator(
        &self,
        user: &UserName,
        secret: String,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (tenant, user) = (self.tenant().clone(), user.clone());
        self.writer()
            .write(move |c| {
                Box::pin(async move { second_factors::propose(c, &tenant, &user, (&secret, now)).await })
            })
            .await
    }

    /// Turns a second factor on: its session gets the last stage, and the user's other sessions end. If the secret
    /// was replaced meanwhile, the result is `false` and nothing is changed.
    pub async fn confirm_second_factor(
        &self,
        user: &UserName,
        change: SecondFactorChange,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (tenant, user) = (self.tenant().clone(), user.clone());
        self.writer()
            .write(move |c| Box::pin(async move { confirm(c, &tenant, &user, &change, now).await }))
            .await
    }

    /// Replaces the recovery codes of a user.
    pub async fn renew_recovery_codes(
        &self,
        user: &UserName,
        hashes: Vec<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (tenant, user) = (self.tenant().clone(), user.clone());
        self.writer()
            .write(move |c| {
                Box::pin(async move {
                    second_factors::set_recovery_codes(c, &tenant, &user, (&hashes, now)).await?;
                    let entry = AuditEntry::new(now, user.as_str(), "recovery_codes.renew", "");
                    audit::append(c, &tenant, &entry).await
                })
            })
            .await
    }

    /// Ends the session of a login that requires a code and begins the final one, if the proof is valid and the
    /// account isn't locked for the source. Otherwise the failure is counted, with the entry `refused`.
    pub async fn pass_second_factor(
        &self,
        attempt: Attempt,
        proof: Proof,
        (waiting, new): (&str, NewSession),
        (begun, refused): (AuditEntry, AuditEntry),
    ) -> Result<bool, StoreError> {
        let (tenant, waiting) = (self.tenant().clone(), waiting.to_owned());
        self.writer()
            .write(move |c| {
                Box::pin(async move {
                    let passes = takes(c, &tenant, &attempt, &proof).await?;
                    if passes {
                        login_failures::delete(c, attempt.account(&tenant), &attempt.source).await?;
                        sessions::delete(c, &waiting).await?;
                        sessions::insert(c, &tenant, new).await?;
                        audit::append(c, &tenant, &begun).await?;
                    } else {
                        count_failure(c, &tenant, &attempt, &refused).await?;
                    }
                    Ok(passes)
                })
            })
            .await
    }

    /// Removes a user's second factor and ends the user's sessions except one; with an empty hash, all of them.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove_second_factor(
        &self,
        user: UserName,
        keep_session: String,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self
            .writer()
            .write(move |c| Box::pin(async move { remove(c, &scope, &user, &keep_session, &author).await }));
        work.await?
    }
}

/// Whether a proof is valid; if so, its code can't be used again.
async fn takes(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    attempt: &Attempt,
    proof: &Proof,
) -> Result<bool, StoreError> {
    let Counted { own, account } = attempt.failures(connection, tenant).await?;
    let Some(user) = &attempt.user else { return Ok(false) };
    if logins::may_try(&attempt.source, own, account, attempt.now).is_err() {
        return Ok(false);
    }
    match proof {
        Proof::Step(step) => second_factors::take_step(connection, tenant, user, *step).await,
        Proof::Recovery(hash) => second_factors::take_recovery_code(connection, tenant, user, hash).await,
        Proof::Wrong => Ok(false),
    }
}

async fn confirm(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &UserName,
    change: &SecondFactorChange,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !second_factors::confirm(connection, tenant, user, &change.secret, (change.step, now)).await? {
        return Ok(false);
    }
    second_factors::set_recovery_codes(connection, tenant, user, (&change.recovery_hashes, now)).await?;
    users::set_second_factor(connection, tenant, user, true).await?;
    sessions::open(connection, &change.session).await?;
    sessions::delete_of_user(connection, tenant, user, &change.session).await?;
    let entry = AuditEntry::new(now, user.as_str(), "second_factor.enroll", format!("of {user}"));
    audit::append(connection, tenant, &entry.changing(Some(shown(false)), Some(shown(true)))).await?;
    Ok(true)
}

async fn remove(
    connection: &mut AnyConnection,
    scope: &Scope,
    user: &UserName,
    keep_session: &str,
    author: &Author,
) -> Result<Result<(), ChangeError>, StoreError> {
    let tenant = scope.tenant();
    let Some(found) = users::within(connection, scope, user).await? else {
        return Ok(Err(ChangeError::NotFound { what: "user" }));
    };
    second_factors::delete(connection, tenant, user).await?;
    users::set_second_factor(connection, tenant, user, false).await?;
    sessions::delete_of_user(connection, tenant, user, keep_session).await?;
    let what = if keep_session.is_empty() { "second_factor.reset" } else { "second_factor.remove" };
    let entry = AuditEntry::new(author.now, &author.by, what, format!("of {user}"));
    let (before, after) = (shown(found.has_second_factor), shown(false));
    audit::append(connection, tenant, &entry.changing(Some(before), Some(after))).await?;
    Ok(Ok(()))
}

/// The second factor as the audit shows it: never its secret.
fn shown(is_on: bool) -> serde_json::Value {
    json!({ "second_factor": is_on })
}
