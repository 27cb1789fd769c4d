//! The audit as a file: a CSV table (RFC 4180), or one JSON document per line.

use comm_server_core::customers::guarded;
use serde_json::{Value, json};

use crate::store::Recorded;

/// The columns of the table.
const COLUMNS: [&str; 9] = ["number", "at", "who", "what", "detail", "before", "after", "entry", "hash"];

/// The format of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuditFormat {
    /// A table with one row per entry.
    Csv,
    /// One JSON document per entry.
    JsonLines,
}

impl AuditFormat {
    /// The header, before the first entry.
    #[must_use]
    pub(crate) fn head(self) -> String {
        match self {
            Self::Csv => table(std::iter::once(COLUMNS.map(str::to_owned))),
            Self::JsonLines => String::new(),
        }
    }

    /// The lines of some entries.
    #[must_use]
    pub(crate) fn lines(self, entries: &[Recorded]) -> String {
        match self {
            Self::Csv => table(entries.iter().map(row)),
            Self::JsonLines => entries.iter().map(|entry| format!("{}\n", document(entry))).collect(),
        }
    }
}

/// An entry as a JSON document.
#[must_use]
pub(crate) fn document(e: &Recorded) -> Value {
    json!({
        "number": e.number, "at": e.at, "who": e.who, "what": e.what, "detail": e.detail,
        "before": e.before, "after": e.after, "entry": e.entry, "hash": e.hash,
    })
}

fn row(e: &Recorded) -> [String; 9] {
    let document = |state: &Option<Value>| state.as_ref().map(Value::to_string).unwrap_or_default();
    [
        e.number.map(|number| number.to_string()).unwrap_or_default(),
        e.at.to_string(),
        e.who.clone(),
        e.what.clone(),
        e.detail.clone(),
        document(&e.before),
        document(&e.after),
        e.entry.clone(),
        e.hash.clone().unwrap_or_default(),
    ]
}

/// Rows of a table. A cell that a spreadsheet would run as a formula is preceded by an apostrophe.
fn table(rows: impl Iterator<Item = [String; 9]>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let guarded = row.map(guarded);
        writer.write_record(guarded).expect("memory takes every record of the same length");
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_a_line_is_a_document() {
        let entry = Recorded {
            entry: "e".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            who: "=cmd()".to_owned(),
            what: "customer.change".to_owned(),
            detail: "two\nlines, \"quoted\"".to_owned(),
            before: None,
            after: Some(json!({"name": "Meyer"})),
            number: Some(7),
            hash: None,
        };
        let text = AuditFormat::Csv.head() + &AuditFormat::Csv.lines(std::slice::from_ref(&entry));
        let expected = "number,at,who,what,detail,before,after,entry,hash\n\
            7,1970-01-01T00:00:00Z,'=cmd(),customer.change,\"two\nlines, \"\"quoted\"\"\",,\"{\"\"name\"\":\"\"Meyer\"\"}\",e,\n";
        assert_eq!(text, expected);
        let lines = AuditFormat::JsonLines.lines(&[entry.clone(), entry]);
        let documents: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((documents.len(), documents[0]["after"]["name"].as_str()), (2, Some("Meyer")));
    }
}
