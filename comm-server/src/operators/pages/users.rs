//! `/users`: accounts of people, a page for each, and new one-time links.

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::accounts::AccountSpec;
use comm_server_core::roles::{Permission, Role};
use comm_server_core::tenancy::{CustomerId, Part, SiteId, TenantId};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::{PageError, page};
use super::form::{Choice, choices, version};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::session::{FormSubmission, PageParams, PageSession};
use super::time::When;
use super::url::{address, segment};
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, Fields, PathIds};
use crate::operators::error::ApiError;
use crate::services::{Invited, View};
use crate::store::{CustomerFilter, ListedUser, OpenSession, PageRows, SiteFilter, User};

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
#[template(path = "users.html")]
struct UsersPage<'a> {
    layout: Layout,
    q: &'a str,
    users: Vec<UserRow>,
    pages: Pages,
    roles: Vec<Choice>,
    parts: Vec<Choice>,
}

struct UserRow {
    href: String,
    name: String,
    full_name: String,
    mail: String,
    role: &'static str,
    place: String,
    state: &'static str,
}

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    layout: Layout,
    path: String,
    user: User,
    is_own: bool,
    roles: Vec<Choice>,
    parts: Vec<Choice>,
    sessions: Vec<SessionRow>,
}

struct SessionRow {
    begun_at: When,
    address: String,
    agent: String,
}

#[derive(Template)]
#[template(path = "invited.html")]
struct InvitedPage {
    layout: Layout,
    section: Section,
    user: String,
    link: String,
    expires_at: When,
}

/// Where an invitation was made: a section of the console, and the page in it.
pub(super) struct Section {
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    pub(super) item: String,
    pub(super) item_title: String,
}

impl Section {
    fn of_user(name: &str) -> Self {
        Self { path: "/users", title: "Users", item: page_of(name), item_title: name.to_owned() }
    }
}

fn page_of(name: &str) -> String {
    format!("/users/{}", segment(name))
}

/// The roles to choose from, for the caller's tenant.
pub(super) fn roles(caller: &Caller, chosen: &str) -> Vec<Choice> {
    let own = Role::ALL.into_iter().filter(|role| role.is_of(caller.actor.scope.tenant()));
    choices(&own.map(|role| (role.name(), role.title())).collect::<Vec<_>>(), chosen)
}

/// What an account of a whole tenant reaches.
fn everything(tenant: &TenantId) -> &'static str {
    if tenant.is_provider() { "The list of dealers" } else { "Every customer" }
}

/// The parts of the tree to choose from: everything, and the first 500 customers and sites.
pub(super) async fn parts(
    view: &View,
    caller: &Caller,
    chosen: Option<Part>,
) -> Result<Vec<Choice>, PageError> {
    let mut all: Vec<(String, String)> = Vec::new();
    if caller.actor.scope.granted().is_none() {
        all.push((String::new(), everything(caller.actor.scope.tenant()).to_owned()));
    }
    if !matches!(caller.actor.scope.granted(), Some(Part::Site(_))) {
        let customers =
            view.clone().with_rows(PageRows::MAX).customers(&CustomerFilter::default(), None).await?.items;
        all.extend(customers.into_iter().map(|c| (format!("customer {}", c.id), c.spec.name)));
    }
    let sites = view.clone().with_rows(PageRows::MAX).sites(&SiteFilter::default(), None).await?.items;
    all.extend(
        sites
            .into_iter()
            .map(|s| (format!("site {}", s.id), format!("{} · {}", s.customer_name, s.spec.name))),
    );
    let value = chosen.map_or_else(String::new, |part| match part {
        Part::Customer(id) => format!("customer {id}"),
        Part::Site(id) => format!("site {id}"),
    });
    if !all.iter().any(|(own, _)| *own == value) {
        all.push((value.clone(), "as it is".to_owned()));
    }
    let pairs: Vec<(&str, &str)> =
        all.iter().map(|(value, title)| (value.as_str(), title.as_str())).collect();
    Ok(choices(&pairs, &value))
}

/// `GET /users`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let found = state
        .services
        .accounts
        .list(&caller.actor, &query.q, (query.page.get(), PageRows::default()))
        .await?;
    let view = state.view(&caller, Permission::ManageUsers)?;
    Ok(page(&UsersPage {
        layout: Layout::new(&caller, "/users", query.done.as_deref()),
        pages: Pages::new("/users", &[("q", &query.q)], found.next.as_deref())
            .with_table("/api/v1/users", &[("q", &query.q)]),
        users: found.items.into_iter().map(row).collect(),
        roles: roles(&caller, Role::Viewer.name()),
        parts: parts(&view, &caller, caller.actor.scope.granted()).await?,
        q: &query.q,
    }))
}

