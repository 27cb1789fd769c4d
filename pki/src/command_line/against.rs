//! `inspect --against`: whether a certificate would be refused, by the verifier that all programs use, and why.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use pki::leaf_facts::Role;
use pki::revocation::Crls;
use pki::spiffe::{PartyKind, TrustDomain};
use pki::{Tolerance, Trust, pem_file, tls, trust};
use serde::Serialize;

#[derive(Debug, Args)]
pub(super) struct Against {
    /// Say whether a program that trusts this root would refuse the first certificate; status 3 if so.
    #[arg(long, value_name = "ROOT")]
    against: Option<PathBuf>,
    /// Revocation lists: `crl.pem` of `platen-pki crl`.
    #[arg(long, requires = "against")]
    crl: Option<PathBuf>,
    /// The part in which it is shown.
    #[arg(long = "as", requires = "against", default_value = "client")]
    role: As,
    /// The kind of party that is expected; may be repeated. Without it, every kind.
    #[arg(long, requires = "against")]
    kind: Vec<PartyKind>,
    /// Trust domain of the program. Without it, the one that the root names.
    #[arg(long, requires = "against")]
    trust_domain: Option<TrustDomain>,
    /// By how much clocks may differ, seconds.
    #[arg(long, requires = "against", default_value_t = Tolerance::default().clock_skew_s)]
    clock_skew_s: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum As {
    Client,
    Server,
}

/// The verifier's word.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) accepted: bool,
    #[serde(rename = "as")]
    role: As,
    /// The party, if accepted.
    id: Option<String>,
    /// Why it is refused.
    why: Option<String>,
    /// Whether revocation lists were checked.
    revocation_checked: bool,
}

impl Verdict {
    pub(super) fn words(&self) -> String {
        let role = match self.role {
            As::Client => "client",
            As::Server => "server",
        };
        let unchecked = if self.revocation_checked { "" } else { " (revocation not checked: give --crl)" };
        match (&self.id, &self.why) {
            (Some(id), None) => format!("ACCEPTED as {role}: {id}{unchecked}"),
            (_, why) => format!("REFUSED as {role}: {}", why.as_deref().unwrap_or("no reason")),
        }
    }
}

/// `None` if not requested.
pub(super) fn judge(file: &Path, arguments: &Against) -> anyhow::Result<Option<Verdict>> {
    let Some(root_file) = &arguments.against else { return Ok(None) };
    let roots = pem_file::certificates(root_file)?;
    let named = || roots.first().and_then(trust::domain_of_root);
    let domain = arguments.trust_domain.clone().or_else(named);
    let domain = domain
        .with_context(|| format!("{} names no trust domain: give --trust-domain", root_file.display()))?;
    let tolerance = Tolerance { clock_skew_s: arguments.clock_skew_s, ..Tolerance::default() };
    let crls = match &arguments.crl {
        Some(path) => Crls::load(path, &roots, tolerance)?,
        None => Crls::none(tolerance),
    };
    let trust = Trust::new(domain, roots)
        .with_context(|| format!("{} can't be trusted", root_file.display()))?
        .with_crls(Arc::new(crls));
    let role = match arguments.role {
        As::Client => Role::Client,
        As::Server => Role::Server,
    };
    let kinds = if arguments.kind.is_empty() { PartyKind::ALL.to_vec() } else { arguments.kind.clone() };
    let chain = pem_file::certificates(file)?;
    let verdict = tls::explain(&trust, &chain, role, &kinds, Timestamp::now().as_second());
    Ok(Some(Verdict {
        accepted: verdict.is_ok(),
        role: arguments.role,
        id: verdict.as_ref().ok().map(ToString::to_string),
        why: verdict.err().map(|refused| refused.to_string()),
        revocation_checked: arguments.crl.is_some(),
    }))
}
