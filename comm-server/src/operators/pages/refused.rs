//! Refusals as pages.

use askama::Template;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use wire::problem::ProblemCode;

use super::assets::{ASSETS, Assets};
use crate::operators::password::HashError;
use crate::operators::refused::Refused;
use crate::store::{RolloutError, StoreError};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    assets: &'static Assets,
    title: &'static str,
    detail: String,
}

/// A refusal that people read.
pub(super) struct PageRefused(pub(super) Refused);

impl From<Refused> for PageRefused {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl From<StoreError> for PageRefused {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl From<HashError> for PageRefused {
    fn from(error: HashError) -> Self {
        Self(error.into())
    }
}

impl From<RolloutError> for PageRefused {
    fn from(error: RolloutError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageRefused {
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
            | ProblemCode::Conflict => "That did not work",
        };
        let mut detail = problem.detail;
        if let Some(first) = detail.get(..1).map(str::to_uppercase) {
            detail.replace_range(..1, &first);
        }
        detail.push('.');
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, page(&ProblemPage { assets: &ASSETS, title, detail })).into_response()
    }
}

/// Renders a page.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => Refused::internal(&error).into_response(),
    }
}

/// Any path that isn't a page.
pub(super) async fn nothing_here(uri: Uri) -> Response {
    let detail = format!("there is no page {}", uri.path().chars().take(100).collect::<String>());
    std::future::ready(PageRefused(Refused::new(ProblemCode::NotFound, detail)).into_response()).await
}
