//! `audit`: changes with their authors, and whether the chain of the entries is intact.

use clap::{Args, Subcommand, ValueEnum};
use comm_server_core::audit::Known;
use comm_server_core::roles::Permission;
use jiff::Timestamp;

use super::{CliError, all, print};
use crate::services::audit::parse_time;
use crate::services::{Actor, Audit, AuditFormat, Views};
use crate::store::{AuditFilter, Store};

/// The subcommands of `audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// List entries, newest first.
    List {
        /// Only these entries.
        #[command(flatten)]
        filter: FilterArguments,
    },
    /// Verify the chain of hashes: whether an entry was changed, removed, inserted or moved.
    Verify {
        /// NUMBER:HASH that an earlier `audit verify` printed; the entry must still have that hash.
        #[arg(long, value_name = "NUMBER:HASH")]
        known: Option<Known>,
    },
    /// Print entries in ascending order of their numbers.
    Export {
        /// Only these entries.
        #[command(flatten)]
        filter: FilterArguments,
        /// Format. Default: csv, or jsonl with --json.
        #[arg(long)]
        format: Option<Format>,
    },
}

/// Which entries.
#[derive(Debug, Args)]
pub struct FilterArguments {
    /// Only entries at or after this time: a day in UTC, or a time (RFC 3339).
    #[arg(long, value_parser = parse_time)]
    from: Option<Timestamp>,
    /// Only entries before this time.
    #[arg(long, value_parser = parse_time)]
    to: Option<Timestamp>,
    /// Only entries of this author: a user, `cli`, `server` or a gateway.
    #[arg(long)]
    who: Option<String>,
    /// Only entries of this kind, such as `rollout.create`, or of a group of kinds, such as `rollout`.
    #[arg(long)]
    what: Option<String>,
}

/// Format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// CSV table with one row per entry.
    Csv,
    /// One JSON document per line.
    Jsonl,
}

impl From<&FilterArguments> for AuditFilter {
    fn from(given: &FilterArguments) -> Self {
        Self { from: given.from, to: given.to, who: given.who.clone(), what: given.what.clone() }
    }
}

pub(super) async fn act(
    store: &Store,
    actor: &Actor,
    json: bool,
    action: &AuditAction,
) -> Result<(), CliError> {
    let audit = Audit::new(store.clone());
    match action {
        AuditAction::List { filter } => {
            let view = Views::new(store.clone()).now(actor, Permission::SeeAudit)?;
            let filter = filter.into();
            let entries = all(async |cursor| view.audit(&filter, cursor.as_deref()).await).await?;
            Ok(print::audit(json, &entries)?)
        }
        AuditAction::Verify { known } => {
            let chain = audit.verify(actor, *known).await?;
            print::audit_chain(json, &chain)?;
            chain.broken.map_or(Ok(()), |broken| Err(CliError::AuditBroken(broken)))
        }
        AuditAction::Export { filter, format } => {
            let format = match (format, json) {
                (Some(Format::Jsonl), _) | (None, true) => AuditFormat::JsonLines,
                (Some(Format::Csv), _) | (None, false) => AuditFormat::Csv,
            };
            let mut export = audit.export(actor, filter.into(), None).await?;
            print::part(&format.head())?;
            loop {
                let portion = export.next().await?;
                if portion.is_empty() || !print::part(&format.lines(&portion))? {
                    return Ok(());
                }
            }
        }
    }
}
