//! Mail about calls to the customer's IT administrator, by SMTP.
//!
//! A mail's Message-ID is derived from the call, so that a repeated delivery is recognised as the same mail.

mod letter;
mod next_steps;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub use letter::CallNotice;

/// Time limit of the connection and of one SMTP command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit of a whole delivery.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// Maximum number of recipients.
const MAX_RECIPIENTS: usize = 20;

/// Section `mail` of the gateway's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `HOST[:PORT]`; the port follows `security` when absent: 25, 587 or 465.
    pub server: String,
    /// How the connection is protected.
    pub security: Security,
    /// User name for authentication.
    #[serde(default)]
    pub user: Option<String>,
    /// File with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificate authority of a private mail server, PEM; by default those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Plaintext.
    None,
    /// STARTTLS; nothing is sent without it.
    Starttls,
    /// TLS from the beginning.
    Tls,
}

impl Security {
    const fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Tls => 465,
        }
    }
}

/// Why a mail was not delivered, or a mailer can't be created.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The configuration is invalid.
    #[error("mail.{key}: {problem}")]
    Config {
        /// The key.
        key: &'static str,
        /// What was found and what was expected.
        problem: String,
    },
    /// A file that the configuration names can't be read.
    #[error("mail.{key}: {}: can't be read", path.display())]
    File {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// TLS can't be configured.
    #[error("mail: TLS can't be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
    /// The mail can't be composed.
    #[error("the mail can't be composed: {0}")]
    Letter(String),
    /// The mail server rejected it.
    #[error("{server}: the mail server rejected the mail")]
    Delivery {
        /// The mail server.
        server: String,
        /// The cause.
        #[source]
        source: lettre::transport::smtp::Error,
    },
    /// The delivery took too long.
    #[error("{server}: no delivery within {} s", DELIVERY_TIMEOUT.as_secs())]
    Timeout {
        /// The mail server.
        server: String,
    },
}

impl MailError {
    /// Whether a retry can't help: the server rejected the mail permanently (5yz), or mail or configuration are
    /// invalid. If the server is down, slow, returns a temporary error (4yz) or has an invalid certificate, the mail
    /// is retried.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Delivery { source, .. } => source.is_permanent(),
            Self::Timeout { .. } => false,
            Self::Config { .. } | Self::File { .. } | Self::Tls(_) | Self::Letter(_) => true,
        }
    }
}

/// Delivers mails to one mail server.
#[derive(Debug, Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransportBuilder,
    server: String,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mailer {
    /// Reads the password and the certificate authority, but doesn't connect.
    ///
    /// # Errors
    /// The configuration is invalid; the error names the key.
    pub fn new(config: &MailConfig) -> Result<Self, MailError> {
        let (host, port) = split_server(config)?;
        let from = mailbox("from", &config.from)?;
        let to = config.to.iter().map(|to| mailbox("to", to)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() || to.len() > MAX_RECIPIENTS {
            let problem = format!("{} recipients, expected 1 to {MAX_RECIPIENTS}", to.len());
            return Err(MailError::Config { key: "to", problem });
        }
        let tls = match config.security {
            Security::None => Tls::None,
            Security::Starttls => Tls::Required(tls_parameters(config, &host)?),
            Security::Tls => Tls::Wrapper(tls_parameters(config, &host)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.as_str())
            .port(port)
            .tls(tls)
            .timeout(Some(COMMAND_TIMEOUT));
        if let Some((user, password)) = credentials(config, &host)? {
            builder = builder.credentials(Credentials::new(user, password.expose_secret().to_owned()));
        }
        Ok(Self { transport: builder, server: format!("{host}:{port}"), from, to })
    }

    /// Composes the mail about a call and delivers it. The call must be durable before, and be marked as mailed
    /// after.
    ///
    /// # Errors
    /// It was not delivered; [`MailError::is_final`] is whether a retry can't help.
    pub async fn send(&self, notice: &CallNotice<'_>) -> Result<(), MailError> {
        self.deliver(letter::write(notice, &self.from, &self.to)?).await
    }

    /// Sends a plain-text mail about the gateway itself.
    ///
    /// # Errors
    /// As [`Mailer::send`].
    pub(crate) async fn tell(&self, subject: &str, text: &str) -> Result<(), MailError> {
        self.deliver(letter::plain(subject, text, &self.from, &self.to)?).await
    }

    async fn deliver(&self, letter: Message) -> Result<(), MailError> {
        // Mails are rare: the server would time out an open connection.
        let transport: AsyncSmtpTransport<Tokio1Executor> = self.transport.clone().build();
        let server = || self.server.clone();
        match tokio::time::timeout(DELIVERY_TIMEOUT, transport.send(letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(source)) => Err(MailError::Delivery { server: server(), source }),
            Err(_) => Err(MailError::Timeout { server: server() }),
        }
    }
}

fn mailbox(key: &'static str, text: &str) -> Result<Mailbox, MailError> {
    text.parse().map_err(|error| MailError::Config {
        key,
        problem: format!("{text:?} is not an e-mail address ({error}): expected NAME@DOMAIN"),
    })
}

fn split_server(config: &MailConfig) -> Result<(String, u16), MailError> {
    let text = config.server.trim();
    let invalid = || MailError::Config {
        key: "server",
        problem: format!("{text:?} is not a server: expected HOST, HOST:PORT or [ADDRESS]:PORT"),
    };
    let default = config.security.port();
    let (host, port) = match text.parse::<IpAddr>() {
        Ok(address) => (address.to_string(), default),
        Err(_) => match text.rsplit_once(':') {
            Some((host, port)) => (host.to_owned(), port.parse().map_err(|_| invalid())?),
            None => (text.to_owned(), default),
        },
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(allowed) {
        return Err(invalid());
    }
    Ok((host, port))
}

fn tls_parameters(config: &MailConfig, host: &str) -> Result<TlsParameters, MailError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path).map_err(|source| MailError::File {
            key: "ca_file",
            path: path.clone(),
            source,
        })?;
        let authority = Certificate::from_pem(&pem).map_err(MailError::Tls)?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
    }
    builder.build().map_err(MailError::Tls)
}

