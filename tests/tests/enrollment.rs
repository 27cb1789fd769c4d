//! Enrollment against the real programs: two commands, a token that works once, and only with its own server.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::program;
use tests::site::{GATEWAY, PATIENCE, Site, SiteSpec};
use tests::trust::{self, bring_authority, enroll};
use tests::until::until;

/// A communication server with enrollment, and nothing else.
fn server(dir: &std::path::Path) -> Result<Site> {
    let mut spec = SiteSpec::new(dir.to_owned());
    spec.comm_server = serde_json::json!({"enrollment": trust::enrollment(dir)});
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    bring_authority(&site)?;
    site.start_comm_server()?;
    Ok(site)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_commands_enroll_a_gateway_that_then_reports() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = server(dir.path())?;
    let identity = site.dir("gateway").join("identity");
    std::fs::remove_dir_all(&identity)?;
    let token = trust::token(&site, GATEWAY)?;
    let out = identity.display().to_string();
    let enrolled = enroll(&site, &token, &["--out", &out])?;
    ensure!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));
    let said: Value = serde_json::from_slice(&enrolled.stdout)?;
    assert_eq!(said["id"], format!("spiffe://demo.example/gateway/{GATEWAY}"));
    let mode = std::fs::metadata(identity.join("key.pem"))?.permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let mut files: Vec<_> =
        std::fs::read_dir(&identity)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    files.sort();
    assert_eq!(files, ["cert.pem", "key.pem", "root.pem"]);
    // Existing files are not overwritten, and the token is used up.
    let again = enroll(&site, &token, &["--out", &out])?;
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists already"));
    let again = enroll(&site, &token, &["--out", &out, "--replace"])?;
    assert!(String::from_utf8_lossy(&again.stderr).contains("was used with another key"), "{again:?}");

    site.start_lan()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("the gateway's devices", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == 2).then_some(()))
    })
    .await?;
    site.stop()
}

