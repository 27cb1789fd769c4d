//! `/customers`: customers, and a page for each.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::customers::CustomerSpec;
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::CustomerId;
use comm_server_core::tree::Node;
use serde::Deserialize;

use super::error::{PageError, page};
use super::form::{may_change, version};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::live::Wanted;
use super::place::{lists_of, page_of_customer, page_of_site};
use super::session::{FormSubmission, PageParams, PageSession};
use super::settings::{SettingRow, rows};
use super::sites::SiteRow;
use super::time::grouped;
use super::url::address;
use crate::operators::OperatorState;
use crate::operators::caller::{Fields, PathIds};
use crate::operators::error::ApiError;
use crate::store::{Customer, CustomerFilter, SiteFilter};

/// Search text and position of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: Cursor,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "customers.html")]
struct CustomersPage<'a> {
    layout: Layout,
    q: &'a str,
    may_change: bool,
    live: &'a CustomersLive,
}

#[derive(Template)]
#[template(path = "customers_live.html")]
struct CustomersLive {
    filtered: bool,
    customers: Vec<CustomerRow>,
    pages: Pages,
}

struct CustomerRow {
    id: String,
    href: String,
    name: String,
    erp_key: String,
    sites: String,
    gateways: String,
    devices: String,
    offline: i64,
}

#[derive(Template)]
#[template(path = "customer.html")]
struct CustomerPage {
    layout: Layout,
    id: String,
    name: String,
    erp_key: String,
    version: i64,
    links: Vec<(&'static str, String)>,
    sites: Vec<SiteRow>,
    pages: Pages,
    settings: Vec<SettingRow>,
    may_change: bool,
}

/// `GET /customers`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    let filter = CustomerFilter { text: query.q.clone(), ..CustomerFilter::default() };
    let found = state.view(&caller, Permission::SeeFleet)?.customers(&filter, query.page.get()).await?;
    let live = CustomersLive {
        filtered: !query.q.trim().is_empty(),
        pages: Pages::new("/customers", &[("q", &query.q)], found.next.as_deref())
            .with_table("/api/v1/customers", &[("q", &query.q)]),
        customers: found.items.into_iter().map(row).collect(),
    };
    Ok(wanted.answer(&[&live], || CustomersPage {
        layout: Layout::new(&caller, "/customers", query.done.as_deref()),
        may_change: may_change(&caller) && caller.actor.scope.granted().is_none(),
        q: &query.q,
        live: &live,
    }))
}

fn row(c: Customer) -> CustomerRow {
    CustomerRow {
        href: page_of_customer(c.id),
        id: c.id.to_string(),
        name: c.spec.name,
        erp_key: c.spec.erp_key,
        sites: grouped(c.sites),
        gateways: grouped(c.gateways),
        devices: grouped(c.devices),
        offline: c.devices_offline,
    }
}

/// `POST /customers`
pub(super) async fn create(
    State(state): State<OperatorState>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let id = state.services.customers.create(&caller.actor, &spec(&fields)).await?;
    Ok(Redirect::to(&address(&page_of_customer(id), &[("done", "created")])).into_response())
}

fn spec(fields: &Fields) -> CustomerSpec {
    CustomerSpec { name: fields.text("name").to_owned(), erp_key: fields.text("erp_key").to_owned() }
}

/// `GET /customers/{customer}`
pub(super) async fn show_one(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PathIds(id): PathIds<CustomerId>,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let view = state.view(&caller, Permission::SeeFleet)?;
    let found = view.customer(id).await?.ok_or_else(|| ApiError::not_found("customer"))?;
    let filter = SiteFilter { customer: Some(id), ..SiteFilter::default() };
    let sites = view.sites(&filter, query.page.get()).await?;
    let settings = state.services.settings.of(&caller.actor, &Node::Customer(id)).await?.unwrap_or_default();
    let id_text = id.to_string();
    Ok(page(&CustomerPage {
        layout: Layout::new(&caller, "/customers", query.done.as_deref()),
        links: lists_of("customer", &id_text),
        pages: Pages::new(&page_of_customer(id), &[], sites.next.as_deref()),
        sites: sites.items.into_iter().map(Into::into).collect(),
        settings: rows(settings),
        may_change: may_change(&caller),
        version: found.version,
        name: found.spec.name,
        erp_key: found.spec.erp_key,
        id: id_text,
    }))
}

/// `POST /customers/{customer}`
pub(super) async fn change(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<CustomerId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let version = version(&fields)?;
    state.services.customers.change(&caller.actor, id, Some(version), &spec(&fields)).await?;
    Ok(Redirect::to(&address(&page_of_customer(id), &[("done", "saved")])).into_response())
}

/// `POST /customers/{customer}/delete`
pub(super) async fn delete(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<CustomerId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    state.services.customers.delete(&caller.actor, id, Some(version(&fields)?)).await?;
    Ok(Redirect::to(&address("/customers", &[("done", "deleted")])).into_response())
}

/// `POST /customers/{customer}/sites`
pub(super) async fn create_site(
    State(state): State<OperatorState>,
    PathIds(id): PathIds<CustomerId>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let spec = super::sites::spec(&fields);
    let site = state.services.customers.create_site(&caller.actor, id, &spec).await?;
    Ok(Redirect::to(&address(&page_of_site(site), &[("done", "created")])).into_response())
}
