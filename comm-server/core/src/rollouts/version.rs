//! Which of two firmware versions is older, if that can be determined.
//!
//! Makers write versions in many forms. Two texts are compared only if they differ in numbers alone; if two readings of
//! the numbers disagree (`1.9` and `1.10`: two components, or a decimal fraction?), they can't be compared.

use std::cmp::Ordering;

/// A run of digits, or of other characters.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    Digits(String),
    Other(String),
}

/// The order of `a` and `b`; `None` if it can't be determined.
#[must_use]
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.trim(), b.trim());
    if a == b {
        return Some(Ordering::Equal);
    }
    let (a, b) = (runs(a), runs(b));
    let fraction = is_decimal(&a) && is_decimal(&b);
    // The first difference decides, but only between texts of one form.
    let mut decided = Ordering::Equal;
    for (place, (x, y)) in a.iter().zip(&b).enumerate() {
        match (x, y) {
            (Run::Other(x), Run::Other(y)) if x.eq_ignore_ascii_case(y) => {}
            (Run::Digits(x), Run::Digits(y)) if decided == Ordering::Equal => {
                decided = number(x).cmp(&number(y));
                let as_fraction = fraction && place == 2 && x.len() != y.len();
                if as_fraction && decided != x.cmp(y) {
                    return None;
                }
            }
            (Run::Digits(_), Run::Digits(_)) => {}
            (Run::Other(_), Run::Other(_) | Run::Digits(_)) | (Run::Digits(_), Run::Other(_)) => return None,
        }
    }
    let common = a.len().min(b.len());
    let (more_a, more_b) = (components(a.get(common..)?)?, components(b.get(common..)?)?);
    Some(decided.then(more_a.cmp(&more_b)))
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for c in text.chars() {
        match (runs.last_mut(), c.is_ascii_digit()) {
            (Some(Run::Digits(run)), true) | (Some(Run::Other(run)), false) => run.push(c),
            (_, true) => runs.push(Run::Digits(c.to_string())),
            (_, false) => runs.push(Run::Other(c.to_string())),
        }
    }
    runs
}

/// Whether the text may be a decimal number: `1.23`.
fn is_decimal(runs: &[Run]) -> bool {
    matches!(runs, [Run::Digits(_), Run::Other(dot), Run::Digits(_)] if dot == ".")
}

/// Digits without leading zeros, so that the longer number is the larger one.
fn number(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

/// Whether there are further components that aren't zero; `None` if there is other text.
fn components(rest: &[Run]) -> Option<bool> {
    let mut more = false;
    for pair in rest.chunks(2) {
        match pair {
            [Run::Other(dot), Run::Digits(digits)] if dot == "." => more |= number(digits).0 > 0,
            _ => return None,
        }
    }
    Some(more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_compared_where_numbers_alone_differ() {
        let table = [
            ("1.23", "1.24", Some(Ordering::Less)),
            ("2.05", "1.23", Some(Ordering::Greater)),
            ("10.1", "9.1", Some(Ordering::Greater)),
            ("1.0", " 1.0 ", Some(Ordering::Equal)),
            ("2VK_S000.002.509", "2vk_S000.002.510", Some(Ordering::Less)),
            ("2.0", "2.0.1", Some(Ordering::Less)),
            ("2.0", "2.0.0", Some(Ordering::Equal)),
            ("2.1", "2.0.1", Some(Ordering::Greater)),
            ("1.2.9", "1.2.10", Some(Ordering::Less)),
            ("1.05", "1.5", None),
            ("1.9", "1.10", None),
            ("1.1", "1.10", Some(Ordering::Less)),
            ("9.02", "2VK_S000.002.509", None),
            ("1.23a", "1.23b", None),
            ("1.23", "1.23-beta", None),
            ("W1.2", "V1.2", None),
            ("", "1.0", None),
        ];
        for (a, b, expected) in table {
            assert_eq!(compare(a, b), expected, "{a:?} {b:?}");
            assert_eq!(compare(b, a), expected.map(Ordering::reverse), "{b:?} {a:?}");
        }
    }

    proptest! {
        #[test]
        fn any_two_texts_are_compared_alike_from_both_sides(a in "[0-9a-zA-Z._-]{0,12}", b in "[0-9.]{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).map(Ordering::reverse));
        }
    }
}
