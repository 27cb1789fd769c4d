//! `backup` and `restore`: the whole authority in one file.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use pki::authority::{Authority, Restored};
use serde_json::json;

use super::Answer;

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The authority's folder.
    #[arg(long)]
    dir: PathBuf,
    /// File to make; only its owner can read it.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// The backup.
    file: PathBuf,
    /// Folder to make; it must not exist, or be empty.
    #[arg(long)]
    dir: PathBuf,
}

pub(super) fn backup(arguments: &BackupArguments) -> anyhow::Result<Answer> {
    let made = Authority::open(&arguments.dir)?.backup(&arguments.out, Timestamp::now())?;
    let keys = if made.has_root_key {
        "It has every key, the root's too (as encrypted as it was): keep it like a key."
    } else {
        "It has every key but the root's, which is kept elsewhere: keep it like a key."
    };
    let text =
        format!("{}: {} files of {}\n{keys}", arguments.out.display(), made.files.len(), made.trust_domain);
    Answer::new(text, &json!({ "file": arguments.out, "backup": made }))
}

pub(super) fn restore(arguments: &RestoreArguments) -> anyhow::Result<Answer> {
    let (_, restored) = Authority::restore(&arguments.file, &arguments.dir)?;
    let Restored { trust_domain, made_at, files, .. } = &restored;
    let text = format!(
        "{}: {} files of {trust_domain}, as of {made_at}\nWhat was issued, or revoked, after that is not in it: revoke \
         again what must stay revoked.",
        arguments.dir.display(),
        files.len()
    );
    Answer::new(text, &json!({ "dir": arguments.dir, "backup": restored }))
}
