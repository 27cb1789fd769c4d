//! Customers, sites and the gateways assigned to them: create, change and delete.
//!
//! A change names the version on which it is based, so that nobody overwrites another person's change unknowingly.

use comm_server_core::assets::PlacementError;
use comm_server_core::customers::{CustomerSpec, SiteSpec};
use comm_server_core::fields::InvalidField;
use comm_server_core::tenancy::{CustomerId, Scope, SiteId, TenantId};
use comm_server_core::tree::Node;
use jiff::Timestamp;
use serde_json::json;
use sqlx::AnyConnection;
use uuid::Uuid;
use wire::ids::GatewayId;

use crate::db::StoreError;
use crate::tables::customers::CustomerRow;
use crate::tables::sites::{SiteRow, Stored};
use crate::tables::{addresses, assets, audit, customers, gateways, settings, sites, tenants};
use crate::{AuditEntry, Scoped};

/// The author and time of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Login name, or `cli`.
    pub by: String,
    /// The current time.
    pub now: Timestamp,
}

/// Why a change is rejected; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It doesn't exist, or is outside of the caller's scope.
    #[error("there is no {what} with that name")]
    NotFound {
        /// `customer`, `site` or `gateway`.
        what: &'static str,
    },
    /// A field is invalid.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// The name or the key is already used.
    #[error("{field} {value:?} is already used by {of}: expected a different one")]
    Taken {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// Who uses it.
        of: String,
    },
    /// Somebody else has changed it meanwhile.
    #[error("it was changed by somebody else meanwhile: read version {current} and repeat the change")]
    Version {
        /// Its current version.
        current: i64,
    },
    /// The tenant would have no administrator.
    #[error(
        "this is the last administrator of the whole service company who can log in: create another one first"
    )]
    LastAdministrator,
    /// The dealer's people keep their logins themselves.
    #[error(
        "the dealer has an administrator who can log in, and who makes further logins: expected a dealer without one"
    )]
    HasAdministrator,
    /// Something is below it.
    #[error("{what} has {count} {inside}: move or delete them first")]
    NotEmpty {
        /// Its name.
        what: String,
        /// What it contains: `sites`, `gateways` or `assets`.
        inside: &'static str,
        /// Their number.
        count: i64,
    },
    /// A device can't be placed under an asset, or removed.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of a change that may be rejected. A rejection is not an error of the transaction.
pub(super) type Outcome<T> = Result<Result<T, ChangeError>, StoreError>;

impl Scoped {
    /// Creates a customer with validated fields.
    ///
    /// # Errors
    /// The name or the key is already used, or the store failed.
    pub async fn create_customer(
        &self,
        spec: CustomerSpec,
        author: Author,
    ) -> Result<CustomerId, ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move { settled(create_customer(c, scope.tenant(), &spec, &author).await) })
        });
        work.await?
    }

    /// Changes a customer; `version` is the one on which the change is based, `None` for any.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_customer(
        &self,
        id: CustomerId,
        version: Option<i64>,
        spec: CustomerSpec,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                settled(match found_customer(c, &scope, id, version).await {
                    Ok(found) => change_customer(c, scope.tenant(), &found, &spec, &author).await,
                    Err(refused) => Err(refused),
                })
            })
        });
        work.await?
    }

    /// Deletes a customer without sites.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn delete_customer(
        &self,
        id: CustomerId,
        version: Option<i64>,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move { settled(delete_customer(c, &scope, id, version, &author).await) })
        });
        work.await?
    }

    /// Creates a site of a customer with validated fields.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn create_site(
        &self,
        customer: CustomerId,
        spec: SiteSpec,
        author: Author,
    ) -> Result<SiteId, ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                settled(match found_customer(c, &scope, customer, None).await {
                    Ok(_) => create_site(c, scope.tenant(), customer, &spec, &author).await,
                    Err(refused) => Err(refused),
                })
            })
        });
        work.await?
    }

    /// Changes a site; as [`Scoped::change_customer`].
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_site(
        &self,
        id: SiteId,
        version: Option<i64>,
        spec: SiteSpec,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                settled(match found_site(c, &scope, id, version).await {
                    Ok(found) => change_site(c, scope.tenant(), &found, &spec, &author).await,
                    Err(refused) => Err(refused),
                })
            })
        });
        work.await?
    }

    /// Deletes a site without gateways and assets.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn delete_site(
        &self,
        id: SiteId,
        version: Option<i64>,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move { settled(delete_site(c, &scope, id, version, &author).await) })
        });
        work.await?
    }

    /// Assigns a gateway to a site, or to none.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn assign_gateway(
        &self,
        gateway: GatewayId,
        site: Option<SiteId>,
        author: Author,
    ) -> Result<(), ChangeError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move { settled(assign(c, &scope, &gateway, site, &author).await) })
        });
        work.await?
    }
}

