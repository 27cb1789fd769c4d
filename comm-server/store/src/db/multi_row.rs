//! Statements for many rows: one round trip to the engine for any number.
//!
//! Their texts have only a few lengths, so that each is built and prepared once per connection.

use std::fmt::Write as _;
use std::sync::OnceLock;

/// Number of lengths: the powers of two up to 256.
const LENGTHS: usize = 9;

/// Maximum number of rows of one statement.
pub(crate) const MOST_ROWS: usize = 1 << (LENGTHS - 1);

/// A statement in all its lengths; each is built when it is first needed.
pub(crate) struct Statement {
    texts: [OnceLock<String>; LENGTHS],
    make: fn(rows: usize) -> String,
}

impl Statement {
    /// A statement whose text `make` builds for a number of rows.
    pub(crate) const fn new(make: fn(rows: usize) -> String) -> Self {
        Self { texts: [const { OnceLock::new() }; LENGTHS], make }
    }

    /// The shortest text for at least `rows` rows, at most [`MOST_ROWS`], and its number of rows. The caller fills
    /// the missing rows.
    pub(crate) fn at_least(&'static self, rows: usize) -> (&'static str, usize) {
        let rows = rows.clamp(1, MOST_ROWS).next_power_of_two();
        (self.of(rows), rows)
    }

    /// The longest text for at most `rows` rows (one or more), and its number of rows. The caller executes further
    /// statements for the rest.
    fn at_most(&'static self, rows: usize) -> (&'static str, usize) {
        let rows = 1 << rows.clamp(1, MOST_ROWS).ilog2();
        (self.of(rows), rows)
    }

    /// Divides all rows among as few statements as possible; returns each text with its rows.
    pub(crate) fn split<'a, T>(
        &'static self,
        mut rows: &'a [T],
    ) -> impl Iterator<Item = (&'static str, &'a [T])> {
        std::iter::from_fn(move || {
            if rows.is_empty() {
                return None;
            }
            let (text, count) = self.at_most(rows.len());
            let (now, later) = rows.split_at(count);
            rows = later;
            Some((text, now))
        })
    }

    fn of(&'static self, rows: usize) -> &'static str {
        let place = usize::try_from(rows.ilog2()).unwrap_or(0).min(LENGTHS - 1);
        self.texts.get(place).map_or("", |text| text.get_or_init(|| (self.make)(rows)))
    }
}

/// `($3, $4), ($5, $6)`: rows of parameters after the first `before` ones, each preceded by the result of `lead`.
pub(crate) fn rows(rows: usize, columns: usize, before: usize, lead: impl Fn(usize) -> String) -> String {
    let mut sql = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        let joint = if row == 0 { "(" } else { ", (" };
        sql.push_str(joint);
        sql.push_str(&lead(row));
        for column in 0..columns {
            let joint = if column == 0 { "" } else { ", " };
            let written = write!(sql, "{joint}${}", before + row * columns + column + 1);
            written.expect("writing to a string succeeds");
        }
        sql.push(')');
    }
    sql
}

/// No prefix for a row.
pub(crate) fn plain(_: usize) -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: Statement = Statement::new(|n| rows(n, 2, 1, plain));

    #[test]
    fn rows_are_numbered_through() {
        assert_eq!(rows(2, 2, 0, plain), "($1, $2), ($3, $4)");
        assert_eq!(rows(2, 1, 3, |row| format!("'{row}', ")), "('0', $4), ('1', $5)");
    }

    #[test]
    fn rows_are_split_without_a_gap() {
        let rows: Vec<usize> = (0..263).collect();
        let parts: Vec<_> = NUMBERS.split(&rows).collect();
        assert_eq!(parts.iter().map(|(_, part)| part.len()).collect::<Vec<_>>(), [256, 4, 2, 1]);
        assert!(parts.iter().all(|(text, part)| *text == NUMBERS.at_most(part.len()).0));
        assert_eq!(parts.iter().flat_map(|(_, part)| *part).copied().collect::<Vec<_>>(), rows);
        assert_eq!(NUMBERS.split::<usize>(&[]).count(), 0);
    }

    #[test]
    fn there_are_few_lengths() {
        assert_eq!(NUMBERS.at_least(1), ("($2, $3)", 1));
        assert_eq!([3, 4, 5, 200, 256].map(|n| NUMBERS.at_least(n).1), [4, 4, 8, 256, 256]);
        assert_eq!([1, 3, 4, 255, 1000].map(|n| NUMBERS.at_most(n).1), [1, 2, 4, 128, 256]);
    }
}
