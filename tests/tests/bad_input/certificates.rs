//! Invalid certificates, made by the `openssl` command with the authority's own keys.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use tests::site::Site;

/// A chain and a key, PEM; the key is not always the certificate's.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// The contents of a certificate.
#[derive(Debug, Clone)]
pub(crate) struct Wish<'a> {
    pub(crate) key: &'a str,
    pub(crate) digest: &'a str,
    pub(crate) extensions: String,
    pub(crate) issuer: &'a str,
    pub(crate) serial: &'a str,
    pub(crate) days: &'a str,
}

const USAGE: &str = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n";

/// The certificate that `platen-pki` would issue to a gateway.
pub(crate) fn gateway() -> Wish<'static> {
    let san = "subjectAltName=URI:spiffe://demo.example/gateway/gw-odd\n";
    Wish {
        key: "ec:prime256v1",
        digest: "-sha256",
        extensions: format!("{USAGE}extendedKeyUsage=clientAuth\n{san}"),
        issuer: "gateway-ca",
        serial: "0x5001",
        days: "30",
    }
}

/// The certificate that `platen-pki` would issue to a server.
pub(crate) fn server(kind: PartyKind) -> Wish<'static> {
    let san = format!("subjectAltName=URI:spiffe://demo.example/{kind}/odd,IP:127.0.0.1\n");
    let extensions = format!("{USAGE}extendedKeyUsage={}\n{san}", purposes(kind));
    Wish { extensions, issuer: "server-ca", ..gateway() }
}

/// The extended key usage of a server of this kind.
pub(crate) fn purposes(kind: PartyKind) -> &'static str {
    if kind == PartyKind::GlobalServer { "serverAuth" } else { "serverAuth,clientAuth" }
}

/// Days from now until the end of year 9999.
pub(crate) fn forever() -> String {
    ((253_402_214_400 - Timestamp::now().as_second()) / 86_400).to_string()
}

impl Wish<'_> {
    /// The same with one extension changed.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.extensions.contains(from), "{from} is not in {}", self.extensions);
        self.extensions = self.extensions.replace(from, to);
        self
    }

    pub(crate) fn and(mut self, more: &str) -> Self {
        self.extensions.push_str(more);
        self.extensions.push('\n');
        self
    }
}

/// Makes the certificates.
pub(crate) struct Maker {
    dir: PathBuf,
    ca: PathBuf,
}

impl Maker {
    pub(crate) fn new(site: &Site, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned(), ca: site.dir("pki") })
    }

    pub(crate) fn openssl(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("openssl").current_dir(&self.dir).args(arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The serial number of a certificate, in the form of `-set_serial`.
    pub(crate) fn serial_of(&self, certificate: &Path) -> Result<String> {
        let path = certificate.display().to_string();
        let printed = self.openssl(&["x509", "-in", &path, "-noout", "-serial"])?;
        Ok(format!("0x{}", printed.trim().trim_start_matches("serial=")))
    }

    /// A certificate signed by one of the authority's own keys.
    pub(crate) fn make(&self, name: &str, wish: &Wish<'_>) -> Result<Made> {
        let (ca, key) = (format!("{}.pem", wish.issuer), format!("{}-key.pem", wish.issuer));
        self.make_by(name, wish, &self.ca.join(ca), &self.ca.join(key))
    }

    /// A certificate signed by any key; the chain contains the issuer, and what else the issuer's file
    /// contains.
    pub(crate) fn make_by(&self, name: &str, wish: &Wish<'_>, ca: &Path, ca_key: &Path) -> Result<Made> {
        let file = |ending: &str| self.dir.join(format!("{name}.{ending}"));
        let text = |path: PathBuf| path.display().to_string();
        let (key, csr, leaf, ext) =
            (text(file("key")), text(file("csr")), text(file("crt")), text(file("ext")));
        std::fs::write(&ext, &wish.extensions)?;
        let new = ["req", "-new", "-nodes", "-subj", "/CN=gw-odd", "-keyout", &key, "-out", &csr];
        let curve = wish.key.strip_prefix("ec:").map(|curve| format!("ec_paramgen_curve:{curve}"));
        let exponent = wish.key.split_once(" e=").map(|(rsa, e)| (rsa, format!("rsa_keygen_pubexp:{e}")));
        match (&curve, &exponent) {
            (Some(curve), _) => self.openssl(&[&new[..], &["-newkey", "ec", "-pkeyopt", curve]].concat())?,
            (None, Some((rsa, e))) => self.openssl(&[&new[..], &["-newkey", rsa, "-pkeyopt", e]].concat())?,
            (None, None) => self.openssl(&[&new[..], &["-newkey", wish.key]].concat())?,
        };
        let (ca_text, ca_key) = (text(ca.to_owned()), text(ca_key.to_owned()));
        let sign = [
            "x509", "-req", "-in", &csr, "-CA", &ca_text, "-CAkey", &ca_key, "-out", &leaf, "-days",
            wish.days,
        ];
        let how = ["-set_serial", wish.serial, "-extfile", &ext, wish.digest];
        self.openssl(&[&sign[..], &how].concat())?;
        let chain = file("pem");
        std::fs::write(&chain, std::fs::read_to_string(&leaf)? + &std::fs::read_to_string(ca)?)?;
        Ok(Made { chain, key: PathBuf::from(key) })
    }

    /// A certificate signed by its own key.
    pub(crate) fn self_signed(&self, name: &str, wish: &Wish<'_>) -> Result<Made> {
        let made = self.make(name, wish)?;
        let (key, out, ext) = (format!("{name}.key"), format!("{name}.pem"), format!("{name}.ext"));
        let csr = format!("{name}.csr");
        self.openssl(&[
            "x509", "-req", "-in", &csr, "-signkey", &key, "-out", &out, "-days", "30", "-extfile", &ext,
        ])?;
        Ok(made)
    }

    /// A certificate issued by our own code, as of another time.
    pub(crate) fn issued(&self, name: &str, profile: PartyKind, days_ago: i64) -> Result<Made> {
        self.issued_by(&Authority::open(&self.ca)?, name, profile, days_ago)
    }

    /// A certificate of another authority with the same name.
    pub(crate) fn strangers(&self, name: &str, domain: &str, profile: PartyKind) -> Result<Made> {
        let dir = self.dir.join(format!("{name}-ca"));
        let other = Authority::init(&dir, &domain.parse()?, &Passphrase::InsecureNone, Timestamp::now())?;
        self.issued_by(&other, name, profile, 0)
    }

    fn issued_by(&self, by: &Authority, name: &str, profile: PartyKind, days_ago: i64) -> Result<Made> {
        let ips = if profile.is_server() { vec!["127.0.0.1".parse()?] } else { Vec::new() };
        let request = Request { profile, name: name.to_owned(), dns: Vec::new(), ips };
        let out = self.dir.join(name);
        by.issue(&request, Timestamp::now() - SignedDuration::from_hours(24 * days_ago))?.write(&out)?;
        Ok(Made { chain: out.join("cert.pem"), key: out.join("key.pem") })
    }
}

impl Maker {
    /// A certificate authority with an RSA key.
    pub(crate) fn rsa_authority(&self) -> Result<Made> {
        let arguments = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=rsa", "-days", "30"];
        self.openssl(&[&arguments[..], &["-keyout", "rsa-ca.key", "-out", "rsa-ca.pem"]].concat())?;
        Ok(Made { chain: self.dir.join("rsa-ca.pem"), key: self.dir.join("rsa-ca.key") })
    }
}