/// Separates a rejection, after which the transaction continues, from an error of the store, which fails it.
fn settled<T>(result: Result<T, ChangeError>) -> Outcome<T> {
    match result {
        Err(ChangeError::Store(error)) => Err(error),
        done => Ok(done),
    }
}

/// Rejects a change that is based on another version than the current one.
pub(super) fn check_version(wanted: Option<i64>, current: i64) -> Result<(), ChangeError> {
    match wanted {
        Some(wanted) if wanted != current => Err(ChangeError::Version { current }),
        Some(_) | None => Ok(()),
    }
}

/// A customer with this version within a scope.
async fn found_customer(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: CustomerId,
    version: Option<i64>,
) -> Result<CustomerRow, ChangeError> {
    tenants::lock(connection, scope.tenant()).await?;
    let found = customers::read(connection, scope, id).await?;
    let found = found.ok_or(ChangeError::NotFound { what: "customer" })?;
    check_version(version, found.version)?;
    Ok(found)
}

/// A site with this version within a scope.
async fn found_site(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: SiteId,
    version: Option<i64>,
) -> Result<SiteRow, ChangeError> {
    tenants::lock(connection, scope.tenant()).await?;
    let found = sites::read(connection, scope, id).await?;
    let found = found.ok_or(ChangeError::NotFound { what: "site" })?;
    check_version(version, found.version)?;
    Ok(found)
}

/// The rejection of a customer whose name or key is used by another one than `own`.
pub(super) fn taken_customer(
    like: &[CustomerRow],
    own: Option<CustomerId>,
    spec: &CustomerSpec,
) -> Option<ChangeError> {
    let other = like.iter().find(|row| Some(row.id) != own)?;
    let (field, value) =
        if other.spec.name == spec.name { ("name", &spec.name) } else { ("erp_key", &spec.erp_key) };
    Some(ChangeError::Taken { field, value: value.clone(), of: format!("customer {}", other.spec.name) })
}

/// The rejection of a site whose name is used by another site of its customer, or whose key is used by any other
/// site.
pub(super) fn taken_site(
    like: &[SiteRow],
    (own, customer): (Option<SiteId>, CustomerId),
    spec: &SiteSpec,
) -> Option<ChangeError> {
    let other = like.iter().find(|row| Some(row.id) != own)?;
    let same_name = other.customer == customer && other.spec.name == spec.name;
    let (field, value) = if same_name { ("name", &spec.name) } else { ("erp_key", &spec.erp_key) };
    Some(ChangeError::Taken { field, value: value.clone(), of: format!("site {}", other.spec.name) })
}

pub(super) async fn create_customer(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    spec: &CustomerSpec,
    author: &Author,
) -> Result<CustomerId, ChangeError> {
    tenants::lock(connection, tenant).await?;
    let like = customers::like(connection, tenant, spec).await?;
    if let Some(refused) = taken_customer(&like, None, spec) {
        return Err(refused);
    }
    let id = CustomerId(Uuid::now_v7());
    customers::insert(connection, tenant, id, spec, author.now).await?;
    let values = (None, Some(customer_json(spec)));
    record(connection, (tenant, author), "customer.create", (&spec.name, id.0), values).await?;
    Ok(id)
}

/// Changes a customer. Without a difference, the version stays.
pub(super) async fn change_customer(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    found: &CustomerRow,
    spec: &CustomerSpec,
    author: &Author,
) -> Result<(), ChangeError> {
    if found.spec == *spec {
        return Ok(());
    }
    let like = customers::like(connection, tenant, spec).await?;
    if let Some(refused) = taken_customer(&like, Some(found.id), spec) {
        return Err(refused);
    }
    customers::update(connection, tenant, found.id, spec, author.now).await?;
    let values = (Some(customer_json(&found.spec)), Some(customer_json(spec)));
    Ok(record(connection, (tenant, author), "customer.change", (&spec.name, found.id.0), values).await?)
}

async fn delete_customer(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: CustomerId,
    version: Option<i64>,
    author: &Author,
) -> Result<(), ChangeError> {
    let found = found_customer(connection, scope, id, version).await?;
    let tenant = scope.tenant();
    let count = sites::count(connection, tenant, id).await?;
    if count > 0 {
        return Err(ChangeError::NotEmpty { what: found.spec.name, inside: "sites", count });
    }
    customers::delete(connection, tenant, id).await?;
    settings::delete_of(connection, tenant, &Node::Customer(id)).await?;
    let values = (Some(customer_json(&found.spec)), None);
    Ok(record(connection, (tenant, author), "customer.delete", (&found.spec.name, id.0), values).await?)
}

pub(super) async fn create_site(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    customer: CustomerId,
    spec: &SiteSpec,
    author: &Author,
) -> Result<SiteId, ChangeError> {
    let like = sites::like(connection, tenant, customer, spec).await?;
    if let Some(refused) = taken_site(&like, (None, customer), spec) {
        return Err(refused);
    }
    let id = SiteId(Uuid::now_v7());
    let address = addresses::insert(connection, tenant, &spec.address, author.now).await?;
    sites::insert(connection, tenant, customer, Stored { id, spec, address: &address }, author.now).await?;
    let values = (None, Some(site_json(spec)));
    record(connection, (tenant, author), "site.create", (&spec.name, id.0), values).await?;
    Ok(id)
}

