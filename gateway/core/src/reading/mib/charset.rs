//! Character sets that `prtLocalizationCharacterSet` names (IANA's MIBenum numbers).

use encoding_rs::Encoding;

/// How octets above 127 are decoded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Charset {
    /// None was named: UTF-8, else Windows-1252.
    #[default]
    Unnamed,
    /// A character set of `encoding_rs`.
    Known(&'static Encoding),
    /// HP Roman-8, which `encoding_rs` lacks.
    Roman8,
}

impl Charset {
    /// From a MIBenum number.
    pub(crate) fn from_mib_enum(number: i64) -> Self {
        use encoding_rs as e;
        let known = match number {
            4 | 3 | 2252 => e::WINDOWS_1252,
            5 => e::ISO_8859_2,
            6 => e::ISO_8859_3,
            7 => e::ISO_8859_4,
            8 => e::ISO_8859_5,
            9 => e::ISO_8859_6,
            10 => e::ISO_8859_7,
            11 => e::ISO_8859_8,
            12 | 2254 => e::WINDOWS_1254,
            13 => e::ISO_8859_10,
            109 => e::ISO_8859_13,
            110 => e::ISO_8859_14,
            111 => e::ISO_8859_15,
            112 => e::ISO_8859_16,
            17 | 2024 => e::SHIFT_JIS,
            18 => e::EUC_JP,
            36 | 38 => e::EUC_KR,
            39 => e::ISO_2022_JP,
            113 | 114 | 2025 => e::GB18030,
            1013 | 1000 | 1015 => e::UTF_16BE,
            1014 => e::UTF_16LE,
            2004 => return Self::Roman8,
            2026 => e::BIG5,
            2084 => e::KOI8_R,
            2086 => e::IBM866,
            2088 => e::KOI8_U,
            2250 => e::WINDOWS_1250,
            2251 => e::WINDOWS_1251,
            2253 => e::WINDOWS_1253,
            2255 => e::WINDOWS_1255,
            2256 => e::WINDOWS_1256,
            2257 => e::WINDOWS_1257,
            2258 => e::WINDOWS_1258,
            2259 => e::WINDOWS_874,
            _ => return Self::Unnamed,
        };
        Self::Known(known)
    }

    /// Whether a character takes two octets.
    fn is_utf16(self) -> bool {
        matches!(self, Self::Known(set) if set == encoding_rs::UTF_16BE || set == encoding_rs::UTF_16LE)
    }

    /// Decodes octets. Valid UTF-8 is decoded as UTF-8, whatever the device states: text of another character set is
    /// almost never valid by chance, and many devices state one set and send the other. UTF-16 is the exception: much
    /// of it is valid UTF-8 with control characters, which no text contains.
    pub(crate) fn decode(self, octets: &[u8]) -> String {
        match std::str::from_utf8(octets) {
            Ok(text) if !self.is_utf16() || !text.contains(is_strange) => return text.to_owned(),
            Ok(_) | Err(_) => {}
        }
        match self {
            Self::Unnamed => encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned(),
            Self::Known(encoding) => encoding.decode_without_bom_handling(octets).0.into_owned(),
            Self::Roman8 => octets.iter().map(|octet| roman8(*octet)).collect(),
        }
    }
}

/// A control character that appears only in UTF-16 text.
fn is_strange(c: char) -> bool {
    c.is_control() && !c.is_ascii_whitespace()
}

/// Upper half of HP Roman-8 from 0xA0 (RFC 1345, `hp-roman8`).
const ROMAN8: &str = "\u{a0}ÀÂÈÊËÎÏ´ˋˆ¨˜ÙÛ₤¯Ýý°ÇçÑñ¡¿¤£¥§ƒ¢âêôûáéóúàèòùäëöüÅîØÆåíøæÄìÖÜÉïßÔÁÃãÐðÍÌÓÒÕõŠšÚŸÿÞþ·µ¶¾\u{2014}¼½ªº«■»±\u{fffd}";

fn roman8(octet: u8) -> char {
    match octet {
        0..0x80 => char::from(octet),
        0x80..0xa0 => '\u{fffd}',
        _ => ROMAN8.chars().nth(usize::from(octet - 0xa0)).unwrap_or('\u{fffd}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_set_is_used_where_the_text_is_not_utf8() {
        let cases: [(i64, &[u8], &str); 6] = [
            (106, "Größe".as_bytes(), "Größe"),
            (4, b"Gr\xf6\xdfe", "Größe"),
            (2004, b"Gr\xce\xdee", "Größe"),
            (5, b"u\xb6pienia", "uśpienia"),
            (17, b"\x8e\x86\x8b\x6c", "紙詰"),
            (0, b"\xe4", "ä"),
        ];
        for (number, octets, text) in cases {
            assert_eq!(Charset::from_mib_enum(number).decode(octets), text, "{number}");
        }
        assert_eq!(ROMAN8.chars().count(), 96);
    }
}
