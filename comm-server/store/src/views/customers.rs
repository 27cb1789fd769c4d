//! Customers and sites for pages and lists, with the numbers of what they contain.

use comm_server_core::customers::{CustomerSpec, SiteSpec};
use comm_server_core::tenancy::{CustomerId, SiteId};
use jiff::Timestamp;
use sqlx::any::AnyRow;

use super::search::pattern;
use crate::Scoped;
use crate::db::page::{self, Page};
use crate::db::{StoreError, failed, row, sql};
use crate::tables::{addresses, customers, sites};

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The fields as entered.
    pub spec: CustomerSpec,
    /// Increases by one with each change.
    pub version: i64,
    /// Number of its sites.
    pub sites: i64,
    /// Number of its gateways.
    pub gateways: i64,
    /// Number of devices that its gateways know.
    pub devices: i64,
    /// Number of these that are offline.
    pub devices_offline: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Its customer.
    pub customer: CustomerId,
    /// Name of its customer.
    pub customer_name: String,
    /// The fields as entered.
    pub spec: SiteSpec,
    /// Increases by one with each change.
    pub version: i64,
    /// Number of its gateways.
    pub gateways: i64,
    /// Number of devices that its gateways know.
    pub devices: i64,
    /// Number of these that are offline.
    pub devices_offline: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A filter of customers.
#[derive(Debug, Clone, Default)]
pub struct CustomerFilter {
    /// With this text in name or key; case does not matter, "" is in all.
    pub text: String,
    /// Only those that changed at or after this time.
    pub updated_since: Option<Timestamp>,
}

/// A filter of sites.
#[derive(Debug, Clone, Default)]
pub struct SiteFilter {
    /// Only sites of this customer.
    pub customer: Option<CustomerId>,
    /// Only sites with this text in name, key, town or the customer's name, ignoring case; "" for all.
    pub text: String,
    /// Only those that changed at or after this time.
    pub updated_since: Option<Timestamp>,
}

/// Numbers of the gateways that a condition on `g` selects.
fn numbers(condition: &str) -> String {
    let of = format!("FROM gateways g WHERE g.tenant = $1 AND {condition}");
    format!(
        "(SELECT COUNT(*) {of}) AS gateways, \
         CAST(COALESCE((SELECT SUM(g.devices) {of}), 0) AS BIGINT) AS devices, \
         CAST(COALESCE((SELECT SUM(g.devices_offline) {of}), 0) AS BIGINT) AS devices_offline"
    )
}

fn customer(found: &AnyRow) -> Result<Customer, StoreError> {
    let row = customers::of(found)?;
    Ok(Customer {
        id: row.id,
        spec: row.spec,
        version: row.version,
        sites: row::number(found, "sites")?,
        gateways: row::number(found, "gateways")?,
        devices: row::number(found, "devices")?,
        devices_offline: row::number(found, "devices_offline")?,
        created_at: row::time(found, "created_ms")?,
        updated_at: row::time(found, "updated_ms")?,
    })
}

fn site(found: &AnyRow) -> Result<Site, StoreError> {
    let row = sites::of(found)?;
    Ok(Site {
        id: row.id,
        customer: row.customer,
        customer_name: row::text(found, "customer_name")?,
        spec: row.spec,
        version: row.version,
        gateways: row::number(found, "gateways")?,
        devices: row::number(found, "devices")?,
        devices_offline: row::number(found, "devices_offline")?,
        created_at: row::time(found, "created_ms")?,
        updated_at: row::time(found, "updated_ms")?,
    })
}

impl Scoped {
    fn select_customers(&self, which: &str) -> String {
        let within = sql::customer_within(self.scope(), "c.customer");
        let sites = sql::site_within(self.scope(), "s.site");
        let numbers = numbers(&format!("g.customer_id = c.customer{}", self.within("g.gateway")));
        format!(
            "SELECT c.customer, c.name, c.erp_key, c.version, c.created_ms, c.updated_ms, {numbers}, \
             (SELECT COUNT(*) FROM sites s WHERE s.tenant = $1 AND s.customer = c.customer{sites}) AS sites \
             FROM customers c WHERE c.tenant = $1{within} AND {which}"
        )
    }

    fn select_sites(&self, which: &str) -> String {
        let within = sql::site_within(self.scope(), "s.site");
        let numbers = numbers("g.site_id = s.site");
        format!(
            "SELECT s.site, s.customer, s.name, s.erp_key, s.address, s.version, s.created_ms, s.updated_ms, \
             c.name AS customer_name, {}, {numbers} FROM sites s \
             JOIN customers c ON c.tenant = s.tenant AND c.customer = s.customer \
             LEFT JOIN addresses a ON a.tenant = s.tenant AND a.address = s.address \
             WHERE s.tenant = $1{within} AND {which}",
            addresses::COLUMNS
        )
    }

    /// Customers by name.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn customers(
        &self,
        filter: &CustomerFilter,
        cursor: Option<&str>,
    ) -> Result<Page<Customer>, StoreError> {
        let (id, name) = page::two_names(cursor)?;
        let sql = self.select_customers(
            "(c.name > $2 OR (c.name = $2 AND c.customer > $3)) \
             AND ($4 = '' OR LOWER(c.name) LIKE $4 ESCAPE '!' OR LOWER(c.erp_key) LIKE $4 ESCAPE '!') \
             AND c.updated_ms >= $6 ORDER BY c.name, c.customer LIMIT $5",
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(name)
            .bind(id)
            .bind(pattern(&filter.text))
            .bind(self.rows().and_one())
            .bind(row::since(filter.updated_since))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read customers"))?;
        let items = rows.iter().map(customer).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |c| format!("{},{}", c.id, c.spec.name)))
    }

    /// One customer.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(self.select_customers("c.customer = $2")))
            .bind(self.tenant().to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read customer"))?;
        row.as_ref().map(customer).transpose()
    }

    /// Sites by name.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn sites(&self, filter: &SiteFilter, cursor: Option<&str>) -> Result<Page<Site>, StoreError> {
        let (id, name) = page::two_names(cursor)?;
        let sql = self.select_sites(
            "($2 = '' OR s.customer = $2) AND (s.name > $3 OR (s.name = $3 AND s.site > $4)) \
             AND ($5 = '' OR LOWER(s.name) LIKE $5 ESCAPE '!' OR LOWER(s.erp_key) LIKE $5 ESCAPE '!' \
              OR LOWER(COALESCE(a.city, '')) LIKE $5 ESCAPE '!' OR LOWER(c.name) LIKE $5 ESCAPE '!') \
             AND s.updated_ms >= $7 ORDER BY s.name, s.site LIMIT $6",
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(row::text_or_empty(filter.customer.as_ref()))
            .bind(name)
            .bind(id)
            .bind(pattern(&filter.text))
            .bind(self.rows().and_one())
            .bind(row::since(filter.updated_since))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read sites"))?;
        let items = rows.iter().map(site).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |s| format!("{},{}", s.id, s.spec.name)))
    }

    /// One site.
    pub async fn site(&self, id: SiteId) -> Result<Option<Site>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(self.select_sites("s.site = $2")))
            .bind(self.tenant().to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read site"))?;
        row.as_ref().map(site).transpose()
    }
}
