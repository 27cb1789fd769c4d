//! `inspect --against`: whether a certificate would be rejected, by the verifier that all programs use, and why.

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
    /// Verify the first certificate as a program that trusts this root (PEM) does; exit status 3 if it is rejected.
    #[arg(long, value_name = "ROOT")]
    against: Option<PathBuf>,
    /// File with revocation lists to check: crl.pem of `platen-pki crl`. Default: revocation isn't checked.
    #[arg(long, requires = "against")]
    crl: Option<PathBuf>,
    /// Verify the certificate as that of a client or of a server.
    #[arg(long = "as", requires = "against", default_value = "client")]
    role: As,
    /// Kind of party that is accepted; may be repeated. Default: all kinds.
    #[arg(long, requires = "against")]
    kind: Vec<PartyKind>,
    /// Trust domain of the program. Default: the one that the root names.
    #[arg(long, requires = "against")]
    trust_domain: Option<TrustDomain>,
    /// Tolerated difference between the clocks of two parties, seconds.
    #[arg(long, requires = "against", default_value_t = Tolerance::default().clock_skew_s)]
    clock_skew_s: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum As {
    Client,
    Server,
}

/// The verifier's result.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) accepted: bool,
    #[serde(rename = "as")]
    role: As,
    /// The party, if accepted.
    id: Option<String>,
    /// Why it is rejected.
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
            (_, why) => format!("REJECTED as {role}: {}", why.as_deref().unwrap_or("no reason")),
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
