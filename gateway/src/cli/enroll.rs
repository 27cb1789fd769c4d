//! `platen-gateway enroll`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use pki::IdentityConfig;
use pki::token::{self, Token};
use runtime::error::chain;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::exit::{EXIT_FAILED, EXIT_USAGE, fail, printed};
use crate::config::Config;
use crate::enroll::{Enrolled, Wanted, enroll};

/// Arguments of `enroll`.
#[derive(Debug, Args)]
pub(super) struct EnrollArgs {
    /// Enrollment address of the communication server: https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    server: String,
    /// The token.
    #[command(flatten)]
    token: TokenArgs,
    /// Folder for cert.pem, key.pem and root.pem. Default: the paths of the configuration.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// HTTP proxy: http://[USER:PASSWORD@]HOST:PORT. Default: the proxy of the configuration, or none.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Replace a certificate that exists already, for example because it expired or was revoked.
    #[arg(long)]
    replace: bool,
}

/// The one-time token.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct TokenArgs {
    /// The token, as `platen-pki token` prints it. Other users of this machine can read it in the process list.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// File with the token in its first line.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// The task that results from arguments and configuration.
struct Task {
    token: Token,
    files: IdentityConfig,
    proxy: Option<String>,
}

/// Enrolls and prints the result.
pub(super) async fn command(args: EnrollArgs, config: Option<&Path>, json: bool) -> ExitCode {
    let task = match task(&args, config) {
        Ok(task) => task,
        Err(why) => return fail(EXIT_USAGE, &why),
    };
    let wanted = Wanted {
        server: &args.server,
        proxy: task.proxy.as_deref(),
        token: &task.token,
        files: &task.files,
        replace: args.replace,
    };
    match enroll(&wanted, Timestamp::now()).await {
        Ok(enrolled) => print(&enrolled, &task.files, json),
        Err(error) => fail(EXIT_FAILED, &chain(&error)),
    }
}

fn task(args: &EnrollArgs, config: Option<&Path>) -> Result<Task, String> {
    let text = match (&args.token.token, &args.token.token_file) {
        (Some(token), _) => token.clone().into(),
        (None, Some(file)) => pki::secret_file::first_line(file).map_err(|error| chain(&error))?,
        (None, None) => return Err("--token or --token-file is required".to_owned()),
    };
    let token = token::parse(text.expose_secret()).map_err(|error| chain(&error))?;
    let config: Option<Config> =
        config.map(runtime::config::load).transpose().map_err(|error| chain(&error))?;
    if let Some(config) = &config
        && config.gateway.as_str() != token.gateway.party.name()
    {
        let theirs = token.gateway.party.name();
        return Err(format!("the token is for gateway {theirs}, the configuration for {}", config.gateway));
    }
    let proxy = config.as_ref().and_then(|config| config.comm_server.proxy.clone());
    let files = match (&args.out, config) {
        (Some(_), Some(_)) => return Err("give either --out or --config, not both".to_owned()),
        (None, None) => return Err("--out DIR or --config FILE is required".to_owned()),
        (None, Some(config)) => config.identity,
        (Some(out), None) => {
            let file = |name: &str| out.join(name);
            let (certificate, key, root) = (file("cert.pem"), file("key.pem"), file("root.pem"));
            IdentityConfig { certificate, key, root, crl: None }
        }
    };
    Ok(Task { token, files, proxy: args.proxy.clone().or(proxy) })
}

fn print(enrolled: &Enrolled, files: &IdentityConfig, as_json: bool) -> ExitCode {
    let Enrolled { id, not_after } = enrolled;
    let line = if as_json {
        let IdentityConfig { certificate, key, root, crl: _ } = files;
        json!({"id": id.to_string(), "gateway": id.party.name(), "not_after": not_after,
            "certificate": certificate, "key": key, "root": root})
        .to_string()
    } else {
        format!("enrolled {id} until {not_after}\n  certificate {}", files.certificate.display())
    };
    printed(runtime::output::line(&line))
}
