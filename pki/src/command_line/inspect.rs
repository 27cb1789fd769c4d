//! `inspect`: describes the certificates of a PEM file.

use std::path::PathBuf;

use clap::Args;
use pki::inspect::{self, Description};
use serde_json::json;

use super::{Answer, against};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// PEM file with one or more certificates.
    file: PathBuf,
    #[command(flatten)]
    against: against::Against,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let found = inspect::file(&arguments.file)?;
    let text = found.iter().map(describe).collect::<Vec<_>>().join("\n\n");
    let Some(verdict) = against::judge(&arguments.file, &arguments.against)? else {
        return Answer::new(text, &found);
    };
    let value = json!({ "certificates": found, "verdict": verdict });
    let answer = Answer::new(format!("{text}\n\n{}", verdict.words()), &value)?;
    Ok(Answer { refused: !verdict.accepted, ..answer })
}

fn describe(certificate: &Description) -> String {
    let addresses: Vec<String> = certificate.ips.iter().map(ToString::to_string).collect();
    let rows = [
        ("Subject", certificate.subject.clone()),
        ("SPIFFE ID", certificate.spiffe_id.clone().unwrap_or_else(|| "none".to_owned())),
        ("Issuer", certificate.issuer.clone()),
        ("Serial", certificate.serial.clone()),
        ("Valid", format!("{} to {}", certificate.not_before, certificate.not_after)),
        ("CA", if certificate.ca { "yes" } else { "no" }.to_owned()),
        ("Key", certificate.key.clone()),
        ("Key usage", certificate.key_usage.join(", ")),
        ("Extended", certificate.extended_key_usage.join(", ")),
        ("URI", certificate.uris.join(", ")),
        ("DNS", certificate.dns.join(", ")),
        ("IP", addresses.join(", ")),
        ("Other names", certificate.other_names.join(", ")),
        ("SHA-256", certificate.fingerprint_sha256.clone()),
    ];
    let shown = rows.into_iter().filter(|(_, value)| !value.is_empty());
    shown.map(|(name, value)| format!("{name:<12}{value}")).collect::<Vec<_>>().join("\n")
}
