//! Output of the commands: text for people, or one JSON value.

use std::io;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use runtime::check::Problem;
use runtime::output;
use serde::Serialize;
use serde_json::json;
use tuf::RoleName;

use crate::repository::{
    Finding, Findings, Installed, Missing, Outcome, Published, ROOT, Renewal, Repository, Signature,
    SigningKey, Verified, Withdrawn,
};

/// A reader that closed its end is not an error.
fn as_json(value: &impl Serialize) -> io::Result<()> {
    output::document(value).map(drop)
}

fn text(text: &str) -> io::Result<()> {
    output::line(text).map(drop)
}

pub(super) fn init(json: bool, repository: &Repository) -> io::Result<()> {
    let root = repository.metadata_path(ROOT);
    let [root_key, targets_key] =
        [RoleName::root(), RoleName::targets()].map(|role| repository.key_path(&role));
    if json {
        let offline = [&root_key, &targets_key];
        let all =
            json!({"repository": repository.dir(), "root": root, "root_key": root_key, "offline": offline});
        return as_json(&all);
    }
    text(&format!(
        "Repository created in {}.\nCopy {} to the gateways: they trust it.\nMove {} offline: it is needed only to change the \
         signing keys.\nMove {} offline, to where images are published: give it with --key.",
        repository.dir().display(),
        root.display(),
        root_key.display(),
        targets_key.display()
    ))
}

pub(super) fn migrated(json: bool, repository: &Repository, outcome: &Outcome) -> io::Result<()> {
    if json {
        return as_json(outcome);
    }
    text(&format!(
        "{}\nGateways that trust the former root follow to the new one by themselves. New gateways get {}.",
        lines(outcome),
        repository.metadata_path(ROOT).display()
    ))
}

pub(super) fn outcome(json: bool, outcome: &Outcome) -> io::Result<()> {
    if json { as_json(outcome) } else { text(&lines(outcome)) }
}

/// What was installed, and what must still be signed by whom.
fn lines(outcome: &Outcome) -> String {
    let signed = |installed: &Installed| format!("{} version {}", installed.role, installed.version);
    let installed: Vec<_> = outcome.installed.iter().map(signed).collect();
    let mut lines = Vec::new();
    if !installed.is_empty() {
        lines.push(format!("Signed: {}.", installed.join(", ")));
    }
    lines.extend(outcome.missing.iter().map(missing));
    if lines.is_empty() { "Nothing to sign.".to_owned() } else { lines.join("\n") }
}

/// What is missing, and how to sign it.
fn missing(missing: &Missing) -> String {
    let lacks = lacks(missing);
    let Some(file) = &missing.file else {
        return format!("{lacks}.\n  Where the key is: platen-global-server refresh");
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "{lacks}.\n  Where the key is, with a copy of {}: platen-global-server sign --key KEY {name}\n  \
         Here, with the copy, signed: platen-global-server sign --repository DIR {name}",
        file.display()
    )
}

fn lacks(missing: &Missing) -> String {
    let Missing { role, version, named_by, more, keys, .. } = missing;
    let signatures = if *more == 1 { "1 signature".to_owned() } else { format!("{more} signatures") };
    let among = if keys.len() == *more { "by" } else { "by any of" };
    let keys = keys.iter().map(|key| short(key)).collect::<Vec<_>>().join(", ");
    format!("{role} version {version} lacks {signatures} {among} {keys} (named by {named_by})")
}

/// As much of a key's id as distinguishes it.
fn short(key: &str) -> String {
    key.chars().take(12).collect()
}

pub(super) fn published(json: bool, published: &Published) -> io::Result<()> {
    if json {
        return as_json(published);
    }
    let is_pending = published.outcome.missing.iter().any(|missing| missing.role == published.role);
    let word = match (published.already, is_pending) {
        (true, false) => "was published already",
        (false, false) => "published",
        (_, true) => "is not published yet",
    };
    let Published { target, length, sha256, role, metadata_version, .. } = published;
    let mut all =
        format!("{target} {word}: {length} bytes, SHA-256 {sha256}, {role} version {metadata_version}");
    for line in published.outcome.missing.iter().map(missing) {
        all = format!("{all}\n{line}");
    }
    text(&all)
}

