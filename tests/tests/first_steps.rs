//! The documented steps work literally: every shell line of README.md and of the first block of
//! docs/certificates.md is run unchanged, with the shipped minimal configurations. Only what differs per site
//! is replaced: host names, ports, and the customer's network.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::program::{self, Running};
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::until::until;

/// Supplies the passphrase that `platen-pki init` requests, since there is no terminal.
const PRELUDE: &str = "set -e
platen-pki() { if [ \"$1\" = init ]; then command platen-pki \"$@\" --passphrase-file passphrase; else command platen-pki \"$@\"; fi; }
";

fn page(name: &str) -> Result<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).context(name.to_owned())
}

/// The fenced blocks of a language in a section, each as its lines.
fn blocks(page: &str, section: &str, language: &str) -> Vec<Vec<String>> {
    let (mut blocks, mut within, mut block) = (Vec::new(), false, None);
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            within = heading == section;
        }
        let line = line.trim_start_matches("   ");
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(opened)) if within && opened == language => block = Some(Vec::new()),
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (Some(lines), None) => lines.push(line.to_owned()),
            (None, _) => {}
        }
    }
    blocks
}

/// A user who follows the documents, in a folder with the repository's `packaging`.
struct ByHand {
    dir: PathBuf,
    own: BTreeMap<String, String>,
    running: BTreeMap<String, Running>,
}

impl ByHand {
    fn new(dir: &Path) -> Result<Self> {
        let mut passphrase = fs::File::options();
        let passphrase = passphrase.write(true).create_new(true).mode(0o600).open(dir.join("passphrase"))?;
        std::io::Write::write_all(&mut &passphrase, b"correct horse battery staple\n")?;
        let mut own = BTreeMap::from([
            ("comm.example".to_owned(), "localhost".to_owned()),
            ("firmware.example".to_owned(), "localhost".to_owned()),
            ("0.0.0.0:".to_owned(), "127.0.0.1:".to_owned()),
        ]);
        let ports = ["8443", "8444", "8445", "8446", "9110", "9111", "9112"];
        let held: Vec<_> =
            ports.iter().map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        for (port, listener) in ports.iter().zip(&held) {
            own.insert(format!(":{port}"), format!(":{}", listener.local_addr()?.port()));
        }
        let examples = dir.join("packaging/examples");
        fs::create_dir_all(&examples)?;
        Ok(Self { dir: dir.to_owned(), own, running: BTreeMap::new() })
    }

    fn own(&self, text: &str) -> String {
        self.own.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }

    fn unpack(&self) -> Result<()> {
        for name in ["gateway-minimal.yaml", "comm-server-minimal.yaml", "global-server-minimal.yaml"] {
            let name = format!("packaging/examples/{name}");
            fs::write(self.dir.join(&name), self.own(&page(&name)?))?;
        }
        Ok(())
    }

    fn shell(&self, line: &str) -> Result<Command> {
        let mut command = Command::new("bash");
        let path = format!("{}:{}", program::folder()?.display(), std::env::var("PATH").unwrap_or_default());
        command.args(["-c", &format!("{PRELUDE}{line}")]).current_dir(&self.dir).env("PATH", path);
        command.stdin(Stdio::null());
        Ok(command)
    }

    fn run(&self, line: &str) -> Result<Output> {
        let output = self.shell(line)?.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{line}: {}: {said}", output.status);
        Ok(output)
    }

    /// Runs each line; one that ends in `run` or `serve` keeps running until it is stopped.
    fn follow(&mut self, lines: &[String]) -> Result<()> {
        for line in lines {
            let line = self.own(line);
            if let Some(command) = line.strip_suffix(" run").or_else(|| line.strip_suffix(" serve")) {
                let name = command.split(' ').next().unwrap_or_default().to_owned();
                let mut running = Running::spawned(&name, self.shell(&format!("exec {line}"))?, &self.dir)?;
                let data = format!("{}-data", name.trim_start_matches("platen-"));
                running.wait_for_addresses(&self.dir.join(data))?;
                self.running.insert(name, running);
            } else {
                self.run(&line)?;
            }
        }
        Ok(())
    }

