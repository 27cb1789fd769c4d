//! Mails as Debian's Postfix accepts and delivers them.

#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::print_stderr,
    reason = "a test fails by panicking and says why it is skipped"
)]

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pki::authority::{Authority, Passphrase, Request};
use pki::spiffe::PartyKind;
use platen_gateway::mail::{CallNotice, MailConfig, MailError, Mailer, Security};
use wire::ids::GatewayId;
use wire::reading::Identity;
use wire::report::{Call, CallKind, Edge};

const POSTFIX: &str = "/usr/sbin/postfix";

/// The authentication service that Postfix consults.
const DOVECOT: &str = "/usr/sbin/dovecot";

const PASSWORD: &str = "not-the-usual-one";

/// A mail server for the test: its configuration, queue and mailbox in a directory, one loopback port.
struct Postfix {
    dir: tempfile::TempDir,
    address: SocketAddr,
    dovecot: Child,
}

impl Postfix {
    /// Starts it; `None`, after printing the reason, if that isn't possible.
    fn start() -> Option<Self> {
        let Some((uid, gid)) = postfix_user() else {
            eprintln!("skipped: needs Debian's postfix and dovecot, and root to run private instances");
            return None;
        };
        let dir = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
        let path = dir.path();
        for name in ["etc", "queue", "data", "mail"] {
            std::fs::create_dir(path.join(name)).unwrap();
        }
        for name in ["data", "mail"] {
            chown(path.join(name), Some(uid), Some(gid)).unwrap();
        }
        let last = u8::try_from(std::process::id() % 250).unwrap() + 1;
        let free = TcpListener::bind(format!("127.25.9.{last}:0")).unwrap();
        let address = free.local_addr().unwrap();
        issue_certificate(path, address);
        std::fs::write(path.join("etc/main.cf"), main_cf(path, uid, gid)).unwrap();
        std::fs::write(path.join("etc/master.cf"), master_cf(address)).unwrap();
        drop(free);
        let dovecot = start_dovecot(path, uid, gid);
        let started = Command::new(POSTFIX).arg("-c").arg(path.join("etc")).arg("start").output().unwrap();
        assert!(started.status.success(), "{started:?}");
        let postfix = Self { dir, address, dovecot };
        wait("the port", || std::net::TcpStream::connect(address).ok());
        Some(postfix)
    }

    fn config(&self, security: Security, to: &str) -> MailConfig {
        MailConfig {
            server: self.address.to_string(),
            security,
            user: None,
            password_file: None,
            ca_file: (security != Security::None).then(|| self.dir.path().join("tls/root.pem")),
            from: "Platen <platen@example.com>".to_owned(),
            to: vec![to.to_owned()],
        }
    }

