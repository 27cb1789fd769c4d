//! Texts to be found.

/// A text to be found, as a LIKE pattern with `!` as its escape.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.trim().to_lowercase().chars().take(100) {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    if pattern.len() == 1 {
        return String::new();
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn what_is_sought_is_taken_literally() {
        assert_eq!(pattern(" A_1%! "), "%a!_1!%!!%");
        assert_eq!(pattern("  "), "");
    }
}
