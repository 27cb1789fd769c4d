//! `/customers/import`: the result for each row of a file; `/customers/export.csv`: the table.

use std::io::Cursor;

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use comm_server_core::roles::Permission;

use super::error::{PageError, page};
use super::icon::Icon;
use super::layout::Layout;
use super::session::{PageSession, UploadSubmission};
use super::time::grouped;
use crate::operators::OperatorState;
use crate::operators::error::ApiError;
use crate::services::{FileOutcome, ImportMode, WrongRow, customer_file};

/// The largest form: a file and its frame.
pub(super) const FORM_BYTES: usize = (32 << 20) + (64 << 10);

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    layout: Layout,
    title: &'static str,
    counts: Vec<(&'static str, String)>,
    errors: Vec<WrongRow>,
    /// Number of invalid rows that are not listed.
    more: Option<String>,
}

/// `POST /customers/import`
pub(super) async fn import(
    State(state): State<OperatorState>,
    UploadSubmission { caller, fields, file }: UploadSubmission,
) -> Result<Response, PageError> {
    let mode = match fields.text("mode") {
        "whole" => ImportMode::Whole,
        "check" => ImportMode::Check,
        "skip_wrong" => ImportMode::SkipWrong,
        _ => return Err(ApiError::malformed("the form's mode is unknown").into()),
    };
    let customers = &state.services.customers;
    let outcome = customers.import_file(&caller.actor, Cursor::new(file), mode, |_| ()).await?;
    let layout = Layout::new(&caller, "/customers", None);
    Ok(page(&import_page(layout, mode, outcome)))
}

fn import_page(layout: Layout, mode: ImportMode, outcome: FileOutcome) -> ImportPage {
    let number = |count: u64| grouped(i64::try_from(count).unwrap_or(i64::MAX));
    let title = match (outcome.applied, mode, outcome.wrong) {
        (true, _, 0) => "The file was imported",
        (true, _, _) => "The file was imported, without its invalid rows",
        (false, ImportMode::Check, 0) => "All rows are valid; nothing was changed",
        (false, _, _) => "Rows are invalid; nothing was changed",
    };
    let counts = [
        ("Rows", outcome.rows),
        ("New", outcome.created),
        ("Changed", outcome.changed),
        ("Unchanged", outcome.unchanged),
        ("Wrong", outcome.wrong),
    ];
    let unlisted = outcome.wrong.saturating_sub(outcome.errors.len() as u64);
    ImportPage {
        layout,
        title,
        counts: counts.into_iter().map(|(title, count)| (title, number(count))).collect(),
        errors: outcome.errors,
        more: (unlisted > 0).then(|| number(unlisted)),
    }
}

/// `GET /customers/export.csv`
pub(super) async fn export(
    State(state): State<OperatorState>,
    PageSession(caller): PageSession,
) -> Result<Response, PageError> {
    let table = customer_file::export(&state.view(&caller, Permission::SeeFleet)?).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"customers.csv\""),
    ];
    // From the byte order mark, spreadsheets know that the file is UTF-8.
    Ok((headers, format!("\u{feff}{table}")).into_response())
}
