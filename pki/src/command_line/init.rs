//! `init`: creates a trust domain.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use pki::authority::{Authority, Intermediate, Passphrase};
use pki::inspect;
use pki::secret_file;
use pki::spiffe::TrustDomain;
use serde_json::json;

use super::{Answer, passphrase};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder to create; it must not exist, or be empty.
    #[arg(long)]
    dir: PathBuf,
    /// Name of the trust domain, for example printers.example.
    #[arg(long)]
    trust_domain: TrustDomain,
    #[command(flatten)]
    protection: Protection,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Protection {
    /// File with the passphrase of the root's key in its first line; only its owner may have access. Default: the
    /// command prompts for it.
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
    /// Store the root's key unencrypted, for tests and demonstrations.
    #[arg(long)]
    insecure_no_passphrase: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let passphrase = match &arguments.protection.passphrase_file {
        Some(path) => Passphrase::Given(secret_file::first_line(path)?),
        None if arguments.protection.insecure_no_passphrase => Passphrase::InsecureNone,
        None => Passphrase::Given(passphrase::ask_twice()?),
    };
    let dir = &arguments.dir;
    let authority = Authority::init(dir, &arguments.trust_domain, &passphrase, Timestamp::now())?;
    let root = inspect::describe(authority.root()).context("the new root certificate can't be read")?;
    let encrypted = matches!(passphrase, Passphrase::Given(_));
    let advice = if encrypted { "keep it" } else { "it is NOT encrypted; keep it" };
    let mut text = format!(
        "Trust domain {} created in {}\n  root.pem        until {}  sha256 {}\n",
        authority.trust_domain(),
        dir.display(),
        root.not_after,
        root.fingerprint_sha256
    );
    for which in Intermediate::ALL {
        let made = inspect::describe(authority.certificate_of(which))?;
        text += &format!("  {:<15} until {}\n", format!("{}.pem", which.as_str()), made.not_after);
    }
    text += &format!(
        "The root's key, {}, is not needed to issue: {advice} offline, and a copy of it.",
        dir.join("root-key.pem").display()
    );
    let value = json!({
        "dir": dir,
        "trust_domain": authority.trust_domain(),
        "root": dir.join("root.pem"),
        "root_fingerprint_sha256": root.fingerprint_sha256,
        "root_not_after": root.not_after,
        "root_key_encrypted": encrypted,
    });
    Answer::new(text, &value)
}
