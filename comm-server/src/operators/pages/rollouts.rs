//! `/rollouts`: firmware roll-outs, their form, and each with its devices.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use comm_server_core::rollouts::{DeviceStep, Interface, RolloutSpec, Start};
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use serde::Deserialize;
use wire::ids::RolloutId;
use wire::problem::ProblemCode;
use wire::size::size_text;

use super::error::{PageError, page};
use super::form::{Choice, check_choice, choices};
use super::icon::Icon;
use super::layout::Layout;
use super::list::{Cursor, Pages};
use super::live::Wanted;
use super::place::{Place, PlaceNote};
use super::progress::{Progress, StepRow};
use super::session::{FormSubmission, PageParams, PageSession};
use super::state::{self, StateBadge};
use super::time::When;
use crate::operators::OperatorState;
use crate::operators::caller::Caller;
use crate::operators::error::ApiError;
use crate::services::rollouts::parse_id;
use crate::services::{Image, OrderError};
use crate::store::{LeftOutDevice, Rollout};
use comm_server_core::roles::Permission;

/// Separates vendor and model in a form's value; neither contains control characters.
const BETWEEN: char = '\t';

/// Preset values of the form, filter and position of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    vendor: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    step: String,
    #[serde(flatten)]
    place: Place,
    #[serde(default)]
    page: Cursor,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "rollouts.html")]
struct RolloutsPage {
    layout: Layout,
    may_roll_out: bool,
    problem: Option<String>,
    has_global_server: bool,
    form: Form,
    models: Vec<Choice>,
    images: Vec<ImageRow>,
    images_note: String,
    zones: Vec<String>,
    place: Option<PlaceNote>,
    live: RolloutsLive,
}

#[derive(Template)]
#[template(path = "rollouts_live.html")]
struct RolloutsLive {
    may_roll_out: bool,
    rollouts: Vec<RolloutRow>,
    pages: Pages,
}

#[derive(Debug, Clone, Default)]
struct Form {
    model: String,
    version: String,
    date: String,
    time: String,
    zone: String,
    allow_downgrade: bool,
}

struct ImageRow {
    vendor: String,
    model: String,
    version: String,
    size: String,
    published_at: When,
}

struct RolloutRow {
    id: String,
    href: String,
    vendor: String,
    model: String,
    version: String,
    target: String,
    state: StateBadge,
    progress: Progress,
    not_before: When,
    created_at: When,
    created_by: String,
    retry_of: Option<String>,
    retried_by: Option<String>,
}

#[derive(Template)]
#[template(path = "rollout.html")]
struct RolloutPage {
    layout: Layout,
    may_cancel: bool,
    may_retry: bool,
    problem: Option<String>,
    live: RolloutLive,
}

#[derive(Template)]
#[template(path = "rollout_live.html")]
struct RolloutLive {
    r: RolloutRow,
    steps: Vec<Choice>,
    is_filtered: bool,
    devices: Vec<StepRow>,
    left_out: Vec<LeftOutDevice>,
    more_left_out: bool,
    pages: Pages,
}

/// The steps to choose from; all of them is the first choice.
const STEPS: [(&str, &str); 7] = [
    ("", "All"),
    (DeviceStep::Failed.name(), "Failed"),
    (DeviceStep::Pending.name(), "Pending"),
    (DeviceStep::Staged.name(), "Image staged"),
    (DeviceStep::Pushed.name(), "Pushed"),
    (DeviceStep::Verified.name(), "Verified"),
    (DeviceStep::Cancelled.name(), "Cancelled"),
];

/// `GET /rollouts`
pub(super) async fn show(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    let model = format!("{}{BETWEEN}{}", query.vendor, query.model);
    let form = Form { model, zone: "UTC".to_owned(), ..Form::default() };
    let shown = listed(&state, &caller, &query, form, None).await?;
    Ok(wanted.answer(&[&shown.live], || &shown))
}

async fn listed(
    state: &OperatorState,
    caller: &Caller,
    query: &Query,
    form: Form,
    problem: Option<String>,
) -> Result<RolloutsPage, PageError> {
    let now = Timestamp::now();
    let cursor = query.page.get();
    let view = state.view_within(caller, Permission::SeeFleet, query.place.part()?)?;
    let place = query.place.note(&view, "/rollouts").await?;
    let values = query.place.values();
    let found = view.rollouts(cursor).await?;
    let may_roll_out = caller.actor.may(Permission::RollOut);
    let (mut images, mut images_note, mut models) = (Vec::new(), String::new(), Vec::new());
    if may_roll_out {
        models = view.models().await?;
        (images, images_note) = match state.services.rollouts.published_images(&caller.actor).await? {
            Ok(images) if images.is_empty() => (images, "No image is published yet.".to_owned()),
            Ok(images) => (images, "Published versions are suggested while you type.".to_owned()),
            Err(why) => (Vec::new(), format!("The published images are unknown: {why}.")),
        };
    }
    Ok(RolloutsPage {
        layout: Layout::new(caller, "/rollouts", query.done.as_deref()),
        may_roll_out,
        problem,
        has_global_server: state.services.rollouts.has_global_server(),
        models: models.into_iter().map(|model| choice(&model, &form.model)).collect(),
        images: images.into_iter().map(|image| image_row(image, now)).collect(),
        images_note,
        zones: zones(),
        place,
        live: RolloutsLive {
            may_roll_out,
            pages: Pages::new("/rollouts", &values, found.next.as_deref())
                .with_table("/api/v1/rollouts", &values),
            rollouts: found.items.into_iter().map(|rollout| row(rollout, now)).collect(),
        },
        form,
    })
}

