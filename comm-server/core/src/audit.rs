//! The chain of a tenant's audit: a sealed entry has a number and a hash over its content and the hash of the entry
//! before it, so that an entry that is changed, removed, inserted or moved afterwards is found.
//!
//! The digest is passed in ([`Digest`]): this crate contains no cryptography.

mod difference;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use difference::{Difference, differences};

/// SHA-256 of some octets.
pub type Digest = fn(&[u8]) -> [u8; 32];

/// The first field of the hashed octets, so that the hash of other data can't be the hash of an entry.
const DOMAIN: &str = "platen audit entry 1";

/// A hash of the chain; as a text, 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHash([u8; 32]);

/// A text that is not a hash of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash is not valid: expected 64 hexadecimal digits")]
pub struct InvalidHash;

impl ChainHash {
    /// The hash before the first entry: 32 octets of zero.
    pub const START: Self = Self([0; 32]);
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for ChainHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let mut octets = [0; 32];
        hex::decode_to_slice(text, &mut octets).map_err(|_| InvalidHash)?;
        Ok(Self(octets))
    }
}

/// The content of an entry, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// Its tenant.
    pub tenant: &'a str,
    /// Its id.
    pub entry: &'a str,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// The author.
    pub who: &'a str,
    /// The kind of change.
    pub what: &'a str,
    /// The text for people.
    pub detail: &'a str,
    /// The object before the change: the text of a JSON document.
    pub before: Option<&'a str>,
    /// The object after the change: the text of a JSON document.
    pub after: Option<&'a str>,
}

impl Content<'_> {
    /// The entry's hash at a position in the chain.
    #[must_use]
    pub fn hash(&self, number: u64, previous: ChainHash, digest: Digest) -> ChainHash {
        ChainHash(digest(&self.octets(number, previous)))
    }

    /// The octets to hash: each field is preceded by its length in 8 octets, so that two different entries never have
    /// the same octets. Numbers have 8 octets, most significant first. A document is preceded by an octet 1; an octet
    /// 0 means that there is none.
    fn octets(&self, number: u64, previous: ChainHash) -> Vec<u8> {
        let mut octets = Vec::with_capacity(512);
        let mut field = |bytes: &[u8]| {
            octets.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            octets.extend_from_slice(bytes);
        };
        field(DOMAIN.as_bytes());
        field(self.tenant.as_bytes());
        field(&number.to_be_bytes());
        field(&previous.0);
        field(self.entry.as_bytes());
        field(&self.at_ms.to_be_bytes());
        for text in [self.who, self.what, self.detail] {
            field(text.as_bytes());
        }
        for document in [self.before, self.after] {
            match document {
                None => octets.push(0),
                Some(text) => {
                    octets.push(1);
                    octets.extend_from_slice(&(text.len() as u64).to_be_bytes());
                    octets.extend_from_slice(text.as_bytes());
                }
            }
        }
        octets
    }
}

/// The ends of a chain, stored beside it: the newest entry, and where the oldest one that is kept begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the newest sealed entry; 0 before the first one.
    pub number: u64,
    /// Its hash.
    pub hash: ChainHash,
    /// Number of the oldest entry that is kept: one more than `number` if none is.
    pub first_number: u64,
    /// The hash of the entry before that one (deleted by retention).
    pub first_previous: ChainHash,
}

impl Head {
    /// The head of a chain without entries.
    pub const START: Self =
        Self { number: 0, hash: ChainHash::START, first_number: 1, first_previous: ChainHash::START };

    /// The head after one more entry, with that entry's number and hash.
    #[must_use]
    pub fn after(&self, content: &Content<'_>, digest: Digest) -> Self {
        let number = self.number + 1;
        Self { number, hash: content.hash(number, self.hash, digest), ..*self }
    }
}

/// Number and hash of an entry that were stored elsewhere: an attacker who rewrites the whole chain and its head
/// can't change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Number of the entry.
    pub number: u64,
    /// Its hash.
    pub hash: ChainHash,
}

/// A text that is not a number and hash of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected NUMBER:HASH, as `audit verify` printed it")]
pub struct InvalidKnown;

impl FromStr for Known {
    type Err = InvalidKnown;

