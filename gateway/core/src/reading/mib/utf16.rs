//! UTF-16 without a byte order mark, by its octets: in most scripts one octet of each letter is one that no other text has
//! there.

use encoding_rs::Encoding;

/// Of a hundred letters, how many must have such an octet: signs like ™ have none.
const ENOUGH: usize = 66;

/// The encoding and the octets without the NULs at their end; nothing where they are no UTF-16, or nothing tells its order.
///
/// The upper octet of a letter of Latin, Greek, Cyrillic, Hebrew, Arabic, Thai and their like is a control character as
/// ASCII. A NUL at the end, or in front, makes no UTF-16: it is next to letters, again and again.
pub(super) fn guess(octets: &[u8]) -> Option<(&'static Encoding, &[u8])> {
    let end = octets.iter().rposition(|octet| *octet != 0)? + 1;
    // In little-endian order the last upper octet is one of those NULs.
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
