//! Customers, sites, and the gateways assigned to them.

use comm_server_core::cadence::Cadence;
use comm_server_core::customers::{CustomerSpec, ImportRow, SiteSpec};
use comm_server_core::fields::InvalidField;
use comm_server_core::roles::Permission;
use comm_server_core::settings::Setting;
use comm_server_core::tenancy::{CustomerId, SiteId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use wire::ids::GatewayId;

use super::{Actor, Forbidden};
use crate::store::{Author, ChangeError, Imported, Store, StoreError};

/// Why a customer, a site or a setting isn't changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CustomersError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The actor can access only a part of the tree.
    #[error("only a user with access to the whole service company may do this")]
    WholeTenant,
    /// A field is invalid, or the change conflicts with the tree.
    #[error(transparent)]
    Tree(#[from] ChangeError),
}

impl From<InvalidField> for CustomersError {
    fn from(error: InvalidField) -> Self {
        Self::Tree(error.into())
    }
}

impl From<StoreError> for CustomersError {
    fn from(error: StoreError) -> Self {
        Self::Tree(error.into())
    }
}

/// Changes customers and sites; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Customers {
    store: Store,
}

/// The author of a change that an actor makes now.
pub(super) fn author(actor: &Actor) -> Author {
    Author { by: actor.name.clone(), now: Timestamp::now() }
}

impl Customers {
    /// Registers a gateway in the actor's tenant before its first poll.
    ///
    /// # Errors
    /// It belongs to another dealer; see [`CustomersError`].
    pub(crate) async fn register(
        &self,
        actor: &Actor,
        gateway: &GatewayId,
        cadence: Cadence,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        if actor.scope.tenant().is_provider() {
            return Err(ChangeError::NotFound { what: "dealer" }.into());
        }
        let own = self.store.of(&actor.scope);
        Ok(own.add_gateway(gateway.clone(), (cadence, rand::random()), author(actor)).await?)
    }

    /// The service on a store.
    #[must_use]
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Creates a customer.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn create(
        &self,
        actor: &Actor,
        spec: &CustomerSpec,
    ) -> Result<CustomerId, CustomersError> {
        check_whole_tenant(actor)?;
        Ok(self.store.of(&actor.scope).create_customer(spec.checked()?, author(actor)).await?)
    }

    /// Changes a customer; `version` is the one on which the change is based, `None` for any.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn change(
        &self,
        actor: &Actor,
        id: CustomerId,
        version: Option<i64>,
        spec: &CustomerSpec,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        let own = self.store.of(&actor.scope);
        Ok(own.change_customer(id, version, spec.checked()?, author(actor)).await?)
    }

    /// Deletes a customer without sites.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn delete(
        &self,
        actor: &Actor,
        id: CustomerId,
        version: Option<i64>,
    ) -> Result<(), CustomersError> {
        check_whole_tenant(actor)?;
        Ok(self.store.of(&actor.scope).delete_customer(id, version, author(actor)).await?)
    }

    /// Creates a site.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn create_site(
        &self,
        actor: &Actor,
        customer: CustomerId,
        spec: &SiteSpec,
    ) -> Result<SiteId, CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        Ok(self.store.of(&actor.scope).create_site(customer, spec.checked()?, author(actor)).await?)
    }

    /// Changes a site; as [`Customers::change`].
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn change_site(
        &self,
        actor: &Actor,
        id: SiteId,
        version: Option<i64>,
        spec: &SiteSpec,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        Ok(self.store.of(&actor.scope).change_site(id, version, spec.checked()?, author(actor)).await?)
    }

    /// Deletes a site without gateways.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn delete_site(
        &self,
        actor: &Actor,
        id: SiteId,
        version: Option<i64>,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        Ok(self.store.of(&actor.scope).delete_site(id, version, author(actor)).await?)
    }

    /// Assigns a gateway to a site, or to none.
    ///
    /// # Errors
    /// See [`CustomersError`].
    pub(crate) async fn assign(
        &self,
        actor: &Actor,
        gateway: &GatewayId,
        site: Option<SiteId>,
    ) -> Result<(), CustomersError> {
        actor.check(Permission::ManageCustomers)?;
        Ok(self.store.of(&actor.scope).assign_gateway(gateway.clone(), site, author(actor)).await?)
    }

    /// Imports rows of a file, at most [`crate::store::IMPORT_ROWS`]; returns the outcome of each. With `only_check`,
    /// nothing is changed.
    ///
    /// # Errors
    /// See [`CustomersError`]; no row was imported.
    pub(crate) async fn import(
        &self,
        actor: &Actor,
        rows: Vec<ImportRow>,
        only_check: bool,
    ) -> Result<Vec<Result<Imported, ChangeError>>, CustomersError> {
        check_whole_tenant(actor)?;
        Ok(self.store.of(&actor.scope).import_customers(rows, only_check, author(actor)).await?)
    }
}

/// Rejects an actor who may not change customers, or can access only a part of the tree.
pub(super) fn check_whole_tenant(actor: &Actor) -> Result<(), CustomersError> {
    actor.check(Permission::ManageCustomers)?;
    if actor.scope.granted().is_some() { Err(CustomersError::WholeTenant) } else { Ok(()) }
}

/// Rejects a time zone that is not in the tz database.
///
/// # Errors
/// There is no such time zone.
pub(crate) fn check_time_zone(name: &str) -> Result<(), InvalidField> {
    let expected = "a time zone of the tz database, such as Europe/Berlin or Asia/Tokyo";
    let unknown = |_| InvalidField::new(Setting::TimeZone.name(), name, expected);
    TimeZone::get(name).map(drop).map_err(unknown)
}
