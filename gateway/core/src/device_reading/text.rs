//! Texts as devices send them: NUL-ended, padded, with control octets before, between and after.

use super::charset::Charset;
use super::limits::TEXT_BYTES;

/// Decodes and cleans; nothing where nothing readable is left.
pub(crate) fn decode(octets: &[u8], charset: Charset) -> Option<String> {
    let octets = octets.get(..TEXT_BYTES).unwrap_or(octets);
    let octets = without_utf16(octets);
    let text = clean(&charset.decode(octets.as_ref()));
    (!text.is_empty()).then_some(text)
}

/// UTF-16 with a byte order mark, which a few devices send in `DisplayString`s.
fn without_utf16(octets: &[u8]) -> std::borrow::Cow<'_, [u8]> {
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
    let text = text.trim_start_matches(|c: char| {
        c.is_control() || c.is_whitespace() || c == '\u{feff}' || c == '\u{fffd}'
    });
    let text = text.split('\0').next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || c == '\u{fffd}' || c.is_whitespace() {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
