//! Lengths and hashes of files, as metadata states them.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use aws_lc_rs::digest::{Algorithm, Context, SHA256, SHA384, SHA512};
use serde::Deserialize;
use serde_json::Value;

use crate::limits::HASHES;
use crate::refusal::Refusal;

/// Hashes of a file, hexadecimal, by algorithm; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Hashes(BTreeMap<String, String>);

impl TryFrom<BTreeMap<String, String>> for Hashes {
    type Error = String;

    fn try_from(hashes: BTreeMap<String, String>) -> Result<Self, String> {
        if hashes.is_empty() || hashes.len() > HASHES {
            return Err(format!("{} hashes: expected 1 to {HASHES}", hashes.len()));
        }
        Ok(Self(hashes))
    }
}

impl Hashes {
    /// The hash by an algorithm, as metadata writes it.
    #[must_use]
    pub fn hash(&self, algorithm: &str) -> Option<&str> {
        self.0.get(algorithm).map(String::as_str)
    }
}

/// A metadata file, as the timestamp or the snapshot describes it (TUF §4.4, §4.5).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MetaFile {
    /// The version that the file must have.
    pub version: NonZeroU64,
    /// Length in bytes; `None` if the repository doesn't state it.
    #[serde(default)]
    pub length: Option<u64>,
    /// Hashes; `None` if the repository doesn't state them.
    #[serde(default)]
    pub hashes: Option<Hashes>,
}

impl MetaFile {
    /// Maximum number of bytes to download: `limit`, or the stated length if that is less.
    pub(crate) fn limit(&self, limit: u64) -> u64 {
        self.length.map_or(limit, |length| length.min(limit))
    }

    /// Checks length and hashes, if stated.
    pub(crate) fn check(&self, file: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let mut checker = FileChecker::new(file, self.length, self.hashes.as_ref())?;
        checker.update(bytes)?;
        checker.finish()
    }
}

/// A target, as its role describes it (TUF §4.6).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TargetFile {
    /// Length in bytes.
    pub length: u64,
    /// Hashes.
    pub hashes: Hashes,
    /// Data about the target that TUF doesn't interpret.
    #[serde(default)]
    pub custom: Option<Value>,
}

impl TargetFile {
    /// Starts the check of a file that arrives in parts. `path` is the target's path, for errors.
    ///
    /// # Errors
    /// [`Refusal::UnknownHash`]
    pub fn checker(&self, path: &str) -> Result<FileChecker, Refusal> {
        FileChecker::new(path, Some(self.length), Some(&self.hashes))
    }

    /// Path of the target below the repository's base URL, percent-encoded. With consistent snapshots, a hash
    /// precedes the file name (TUF §6.2).
    #[must_use]
    pub fn url_path(&self, path: &str, consistent_snapshot: bool) -> String {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parts: Vec<String> =
            folder.split('/').filter(|_| path.contains('/')).map(crate::name::quoted).collect();
        let name = crate::name::quoted(name);
        let hash = ALGORITHMS.iter().find_map(|(algorithm, _)| self.hashes.hash(algorithm));
        parts.push(match hash {
            Some(hash) if consistent_snapshot => format!("{}.{name}", crate::name::quoted(hash)),
            Some(_) | None => name,
        });
        parts.join("/")
    }
}

const ALGORITHMS: [(&str, &Algorithm); 3] = [("sha256", &SHA256), ("sha512", &SHA512), ("sha384", &SHA384)];

