//! `renew-ca`: replaces an intermediate CA by a new one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use pki::authority::{Authority, Intermediate};
use pki::inspect;
use serde_json::json;

use super::{Answer, passphrase};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the authority, with the root's key in it.
    #[arg(long)]
    dir: PathBuf,
    /// Intermediate CA to renew.
    #[arg(long)]
    which: Which,
    /// File with the passphrase of the root's key in its first line. Default: the command prompts for it.
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Servers,
    Gateways,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let which = match arguments.which {
        Which::Servers => Intermediate::ServerCa,
        Which::Gateways => Intermediate::GatewayCa,
    };
    let dir = &arguments.dir;
    let authority = Authority::open(dir)?;
    let old = inspect::describe(authority.certificate_of(which))?;
    let encrypted = Authority::root_key_is_encrypted(dir)?;
    let secret =
        if encrypted { Some(passphrase::existing(arguments.passphrase_file.as_deref())?) } else { None };
    let authority = authority.renew(which, secret.as_ref(), Timestamp::now())?;
    let new = inspect::describe(authority.certificate_of(which))?;
    let text = format!(
        "{}\n  until {}\n  sha256 {}\nIt issues from now on; the old one's certificates stay good until they end, at the \
         latest {}.\nThe root stays, so no party needs new trust. Servers that check revocation need the new list \
         first:\n  platen-pki crl --dir {} --out OUT",
        new.subject,
        new.not_after,
        new.fingerprint_sha256,
        old.not_after,
        dir.display()
    );
    let value = json!({ "authority": which, "old": old, "new": new });
    Answer::new(text, &value)
}
