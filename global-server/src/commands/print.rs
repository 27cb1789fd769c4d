//! What the commands print: for people, or one JSON value.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::json;
use wire::metadata::Targets;

use super::Checked;
use crate::repository::{Finding, Published, Repository, Verified};

fn as_json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)
}

pub(super) fn init(json: bool, repository: &Repository) -> io::Result<()> {
    let (root, root_key) = (repository.metadata_path(wire::metadata::ROOT), repository.root_key_path());
    if json {
        return as_json(&json!({"repository": repository.dir(), "root": root, "root_key": root_key}));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "Repository made in {}.", repository.dir().display())?;
    writeln!(out, "Bring {} to the gateways: it is what they trust.", root.display())?;
    writeln!(out, "Take {} offline: it is needed only to change which keys sign.", root_key.display())
}

pub(super) fn published(json: bool, published: &Published) -> io::Result<()> {
    if json {
        return as_json(published);
    }
    let word = if published.already { "was published already" } else { "published" };
    let mut out = io::stdout().lock();
    writeln!(out, "{} {word}: {} bytes, SHA-256 {}", published.target, published.length, published.sha256)
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
    let mut out = io::stdout().lock();
    match targets.targets.len() {
        0 => writeln!(out, "No images published.")?,
        _ => writeln!(out, "{table}")?,
    }
    writeln!(out, "Metadata version {}, signed until {}.", targets.version, targets.expires)
}

pub(super) fn resigned(json: bool, targets: &Targets) -> io::Result<()> {
    if json {
        return as_json(&json!({"version": targets.version, "expires": targets.expires}));
    }
    writeln!(io::stdout().lock(), "Signed: version {}, until {}.", targets.version, targets.expires)
}

pub(super) fn checked(json: bool, checked: &Checked) -> io::Result<()> {
    if json {
        return as_json(checked);
    }
    let Some(found) = &checked.repository else {
        return Ok(());
    };
    let mut out = io::stdout().lock();
    for finding in &found.findings {
        writeln!(out, "{}", sentence(finding))?;
    }
    let verdict = if checked.ok { "Sound" } else { "Not sound" };
    let (images, version) = (found.images, found.metadata_version);
    writeln!(out, "{verdict}: {images} images as signed, version {version}, until {}.", found.expires)
}

fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::Damaged { target, problem } => format!("DAMAGED  {target}: {problem}"),
        Finding::Unnamed { file } => {
            format!("note     images/{file} is named by no metadata and may be removed")
        }
        Finding::ExpiresSoon => "note     the metadata expires soon: run `resign`".to_owned(),
        Finding::RootKeyOnline => "note     keys/root.pk8 is still here: take it offline".to_owned(),
    }
}
