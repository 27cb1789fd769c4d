//! The bytes that a request selects (RFC 9110 §14), for one range.
//!
//! `tower-http`'s `ServeFile` supports no entity tags and so no `If-Range`: a resumed download could join two images.

/// The part of the image to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    /// The whole image: status 200.
    Whole,
    /// From `first` to `last`, inclusive: status 206.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// No byte in the range: status 416.
    Unsatisfiable,
}

/// Decides by the headers `Range` and `If-Range`. An unknown unit, several ranges or an invalid range is ignored, as
/// §14.2 allows.
pub(super) fn select(range: Option<&str>, if_range: Option<&str>, etag: &str, length: u64) -> Selection {
    // A date never matches (§13.1.5): the tag alone names these bytes.
    let is_same = if_range.is_none_or(|given| given.trim() == etag);
    range.filter(|_| is_same).and_then(|range| one_range(range, length)).unwrap_or(Selection::Whole)
}

/// `None` if the header is ignored.
fn one_range(header: &str, length: u64) -> Option<Selection> {
    let (unit, ranges) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = ranges.trim().split_once('-')?;
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(suffix(position(last)?, length)),
        (false, true) => Some(part(position(first)?, u64::MAX, length)),
        (false, false) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then(|| part(first, last, length))
        }
    }
}

/// Parses digits only; a number beyond 64 bits is beyond the end of every image.
fn position(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX))
}

fn part(first: u64, last: u64, length: u64) -> Selection {
    match length.checked_sub(1) {
        Some(end) if first <= end => Selection::Part { first, last: last.min(end) },
        Some(_) | None => Selection::Unsatisfiable,
    }
}

fn suffix(count: u64, length: u64) -> Selection {
    if count == 0 {
        return Selection::Unsatisfiable;
    }
    part(length.saturating_sub(count), u64::MAX, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_select_by_rfc_9110() {
        let part = |first, last| Selection::Part { first, last };
        for (range, expected) in [
            ("bytes=0-", part(0, 999)),
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-499", part(0, 499)),
            ("bytes=500-999", part(500, 999)),
            ("bytes=500-5000", part(500, 999)),
            ("bytes=999-", part(999, 999)),
            ("bytes=-1", part(999, 999)),
            ("bytes=-500", part(500, 999)),
            ("bytes=-5000", part(0, 999)),
            ("Bytes= 5-9 ", part(5, 9)),
            ("bytes=0-99999999999999999999999", part(0, 999)),
            ("bytes=1000-", Selection::Unsatisfiable),
            ("bytes=1000-2000", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selection::Unsatisfiable),
            ("bytes=9-5", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=", Selection::Whole),
            ("bytes=a-b", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("bytes=0-1,5-6", Selection::Whole),
            ("lines=1-2", Selection::Whole),
            ("0-1", Selection::Whole),
            ("", Selection::Whole),
        ] {
            assert_eq!(select(Some(range), None, "\"t\"", 1000), expected, "{range}");
        }
        assert_eq!(select(None, None, "\"t\"", 1000), Selection::Whole);
        assert_eq!(select(Some("bytes=0-"), None, "\"t\"", 0), Selection::Unsatisfiable);
    }

    #[test]
    fn a_part_is_sent_only_of_the_same_image() {
        let with = |if_range| select(Some("bytes=5-"), Some(if_range), "\"t\"", 10);
        assert_eq!(with("\"t\""), Selection::Part { first: 5, last: 9 });
        for other in ["\"u\"", "W/\"t\"", "Sun, 22 Nov 2026 00:00:00 GMT", ""] {
            assert_eq!(with(other), Selection::Whole, "{other}");
        }
    }
}