    fn follow_section(&mut self, section: &str) -> Result<()> {
        let blocks = blocks(&page("README.md")?, section, "sh");
        ensure!(!blocks.is_empty(), "{section} has no shell block");
        blocks.iter().try_for_each(|block| self.follow(block))
    }

    fn stop(&mut self, name: &str) -> Result<()> {
        self.running.remove(name).with_context(|| format!("{name} doesn't run"))?.stop()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readme_leads_from_nothing_to_a_roll_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut lan = Site::new(SiteSpec { devices: 2, ..SiteSpec::new(dir.path().join("lan")) })?;
    let devices = lan.start_lan()?;
    let port: Value = serde_json::from_slice(&fs::read(lan.dir("lan").join("ready.json"))?)?;
    let mut reader = ByHand::new(dir.path())?;
    let network = format!("{}\n    port: {}", lan.cidr(), port["devices"][0]["snmp_port"]);
    reader.own.insert("192.168.10.0/24".to_owned(), network);
    reader.unpack()?;

    reader.follow_section("Run the communication server")?;
    reader.follow_section("Install a gateway on a LAN")?;
    until("the first poll", PATIENCE, async || {
        let listed = reader.run("platen-comm-server --config comm-server.yaml gateway list --json")?;
        let gateways: Value = serde_json::from_slice(&listed.stdout)?;
        Ok(gateways[0]["last_poll"].is_string().then_some(()))
    })
    .await?;
    until("the devices", PATIENCE, async || {
        let status = reader.run("platen-gateway --config gateway.yaml status --json")?;
        let status: Value = serde_json::from_slice(&status.stdout)?;
        let known = status["devices"].as_array().map_or(0, Vec::len);
        Ok((known == devices.devices.len()).then_some(()))
    })
    .await?;

    fs::write(reader.dir.join("image.bin"), vec![7; 100_000])?;
    reader.follow_section("Schedule a firmware roll-out")?;
    fs::copy(reader.dir.join("repository/metadata/root.json"), reader.dir.join("firmware-root.json"))?;
    let more = blocks(&page("README.md")?, "Schedule a firmware roll-out", "yaml");
    let more = reader.own(&more.first().context("the section for gateway.yaml")?.join("\n"));
    let gateway = reader.dir.join("gateway.yaml");
    fs::write(&gateway, format!("{}{more}\n", fs::read_to_string(&gateway)?))?;
    reader.run("platen-gateway --config gateway.yaml check")?;
    for name in ["platen-gateway", "platen-comm-server", "platen-global-server"] {
        reader.stop(name)?;
    }
    lan.stop()
}

#[test]
fn the_first_block_of_the_page_on_certificates_works() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let reader = ByHand::new(dir.path())?;
    let section = "Once: the authority and the servers";
    let blocks = blocks(&page("docs/certificates.md")?, section, "sh");
    reader.run(&blocks.first().context("a block")?.join("\n"))?;
    for there in
        ["ca/root-key.pem", "online/gateway-ca-key.pem", "kept-apart/gateway-ca-key.pem", "comm-1/cert.pem"]
    {
        ensure!(dir.path().join(there).exists(), "{there}");
    }
    for gone in ["ca/gateway-ca-key.pem", "online/root-key.pem", "online/server-ca-key.pem"] {
        ensure!(!dir.path().join(gone).exists(), "{gone}");
    }
    Ok(())
}

/// The full example is valid once the files that it names exist.
#[test]
fn the_full_example_of_a_gateway_is_valid() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let reader = ByHand::new(dir.path())?;
    reader.run("platen-pki init --dir ca --trust-domain printers.example")?;
    reader.run("platen-pki issue --dir ca --profile gateway --name gw-0001 --out identity")?;
    reader.run("platen-global-server init --repository repository && cp repository/metadata/root.json firmware-root.json")?;
    let secrets = "for name in snmp-auth snmp-priv snmp-community mail-password; do echo secret-words >$name; chmod 600 $name; done";
    reader.run(secrets)?;
    let full =
        page("packaging/examples/gateway.yaml")?.replace("/etc/platen", &dir.path().display().to_string());
    fs::write(dir.path().join("gateway.yaml"), full)?;
    reader.run("platen-gateway --config gateway.yaml check")?;
    Ok(())
}
