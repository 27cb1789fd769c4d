//! `join-crl`: combines the revocation lists of several places into one bundle.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use pki::pem_file;
use pki::revocation::{self, Joined};
use serde_json::json;

use super::Answer;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Root certificate (PEM) to which every list must chain.
    #[arg(long)]
    root: PathBuf,
    /// File to create or replace, for `identity.crl` of the configurations.
    #[arg(long)]
    out: PathBuf,
    /// Files that `crl` wrote at each authority. The newest list of each authority is kept.
    #[arg(required = true, num_args = 1..=32)]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let roots = pem_file::certificates(&arguments.root)?;
    let Joined { pem, lists } = revocation::join(&arguments.files, &roots, Timestamp::now())?;
    let out = &arguments.out;
    let failed = || format!("cannot write {}", out.display());
    durable::write(out, pem.as_bytes(), 0o644).with_context(failed)?;
    let mut text = format!("{}", out.display());
    for (issuer, number, next_update) in &lists {
        text += &format!("\n  {issuer}  number {number}, next due {next_update}");
    }
    let lists: Vec<_> = lists
        .iter()
        .map(|(issuer, number, next_update)| {
            json!({ "issuer": issuer, "number": number, "next_update": next_update })
        })
        .collect();
    Answer::new(text, &json!({ "bundle": out, "lists": lists }))
}
