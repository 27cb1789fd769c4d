//! Users: created, and given passwords.

use comm_server_core::tenancy::{TenantId, UserName};
use sqlx::AnyConnection;

use crate::db::StoreError;
use crate::tables::{AccountRef, audit, login_failures, sessions, users};
use crate::{AuditEntry, NewUser, Scoped};

/// A password to be set.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Whether it must be changed before anything else.
    pub must_change: bool,
    /// Hash of the token of the session that goes on; none does if absent.
    pub keep_session: Option<String>,
}

impl Scoped {
    /// Creates a user; false if one of that name exists.
    pub async fn create_user(&self, new: NewUser) -> Result<bool, StoreError> {
        let tenant = self.tenant().clone();
        self.writer().write(move |c| Box::pin(async move { users::insert(c, &tenant, new).await })).await
    }

    /// Sets a password, lifts a lock, ends all sessions but the one kept, and appends the audit entry; false, and
    /// nothing is changed, if there is no such user.
    pub async fn set_password(
        &self,
        name: &UserName,
        new: NewPassword,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let (tenant, name) = (self.tenant().clone(), name.clone());
        self.writer()
            .write(move |c| Box::pin(async move { set_password(c, &tenant, &name, new, &entry).await }))
            .await
    }
}

async fn set_password(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    name: &UserName,
    new: NewPassword,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    if !users::set_password(connection, tenant, name, new.password_hash, new.must_change).await? {
        return Ok(false);
    }
    login_failures::delete_of_account(connection, AccountRef { tenant, user: Some(name) }).await?;
    sessions::delete_of_user(connection, tenant, name, &new.keep_session.unwrap_or_default()).await?;
    audit::append(connection, tenant, entry).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use comm_server_core::roles::Role;
    use jiff::Timestamp;

    use super::*;
    use crate::testing::{Database, id, scope};
    use crate::tests::engines::database;
    use crate::tests::opened;

    #[tokio::test]
    async fn a_password_changes_with_its_audit_entry_or_not_at_all() {
        let opened = opened().await;
        let (own, name) = (opened.store.of(&scope()), id::<UserName>("erin"));
        let created = NewUser {
            name: name.clone(),
            role: Role::Viewer,
            password_hash: "old".to_owned(),
            must_change: false,
            created_at: Timestamp::UNIX_EPOCH,
        };
        assert!(own.create_user(created).await.unwrap());
        let change = |user: &UserName, hash: &str| {
            let new = NewPassword { password_hash: hash.to_owned(), must_change: true, keep_session: None };
            let entry = AuditEntry::new(Timestamp::UNIX_EPOCH, "admin", "password.reset", "");
            let (own, user) = (own.clone(), user.clone());
            async move { own.set_password(&user, new, entry).await }
        };
        assert!(change(&name, "new").await.unwrap());
        assert!(!change(&id("nobody"), "new").await.unwrap());
        let audit = own.audit(None).await.unwrap().items;
        assert_eq!(audit.iter().filter(|entry| entry.what == "password.reset").count(), 1);

        let raw = Database::connect(&database(&opened.dir)).await.unwrap();
        raw.execute("ALTER TABLE audit RENAME TO elsewhere").await.unwrap();
        change(&name, "unaudited").await.unwrap_err();
        assert_eq!(own.user(&name).await.unwrap().unwrap().password_hash, "new");
    }
}
