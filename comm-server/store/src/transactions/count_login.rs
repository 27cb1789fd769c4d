//! Logins: failures are counted and lock an account for their source; a right password begins a session.

use comm_server_core::logins::{self, Source};
use comm_server_core::second_factor::Stage;
use comm_server_core::tenancy::{TenantId, UserName};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::StoreError;
use crate::tables::login_failures::{self, Counted};
use crate::tables::{AccountRef, audit, sessions, users};
use crate::{AuditEntry, NewSession, Scoped};

/// An account, and the source of a login attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Login name, which may not exist; `None` for a text that is not a login name.
    pub user: Option<UserName>,
    /// The source of the attempt.
    pub source: Source,
    /// The current time.
    pub now: Timestamp,
}

impl Attempt {
    pub(super) fn account<'a>(&'a self, tenant: &'a TenantId) -> AccountRef<'a> {
        AccountRef { tenant, user: self.user.as_ref() }
    }

    /// Locks the account's row, so that attempts at several servers are counted one after the other, and reads the
    /// failures.
    pub(super) async fn failures(
        &self,
        connection: &mut AnyConnection,
        tenant: &TenantId,
    ) -> Result<Counted, StoreError> {
        users::lock(connection, self.account(tenant)).await?;
        login_failures::read(connection, self.account(tenant), &self.source).await
    }
}

impl Scoped {
    /// Begins a session and deletes the failures of its source. If the account is locked for that source, nothing is
    /// changed and the result is `false`. While the code of the second factor is missing, failures are kept, so that
    /// knowing the password gives no additional attempts for the code.
    pub async fn begin_session(
        &self,
        attempt: Attempt,
        new: NewSession,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let tenant = self.tenant().clone();
        self.writer()
            .write(move |c| Box::pin(async move { begin_session(c, &tenant, &attempt, new, &entry).await }))
            .await
    }

    /// Counts a failure. An unknown user costs the same work, and failures during a lock-out are not counted. Returns
    /// whether the account is now locked for that source.
    pub async fn count_login_failure(&self, attempt: Attempt, entry: AuditEntry) -> Result<bool, StoreError> {
        let tenant = self.tenant().clone();
        self.writer()
            .write(move |c| Box::pin(async move { count_failure(c, &tenant, &attempt, &entry).await }))
            .await
    }
}

async fn begin_session(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    attempt: &Attempt,
    new: NewSession,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let Counted { own, account } = attempt.failures(connection, tenant).await?;
    if logins::may_try(&attempt.source, own, account, attempt.now).is_err() {
        return Ok(false);
    }
    match new.stage {
        Stage::Code => {}
        Stage::Enroll | Stage::Open => {
            login_failures::delete(connection, attempt.account(tenant), &attempt.source).await?;
        }
    }
    sessions::insert(connection, tenant, new).await?;
    audit::append(connection, tenant, entry).await?;
    Ok(true)
}

pub(super) async fn count_failure(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    attempt: &Attempt,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let Counted { own, account } = attempt.failures(connection, tenant).await?;
    let (now, source, of) = (attempt.now, &attempt.source, attempt.account(tenant));
    let mut is_locked = logins::may_try(source, own, account, now).is_err();
    if !is_locked {
        let own = logins::failed(own, now);
        login_failures::upsert(connection, of, source.key(), own).await?;
        if source.counts_for_account() {
            let account = logins::account_failed(account, now);
            login_failures::upsert(connection, of, Source::ACCOUNT.to_owned(), account).await?;
        }
        is_locked = logins::may_try(source, Some(own), account, now).is_err();
    }
    audit::append(connection, tenant, entry).await?;
    Ok(is_locked)
}
