//! `/api/v1/customers`: customers, and their import and export as CSV.

use std::io::Cursor;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use comm_server_core::customers::CustomerSpec;
use comm_server_core::roles::Permission;
use comm_server_core::tenancy::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use wire::problem::ProblemCode;

use super::errors::{ReadErrors, WriteErrors};
use super::list::{List, PageParams, Paged, limited};
use crate::operators::OperatorState;
use crate::operators::caller::{Body, Caller, Params, Patch, PathIds};
use crate::operators::error::ApiError;
use crate::operators::precondition::{Precondition, created, versioned};
use crate::services::customer_file;
use crate::services::{FileOutcome, ImportMode, WrongRow};
use crate::store::{self, CustomerFilter};

/// The largest file, bytes.
pub(super) const FILE_BYTES: usize = 32 << 20;

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Customer {
    customer: Uuid,
    name: String,
    /// Its key in the ERP system, "" for none.
    erp_key: String,
    sites: i64,
    gateways: i64,
    /// Number of devices that its gateways know.
    devices: i64,
    devices_offline: i64,
    /// Increases by one with each change; the `ETag` of the customer.
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<store::Customer> for Customer {
    fn from(c: store::Customer) -> Self {
        Self {
            customer: c.id.0,
            name: c.spec.name,
            erp_key: c.spec.erp_key,
            sites: c.sites,
            gateways: c.gateways,
            devices: c.devices,
            devices_offline: c.devices_offline,
            version: c.version,
            created_at: c.created_at,
            updated_at: c.updated_at,
        }
    }
}

/// A customer to be created; to change one, the fields that change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomerFields {
    /// Unique among customers.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Its key in the ERP system, unique; "" for none.
    #[serde(default)]
    #[schema(max_length = 64)]
    erp_key: String,
}

/// The fields of a customer that change (RFC 7396).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a merge patch, which is applied as JSON")]
pub(super) struct CustomerPatch {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 64)]
    erp_key: Option<String>,
}

impl From<CustomerFields> for CustomerSpec {
    fn from(fields: CustomerFields) -> Self {
        Self { name: fields.name, erp_key: fields.erp_key }
    }
}

impl From<CustomerSpec> for CustomerFields {
    fn from(spec: CustomerSpec) -> Self {
        Self { name: spec.name, erp_key: spec.erp_key }
    }
}

/// The filter and position of a list of customers.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CustomerParams {
    /// Only those with this text in name or key.
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only those that changed at or after this time, by the server's clock.
    updated_since: Option<Timestamp>,
}

/// Customers by name.
#[utoipa::path(
    get, path = "/api/v1/customers", tag = "tree", operation_id = "list_customers", params(CustomerParams, PageParams),
    responses((status = 200, body = List<Customer>, description = "A page of customers"), ReadErrors)
)]
pub(super) async fn list(
    State(state): State<OperatorState>,
    caller: Caller,
    Paged(params, page): Paged<CustomerParams>,
) -> Result<Json<List<Customer>>, ApiError> {
    let text = limited("q", params.q.as_deref(), 400)?.unwrap_or_default().to_owned();
    let filter = CustomerFilter { text, updated_since: params.updated_since };
    let view = page.of(state.view(&caller, Permission::SeeFleet)?);
    Ok(Json(List::of(view.customers(&filter, page.cursor()).await?)))
}

/// One customer.
#[utoipa::path(
    get, path = "/api/v1/customers/{customer}", tag = "tree", operation_id = "read_customer",
    params(("customer" = Uuid, Path, description = "The customer's id")),
    responses((status = 200, body = Customer, description = "The customer; `ETag` is its version"), ReadErrors)
)]
pub(super) async fn one(
    State(state): State<OperatorState>,
    caller: Caller,
    PathIds(id): PathIds<CustomerId>,
) -> Result<(HeaderMap, Json<Customer>), ApiError> {
    let found = found(&state, &caller, id).await?;
    Ok((versioned(found.version), Json(found.into())))
}

async fn found(state: &OperatorState, caller: &Caller, id: CustomerId) -> Result<store::Customer, ApiError> {
    let found = state.services.views.now(&caller.actor, Permission::SeeFleet)?.customer(id).await?;
    found.ok_or_else(|| ApiError::not_found("customer"))
}

/// Create a customer.
#[utoipa::path(
    post, path = "/api/v1/customers", tag = "tree", operation_id = "create_customer",
    request_body = CustomerFields,
    params(("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 201, body = Customer, description = "Created; `Location` is its address"), WriteErrors)
)]
pub(super) async fn create(
    State(state): State<OperatorState>,
    caller: Caller,
    Body(new): Body<CustomerFields>,
) -> Result<(StatusCode, HeaderMap, Json<Customer>), ApiError> {
    let id = state.services.customers.create(&caller.actor, &new.into()).await?;
    let made = found(&state, &caller, id).await?;
    Ok((StatusCode::CREATED, created(&format!("/api/v1/customers/{id}"), made.version), Json(made.into())))
}

