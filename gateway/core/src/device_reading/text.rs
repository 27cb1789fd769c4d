//! Texts as devices send them: NUL-ended, padded, with control octets before, between and after.

use std::borrow::Cow;

use wire::text::is_hidden;

use super::charset::Charset;
use super::limits::TEXT_BYTES;

/// Decodes and cleans; nothing where nothing readable is left.
pub(crate) fn decode(octets: &[u8], charset: Charset) -> Option<Cow<'_, str>> {
    let octets = octets.get(..TEXT_BYTES).unwrap_or(octets);
    if let Some(text) = clean_already(octets) {
        return Some(text.into());
    }
    let octets = without_utf16(octets);
    let text = clean(&charset.decode(octets.as_ref()));
    (!text.is_empty()).then_some(text.into())
}

/// Most texts: ASCII with single spaces inside.
fn clean_already(octets: &[u8]) -> Option<&str> {
    let mut before = b' ';
    for octet in octets {
        match octet {
            b' ' if before == b' ' => return None,
            b' '..=b'~' => before = *octet,
            _ => return None,
        }
    }
    if before == b' ' { None } else { std::str::from_utf8(octets).ok() }
}

/// UTF-16 with a byte order mark, which a few devices send in `DisplayString`s.
fn without_utf16(octets: &[u8]) -> Cow<'_, [u8]> {
    let encoding = match octets {
        [0xfe, 0xff, ..] => encoding_rs::UTF_16BE,
        [0xff, 0xfe, ..] => encoding_rs::UTF_16LE,
        _ => return octets.into(),
    };
    encoding.decode(octets).0.into_owned().into_bytes().into()
}

/// Drops control characters and what could not be decoded in front, ends at the first NUL after them, turns what is
/// left of both into spaces, and takes the padding off.
#[must_use]
pub fn clean(text: &str) -> String {
    let text = text.trim_start_matches(|c: char| is_hidden(c) || c.is_whitespace() || c == '\u{fffd}');
    let text = text.split('\0').next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || c == '\u{fffd}' || c.is_whitespace() {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !is_hidden(c) {
            out.push(c);
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_clean_already_stays(text in "[ -~\\n]{0,12}") {
            if let Some(already) = clean_already(text.as_bytes()) {
                proptest::prop_assert_eq!(already, clean(&text));
            }
        }
    }

    #[test]
    fn what_devices_wrap_around_a_text_goes() {
        let cases: [(&[u8], Option<&str>); 10] = [
            (b"Toner", Some("Toner")),
            (b"Toner\0\0garbage", Some("Toner")),
            (b"\x01\x15LaserJet   9\r\n", Some("LaserJet 9")),
            (b"  padded \t ", Some("padded")),
            (b"\0\0\0", None),
            (b"", None),
            (b"\xff\xfeA\0B\0", Some("AB")),
            (b"\x80\xff", Some("\u{20ac}\u{ff}")),
            (b"two\nlines", Some("two lines")),
            (b"\xff\xfe\x00\xd8z\0", Some("z")),
        ];
        for (octets, text) in cases {
            assert_eq!(decode(octets, Charset::Unnamed).as_deref(), text, "{octets:?}");
        }
        assert_eq!(decode(&[b'x'; 70_000], Charset::Unnamed).unwrap().len(), TEXT_BYTES);
    }
}
