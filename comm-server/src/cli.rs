//! The command line: it works on the database whether the server runs or not, and every change is audited.

mod assets;
mod audit;
mod customers;
mod dealers;
mod dispatch;
mod print;
mod print_assets;
mod rollout;
mod tokens;
mod users;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use comm_server_core::audit::Broken;
use comm_server_core::roles::Permission;
use comm_server_core::rollouts::Interface;
use comm_server_core::tenancy::{Scope, SiteId, TenantId};
use runtime::check::{Invalid, Problem, Report};
use runtime::output::EXIT_USAGE;
use wire::ids::GatewayId;

use crate::config::Config;
use crate::services::{
    AccountError, Accounts, Actor, AuditError, CommandError, Commands, Customers, CustomersError, Dealers,
    FileError, Forbidden, HashError, ImagesError, OrderError, PasswordResetError, Quarantine,
    QuarantineError, RequestKind, SettingsError, Tokens, Users, Views,
};
use crate::store::backup::{self, BackupError};
use crate::store::{self, Needs, Page, RolloutError, Store, StoreError};

pub use dispatch::dispatch;

pub(crate) use assets::AssetAction;
pub(crate) use audit::AuditAction;
pub(crate) use customers::{CustomerAction, SettingAction, SiteAction};
pub(crate) use dealers::DealerAction;
pub(crate) use print::PrintError;
pub(crate) use rollout::RolloutAction;
pub(crate) use tokens::TokenAction;
pub(crate) use users::UserAction;

/// Name of the program, the prefix of its error messages.
pub(crate) const PROGRAM: &str = "platen-comm-server";

/// Platen's communication server.
#[derive(Debug, Parser)]
#[command(name = "platen-comm-server", version, about)]
pub struct Arguments {
    /// Configuration file (YAML). Relative paths in it are resolved against its folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Id of the dealer that the command acts for; `provider` for the provider's own logins and audit.
    #[arg(long, global = true, value_name = "ID", default_value = "default")]
    pub(crate) dealer: TenantId,
    /// Print JSON, errors too.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The action.
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// The actions.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run the server until SIGTERM or SIGINT. Creates the database on its first start.
    Run,
    /// Validate the configuration and the files that it names, and print every problem. Changes nothing.
    Check,
    /// Order, show and cancel firmware roll-outs.
    #[command(subcommand)]
    Rollout(RolloutAction),
    /// Dealers: the service companies on this server.
    #[command(subcommand)]
    Dealer(DealerAction),
    /// Customers.
    #[command(subcommand)]
    Customer(CustomerAction),
    /// List and create sites of customers.
    #[command(subcommand)]
    Site(SiteAction),
    /// Manage assets (things under contract) and the devices placed under them.
    #[command(subcommand)]
    Asset(AssetAction),
    /// Show and change settings. A value is inherited from the service company down to customers, sites and gateways.
    #[command(subcommand)]
    Setting(SettingAction),
    /// Manage the accounts of people.
    #[command(subcommand)]
    User(UserAction),
    /// Manage the tokens of programs that use the API.
    #[command(subcommand)]
    Token(TokenAction),
    /// List gateways and assign them to sites.
    #[command(subcommand)]
    Gateway(GatewayAction),
    /// Send commands to gateways.
    #[command(subcommand)]
    Command(CommandAction),
    /// Reset passwords.
    #[command(subcommand)]
    Password(PasswordAction),
    /// List and process again the reports that could not be used.
    #[command(subcommand)]
    Quarantine(QuarantineAction),
    /// Show, verify and export the audit: who changed what, and when.
    #[command(subcommand)]
    Audit(AuditAction),
    /// Update the database's tables to the version of this program.
    Migrate,
    /// Write a consistent copy of the whole database to a new file. The server may be running.
    Backup {
        /// File to create; an existing one is not overwritten.
        file: PathBuf,
    },
    /// Fill an empty database from a backup, of SQLite or PostgreSQL.
    Restore {
        /// File that `backup` wrote.
        file: PathBuf,
    },
}

/// Reports that could not be used.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineAction {
    /// List quarantined reports with the reasons.
    List,
    /// Process quarantined reports again, and store those that can be used now.
    Replay {
        /// Only reports of this gateway. Default: all gateways.
        #[arg(long)]
        gateway: Option<GatewayId>,
    },
}

/// Gateways.
#[derive(Debug, Subcommand)]
pub(crate) enum GatewayAction {
    /// List gateways.
    List,
    /// Register a gateway before its first poll, so that it belongs to the dealer of `--dealer`.
    Add {
        /// Its id, as its certificate names it.
        gateway: GatewayId,
    },
    /// Assign a gateway to a site.
    Assign {
        /// Id of the gateway.
        gateway: GatewayId,
        /// Id of the site. Without it, the gateway is unassigned.
        #[arg(long)]
        site: Option<SiteId>,
    },
}

/// Commands to gateways.
#[derive(Debug, Subcommand)]
pub(crate) enum CommandAction {
    /// Queue a command; it is delivered with the gateway's next poll.
    Send {
        /// Id of the gateway.
        #[arg(long)]
        gateway: GatewayId,
        /// What the gateway does.
        #[arg(long)]
        kind: RequestKind,
    },
}

