//! Users: create, change, invite, disable, and set passwords.

use comm_server_core::accounts::AccountSpec;
use comm_server_core::tenancy::{CustomerId, Part, Scope, TenantId, UserName};
use jiff::Timestamp;
use serde_json::json;
use sqlx::AnyConnection;

use super::customers::{Author, ChangeError, Outcome, check_version};
use crate::db::StoreError;
use crate::tables::{
    AccountRef, audit, customers, invitations, login_failures, sessions, sites, tenants, users,
};
use crate::{AuditEntry, NewUser, Scoped, Store, User};

/// A new password.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Whether it must be changed at the next login.
    pub must_change: bool,
    /// Hash of the token of the session that continues; `None` ends all sessions.
    pub keep_session: Option<String>,
}

/// A one-time link.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// SHA-256 of its token, hexadecimal.
    pub token_hash: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// A change of an account.
#[derive(Debug, Clone)]
pub struct AccountChange {
    /// The new fields.
    pub spec: AccountSpec,
    /// Whether the user is disabled.
    pub disabled: bool,
    /// The version on which the change is based; `None` for any.
    pub version: Option<i64>,
}

impl Scoped {
    /// Creates a user; `false` if the name exists.
    pub async fn create_user(&self, new: NewUser) -> Result<bool, StoreError> {
        let tenant = self.tenant().clone();
        self.writer()
            .write(move |c| Box::pin(async move { users::insert(c, &tenant, &new, None).await }))
            .await
    }

    /// Creates a user who chooses a password by a one-time link.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn create_account(
        &self,
        new: NewUser,
        invitation: Invitation,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move { create_account(c, &scope, &new, &invitation, &author).await })
        });
        work.await?
    }

    /// Changes an account. Disabling a user ends the user's sessions.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_account(
        &self,
        name: UserName,
        change: AccountChange,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move { change_account(c, &scope, &name, &change, &author).await })
        });
        work.await?
    }

    /// Creates a new one-time link for a user; earlier ones no longer work.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn invite(
        &self,
        name: UserName,
        invitation: Invitation,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                if users::within(c, &scope, &name).await?.is_none() {
                    return Ok(Err(ChangeError::NotFound { what: "user" }));
                }
                invite(c, scope.tenant(), &name, &invitation, &author).await?;
                Ok(Ok(()))
            })
        });
        work.await?
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn end_sessions(&self, name: UserName, author: Author) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                if users::within(c, &scope, &name).await?.is_none() {
                    return Ok(Err(ChangeError::NotFound { what: "user" }));
                }
                sessions::delete_of_user(c, scope.tenant(), &name, "").await?;
                let entry = AuditEntry::new(author.now, &author.by, "sessions.end", format!("of {name}"));
                audit::append(c, scope.tenant(), &entry).await?;
                Ok(Ok(()))
            })
        });
        work.await?
    }

    /// Sets a password, ends a lock-out and all sessions except the one kept, and appends the audit entry. If there
    /// is no such user, the result is `false` and nothing is changed.
    pub async fn set_password(
        &self,
        name: &UserName,
        new: NewPassword,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let (scope, name) = (self.scope().clone(), name.clone());
        self.writer()
            .write(move |c| Box::pin(async move { set_password(c, &scope, &name, new, &entry).await }))
            .await
    }
}

impl Store {
    /// The user of an invitation that has not expired, whichever tenant it belongs to.
    pub async fn invited(&self, token_hash: &str, now: Timestamp) -> Result<Option<UserName>, StoreError> {
        let found = invitations::account_of(&mut *self.reader().await?, token_hash, now).await?;
        Ok(found.map(|(_, user)| user))
    }

    /// Takes an invitation and sets the password that its user chose; `None` if it was taken or has expired.
    pub async fn accept_invitation(
        &self,
        token_hash: &str,
        password_hash: String,
        now: Timestamp,
    ) -> Result<Option<UserName>, StoreError> {
        let token_hash = token_hash.to_owned();
        let work = self
            .writer()
            .write(move |c| Box::pin(async move { accept(c, &token_hash, password_hash, now).await }));
        work.await
    }
}

