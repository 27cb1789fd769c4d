//! Object identifiers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::reading::limits::ARCS;

/// Sub-identifiers that are stored inline; nearly all objects of a printer have no more.
pub(crate) const INLINE_ARCS: usize = 16;

/// An object identifier, in the order of SNMP.
#[derive(Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(SmallVec<[u32; INLINE_ARCS]>);

/// Not an object identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not an object identifier: expected 2 to 128 numbers separated by dots, like 1.3.6.1.2.1.1.1.0"
)]
pub struct InvalidOid {
    given: String,
}

impl Oid {
    /// From sub-identifiers; those after the first 128 are cut off.
    #[must_use]
    pub fn new(arcs: &[u32]) -> Self {
        Self(SmallVec::from_slice(arcs.get(..ARCS).unwrap_or(arcs)))
    }

    /// From the first `count` of these sub-identifiers.
    pub(crate) fn inline(arcs: [u32; INLINE_ARCS], count: usize) -> Self {
        Self(SmallVec::from_buf_and_len(arcs, count.min(INLINE_ARCS)))
    }

    /// The sub-identifiers.
    #[must_use]
    pub fn arcs(&self) -> &[u32] {
        &self.0
    }

    /// This object, and further sub-identifiers after it.
    #[must_use]
    pub fn join(&self, more: &[u32]) -> Self {
        join(&self.0, more)
    }

    /// The sub-identifiers after `prefix`.
    #[must_use]
    pub fn after(&self, prefix: &[u32]) -> Option<&[u32]> {
        self.0.strip_prefix(prefix)
    }
}

#[must_use]
pub(crate) fn join(object: &[u32], instance: &[u32]) -> Oid {
    let mut arcs = SmallVec::from_slice(object.get(..ARCS).unwrap_or(object));
    let left = ARCS - arcs.len();
    arcs.extend_from_slice(instance.get(..left).unwrap_or(instance));
    Oid(arcs)
}

/// Sub-identifiers in dotted form.
#[must_use]
pub fn dotted(arcs: &[u32]) -> String {
    let (mut text, mut digits) = (String::with_capacity(arcs.len() * 4), itoa::Buffer::new());
    for (at, arc) in arcs.iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        text.push_str(digits.format(*arc));
    }
    text
}

impl Clone for Oid {
    /// Copies the array at once. The derived implementation copies number by number, and a reading clones each object
    /// more than once.
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}

impl Ord for Oid {
    /// Skips the common prefix, which is nearly everything, four numbers at a time.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut own, mut others) = (self.arcs(), other.arcs());
        while let (Some((a, left)), Some((b, right))) =
            (own.split_first_chunk::<4>(), others.split_first_chunk::<4>())
            && a == b
        {
            (own, others) = (left, right);
        }
        own.cmp(others)
    }
}

impl PartialOrd for Oid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dotted(&self.0))
    }
}

impl FromStr for Oid {
    type Err = InvalidOid;

    fn from_str(text: &str) -> Result<Self, InvalidOid> {
        let invalid = || InvalidOid { given: text.chars().take(60).collect() };
        let arcs: SmallVec<[u32; INLINE_ARCS]> = text
            .strip_prefix('.')
            .unwrap_or(text)
            .split('.')
            .take(ARCS + 1)
            .map(|arc| arc.parse().map_err(|_| invalid()))
            .collect::<Result<_, _>>()?;
        if arcs.len() < 2 || arcs.len() > ARCS { Err(invalid()) } else { Ok(Self(arcs)) }
    }
}

impl TryFrom<String> for Oid {
    type Error = InvalidOid;

    fn try_from(text: String) -> Result<Self, InvalidOid> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> Self {
        oid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_order_is_that_of_the_numbers(
            a in proptest::collection::vec(0_u32..3, 0..20),
            b in proptest::collection::vec(0_u32..3, 0..20),
        ) {
            proptest::prop_assert_eq!(Oid::new(&a).cmp(&Oid::new(&b)), a.cmp(&b));
        }
    }

    #[test]
    fn text_and_order_are_those_of_snmp() {
        let oid: Oid = ".1.3.6.1.2.1.43.10".parse().unwrap();
        assert_eq!(oid.to_string(), "1.3.6.1.2.1.43.10");
        assert!(oid < "1.3.6.1.2.1.43.10.2".parse().unwrap() && oid > "1.3.6.1.2.1.43.9.5".parse().unwrap());
        assert_eq!(oid.after(&[1, 3, 6]), Some([1, 2, 1, 43, 10].as_slice()));
        for bad in ["", "1", "1.", "1..3", "1.3.x", "1.3.4294967296", "1.-3", &"1.".repeat(200)] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
    }
}
