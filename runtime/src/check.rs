//! Results of `check`: all problems of a configuration at once, in the same form in every program.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pki::{Identity, IdentityConfig, IdentityError, Tolerance};
use serde::Serialize;

use crate::error::chain;
use crate::output;

/// A problem or a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The configuration file, or another file that was checked.
    pub file: PathBuf,
    /// Line, from 1; absent where it has none.
    pub line: Option<usize>,
    /// Column, from 1; absent where it has none.
    pub column: Option<usize>,
    /// Key of the configuration, `networks[0].cidr`; absent where there is none.
    pub key: Option<String>,
    /// What is wrong, what was expected, and what to do.
    pub message: String,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(file: &Path, message: impl fmt::Display) -> Self {
        Self { file: file.to_owned(), line: None, column: None, key: None, message: message.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Problem {}

/// Problems as text, one per line.
#[must_use]
pub fn text(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A configuration that can't be used, with all its problems.
#[derive(Debug, thiserror::Error)]
#[error("{}", text(.0))]
pub struct Invalid(pub Vec<Problem>);

/// The report of `check`.
#[derive(Debug, Serialize)]
pub struct Report {
    file: PathBuf,
    valid: bool,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Report {
    /// A report on a file.
    #[must_use]
    pub fn new(file: &Path, problems: Vec<Problem>, warnings: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), valid: problems.is_empty(), problems, warnings }
    }

    /// Prints the report: one JSON document; or each problem on a line of standard error, and `summary` if there is
    /// none. The exit status is 0, or `invalid` if there is a problem.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub fn print(&self, program: &str, json: bool, summary: &str, invalid: u8) -> io::Result<ExitCode> {
        let code = ExitCode::from(if self.valid { 0 } else { invalid });
        if json {
            output::document(self)?;
            return Ok(code);
        }
        for warning in &self.warnings {
            output::line(&format!("{}: warning: {}", warning.file.display(), warning.message))?;
        }
        for problem in &self.problems {
            output::complain(program, &problem.to_string());
        }
        if self.valid {
            output::line(summary)?;
        }
        Ok(code)
    }
}

/// A key of the configuration, and the problem with its value.
pub type Fault = (String, String);

/// Loads an identity and reports every problem of its files. `how_to_get` says what to do when there is no certificate
/// yet.
///
/// # Errors
/// A file can't be read, or the files don't belong together.
pub fn identity(
    config: &IdentityConfig,
    tolerance: Tolerance,
    how_to_get: &str,
) -> Result<Identity, Vec<Fault>> {
    let files = [("certificate", &config.certificate), ("key", &config.key), ("root", &config.root)];
    let files = files.into_iter().chain(config.crl.as_ref().map(|crl| ("crl", crl)));
    let mut faults = Vec::new();
    for (name, path) in files {
        let key = format!("identity.{name}");
        match std::fs::File::open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && name == "certificate" => {
                return Err(vec![(key, format!("{} doesn't exist: {how_to_get}", path.display()))]);
            }
            Err(error) => faults.push((key, format!("{} can't be read: {error}", path.display()))),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let key = |error: &IdentityError| match error {
        IdentityError::Key { .. } => "identity.key",
        IdentityError::Crl(_) => "identity.crl",
        IdentityError::Root { .. } => "identity.root",
        IdentityError::Certificate { .. } => "identity.certificate",
        IdentityError::File(_) => "identity",
    };
    // What rustls adds to a key that doesn't fit is the name of an enum.
    let text = |error: &IdentityError| match error {
        IdentityError::Key { .. } => error.to_string(),
        IdentityError::Crl(_)
        | IdentityError::Root { .. }
        | IdentityError::Certificate { .. }
        | IdentityError::File(_) => chain(error),
    };
    Identity::load_with(config, tolerance).map_err(|error| vec![(key(&error).to_owned(), text(&error))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_its_place_in_front() {
        let mut problem = Problem::of_file(Path::new("g.yaml"), "is not valid");
        assert_eq!(problem.to_string(), "g.yaml: is not valid");
        (problem.line, problem.column, problem.key) = (Some(3), Some(5), Some("a.b".to_owned()));
        assert_eq!(problem.to_string(), "g.yaml:3:5: a.b: is not valid");
    }

    #[test]
    fn the_document_has_one_shape() {
        let problem = Problem { line: Some(2), ..Problem::of_file(Path::new("g.yaml"), "x") };
        let report = serde_json::to_value(Report::new(Path::new("g.yaml"), vec![problem], vec![])).unwrap();
        let expected = serde_json::json!({
            "file": "g.yaml", "valid": false, "warnings": [],
            "problems": [{"file": "g.yaml", "line": 2, "column": null, "key": null, "message": "x"}],
        });
        assert_eq!(report, expected);
    }
}
