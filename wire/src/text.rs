//! Makes untrusted texts safe to display: a device's name, a reason, a user name as typed.
//!
//! A hidden character changes what is displayed without being visible: it reverses the reading order, hides letters,
//! or controls a terminal. Texts that are stored for display have none ([`without_hidden`]); where the exact text is
//! evidence, each is replaced by a visible mark ([`with_marks`]).

use std::borrow::Cow;
use std::fmt::Write as _;

use icu_properties::CodePointSetData;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint};

/// Whether a character is a control character (C0, DEL, C1), a line or paragraph separator, or has the Unicode property
/// `Bidi_Control` or `Default_Ignorable_Code_Point` (UAX #44).
#[must_use]
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}')
        || CodePointSetData::new::<BidiControl>().contains(c)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// The text without hidden characters, at most `chars` characters.
#[must_use]
pub fn without_hidden(text: &str, chars: usize) -> String {
    text.chars().filter(|c| !is_hidden(*c)).take(chars).collect()
}

/// The text with each hidden character replaced by a mark: `⟨U+202E⟩`.
#[must_use]
pub fn with_marks(text: &str) -> Cow<'_, str> {
    marked(text, is_hidden)
}

/// The same for a text of several lines: line feeds and tabs are kept.
#[must_use]
pub fn lines_with_marks(text: &str) -> Cow<'_, str> {
    marked(text, |c| is_hidden(c) && !matches!(c, '\n' | '\t'))
}

fn marked(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            write!(shown, "⟨U+{:04X}⟩", u32::from(c)).expect("a String takes every text");
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// The longest prefix of a text with at most `bytes` bytes, at a character boundary.
#[must_use]
pub fn clipped(text: &str, bytes: usize) -> &str {
    let end = text.floor_char_boundary(bytes);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some characters of each range in Unicode 16.0, PropList.txt and DerivedCoreProperties.txt, and neighbours.
    #[test]
    fn what_people_would_not_see_is_hidden() {
        for c in [
            '\0',
            '\u{7}',
            '\t',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{9f}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0fff}',
        ] {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in [
            ' ',
            '~',
            'é',
            '\u{a0}',
            '\u{ae}',
            '\u{61b}',
            '\u{2010}',
            '\u{2027}',
            '\u{3163}',
            '複',
            'ع',
            '\u{1f5a8}',
        ] {
            assert!(!is_hidden(c), "{c:?}");
        }
    }

    #[test]
    fn hidden_characters_are_dropped_or_marked() {
        let name = "Flur \u{202e}4502 MI\u{2069}\u{1b}[31m";
        assert_eq!(without_hidden(name, 100), "Flur 4502 MI[31m");
        assert_eq!(without_hidden(name, 6), "Flur 4");
        assert_eq!(with_marks(name), "Flur ⟨U+202E⟩4502 MI⟨U+2069⟩⟨U+001B⟩[31m");
        assert_eq!(lines_with_marks("a\tb\n\u{feff}c\r"), "a\tb\n⟨U+FEFF⟩c⟨U+000D⟩");
        assert!(matches!(with_marks("IM C4500"), Cow::Borrowed("IM C4500")));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        for (bytes, expected) in
            [(0, ""), (1, "a"), (2, "a"), (3, "aé"), (4, "aé"), (6, "aé複"), (99, "aé複")]
        {
            assert_eq!(clipped("aé複", bytes), expected, "{bytes}");
        }
    }
}
