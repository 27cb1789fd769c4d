//! Table hints: the rows that a device had at its last full read, with which the next reading needs fewer and smaller
//! responses. A hint may be wrong: every column is read to its end in any case.

use std::sync::Arc;

use crate::reading::limits::FRAME_OCTETS;
use crate::reading::mib::Oid;
use crate::reading::profiles::Profile;

/// Full readings that use the hints before everything is requested again without them.
const READINGS: u8 = 16;

/// The rows of each column, and the profile that was selected.
#[derive(Debug, Clone, Default)]
pub struct TableHints {
    profile: Option<Arc<Profile>>,
    /// Digest of the objects that the profile was selected by; `None` if the selection was uncertain.
    identity_digest: Option<u64>,
    /// Index of the current localization, if it isn't 1.
    locale: Option<u32>,
    /// Octets of the varbinds in responses to GETs.
    got: usize,
    /// Full readings that used these hints or the ones before.
    readings: u8,
    /// The rows by a 16-bit digest of the column, in ascending order. Small, because thousands of devices have one; a
    /// collision costs no more than a request.
    rows: Box<[(u16, u8)]>,
}

impl TableHints {
    pub(crate) fn new<'a>(
        (profile, identity_digest): (Option<Arc<Profile>>, Option<u64>),
        (locale, got): (Option<u32>, usize),
        columns: impl Iterator<Item = (&'a Oid, usize)>,
    ) -> Self {
        let row = |(root, rows): (&Oid, usize)| (digest(root.arcs()), u8::try_from(rows).unwrap_or(u8::MAX));
        let mut rows: Vec<(u16, u8)> = columns.map(row).collect();
        rows.sort_unstable();
        Self { profile, identity_digest, locale, got, readings: 0, rows: rows.into() }
    }

    /// Hints of a device of which only the profile is known.
    pub(crate) fn of_profile(profile: Option<Arc<Profile>>) -> Self {
        Self { profile, ..Self::default() }
    }

    /// Whether nothing is known of the device.
    pub(crate) fn is_empty(&self) -> bool {
        self.profile.is_none() && self.identity_digest.is_none() && self.rows.is_empty()
    }

    /// Replaces the earlier hints.
    pub(crate) fn after(self, earlier: &Self) -> Self {
        Self { readings: earlier.readings.saturating_add(1), ..self }
    }

    /// Whether the next full reading must request everything without the hints.
    pub(crate) const fn is_old(&self) -> bool {
        self.readings >= READINGS
    }

    /// The profile that was selected.
    pub(crate) const fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// The selected profile of a device with the same identity digest: `Some(None)` if no profile matched, `None` if
    /// the digest differs.
    pub(crate) fn choice(&self, identity_digest: u64) -> Option<Option<&Arc<Profile>>> {
        (self.identity_digest == Some(identity_digest)).then_some(self.profile.as_ref())
    }

    /// Index of the current localization, if it isn't 1.
    pub(crate) const fn locale(&self) -> Option<u32> {
        self.locale
    }

    /// Whether all responses to GETs would fit into one frame.
    pub(crate) const fn fits_a_frame(&self) -> bool {
        0 < self.got && self.got <= FRAME_OCTETS
    }

    /// The rows of a column, if it was walked.
    pub(crate) fn rows(&self, root: &[u32]) -> Option<usize> {
        let wanted = digest(root);
        let at = self.rows.binary_search_by_key(&wanted, |(own, _)| *own).ok()?;
        self.rows.get(at).map(|(_, rows)| usize::from(*rows))
    }
}

/// FNV-1a, folded.
fn digest(arcs: &[u32]) -> u16 {
    let hash = arcs.iter().fold(0x811c_9dc5_u32, |hash, arc| (hash ^ arc).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_again() {
        let roots: Vec<Oid> = (1..60).map(|last| Oid::new(&[1, 3, 6, 1, 2, 1, 43, 11, 1, 1, last])).collect();
        let hints = TableHints::new((None, None), (None, 0), roots.iter().zip((0..).step_by(7)));
        assert_eq!(hints.rows(roots[0].arcs()), Some(0));
        assert_eq!(hints.rows(roots[4].arcs()), Some(28));
        assert_eq!(hints.rows(roots[58].arcs()), Some(255), "more than a column may have");
        assert_eq!(hints.rows(&[1, 3, 7]), None);
        assert_eq!(TableHints::default().rows(&[1, 3]), None);
    }
}
