//! `/sites/{site}`: a site, its address, gateways and settings.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::customers::{Address, SiteSpec};
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::{Part, SiteId};
use comm_server_core::tree::Node;
use serde::Deserialize;
use wire::ids::GatewayId;

use super::error::{PageError, page};
use super::form::{may_change, version};
use super::icon::Icon;
use super::layout::Layout;
use super::place::{lists_of, page_of_customer, page_of_site};
use super::session::{FormSubmission, PageParams, PageSession};
use super::settings::{SettingRow, rows};
use super::time::grouped;
use super::url::address;
use crate::operators::OperatorState;
use crate::operators::caller::{Fields, PathIds};
use crate::operators::error::ApiError;
use crate::store::{GatewayFilter, Site};

/// A site in a list.
pub(super) struct SiteRow {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) erp_key: String,
    pub(super) address: String,
    pub(super) gateways: String,
    pub(super) devices: String,
    pub(super) offline: i64,
}

impl From<Site> for SiteRow {
    fn from(s: Site) -> Self {
        Self {
            href: page_of_site(s.id),
            address: s.spec.address.line(),
            name: s.spec.name,
            erp_key: s.spec.erp_key,
            gateways: grouped(s.gateways),
            devices: grouped(s.devices),
            offline: s.devices_offline,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "site.html")]
struct SitePage {
    layout: Layout,
    id: String,
    customer: String,
    customer_href: String,
    spec: SiteSpec,
    version: i64,
    links: Vec<(&'static str, String)>,
    gateways: Vec<SiteGateway>,
    unassigned: Vec<String>,
    settings: Vec<SettingRow>,
    may_change: bool,
}

struct SiteGateway {
    id: String,
    devices: String,
    offline: i64,
}

/// `GET /sites/{site}`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PathIds(id): PathIds<SiteId>,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let view = state.view(&caller, Permission::SeeFleet)?;
    let found = view.site(id).await?.ok_or_else(|| ApiError::not_found("site"))?;
    let own = state.view_within(&caller, Permission::SeeFleet, Some(Part::Site(id)))?;
    let gateways = own.find_gateways(&GatewayFilter::default(), None).await?;
    let gateway = |g: crate::store::Gateway| SiteGateway {
        id: g.gateway.into(),
        devices: grouped(g.devices),
        offline: g.devices_offline,
    };
    let may_change = may_change(&caller);
    let unassigned = if may_change {
        let filter = GatewayFilter { text: String::new(), unassigned: true };
        view.find_gateways(&filter, None).await?.items.into_iter().map(|g| g.gateway.into()).collect()
    } else {
        Vec::new()
    };
    let settings = state.services.settings.of(&caller.actor, &Node::Site(id)).await?.unwrap_or_default();
    let id_text = id.to_string();
    Ok(page(&SitePage {
        layout: Layout::new(&caller, "/customers", query.done.as_deref()),
        links: lists_of("site", &id_text),
        customer: found.customer_name,
        customer_href: page_of_customer(found.customer),
        gateways: gateways.items.into_iter().map(gateway).collect(),
        unassigned,
        settings: rows(settings),
        may_change,
        version: found.version,
        spec: found.spec,
        id: id_text,
    }))
}

/// The site of a form.
pub(super) fn spec(fields: &Fields) -> SiteSpec {
    let text = |name: &str| fields.text(name).to_owned();
    SiteSpec {
        name: text("name"),
        erp_key: text("erp_key"),
        address: Address {
            street: text("street"),
            postal_code: text("postal_code"),
            city: text("city"),
            region: text("region"),
            country: text("country"),
        },
    }
}

fn done(id: SiteId, word: &str) -> Response {
    Redirect::to(&address(&page_of_site(id), &[("done", word)])).into_response()
}

/// `POST /sites/{site}`
pub(super) async fn change(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<SiteId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let version = version(&fields)?;
    state.services.customers.change_site(&caller.actor, id, Some(version), &spec(&fields)).await?;
    Ok(done(id, "saved"))
}

/// `POST /sites/{site}/delete`
pub(super) async fn delete(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<SiteId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let view = state.services.views.now(&caller.actor, Permission::SeeFleet)?;
    let customer = view.site(id).await?.ok_or_else(|| ApiError::not_found("site"))?.customer;
    state.services.customers.delete_site(&caller.actor, id, Some(version(&fields)?)).await?;
    Ok(Redirect::to(&address(&page_of_customer(customer), &[("done", "deleted")])).into_response())
}

/// `POST /sites/{site}/gateways`: assigns a gateway to the site, or unassigns it.
pub(super) async fn assign(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<SiteId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let gateway: GatewayId =
        fields.text("gateway").trim().parse().map_err(|_| ApiError::not_found("gateway"))?;
    let site = (fields.text("remove") != "yes").then_some(id);
    state.services.customers.assign(&caller.actor, &gateway, site).await?;
    Ok(done(id, "saved"))
}
