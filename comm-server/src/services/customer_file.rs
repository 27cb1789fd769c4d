//! CSV files of customers and sites (RFC 4180). A file is read twice, so that one with an invalid row changes
//! nothing.

mod lines;

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};

use comm_server_core::customers::{self, CustomerSpec, ImportRow, guarded, parse_row};
use serde::Serialize;

use super::Actor;
use super::customers::{Customers, CustomersError, check_time_zone};
use super::view::View;
use crate::store::{Customer, CustomerFilter, IMPORT_ROWS, Imported, Site, SiteFilter, StoreError};
use lines::LineFeeds;

/// Maximum number of rows of a file, without its header.
pub(crate) const FILE_ROWS: u64 = 200_000;

/// The longest row, bytes.
const ROW_BYTES: usize = 16 << 10;

/// Maximum number of invalid rows that are listed; the others are counted.
const LISTED: usize = 1000;

/// The result of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct FileOutcome {
    /// Rows of the file.
    pub rows: u64,
    /// Number of rows that created a customer or a site.
    pub created: u64,
    /// Number of rows that changed one.
    pub changed: u64,
    /// Number of rows without an effect.
    pub unchanged: u64,
    /// Number of invalid rows.
    pub wrong: u64,
    /// Whether something was changed. Nothing is changed if a row is invalid, unless invalid rows are skipped.
    pub(crate) applied: bool,
    /// The invalid rows, at most 1,000.
    pub errors: Vec<WrongRow>,
}

/// An invalid row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WrongRow {
    /// Its line in the file; the header is line 1.
    pub line: u64,
    /// The column, "" for the whole row.
    pub column: String,
    /// What is wrong, and what was expected.
    pub detail: String,
}

/// What an import does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportMode {
    /// Validate every row, change nothing.
    Check,
    /// Change nothing if a row is invalid.
    Whole,
    /// Import the valid rows.
    SkipWrong,
}

/// Why a file can't be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The import failed in a service.
    #[error(transparent)]
    Customers(#[from] CustomersError),
    /// The header lacks a column.
    #[error(
        "line 1 has no column {missing:?}: expected the names {}", customers::columns().join(", ")
    )]
    NoColumn {
        /// The column.
        missing: &'static str,
    },
    /// The header has an unknown column.
    #[error(
        "line 1 has a column {column:?}: expected only {}", customers::columns().join(", ")
    )]
    UnknownColumn {
        /// Its name.
        column: String,
    },
    /// A line is not UTF-8.
    #[error("line {line} is not UTF-8: save the file as \"CSV UTF-8\"")]
    Encoding {
        /// The line.
        line: u64,
    },
    /// The file has too many rows.
    #[error("the file has more than {FILE_ROWS} rows: split it")]
    TooLong,
    /// The file is not a CSV table.
    #[error("the file is not a CSV table (RFC 4180)")]
    Csv(#[source] csv::Error),
    /// The file can't be read.
    #[error("the file can't be read")]
    Read(#[source] std::io::Error),
}

impl From<StoreError> for FileError {
    fn from(error: StoreError) -> Self {
        Self::Customers(error.into())
    }
}

impl From<csv::Error> for FileError {
    fn from(error: csv::Error) -> Self {
        if let csv::ErrorKind::Utf8 { pos, .. } = error.kind() {
            return Self::Encoding { line: pos.as_ref().map_or(1, csv::Position::line) };
        }
        Self::Csv(error)
    }
}

/// The position of each column in a file.
struct Head(Vec<Option<usize>>);

impl Head {
    fn of(record: &csv::StringRecord) -> Result<Self, FileError> {
        let names: Vec<String> = record
            .iter()
            .map(|name| name.trim().trim_start_matches('\u{feff}').to_ascii_lowercase())
            .collect();
        if let Some(unknown) =
            names.iter().find(|name| !name.is_empty() && !customers::columns().contains(&name.as_str()))
        {
            return Err(FileError::UnknownColumn { column: unknown.chars().take(60).collect() });
        }
        if !names.iter().any(|name| name == "customer") {
            return Err(FileError::NoColumn { missing: "customer" });
        }
        let place = |column: &&str| names.iter().position(|name| name == column);
        Ok(Self(customers::columns().iter().map(place).collect()))
    }

    fn cell<'r>(&self, record: &'r csv::StringRecord, column: &str) -> &'r str {
        let place = customers::columns().iter().position(|own| *own == column).and_then(|at| self.0.get(at));
        place.copied().flatten().and_then(|at| record.get(at)).unwrap_or_default()
    }
}

