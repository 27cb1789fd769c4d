//! `/api/v1/sites`: sites of customers.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use comm_server_core::customers::{Address as PostalAddress, SiteSpec};
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{CustomerId, SiteId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, PageParams, Paged, limited};
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller, Patch, PathIds};
use crate::operators::error::ApiError;
use crate::operators::precondition::{Precondition, created, versioned};
use crate::store::{self, SiteFilter};

/// A postal address.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Address {
    /// Street and number.
    #[schema(max_length = 200)]
    street: String,
    #[schema(max_length = 200)]
    postal_code: String,
    #[schema(max_length = 200)]
    city: String,
    /// State, province or prefecture.
    #[schema(max_length = 200)]
    region: String,
    /// ISO 3166-1, two letters, or "".
    #[schema(max_length = 2, pattern = "^([A-Za-z]{2})?$")]
    country: String,
}

impl From<PostalAddress> for Address {
    fn from(a: PostalAddress) -> Self {
        let PostalAddress { street, postal_code, city, region, country } = a;
        Self { street, postal_code, city, region, country }
    }
}

impl From<Address> for PostalAddress {
    fn from(a: Address) -> Self {
        let Address { street, postal_code, city, region, country } = a;
        Self { street, postal_code, city, region, country }
    }
}

/// A site.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Site {
    site: Uuid,
    customer: Uuid,
    customer_name: String,
    name: String,
    /// Its key in the ERP system, "" for none.
    erp_key: String,
    address: Address,
    gateways: i64,
    /// Number of devices that its gateways know.
    devices: i64,
    devices_offline: i64,
    /// Increases by one with each change; the `ETag` of the site.
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<store::Site> for Site {
    fn from(s: store::Site) -> Self {
        Self {
            site: s.id.0,
            customer: s.customer.0,
            customer_name: s.customer_name,
            name: s.spec.name,
            erp_key: s.spec.erp_key,
            address: s.spec.address.into(),
            gateways: s.gateways,
            devices: s.devices,
            devices_offline: s.devices_offline,
            version: s.version,
            created_at: s.created_at,
            updated_at: s.updated_at,
        }
    }
}

/// The fields of a site.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteFields {
    name: String,
    #[serde(default)]
    erp_key: String,
    #[serde(default)]
    address: Address,
}

/// A site to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSite {
    /// Its customer.
    customer: Uuid,
    /// Unique among the sites of the customer.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Its key in the ERP system, unique; "" for none.
    #[serde(default)]
    #[schema(max_length = 64)]
    erp_key: String,
    #[serde(default)]
    address: Address,
}

/// The fields of a site that change (RFC 7396).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a merge patch, which is applied as JSON")]
pub(super) struct SitePatch {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 64)]
    erp_key: Option<String>,
    address: Option<Address>,
}

impl From<SiteFields> for SiteSpec {
    fn from(fields: SiteFields) -> Self {
        Self { name: fields.name, erp_key: fields.erp_key, address: fields.address.into() }
    }
}

impl From<SiteSpec> for SiteFields {
    fn from(spec: SiteSpec) -> Self {
        Self { name: spec.name, erp_key: spec.erp_key, address: spec.address.into() }
    }
}

/// The filter and position of a list of sites.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SiteParams {
    /// Only those of this customer.
    customer: Option<Uuid>,
    /// Only those with this text in name, key, town or the customer's name.
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only those that changed at or after this time, by the server's clock.
    updated_since: Option<Timestamp>,
}

/// Sites by name.
#[utoipa::path(
    get, path = "/api/v1/sites", tag = "tree", operation_id = "list_sites", params(SiteParams, PageParams),
    responses((status = 200, body = List<Site>, description = "A page of sites"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<SiteParams>,
) -> Result<Json<List<Site>>, ApiError> {
    let text = limited("q", params.q.as_deref(), 400)?.unwrap_or_default().to_owned();
    let filter =
        SiteFilter { customer: params.customer.map(CustomerId), text, updated_since: params.updated_since };
    let view = page.of(state.view(&caller, Permission::SeeFleet)?);
    Ok(Json(List::of(view.sites(&filter, page.cursor()).await?)))
}

/// One site.
#[utoipa::path(
    get, path = "/api/v1/sites/{site}", tag = "tree", operation_id = "read_site",
    params(("site" = Uuid, Path, description = "The site's id")),
    responses((status = 200, body = Site, description = "The site; `ETag` is its version"), ReadErrors)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(id): PathIds<SiteId>,
) -> Result<(HeaderMap, Json<Site>), ApiError> {
    let found = found(&state, &caller, id).await?;
    Ok((versioned(found.version), Json(found.into())))
}

async fn found(state: &OperatorState, caller: &Caller, id: SiteId) -> Result<store::Site, ApiError> {
    let found = state.services.views.now(&caller.actor, Permission::SeeFleet)?.site(id).await?;
    found.ok_or_else(|| ApiError::not_found("site"))
}

/// Create a site of a customer.
#[utoipa::path(
    post, path = "/api/v1/sites", tag = "tree", operation_id = "create_site", request_body = NewSite,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = Site, description = "Created; `Location` is its address"), WriteErrors)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<NewSite>,
) -> Result<(StatusCode, HeaderMap, Json<Site>), ApiError> {
    let spec = SiteSpec { name: new.name, erp_key: new.erp_key, address: new.address.into() };
    let customer = CustomerId(new.customer);
    let id = state.services.customers.create_site(&caller.actor, customer, &spec).await?;
    let made = found(&state, &caller, id).await?;
    Ok((StatusCode::CREATED, created(&format!("/api/v1/sites/{id}"), made.version), Json(made.into())))
}

/// Change a site.
#[utoipa::path(
    patch, path = "/api/v1/sites/{site}", tag = "tree", operation_id = "change_site",
    request_body(content = SitePatch, content_type = "application/merge-patch+json"),
    params(
        ("site" = Uuid, Path, description = "The site's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that the change is based on, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = Site, description = "As it is now"), WriteErrors)
)]
pub(super) async fn change(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<SiteId>,
    patch: Patch,
) -> Result<(HeaderMap, Json<Site>), ApiError> {
    let current = found(&state, &caller, id).await?;
    let version = precondition.check(current.version)?;
    let fields: SiteFields = patch.apply(&SiteFields::from(current.spec))?;
    state.services.customers.change_site(&caller.actor, id, version, &fields.into()).await?;
    let now = found(&state, &caller, id).await?;
    Ok((versioned(now.version), Json(now.into())))
}

/// Delete a site without gateways.
#[utoipa::path(
    delete, path = "/api/v1/sites/{site}", tag = "tree", operation_id = "delete_site",
    params(
        ("site" = Uuid, Path, description = "The site's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that is to be deleted, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 204, description = "Deleted"), WriteErrors)
)]
pub(super) async fn delete(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<SiteId>,
) -> Result<StatusCode, ApiError> {
    let version = precondition.check(found(&state, &caller, id).await?.version)?;
    state.services.customers.delete_site(&caller.actor, id, version).await?;
    Ok(StatusCode::NO_CONTENT)
}
