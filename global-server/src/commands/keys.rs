//! The commands about keys: `key`, `rotate`, `delegate`, `resign`, `sign`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum as _};
use jiff::Timestamp;

use super::{Cli, Signing, print};
use crate::repository::{Change, Delegation, Lifetimes, SigningKey, TopLevel, sign_file};

/// Where the new key goes.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// File of the private key, by convention NAME.pk8; an existing one is never replaced.
    file: PathBuf,
}

pub(super) fn key(cli: &Cli, args: &KeyArgs) -> Result<ExitCode> {
    let key = SigningKey::generate(&args.file)?;
    print::key(cli.json, &args.file, &args.file.with_extension("pub"), &key)?;
    Ok(ExitCode::SUCCESS)
}

/// What to sign again.
#[derive(Debug, Args)]
pub(super) struct ResignArgs {
    #[command(flatten)]
    signing: Signing,
    /// `targets`, `root`, or a maker.
    #[arg(long, default_value = "targets")]
    role: String,
}

pub(super) fn resign(cli: &Cli, args: &ResignArgs) -> Result<ExitCode> {
    let renewal = args.signing.open(cli)?.resign(&args.role, Lifetimes::default(), Timestamp::now())?;
    print::resigned(cli.json, &renewal)?;
    Ok(ExitCode::SUCCESS)
}

/// The changes of the root. Without any, it has a later expiry.
#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    #[command(flatten)]
    signing: Signing,
    /// Generate a key that takes the place of all keys of this role; may be repeated.
    #[arg(long, value_name = "ROLE")]
    replace: Vec<TopLevel>,
    /// Let the key in FILE (a .pub file) sign for the role too; may be repeated.
    #[arg(long, value_name = "ROLE=FILE", value_parser = role_and_text)]
    add: Vec<(TopLevel, String)>,
    /// Take the key with this id, or the beginning of it, from the role; may be repeated.
    #[arg(long, value_name = "ROLE=KEY-ID", value_parser = role_and_text)]
    remove: Vec<(TopLevel, String)>,
    /// So many keys of the role must sign; may be repeated.
    #[arg(long, value_name = "ROLE=NUMBER", value_parser = role_and_number)]
    threshold: Vec<(TopLevel, u64)>,
}

fn role_and_text(given: &str) -> Result<(TopLevel, String), String> {
    let (role, text) = given.split_once('=').ok_or("expected ROLE=VALUE")?;
    Ok((TopLevel::from_str(role, false)?, text.to_owned()))
}

fn role_and_number(given: &str) -> Result<(TopLevel, u64), String> {
    let (role, text) = role_and_text(given)?;
    Ok((role, text.parse().map_err(|_| format!("{text:?}: expected a number"))?))
}

pub(super) fn rotate(cli: &Cli, args: &RotateArgs) -> Result<ExitCode> {
    let mut changes: Vec<Change> = args.replace.iter().map(|role| Change::Replace(*role)).collect();
    changes.extend(args.add.iter().map(|(role, file)| Change::Add(*role, PathBuf::from(file))));
    changes.extend(args.remove.iter().map(|(role, id)| Change::Remove(*role, id.clone())));
    changes.extend(args.threshold.iter().map(|(role, number)| Change::Threshold(*role, *number)));
    let outcome = args.signing.open(cli)?.rotate(&changes, Lifetimes::default(), Timestamp::now())?;
    print::outcome(cli.json, &outcome)?;
    Ok(ExitCode::SUCCESS)
}

/// The maker.
#[derive(Debug, Args)]
pub(super) struct DelegateArgs {
    #[command(flatten)]
    signing: Signing,
    /// The maker, as in a reading: `ricoh`. It is the name of the role.
    #[arg(long)]
    maker: String,
    /// The maker's public key (a .pub file); may be repeated. It replaces former keys.
    #[arg(long, value_name = "FILE", required_unless_present = "end")]
    public_key: Vec<PathBuf>,
    /// How many of the keys must sign.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    threshold: u64,
    /// Pattern of the targets that the maker may publish; may be repeated. `MAKER/*/*` when absent.
    #[arg(long, value_name = "PATTERN")]
    path: Vec<String>,
    /// End the delegation: the maker's images are no longer published.
    #[arg(long, conflicts_with_all = ["public_key", "path"])]
    end: bool,
}

pub(super) fn delegate(cli: &Cli, args: &DelegateArgs) -> Result<ExitCode> {
    let repository = args.signing.open(cli)?;
    let (lifetimes, now) = (Lifetimes::default(), Timestamp::now());
    let outcome = if args.end {
        repository.undelegate(&args.maker, lifetimes, now)?
    } else {
        let DelegateArgs { maker, public_key: keys, threshold, path: paths, .. } = args;
        repository.delegate(&Delegation { maker, keys, threshold: *threshold, paths }, lifetimes, now)?
    };
    print::outcome(cli.json, &outcome)?;
    Ok(ExitCode::SUCCESS)
}

/// What to sign.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    #[command(flatten)]
    signing: Signing,
    /// With a repository: copies of pending files that were signed elsewhere. Without one: the files to sign.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn sign(cli: &Cli, args: &SignArgs) -> Result<ExitCode> {
    let here = cli.config.is_some() || args.signing.place.repository.is_some();
    if here {
        let repository = args.signing.open(cli)?;
        let outcome = repository.sign(&args.files, Lifetimes::default(), Timestamp::now())?;
        print::outcome(cli.json, &outcome)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.files.is_empty() || args.signing.key.is_empty() {
        return Err(super::NoRepository("repository", "--repository DIR, or FILE and --key KEY").into());
    }
    for file in &args.files {
        print::signature(cli.json, &sign_file(file, &args.signing.key)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
