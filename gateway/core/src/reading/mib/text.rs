//! Texts as devices send them: terminated by NUL, padded, with control octets anywhere.

use std::borrow::Cow;

use wire::text::is_hidden;

use super::charset::Charset;
use super::utf16;
use crate::reading::limits::TEXT_BYTES;

/// Decodes and cleans a text; `None` if nothing readable remains.
pub(crate) fn decode(octets: &[u8], charset: Charset) -> Option<Cow<'_, str>> {
    let octets = octets.get(..TEXT_BYTES).unwrap_or(octets);
    if let Some(text) = clean_already(octets) {
        return Some(text.into());
    }
    let octets = without_utf16(octets);
    let text = clean(&charset.decode(octets.as_ref()));
    (!text.is_empty()).then_some(text.into())
}

/// The common case, which needs no cleaning: ASCII with single spaces.
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

/// Converts UTF-16, which some devices send as `DisplayString`, to UTF-8. It is recognised by its byte order mark,
/// else by its octets.
fn without_utf16(octets: &[u8]) -> Cow<'_, [u8]> {
    let (encoding, octets) = match octets {
        [0xfe, 0xff, ..] => (encoding_rs::UTF_16BE, octets),
        [0xff, 0xfe, ..] => (encoding_rs::UTF_16LE, octets),
        _ => match utf16::guess(octets) {
            Some(found) => found,
            None => return octets.into(),
        },
    };
    // An odd last octet belongs to a terminating NUL of which the device sent only half.
    let (whole, half) = octets.split_at(octets.len() & !1);
    let mut text = encoding.decode(whole).0.into_owned();
    if encoding == encoding_rs::UTF_16LE {
        text.extend(half.iter().map(|octet| char::from(*octet)));
    }
    text.into_bytes().into()
}

/// Removes control characters and replacement characters in front, ends the text at the first NUL after them,
/// replaces the remaining ones by spaces, and trims the text.
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
        let cases: [(&[u8], Option<&str>); 19] = [
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
            (b"\0C\0y\0a\0n", Some("Cyan")),
            (b"C\0y\0a\0n\0\0\0", Some("Cyan")),
            (b"C\0y\0a\0n", Some("Cyan")),
            (b"\0G\0r\0\xfc\0n\0\0", Some("Gr\u{fc}n")),
            (b"\x04\x27\x04\x51\x04\x40\x04\x3d", Some("Ч\u{451}рн")),
            (b"\0T\0M\x21\x22", Some("TM\u{2122}")),
            (b"K\0\0\0", Some("K")),
            (b"\0\0\0K", Some("K")),
            (b"Ink\0\x01\0", Some("Ink")),
        ];
        for (octets, text) in cases {
            assert_eq!(decode(octets, Charset::Unnamed).as_deref(), text, "{octets:?}");
        }
        let utf16 = Charset::from_mib_enum(1013);
        let named: [(&[u8], &str); 5] = [
            (b"\x4e\x2d\x65\x87\x58\xa8", "中文墨"),
            (b"\x30\xc8\x30\xca\x30\xfc", "トナー"),
            (b"Toner ok", "Toner ok"),
            ("Tönerö".as_bytes(), "Tönerö"),
            (b"\x04\x10\x04\x11", "АБ"),
        ];
        for (octets, text) in named {
            assert_eq!(decode(octets, utf16).as_deref(), Some(text), "{octets:?}");
        }
        assert_eq!(decode(&[b'x'; 70_000], Charset::Unnamed).unwrap().len(), TEXT_BYTES);
    }
}