/// The customer of the part that an account shall reach, where the author reaches that part.
pub(super) async fn granted(
    connection: &mut AnyConnection,
    scope: &Scope,
    part: Option<Part>,
) -> Outcome<Option<CustomerId>> {
    Ok(match part {
        None if scope.granted().is_some() => Err(ChangeError::NotFound { what: "customer" }),
        None => Ok(None),
        // A login of a site sees its customer, and grants nothing beyond the site.
        Some(Part::Customer(_)) if matches!(scope.granted(), Some(Part::Site(_))) => {
            Err(ChangeError::NotFound { what: "customer" })
        }
        Some(Part::Customer(id)) => match customers::read(connection, scope, id).await? {
            Some(_) => Ok(Some(id)),
            None => Err(ChangeError::NotFound { what: "customer" }),
        },
        Some(Part::Site(id)) => match sites::read(connection, scope, id).await? {
            Some(site) => Ok(Some(site.customer)),
            None => Err(ChangeError::NotFound { what: "site" }),
        },
    })
}

pub(super) async fn create_account(
    connection: &mut AnyConnection,
    scope: &Scope,
    new: &NewUser,
    invitation: &Invitation,
    author: &Author,
) -> Outcome<()> {
    let tenant = scope.tenant();
    let customer = match granted(connection, scope, new.spec.part).await? {
        Ok(customer) => customer,
        Err(refused) => return Ok(Err(refused)),
    };
    if !users::insert(connection, tenant, new, customer).await? {
        let (value, of) = (new.name.to_string(), "another user".to_owned());
        return Ok(Err(ChangeError::Taken { field: "name", value, of }));
    }
    let entry = AuditEntry::new(author.now, &author.by, "user.create", new.name.to_string());
    let entry = entry.changing(None, Some(account_json(&new.spec, false)));
    audit::append(connection, tenant, &entry).await?;
    invite(connection, tenant, &new.name, invitation, author).await?;
    Ok(Ok(()))
}

pub(super) async fn invite(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    name: &UserName,
    invitation: &Invitation,
    author: &Author,
) -> Result<(), StoreError> {
    let times = (author.now, invitation.expires_at);
    invitations::insert(connection, tenant, name, &invitation.token_hash, times).await?;
    let detail = format!("{name}, until {}", invitation.expires_at);
    audit::append(connection, tenant, &AuditEntry::new(author.now, &author.by, "user.invite", detail)).await
}

async fn change_account(
    connection: &mut AnyConnection,
    scope: &Scope,
    name: &UserName,
    change: &AccountChange,
    author: &Author,
) -> Outcome<()> {
    let tenant = scope.tenant();
    tenants::lock(connection, tenant).await?;
    let Some(found) = users::within(connection, scope, name).await? else {
        return Ok(Err(ChangeError::NotFound { what: "user" }));
    };
    if let Err(refused) = check_version(change.version, found.version) {
        return Ok(Err(refused));
    }
    let customer = match granted(connection, scope, change.spec.part).await? {
        Ok(customer) => customer,
        Err(refused) => return Ok(Err(refused)),
    };
    let was_disabled = found.disabled_at.is_some();
    if found.spec() == change.spec && was_disabled == change.disabled {
        return Ok(Ok(()));
    }
    let stays_head = change.spec.is_head() && !change.disabled;
    if found.spec().is_head()
        && !was_disabled
        && !stays_head
        && !other_head(connection, tenant, &found).await?
    {
        return Ok(Err(ChangeError::LastAdministrator));
    }
    let disabled_at = change.disabled.then(|| found.disabled_at.unwrap_or(author.now));
    users::update(connection, tenant, name, (&change.spec, customer), disabled_at).await?;
    if change.disabled {
        sessions::delete_of_user(connection, tenant, name, "").await?;
        invitations::delete_of(connection, tenant, name).await?;
    }
    let what = match (was_disabled, change.disabled) {
        (false, true) => "user.disable",
        (true, false) => "user.enable",
        (true, true) | (false, false) => "user.change",
    };
    let entry = AuditEntry::new(author.now, &author.by, what, name.to_string());
    let (before, after) =
        (account_json(&found.spec(), was_disabled), account_json(&change.spec, change.disabled));
    audit::append(connection, tenant, &entry.changing(Some(before), Some(after))).await?;
    Ok(Ok(()))
}

