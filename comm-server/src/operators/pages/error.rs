//! Errors as pages.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use wire::problem::ProblemCode;

use super::icon::Icon;
use super::layout::Layout;
use super::static_files::{ASSETS, Assets};
use crate::operators::OperatorState;
use crate::operators::caller::{Gate, identify};
use crate::operators::error::ApiError;

/// An error that becomes a page as soon as it is known who requests it.
#[derive(Debug, Clone)]
struct Told {
    title: &'static str,
    detail: String,
}

/// For a person without a session.
#[derive(Template)]
#[template(path = "problem.html")]
struct BareProblem {
    assets: &'static Assets,
    told: Told,
}

/// For a logged-in person, with navigation.
#[derive(Template)]
#[template(path = "problem_inside.html")]
struct ProblemInside {
    layout: Layout,
    told: Told,
}

/// An error that is sent as a page.
pub(super) struct PageError(pub(super) ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let problem = self.0.0;
        let title = match problem.code {
            ProblemCode::NotFound => "Nothing here",
            ProblemCode::Forbidden | ProblemCode::Unauthorized => "Not allowed",
            ProblemCode::Overloaded => "Too much at once",
            ProblemCode::Internal => "The server failed",
            ProblemCode::MalformedBody
            | ProblemCode::BodyTooLarge
            | ProblemCode::UnsupportedEncoding
            | ProblemCode::SequenceGap
            | ProblemCode::PreconditionFailed
            | ProblemCode::PreconditionRequired
            | ProblemCode::Conflict => "The request failed",
        };
        let detail = sentence(problem.detail);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let told = Told { title, detail };
        let mut response =
            (status, page(&BareProblem { assets: &ASSETS, told: told.clone() })).into_response();
        response.extensions_mut().insert(told);
        response
    }
}

/// The detail of a problem as a sentence.
pub(super) fn sentence(mut detail: String) -> String {
    if let Some(first) = detail.get(..1).map(str::to_uppercase) {
        detail.replace_range(..1, &first);
    }
    detail.push('.');
    detail
}

/// Adds the navigation to an error page if the person is logged in.
pub(super) async fn surround(State(state): State<OperatorState>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let mut response = next.run(request).await;
    let Some(told) = response.extensions_mut().remove::<Told>() else { return response };
    match identify(&state, &headers).await {
        Ok(caller) if Gate::of(&caller).is_none() => {
            let layout = Layout::new(&caller, "", None);
            (response.status(), page(&ProblemInside { layout, told })).into_response()
        }
        Ok(_) | Err(_) => response,
    }
}

/// Renders a page.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// The response to a path that doesn't exist.
pub(super) async fn nothing_here(uri: Uri) -> Response {
    let detail = format!("there is no page {}", uri.path().chars().take(100).collect::<String>());
    std::future::ready(PageError(ApiError::new(ProblemCode::NotFound, detail)).into_response()).await
}