/// Checks the length and the hashes of a file that arrives in parts.
pub struct FileChecker {
    file: String,
    length: Option<u64>,
    seen: u64,
    digests: Vec<(&'static str, String, Context)>,
}

impl std::fmt::Debug for FileChecker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileChecker")
            .field("file", &self.file)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl FileChecker {
    /// Unknown hash algorithms are ignored if at least one is known.
    fn new(file: &str, length: Option<u64>, hashes: Option<&Hashes>) -> Result<Self, Refusal> {
        let mut digests = Vec::new();
        if let Some(hashes) = hashes {
            for (name, algorithm) in ALGORITHMS {
                if let Some(hash) = hashes.hash(name) {
                    digests.push((name, hash.to_owned(), Context::new(algorithm)));
                }
            }
            if digests.is_empty() {
                return Err(Refusal::UnknownHash { file: file.to_owned() });
            }
        }
        Ok(Self { file: file.to_owned(), length, seen: 0, digests })
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// [`Refusal::WrongLength`] as soon as the file is longer than stated.
    pub fn update(&mut self, part: &[u8]) -> Result<(), Refusal> {
        self.seen = self.seen.saturating_add(part.len() as u64);
        if self.length.is_some_and(|length| self.seen > length) {
            return Err(self.wrong_length());
        }
        for (_, _, context) in &mut self.digests {
            context.update(part);
        }
        Ok(())
    }

    /// Checks the complete file.
    ///
    /// # Errors
    /// [`Refusal::WrongLength`] or [`Refusal::WrongHash`]
    pub fn finish(self) -> Result<(), Refusal> {
        if self.length.is_some_and(|length| self.seen != length) {
            return Err(self.wrong_length());
        }
        for (algorithm, expected, context) in self.digests {
            let found = hex::encode(context.finish());
            if found != expected {
                return Err(Refusal::WrongHash { file: self.file, algorithm, found, expected });
            }
        }
        Ok(())
    }

    fn wrong_length(&self) -> Refusal {
        Refusal::WrongLength {
            file: self.file.clone(),
            found: self.seen,
            expected: self.length.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC_SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn target(length: u64, hashes: &[(&str, &str)]) -> TargetFile {
        let hashes: BTreeMap<_, _> =
            hashes.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
        TargetFile { length, hashes: Hashes::try_from(hashes).unwrap(), custom: None }
    }

    fn check(target: &TargetFile, parts: &[&[u8]]) -> Result<(), Refusal> {
        let mut checker = target.checker("abc")?;
        parts.iter().try_for_each(|part| checker.update(part))?;
        checker.finish()
    }

    #[test]
    fn length_and_every_known_hash_must_match() {
        let good = target(3, &[("sha256", ABC_SHA256), ("blake2b-256", "00")]);
        assert!(check(&good, &[b"a", b"bc"]).is_ok());
        let wrong = check(&good, &[b"abd"]);
        assert!(matches!(wrong, Err(Refusal::WrongHash { algorithm: "sha256", .. })));
        assert!(matches!(check(&good, &[b"ab"]), Err(Refusal::WrongLength { found: 2, expected: 3, .. })));
        assert!(matches!(check(&good, &[b"abc", b"d"]), Err(Refusal::WrongLength { found: 4, .. })));
        let two = target(3, &[("sha256", ABC_SHA256), ("sha512", "00")]);
        assert!(matches!(check(&two, &[b"abc"]), Err(Refusal::WrongHash { algorithm: "sha512", .. })));
        let unknown = target(3, &[("md5", "900150983cd24fb0d6963f7d28e17f72")]);
        assert!(matches!(check(&unknown, &[b"abc"]), Err(Refusal::UnknownHash { .. })));
        assert!(Hashes::try_from(BTreeMap::new()).is_err());
    }

    #[test]
    fn the_path_of_a_target_has_its_hash_before_the_name() {
        let file = target(3, &[("sha256", "0a"), ("sha512", "0b")]);
        assert_eq!(file.url_path("a/b c.bin", true), "a/0a.b%20c.bin");
        assert_eq!(file.url_path("a/b c.bin", false), "a/b%20c.bin");
        assert_eq!(file.url_path("image", true), "0a.image");
        assert_eq!(target(3, &[("sha512", "0b")]).url_path("/x", true), "/0b.x");
    }
}
