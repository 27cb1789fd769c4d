//! sslyze and testssl.sh against the listeners: no finding except those listed below, each with its reason.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::site::{Site, SiteSpec};
use tests::trust::{self, bring_authority};

const LISTENERS: [&str; 4] = ["comm.gateways", "comm.enrollment", "comm.operators", "global.listen"];

/// Findings of testssl.sh that are intended: its id, and why.
const EXPLAINED: [(&str, &str); 4] = [
    ("cert_chain_of_trust", "the authority is the service company's own, in no public store"),
    (
        "cert_revocation",
        "no pointer to a list or a responder: lists are files, which `platen-pki crl` writes",
    ),
    (
        "sessionresumption_",
        "testssl.sh closes as soon as the handshake is over, often before the ticket of TLS 1.3, which comes after it",
    ),
    ("engine_problem", "about testssl.sh's own OpenSSL, not about us"),
];

fn site(dir: &Path) -> Result<Site> {
    let mut spec = SiteSpec::new(dir.to_owned());
    spec.comm_server = json!({"enrollment": trust::enrollment(dir)});
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    bring_authority(&site)?;
    site.start_global_server()?;
    site.start_comm_server()?;
    Ok(site)
}

fn sslyze() -> PathBuf {
    std::env::var_os("PLATEN_PYTHON")
        .map(PathBuf::from)
        .and_then(|python| Some(python.parent()?.to_owned()))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin"))
        .join("sslyze")
}

/// The protocols that `sslyze` found, and its other findings.
fn by_sslyze(site: &Site, address: SocketAddr, out: &Path) -> Result<()> {
    let identity = site.dir("gateway").join("identity");
    let output = Command::new(sslyze())
        .args(["--quiet", "--mozilla_config=disable", "--json_out"])
        .arg(out)
        .args([
            "--sslv2",
            "--sslv3",
            "--tlsv1",
            "--tlsv1_1",
            "--tlsv1_2",
            "--tlsv1_3",
            "--heartbleed",
            "--openssl_ccs",
        ])
        .args(["--robot", "--reneg", "--compression", "--early_data", "--elliptic_curves"])
        .arg("--cert")
        .arg(identity.join("cert.pem"))
        .arg("--key")
        .arg(identity.join("key.pem"))
        .arg(address.to_string())
        .output()
        .with_context(|| format!("{}: ./test makes it", sslyze().display()))?;
    ensure!(out.exists(), "sslyze: {}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&std::fs::read(out)?)?;
    let scan = &said["server_scan_results"][0]["scan_result"];
    ensure!(scan.is_object(), "{address}: no connection: {said}");
    // (testssl.sh tests SSL 2: sslyze can't with a certificate.)
    for old in ["ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2"] {
        let suites = &scan[format!("{old}_cipher_suites")]["result"]["accepted_cipher_suites"];
        ensure!(suites.as_array().is_some_and(Vec::is_empty), "{address}: {old}: {suites}");
    }
    let suites = scan["tls_1_3_cipher_suites"]["result"]["accepted_cipher_suites"].as_array();
    let mut names: Vec<&str> = suites
        .context("no TLS 1.3")?
        .iter()
        .filter_map(|suite| suite["cipher_suite"]["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
        "{address}"
    );
    let result = |name: &str, field: &str| scan[name]["result"][field].clone();
    for (name, field) in [
        ("heartbleed", "is_vulnerable_to_heartbleed"),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection"),
        ("tls_compression", "supports_compression"),
        ("tls_1_3_early_data", "supports_early_data"),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos"),
    ] {
        // Findings that require a version older than 1.3 can't be tested.
        ensure!(result(name, field) != json!(true), "{address}: {name}: {}", scan[name]);
    }
    let robot = result("robot", "robot_result");
    ensure!(!robot.as_str().is_some_and(|r| r.starts_with("VULNERABLE")), "{address}: {robot}");
    Ok(())
}

/// A program that is `openssl`, and has a certificate for the listeners that request one: without it, whether
/// `testssl.sh` sees a connection depends on whether the server's alert comes before it closes.
fn openssl_with_certificate(site: &Site, dir: &Path) -> Result<PathBuf> {
    let identity = site.dir("gateway").join("identity");
    let program = dir.join("openssl");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = s_client ] || exec openssl \"$@\"\nshift\n\
         exec openssl s_client -cert '{cert}' -cert_chain '{cert}' -key '{key}' \"$@\"\n",
        cert = identity.join("cert.pem").display(),
        key = identity.join("key.pem").display()
    );
    std::fs::write(&program, text)?;
    std::fs::set_permissions(&program, Permissions::from_mode(0o700))?;
    Ok(program)
}

/// The findings of `testssl.sh`.
fn testssl(address: SocketAddr, openssl: &Path, out: &Path) -> Result<Vec<Value>> {
    let output = Command::new("testssl")
        .arg("--openssl")
        .arg(openssl)
        .args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"])
        .args(["--protocols", "--server-defaults", "--vulnerable", "--fast", "--jsonfile"])
        .arg(out)
        .arg(address.to_string())
        .stdin(std::process::Stdio::null())
        .output()
        .context("testssl.sh isn't installed: ./test installs it")?;
    ensure!(out.exists(), "testssl.sh: {}", String::from_utf8_lossy(&output.stdout));
    Ok(serde_json::from_slice(&std::fs::read(out)?)?)
}

/// Findings of `testssl.sh` above "info" without an explanation.
fn by_testssl(address: SocketAddr, openssl: &Path, out: &Path) -> Result<Vec<String>> {
    let said = testssl(address, openssl, out)?;
    let asked =
        said.iter().filter(|finding| finding["id"] == "TLS1_3" && finding["severity"] == "OK").count();
    ensure!(asked == 1, "{address}: testssl.sh did not see TLS 1.3: {said:?}");
    let explained = |id: &str| EXPLAINED.iter().any(|(known, _)| id.starts_with(known));
    let finding = |finding: &Value| {
        let (id, severity) = (finding["id"].as_str()?, finding["severity"].as_str()?);
        let is_finding = !matches!(severity, "OK" | "INFO" | "DEBUG");
        (is_finding && !explained(id)).then(|| format!("{address} {id}: {severity}: {}", finding["finding"]))
    };
    Ok(said.iter().filter_map(finding).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scanners_find_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = site(dir.path())?;
    let addresses = LISTENERS.map(|of| site.address(of));
    let mut findings = Vec::new();
    let openssl = openssl_with_certificate(&site, dir.path())?;
    std::thread::scope(|scope| -> Result<()> {
        let mut scans = Vec::new();
        for (number, address) in addresses.into_iter().enumerate() {
            let address = address?;
            let out = |name: &str| dir.path().join(format!("{name}-{number}.json"));
            by_sslyze(&site, address, &out("sslyze"))?;
            let out = out("testssl");
            let openssl = &openssl;
            scans.push(scope.spawn(move || by_testssl(address, openssl, &out)));
        }
        for scan in scans {
            findings.extend(scan.join().map_err(|_| anyhow::anyhow!("a scan panicked"))??);
        }
        Ok(())
    })?;
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    site.stop()
}