fn choice((vendor, model): &(String, String), chosen: &str) -> Choice {
    let value = format!("{vendor}{BETWEEN}{model}");
    let title = if vendor.is_empty() { model.clone() } else { format!("{model} ({vendor})") };
    Choice { chosen: value == chosen, value, title }
}

fn zones() -> Vec<String> {
    let mut zones: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    zones.retain(|name| {
        name == "UTC" || name.contains('/') && !name.starts_with("posix/") && !name.starts_with("right/")
    });
    zones
}

fn image_row(image: Image, now: Timestamp) -> ImageRow {
    ImageRow {
        vendor: image.vendor,
        model: image.model,
        version: image.version,
        size: size_text(image.bytes),
        published_at: When::new(image.published_at, now),
    }
}

fn row(r: Rollout, now: Timestamp) -> RolloutRow {
    RolloutRow {
        href: format!("/rollouts/{}", r.rollout),
        state: state::of_rollout(r.state),
        progress: Progress::of(&r),
        not_before: When::new(r.not_before, now),
        created_at: When::new(r.created_at, now),
        id: r.rollout.to_string(),
        vendor: r.vendor,
        model: r.model,
        version: r.version,
        target: r.target,
        created_by: r.created_by,
        retry_of: r.retry_of.map(|id| id.to_string()),
        retried_by: r.retried_by.map(|id| id.to_string()),
    }
}

/// `POST /rollouts`
pub(super) async fn create(
    State(state): State<OperatorState>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let text = |name| fields.text(name).trim().to_owned();
    let form = Form {
        model: fields.text("model").to_owned(),
        version: text("version"),
        date: text("date"),
        time: text("time"),
        zone: text("zone"),
        allow_downgrade: !fields.text("allow_downgrade").is_empty(),
    };
    match plan(&state, &caller, &form).await {
        Ok(id) => Ok(Redirect::to(&format!("/rollouts/{id}?done=planned")).into_response()),
        // Also when the global server can't be reached: what was typed stays.
        Err(refused) if refused.0.code != ProblemCode::Internal => {
            let status = StatusCode::from_u16(refused.0.status).unwrap_or(StatusCode::BAD_REQUEST);
            let shown = listed(&state, &caller, &Query::default(), form, Some(refused.0.detail)).await?;
            Ok((status, page(&shown)).into_response())
        }
        Err(refused) => Err(refused.into()),
    }
}

async fn plan(state: &OperatorState, caller: &Caller, form: &Form) -> Result<RolloutId, ApiError> {
    let parts = form.model.split_once(BETWEEN);
    let (vendor, model) =
        parts.ok_or_else(|| ApiError::malformed("the model is not in the list: choose one of it"))?;
    let start = instant(&form.date, &form.time, &form.zone)?.map_or(Start::Now, Start::NotBefore);
    let spec = RolloutSpec {
        vendor: vendor.to_owned(),
        model: model.to_owned(),
        version: form.version.clone(),
        start,
        allow_downgrade: form.allow_downgrade,
        only: None,
    };
    let created = state.services.rollouts.create(&caller.actor, spec).await;
    created.map_err(|error| ApiError::of_rollout(error, Interface::Page))
}

/// The instant of a local date and time; `None` without a date. A time that is skipped by daylight saving is moved an
/// hour later; of a time that occurs twice, the first is used.
fn instant(date: &str, time: &str, zone: &str) -> Result<Option<Timestamp>, ApiError> {
    if date.is_empty() {
        if !time.is_empty() {
            return Err(ApiError::malformed(
                "the time has no date: choose its date too, or leave both empty to update each device as soon as it is idle",
            ));
        }
        return Ok(None);
    }
    let wrong = |what: &str| {
        ApiError::malformed(format!(
            "{what} can't be read: expected a date such as 2026-12-31 and a time such as 20:00"
        ))
    };
    let date: civil::Date = date.parse().map_err(|_| wrong("the date"))?;
    let time = if time.is_empty() { "00:00" } else { time };
    let time: civil::Time = time.parse().map_err(|_| wrong("the time"))?;
    let zone = if zone.is_empty() { "UTC" } else { zone };
    let zone = TimeZone::get(zone).map_err(|_| {
        ApiError::malformed("the time zone is not known: expected a name such as Europe/Berlin")
    })?;
    let at = date.to_datetime(time).to_zoned(zone).map_err(|_| wrong("the date"))?;
    Ok(Some(at.timestamp()))
}