/// Changes a site; a changed address is a new row.
pub(super) async fn change_site(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    found: &SiteRow,
    spec: &SiteSpec,
    author: &Author,
) -> Result<(), ChangeError> {
    if found.spec == *spec {
        return Ok(());
    }
    let like = sites::like(connection, tenant, found.customer, spec).await?;
    if let Some(refused) = taken_site(&like, (Some(found.id), found.customer), spec) {
        return Err(refused);
    }
    let address = if found.spec.address == spec.address {
        found.address.clone()
    } else {
        addresses::insert(connection, tenant, &spec.address, author.now).await?
    };
    sites::update(connection, tenant, Stored { id: found.id, spec, address: &address }, author.now).await?;
    let values = (Some(site_json(&found.spec)), Some(site_json(spec)));
    Ok(record(connection, (tenant, author), "site.change", (&spec.name, found.id.0), values).await?)
}

async fn delete_site(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: SiteId,
    version: Option<i64>,
    author: &Author,
) -> Result<(), ChangeError> {
    let found = found_site(connection, scope, id, version).await?;
    let tenant = scope.tenant();
    let count = gateways::count_of_site(connection, tenant, id).await?;
    if count > 0 {
        return Err(ChangeError::NotEmpty { what: found.spec.name, inside: "gateways", count });
    }
    let count = assets::count_of_site(connection, tenant, id).await?;
    if count > 0 {
        return Err(ChangeError::NotEmpty { what: found.spec.name, inside: "assets", count });
    }
    sites::delete(connection, tenant, id).await?;
    settings::delete_of(connection, tenant, &Node::Site(id)).await?;
    let values = (Some(site_json(&found.spec)), None);
    Ok(record(connection, (tenant, author), "site.delete", (&found.spec.name, id.0), values).await?)
}

async fn assign(
    connection: &mut AnyConnection,
    scope: &Scope,
    gateway: &GatewayId,
    site: Option<SiteId>,
    author: &Author,
) -> Result<(), ChangeError> {
    tenants::lock(connection, scope.tenant()).await?;
    if !gateways::is_within(connection, scope, gateway).await? {
        return Err(ChangeError::NotFound { what: "gateway" });
    }
    let site = match site {
        None => None,
        Some(id) => {
            let found = sites::read(connection, scope, id).await?;
            Some(found.ok_or(ChangeError::NotFound { what: "site" })?)
        }
    };
    assign_gateway(connection, scope.tenant(), gateway, site.as_ref(), author).await?;
    Ok(())
}

/// Assigns an existing gateway. Without a difference, nothing is changed.
pub(super) async fn assign_gateway(
    connection: &mut AnyConnection,
    tenant: &TenantId,
    gateway: &GatewayId,
    site: Option<&SiteRow>,
    author: &Author,
) -> Result<(), StoreError> {
    let place = site.map(|site| (site.customer, site.id));
    let before = gateways::site_of(connection, tenant, gateway).await?;
    if before == place.map(|(_, site)| site) {
        return Ok(());
    }
    gateways::set_place(connection, tenant, gateway, place).await?;
    gateways::derive_poll_interval(connection, tenant, &Node::Gateway(gateway.clone())).await?;
    let name = site.map_or("no site", |site| site.spec.name.as_str());
    let entry =
        AuditEntry::new(author.now, &author.by, "gateway.assign", format!("{gateway} belongs to {name}"));
    let site = |id: Option<SiteId>| Some(json!({ "site": id }));
    let entry = entry.changing(site(before), site(place.map(|(_, site)| site)));
    audit::append(connection, tenant, &entry).await
}

/// Writes the audit entry of a customer, site or asset, with its values before and after.
pub(super) async fn record(
    connection: &mut AnyConnection,
    (tenant, author): (&TenantId, &Author),
    what: &str,
    (name, id): (&str, Uuid),
    (before, after): (Option<serde_json::Value>, Option<serde_json::Value>),
) -> Result<(), StoreError> {
    let entry = AuditEntry::new(author.now, &author.by, what, format!("{name}: {id}"));
    audit::append(connection, tenant, &entry.changing(before, after)).await
}

fn customer_json(spec: &CustomerSpec) -> serde_json::Value {
    json!({ "name": spec.name, "erp_key": spec.erp_key })
}

fn site_json(spec: &SiteSpec) -> serde_json::Value {
    let a = &spec.address;
    json!({ "name": spec.name, "erp_key": spec.erp_key, "address": { "street": a.street,
        "postal_code": a.postal_code, "city": a.city, "region": a.region, "country": a.country } })
}
