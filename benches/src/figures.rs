//! Figures as they are printed: name, value, unit, and what they were taken from.

use std::io::Write;

use serde_json::json;

/// Prints figures one by one.
#[derive(Debug)]
pub(crate) struct Figures {
    json: bool,
}

impl Figures {
    /// For people, or one JSON object for each.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a figure.
    pub(crate) fn print(&mut self, name: &str, value: f64, unit: &str, note: &str) {
        let line = if self.json {
            json!({"figure": name, "value": value, "unit": unit, "note": note}).to_string()
        } else {
            format!("{name:<52} {value:>12.1} {unit:<10} {note}")
        };
        // A closed pipe ends the printing, nothing else.
        drop(writeln!(std::io::stdout().lock(), "{line}"));
    }

    /// Tells that a peer isn't installed.
    pub(crate) fn skip(&self, peer: &str) {
        drop(writeln!(std::io::stderr().lock(), "benches: {peer} isn't installed: skipped"));
    }

    /// Tells why measuring ended early.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        drop(writeln!(std::io::stderr().lock(), "benches: {error:#}"));
    }
}
