//! `token`: creates a one-time enrollment token.

use std::path::PathBuf;

use clap::Args;
use jiff::{Timestamp, ToSpan as _};
use pki::authority::{Authority, HasValid, Record};
use serde_json::json;

use super::Answer;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the authority.
    #[arg(long)]
    dir: PathBuf,
    /// Id of the gateway: the last part of its SPIFFE ID.
    #[arg(long)]
    id: String,
    /// Hours until the token expires.
    #[arg(long, default_value_t = 24, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=2160))]
    hours: u32,
    /// Id of the dealer that the gateway will belong to: required where the server has several.
    #[arg(long, value_name = "ID", value_parser = dealer)]
    dealer: Option<String>,
    /// The gateway may have a valid certificate, which is revoked when the token is used.
    #[arg(long)]
    replace: bool,
}

/// An id of a dealer, as the communication server has it.
fn dealer(given: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
    if (1..=64).contains(&given.len()) && given.chars().all(known) {
        return Ok(given.to_owned());
    }
    Err("expected 1 to 64 of a-z, 0-9, '-', '.' and '_'".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let authority = Authority::open(&arguments.dir)?;
    let now = Timestamp::now();
    let expires_at = now.checked_add(i64::from(arguments.hours).hours())?;
    let has_valid = if arguments.replace { HasValid::Replace } else { HasValid::Refuse };
    let (token, record) =
        authority.token(&arguments.id, (has_valid, arguments.dealer.clone()), now, expires_at)?;
    let former = authority.valid(&record.gateway.party, now)?;
    let replaced: String = former
        .iter()
        .map(|Record { serial, not_after, .. }| {
            format!("\nIts certificate {serial}, valid until {not_after}, is revoked when the token is used: publish new lists then (`platen-pki crl`).")
        })
        .collect();
    let text = format!(
        "{}\nEnrolls {} once, until {}. It is a secret: give it only to the person who installs the gateway.{replaced}\n\
         Record for a server that does not share this folder:\n{}",
        token.expose(),
        record.gateway,
        record.expires_at,
        serde_json::to_string(&record)?
    );
    let value = json!({
        "token": token.expose(),
        "gateway": record.gateway,
        "expires_at": record.expires_at,
        "root_fingerprint_sha256": hex::encode(token.root_sha256),
        "record": record,
        "replaces": former.iter().map(|record| &record.serial).collect::<Vec<_>>(),
    });
    Answer::new(text, &value)
}