pub(super) fn list(json: bool, verified: &Verified) -> io::Result<()> {
    let version = verified.targets.version;
    let (expires, server) = (verified.signed_by_people_until(), verified.first_expiry());
    if json {
        let images = verified.images.iter().filter_map(|image| {
            let facts = image.facts.as_ref()?;
            Some(json!({"target": image.target, "vendor": facts.vendor, "model": facts.model,
                "version": facts.version, "length": image.file.length, "sha256": image.sha256(),
                "published_at": facts.published_at, "role": image.role.as_str()}))
        });
        let images: Vec<_> = images.collect();
        let root = verified.root.version;
        return as_json(
            &json!({"version": version, "root": root, "expires": expires, "served_until": server,
            "images": images}),
        );
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "Vendor",
        "Model",
        "Version",
        "Bytes",
        "Published",
        "Signed by",
    ]);
    if let Some(bytes) = table.column_mut(3) {
        bytes.set_cell_alignment(CellAlignment::Right);
    }
    for image in &verified.images {
        let Some(facts) = &image.facts else { continue };
        let published = facts.published_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let (bytes, role) = (image.file.length.to_string(), image.role.to_string());
        table.add_row([&facts.vendor, &facts.model, &facts.version, &bytes, &published, &role]);
    }
    let images =
        if verified.images.is_empty() { "No images published.".to_owned() } else { table.to_string() };
    let refused = verified.refused.iter().map(|(role, why)| format!("\n{role} is not accepted: {why}"));
    text(&format!(
        "{images}{}\nMetadata version {version}, to be signed again before {expires}; without `serve` or `refresh`, gateways \
         accept it until {server}.",
        refused.collect::<String>()
    ))
}

pub(super) fn resigned(json: bool, renewal: &Renewal) -> io::Result<()> {
    if json {
        return as_json(renewal);
    }
    let Renewal { role, version, expires, outcome } = renewal;
    if outcome.installed.iter().any(|installed| installed.role == *role) {
        return text(&format!("Signed: {role} version {version}, until {expires}."));
    }
    text(&lines(outcome))
}

pub(super) fn withdrawn(json: bool, withdrawn: &Withdrawn) -> io::Result<()> {
    if json {
        return as_json(withdrawn);
    }
    let Withdrawn { target, metadata_version, .. } = withdrawn;
    let lacking: Vec<_> = withdrawn.outcome.missing.iter().map(missing).collect();
    if !lacking.is_empty() {
        return text(&format!(
            "{target} is not withdrawn yet: metadata version {metadata_version} lacks signatures.\n{}",
            lacking.join("\n")
        ));
    }
    let file = if withdrawn.file_removed {
        "Its file is removed."
    } else {
        "Its file is kept: another image has the same content."
    };
    text(&format!(
        "{target} withdrawn: metadata version {metadata_version}. {file}\nGateways that have staged it no longer push it: \
         devices that wait for it fail with that reason."
    ))
}

pub(super) fn signature(json: bool, signature: &Signature) -> io::Result<()> {
    if json {
        return as_json(signature);
    }
    let Signature { role, version, images, keys, file } = signature;
    let keys: Vec<_> = keys.iter().map(|key| short(key)).collect();
    let names: String = images.iter().map(|image| format!("\n  {image}")).collect();
    let names = match (role.as_str(), images.len()) {
        ("root", _) => String::new(),
        (_, 0) => " It names no image.".to_owned(),
        (_, count) => format!(" Images that it names: {count}{names}"),
    };
    text(&format!(
        "{role} version {version} signed by {}.{names}\nCopy {} back to the repository.",
        keys.join(", "),
        file.display()
    ))
}

pub(super) fn key(json: bool, path: &Path, public: &Path, key: &SigningKey) -> io::Result<()> {
    if json {
        return as_json(&json!({"id": key.id(), "private": path, "public": public}));
    }
    text(&format!(
        "Key {} generated.\nKeep {} secret and offline; give {} to the publisher.",
        short(key.id()),
        path.display(),
        public.display()
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
    format!(
        "{}: valid: {images} images match the metadata, version {version}, until {expires}",
        repository.display()
    )
}

fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::Damaged { target, problem } => format!("{target}: {problem}: publish it again"),
        Finding::Unnamed { file } => format!("images/{file} is named by no metadata and may be removed"),
        Finding::ExpiresSoon { role, expires } => match role.as_str() {
            "snapshot" | "timestamp" => format!("the {role} expires at {expires}: run `serve` or `refresh`"),
            _ => format!("{role} expires at {expires}: run `resign --role {role}`"),
        },
        Finding::Refused { role, problem } => format!("{role}: {problem}: its images are not found"),
        Finding::Pending(lacking) => format!("{}: run `sign`", lacks(lacking)),
        Finding::KeyOnline { file } => format!("keys/{file} is still here: move it offline"),
    }
}
