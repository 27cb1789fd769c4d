//! Imports customers and sites from a file, some rows per transaction. A row is imported as a whole or rejected.

use comm_server_core::customers::{ImportRow, ImportSite};
use comm_server_core::settings::Setting;
use comm_server_core::tenancy::{CustomerId, Scope};
use comm_server_core::tree::Node;
use serde::Serialize;
use sqlx::AnyConnection;

use super::customers::{
    Author, ChangeError, assign_gateway, change_customer, change_site, create_customer, create_site,
    taken_customer, taken_site,
};
use super::set_setting::set_setting;
use crate::Scoped;
use crate::db::StoreError;
use crate::tables::customers::CustomerRow;
use crate::tables::sites::SiteRow;
use crate::tables::{customers, gateways, settings, sites, tenants};

/// Maximum number of rows in one transaction, because polls wait for it.
pub const IMPORT_ROWS: usize = 100;

/// The result of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Imported {
    /// A customer or a site was created.
    Created,
    /// A customer or a site was changed.
    Changed,
    /// There was no difference.
    Unchanged,
}

/// The result of a row, or why it is rejected.
type RowOutcome = Result<Imported, ChangeError>;

/// The existing objects of a row.
struct Known {
    customer: Option<CustomerRow>,
    site: Option<SiteRow>,
}

impl Scoped {
    /// Imports rows, at most [`IMPORT_ROWS`], in one transaction; returns the outcome of each. With `only_check`,
    /// nothing is changed: a row that depends on an earlier one is then checked on its own.
    ///
    /// # Errors
    /// The store failed; no row was imported.
    pub async fn import_customers(
        &self,
        rows: Vec<ImportRow>,
        only_check: bool,
        author: Author,
    ) -> Result<Vec<RowOutcome>, StoreError> {
        let scope = self.scope().clone();
        let work = self.writer().write(move |c| {
            Box::pin(async move {
                tenants::lock(c, scope.tenant()).await?;
                let mut outcomes = Vec::with_capacity(rows.len());
                for row in &rows {
                    outcomes.push(import(c, &scope, row, only_check, &author).await?);
                }
                Ok(outcomes)
            })
        });
        work.await
    }
}

async fn import(
    connection: &mut AnyConnection,
    scope: &Scope,
    row: &ImportRow,
    only_check: bool,
    author: &Author,
) -> Result<RowOutcome, StoreError> {
    // Everything that can refuse the row comes before the first change.
    let known = match find(connection, scope, row).await? {
        Ok(known) => known,
        Err(refused) => return Ok(Err(refused)),
    };
    let differs = differs(connection, scope, row, &known).await?;
    if !only_check && differs != Imported::Unchanged {
        take(connection, scope, row, known, author).await?;
    }
    Ok(Ok(differs))
}

/// Finds the customer by its key, else by its name, and the site in the same way.
async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    row: &ImportRow,
) -> Result<Result<Known, ChangeError>, StoreError> {
    let tenant = scope.tenant();
    let like = customers::like(connection, tenant, &row.customer).await?;
    let by_key =
        |found: &&CustomerRow| !row.customer.erp_key.is_empty() && found.spec.erp_key == row.customer.erp_key;
    let customer = like.iter().find(by_key).or_else(|| like.first()).cloned();
    let own = customer.as_ref().map(|customer| customer.id);
    if let Some(refused) = taken_customer(&like, own, &row.customer) {
        return Ok(Err(refused));
    }
    let Some(ImportSite { spec, gateways, .. }) = &row.site else {
        return Ok(Ok(Known { customer, site: None }));
    };
    // No site belongs to the nil UUID, but its key may be taken.
    let of = own.unwrap_or(CustomerId(uuid::Uuid::nil()));
    let like = sites::like(connection, tenant, of, spec).await?;
    let by_key = |found: &&SiteRow| {
        found.customer == of && !spec.erp_key.is_empty() && found.spec.erp_key == spec.erp_key
    };
    let by_name = |found: &&SiteRow| found.customer == of && found.spec.name == spec.name;
    let site = like.iter().find(by_key).or_else(|| like.iter().find(by_name)).cloned();
    if let Some(refused) = taken_site(&like, (site.as_ref().map(|site| site.id), of), spec) {
        return Ok(Err(refused));
    }
    for gateway in gateways {
        if !gateways::is_within(connection, scope, gateway).await? {
            return Ok(Err(ChangeError::NotFound { what: "gateway" }));
        }
    }
    Ok(Ok(Known { customer, site }))
}

async fn differs(
    connection: &mut AnyConnection,
    scope: &Scope,
    row: &ImportRow,
    known: &Known,
) -> Result<Imported, StoreError> {
    let Some(customer) = &known.customer else { return Ok(Imported::Created) };
    let changed = |is_changed| if is_changed { Imported::Changed } else { Imported::Unchanged };
    let customer_differs = customer.spec != row.customer;
    let Some(wanted) = &row.site else { return Ok(changed(customer_differs)) };
    let Some(site) = &known.site else { return Ok(Imported::Created) };
    if customer_differs || site.spec != wanted.spec {
        return Ok(Imported::Changed);
    }
    let zone = settings::read(connection, scope.tenant(), &Node::Site(site.id), Setting::TimeZone).await?;
    if zone != wanted.time_zone {
        return Ok(Imported::Changed);
    }
    for gateway in &wanted.gateways {
        if gateways::site_of(connection, scope.tenant(), gateway).await? != Some(site.id) {
            return Ok(Imported::Changed);
        }
    }
    Ok(Imported::Unchanged)
}

/// Imports a row that is not rejected.
async fn take(
    connection: &mut AnyConnection,
    scope: &Scope,
    row: &ImportRow,
    known: Known,
    author: &Author,
) -> Result<(), StoreError> {
    let tenant = scope.tenant();
    let customer = match known.customer {
        Some(found) => {
            unrefused(change_customer(connection, tenant, &found, &row.customer, author).await)?;
            found.id
        }
        None => unrefused(create_customer(connection, tenant, &row.customer, author).await)?,
    };
    let Some(ImportSite { spec, time_zone, gateways }) = &row.site else { return Ok(()) };
    let site = match known.site {
        Some(found) => {
            unrefused(change_site(connection, tenant, &found, spec, author).await)?;
            found
        }
        None => {
            let id = unrefused(create_site(connection, tenant, customer, spec, author).await)?;
            SiteRow { id, customer, spec: spec.clone(), address: String::new(), version: 1 }
        }
    };
    let zone = (&Node::Site(site.id), Setting::TimeZone);
    set_setting(connection, scope, zone, time_zone.as_deref(), author).await?;
    for gateway in gateways {
        assign_gateway(connection, tenant, gateway, Some(&site), author).await?;
    }
    Ok(())
}

/// A rejection at this point, after the check, fails the whole transaction.
pub(super) fn unrefused<T>(outcome: Result<T, ChangeError>) -> Result<T, StoreError> {
    outcome.map_err(|refused| match refused {
        ChangeError::Store(error) => error,
        refused @ (ChangeError::NotFound { .. }
        | ChangeError::Field(_)
        | ChangeError::Taken { .. }
        | ChangeError::Version { .. }
        | ChangeError::HasAdministrator
        | ChangeError::LastAdministrator
        | ChangeError::Placement(_)
        | ChangeError::NotEmpty { .. }) => StoreError::Commit { reason: refused.to_string() },
    })
}