    fn delivered(&self) -> Vec<PathBuf> {
        let new = self.dir.path().join("mail/inbox/new");
        let entries = std::fs::read_dir(new).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn next_letter(&self) -> String {
        let path = wait("a letter", || self.delivered().pop());
        let letter = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        letter
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let stopped = Command::new(POSTFIX).arg("-c").arg(self.dir.path().join("etc")).arg("stop").status();
        drop(self.dovecot.kill());
        drop(self.dovecot.wait());
        assert!(std::thread::panicking() || stopped.is_ok_and(|status| status.success()), "it did not stop");
    }
}

fn postfix_user() -> Option<(u32, u32)> {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = users.lines().find(|line| line.starts_with("postfix:"))?.split(':').skip(2);
    let ids = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (is_root && Path::new(POSTFIX).exists() && Path::new(DOVECOT).exists()).then_some(ids)
}

/// Starts the authentication service, with one user whose password is [`PASSWORD`].
fn start_dovecot(dir: &Path, uid: u32, gid: u32) -> Child {
    let config = dir.join("dovecot.conf");
    let own = dir.display();
    let text = format!(
        "base_dir = {own}/dovecot\nstate_dir = {own}/dovecot\nlog_path = {own}/dovecot.log\nprotocols =\nssl = no\n\
         auth_mechanisms = plain login\n\
         passdb {{\n driver = static\n args = password={PASSWORD}\n}}\n\
         userdb {{\n driver = static\n args = uid={uid} gid={gid} home=/nonexistent\n}}\n\
         service auth {{\n unix_listener {own}/auth {{\n mode = 0666\n }}\n}}\n"
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new(DOVECOT).arg("-F").arg("-c").arg(config).spawn().unwrap();
    wait("dovecot's socket", || dir.join("auth").exists().then_some(()));
    child
}

fn issue_certificate(dir: &Path, address: SocketAddr) {
    let domain = "test.example".parse().unwrap();
    let now = Timestamp::now();
    let authority = Authority::init(&dir.join("ca"), &domain, &Passphrase::InsecureNone, now).unwrap();
    let request = Request {
        profile: PartyKind::CommServer,
        name: "mail".to_owned(),
        dns: Vec::new(),
        ips: vec![address.ip()],
    };
    authority.issue(&request, now).unwrap().write(&dir.join("tls")).unwrap();
    let other = Authority::init(&dir.join("other"), &domain, &Passphrase::InsecureNone, now).unwrap();
    other.issue(&request, now).unwrap().write(&dir.join("other-tls")).unwrap();
}

fn main_cf(dir: &Path, uid: u32, gid: u32) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    format!(
        "compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\n\
         mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = mail.example.com\nmydestination =\n\
         inet_protocols = ipv4\nmaillog_file = {log}\nmaillog_file_prefixes = {dir}\n\
         virtual_mailbox_domains = example.com\nvirtual_mailbox_base = {mail}\n\
         virtual_mailbox_maps = static:inbox/\nvirtual_uid_maps = static:{uid}\n\
         virtual_gid_maps = static:{gid}\nvirtual_minimum_uid = 1\n\
         smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ later@example.com = 450 4.7.1 later }} }}, \
         reject_unauth_destination\nmynetworks =\nsmtpd_relay_restrictions = reject_unauth_destination\n\
         smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\n\
         smtpd_tls_received_header = yes\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n\
         smtpd_sasl_path = {auth}\nsmtpd_tls_auth_only = yes\nsmtpd_sasl_authenticated_header = yes\n",
        auth = at("auth"),
        queue = at("queue"),
        data = at("data"),
        log = at("log"),
        mail = at("mail"),
        cert = at("tls/cert.pem"),
        key = at("tls/key.pem"),
        dir = dir.display(),
    )
}

fn master_cf(address: SocketAddr) -> String {
    format!(
        "{address} inet n - n - - smtpd\npickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\ntlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\nproxymap unix - - n - - proxymap\n\
         virtual unix - n n - - virtual\nerror unix - - n - - error\nanvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\nsmtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come");
}

fn send(config: &MailConfig, edge: Edge) -> Result<(), MailError> {
    let call = Call {
        device: "ricoh:E174M210001".parse().expect("an id"),
        call: CallKind::ServiceCall,
        edge,
        subject: String::new(),
        detail: "SC542 <fuser> überhitzt".to_owned(),
        seen_at: "2026-07-01T22:05:09Z".parse().expect("a time"),
    };
    let identity = Identity {
        vendor: Some("ricoh".to_owned()),
        model: Some("IM C4500".to_owned()),
        serial: Some("E174M210001".to_owned()),
        name: Some("Accounting".to_owned()),
        ..Identity::default()
    };
    let gateway: GatewayId = "gw-demo".parse().expect("an id");
    let notice = CallNotice {
        gateway: &gateway,
        site: Some("Head office"),
        time_zone: TimeZone::get("Europe/Berlin").expect("a zone"),
        call: &call,
        identity: &identity,
        address: "127.20.0.4",
    };
    let mailer = Mailer::new(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(mailer.send(&notice))
}

/// The unfolded headers, and the decoded parts by media type.
fn parse(letter: &str) -> (String, Vec<(String, String)>) {
    let (head, body) = letter.split_once("\n\n").unwrap();
    let head = head.replace("\n\t", " ").replace("\n ", " ");
    let boundary = head.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let delimiter = format!("--{boundary}");
    let parts = body.split(&delimiter).filter_map(|part| part.trim_start().split_once("\n\n"));
    let parts = parts.filter_map(|(head, body)| {
        let head = head.to_ascii_lowercase();
        let media = head.split("content-type: ").nth(1)?.split(';').next()?.to_owned();
        let quoted = head.contains("quoted-printable");
        Some((media, if quoted { unquote(body) } else { body.to_owned() }))
    });
    let parts = parts.collect();
    (head, parts)
}

/// Decodes quoted-printable (RFC 2045 §6.7).
fn unquote(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'=', [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Decodes the subject (RFC 2047: encoded words of UTF-8 in base64).
fn subject(head: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
    let mut words = String::new();
    let mut was_encoded = false;
    for word in line.split(' ') {
        let encoded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
        let joins = was_encoded && encoded.is_some();
        if !words.is_empty() && !joins {
            words.push(' ');
        }
        was_encoded = encoded.is_some();
        words.push_str(&encoded.map_or_else(|| word.to_owned(), base64));
    }
    words
}

fn base64(text: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = alphabet.iter().position(|letter| *letter == byte).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_administrator_gets_a_readable_letter_over_each_transport() {
    let Some(postfix) = Postfix::start() else { return };
    let mut ids = Vec::new();
    for security in [Security::None, Security::Starttls] {
        send(&postfix.config(security, "it@example.com"), Edge::Raised).unwrap();
        let letter = postfix.next_letter();
        let (head, parts) = parse(&letter);
        assert_eq!(
            subject(&head),
            "[Platen] Service call SC542 <fuser> überhitzt: Ricoh IM C4500 (E174M210001)"
        );
        for line in [
            "From: Platen <platen@example.com>",
            "To: it@example.com",
            "Auto-Submitted: auto-generated",
            "Date: Wed, 01 Jul 2026 22:05:09 +0000",
        ] {
            assert!(head.lines().any(|own| own == line), "{line} is missing in {head}");
        }
        assert_eq!(head.contains("using TLSv1.3"), security == Security::Starttls, "{head}");
        let [(plain_type, plain), (html_type, html)] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((plain_type.as_str(), html_type.as_str()), ("text/plain", "text/html"));
        for seen in [
            "Service call: SC542 <fuser> überhitzt",
            "Serial number  E174M210001",
            "Address        127.20.0.4",
            "Head office",
            "Accounting",
            "Thursday, 2 July 2026, 00:05:09 (Europe/Berlin, UTC+02:00)",
            "What to do next",
        ] {
            assert!(plain.contains(seen), "{seen} is missing in {plain}");
        }
        assert!(html.contains("SC542 &#60;fuser&#62; überhitzt") && !html.contains("<fuser>"), "{html}");
        ids.extend(head.lines().find(|line| line.starts_with("Message-ID: ")).map(str::to_owned));
    }
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "a repeated letter is the same letter");
}

#[test]
fn temporary_and_permanent_rejections_are_distinguished() {
    let Some(postfix) = Postfix::start() else { return };
    let refused = |config: &MailConfig| send(config, Edge::Raised).unwrap_err();
    let relayed = refused(&postfix.config(Security::None, "somebody@elsewhere.example"));
    assert!(relayed.is_final(), "{relayed:?}");
    let later = refused(&postfix.config(Security::None, "later@example.com"));
    assert!(!later.is_final(), "{later:?}");
    let mut other = postfix.config(Security::Starttls, "it@example.com");
    other.ca_file = Some(postfix.dir.path().join("other-tls/root.pem"));
    let untrusted = refused(&other);
    assert!(matches!(untrusted, MailError::Delivery { .. }) && !untrusted.is_final(), "{untrusted:?}");
    // TLS from the first byte, to a server that begins in the clear.
    let wrong = refused(&postfix.config(Security::Tls, "it@example.com"));
    assert!(!wrong.is_final(), "{wrong:?}");
    let mut closed = postfix.config(Security::None, "it@example.com");
    closed.server = "127.25.9.1:1".to_owned();
    assert!(!refused(&closed).is_final());
    assert!(postfix.delivered().is_empty());
}

#[test]
fn a_user_is_authenticated_over_starttls_and_a_wrong_password_is_reported() {
    let Some(postfix) = Postfix::start() else { return };
    let file = postfix.dir.path().join("mail-password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let mut config = postfix.config(Security::Starttls, "it@example.com");
    (config.user, config.password_file) = (Some("platen".to_owned()), Some(file.clone()));
    send(&config, Edge::Raised).unwrap();
    let letter = postfix.next_letter();
    assert!(letter.contains("(Authenticated sender: platen)"), "{letter}");

    std::fs::write(&file, "another\n").unwrap();
    let refused = send(&config, Edge::Cleared).unwrap_err();
    let said = runtime::error::chain(&refused);
    assert!(said.contains("535") && !said.contains("another"), "{said}");
    assert!(postfix.delivered().is_empty());
}