/// The contents of earlier rows, to find rows that contradict each other before any is imported.
#[derive(Default)]
struct Seen {
    /// Keys of customers with their names, and the reverse.
    customer_keys: HashMap<String, String>,
    customer_names: HashMap<String, String>,
    /// Keys of sites with customer and name.
    site_keys: HashMap<String, (String, String)>,
    sites: HashSet<(String, String)>,
}

impl Seen {
    /// The column and the reason of a row that contradicts an earlier one.
    fn contradiction(&mut self, row: &ImportRow) -> Option<(&'static str, String)> {
        let CustomerSpec { name, erp_key } = &row.customer;
        let known = self.customer_names.entry(name.clone()).or_insert_with(|| erp_key.clone());
        if known != erp_key {
            let detail =
                format!("customer {name} has the key {known:?} in an earlier row: expected the same");
            return Some(("customer_erp_key", detail));
        }
        if !erp_key.is_empty() {
            let known = self.customer_keys.entry(erp_key.clone()).or_insert_with(|| name.clone());
            if known != name {
                let detail = format!("{erp_key:?} is the key of customer {known} in an earlier row");
                return Some(("customer_erp_key", detail));
            }
        }
        let site = &row.site.as_ref()?.spec;
        let place = (name.clone(), site.name.clone());
        if !site.erp_key.is_empty() {
            let known = self.site_keys.entry(site.erp_key.clone()).or_insert_with(|| place.clone());
            if *known != place {
                let detail = format!("{:?} is the key of site {} in an earlier row", site.erp_key, known.1);
                return Some(("site_erp_key", detail));
            }
        }
        if self.sites.insert(place) {
            return None;
        }
        Some(("site", format!("site {} of customer {name} is in an earlier row already", site.name)))
    }
}

/// The delimiter of a table. Spreadsheets write `;` in locales in which `,` is the decimal separator.
fn delimiter(head: &str) -> u8 {
    let count = |c: char| head.matches(c).count();
    [';', '\t']
        .into_iter()
        .find(|c| count(*c) > count(','))
        .map_or(b',', |c| if c == ';' { b';' } else { b'\t' })
}

fn row(head: &Head, record: &csv::StringRecord, line: u64) -> Result<ImportRow, WrongRow> {
    let wrong = |column: &str, detail: String| WrongRow { line, column: column.to_owned(), detail };
    if record.as_slice().len() > ROW_BYTES {
        return Err(wrong("", format!("the row is longer than {ROW_BYTES} bytes")));
    }
    let row = parse_row(|column| head.cell(record, column))
        .map_err(|error| wrong(error.column(), error.to_string()))?;
    if let Some(zone) = row.site.as_ref().and_then(|site| site.time_zone.as_deref()) {
        check_time_zone(zone).map_err(|error| wrong(error.field, error.to_string()))?;
    }
    Ok(row)
}

impl FileOutcome {
    fn count(&mut self, line: u64, outcome: Result<Imported, crate::store::ChangeError>) {
        match outcome {
            Ok(Imported::Created) => self.created += 1,
            Ok(Imported::Changed) => self.changed += 1,
            Ok(Imported::Unchanged) => self.unchanged += 1,
            Err(refused) => {
                self.refuse(WrongRow { line, column: String::new(), detail: refused.to_string() });
            }
        }
    }

    fn refuse(&mut self, row: WrongRow) {
        self.wrong += 1;
        if self.errors.len() < LISTED {
            self.errors.push(row);
        }
    }
}

