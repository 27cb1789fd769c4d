//! Dealers: created, changed and disabled by the provider, in whose audit each change stands.

use comm_server_core::tenancy::{TenantId, UserName};
use serde_json::json;
use sqlx::AnyConnection;
use wire::ids::GatewayId;

use super::customers::{Author, ChangeError, Outcome, check_version};
use super::users::{create_account, invite};
use crate::db::StoreError;
use crate::db::page::{Page, PageRows};
use crate::tables::tenants::{self, Dealer};
use crate::tables::{audit, gateways, sessions, users};
use crate::{AuditEntry, Invitation, NewUser, Store};

/// Dealers that a job reads at once.
const PORTION: i64 = 200;

/// A change of a dealer.
#[derive(Debug, Clone)]
pub struct DealerChange {
    /// Its name from now on, which was checked.
    pub name: String,
    /// Whether its people and programs are kept out from now on.
    pub disabled: bool,
    /// The version that the change was made from; `None` for whichever is there.
    pub version: Option<i64>,
}

impl Store {
    /// Dealers by id.
    ///
    /// # Errors
    /// The database.
    pub async fn dealers(&self, cursor: Option<&str>, rows: PageRows) -> Result<Page<Dealer>, StoreError> {
        let after = cursor.unwrap_or_default();
        let found = tenants::after(&mut *self.reader().await?, after, rows.and_one()).await?;
        Ok(Page::of(found, rows, |dealer| dealer.id.to_string()))
    }

    /// Every tenant that has gateways or may have some, for jobs.
    pub async fn dealer_ids(&self) -> Result<Vec<TenantId>, StoreError> {
        let mut ids: Vec<TenantId> = Vec::new();
        loop {
            let last = ids.last().map_or("", TenantId::as_str).to_owned();
            let found = tenants::after(&mut *self.reader().await?, &last, PORTION).await?;
            if found.is_empty() {
                return Ok(ids);
            }
            ids.extend(found.into_iter().map(|dealer| dealer.id));
        }
    }

    /// A dealer.
    pub async fn dealer(&self, id: &TenantId) -> Result<Option<Dealer>, StoreError> {
        tenants::read(&mut *self.reader().await?, id).await
    }

    /// The dealer of a server that has one only: what names no dealer belongs to it.
    pub async fn only_dealer(&self) -> Result<Option<TenantId>, StoreError> {
        let mut found = tenants::after(&mut *self.reader().await?, "", 2).await?;
        let only = found.pop().filter(|_| found.is_empty());
        Ok(only.map(|dealer| dealer.id))
    }

    /// The tenant of a gateway, where it is known.
    pub async fn tenant_of(&self, gateway: &GatewayId) -> Result<Option<TenantId>, StoreError> {
        gateways::tenant_of(&mut *self.reader().await?, gateway).await
    }

    /// Creates a dealer, whose name was checked.
    ///
    /// # Errors
    /// Its id or its name is taken, or the store.
    pub async fn create_dealer(&self, id: TenantId, name: String, author: Author) -> Result<(), ChangeError> {
        let work = self
            .writer()
            .write(move |c| Box::pin(async move { create_dealer(c, (&id, &name), &author).await }));
        work.await?
    }

    /// Changes a dealer. When it is disabled, the sessions of its people end.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_dealer(
        &self,
        id: TenantId,
        change: DealerChange,
        author: Author,
    ) -> Result<(), ChangeError> {
        let work = self
            .writer()
            .write(move |c| Box::pin(async move { change_dealer(c, &id, &change, &author).await }));
        work.await?
    }

    /// Creates the first administrator of a dealer, who chooses a password by a one-time link; for one who has not chosen
    /// a password yet, the link is made again.
    ///
    /// # Errors
    /// The dealer has an administrator who can log in; see [`ChangeError`].
    pub async fn invite_first_administrator(
        &self,
        id: TenantId,
        new: NewUser,
        invitation: Invitation,
        author: Author,
    ) -> Result<(), ChangeError> {
        let work = self
            .writer()
            .write(move |c| Box::pin(async move { invite_first(c, &id, &new, &invitation, &author).await }));
        work.await?
    }
}

