//! What a device had when it was read last: with it the next reading needs fewer and smaller answers. It is a guess and
//! nothing more: each column is still read to its end, whatever was there before.

use std::sync::Arc;

use crate::reading::limits::FRAME_OCTETS;
use crate::reading::mib::Oid;
use crate::reading::profiles::Profile;

/// Whole readings that trust what was there before.
const READINGS: u8 = 16;

/// Rows of each column, and the profile that fitted.
#[derive(Debug, Clone, Default)]
pub struct TableHints {
    profile: Option<Arc<Profile>>,
    /// Digest of what the profile was chosen by; nothing where the choice wasn't sure.
    identity_digest: Option<u64>,
    /// Index of the localization in use, where it isn't the first.
    locale: Option<u32>,
    /// Octets of the varbinds that answered to GETs.
    got: usize,
    /// Whole readings that were made with it and its predecessors.
    readings: u8,
    /// By a short digest of the column, in its order: a thousand devices are remembered, and a mistaken row costs no more
    /// than a request.
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

    /// It stands in the place of another one.
    pub(crate) fn after(self, earlier: &Self) -> Self {
        Self { readings: earlier.readings.saturating_add(1), ..self }
    }

    /// Whether so many readings trusted it that the next whole one asks as if nothing was known.
    pub(crate) const fn is_old(&self) -> bool {
        self.readings >= READINGS
    }

    /// The profile that fitted.
    pub(crate) const fn profile(&self) -> Option<&Arc<Profile>> {
        self.profile.as_ref()
    }

    /// The profile that fitted a device that told the same of itself, and nothing where none did.
    pub(crate) fn choice(&self, identity_digest: u64) -> Option<Option<&Arc<Profile>>> {
        (self.identity_digest == Some(identity_digest)).then_some(self.profile.as_ref())
    }

    /// Index of the localization in use, where it isn't the first.
    pub(crate) const fn locale(&self) -> Option<u32> {
        self.locale
    }

    /// Whether all that it answered to GETs fits into one answer.
    pub(crate) const fn fits_a_frame(&self) -> bool {
        0 < self.got && self.got <= FRAME_OCTETS
    }

    /// Rows that a column had, where it was walked.
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
