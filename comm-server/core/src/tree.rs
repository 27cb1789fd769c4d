//! Places in a tenant's tree: service company, customer, site, gateway.

use wire::ids::GatewayId;

use crate::settings::Level;
use crate::tenancy::{CustomerId, SiteId};

/// A place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// The service company.
    Tenant,
    /// A customer.
    Customer(CustomerId),
    /// A site.
    Site(SiteId),
    /// A gateway.
    Gateway(GatewayId),
}

impl Node {
    /// Its level.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Tenant => Level::Tenant,
            Self::Customer(_) => Level::Customer,
            Self::Site(_) => Level::Site,
            Self::Gateway(_) => Level::Gateway,
        }
    }

    /// Its id as text, "" for the tenant.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Tenant => String::new(),
            Self::Customer(id) => id.to_string(),
            Self::Site(id) => id.to_string(),
            Self::Gateway(id) => id.to_string(),
        }
    }
}
