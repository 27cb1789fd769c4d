//! `/second-factor`: sets up an authenticator, shows recovery codes, and turns the second factor off.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Deserialize;
use wire::problem::ProblemCode;

use super::error::{PageError, page, sentence};
use super::icon::Icon;
use super::return_to::ReturnTo;
use super::session::{EnrollingFormSubmission, EnrollingPageSession, FormSubmission, PageParams};
use super::static_files::{ASSETS, Assets};
use super::time::When;
use crate::operators::OperatorState;
use crate::operators::caller::{Caller, Gate};
use crate::operators::error::ApiError;
use crate::services::{FactorError, FactorStanding, NewSecret};

/// The side of the QR code, CSS pixels.
const QR_PIXELS: u32 = 232;

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage {
    assets: &'static Assets,
    problem: Option<String>,
    /// Whether the person must set it up before anything else.
    must_enroll: bool,
    user: String,
    csrf: String,
    next: Option<ReturnTo>,
    step: Step,
}

/// The state of the page.
enum Step {
    /// No second factor: the password must be entered first.
    Begin,
    /// A secret to confirm: its QR code as SVG, and as text in groups of four.
    Confirm { picture: String, secret: String },
    /// Recovery codes, shown once.
    Codes(Vec<String>),
    /// It is on.
    On { since: When, codes_left: i64, is_required: bool },
}

/// The page to return to.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    next: String,
}

fn shown(caller: &Caller, next: &str, step: Step, problem: Option<String>) -> Response {
    page(&SecondFactorPage {
        assets: &ASSETS,
        problem,
        must_enroll: Gate::of(caller) == Some(Gate::Enrollment) && !matches!(step, Step::Codes(_)),
        user: caller.actor.name.clone(),
        csrf: caller.csrf.clone(),
        next: ReturnTo::parse(next),
        step,
    })
}

fn confirm(new: &NewSecret) -> Step {
    let letters: Vec<char> = new.secret.chars().collect();
    let secret = letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ");
    Step::Confirm { picture: picture(&new.address), secret }
}

/// A QR code as SVG; empty if the address is too long for one. The secret is shown as text as well.
fn picture(address: &str) -> String {
    let Ok(code) = QrCode::new(address) else { return String::new() };
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(QR_PIXELS, QR_PIXELS).build();
    // Without the XML declaration, which a page can't have.
    drawn.find("<svg").and_then(|at| drawn.get(at..)).unwrap_or_default().to_owned()
}

/// The state of the page when it is opened.
async fn standing(state: &OperatorState, caller: &Caller) -> Result<Step, FactorError> {
    let FactorStanding { since, recovery_codes_left, is_required } =
        state.services.second_factors.standing(caller).await?;
    Ok(since.map_or(Step::Begin, |since| Step::On {
        since: When::new(since, Timestamp::now()),
        codes_left: recovery_codes_left,
        is_required,
    }))
}

/// `GET /second-factor`
pub(super) async fn show(
    State(state): State<OperatorState>,
    EnrollingPageSession(caller): EnrollingPageSession,
    PageParams(query): PageParams<Query>,
) -> Result<Response, PageError> {
    let step = standing(&state, &caller).await?;
    Ok(shown(&caller, &query.next, step, None))
}

/// Shows a step again with an error that the person can correct.
fn refused(caller: &Caller, next: &str, step: Step, error: FactorError) -> Result<Response, PageError> {
    let ApiError(problem) = error.into();
    match problem.code {
        ProblemCode::Forbidden | ProblemCode::MalformedBody | ProblemCode::Conflict => {
            let again = shown(caller, next, step, Some(sentence(problem.detail)));
            Ok((StatusCode::BAD_REQUEST, again).into_response())
        }
        ProblemCode::BodyTooLarge
        | ProblemCode::UnsupportedEncoding
        | ProblemCode::NotFound
        | ProblemCode::SequenceGap
        | ProblemCode::PreconditionFailed
        | ProblemCode::PreconditionRequired
        | ProblemCode::Unauthorized
        | ProblemCode::Overloaded
        | ProblemCode::Internal => Err(PageError(ApiError(problem))),
    }
}

/// `POST /second-factor`: the field `do` names the action.
pub(super) async fn submit(
    State(state): State<OperatorState>,
    EnrollingFormSubmission(FormSubmission { caller, fields }): EnrollingFormSubmission,
) -> Result<Response, PageError> {
    let (factors, next) = (&state.services.second_factors, fields.text("next"));
    let password = fields.text("password");
    let done = match fields.text("do") {
        "begin" => factors.begin(&caller, password).await.map(|new| confirm(&new)),
        "confirm" => factors.confirm(&caller, fields.text("code")).await.map(Step::Codes),
        "codes" => factors.renew_recovery_codes(&caller, password).await.map(Step::Codes),
        "remove" => match factors.remove(&caller, password).await {
            Ok(()) => return Ok(Redirect::to("/?done=no-second-factor").into_response()),
            Err(error) => Err(error),
        },
        _ => return Err(ApiError::malformed("the form names no action").into()),
    };
    match done {
        Ok(step) => Ok(shown(&caller, next, step, None)),
        Err(error) => {
            let is_wrong_code = matches!(error, FactorError::WrongCode);
            let begun = if is_wrong_code { factors.begun(&caller).await? } else { None };
            let step = match begun {
                Some(new) => confirm(&new),
                None => standing(&state, &caller).await?,
            };
            refused(&caller, next, step, error)
        }
    }
}
