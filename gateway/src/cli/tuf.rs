//! `platen-gateway tuf`: the TUF client by itself, in the form that the public conformance suite drives.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use runtime::error::chain;
use serde_json::{Value, json};
use tuf::Role as _;

use super::exit::{EXIT_FAILED, EXIT_USAGE, fail, printed};
use crate::repository::{self, Repository, RepositoryError, Storage};

/// Arguments of `tuf`. Options precede the verb.
#[derive(Debug, Args)]
pub(super) struct TufArgs {
    /// Folder of the trusted metadata: root.json, timestamp.json, snapshot.json, ROLE.json.
    #[arg(long, value_name = "DIR")]
    metadata_dir: PathBuf,
    /// Base URL of the repository's metadata. http:// is allowed, because signatures protect the metadata.
    #[arg(long, value_name = "URL")]
    metadata_url: Option<String>,
    /// Path of a target to download, as the metadata names it; may be repeated.
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    target_name: Vec<String>,
    /// Base URL of the repository's targets.
    #[arg(long, value_name = "URL")]
    target_base_url: Option<String>,
    /// Folder for downloaded targets.
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Store a root that you trust as the first one. Sends no request.
    Init {
        /// File with the root metadata (root.json).
        #[arg(value_name = "ROOT-FILE")]
        root: PathBuf,
    },
    /// Download and verify newer metadata.
    Refresh,
    /// Download and verify newer metadata, then the targets of --target-name that --target-dir doesn't have yet.
    Download,
}

/// Why it ends: the exit status and the message.
struct Failure(u8, String);

impl From<RepositoryError> for Failure {
    fn from(error: RepositoryError) -> Self {
        Self(EXIT_FAILED, chain(&error))
    }
}

/// Performs the verb and prints the result.
pub(super) async fn command(args: TufArgs, as_json: bool) -> ExitCode {
    let storage = Storage::new(&args.metadata_dir);
    let now = Timestamp::now();
    let result = match &args.verb {
        Verb::Init { root } => init(&storage, root, now),
        Verb::Refresh => refresh(&args, &storage, now).await,
        Verb::Download => download(&args, &storage, now).await,
    };
    match result {
        Ok((_, document)) if as_json => printed(runtime::output::document(&document)),
        Ok((text, _)) => printed(runtime::output::line(&text)),
        Err(Failure(code, why)) => fail(code, &why),
    }
}

/// What a verb prints: text and JSON.
type Printed = (String, Value);

fn init(storage: &Storage, root: &Path, now: Timestamp) -> Result<Printed, Failure> {
    let version = repository::init(storage, root, now)?;
    Ok((format!("root version {version} is trusted"), json!({"root": version})))
}

async fn refresh(args: &TufArgs, storage: &Storage, now: Timestamp) -> Result<Printed, Failure> {
    let repository = Repository::refresh(storage, needed(&args.metadata_url, "--metadata-url")?, now).await?;
    let trusted = repository.trusted();
    let root = trusted.root().version.get();
    let timestamp = trusted.timestamp().map(|role| role.version().get());
    let snapshot = trusted.snapshot().map(|role| role.version().get());
    let targets = trusted.targets().map(|role| role.version().get());
    let text = |version: Option<u64>| version.map_or_else(|| "-".to_owned(), |version| version.to_string());
    Ok((
        format!(
            "root version {root}, timestamp {}, snapshot {}, targets {}",
            text(timestamp),
            text(snapshot),
            text(targets)
        ),
        json!({"root": root, "timestamp": timestamp, "snapshot": snapshot, "targets": targets}),
    ))
}

/// One target that can't be had doesn't stop the others.
async fn download(args: &TufArgs, storage: &Storage, now: Timestamp) -> Result<Printed, Failure> {
    let url = needed(&args.metadata_url, "--metadata-url")?;
    let base = needed(&args.target_base_url, "--target-base-url")?;
    let dir = args.target_dir.as_deref().ok_or_else(|| missing("--target-dir"))?;
    if args.target_name.is_empty() {
        return Err(missing("--target-name"));
    }
    let mut repository = Repository::refresh(storage, url, now).await?;
    let (mut lines, mut documents, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for target in &args.target_name {
        match repository.download(target, base, dir).await {
            Ok(downloaded) => {
                let state = if downloaded.unchanged { "unchanged" } else { "downloaded" };
                lines.push(format!("{target}: {state}, {}", downloaded.path.display()));
                documents.push(json!({"target": target, "file": downloaded.path, "state": state}));
            }
            Err(error) => problems.push(format!("{target}: {}", chain(&error))),
        }
    }
    if problems.is_empty() {
        Ok((lines.join("\n"), json!(documents)))
    } else {
        Err(Failure(EXIT_FAILED, problems.join("; ")))
    }
}

fn needed<'a>(value: &'a Option<String>, option: &str) -> Result<&'a str, Failure> {
    value.as_deref().ok_or_else(|| missing(option))
}

fn missing(option: &str) -> Failure {
    Failure(EXIT_USAGE, format!("{option} is required"))
}