fn row(ListedUser { user, place, invited }: ListedUser) -> UserRow {
    UserRow {
        href: page_of(user.name.as_str()),
        role: user.role.title(),
        place: if place.is_empty() { everything(&user.tenant).to_owned() } else { place },
        state: match (user.disabled_at, user.password_hash.is_empty(), invited) {
            (Some(_), _, _) => "Disabled",
            (None, true, true) => "Invited",
            (None, true, false) => "Invitation expired",
            (None, false, _) => "Active",
        },
        name: user.name.into(),
        full_name: user.full_name,
        mail: user.mail,
    }
}

/// The account of a form.
pub(super) fn spec(fields: &Fields) -> Result<AccountSpec, ApiError> {
    let role = fields.text("role").parse::<Role>().map_err(|error| ApiError::malformed(error.to_string()))?;
    let part = match fields.text("part").split_once(' ') {
        None => None,
        Some(("customer", id)) => {
            let id: CustomerId = id.parse().map_err(|_| ApiError::not_found("customer"))?;
            Some(Part::Customer(id))
        }
        Some(("site", id)) => {
            let id: SiteId = id.parse().map_err(|_| ApiError::not_found("site"))?;
            Some(Part::Site(id))
        }
        Some(_) => return Err(ApiError::malformed("the form names no part of the tree")),
    };
    let (full_name, mail) = (fields.text("full_name").to_owned(), fields.text("mail").to_owned());
    Ok(AccountSpec { role, part, full_name, mail })
}

/// The page with a link that was just made.
pub(super) fn invited(
    caller: &Caller,
    (headers, uri): (&HeaderMap, &Uri),
    section: Section,
    invited: &Invited,
) -> Response {
    // The address by which the administrator reached the console, so that the link can be sent as it is.
    let host = uri.authority().map(Authority::as_str);
    let host = host.or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    page(&InvitedPage {
        layout: Layout::new(caller, section.path, None),
        section,
        user: invited.user.to_string(),
        link: format!("https://{}{}", host.unwrap_or_default(), invited.path()),
        expires_at: When::new(invited.expires_at, Timestamp::now()),
    })
}

/// `POST /users`
pub(super) async fn create(
    State(state): State<OperatorState>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let made = state.services.accounts.create(&caller.actor, fields.text("name"), &spec(&fields)?).await?;
    let section = Section::of_user(made.user.as_str());
    Ok(invited(&caller, (&headers, &uri), section, &made))
}

/// `GET /users/{user}`
pub(super) async fn show_one(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PathIds(name): PathIds<String>,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let user = state.services.accounts.read(&caller.actor, &name).await?;
    let sessions = state.services.accounts.sessions(&caller.actor, &name).await?;
    let view = state.view(&caller, Permission::ManageUsers)?;
    let session = |s: OpenSession| SessionRow {
        begun_at: When::new(s.created_at, now),
        address: s.address,
        agent: s.agent,
    };
    Ok(page(&UserPage {
        layout: Layout::new(&caller, "/users", query.done.as_deref()),
        path: page_of(&name),
        is_own: caller.actor.name == name,
        roles: roles(&caller, user.role.name()),
        parts: parts(&view, &caller, user.part).await?,
        sessions: sessions.into_iter().map(session).collect(),
        user,
    }))
}

/// `POST /users/{user}`
pub(super) async fn change(
    State(state): State<OperatorState>,
    PathIds(name): PathIds<String>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let disabled = fields.text("disabled") == "yes";
    let change = (&spec(&fields)?, disabled);
    state.services.accounts.change(&caller.actor, &name, Some(version(&fields)?), change).await?;
    Ok(Redirect::to(&address(&page_of(&name), &[("done", "saved")])).into_response())
}

/// `POST /users/{user}/invitation`
pub(super) async fn invite(
    State(state): State<OperatorState>,
    PathIds(name): PathIds<String>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    FormSubmission { caller, .. }: FormSubmission,
) -> Result<Response, PageError> {
    let made = state.services.accounts.invite(&caller.actor, &name).await?;
    Ok(invited(&caller, (&headers, &uri), Section::of_user(&name), &made))
}

/// `POST /users/{user}/sessions`: ends them.
pub(super) async fn end_sessions(
    State(state): State<OperatorState>,
    PathIds(name): PathIds<String>,
    FormSubmission { caller, .. }: FormSubmission,
) -> Result<Response, PageError> {
    state.services.accounts.end_sessions(&caller.actor, &name).await?;
    Ok(Redirect::to(&address(&page_of(&name), &[("done", "ended")])).into_response())
}

/// `POST /users/{user}/second-factor`: removes it.
pub(super) async fn reset_second_factor(
    State(state): State<OperatorState>,
    PathIds(name): PathIds<String>,
    FormSubmission { caller, .. }: FormSubmission,
) -> Result<Response, PageError> {
    state.services.accounts.reset_second_factor(&caller.actor, &name).await?;
    Ok(Redirect::to(&address(&page_of(&name), &[("done", "factor-reset")])).into_response())
}