/// Whether another user can administer the whole tenant.
async fn other_head(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    user: &User,
) -> Result<bool, StoreError> {
    Ok(users::heads(connection, tenant, Some(&user.name)).await? > 0)
}

fn account_json(spec: &AccountSpec, disabled: bool) -> serde_json::Value {
    let (customer, site) = Part::ids(spec.part);
    json!({ "role": spec.role.name(), "customer": customer, "site": site, "full_name": spec.full_name,
        "mail": spec.mail, "disabled": disabled })
}

async fn accept(
    connection: &mut AnyConnection,
    token_hash: &str,
    password_hash: String,
    now: Timestamp,
) -> Result<Option<UserName>, StoreError> {
    let Some((tenant, name)) = invitations::account_of(connection, token_hash, now).await? else {
        return Ok(None);
    };
    // Of two servers with the same link, the one whose delete finds the row sets its password.
    if !invitations::take(connection, &tenant, token_hash).await? {
        return Ok(None);
    }
    let new = NewPassword { password_hash, must_change: false, keep_session: None };
    let entry = AuditEntry::new(now, name.as_str(), "password.change", "by a one-time link");
    let scope = Scope::of_tenant(tenant);
    let is_set = set_password(connection, &scope, &name, new, &entry).await?;
    Ok(is_set.then_some(name))
}

async fn set_password(
    connection: &mut AnyConnection,
    scope: &Scope,
    name: &UserName,
    new: NewPassword,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let tenant = scope.tenant();
    let Some(found) = users::within(connection, scope, name).await? else { return Ok(false) };
    let set = (new.must_change, entry.at);
    if !users::set_password(connection, tenant, name, new.password_hash, set).await? {
        return Ok(false);
    }
    login_failures::delete_of_account(connection, AccountRef { tenant, user: Some(name) }).await?;
    sessions::delete_of_user(connection, tenant, name, &new.keep_session.unwrap_or_default()).await?;
    let has_password = !found.password_hash.is_empty();
    let before = password_json(has_password, found.must_change, found.password_at);
    let after = password_json(true, new.must_change, Some(entry.at));
    audit::append(connection, tenant, &entry.clone().changing(Some(before), Some(after))).await?;
    Ok(true)
}

/// The password as the audit shows it: never its hash.
fn password_json(has_password: bool, must_change: bool, set_at: Option<Timestamp>) -> serde_json::Value {
    json!({ "has_password": has_password, "must_change": must_change, "password_set_at": set_at })
}

#[cfg(test)]
mod tests {
    use comm_server_core::roles::Role;

    use super::*;
    use crate::testing::{Database, account, id, scope};
    use crate::tests::engines::database;
    use crate::tests::opened;

    #[tokio::test]
    async fn a_password_changes_with_its_audit_entry_or_not_at_all() {
        let opened = opened().await;
        let (own, name) = (opened.store.of(&scope()), id::<UserName>("erin"));
        let created = NewUser {
            name: name.clone(),
            spec: account(Role::Viewer),
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
        let entries: Vec<_> = audit.iter().filter(|entry| entry.what == "password.reset").collect();
        assert_eq!(entries.len(), 1);
        let (before, after) = (entries[0].before.as_ref().unwrap(), entries[0].after.as_ref().unwrap());
        assert_eq!((&before["must_change"], &after["must_change"]), (&json!(false), &json!(true)));
        assert_eq!(
            (&before["password_set_at"], &after["password_set_at"]),
            (&json!(null), &json!("1970-01-01T00:00:00Z"))
        );
        assert!(!format!("{before}{after}").contains("new"), "no hash");

        let raw = Database::connect(&database(&opened.dir)).await.unwrap();
        raw.execute("ALTER TABLE audit RENAME TO elsewhere").await.unwrap();
        change(&name, "unaudited").await.unwrap_err();
        assert_eq!(own.user(&name).await.unwrap().unwrap().password_hash, "new");
    }
}
