//! `issue`: generates a key and issues a certificate for it.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use pki::authority::{Authority, Issued, Request};
use pki::spiffe::PartyKind;
use serde_json::json;

use super::Answer;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the authority.
    #[arg(long)]
    dir: PathBuf,
    /// Kind of party: comm-server, global-server, gateway or operator.
    #[arg(long)]
    profile: PartyKind,
    /// Name of the party: the last part of its SPIFFE ID.
    #[arg(long)]
    name: String,
    /// DNS name of a server, to which its clients connect; may be repeated.
    #[arg(long)]
    dns: Vec<String>,
    /// IP address of a server, to which its clients connect; may be repeated.
    #[arg(long)]
    ip: Vec<IpAddr>,
    /// Folder for cert.pem, key.pem and root.pem. An existing cert.pem or key.pem is not overwritten.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Answer> {
    let authority = Authority::open(&arguments.dir)?;
    Issued::check_out(&arguments.out)?;
    let request = Request {
        profile: arguments.profile,
        name: arguments.name.clone(),
        dns: arguments.dns.clone(),
        ips: arguments.ip.clone(),
    };
    let issued = authority.issue(&request, Timestamp::now())?;
    issued.write(&arguments.out)?;
    let record = &issued.record;
    let files = ["cert.pem", "key.pem", "root.pem"].map(|name| arguments.out.join(name));
    let text = format!(
        "{} until {}\n  serial {}\n  sha256 {}\n  {}",
        record.id,
        record.not_after,
        record.serial,
        record.fingerprint_sha256,
        files.each_ref().map(|file| file.display().to_string()).join("\n  ")
    );
    let [certificate, key, root] = files;
    let value = json!({ "issued": record, "certificate": certificate, "key": key, "root": root });
    Answer::new(text, &value)
}
