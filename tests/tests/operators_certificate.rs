//! The operators' port presents a certificate of the operators' own choice, and its replacement without a
//! restart.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;
use tests::program;
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::until::until;

/// Creates a public-style authority and a certificate for localhost.
fn public_authority(dir: &Path, name: &str) -> Result<()> {
    let (ca, out) =
        (dir.join(name).display().to_string(), dir.join(format!("{name}-cert")).display().to_string());
    program::run("platen-pki", &["init", "--dir", &ca, "--trust-domain", name, "--insecure-no-passphrase"])?;
    let arguments = [
        "issue",
        "--dir",
        &ca,
        "--profile",
        "comm-server",
        "--name",
        "www",
        "--dns",
        "localhost",
        "--out",
        &out,
    ];
    program::run("platen-pki", &arguments).map(drop)
}

/// Whether curl trusts the server at this port with this root only.
fn is_trusted(root: &Path, port: u16) -> Result<bool> {
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--fail",
        "--max-time",
        "20",
        "--noproxy",
        "*",
        "--output",
        "/dev/null",
        "--cacert",
    ]);
    let done = curl.arg(root).arg(format!("https://localhost:{port}/login")).output().context("curl")?;
    Ok(done.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_port_shows_a_certificate_of_its_own() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for name in ["first.example", "second.example"] {
        public_authority(dir.path(), name)?;
    }
    let files = dir.path().join("first.example-cert");
    let (certificate, key) = (files.join("cert.pem"), files.join("key.pem"));
    let comm_server = json!({"operators": {"listen": "127.0.0.1:0", "certificate": certificate, "key": key}});
    let mut site = Site::new(SiteSpec { comm_server, ..SiteSpec::new(dir.path().to_owned()) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    let port = site.address("comm.operators")?.port();
    let root = |name: &str| dir.path().join(name).join("root.pem");
    assert!(is_trusted(&root("first.example"), port)?);
    assert!(!is_trusted(&root("second.example"), port)? && !is_trusted(&site.root(), port)?);

    for name in ["key.pem", "cert.pem"] {
        let aside = files.join("aside");
        std::fs::copy(dir.path().join("second.example-cert").join(name), &aside)?;
        std::fs::rename(&aside, files.join(name))?;
    }
    let renewed = async || Ok(is_trusted(&root("second.example"), port)?.then_some(()));
    until("the new certificate", PATIENCE, renewed).await?;
    site.stop()
}
