//! URLs of SQLite databases: makes relative paths absolute, and encodes characters that a URL can't contain.

use std::path::Path;

/// The URL of a database file.
pub(super) fn of_file(file: &Path) -> String {
    format!("sqlite://{}", encoded(file))
}

/// The URL with an absolute path; a relative one is resolved against `folder`.
pub(super) fn relative_to(folder: &Path, url: &str) -> String {
    let Some(rest) = url.strip_prefix("sqlite:") else { return url.to_owned() };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with('/') || path.starts_with(":memory:") {
        return url.to_owned();
    }
    // The path is encoded already, the folder isn't.
    format!("sqlite://{}/{}", encoded(folder), path.strip_prefix("./").unwrap_or(path))
}

fn encoded(path: &Path) -> String {
    path.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_file_begins_at_the_folder() {
        for (url, expected) in [
            ("sqlite://platen.db", "sqlite:///etc/a%25b/platen.db"),
            ("sqlite:platen.db?mode=rw", "sqlite:///etc/a%25b/platen.db?mode=rw"),
            ("sqlite://./data/x.db", "sqlite:///etc/a%25b/data/x.db"),
            ("sqlite:///var/x.db", "sqlite:///var/x.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("postgres://h/d", "postgres://h/d"),
        ] {
            assert_eq!(relative_to(Path::new("/etc/a%b"), url), expected, "{url}");
        }
        assert_eq!(of_file(Path::new("/var/a?b/x.db")), "sqlite:///var/a%3Fb/x.db");
    }
}