/// The commands that an empty page shows.
fn commands_of(html: &str) -> Vec<String> {
    let texts = html.split("<pre class=\"command\"><code>").skip(1);
    texts.map(|rest| rest.split("</code>").next().unwrap_or_default().replace("&gt;", ">")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_an_empty_page_enroll_a_gateway() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = server(dir.path())?;
    let operator = site.first_log_in().await?;
    let commands = commands_of(&operator.page("/").await?);
    assert_eq!(commands, commands_of(&operator.page("/gateways").await?));
    let (run, typed) = commands.split_last().context("no commands")?;
    assert_eq!((run.as_str(), typed.len()), ("platen-gateway --config gateway.yaml run", 3));

    // The folder of a user who follows the page: the authority's online part, and the configuration.
    let here = dir.path().join("desk");
    std::fs::create_dir(&here)?;
    std::os::unix::fs::symlink(trust::online(&site.dir("")), here.join("online"))?;
    let settings = serde_json::json!({
        "gateway": "gw-0001", "data_dir": "data", "networks": [{"cidr": "127.77.0.0/30"}],
        "comm_server": {"url": format!("https://{}", site.address("comm.gateways")?)},
        "identity": {"certificate": "identity/cert.pem", "key": "identity/key.pem", "root": "identity/root.pem"},
    });
    std::fs::write(here.join("gateway.yaml"), settings.to_string())?;
    let enrollment = format!("https://{}", site.address("comm.enrollment")?);
    let path = format!("{}:{}", program::folder()?.display(), std::env::var("PATH")?);
    for command in typed {
        let command = command.replace("https://comm.example:8445", &enrollment);
        let output =
            Command::new("sh").args(["-ec", &command]).current_dir(&here).env("PATH", &path).output()?;
        ensure!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    ensure!(here.join("identity/key.pem").exists(), "the gateway has its key");
    site.stop()
}

/// `openssl` and `curl` alone, as RFC 7030 describes.
struct Est<'a> {
    site: &'a Site,
    dir: &'a std::path::Path,
}

impl Est<'_> {
    fn openssl(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = Command::new("openssl").current_dir(self.dir).args(arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }

    /// A key and a request in base64 without its header and footer: `NAME.key`, `NAME.b64`.
    fn request(&self, name: &str, subject: &str) -> Result<()> {
        let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
        let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let san = format!("subjectAltName=URI:spiffe://demo.example/gateway/{subject}");
        let subject = format!("/CN={subject}");
        let rest = ["-subj", &subject, "-addext", &san, "-keyout", &key, "-out", &csr, "-outform", "DER"];
        self.openssl(&[&new[..], &rest].concat())?;
        self.openssl(&["base64", "-in", &csr, "-out", &format!("{name}.b64")])?;
        Ok(())
    }

    /// The response to `curl`: status, headers and body.
    fn curl(&self, path: &str, more: &[&str]) -> Result<(u16, String, String)> {
        let url = format!("https://{}/.well-known/est/{path}", self.site.address("comm.enrollment")?);
        let root = self.site.root().display().to_string();
        let fixed =
            ["-sS", "--max-time", "20", "--cacert", &root, "-i", "--http1.1", "-w", "\n%{http_code}", &url];
        let output = Command::new("curl").current_dir(self.dir).args(fixed).args(more).output()?;
        ensure!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let (answer, status) = text.rsplit_once('\n').context("no status")?;
        let (headers, body) = answer.split_once("\r\n\r\n").context("no headers")?;
        Ok((status.parse()?, headers.to_ascii_lowercase(), body.to_owned()))
    }

    fn enroll(&self, name: &str, user: &str) -> Result<(u16, String, String)> {
        let (data, user) = (format!("@{name}.b64"), user.to_owned());
        self.curl(
            "simpleenroll",
            &["-u", &user, "-H", "Content-Type: application/pkcs10", "--data-binary", &data],
        )
    }

    /// The certificates of a response, as `openssl pkcs7` prints them.
    fn certificates(&self, body: &str) -> Result<String> {
        std::fs::write(self.dir.join("p7.b64"), body)?;
        self.openssl(&["base64", "-d", "-in", "p7.b64", "-out", "p7.der"])?;
        let printed = self.openssl(&["pkcs7", "-inform", "DER", "-in", "p7.der", "-print_certs"])?;
        Ok(String::from_utf8(printed)?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_and_openssl_enroll_and_renew_and_the_server_decides_the_names() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = server(dir.path())?;
    let token = trust::token(&site, "gw-curl")?;
    let work = dir.path().join("peer");
    std::fs::create_dir_all(&work)?;
    let est = Est { site: &site, dir: &work };
    let (status, headers, body) = est.curl("cacerts", &[])?;
    assert_eq!(status, 200);
    assert!(headers.contains("content-type: application/pkcs7-mime\r\n"), "{headers}");
    assert!(headers.contains("content-transfer-encoding: base64"), "{headers}");
    std::fs::write(work.join("ca.pem"), est.certificates(&body)?)?;

    // The request names another gateway: names in requests are ignored.
    est.request("own", "gw-other")?;
    let (status, headers, body) = est.enroll("own", &format!("gw-curl:{token}"))?;
    assert_eq!(status, 200, "{headers}\n{body}");
    assert!(headers.contains("application/pkcs7-mime; smime-type=certs-only"), "{headers}");
    let first = est.certificates(&body)?;
    std::fs::write(work.join("own.pem"), &first)?;
    assert_eq!(first.matches("BEGIN CERTIFICATE").count(), 1, "only what was issued (§4.2.3)");
    let san =
        String::from_utf8(est.openssl(&["x509", "-in", "own.pem", "-noout", "-ext", "subjectAltName"])?)?;
    assert!(san.contains("spiffe://demo.example/gateway/gw-curl") && !san.contains("gw-other"), "{san}");
    est.openssl(&["verify", "-CAfile", "ca.pem", "-purpose", "sslclient", "own.pem"])?;

    // After a lost response, the same request returns the same certificate, even after a crash of the server;
    // another key gets nothing.
    let (_, _, again) = est.enroll("own", &format!(":{token}"))?;
    assert_eq!(est.certificates(&again)?, first);
    est.request("thief", "gw-curl")?;
    assert_eq!(est.enroll("thief", &format!("gw-curl:{token}"))?.0, 403);

    // Renewal by the certificate, for its own name only.
    est.request("newer", "gw-other")?;
    let newer = ["--cert", "own-chain.pem", "--key", "own.key", "-H", "Content-Type: application/pkcs10"];
    let chain = first.clone() + &std::fs::read_to_string(work.join("ca.pem"))?;
    std::fs::write(work.join("own-chain.pem"), chain)?;
    let (status, _, body) =
        est.curl("simplereenroll", &[&newer[..], &["--data-binary", "@newer.b64"]].concat())?;
    assert_eq!(status, 200, "{body}");
    std::fs::write(work.join("newer.pem"), est.certificates(&body)?)?;
    let san = est.openssl(&["x509", "-in", "newer.pem", "-noout", "-ext", "subjectAltName"])?;
    let san = String::from_utf8(san)?;
    assert!(san.contains("gateway/gw-curl") && !san.contains("gw-other"), "{san}");
    assert_eq!(est.curl("simplereenroll", &["-H", "Content-Type: application/pkcs10", "-d", "x"])?.0, 403);

    // Killed as by a power cut, the server still knows what was issued for the token.
    let (own, other) = (token.clone(), trust::token(&site, "gw-later")?);
    site.comm_server.take().context("it runs")?.kill()?;
    site.start_comm_server()?;
    let est = Est { site: &site, dir: &work };
    let (_, _, after) = est.enroll("own", &format!("gw-curl:{own}"))?;
    assert_eq!(est.certificates(&after)?, first);
    assert_eq!(est.enroll("thief", &format!("gw-curl:{own}"))?.0, 403);
    for (name, user, headers, expected) in [
        ("thief", format!("gw-else:{other}"), "Content-Type: application/pkcs10", 401),
        ("thief", format!("gw-later:{other}"), "Content-Type: text/plain", 415),
    ] {
        let data = format!("@{name}.b64");
        let (status, headers, _) =
            est.curl("simpleenroll", &["-u", &user, "-H", headers, "--data-binary", &data])?;
        assert_eq!(status, expected, "{headers}");
        assert!(status != 401 || headers.contains("www-authenticate: basic"), "{headers}");
    }
    std::fs::write(work.join("junk.b64"), "AAAA")?;
    assert_eq!(est.enroll("junk", &format!(":{other}"))?.0, 400);
    assert_eq!(est.enroll("thief", &format!(":{other}"))?.0, 200, "what was refused used nothing up");
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_used_once_under_races_and_guessing_locks_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = server(dir.path())?;
    let token = trust::token(&site, "gw-race")?;
    let server = format!("https://{}", site.address("comm.enrollment")?);
    let racing: Vec<_> = (0..8)
        .map(|n| {
            let out = dir.path().join(format!("racer-{n}"));
            let mut command = Command::new(program::path("platen-gateway")?);
            command.args(["enroll", "--server", &server, "--token", &token, "--out"]).arg(out);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            Ok(command.spawn()?)
        })
        .collect::<Result<_>>()?;
    let mut enrolled = 0;
    for mut racer in racing {
        enrolled += usize::from(racer.wait()?.success());
    }
    assert_eq!(enrolled, 1);

    let est = Est { site: &site, dir: dir.path() };
    est.request("guess", "gw-race")?;
    for _ in 0..5 {
        assert_eq!(est.enroll("guess", "gw-race:platen1-guess")?.0, 401);
    }
    let good = trust::token(&site, "gw-late")?;
    let (status, headers, body) = est.enroll("guess", &format!("gw-late:{good}"))?;
    assert_eq!(status, 429, "{body}");
    assert!(headers.contains("retry-after: "), "{headers}");
    // Other addresses are not locked out.
    let data = ["-H", "Content-Type: application/pkcs10", "--data-binary", "@guess.b64"];
    let user = format!("gw-late:{good}");
    let elsewhere = [&["--interface", "127.0.0.2", "-u", &user][..], &data].concat();
    assert_eq!(est.curl("simpleenroll", &elsewhere)?.0, 200);
    let local = site.address("comm.local")?;
    let locked = "platen_comm_enrollments_refused_total{reason=\"locked_out\"}";
    assert!(trust::metric(local, locked).await? >= 1.0);
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_to_no_other_authoritys_server() -> Result<()> {
    let (dir, other_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (mut site, mut other) = (server(dir.path())?, server(other_dir.path())?);
    let token = trust::token(&site, "gw-1")?;
    let out = dir.path().join("out").display().to_string();
    let refused = enroll(&other, &token, &["--out", &out])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("the server's authority is not the one that the token names"), "{said}");
    assert!(!dir.path().join("out/cert.pem").exists());
    // The key that was made for the attempt is used with the right server.
    let key = std::fs::read(dir.path().join("out/key.pem.enrolling"))?;
    let enrolled = enroll(&site, &token, &["--out", &out])?;
    ensure!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));
    assert_eq!(std::fs::read(dir.path().join("out/key.pem"))?, key);
    let cut: String = token.chars().take(40).collect();
    for (token, expected) in [("hunter2", 2), (cut.as_str(), 2)] {
        assert_eq!(enroll(&site, token, &["--out", &out])?.status.code(), Some(expected));
    }
    site.stop()?;
    tokio::time::timeout(Duration::from_secs(60), async { other.stop() }).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_enrollment_are_problem_documents_and_header_names_in_title_case() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = server(dir.path())?;
    let est = Est { site: &site, dir: dir.path() };
    est.request("any", "gw-any")?;
    std::fs::write(dir.path().join("large.b64"), "A".repeat(100_000))?;
    let pkcs10 = ["-H", "Content-Type: application/pkcs10"];
    let with = |more: &[&'static str]| [&pkcs10[..], more].concat();
    let token = format!("gw-any:{}", trust::token(&site, "gw-any")?);
    let large = [&pkcs10[..], &["-u", &token, "--data-binary", "@large.b64"]].concat();
    let no_request = [&pkcs10[..], &["-u", &token, "--data-binary", "x"]].concat();
    for (path, arguments, status, code) in [
        ("cacerts", vec!["-X", "DELETE"], 405, "not_found"),
        ("simpleenroll", vec![], 405, "not_found"),
        ("simplereenroll", vec![], 405, "not_found"),
        ("csrattrs", vec![], 404, "not_found"),
        ("serverkeygen", with(&["-d", "x"]), 404, "not_found"),
        ("simpleenroll", with(&["--data-binary", "@any.b64"]), 401, "unauthorized"),
        ("simpleenroll", large, 413, "body_too_large"),
        ("simpleenroll", no_request, 400, "malformed_body"),
        ("simplereenroll", with(&["--data-binary", "@any.b64"]), 403, "forbidden"),
    ] {
        let (got, headers, body) = est.curl(path, &arguments)?;
        assert_eq!(got, status, "{path} {arguments:?}: {headers}\n{body}");
        assert!(headers.contains("content-type: application/problem+json"), "{path}: {headers}");
        let problem: Value = serde_json::from_str(&body).with_context(|| format!("{path}: {body}"))?;
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{problem}");
        ensure!(!problem["detail"].as_str().unwrap_or_default().is_empty(), "{problem}");
    }
    // libest compares names without regard to case.
    let root = site.root().display().to_string();
    let url = format!("https://{}/.well-known/est/cacerts", site.address("comm.enrollment")?);
    let output = Command::new("curl").args(["-sSi", "--http1.1", "--cacert", &root, &url]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["\r\nContent-Type: application/pkcs7-mime", "\r\nContent-Transfer-Encoding: base64"] {
        assert!(text.contains(name), "{text}");
    }
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_enrolled_again_keeps_one_valid_certificate() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = server(dir.path())?;
    let ledger = trust::online(dir.path()).display().to_string();
    let pki = |arguments: &[&str]| -> Result<Value> {
        let all = [arguments, &["--dir", &ledger, "--json"]].concat();
        Ok(serde_json::from_slice(&program::run("platen-pki", &all)?.stdout)?)
    };
    let states = || -> Result<Vec<String>> {
        let all = pki(&["list"])?;
        let of_it = all
            .as_array()
            .context("a list")?
            .iter()
            .filter(|listed| listed["id"].as_str().is_some_and(|id| id.ends_with("/gateway/gw-twice")));
        Ok(of_it.map(|listed| listed["state"].as_str().unwrap_or_default().to_owned()).collect())
    };
    let made = pki(&["token", "--id", "gw-twice"])?;
    let early = pki(&["token", "--id", "gw-twice"])?;
    let word = |made: &Value| made["token"].as_str().unwrap_or_default().to_owned();
    let out = dir.path().join("machine").display().to_string();
    let enrolled = enroll(&site, &word(&made), &["--out", &out])?;
    ensure!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));
    assert_eq!(states()?, ["valid"]);
    // An earlier token yields no second certificate; a new one isn't made without `--replace`.
    let out = dir.path().join("other").display().to_string();
    let refused = enroll(&site, &word(&early), &["--out", &out])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && said.contains("has a valid certificate"), "{said}");
    ensure!(pki(&["token", "--id", "gw-twice"]).is_err(), "a token was made");
    assert_eq!(states()?, ["valid"]);
    let replacing = pki(&["token", "--id", "gw-twice", "--replace"])?;
    assert_eq!(states()?, ["valid"], "the token alone revokes nothing");
    let out = dir.path().join("machine").display().to_string();
    let again = enroll(&site, &word(&replacing), &["--out", &out, "--replace"])?;
    ensure!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(states()?, ["revoked", "valid"]);
    let operator = site.first_log_in().await?;
    let audit = operator.list("/api/v1/audit").await?;
    ensure!(audit.iter().any(|entry| entry["what"] == "certificate.revoke"), "{audit:?}");
    site.stop()
}
