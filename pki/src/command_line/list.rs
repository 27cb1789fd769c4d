//! `list`: every certificate issued.

use std::path::PathBuf;

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use pki::authority::Authority;

use super::Answer;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The authority's folder.
    #[arg(long)]
    dir: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let records = Authority::open(&arguments.dir)?.issued()?;
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["PARTY", "SERIAL", "ISSUED", "UNTIL"]);
    for record in &records {
        table.add_row([
            record.id.to_string(),
            record.serial.clone(),
            record.issued_at.to_string(),
            record.not_after.to_string(),
        ]);
    }
    Answer::new(table.trim_fmt(), &records)
}
