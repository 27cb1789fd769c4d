//! Narrates the demo: lines and progress bars for people, one JSON object per step for programs.

use std::future::Future;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Prints the narration.
#[derive(Debug)]
pub(crate) struct Narrator {
    json: bool,
}

/// A step as JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    step: &'a str,
    ok: bool,
    took_ms: u64,
    evidence: &'a str,
}

/// The step in progress.
#[derive(Debug)]
pub(crate) struct Step {
    bar: ProgressBar,
}

impl Step {
    /// Shows the progress as text.
    pub(crate) fn progress(&self, message: String) {
        self.bar.set_message(message);
    }

    /// Shows how many of all are done.
    pub(crate) fn count(&self, done: usize, of: usize) {
        self.bar.set_length(u64::try_from(of).unwrap_or(u64::MAX));
        self.bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        self.bar.set_style(style("{spinner:.cyan} {prefix:<28} {bar:24.cyan/blue} {pos}/{len} {msg}"));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Narrator {
    /// Prints for people, or JSON for programs.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the output is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line for people; nothing in JSON.
    pub(crate) fn say(&self, text: &str) {
        if !self.json {
            self.line(text);
        }
    }

    /// Performs a step: shows that it is in progress, then prints its evidence or its failure.
    pub(crate) async fn step<F, Doing>(&self, step: &str, title: &str, doing: F) -> Result<()>
    where
        F: FnOnce(Step) -> Doing,
        Doing: Future<Output = Result<String>>,
    {
        let bar = if self.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        bar.set_style(style("{spinner:.cyan} {prefix:<28} {msg} {elapsed:.dim}"));
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        let began = Instant::now();
        let result = doing(Step { bar: bar.clone() }).await;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        bar.finish_and_clear();
        let (ok, evidence) = match &result {
            Ok(evidence) => (true, evidence.clone()),
            Err(error) => (false, format!("{error:#}")),
        };
        if self.json {
            let told = Told { step, ok, took_ms, evidence: &evidence };
            self.line(&serde_json::to_string(&told)?);
        } else {
            let mark = if ok { "✓" } else { "✗" };
            self.line(&format!("{mark} {title:<28} {evidence} ({:.1} s)", began.elapsed().as_secs_f64()));
        }
        result.map(drop)
    }

    /// Prints why the demo ended early.
    pub(crate) fn failure(&self, error: &Error) {
        let mut stderr = std::io::stderr().lock();
        // If standard error fails, the error can't be reported anywhere.
        drop(writeln!(stderr, "platen-demo: {error:#}"));
    }

    fn line(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        // As above: a closed pipe ends the narration, not the site.
        drop(writeln!(stdout, "{text}").and_then(|()| stdout.flush()));
    }
}
