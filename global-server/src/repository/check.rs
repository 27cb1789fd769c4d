//! Checking a repository: signatures, expiry, and every image against its digest.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use serde::Serialize;
use tuf::RoleName;

use super::error::{RepositoryError, at};
use super::verified::Listed;
use super::{Missing, Repository, is_digest};

/// The findings of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Findings {
    /// Version of the targets metadata.
    pub(crate) metadata_version: u64,
    /// When the first role expires that people sign.
    pub(crate) expires: Timestamp,
    /// Images whose digest was checked and matches.
    pub(crate) images: usize,
    /// Problems and warnings.
    pub(crate) findings: Vec<Finding>,
}

/// A problem or a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub(crate) enum Finding {
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
    /// A role that must be signed again soon.
    ExpiresSoon {
        /// The role.
        role: String,
        /// When it expires.
        expires: Timestamp,
    },
    /// A maker's role that gateways don't accept: its images are not found.
    Refused {
        /// The role.
        role: String,
        /// Why.
        problem: String,
    },
    /// A change that waits for signatures.
    Pending(Missing),
    /// A private key that should be offline is stored with the repository.
    KeyOnline {
        /// The file in `keys`.
        file: String,
    },
}

impl Finding {
    /// Whether it keeps a gateway from staging an image.
    #[must_use]
    pub(crate) const fn is_fault(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Refused { .. })
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
        for image in &verified.images {
            match self.check_image(image) {
                Ok(()) => images += 1,
                Err(problem) => findings.push(Finding::Damaged { target: image.target.clone(), problem }),
            }
        }
        for (role, refusal) in &verified.refused {
            let (role, problem) = (role.as_str().to_owned(), refusal.to_string());
            findings.push(Finding::Refused { role, problem });
        }
        let waiting = self.pending_images()?;
        let waiting = waiting.iter().map(String::as_str);
        let named = verified.images.iter().map(Listed::sha256).chain(waiting).collect();
        findings.extend(self.unnamed(&named)?);
        for (role, expires) in verified.expiring(now) {
            findings.push(Finding::ExpiresSoon { role: role.as_str().to_owned(), expires });
        }
        findings.extend(self.missing()?.into_iter().map(Finding::Pending));
        for role in [RoleName::root(), RoleName::targets()] {
            let path = self.key_path(&role);
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            findings.extend(path.exists().then_some(Finding::KeyOnline { file }));
        }
        let metadata_version = verified.targets.version.get();
        Ok(Findings { metadata_version, expires: verified.signed_by_people_until(), images, findings })
    }

    fn check_image(&self, image: &Listed) -> Result<(), String> {
        let sha256 = image.sha256();
        if !is_digest(sha256) {
            return Err("its SHA-256 is not 64 hexadecimal digits".to_owned());
        }
        let (length, found) = hash(&self.image_path(sha256)).map_err(|error| error.to_string())?;
        if length != image.file.length {
            return Err(format!("{length} bytes, expected {}", image.file.length));
        }
        if found != sha256 {
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
