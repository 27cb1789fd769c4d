//! Output of the commands: text for people, or one JSON value.

use std::io;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use runtime::check::Problem;
use runtime::output;
use serde::Serialize;
use serde_json::json;
use wire::metadata::Targets;

use crate::repository::{Finding, Findings, Published, Repository, Verified, Withdrawn};

/// A reader that closed its end has read enough; that is no error.
fn as_json(value: &impl Serialize) -> io::Result<()> {
    output::document(value).map(drop)
}

fn text(text: &str) -> io::Result<()> {
    output::line(text).map(drop)
}

pub(super) fn init(json: bool, repository: &Repository) -> io::Result<()> {
    let (root, root_key) = (repository.metadata_path(wire::metadata::ROOT), repository.root_key_path());
    if json {
        return as_json(&json!({"repository": repository.dir(), "root": root, "root_key": root_key}));
    }
    text(&format!(
        "Repository made in {}.\nBring {} to the gateways: it is what they trust.\nTake {} offline: it is needed only to \
         change which keys sign.",
        repository.dir().display(),
        root.display(),
        root_key.display()
    ))
}

pub(super) fn published(json: bool, published: &Published) -> io::Result<()> {
    if json {
        return as_json(published);
    }
    let word = if published.already { "was published already" } else { "published" };
    text(&format!("{} {word}: {} bytes, SHA-256 {}", published.target, published.length, published.sha256))
}

pub(super) fn list(json: bool, verified: &Verified) -> io::Result<()> {
    let targets = &verified.targets;
    if json {
        let images = targets.targets.iter().map(|(name, target)| {
            json!({"target": name, "vendor": target.custom.vendor, "model": target.custom.model,
                "version": target.custom.version, "length": target.length, "sha256": target.hashes.sha256,
                "published_at": target.custom.published_at})
        });
        let images: Vec<_> = images.collect();
        return as_json(&json!({"version": targets.version, "expires": targets.expires, "images": images}));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["Vendor", "Model", "Version", "Bytes", "Published"]);
    if let Some(bytes) = table.column_mut(3) {
        bytes.set_cell_alignment(CellAlignment::Right);
    }
    for target in targets.targets.values() {
        let facts = &target.custom;
        let published = facts.published_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        table.add_row([&facts.vendor, &facts.model, &facts.version, &target.length.to_string(), &published]);
    }
    let images =
        if targets.targets.is_empty() { "No images published.".to_owned() } else { table.to_string() };
    text(&format!("{images}\nMetadata version {}, signed until {}.", targets.version, targets.expires))
}

pub(super) fn resigned(json: bool, targets: &Targets) -> io::Result<()> {
    if json {
        return as_json(&json!({"version": targets.version, "expires": targets.expires}));
    }
    text(&format!("Signed: version {}, until {}.", targets.version, targets.expires))
}

pub(super) fn withdrawn(json: bool, withdrawn: &Withdrawn) -> io::Result<()> {
    if json {
        return as_json(withdrawn);
    }
    let file = if withdrawn.file_removed {
        "Its file is removed."
    } else {
        "Its file stays: another image has the same content."
    };
    text(&format!(
        "{} withdrawn: metadata version {}. {file}\nGateways that have staged it no longer push it: devices that \
         wait for it fail with that reason.",
        withdrawn.target, withdrawn.metadata_version
    ))
}

/// The findings of a check, as problems and warnings.
pub(super) fn findings(repository: &Path, found: &Findings) -> (Vec<Problem>, Vec<Problem>) {
    let problem = |finding: &Finding| Problem::of_file(repository, sentence(finding));
    let (faults, notes): (Vec<_>, Vec<_>) = found.findings.iter().partition(|finding| finding.is_fault());
    (faults.into_iter().map(problem).collect(), notes.into_iter().map(problem).collect())
}

pub(super) fn summary(repository: &Path, found: &Findings) -> String {
    let (images, version, expires) = (found.images, found.metadata_version, found.expires);
    format!("{}: sound: {images} images as signed, version {version}, until {expires}", repository.display())
}

fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::Damaged { target, problem } => format!("{target}: {problem}: publish it again"),
        Finding::Unnamed { file } => format!("images/{file} is named by no metadata and may be removed"),
        Finding::ExpiresSoon => "the metadata expires soon: run `resign`".to_owned(),
        Finding::RootKeyOnline => "keys/root.pk8 is still here: take it offline".to_owned(),
    }
}
