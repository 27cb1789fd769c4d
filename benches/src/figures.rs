//! Prints figures: name, value, unit, and what they were measured on.

use std::io::Write;

use serde_json::json;

/// Prints figures one by one.
#[derive(Debug)]
pub(crate) struct Figures {
    json: bool,
}

impl Figures {
    /// Prints for people, or one JSON object per figure.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn print(&mut self, name: &str, value: f64, unit: &str, note: &str) {
        let line = if self.json {
            json!({"figure": name, "value": value, "unit": unit, "note": note}).to_string()
        } else {
            format!("{name:<52} {value:>12.1} {unit:<10} {note}")
        };
        // A closed pipe ends the printing, nothing else.
        drop(writeln!(std::io::stdout().lock(), "{line}"));
    }

    /// Reports that a program for comparison isn't installed.
    pub(crate) fn skip(&self, peer: &str) {
        drop(writeln!(std::io::stderr().lock(), "benches: {peer} isn't installed: skipped"));
    }

    /// Reports why measuring ended early.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        drop(writeln!(std::io::stderr().lock(), "benches: {error:#}"));
    }
}
