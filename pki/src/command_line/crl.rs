//! `crl`: creates new revocation lists.

use std::path::PathBuf;

use clap::Args;
use jiff::{Timestamp, ToSpan as _};
use pki::authority::Authority;
use serde_json::json;

use super::{Answer, seconds};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the authority.
    #[arg(long)]
    dir: PathBuf,
    /// Folder for crl.pem (all lists) and AUTHORITY.crl.pem (one each); existing files are replaced.
    #[arg(long)]
    out: PathBuf,
    /// Hours until the lists expire. Publish new ones before; servers reject all peers some time after the expiry.
    #[arg(long, default_value_t = 168, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=8784))]
    hours: u32,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let authority = Authority::open(&arguments.dir)?;
    let now = Timestamp::now();
    let set = authority.revocation_lists(now, now.checked_add(i64::from(arguments.hours).hours())?)?;
    let files = set.write(&arguments.out)?;
    let mut text = format!("Lists number {}, next due {}\n", set.number, seconds(set.next_update));
    for (list, file) in set.lists.iter().zip(&files) {
        text += &format!("  {}  {} revoked\n", file.display(), list.revoked);
    }
    for authority in &set.left_out {
        text += &format!("  {authority}: its key is not here, run `crl` where it is\n");
    }
    text += &format!("  {}  all of them, for `identity.crl`", arguments.out.join("crl.pem").display());
    let lists: Vec<_> = set
        .lists
        .iter()
        .zip(&files)
        .map(|(list, file)| json!({ "authority": list.authority, "file": file, "revoked": list.revoked }))
        .collect();
    let value = json!({
        "number": set.number,
        "this_update": set.this_update,
        "next_update": set.next_update,
        "lists": lists,
        "left_out": set.left_out,
        "bundle": arguments.out.join("crl.pem"),
    });
    Answer::new(text, &value)
}
