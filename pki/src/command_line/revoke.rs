//! `revoke`: revokes the certificates of a party, or one certificate.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use pki::authority::{Authority, RevocationRecord, Whom};
use pki::revocation_reason::RevocationReason;
use pki::spiffe::Party;

use super::Answer;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the authority.
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    whom: WhomArguments,
    /// Reason, as RFC 5280 spells it: keyCompromise, superseded, cessationOfOperation, privilegeWithdrawn and others.
    #[arg(long, default_value = "unspecified")]
    reason: RevocationReason,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhomArguments {
    /// Revoke every certificate of a party: KIND/NAME, for example gateway/gw-1.
    #[arg(long)]
    id: Option<Party>,
    /// Revoke one certificate: its serial number, hexadecimal.
    #[arg(long)]
    serial: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let authority = Authority::open(&arguments.dir)?;
    let whom = match (&arguments.whom.id, &arguments.whom.serial) {
        (Some(party), _) => Whom::Party(party.clone()),
        (None, Some(serial)) => Whom::Serial(serial.clone()),
        (None, None) => anyhow::bail!("give --id or --serial"),
    };
    let done = authority.revoke(&whom, arguments.reason, Timestamp::now())?;
    let line = |record: &RevocationRecord| {
        let RevocationRecord { id, serial, reason, revoked_at, .. } = record;
        format!("{id}  serial {serial}  {reason}  {revoked_at}")
    };
    let now = done.revoked.iter().map(|record| format!("revoked  {}", line(record)));
    let before = done.already.iter().map(|record| format!("already  {}", line(record)));
    let mut lines: Vec<String> = now.chain(before).collect();
    lines.push(match (done.revoked.is_empty(), done.already.is_empty()) {
        (true, true) => "Nothing to revoke: all its certificates have expired.".to_owned(),
        (true, false) => "Nothing to revoke: it was already revoked.".to_owned(),
        (false, _) => {
            let dir = arguments.dir.display();
            format!(
                "This takes effect when the servers have new lists: `platen-pki crl --dir {dir} --out OUT`"
            )
        }
    });
    Answer::new(lines.join("\n"), &done)
}