fn not_found() -> ChangeError {
    ChangeError::NotFound { what: "dealer" }
}

fn taken(field: &'static str, value: &str) -> ChangeError {
    ChangeError::Taken { field, value: value.to_owned(), of: "another dealer".to_owned() }
}

fn dealer_json(name: &str, disabled: bool) -> Option<serde_json::Value> {
    Some(json!({ "name": name, "disabled": disabled }))
}

async fn create_dealer(
    connection: &mut AnyConnection,
    (id, name): (&TenantId, &str),
    author: &Author,
) -> Outcome<()> {
    if !tenants::insert(connection, (id, name), author.now).await? {
        let is_name = tenants::named(connection, name).await?.is_some();
        return Ok(Err(if is_name { taken("name", name) } else { taken("dealer", id.as_str()) }));
    }
    let entry = AuditEntry::new(author.now, &author.by, "dealer.create", format!("{name}: {id}"));
    let entry = entry.changing(None, dealer_json(name, false));
    audit::append(connection, &TenantId::provider(), &entry).await?;
    Ok(Ok(()))
}

async fn change_dealer(
    connection: &mut AnyConnection,
    id: &TenantId,
    change: &DealerChange,
    author: &Author,
) -> Outcome<()> {
    tenants::lock(connection, id).await?;
    let Some(found) = tenants::read(connection, id).await? else { return Ok(Err(not_found())) };
    if let Err(refused) = check_version(change.version, found.version) {
        return Ok(Err(refused));
    }
    let was_disabled = found.disabled_at.is_some();
    if found.name == change.name && was_disabled == change.disabled {
        return Ok(Ok(()));
    }
    if tenants::named(connection, &change.name).await?.is_some_and(|other| other != *id) {
        return Ok(Err(taken("name", &change.name)));
    }
    let disabled_at = change.disabled.then(|| found.disabled_at.unwrap_or(author.now));
    tenants::update(connection, id, &change.name, disabled_at).await?;
    if change.disabled {
        sessions::delete_of_tenant(connection, id).await?;
    }
    let what = match (was_disabled, change.disabled) {
        (false, true) => "dealer.disable",
        (true, false) => "dealer.enable",
        (true, true) | (false, false) => "dealer.change",
    };
    let entry = AuditEntry::new(author.now, &author.by, what, format!("{}: {id}", change.name));
    let (before, after) =
        (dealer_json(&found.name, was_disabled), dealer_json(&change.name, change.disabled));
    audit::append(connection, &TenantId::provider(), &entry.changing(before, after)).await?;
    Ok(Ok(()))
}

async fn invite_first(
    connection: &mut AnyConnection,
    id: &TenantId,
    new: &NewUser,
    invitation: &Invitation,
    author: &Author,
) -> Outcome<()> {
    tenants::lock(connection, id).await?;
    if tenants::read(connection, id).await?.is_none() {
        return Ok(Err(not_found()));
    }
    if users::heads(connection, id, None).await? > 0 {
        return Ok(Err(ChangeError::HasAdministrator));
    }
    let scope = comm_server_core::tenancy::Scope::of_tenant(id.clone());
    // The dealer's own audit names who it was.
    let provider = Author { by: format!("provider:{}", author.by), now: author.now };
    let is_again = users::read(connection, id, &new.name).await?.is_some_and(|user| awaits(&user, new));
    if is_again {
        invite(connection, id, &new.name, invitation, &provider).await?;
    } else if let Err(refused) = create_account(connection, &scope, new, invitation, &provider).await? {
        return Ok(Err(refused));
    }
    let detail = invited(id, &new.name);
    let entry = AuditEntry::new(author.now, &author.by, "dealer.invite", detail);
    audit::append(connection, &TenantId::provider(), &entry).await?;
    Ok(Ok(()))
}

/// Whether a user is the same administrator, who has not chosen a password yet.
fn awaits(user: &crate::User, new: &NewUser) -> bool {
    user.password_hash.is_empty() && user.disabled_at.is_none() && user.role == new.spec.role
}

fn invited(id: &TenantId, name: &UserName) -> String {
    format!("{name}, administrator of {id}")
}
