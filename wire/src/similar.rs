//! Known names that resemble a misspelt one, for "did you mean" in error messages.

/// The largest number of edits (insertion, deletion, substitution, transposition) between two similar names.
const EDITS: usize = 3;

/// The names similar to `given`, the most similar first, ignoring case.
pub fn similar<'n>(given: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let given = given.to_lowercase();
    let limit = EDITS.min(given.chars().count() / 2);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .map(|name| (strsim::osa_distance(&given, &name.to_lowercase()), name))
        .filter(|(edits, _)| *edits <= limit)
        .collect();
    near.sort_by_key(|(edits, _)| *edits);
    near.into_iter().map(|(_, name)| name).collect()
}

/// The most similar name, if any is similar.
pub fn closest<'n>(given: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    similar(given, names).first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_comes_first_and_others_not_at_all() {
        let zones = ["Europe/Berlin", "Asia/Tokyo", "Europe/Bern"];
        assert_eq!(similar("europe/berln", zones), ["Europe/Berlin", "Europe/Bern"]);
        assert_eq!(closest("Asia/Tokio", zones), Some("Asia/Tokyo"));
        assert_eq!(closest("Mars", zones), None);
        assert_eq!(closest("x", ["y"]), None);
    }
}
