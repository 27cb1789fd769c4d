//! Operations on a site's trust domain beyond one certificate per party: enrollment, lists, certificates
//! issued in the past.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use pki::authority::{Authority, Request};
use pki::spiffe::PartyKind;
use serde_json::{Value, json};

use crate::operator::plain_client;
use crate::program;
use crate::site::Site;

/// Section `enrollment` of a communication server, for a folder that [`bring_authority`] creates.
#[must_use]
pub fn enrollment(site_dir: &Path) -> Value {
    json!({"listen": "127.0.0.1:0", "authority": online(site_dir)})
}

/// Section `identity` with the revocation lists of the site.
#[must_use]
pub fn identity_with_lists(site_dir: &Path, part: &str) -> Value {
    let dir = site_dir.join(part).join("identity");
    json!({
        "certificate": dir.join("cert.pem"), "key": dir.join("key.pem"), "root": dir.join("root.pem"),
        "crl": site_dir.join("lists").join("crl.pem"),
    })
}

/// The authority with which the server issues.
#[must_use]
pub fn online(site_dir: &Path) -> PathBuf {
    site_dir.join("comm-server").join("authority")
}

/// Copies the authority to the server, without the keys that it must not have.
///
/// # Errors
/// A file can't be copied.
pub fn bring_authority(site: &Site) -> Result<()> {
    let (from, to) = (site.dir("pki"), online(&site.dir("")));
    std::fs::create_dir_all(&to)?;
    for entry in std::fs::read_dir(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != "root-key.pem" && name != "server-ca-key.pem" {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

/// Creates a token for a gateway with the server's authority.
///
/// # Errors
/// `platen-pki` fails.
pub fn token(site: &Site, gateway: &str) -> Result<String> {
    let dir = online(&site.dir("")).display().to_string();
    let output =
        program::run("platen-pki", &["token", "--dir", &dir, "--id", gateway, "--replace", "--json"])?;
    let made: Value = serde_json::from_slice(&output.stdout)?;
    Ok(made["token"].as_str().context("no token")?.to_owned())
}

/// Revokes every certificate of a party, and publishes the lists.
///
/// # Errors
/// `platen-pki` fails.
pub fn revoke(site: &Site, party: &str) -> Result<()> {
    let dir = site.dir("pki").display().to_string();
    let arguments = ["revoke", "--dir", &dir, "--id", party, "--reason", "keyCompromise"];
    program::run("platen-pki", &arguments)?;
    publish(site)
}

/// Publishes the lists.
///
/// # Errors
/// `platen-pki` fails.
pub fn publish(site: &Site) -> Result<()> {
    let (dir, out) = (site.dir("pki").display().to_string(), site.dir("lists").display().to_string());
    program::run("platen-pki", &["crl", "--dir", &dir, "--out", &out]).map(drop)
}

/// Issues a certificate as of some days ago into `DIR/identity`, replacing the present one.
///
/// # Errors
/// The authority rejects the request.
pub fn issue_days_ago(site: &Site, profile: PartyKind, name: &str, dir: &Path, days: i64) -> Result<()> {
    let out = dir.join("identity");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    let authority = Authority::open(&site.dir("pki"))?;
    let ips = if profile.is_server() { vec!["127.0.0.1".parse()?] } else { Vec::new() };
    let request = Request { profile, name: name.to_owned(), dns: Vec::new(), ips };
    let at = Timestamp::now() - SignedDuration::from_hours(24 * days);
    authority.issue(&request, at)?.write(&out)?;
    Ok(())
}

/// Runs `platen-gateway enroll`, whether it succeeds or fails.
///
/// # Errors
/// It can't be started.
pub fn enroll(site: &Site, token: &str, more: &[&str]) -> Result<Output> {
    let server = format!("https://{}", site.address("comm.enrollment")?);
    let arguments = ["enroll", "--server", &server, "--token", token, "--json"];
    let mut command = std::process::Command::new(program::path("platen-gateway")?);
    command.args(arguments).args(more).output().context("platen-gateway")
}

/// A metric of a program; 0 if it isn't listed. `name` includes its labels, as printed.
///
/// # Errors
/// The local port doesn't respond.
pub async fn metric(local: SocketAddr, name: &str) -> Result<f64> {
    let text = plain_client()?.get(format!("http://{local}/metrics")).send().await?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(Ok(0.0), |value| value.trim().parse().context("a metric's value"))
}
