//! Logs: `tracing` to standard error, as text or JSON.
//!
//! A line that can't be written (closed pipe, full disk, blocked reader) is lost and has no other effect. By default,
//! the library would report that by `eprintln!`, which panics if standard error is closed.

mod stderr;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// The key `log` of every configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Text for people, or JSON for machines.
    pub format: Format,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives by module.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".to_owned() }
    }
}

impl LogConfig {
    /// The same with levels of libraries, except of those that the configuration names.
    #[must_use]
    pub fn with_libraries(&self, libraries: &[(&str, &str)]) -> Self {
        let mut log = self.clone();
        for (library, level) in libraries {
            if !log.level.contains(library) {
                log.level = format!("{},{library}={level}", log.level);
            }
        }
        log
    }
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line of text.
    Text,
    /// A JSON object.
    Json,
}

/// A log that can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is invalid.
    #[error("log.level {level:?} is not valid: expected error, warn, info, debug, trace, or module=level")]
    Level {
        /// As configured.
        level: String,
        /// The cause.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Sets the log up; a second call in one process changes nothing.
///
/// # Errors
/// The level is invalid.
pub fn init(config: &LogConfig) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|source| LoggingError::Level { level: config.level.clone(), source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| stderr::Stderr)
        .with_target(true)
        .log_internal_errors(false);
    let begun = match config.format {
        Format::Text => builder.with_ansi(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    if begun.is_err() {
        tracing::debug!("logging is already set up");
    }
    Ok(())
}
