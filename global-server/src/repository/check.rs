//! Checking a repository: signatures, expiry, and every image against its digest.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use wire::metadata::Target;

use super::error::{RepositoryError, at};
use super::{Repository, is_digest};

/// Metadata that expires within this time is reported as expiring soon.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The findings of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Version of the targets metadata.
    pub metadata_version: u64,
    /// When the first of root and targets expires.
    pub expires: Timestamp,
    /// Images whose digest was checked and matches.
    pub images: usize,
    /// Problems and warnings.
    pub findings: Vec<Finding>,
}

/// A problem or a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// An image that the metadata names is missing, or differs from what was published.
    Damaged {
        /// Name of the target.
        target: String,
        /// What is wrong.
        problem: String,
    },
    /// A file that the metadata doesn't name.
    Unnamed {
        /// The file in `images`.
        file: String,
    },
    /// A signature that must be renewed soon.
    ExpiresSoon,
    /// The root's private key is stored with the repository.
    RootKeyOnline,
}

impl Finding {
    /// Whether it keeps a gateway from staging an image.
    #[must_use]
    pub(crate) const fn is_fault(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl Repository {
    /// Checks everything; reads every image.
    ///
    /// # Errors
    /// The metadata isn't trusted at `now`, or a file can't be read.
    pub(crate) fn check(&self, now: Timestamp) -> Result<Findings, RepositoryError> {
        let verified = self.verified(now)?;
        let mut findings = Vec::new();
        let mut images = 0;
        for (name, target) in &verified.targets.targets {
            match self.check_image(target) {
                Ok(()) => images += 1,
                Err(problem) => findings.push(Finding::Damaged { target: name.clone(), problem }),
            }
        }
        let named = verified.targets.targets.values().map(|target| target.hashes.sha256.as_str()).collect();
        findings.extend(self.unnamed(&named)?);
        if verified.expires_in(now) < SOON {
            findings.push(Finding::ExpiresSoon);
        }
        if self.root_key_path().exists() {
            findings.push(Finding::RootKeyOnline);
        }
        let expires = verified.root.expires.min(verified.targets.expires);
        Ok(Findings { metadata_version: verified.targets.version, expires, images, findings })
    }

    fn check_image(&self, target: &Target) -> Result<(), String> {
        let sha256 = &target.hashes.sha256;
        if !is_digest(sha256) {
            return Err("its SHA-256 is not 64 hexadecimal digits".to_owned());
        }
        let (length, found) = hash(&self.image_path(sha256)).map_err(|error| error.to_string())?;
        if length != target.length {
            return Err(format!("{length} bytes, expected {}", target.length));
        }
        if &found != sha256 {
            return Err(format!("its SHA-256 is {found}"));
        }
        Ok(())
    }

    /// Files in `images` that no metadata names: images whose publishing was interrupted by a crash, and partial
    /// copies. Gateways never receive them.
    fn unnamed(&self, named: &BTreeSet<&str>) -> Result<Vec<Finding>, RepositoryError> {
        let dir = self.dir.join("images");
        let failed = |source| at(&dir, source);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !named.contains(file.as_str()) || file.ends_with(durable::SUFFIX) {
                found.push(Finding::Unnamed { file });
            }
        }
        Ok(found)
    }
}

fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; 256 << 10];
    let mut length = 0;
    loop {
        let filled = file.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..filled).filter(|bytes| !bytes.is_empty()) else {
            return Ok((length, hex::encode(context.finish())));
        };
        context.update(bytes);
        length += u64::try_from(filled).unwrap_or(0);
    }
}