fn credentials(config: &MailConfig, host: &str) -> Result<Option<(String, SecretString)>, MailError> {
    let wrong = |key, problem: &str| MailError::Config { key, problem: problem.to_owned() };
    let (user, path) = match (&config.user, &config.password_file) {
        (None, None) => return Ok(None),
        (Some(user), Some(path)) => (user, path),
        (Some(_), None) => {
            return Err(wrong("password_file", "missing: expected a file, as there is a user"));
        }
        (None, Some(_)) => {
            return Err(wrong("user", "missing: expected a name, as there is a password_file"));
        }
    };
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|a: IpAddr| a.is_loopback());
    if config.security == Security::None && !is_loopback {
        let problem = "with none, the password would be sent in plaintext: expected starttls or tls";
        return Err(wrong("security", problem));
    }
    let text = std::fs::read_to_string(path).map_err(|source| MailError::File {
        key: "password_file",
        path: path.clone(),
        source,
    })?;
    Ok(Some((user.clone(), SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> MailConfig {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn refused(yaml: &str) -> String {
        Mailer::new(&config(yaml)).unwrap_err().to_string()
    }

    #[test]
    fn the_port_follows_the_security() {
        let server = |server: &str, security: &str| {
            split_server(&config(&format!(
                "{{server: '{server}', security: {security}, from: a@b, to: [c@d]}}"
            )))
            .map_err(|error| error.to_string())
        };
        assert_eq!(server("mail.example", "none").unwrap(), ("mail.example".to_owned(), 25));
        assert_eq!(server("mail.example", "starttls").unwrap().1, 587);
        assert_eq!(server("127.0.0.1:2525", "tls").unwrap(), ("127.0.0.1".to_owned(), 2525));
        assert_eq!(server("::1", "tls").unwrap(), ("::1".to_owned(), 465));
        assert_eq!(server("[::1]:26", "tls").unwrap(), ("::1".to_owned(), 26));
        assert!(server("a b", "tls").unwrap_err().contains("HOST:PORT"));
        assert!(server("a:x", "tls").is_err());
    }

    #[test]
    fn a_wrong_configuration_names_the_key() {
        assert!(refused("{server: m, security: none, from: nobody, to: [c@d]}").starts_with("mail.from"));
        assert!(refused("{server: m, security: none, from: a@b, to: []}").contains("0 recipients"));
        let clear = "{server: m, security: none, user: u, password_file: /p, from: a@b, to: [c@d]}";
        assert!(refused(clear).contains("in plaintext"));
        let half = "{server: m, security: tls, user: u, from: a@b, to: [c@d]}";
        assert!(refused(half).starts_with("mail.password_file"));
        let missing = "{server: m, security: tls, ca_file: /nonexistent, from: a@b, to: [c@d]}";
        assert!(refused(missing).contains("/nonexistent"));
        assert!(serde_yaml::from_str::<MailConfig>("{server: m, security: ssl, from: a@b, to: []}").is_err());
    }

    #[test]
    fn the_password_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let yaml = format!(
            "{{server: m, security: tls, user: u, password_file: {}, from: a@b, to: [c@d]}}",
            file.display()
        );
        let config = config(&yaml);
        let (_, password) = credentials(&config, "m").unwrap().unwrap();
        assert_eq!(password.expose_secret(), "hunter2");
        let mailer =
            tokio::runtime::Runtime::new().unwrap().block_on(async { Mailer::new(&config).unwrap() });
        assert!(!format!("{mailer:?}").contains("hunter2"));
    }
}
