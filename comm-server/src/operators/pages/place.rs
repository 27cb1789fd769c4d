//! The part of the tree that a list is narrowed to: `customer` and `site` of an address.

use comm_server_core::tenancy::{CustomerId, Part, SiteId};
use serde::Deserialize;

use super::error::PageError;
use super::url::address;
use crate::operators::error::ApiError;
use crate::services::View;

/// `customer` and `site` of an address.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Place {
    #[serde(default)]
    customer: String,
    #[serde(default)]
    site: String,
}

/// The note on a page whose list is narrowed.
#[derive(Debug, Clone)]
pub(super) struct PlaceNote {
    /// Name of the customer or site.
    pub(super) name: String,
    /// Its own page.
    pub(super) href: String,
    /// Address of the list that isn't narrowed.
    pub(super) all: String,
    /// Hidden fields of a form that keep the list narrowed.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Place {
    /// The part; if both are given, the site.
    pub(super) fn part(&self) -> Result<Option<Part>, ApiError> {
        if !self.site.is_empty() {
            let id = self.site.parse::<SiteId>().map_err(|_| ApiError::not_found("site"))?;
            return Ok(Some(Part::Site(id)));
        }
        if self.customer.is_empty() {
            return Ok(None);
        }
        let id = self.customer.parse::<CustomerId>().map_err(|_| ApiError::not_found("customer"))?;
        Ok(Some(Part::Customer(id)))
    }

    /// Its values for an address.
    pub(super) fn values(&self) -> [(&'static str, &str); 2] {
        [("customer", &self.customer), ("site", &self.site)]
    }

    /// The note on the page of the list at `path`; `None` for the whole tree.
    pub(super) async fn note(&self, view: &View, path: &str) -> Result<Option<PlaceNote>, PageError> {
        let (name, href) = match self.part()? {
            None => return Ok(None),
            Some(Part::Site(id)) => {
                let site = view.site(id).await?.ok_or_else(|| ApiError::not_found("site"))?;
                (format!("{} · {}", site.customer_name, site.spec.name), page_of_site(id))
            }
            Some(Part::Customer(id)) => {
                let customer = view.customer(id).await?.ok_or_else(|| ApiError::not_found("customer"))?;
                (customer.spec.name, page_of_customer(id))
            }
        };
        let given = self.values().into_iter().filter(|(_, value)| !value.is_empty());
        let fields = given.map(|(field, value)| (field, value.to_owned())).collect();
        Ok(Some(PlaceNote { name, href, all: address(path, &[]), fields }))
    }
}

/// The lists that a customer or a site can narrow, with the address of each.
pub(super) fn lists_of(level: &str, id: &str) -> Vec<(&'static str, String)> {
    let lists = [
        ("Devices", "/"),
        ("Assets", "/assets"),
        ("Gateways", "/gateways"),
        ("Calls", "/calls"),
        ("Commands", "/commands"),
        ("Roll-outs", "/rollouts"),
    ];
    lists.map(|(title, path)| (title, address(path, &[(level, id)]))).to_vec()
}

/// The page of a customer.
pub(super) fn page_of_customer(id: CustomerId) -> String {
    format!("/customers/{id}")
}

/// The page of a site.
pub(super) fn page_of_site(id: SiteId) -> String {
    format!("/sites/{id}")
}
