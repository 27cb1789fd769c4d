//! Accounts of people: created by an invitation, changed, disabled; and their sessions.

use comm_server_core::accounts::AccountSpec;
use comm_server_core::fields::InvalidField;
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::UserName;
use jiff::{SignedDuration, Timestamp};

use super::customers::author;
use super::password::{HashError, WeakPassword};
use super::sessions::{random_token, token_hash};
use super::{Actor, Forbidden, Users};
use crate::store::{
    AccountChange, ChangeError, Invitation, ListedUser, NewUser, OpenSession, Page, PageRows, Store,
    StoreError, User,
};

/// Validity of a one-time link.
const INVITATION: SignedDuration = SignedDuration::from_hours(72);

/// Why an account isn't changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Users can't change their own permissions, so that they can neither lock themselves out nor gain permissions.
    #[error(
        "you can't change your own role, part of the tree, state or second factor here: another administrator must do it"
    )]
    Own,
    /// The login name is not valid.
    #[error("{name:?} is not a login name: expected 1 to 64 bytes without control characters")]
    Name {
        /// As it was given, its first 40 characters.
        name: String,
    },
    /// A field is invalid, or the change conflicts with other accounts.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The link doesn't work.
    #[error("this link was already used, or is older than 72 hours: request a new one")]
    NoInvitation,
    /// The chosen password is rejected.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// The password can't be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl From<InvalidField> for AccountError {
    fn from(error: InvalidField) -> Self {
        Self::Change(error.into())
    }
}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        Self::Change(error.into())
    }
}

/// A one-time link that was made: it is shown once.
#[derive(Clone)]
pub(crate) struct Invited {
    /// The user.
    pub user: UserName,
    /// The token of the link: `/invitation?token=TOKEN` on the console.
    pub token: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl Invited {
    /// The path of the link on the console.
    #[must_use]
    pub(crate) fn path(&self) -> String {
        format!("/invitation?token={}", self.token)
    }
}

/// Changes accounts; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    store: Store,
    users: Users,
}

impl Accounts {
    /// The service on a store; `users` hashes passwords.
    #[must_use]
    pub(crate) const fn new(store: Store, users: Users) -> Self {
        Self { store, users }
    }

    /// Users that the actor may manage, by login name.
    ///
    /// # Errors
    /// The role does not allow it, or the store failed.
    pub(crate) async fn list(
        &self,
        actor: &Actor,
        text: &str,
        (cursor, rows): (Option<&str>, PageRows),
    ) -> Result<Page<ListedUser>, AccountError> {
        actor.check(Permission::ManageUsers)?;
        Ok(self.store.of(&actor.scope).with_rows(rows).users(text, cursor).await?)
    }

    /// A user that the actor may manage.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn read(&self, actor: &Actor, name: &str) -> Result<User, AccountError> {
        actor.check(Permission::ManageUsers)?;
        let name: UserName = name.parse().map_err(|_| not_found())?;
        let found = self.store.of(&actor.scope).user(&name).await?;
        found.ok_or_else(|| not_found().into())
    }

    /// The sessions of a user that the actor may manage.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn sessions(&self, actor: &Actor, name: &str) -> Result<Vec<OpenSession>, AccountError> {
        let user = self.read(actor, name).await?;
        Ok(self.store.of(&actor.scope).open_sessions(&user.name, Timestamp::now()).await?)
    }

    /// Creates a user, who chooses a password by the one-time link.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn create(
        &self,
        actor: &Actor,
        name: &str,
        spec: &AccountSpec,
    ) -> Result<Invited, AccountError> {
        actor.check(Permission::ManageUsers)?;
        let user: UserName =
            name.trim().parse().map_err(|_| AccountError::Name { name: name.chars().take(40).collect() })?;
        let (invited, invitation) = invitation(user.clone())?;
        let new = NewUser {
            name: user,
            spec: spec.checked(actor.scope.tenant())?,
            password_hash: String::new(),
            must_change: false,
            created_at: Timestamp::now(),
        };
        self.store.of(&actor.scope).create_account(new, invitation, author(actor)).await?;
        Ok(invited)
    }

    /// Changes role, part of the tree, names or state of a user.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn change(
        &self,
        actor: &Actor,
        name: &str,
        version: Option<i64>,
        (spec, disabled): (&AccountSpec, bool),
    ) -> Result<(), AccountError> {
        let user = self.read(actor, name).await?;
        let spec = spec.checked(actor.scope.tenant())?;
        let rights = (user.role, user.part, user.disabled_at.is_some());
        if actor.name == user.name.as_str() && rights != (spec.role, spec.part, disabled) {
            return Err(AccountError::Own);
        }
        let change = AccountChange { spec, disabled, version };
        Ok(self.store.of(&actor.scope).change_account(user.name, change, author(actor)).await?)
    }

    /// Creates a new one-time link for a user; earlier ones no longer work.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn invite(&self, actor: &Actor, name: &str) -> Result<Invited, AccountError> {
        let user = self.read(actor, name).await?;
        let (invited, invitation) = invitation(user.name.clone())?;
        self.store.of(&actor.scope).invite(user.name, invitation, author(actor)).await?;
        Ok(invited)
    }

    /// Removes the second factor of a user, who lost it, and ends the user's sessions.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn reset_second_factor(&self, actor: &Actor, name: &str) -> Result<(), AccountError> {
        let user = self.read(actor, name).await?;
        if actor.name == user.name.as_str() {
            return Err(AccountError::Own);
        }
        let own = self.store.of(&actor.scope);
        Ok(own.remove_second_factor(user.name, String::new(), author(actor)).await?)
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn end_sessions(&self, actor: &Actor, name: &str) -> Result<(), AccountError> {
        let user = self.read(actor, name).await?;
        Ok(self.store.of(&actor.scope).end_sessions(user.name, author(actor)).await?)
    }

    /// The user of a one-time link.
    ///
    /// # Errors
    /// The link doesn't work, or the store failed.
    pub(crate) async fn invited(&self, token: &str) -> Result<UserName, AccountError> {
        let found = self.store.invited(&token_hash(token), Timestamp::now()).await?;
        found.ok_or(AccountError::NoInvitation)
    }

    /// Sets the password that an invited user chose. The link no longer works.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn accept(&self, token: &str, new: &str) -> Result<UserName, AccountError> {
        let user = self.invited(token).await?;
        self.users.check_new(&user, "", new).await?;
        let hash = self.users.hash(new).await?;
        let accepted = self.store.accept_invitation(&token_hash(token), hash, Timestamp::now()).await?;
        accepted.ok_or(AccountError::NoInvitation)
    }
}

fn not_found() -> ChangeError {
    ChangeError::NotFound { what: "user" }
}

pub(super) fn invitation(user: UserName) -> Result<(Invited, Invitation), HashError> {
    let now = Timestamp::now();
    let (token, expires_at) = (random_token()?, now.checked_add(INVITATION).unwrap_or(now));
    let invitation = Invitation { token_hash: token_hash(&token), expires_at };
    Ok((Invited { user, token, expires_at }, invitation))
}