impl Customers {
    /// Imports a CSV table of customers and sites. The whole file is validated first; then rows are imported in
    /// groups, each in a transaction. An interrupted import can be repeated: rows that are unchanged have no effect.
    ///
    /// `progress` receives the number of rows that are done.
    ///
    /// # Errors
    /// The file is not such a table, the role does not allow it, or the store failed. Invalid rows are in the
    /// outcome.
    pub(crate) async fn import_file<R: Read + Seek + Send>(
        &self,
        actor: &Actor,
        mut file: R,
        mode: ImportMode,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<FileOutcome, FileError> {
        let checked = self.pass(actor, &mut file, true, &mut progress).await?;
        let refuses = mode == ImportMode::Check || (mode == ImportMode::Whole && checked.wrong > 0);
        if refuses {
            return Ok(checked);
        }
        let mut done = self.pass(actor, &mut file, false, &mut progress).await?;
        done.applied = true;
        Ok(done)
    }

    async fn pass<R: Read + Seek + Send>(
        &self,
        actor: &Actor,
        file: &mut R,
        only_check: bool,
        progress: &mut (impl FnMut(u64) + Send),
    ) -> Result<FileOutcome, FileError> {
        file.rewind().map_err(FileError::Read)?;
        let delimiter = delimiter(&first_line(file)?);
        file.rewind().map_err(FileError::Read)?;
        // Every line ends with a line feed, the last one too: then the position after a row is the line after it.
        let lines = LineFeeds::new(file).chain(&b"\n"[..]);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(lines);
        let mut record = csv::StringRecord::new();
        reader.read_record(&mut record)?;
        let head = Head::of(&record)?;
        let mut outcome = FileOutcome::default();
        let mut portion: Vec<(u64, ImportRow)> = Vec::with_capacity(IMPORT_ROWS);
        let mut seen = Seen::default();
        while reader.read_record(&mut record)? {
            if record.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            outcome.rows += 1;
            if outcome.rows > FILE_ROWS {
                return Err(FileError::TooLong);
            }
            let inside = record.as_slice().matches('\n').count() as u64;
            let line = reader.position().line().saturating_sub(1 + inside);
            match row(&head, &record, line) {
                Ok(row) => match seen.contradiction(&row) {
                    None => portion.push((line, row)),
                    Some((column, detail)) => {
                        outcome.refuse(WrongRow { line, column: column.to_owned(), detail });
                    }
                },
                Err(wrong) => outcome.refuse(wrong),
            }
            if portion.len() == IMPORT_ROWS {
                self.take(actor, std::mem::take(&mut portion), only_check, &mut outcome).await?;
                progress(outcome.rows);
            }
        }
        self.take(actor, portion, only_check, &mut outcome).await?;
        progress(outcome.rows);
        outcome.errors.sort_by_key(|row| row.line);
        Ok(outcome)
    }

    async fn take(
        &self,
        actor: &Actor,
        portion: Vec<(u64, ImportRow)>,
        only_check: bool,
        outcome: &mut FileOutcome,
    ) -> Result<(), CustomersError> {
        let (lines, rows): (Vec<u64>, Vec<ImportRow>) = portion.into_iter().unzip();
        for (line, result) in lines.into_iter().zip(self.import(actor, rows, only_check).await?) {
            outcome.count(line, result);
        }
        Ok(())
    }
}

/// The first line, up to the maximum length of a row.
fn first_line(file: &mut impl Read) -> Result<String, FileError> {
    let mut head = Vec::with_capacity(ROW_BYTES);
    file.take(ROW_BYTES as u64).read_to_end(&mut head).map_err(FileError::Read)?;
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// The table of all customers and sites in a view. A cell that a spreadsheet would run as a formula is preceded by an
/// apostrophe.
///
/// # Errors
/// The store failed.
pub(crate) async fn export(view: &View) -> Result<String, StoreError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |cells: &[&str]| {
        let guarded = cells.iter().map(|cell| guarded((*cell).to_owned()));
        writer.write_record(guarded).expect("memory takes every record of the same length");
    };
    write(customers::columns());
    let mut cursor = None;
    loop {
        let page = view.customers(&CustomerFilter::default(), cursor.as_deref()).await?;
        for customer in &page.items {
            export_customer(view, customer, &mut write).await?;
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let bytes = writer.into_inner().unwrap_or_default();
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

async fn export_customer(
    view: &View,
    customer: &Customer,
    write: &mut (impl FnMut(&[&str]) + Send),
) -> Result<(), StoreError> {
    let (name, key) = (customer.spec.name.as_str(), customer.spec.erp_key.as_str());
    if customer.sites == 0 {
        write(&[name, key, "", "", "", "", "", "", "", "", ""]);
        return Ok(());
    }
    let filter = SiteFilter { customer: Some(customer.id), ..SiteFilter::default() };
    let mut cursor = None;
    loop {
        let page = view.sites(&filter, cursor.as_deref()).await?;
        for Site { id, spec, .. } in &page.items {
            let zone = view.own_time_zone(*id).await?;
            let gateways: Vec<String> = view.gateways_of(*id).await?.into_iter().map(Into::into).collect();
            let gateways = gateways.join(" ");
            let a = &spec.address;
            write(&[
                name,
                key,
                &spec.name,
                &spec.erp_key,
                &zone,
                &a.street,
                &a.postal_code,
                &a.city,
                &a.region,
                &a.country,
                &gateways,
            ]);
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}
