//! The authority in the server: its certificates, the gateway CA's key, and the records of tokens. Loaded again when
//! its files change: `platen-pki token` and `platen-pki renew-ca` work on the same folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use pki::Identity;
use pki::authority::{Authority, AuthorityError, Record, Request, RevocationRecord};
use pki::est::Csr;
use pki::inspect;
use pki::spiffe::PartyKind;
use pki::token::TokenRecord;
use rustls_pki_types::CertificateDer;

/// Files of the authority that change.
const CHANGING: [&str; 2] = ["authority.json", "tokens.jsonl"];

/// Why certificates can't be issued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotIssue {
    /// The authority failed to load, or an operation of it failed.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// It is another authority than the server's own.
    #[error("{} is the authority of {theirs}, this server's certificate is of {ours} or has another root", dir.display())]
    Another {
        /// Its folder.
        dir: PathBuf,
        /// Its trust domain.
        theirs: String,
        /// The server's trust domain.
        ours: String,
    },
    /// The work was given up: the program ends.
    #[error("no certificate was issued: the program is shutting down")]
    Ended,
}

type Stamp = [Option<(SystemTime, u64)>; CHANGING.len()];

/// The loaded authority, and when it was loaded.
#[derive(Clone)]
struct Read {
    stamp: Stamp,
    authority: Arc<Authority>,
    tokens: Arc<HashMap<String, TokenRecord>>,
}

/// The authority.
pub(crate) struct Issuer {
    dir: PathBuf,
    read: Mutex<Read>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Opens the authority of `identity`.
    ///
    /// # Errors
    /// There is none, or it is another one.
    pub(crate) fn open(dir: &Path, identity: &Identity) -> Result<Self, CannotIssue> {
        let read = read(dir)?;
        let trust = identity.trust();
        if read.authority.trust_domain() != trust.trust_domain()
            || !trust.roots().contains(read.authority.root())
        {
            let (theirs, ours) =
                (read.authority.trust_domain().to_string(), trust.trust_domain().to_string());
            return Err(CannotIssue::Another { dir: dir.to_owned(), theirs, ours });
        }
        Ok(Self { dir: dir.to_owned(), read: Mutex::new(read) })
    }

    fn now(&self) -> Result<Read, CannotIssue> {
        let mut kept = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.stamp != stamp(&self.dir) {
            *kept = read(&self.dir)?;
        }
        Ok(kept.clone())
    }

    /// The record of a token, by its name in the store.
    pub(super) async fn token(self: &Arc<Self>, name: String) -> Result<Option<TokenRecord>, CannotIssue> {
        self.apart(move |issuer| Ok(issuer.now()?.tokens.get(&name).cloned())).await
    }

    /// The root and every intermediate, for gateways to verify and to complete their chain.
    pub(super) async fn certificates(self: &Arc<Self>) -> Result<Vec<CertificateDer<'static>>, CannotIssue> {
        self.apart(|issuer| {
            let authority = issuer.now()?.authority;
            let root = std::iter::once(authority.root());
            Ok(root.chain(authority.intermediates()).cloned().collect())
        })
        .await
    }

    /// Issues a gateway's certificate for a token; the ledger has it on the disk before this returns.
    pub(super) async fn enroll(
        self: &Arc<Self>,
        token: TokenRecord,
        csr: Csr,
        now: Timestamp,
    ) -> Result<(Record, CertificateDer<'static>), CannotIssue> {
        self.apart(move |issuer| Ok(issuer.now()?.authority.enroll(&token, &csr.public_key, now)?)).await
    }

    /// Revokes the gateway's certificates before this one; returns the serial numbers that were revoked now.
    pub(super) async fn supersede(
        self: &Arc<Self>,
        certificate: CertificateDer<'static>,
        now: Timestamp,
    ) -> Result<Vec<RevocationRecord>, CannotIssue> {
        self.apart(move |issuer| {
            let described = inspect::describe(&certificate);
            let serial = described.map_err(|refused| AuthorityError::Crypto(refused.to_string()))?.serial;
            Ok(issuer.now()?.authority.supersede(&serial, now)?)
        })
        .await
    }

    /// Renews a gateway's certificate; the ledger has it on the disk before this returns.
    pub(super) async fn issue(
        self: &Arc<Self>,
        gateway: &str,
        csr: Csr,
        now: Timestamp,
    ) -> Result<(Record, CertificateDer<'static>), CannotIssue> {
        let request = Request {
            profile: PartyKind::Gateway,
            name: gateway.to_owned(),
            dns: Vec::new(),
            ips: Vec::new(),
        };
        self.apart(move |issuer| Ok(issuer.now()?.authority.sign(&request, &csr.public_key, now)?)).await
    }

    /// Reads files and signs on a blocking thread.
    async fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, CannotIssue> + Send + 'static,
    ) -> Result<T, CannotIssue> {
        let issuer = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&issuer)).await;
        done.map_err(|_| CannotIssue::Ended)?
    }
}

fn stamp(dir: &Path) -> Stamp {
    CHANGING.map(|name| {
        let metadata = std::fs::metadata(dir.join(name)).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn read(dir: &Path) -> Result<Read, CannotIssue> {
    // Before the files: what changes meanwhile is read again.
    let stamp = stamp(dir);
    let authority = Authority::open(dir)?;
    let tokens =
        authority.tokens()?.into_iter().map(|record| (record.token_sha256.clone(), record)).collect();
    Ok(Read { stamp, authority: Arc::new(authority), tokens: Arc::new(tokens) })
}
