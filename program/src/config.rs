//! Configuration files: YAML, read once, refused with file, line, column and path.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A configuration file larger than this is a mistake.
const MAX_BYTES: u64 = 1 << 20;

/// A configuration file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("{}: can't be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is too large.
    #[error("{}: larger than {MAX_BYTES} bytes", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// It doesn't say what is expected.
    #[error("{}{place}: {path}{problem}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// `:LINE:COLUMN` where known.
        place: Place,
        /// Path of the key, `networks[0].cidr: `, or "".
        path: String,
        /// What was found and what was expected.
        problem: String,
    },
}

/// A place in a file; empty where the parser knows none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(Option<(usize, usize)>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

/// Reads a configuration file.
///
/// # Errors
/// The file can't be read or isn't a `T`.
pub fn load<T: DeserializeOwned>(file: &Path) -> Result<T, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
    if std::fs::metadata(file).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { file: file.to_owned() });
    }
    parse(file, &std::fs::read_to_string(file).map_err(unreadable)?)
}

/// Parses a configuration; `file` is for the error only.
///
/// # Errors
/// The text isn't a `T`.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        let place = Place(inner.location().map(|l| (l.line(), l.column())));
        ConfigError::Invalid {
            file: file.to_owned(),
            place,
            problem: problem(&path, inner),
            path: prefix(&path),
        }
    })
}

fn prefix(path: &str) -> String {
    if path == "." { String::new() } else { format!("{path}: ") }
}

/// The parser's text without what the error says already: the path before it and the place behind it.
fn problem(path: &str, error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let text = match text.split_once(": ") {
        Some((own, rest)) if path.starts_with(own) => rest,
        _ => &text,
    };
    let text = text.split_once(" at line ").map_or(text, |(before, _)| before);
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        networks: Vec<Network>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Network {
        cidr: String,
        #[serde(default)]
        port: u16,
    }

    fn refused(text: &str) -> String {
        parse::<Config>(Path::new("gateway.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_file_line_column_and_path() {
        assert_eq!(
            refused("networks:\n  - cidr: 10.0.0.0/8\n    prot: 161\n"),
            "gateway.yaml:3:5: networks[0].prot: unknown field `prot`, expected `cidr` or `port`"
        );
        assert_eq!(
            refused("networks:\n  - cidr: 10.0.0.0/8\n    port: many\n"),
            "gateway.yaml:3:11: networks[0].port: invalid type: string \"many\", expected u16"
        );
        let missing = refused("networks:\n  - port: 1\n");
        assert!(missing.contains("missing field `cidr`"), "{missing}");
        let broken = refused("networks: [\n");
        assert!(broken.starts_with("gateway.yaml:"), "{broken}");
        let config: Config = parse(Path::new("x"), "networks: [{cidr: a, port: 1}]").unwrap();
        assert_eq!((config.networks[0].cidr.as_str(), config.networks[0].port), ("a", 1));
    }
}
