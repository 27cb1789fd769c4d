//! `list`: every certificate issued, and its state.

use std::path::PathBuf;

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use pki::authority::{Authority, Listed, State};
use pki::revocation_reason::RevocationReason;

use super::{Answer, seconds};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the authority.
    #[arg(long)]
    dir: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let listed = Authority::open(&arguments.dir)?.certificates(Timestamp::now())?;
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["PARTY", "STATE", "SERIAL", "ISSUED", "UNTIL"]);
    for certificate in &listed {
        let record = &certificate.record;
        table.add_row([
            record.id.to_string(),
            state(certificate),
            record.serial.clone(),
            seconds(record.issued_at),
            record.not_after.to_string(),
        ]);
    }
    Answer::new(table.trim_fmt(), &listed)
}

fn state(certificate: &Listed) -> String {
    match (certificate.state, certificate.reason) {
        (State::Valid, _) => "valid".to_owned(),
        (State::Expired, _) => "expired".to_owned(),
        (State::Revoked, reason) => format!("revoked ({})", reason.unwrap_or(RevocationReason::Unspecified)),
    }
}