    fn from_str(text: &str) -> Result<Self, InvalidKnown> {
        let (number, hash) = text.split_once(':').ok_or(InvalidKnown)?;
        let number = number.parse().map_err(|_| InvalidKnown)?;
        Ok(Self { number, hash: hash.parse().map_err(|_| InvalidKnown)? })
    }
}

/// The fault of a broken chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The entry doesn't exist, although later ones exist or the head has its number.
    Missing,
    /// The entry has the number of another one, or of one that retention deleted.
    Repeated,
    /// Its hash doesn't match its content and the entry before it.
    Changed,
    /// It is newer than the newest sealed entry of the head.
    BehindHead,
    /// It is the newest entry, but the head has a different hash.
    NotHead,
    /// It has a different hash than the one stored elsewhere.
    NotKnown,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 6] =
        [Self::Missing, Self::Repeated, Self::Changed, Self::BehindHead, Self::NotHead, Self::NotKnown];

    /// Name in the API and in JSON output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Repeated => "repeated",
            Self::Changed => "changed",
            Self::BehindHead => "behind_head",
            Self::NotHead => "not_head",
            Self::NotKnown => "not_known",
        }
    }

    /// The reason, for people: it follows the entry's number.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Repeated => "has a number that was used before",
            Self::Changed => "was changed: its hash is not that of its content and the entry before it",
            Self::BehindHead => "was added behind the newest entry that was sealed",
            Self::NotHead => "is the newest one, but another hash was recorded for it",
            Self::NotKnown => "has another hash than the one that was noted",
        }
    }
}

/// The first entry at which a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("audit entry {number} {}", .fault.text())]
pub struct Broken {
    /// Number of the entry.
    pub number: u64,
    /// The reason.
    pub fault: Fault,
}

/// Verifies a chain, entry by entry in the order of their numbers.
#[derive(Debug, Clone)]
pub struct Verifier {
    head: Head,
    known: Option<Known>,
    digest: Digest,
    next: u64,
    previous: ChainHash,
}

impl Verifier {
    /// Begins with the oldest entry that is kept.
    #[must_use]
    pub const fn new(head: Head, known: Option<Known>, digest: Digest) -> Self {
        Self { head, known, digest, next: head.first_number, previous: head.first_previous }
    }

    /// Verifies the next entry; `hash` is its stored hash, `None` if that is not a valid one.
    ///
    /// # Errors
    /// The chain is broken at this entry, or before it.
    pub fn check(
        &mut self,
        number: u64,
        hash: Option<ChainHash>,
        content: &Content<'_>,
    ) -> Result<(), Broken> {
        let broken = |number, fault| Err(Broken { number, fault });
        if number < self.next {
            return broken(number, Fault::Repeated);
        }
        if number > self.head.number {
            // An entry is missing before it, if any is.
            let is_next = self.next > self.head.number;
            return if is_next {
                broken(number, Fault::BehindHead)
            } else {
                broken(self.next, Fault::Missing)
            };
        }
        if number > self.next {
            return broken(self.next, Fault::Missing);
        }
        if hash != Some(content.hash(number, self.previous, self.digest)) {
            return broken(number, Fault::Changed);
        }
        self.previous = hash.unwrap_or(self.previous);
        self.next += 1;
        self.check_known()
    }

    /// Verifies that the entries end with the head.
    ///
    /// # Errors
    /// The chain ends before its head, or with a different hash.
    pub fn end(mut self) -> Result<(), Broken> {
        if self.next <= self.head.number {
            return Err(Broken { number: self.next, fault: Fault::Missing });
        }
        if self.previous != self.head.hash {
            return Err(Broken { number: self.head.number, fault: Fault::NotHead });
        }
        if self.head.number < self.head.first_number {
            self.check_known()?;
        }
        match self.known.take() {
            Some(known) if known.number > self.head.number => {
                Err(Broken { number: self.head.number + 1, fault: Fault::Missing })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Compares the entry before the next one with the known hash.
    fn check_known(&self) -> Result<(), Broken> {
        match self.known {
            Some(known) if known.number + 1 == self.next && known.hash != self.previous => {
                Err(Broken { number: known.number, fault: Fault::NotKnown })
            }
            Some(_) | None => Ok(()),
        }
    }
}
