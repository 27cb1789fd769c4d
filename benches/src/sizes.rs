//! Sizes of the programs as built.

use anyhow::Result;

use crate::figures::Figures;

const PROGRAMS: [&str; 5] =
    ["platen-gateway", "platen-comm-server", "platen-global-server", "platen-pki", "platen-mfp"];

/// Prints the size of each program in this one's folder.
pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let folder = tests::program::folder()?;
    let note = if folder.ends_with("release") { "release" } else { "not a release build" };
    for program in PROGRAMS {
        let bytes = std::fs::metadata(tests::program::path(program)?)?.len();
        figures.print(&format!("size of {program}"), float(bytes) / 1024.0 / 1024.0, "MiB", note);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
