//! Tables of lines `KEY="VALUE"`, as in Brother's maintenance table: model, serial number, and a pair of lines for
//! each firmware component.

use crate::reading::mib::{Mib, Oid};

/// Maximum number of lines of one table.
const LINES: usize = 128;

/// Maximum length of a key, characters.
const KEY_CHARS: usize = 32;

/// The keys and values of a column, in the order of its rows. Other lines are ignored. A row may have several pairs,
/// and a value that the device doesn't know (`?`) is omitted.
pub(crate) fn lines(mib: &Mib, column: &Oid) -> Vec<(String, String)> {
    let rows = mib.rows(column.arcs()).take(LINES).filter_map(|(_, value)| mib.text_of(value));
    rows.flat_map(|row| pairs(&row)).take(LINES).collect()
}

/// The value of the first line with this key.
pub(crate) fn value(mib: &Mib, column: &Oid, key: &str) -> Option<String> {
    lines(mib, column).into_iter().find_map(|(own, value)| (own == key).then_some(value))
}

/// The pairs in a text: `A="1"`, `A = "1" B="2"`, `A=1`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim().rsplit(|c: char| c.is_whitespace() || c == ';' || c == ',').next().unwrap_or("");
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once([' ', ';', ',']).unwrap_or((after, "")),
        };
        let (value, is_key) = (value.trim(), !key.is_empty() && key.chars().count() <= KEY_CHARS);
        if is_key && !value.is_empty() && value != "?" {
            found.push((key.to_ascii_uppercase(), value.to_owned()));
        }
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::mib::Value;

    fn mib(rows: &[&str]) -> Mib {
        let mut mib = Mib::default();
        for (row, line) in (1..).zip(rows) {
            mib.insert(Oid::new(&[1, 9, 2, row]), Value::octets(line.as_bytes()));
        }
        mib
    }

    #[test]
    fn lines_of_any_form_are_taken_apart() {
        let cases: [(&str, &[(&str, &str)]); 9] = [
            ("MODEL=\"X-1 2\"", &[("MODEL", "X-1 2")]),
            ("MODEL = \"X-1\"", &[("MODEL", "X-1")]),
            ("A=\"1\"\r\nB=\"2\"", &[("A", "1"), ("B", "2")]),
            ("a=1;b=2", &[("A", "1"), ("B", "2")]),
            ("FONT=\"?\"", &[]),
            ("EMPTY=\"\"", &[]),
            ("OPEN=\"no end", &[("OPEN", "no end")]),
            ("no pair", &[]),
            ("===", &[]),
        ];
        for (text, expected) in cases {
            let found = lines(&mib(&[text]), &Oid::new(&[1, 9, 2]));
            let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_table_of_any_length_gives_no_more_than_its_limit() {
        let long = "K=\"v\" ".repeat(200);
        assert_eq!(lines(&mib(&[&long, &long]), &Oid::new(&[1, 9, 2])).len(), LINES);
        assert_eq!(value(&mib(&["S=\"1\"", "S=\"2\""]), &Oid::new(&[1, 9, 2]), "S").as_deref(), Some("1"));
    }
}