/// Passwords.
#[derive(Debug, Subcommand)]
pub(crate) enum PasswordAction {
    /// Give a user a new one-time password and end the user's sessions.
    Reset {
        /// Login name of the user.
        user: String,
    },
}

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] Invalid),
    /// The database that the configuration names can't be opened.
    #[error("{0}")]
    Database(Problem),
    /// A read or change of the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A roll-out can't be ordered.
    #[error("{}", .0.message(Interface::CommandLine))]
    Rollout(OrderError),
    /// The certificate for requests to the global server can't be used.
    #[error("the identity can't be used")]
    Identity(#[from] pki::IdentityError),
    /// The list of published images can't be read.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// A command can't be queued.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The quarantine can't be read or replayed.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The audit can't be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The audit's chain of hashes is broken.
    #[error("the audit was changed outside of this program: {0}")]
    AuditBroken(Broken),
    /// The actor lacks a permission; never returned, because the command line has all of them.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// A customer, a site or a setting can't be read or changed.
    #[error(transparent)]
    Customers(#[from] CustomersError),
    /// An account can't be changed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A setting can't be read or changed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A CSV table of customers can't be imported or exported.
    #[error(transparent)]
    Table(FileError),
    /// A file can't be read.
    #[error("{} can't be read", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: std::io::Error,
    },
    /// An import has invalid rows.
    #[error(
        "{wrong} rows are invalid: nothing was changed. Correct them, or import the other rows with --skip-wrong"
    )]
    WrongRows {
        /// Number of invalid rows.
        wrong: u64,
    },
    /// The customer, site or gateway of a setting doesn't exist.
    #[error("there is no such {what}")]
    NoPlace {
        /// The kind that was named.
        what: &'static str,
    },
    /// The dealer that the command shall act for.
    #[error("there is no dealer {dealer}: expected an id that `platen-comm-server dealer list` prints")]
    NoDealer {
        /// As it was given.
        dealer: TenantId,
    },
    /// Passwords can't be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A password can't be reset.
    #[error(transparent)]
    Password(#[from] PasswordResetError),
    /// A backup can't be written or restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Standard output can't be written.
    #[error(transparent)]
    Print(#[from] PrintError),
}

impl From<OrderError> for CliError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Rollout(RolloutError::Store(error)) => Self::Store(error),
            error @ (OrderError::Forbidden(_)
            | OrderError::NoGlobalServer { .. }
            | OrderError::Unreachable { .. }
            | OrderError::NotPublished { .. }
            | OrderError::NotEnded { .. }
            | OrderError::NothingFailed { .. }
            | OrderError::Rollout(_)) => Self::Rollout(error),
        }
    }
}

impl From<RolloutError> for CliError {
    fn from(error: RolloutError) -> Self {
        OrderError::from(error).into()
    }
}

impl CliError {
    /// 2 for a wrong configuration, 1 for everything else.
    #[must_use]
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EXIT_USAGE,
            Self::Database(_)
            | Self::Store(_)
            | Self::Rollout(_)
            | Self::Identity(_)
            | Self::Images(_)
            | Self::Command(_)
            | Self::Quarantine(_)
            | Self::Audit(_)
            | Self::AuditBroken(_)
            | Self::Forbidden(_)
            | Self::Customers(_)
            | Self::Account(_)
            | Self::Settings(_)
            | Self::Table(_)
            | Self::File { .. }
            | Self::WrongRows { .. }
            | Self::NoPlace { .. }
            | Self::NoDealer { .. }
            | Self::Hash(_)
            | Self::Password(_)
            | Self::Backup(_)
            | Self::Print(_) => 1,
        }
    }
}

/// What must exist for an action: only `run` and `restore` create a database.
const fn needs(action: &Action) -> Needs {
    match action {
        Action::Run | Action::Check | Action::Restore { .. } => Needs::Nothing,
        Action::Migrate => Needs::Database,
        Action::Backup { .. }
        | Action::Rollout(_)
        | Action::Dealer(_)
        | Action::Customer(_)
        | Action::Site(_)
        | Action::Asset(_)
        | Action::Setting(_)
        | Action::User(_)
        | Action::Token(_)
        | Action::Gateway(_)
        | Action::Command(_)
        | Action::Quarantine(_)
        | Action::Audit(_)
        | Action::Password(_) => Needs::Tables,
    }
}

/// Executes an action other than `run`.
///
/// # Errors
/// Any error of the action.
pub(crate) async fn act(arguments: &Arguments) -> Result<ExitCode, CliError> {
    if matches!(arguments.action, Action::Check) {
        return Ok(check(&arguments.config, arguments.json).await?);
    }
    let (source, config) = Config::read(&arguments.config)?;
    let url = config.database_url();
    if matches!(arguments.action, Action::Restore { .. }) && config.database.is_none() {
        std::fs::create_dir_all(&config.data_dir)
            .map_err(|error| CliError::Database(source.problem("data_dir", error)))?;
    }
    let reached = store::reach(&url, needs(&arguments.action)).await;
    reached.map_err(|error| CliError::Database(config.database_problem(&source, &error)))?;
    carry_out(arguments, &config, &url).await.map(|()| ExitCode::SUCCESS)
}

