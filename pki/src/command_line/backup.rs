//! `backup` and `restore`: the whole authority in one file.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use pki::authority::{Authority, Restored};
use serde_json::json;

use super::Answer;

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// Folder of the authority.
    #[arg(long)]
    dir: PathBuf,
    /// File to create, with mode 0600; an existing one is not overwritten. It contains the keys.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// File that `backup` wrote.
    file: PathBuf,
    /// Folder to create; it must not exist, or be empty.
    #[arg(long)]
    dir: PathBuf,
}

pub(super) fn backup(arguments: &BackupArguments) -> anyhow::Result<Answer> {
    let made = Authority::open(&arguments.dir)?.backup(&arguments.out, Timestamp::now())?;
    let keys = if made.has_root_key {
        "It contains every key, including the root's (encrypted if it was): protect it like a key."
    } else {
        "It contains every key except the root's: protect it like a key."
    };
    let text =
        format!("{}: {} files of {}\n{keys}", arguments.out.display(), made.files.len(), made.trust_domain);
    Answer::new(text, &json!({ "file": arguments.out, "backup": made }))
}

pub(super) fn restore(arguments: &RestoreArguments) -> anyhow::Result<Answer> {
    let (_, restored) = Authority::restore(&arguments.file, &arguments.dir)?;
    let Restored { trust_domain, made_at, files, .. } = &restored;
    let text = format!(
        "{}: {} files of {trust_domain}, as of {made_at}\nCertificates issued or revoked after that time are not in it: repeat those revocations.",
        arguments.dir.display(),
        files.len()
    );
    Answer::new(text, &json!({ "dir": arguments.dir, "backup": restored }))
}
