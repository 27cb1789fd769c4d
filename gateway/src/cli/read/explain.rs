//! `--explain`: each request with its response, and the source of each value.

use std::io::{self, Write};

use gateway_core::reading::{ErrorStatus, Provenance, Response, Value, clean, objects};

use crate::snmp::Exchange;

/// Maximum number of octets of a value that are printed.
const SHOWN_OCTETS: usize = 60;

/// Prints the requests.
pub(super) fn requests(out: &mut dyn Write, exchanges: &[Exchange]) -> io::Result<()> {
    for (number, exchange) in exchanges.iter().enumerate() {
        let took = exchange.took.as_secs_f64() * 1_000.0;
        writeln!(out, "request {}: {} ({took:.1} ms)", number + 1, exchange.request)?;
        match &exchange.answer {
            Response::Varbinds(varbinds) => {
                for (oid, value) in varbinds {
                    writeln!(out, "    {} = {}", objects::name(oid.arcs()), show(value))?;
                }
            }
            Response::Error(refusal) => writeln!(out, "    refused: {}", reason(*refusal))?,
            Response::Timeout => writeln!(out, "    no response")?,
        }
    }
    Ok(())
}

/// Prints the source of each value.
pub(super) fn provenance(out: &mut dyn Write, provenance: &[Provenance]) -> io::Result<()> {
    for value in provenance {
        writeln!(out, "{} from {}", value.field, value.from)?;
    }
    Ok(())
}

/// RFC 3416 §3, error-status.
fn reason(refusal: ErrorStatus) -> String {
    match refusal {
        ErrorStatus::TooBig => "tooBig: the response would not fit".to_owned(),
        ErrorStatus::NoSuchName(place) => format!("noSuchName: object {place} doesn't exist"),
        ErrorStatus::Other => "another error".to_owned(),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Oid(oid) => oid.to_string(),
        Value::Missing => "nothing there".to_owned(),
        Value::EndOfView => "end".to_owned(),
        Value::Octets(octets) => {
            let shown = octets.get(..SHOWN_OCTETS).unwrap_or(octets);
            match std::str::from_utf8(shown) {
                Ok(text) if !text.chars().any(char::is_control) => format!("{:?}", clean(text)),
                Ok(_) | Err(_) => format!("{} octets {}", octets.len(), hex::encode(shown)),
            }
        }
    }
}