async fn check(file: &Path, json: bool) -> Result<ExitCode, PrintError> {
    let problems = Config::check(file).await.err().map(|Invalid(problems)| problems).unwrap_or_default();
    let report = Report::new(file, problems, Vec::new());
    Ok(report.print(PROGRAM, json, &format!("{}: in order", file.display()), EXIT_USAGE)?)
}

async fn carry_out(arguments: &Arguments, config: &Config, url: &str) -> Result<(), CliError> {
    match &arguments.action {
        Action::Migrate => return Ok(print::migrated(arguments.json, store::migrate(url).await?)?),
        Action::Backup { file } => {
            return Ok(print::backed_up(arguments.json, file, &backup::backup(url, file).await?)?);
        }
        Action::Restore { file } => {
            return Ok(print::restored(arguments.json, file, &backup::restore(url, file).await?)?);
        }
        Action::Run
        | Action::Check
        | Action::Rollout(_)
        | Action::Dealer(_)
        | Action::Customer(_)
        | Action::Site(_)
        | Action::Asset(_)
        | Action::Setting(_)
        | Action::User(_)
        | Action::Token(_)
        | Action::Gateway(_)
        | Action::Command(_)
        | Action::Quarantine(_)
        | Action::Audit(_)
        | Action::Password(_) => {}
    }
    on_store(arguments, config, &Store::open_detached(url).await?).await
}

/// Everything of the tenant that the command acts for.
async fn scope_of(store: &Store, tenant: &TenantId) -> Result<Scope, CliError> {
    if !tenant.is_provider() && store.dealer(tenant).await?.is_none() {
        return Err(CliError::NoDealer { dealer: tenant.clone() });
    }
    Ok(Scope::of_tenant(tenant.clone()))
}

async fn on_store(arguments: &Arguments, config: &Config, store: &Store) -> Result<(), CliError> {
    let actor = Actor::command_line(scope_of(store, &arguments.dealer).await?);
    let json = arguments.json;
    match &arguments.action {
        Action::Run | Action::Check | Action::Migrate | Action::Backup { .. } | Action::Restore { .. } => {
            Ok(())
        }
        Action::Quarantine(QuarantineAction::List) => {
            let view = Views::new(store.clone()).now(&actor, Permission::SeeQuarantine)?;
            let all = all(async |cursor| view.quarantine(cursor.as_deref()).await).await?;
            Ok(print::quarantine(json, &all)?)
        }
        Action::Quarantine(QuarantineAction::Replay { gateway }) => {
            let replayed = Quarantine::new(store.clone()).replay(&actor, gateway.as_ref()).await?;
            Ok(print::replayed(json, replayed)?)
        }
        Action::Audit(action) => audit::act(store, &actor, json, action).await,
        Action::Rollout(action) => rollout::act(store, config, &actor, json, action).await,
        Action::Dealer(action) => dealers::act(&Dealers::new(store.clone()), &actor, json, action).await,
        Action::Customer(action) => customers::customer(store, &actor, json, action).await,
        Action::Site(action) => customers::site(store, &actor, json, action).await,
        Action::Asset(action) => assets::act(store, &actor, json, action).await,
        Action::Setting(action) => customers::setting((store, config), &actor, json, action).await,
        Action::User(action) => {
            let users = Users::new(store)?;
            users::act(&Accounts::new(store.clone(), users), &actor, json, action).await
        }
        Action::Token(action) => tokens::act(&Tokens::new(store.clone()), &actor, json, action).await,
        Action::Gateway(GatewayAction::Assign { gateway, site }) => {
            Customers::new(store.clone()).assign(&actor, gateway, *site).await?;
            Ok(print::assigned(json, gateway, *site)?)
        }
        Action::Gateway(GatewayAction::Add { gateway }) => {
            Customers::new(store.clone()).register(&actor, gateway, config.cadence).await?;
            Ok(print::registered(json, gateway, &arguments.dealer)?)
        }
        Action::Gateway(GatewayAction::List) => {
            let view = Views::new(store.clone()).now(&actor, Permission::SeeFleet)?;
            let all = all(async |cursor| view.gateways(cursor.as_deref()).await).await?;
            Ok(print::gateways(json, &all)?)
        }
        Action::Command(CommandAction::Send { gateway, kind }) => {
            let command = Commands::new(store.clone()).queue(&actor, gateway, *kind, None).await?;
            Ok(print::queued(json, gateway, command)?)
        }
        Action::Password(PasswordAction::Reset { user }) => {
            let one_time = Users::new(store)?.reset_password(&actor, user).await?;
            Ok(print::one_time(json, user, &one_time)?)
        }
    }
}

/// All pages of a list.
async fn all<T, E>(read: impl AsyncFn(Option<String>) -> Result<Page<T>, E>) -> Result<Vec<T>, E> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = read(cursor).await?;
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}
