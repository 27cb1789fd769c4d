//! Configuration files: YAML, read once; an error names file, line, column and key.
//!
//! A relative path in a file is relative to the folder of that file, not to the working directory.

mod locate;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use pki::IdentityConfig;
use serde::de::DeserializeOwned;

use crate::check::{Invalid, Problem};

/// The maximum size of a configuration file, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A configuration file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("{}: can't be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It does not exist.
    #[error(
        "{}: there is no such file: set --config to your configuration (packaging/examples has one to start from)",
        file.display()
    )]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// It is too large.
    #[error("{}: larger than {MAX_BYTES} bytes", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// Its content is invalid.
    #[error("{}{place}: {path}{problem}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// `:LINE:COLUMN` where known.
        place: Place,
        /// The key with a colon, such as `networks[0].cidr: `; "" for the whole file.
        path: String,
        /// What was found and what was expected.
        problem: String,
    },
}

impl ConfigError {
    /// The error as a problem of a check.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Unreadable { file, source } => Problem::of_file(file, format!("can't be read: {source}")),
            Self::Missing { file } | Self::TooLarge { file } => {
                let text = self.to_string();
                let prefix = format!("{}: ", file.display());
                Problem::of_file(file, text.strip_prefix(&prefix).unwrap_or(&text))
            }
            Self::Invalid { file, place: Place(place), path, problem } => Problem {
                line: place.map(|(line, _)| line),
                column: place.map(|(_, column)| column),
                key: Some(path.trim_end_matches(": ").to_owned()).filter(|key| !key.is_empty()),
                ..Problem::of_file(file, problem)
            },
        }
    }
}

impl From<ConfigError> for Invalid {
    fn from(error: ConfigError) -> Self {
        Self(vec![error.problem()])
    }
}

/// A position in a file; empty if the parser knows none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(Option<(usize, usize)>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

/// A configuration that contains paths: each is made absolute when the configuration is loaded.
pub trait Paths {
    /// Every path in the configuration.
    fn paths(&mut self) -> Vec<&mut PathBuf>;
}

impl Paths for IdentityConfig {
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        [&mut self.certificate, &mut self.key, &mut self.root].into_iter().chain(&mut self.crl).collect()
    }
}

/// The text of a configuration file.
#[derive(Debug)]
pub struct Source {
    file: PathBuf,
    text: String,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// It does not exist, can't be read, or is too large.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source: io::Error| {
            if source.kind() == io::ErrorKind::NotFound {
                return ConfigError::Missing { file: file.to_owned() };
            }
            ConfigError::Unreadable { file: file.to_owned(), source }
        };
        if std::fs::metadata(file).map_err(unreadable)?.len() > MAX_BYTES {
            return Err(ConfigError::TooLarge { file: file.to_owned() });
        }
        Ok(Self { file: file.to_owned(), text: std::fs::read_to_string(file).map_err(unreadable)? })
    }

    /// The parsed configuration, with absolute paths.
    ///
    /// # Errors
    /// The text isn't a `T`.
    pub fn parse<T: DeserializeOwned + Paths>(&self) -> Result<T, ConfigError> {
        let mut config: T = parse(&self.file, &self.text)?;
        let folder = self.folder();
        for path in config.paths() {
            *path = folder.join(&path);
        }
        Ok(config)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The folder that relative paths start from, absolute if the working directory is known.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        folder.components().collect()
    }

    /// A problem with the value of a key, `networks[0].cidr`; its position is that of the nearest existing key above.
    pub fn problem(&self, key: &str, message: impl fmt::Display) -> Problem {
        let place = locate::locate(&self.text, key);
        Problem {
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            key: Some(key.to_owned()),
            ..Problem::of_file(&self.file, message)
        }
    }
}

/// Reads a configuration file.
///
/// # Errors
/// The file can't be read or isn't a `T`.
pub fn load<T: DeserializeOwned + Paths>(file: &Path) -> Result<T, ConfigError> {
    Source::read(file)?.parse()
}

/// Parses a configuration, its paths as they are written; `file` is for the error only.
///
/// # Errors
/// The text isn't a `T`.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        let place = inner.location().map(|l| (l.line(), l.column()));
        ConfigError::Invalid {
            file: file.to_owned(),
            place: Place(place),
            problem: explained(problem(&path, inner), text, place),
            path: prefix(&path),
        }
    })
}

/// The path, as a prefix of a problem. The parser shows an unknown path as `.` or `?`.
fn prefix(path: &str) -> String {
    if matches!(path, "." | "?") { String::new() } else { format!("{}: ", path.trim_end_matches(".?")) }
}

/// The parser's text without its prefix (path) and suffix (position), which the error shows separately.
fn problem(path: &str, error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let text = match text.split_once(": ") {
        Some((own, rest)) if path.starts_with(own) => rest,
        _ => &text,
    };
    let text = text.split_once(" at line ").map_or(text, |(before, _)| before);
    text.to_owned()
}

/// The parser's text, with what was expected added where it is missing.
fn explained(problem: String, text: &str, place: Option<(usize, usize)>) -> String {
    let line = place.and_then(|(line, _)| text.lines().nth(line.checked_sub(1)?)).unwrap_or("");
    let is_indented_by_tab = line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t');
    if problem.contains("cannot start any token") && is_indented_by_tab {
        return "a tab: expected spaces, as YAML is indented with spaces only".to_owned();
    }
    if problem.contains("invalid socket address") {
        return format!("{problem}: expected ADDRESS:PORT with a port up to 65535, like 127.0.0.1:8443");
    }
    problem
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

    #[test]
    fn unclear_messages_of_the_parser_are_explained() {
        assert_eq!(
            refused("networks:\n\t- cidr: a\n"),
            "gateway.yaml:2:1: networks: a tab: expected spaces, as YAML is indented with spaces only"
        );
        let missing = load::<IdentityConfig>(Path::new("/nonexistent/x.yaml")).unwrap_err();
        assert!(missing.to_string().starts_with("/nonexistent/x.yaml: there is no such file"), "{missing}");
        assert!(missing.problem().message.starts_with("there is no such file"), "{missing}");
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.yaml");
        std::fs::write(&file, "{certificate: a.pem, key: /b.pem, root: ../c.pem}").unwrap();
        let config: IdentityConfig = load(&file).unwrap();
        assert_eq!(config.certificate, dir.path().join("a.pem"));
        assert_eq!(config.key, Path::new("/b.pem"));
        assert_eq!(config.root, dir.path().join("../c.pem"));
    }
}
