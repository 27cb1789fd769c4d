//! Recognises UTF-16 without a byte order mark: in most scripts, one octet of each character is one that no other
//! text has at this position.

use encoding_rs::Encoding;

/// The share of characters that must have such an octet, percent: signs like ™ have none.
const ENOUGH: usize = 66;

/// The encoding, and the octets without terminating NULs; `None` if it isn't UTF-16 or the byte order is unknown.
///
/// The upper octet of Latin, Greek, Cyrillic, Hebrew, Arabic, Thai and similar characters is a control character in
/// ASCII. NULs at the beginning or end are no evidence: they must occur between characters.
pub(super) fn guess(octets: &[u8]) -> Option<(&'static Encoding, &[u8])> {
    let end = octets.iter().rposition(|octet| *octet != 0)? + 1;
    // In little-endian order, the last upper octet is one of those NULs.
    let end = (end + 1) & !1;
    let octets = octets.get(..end).unwrap_or(octets);
    let upper = |first: usize| {
        let own = octets.iter().skip(first).step_by(2);
        own.filter(|octet| octet.is_ascii_control() && !matches!(octet, b'\t' | b'\n' | b'\r')).count()
    };
    let (letters, zeros) = (octets.len().div_ceil(2), octets.iter().filter(|octet| **octet == 0).count());
    let (big, little) = (upper(0), upper(1) + octets.len() % 2);
    let encoding = match big.cmp(&little) {
        std::cmp::Ordering::Greater => encoding_rs::UTF_16BE,
        std::cmp::Ordering::Less => encoding_rs::UTF_16LE,
        std::cmp::Ordering::Equal => return None,
    };
    let (most, least) = (big.max(little), big.min(little));
    let ended = octets.chunks_exact(2).any(|letter| letter == [0, 0]);
    let enough = letters >= 2 && most * 100 >= letters * ENOUGH && least * 4 <= most;
    (enough && !ended && (zeros > 0 || most == letters)).then_some((encoding, octets))
}