/// `GET /rollouts/{rollout}`
pub(super) async fn show_one(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
    Path(id): Path<String>,
    PageParams(query): PageParams<Query>,
    wanted: Wanted,
) -> Result<Response, PageError> {
    let shown = one(&state, &caller, parse(&id)?, &query, None).await?;
    Ok(wanted.answer(&[&shown.live], || &shown))
}

async fn one(
    state: &OperatorState,
    caller: &Caller,
    id: RolloutId,
    query: &Query,
    problem: Option<String>,
) -> Result<RolloutPage, PageError> {
    let now = Timestamp::now();
    let cursor = query.page.get();
    let view = state.view(caller, Permission::SeeFleet)?;
    let found = view.rollout(id).await?.ok_or_else(|| ApiError::not_found("roll-out"))?;
    check_choice("step", &STEPS, &query.step)?;
    let devices = view.rollout_devices(id, query.step.parse().ok(), cursor).await?;
    let left_out = view.left_out_devices(id, None).await?;
    let (may, ended, failed) = (caller.actor.may(Permission::RollOut), found.has_ended(), found.failed > 0);
    let r = row(found, now);
    Ok(RolloutPage {
        layout: Layout::new(caller, "/rollouts", query.done.as_deref()),
        may_cancel: may && !ended,
        may_retry: may && ended && failed,
        problem,
        live: RolloutLive {
            pages: Pages::new(&r.href, &[("step", &query.step)], devices.next.as_deref()),
            steps: choices(&STEPS, &query.step),
            is_filtered: !query.step.is_empty(),
            more_left_out: left_out.next.is_some(),
            left_out: left_out.items,
            devices: devices.items.into_iter().map(|device| StepRow::of(device, now)).collect(),
            r,
        },
    })
}

/// `POST /rollouts/{rollout}/cancel`
pub(super) async fn cancel(
    State(state): State<OperatorState>,
    Path(id): Path<String>,
    FormSubmission { caller, .. }: FormSubmission,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    match state.services.rollouts.cancel(&caller.actor, id).await {
        Ok(()) => Ok(Redirect::to(&format!("/rollouts/{id}?done=cancelled")).into_response()),
        Err(error) => again(&state, &caller, id, error).await,
    }
}

/// `POST /rollouts/{rollout}/retry`
pub(super) async fn retry(
    State(state): State<OperatorState>,
    Path(id): Path<String>,
    FormSubmission { caller, fields }: FormSubmission,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    let allow_downgrade = !fields.text("allow_downgrade").is_empty();
    match state.services.rollouts.retry(&caller.actor, id, allow_downgrade).await {
        Ok(made) => Ok(Redirect::to(&format!("/rollouts/{made}?done=planned")).into_response()),
        Err(error) => again(&state, &caller, id, error).await,
    }
}

/// The roll-out's page with an error message.
async fn again(
    state: &OperatorState,
    caller: &Caller,
    id: RolloutId,
    error: OrderError,
) -> Result<Response, PageError> {
    let refused = ApiError::of_rollout(error, Interface::Page);
    if refused.0.code != ProblemCode::Conflict && refused.0.code != ProblemCode::Overloaded {
        return Err(refused.into());
    }
    let status = StatusCode::from_u16(refused.0.status).unwrap_or(StatusCode::CONFLICT);
    let shown = one(state, caller, id, &Query::default(), Some(refused.0.detail)).await?;
    Ok((status, page(&shown)).into_response())
}

fn parse(id: &str) -> Result<RolloutId, ApiError> {
    parse_id(id).map_err(|_| ApiError::not_found("roll-out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_meant_in_its_zone() {
        let at = |date, time, zone| {
            instant(date, time, zone)
                .map(|at| at.map(|at| at.to_string()))
                .map_err(|refused| refused.0.detail)
        };
        assert_eq!(at("", "", "Nowhere"), Ok(None));
        assert!(
            at("", "12:00", "UTC").unwrap_err().contains("no date"),
            "half a date is not an order for now"
        );
        assert_eq!(at("2026-07-01", "02:30", "UTC"), Ok(Some("2026-07-01T02:30:00Z".to_owned())));
        assert_eq!(at("2026-07-01", "02:30", "Europe/Berlin"), Ok(Some("2026-07-01T00:30:00Z".to_owned())));
        // Skipped by the clocks, and shown twice.
        assert_eq!(at("2026-03-29", "02:30", "Europe/Berlin"), Ok(Some("2026-03-29T01:30:00Z".to_owned())));
        assert_eq!(at("2026-10-25", "02:30", "Europe/Berlin"), Ok(Some("2026-10-25T00:30:00Z".to_owned())));
        assert!(at("2026-13-01", "", "").is_err());
        assert!(at("2026-12-01", "", "Mars/Base").unwrap_err().contains("Europe/Berlin"));
    }
}