/// Change a customer.
#[utoipa::path(
    patch, path = "/api/v1/customers/{customer}", tag = "tree", operation_id = "change_customer",
    request_body(content = CustomerPatch, content_type = "application/merge-patch+json"),
    params(
        ("customer" = Uuid, Path, description = "The customer's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that the change is based on, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 200, body = Customer, description = "As it is now"), WriteErrors)
)]
pub(super) async fn change(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<CustomerId>,
    patch: Patch,
) -> Result<(HeaderMap, Json<Customer>), ApiError> {
    let current = found(&state, &caller, id).await?;
    let version = precondition.check(current.version)?;
    let fields: CustomerFields = patch.apply(&CustomerFields::from(current.spec))?;
    state.services.customers.change(&caller.actor, id, version, &fields.into()).await?;
    let now = found(&state, &caller, id).await?;
    Ok((versioned(now.version), Json(now.into())))
}

/// Delete a customer without sites.
#[utoipa::path(
    delete, path = "/api/v1/customers/{customer}", tag = "tree", operation_id = "delete_customer",
    params(
        ("customer" = Uuid, Path, description = "The customer's id"),
        ("if-match" = String, Header, description = "The `ETag` of the version that is to be deleted, or `*`"),
        ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token"),
    ),
    responses((status = 204, description = "Deleted"), WriteErrors)
)]
pub(super) async fn delete(
    State(state): State<OperatorState>,
    caller: Caller,
    precondition: Precondition,
    PathIds(id): PathIds<CustomerId>,
) -> Result<StatusCode, ApiError> {
    let version = precondition.check(found(&state, &caller, id).await?.version)?;
    state.services.customers.delete(&caller.actor, id, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an import does.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// Change nothing if a row is invalid.
    #[default]
    Whole,
    /// Validate every row, change nothing.
    Check,
    /// Import the valid rows.
    SkipWrong,
}

/// Parameters of an import.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportParams {
    #[serde(default)]
    #[param(inline)]
    mode: Mode,
}

/// The result of an import.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportOutcome {
    rows: u64,
    created: u64,
    changed: u64,
    unchanged: u64,
    wrong: u64,
    /// Whether something was changed.
    applied: bool,
    /// The invalid rows, at most 1,000.
    errors: Vec<ImportError>,
}

/// An invalid row.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportError {
    /// Its line in the file; the header is line 1.
    line: u64,
    /// The column, "" for the whole row.
    column: String,
    detail: String,
}

impl From<WrongRow> for ImportError {
    fn from(row: WrongRow) -> Self {
        Self { line: row.line, column: row.column, detail: row.detail }
    }
}

impl From<FileOutcome> for ImportOutcome {
    fn from(o: FileOutcome) -> Self {
        Self {
            rows: o.rows,
            created: o.created,
            changed: o.changed,
            unchanged: o.unchanged,
            wrong: o.wrong,
            applied: o.applied,
            errors: o.errors.into_iter().map(Into::into).collect(),
        }
    }
}

/// Create and change customers and sites from a CSV table with the columns of the export. The response lists each
/// invalid row.
#[utoipa::path(
    post, path = "/api/v1/customers/import", tag = "tree", operation_id = "import_customers",
    request_body(content = String, content_type = "text/csv"),
    params(ImportParams, ("x-csrf-token" = Option<String>, Header, description = "The session's `csrf`; not with an API token")),
    responses((status = 200, body = ImportOutcome, description = "The result of each row"), WriteErrors)
)]
pub(super) async fn import(
    State(state): State<OperatorState>,
    caller: Caller,
    Params(params): Params<ImportParams>,
    headers: HeaderMap,
    file: Bytes,
) -> Result<Json<ImportOutcome>, ApiError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("text/csv")) {
        let detail = "the body's media type is not known: expected text/csv";
        return Err(ApiError::new(ProblemCode::UnsupportedEncoding, detail));
    }
    let mode = match params.mode {
        Mode::Whole => ImportMode::Whole,
        Mode::Check => ImportMode::Check,
        Mode::SkipWrong => ImportMode::SkipWrong,
    };
    let customers = &state.services.customers;
    Ok(Json(customers.import_file(&caller.actor, Cursor::new(file), mode, |_| ()).await?.into()))
}

/// All customers and sites as a CSV table (RFC 4180).
#[utoipa::path(
    get, path = "/api/v1/customers/export", tag = "tree", operation_id = "export_customers",
    responses((status = 200, body = String, content_type = "text/csv", description = "The table"), ReadErrors)
)]
pub(super) async fn export(
    State(state): State<OperatorState>,
    caller: Caller,
) -> Result<impl IntoResponse, ApiError> {
    let table = customer_file::export(&state.view(&caller, Permission::SeeFleet)?).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"customers.csv\""),
    ];
    Ok((headers, table))
}
