//! Settings of a part of the tree: forms on the pages of customers and sites, and `/settings` for the whole service
//! company.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::settings::{Effective, Level, Origin, Setting};
use comm_server_core::tenancy::{CustomerId, SiteId};
use comm_server_core::tree::Node;
use serde::Deserialize;

use super::error::{PageError, page};
use super::form::may_change;
use super::icon::Icon;
use super::layout::Layout;
use super::place::{page_of_customer, page_of_site};
use super::session::{FormSubmission, PageParams, PageSession};
use super::url::address;
use crate::operators::OperatorState;
use crate::operators::caller::Fields;
use crate::operators::error::ApiError;
use crate::services::PlaceSetting;

/// A setting in a form.
pub(super) struct SettingRow {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The own value, "" if it inherits.
    pub(super) own: String,
    /// The values to choose from; empty if a text is entered.
    pub(super) choices: &'static [&'static str],
    /// The inherited value and its origin.
    pub(super) inherited: String,
    /// The value that applies and its origin.
    pub(super) effective: String,
}

/// The settings of a part of the tree as rows of a form.
pub(super) fn rows(settings: Vec<PlaceSetting>) -> Vec<SettingRow> {
    let row = |s: PlaceSetting| SettingRow {
        name: s.setting.name(),
        title: s.setting.title(),
        own: s.own.unwrap_or_default(),
        choices: s.setting.choices(),
        inherited: told(&s.inherited),
        effective: told(&s.effective),
    };
    settings.into_iter().map(row).collect()
}

fn told(effective: &Effective) -> String {
    let from = match effective.origin {
        Origin::Server => "this server's default",
        Origin::Level(Level::Tenant) => "set for the whole service company",
        Origin::Level(Level::Customer) => "set at the customer",
        Origin::Level(Level::Site) => "set at this site",
        Origin::Level(Level::Gateway) => "set at the gateway",
    };
    format!("{}, {from}", effective.value)
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    layout: Layout,
    settings: Vec<SettingRow>,
    may_change: bool,
}

/// `GET /settings`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let mut settings = state.services.settings.of(&caller.actor, &Node::Tenant).await?.unwrap_or_default();
    settings.retain(|of| caller.actor.may(of.setting.permission()));
    Ok(page(&SettingsPage {
        layout: Layout::new(&caller, "/settings", query.done.as_deref()),
        settings: rows(settings),
        may_change: may_change(&caller) && caller.actor.scope.granted().is_none(),
    }))
}

/// The part of the tree that a form names, and its page.
fn place(fields: &Fields) -> Result<(Node, String), ApiError> {
    let id = fields.text("node");
    match fields.text("level").parse::<Level>() {
        Ok(Level::Tenant) => Ok((Node::Tenant, "/settings".to_owned())),
        Ok(Level::Customer) => {
            let id: CustomerId = id.parse().map_err(|_| ApiError::not_found("customer"))?;
            Ok((Node::Customer(id), page_of_customer(id)))
        }
        Ok(Level::Site) => {
            let id: SiteId = id.parse().map_err(|_| ApiError::not_found("site"))?;
            Ok((Node::Site(id), page_of_site(id)))
        }
        Ok(Level::Gateway) | Err(_) => {
            Err(ApiError::malformed("the form names no customer, site or gateway"))
        }
    }
}

/// `POST /settings`: an empty field inherits.
pub(super) async fn change(
    State(state): State<OperatorState>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let (node, path) = place(&fields)?;
    let here = Setting::ALL.into_iter().filter(|setting| node.level() <= setting.lowest());
    for setting in here.filter(|setting| caller.actor.may(setting.permission())) {
        let value = Some(fields.text(setting.name()).trim()).filter(|value| !value.is_empty());
        state.services.settings.set(&caller.actor, node.clone(), setting, value).await?;
    }
    Ok(Redirect::to(&address(&path, &[("done", "saved")])).into_response())
}
