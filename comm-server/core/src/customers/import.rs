//! Rows of a CSV table of customers and sites: one row per site, or per customer without sites.

use super::{Address, CustomerSpec, SiteSpec};
use crate::fields::InvalidField;
use crate::settings::Setting;
use wire::ids::GatewayId;

/// The columns, in the order of an export.
const COLUMNS: [&str; 11] = [
    "customer",
    "customer_erp_key",
    "site",
    "site_erp_key",
    "time_zone",
    "street",
    "postal_code",
    "city",
    "region",
    "country",
    "gateways",
];

/// Maximum number of gateways in a row.
const GATEWAYS: usize = 100;

/// The contents of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// The customer.
    pub customer: CustomerSpec,
    /// Its site, if the row has one.
    pub site: Option<ImportSite>,
}

/// The site of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSite {
    /// The site.
    pub spec: SiteSpec,
    /// The site's own time zone; `None` inherits.
    pub time_zone: Option<String>,
    /// Gateways to assign to it.
    pub gateways: Vec<GatewayId>,
}

/// Why a row is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A field is invalid.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// A field of a site is given, but no site.
    #[error("{column} has a value, but the row has no site: expected a name in the column site")]
    NoSite {
        /// The column.
        column: &'static str,
    },
}

impl RowError {
    /// The invalid column.
    #[must_use]
    pub const fn column(&self) -> &'static str {
        match self {
            Self::Field(field) => field.field,
            Self::NoSite { .. } => "site",
        }
    }
}

/// Names of the columns.
#[must_use]
pub const fn columns() -> &'static [&'static str] {
    &COLUMNS
}

/// Parses a row; `cell` returns the text of a column, "" if the file doesn't have the column.
///
/// # Errors
/// The first invalid column.
pub fn parse_row<'a>(cell: impl Fn(&str) -> &'a str) -> Result<ImportRow, RowError> {
    let renamed = |column| {
        move |error: InvalidField| {
            let column = if error.field == "name" { column } else { error.field };
            InvalidField { field: column, ..error }
        }
    };
    let key = |column| {
        move |error: InvalidField| {
            let column = if error.field == "erp_key" { column } else { error.field };
            InvalidField { field: column, ..error }
        }
    };
    let customer = CustomerSpec {
        name: unguarded(cell("customer")).to_owned(),
        erp_key: unguarded(cell("customer_erp_key")).to_owned(),
    };
    let customer = customer.checked().map_err(renamed("customer")).map_err(key("customer_erp_key"))?;
    if cell("site").trim().is_empty() {
        let given = COLUMNS.into_iter().skip(3).find(|column| !cell(column).trim().is_empty());
        return match given {
            Some(column) => Err(RowError::NoSite { column }),
            None => Ok(ImportRow { customer, site: None }),
        };
    }
    let line = |column: &str| unguarded(cell(column)).to_owned();
    let spec = SiteSpec {
        name: line("site"),
        erp_key: line("site_erp_key"),
        address: Address {
            street: line("street"),
            postal_code: line("postal_code"),
            city: line("city"),
            region: line("region"),
            country: line("country"),
        },
    };
    let spec = spec.checked().map_err(renamed("site")).map_err(key("site_erp_key"))?;
    let time_zone = cell("time_zone").trim();
    let time_zone = (!time_zone.is_empty()).then(|| Setting::TimeZone.parse(time_zone)).transpose()?;
    Ok(ImportRow {
        customer,
        site: Some(ImportSite { spec, time_zone, gateways: gateways(cell("gateways"))? }),
    })
}

fn gateways(cell: &str) -> Result<Vec<GatewayId>, InvalidField> {
    const EXPECTED: &str = "at most 100 gateway ids, separated by spaces";
    let names: Vec<&str> = cell.split_ascii_whitespace().collect();
    if names.len() > GATEWAYS {
        return Err(InvalidField::new("gateways", cell, EXPECTED));
    }
    let id = |name: &str| name.parse().map_err(|_| InvalidField::new("gateways", name, EXPECTED));
    names.into_iter().map(id).collect()
}

/// The text of a cell, without the apostrophe that an export puts before a text which a spreadsheet would run as a
/// formula.
fn unguarded(cell: &str) -> &str {
    let trimmed = cell.trim();
    trimmed.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(trimmed)
}

/// Whether a spreadsheet would run the text of a cell as a formula (OWASP, CSV injection).
pub(super) fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A text as the cell of a table; one that a spreadsheet would run as a formula begins with an apostrophe.
#[must_use]
pub fn guarded(cell: String) -> String {
    if is_formula(&cell) { format!("'{cell}") } else { cell }
}
