//! Dealers: kept by the provider, who sees nothing inside of them.

use comm_server_core::accounts::AccountSpec;
use comm_server_core::dealers::checked_name;
use comm_server_core::fields::InvalidField;
use comm_server_core::roles::{Permission, Role};
use comm_server_core::tenancy::{TenantId, UserName};

use super::Actor;
use super::accounts::{AccountError, Invited, invitation};
use super::customers::author;
use crate::store::{ChangeError, Dealer, DealerChange, NewUser, Page, PageRows, Store};

/// The first administrator of a dealer, as the provider enters it.
#[derive(Debug, Clone)]
pub(crate) struct FirstAdministrator {
    /// Login name.
    pub name: String,
    /// The person's name, "" for none.
    pub full_name: String,
    /// The person's mail address, "" for none.
    pub mail: String,
}

/// Changes dealers; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dealers {
    store: Store,
}

impl Dealers {
    /// The service on a store.
    #[must_use]
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Dealers by id.
    ///
    /// # Errors
    /// The role does not allow it, or the store.
    pub(crate) async fn list(
        &self,
        actor: &Actor,
        (cursor, rows): (Option<&str>, PageRows),
    ) -> Result<Page<Dealer>, AccountError> {
        actor.check(Permission::ManageDealers)?;
        Ok(self.store.dealers(cursor, rows).await?)
    }

    /// A dealer.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn read(&self, actor: &Actor, id: &TenantId) -> Result<Dealer, AccountError> {
        actor.check(Permission::ManageDealers)?;
        let found = self.store.dealer(id).await?;
        found.ok_or_else(|| ChangeError::NotFound { what: "dealer" }.into())
    }

    /// Creates a dealer.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn create(&self, actor: &Actor, id: &str, name: &str) -> Result<TenantId, AccountError> {
        actor.check(Permission::ManageDealers)?;
        let expected = "1 to 64 of a-z, 0-9, '-', '.' and '_'";
        let parsed: TenantId = id.trim().parse().map_err(|_| InvalidField::new("dealer", id, expected))?;
        self.store.create_dealer(parsed.clone(), checked_name(name)?, author(actor)).await?;
        Ok(parsed)
    }

    /// Changes name and state of a dealer. A disabled dealer's people and programs are kept out with their next request;
    /// its gateways are acknowledged as before, and get no commands.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn change(
        &self,
        actor: &Actor,
        id: &TenantId,
        version: Option<i64>,
        (name, disabled): (&str, bool),
    ) -> Result<(), AccountError> {
        actor.check(Permission::ManageDealers)?;
        let change = DealerChange { name: checked_name(name)?, disabled, version };
        Ok(self.store.change_dealer(id.clone(), change, author(actor)).await?)
    }

    /// Creates the first administrator of a dealer, who chooses a password by the one-time link.
    ///
    /// # Errors
    /// The dealer has an administrator who can log in; see [`AccountError`].
    pub(crate) async fn invite_first(
        &self,
        actor: &Actor,
        id: &TenantId,
        first: &FirstAdministrator,
    ) -> Result<Invited, AccountError> {
        actor.check(Permission::ManageDealers)?;
        let FirstAdministrator { name, full_name, mail } = first;
        let too_long = || AccountError::Name { name: name.chars().take(40).collect() };
        let user: UserName = name.trim().parse().map_err(|_| too_long())?;
        let (full_name, mail) = (full_name.clone(), mail.clone());
        let spec = AccountSpec { role: Role::Administrator, part: None, full_name, mail }.checked(id)?;
        let (invited, invitation) = invitation(user.clone())?;
        let author = author(actor);
        let new = NewUser {
            name: user,
            spec,
            password_hash: String::new(),
            must_change: false,
            created_at: author.now,
        };
        self.store.invite_first_administrator(id.clone(), new, invitation, author).await?;
        Ok(invited)
    }
}
