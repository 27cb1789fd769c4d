//! Logins: failures are counted and lock an account for their source, a good password begins a session.

use comm_server_core::logins::{self, Source};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::StoreError;
use crate::tables::login_failures::{self, AccountRef, Counted};
use crate::tables::{audit, sessions, users};
use crate::{AuditEntry, Session, Store};

/// An account, and where somebody logs in to it from.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Tenant of the account.
    pub tenant: String,
    /// Login name, which may not exist.
    pub user: String,
    /// Where the attempt comes from.
    pub source: Source,
    /// When.
    pub now: Timestamp,
}

impl Attempt {
    fn account(&self) -> AccountRef<'_> {
        AccountRef { tenant: &self.tenant, user: &self.user }
    }

    /// Locks the account's row, so that attempts at several servers are counted one after the other, and reads.
    async fn failures(&self, connection: &mut AnyConnection) -> Result<Counted, StoreError> {
        users::lock(connection, &self.tenant, &self.user).await?;
        login_failures::read(connection, self.account(), &self.source).await
    }
}

impl Store {
    /// Begins a session and forgets the failures of its source, unless the account is locked for that source: then
    /// nothing is changed and the result is false.
    pub async fn begin_session(
        &self,
        attempt: Attempt,
        new: Session,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.writer()
            .write(move |c| Box::pin(async move { begin_session(c, &attempt, new, &entry).await }))
            .await
    }

    /// Counts a failure; an unknown user costs the same work, and failures while the account is locked for their source
    /// don't count. Returns whether the account is locked for that source now.
    pub async fn count_login_failure(&self, attempt: Attempt, entry: AuditEntry) -> Result<bool, StoreError> {
        self.writer().write(move |c| Box::pin(async move { count_failure(c, &attempt, &entry).await })).await
    }
}

async fn begin_session(
    connection: &mut AnyConnection,
    attempt: &Attempt,
    new: Session,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let Counted { own, account } = attempt.failures(connection).await?;
    if logins::may_try(&attempt.source, own, account, attempt.now).is_err() {
        return Ok(false);
    }
    login_failures::delete(connection, attempt.account(), &attempt.source).await?;
    let tenant = new.tenant.clone();
    sessions::insert(connection, new).await?;
    audit::append(connection, &tenant, entry).await?;
    Ok(true)
}

async fn count_failure(
    connection: &mut AnyConnection,
    attempt: &Attempt,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let Counted { own, account } = attempt.failures(connection).await?;
    let (now, source, of) = (attempt.now, &attempt.source, attempt.account());
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
    audit::append(connection, &attempt.tenant, entry).await?;
    Ok(is_locked)
}
