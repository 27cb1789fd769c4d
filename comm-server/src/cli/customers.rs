//! `customer`, `site` and `setting`: the tree below the service company.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use comm_server_core::customers::{Address, CustomerSpec, SiteSpec};
use comm_server_core::roles::Permission;
use comm_server_core::settings::Setting;
use comm_server_core::tenancy::{CustomerId, SiteId};
use comm_server_core::tree::Node;
use indicatif::{ProgressBar, ProgressStyle};
use wire::ids::GatewayId;

use super::{CliError, all, print};
use crate::config::Config;
use crate::services::{Actor, Customers, FileError, ImportMode, Settings, Views, customer_file};
use crate::store::{CustomerFilter, SiteFilter, Store};

/// The subcommands of `customer`.
#[derive(Debug, Subcommand)]
pub(crate) enum CustomerAction {
    /// List customers in the order of their names.
    List {
        /// Only customers with this text in name or key.
        #[arg(long, default_value = "")]
        find: String,
    },
    /// Create a customer.
    Add {
        /// Name, unique.
        #[arg(long)]
        name: String,
        /// Key in the ERP system, unique.
        #[arg(long, default_value = "")]
        erp_key: String,
    },
    /// Create and change customers and sites from a CSV table with one row per site.
    Import {
        /// CSV file (UTF-8); `customer export` prints the columns.
        file: PathBuf,
        /// Validate the rows and change nothing.
        #[arg(long, conflicts_with = "skip_wrong")]
        check: bool,
        /// Import the valid rows even if others are invalid. Default: import nothing then.
        #[arg(long)]
        skip_wrong: bool,
    },
    /// Print all customers and sites as a CSV table, which `import` reads.
    Export,
}

/// The subcommands of `site`.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteAction {
    /// List sites in the order of their names.
    List {
        /// Only sites of this customer (id).
        #[arg(long)]
        customer: Option<CustomerId>,
        /// Only sites with this text in name, key, town or the customer's name.
        #[arg(long, default_value = "")]
        find: String,
    },
    /// Create a site of a customer.
    Add(Box<NewSite>),
}

/// A site to be created.
#[derive(Debug, Args)]
pub(crate) struct NewSite {
    /// Id of its customer.
    #[arg(long)]
    customer: CustomerId,
    /// Name, unique among the customer's sites.
    #[arg(long)]
    name: String,
    /// Key in the ERP system, unique.
    #[arg(long, default_value = "")]
    erp_key: String,
    /// Street and number.
    #[arg(long, default_value = "")]
    street: String,
    /// Postal code.
    #[arg(long, default_value = "")]
    postal_code: String,
    /// Town.
    #[arg(long, default_value = "")]
    city: String,
    /// State, province or prefecture.
    #[arg(long, default_value = "")]
    region: String,
    /// Country, two letters (ISO 3166-1).
    #[arg(long, default_value = "")]
    country: String,
}

/// The subcommands of `setting`.
#[derive(Debug, Subcommand)]
pub(crate) enum SettingAction {
    /// Show the settings of a part of the tree, and where each value is inherited from.
    Show {
        /// Whose settings.
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Set a value for a part of the tree; everything below that has no value of its own inherits it.
    Set {
        /// Whose setting.
        #[command(flatten)]
        place: PlaceArguments,
        /// Name of the setting.
        #[arg(value_parser = setting_names())]
        setting: Setting,
        /// New value.
        value: String,
    },
    /// Remove a value from a part of the tree, which then inherits.
    Unset {
        /// Whose setting.
        #[command(flatten)]
        place: PlaceArguments,
        /// Name of the setting.
        #[arg(value_parser = setting_names())]
        setting: Setting,
    },
}

/// A part of the tree. Default: the whole service company.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct PlaceArguments {
    /// Id of a customer.
    #[arg(long)]
    customer: Option<CustomerId>,
    /// Id of a site.
    #[arg(long)]
    site: Option<SiteId>,
    /// Id of a gateway.
    #[arg(long)]
    gateway: Option<GatewayId>,
}

impl PlaceArguments {
    fn node(&self) -> Node {
        match (self.customer, self.site, &self.gateway) {
            (Some(id), _, _) => Node::Customer(id),
            (None, Some(id), _) => Node::Site(id),
            (None, None, Some(id)) => Node::Gateway(id.clone()),
            (None, None, None) => Node::Tenant,
        }
    }
}

/// Parses the name of a setting; the error for an unknown one lists all names.
fn setting_names() -> impl TypedValueParser<Value = Setting> {
    PossibleValuesParser::new(Setting::ALL.map(Setting::name)).try_map(|name| name.parse::<Setting>())
}

pub(super) async fn customer(
    store: &Store,
    actor: &Actor,
    json: bool,
    action: &CustomerAction,
) -> Result<(), CliError> {
    let (view, customers) =
        (Views::new(store.clone()).now(actor, Permission::SeeFleet)?, Customers::new(store.clone()));
    match action {
        CustomerAction::List { find } => {
            let filter = CustomerFilter { text: find.clone(), ..CustomerFilter::default() };
            let all = all(async |cursor| view.customers(&filter, cursor.as_deref()).await).await?;
            Ok(print::customers(json, &all)?)
        }
        CustomerAction::Add { name, erp_key } => {
            let spec = CustomerSpec { name: name.clone(), erp_key: erp_key.clone() };
            Ok(print::created(json, "customer", &customers.create(actor, &spec).await?.to_string())?)
        }
        CustomerAction::Import { file, check, skip_wrong } => {
            let mode = match (check, skip_wrong) {
                (true, _) => ImportMode::Check,
                (false, true) => ImportMode::SkipWrong,
                (false, false) => ImportMode::Whole,
            };
            let outcome = import(&customers, actor, file, mode).await?;
            print::imported(json, mode, &outcome)?;
            let is_refused = outcome.wrong > 0 && mode != ImportMode::SkipWrong;
            if is_refused { Err(CliError::WrongRows { wrong: outcome.wrong }) } else { Ok(()) }
        }
        CustomerAction::Export => Ok(print::text(&customer_file::export(&view).await?)?),
    }
}

/// Imports the file, with a progress bar on a terminal.
async fn import(
    customers: &Customers,
    actor: &Actor,
    path: &Path,
    mode: ImportMode,
) -> Result<customer_file::FileOutcome, CliError> {
    let unreadable = |source| CliError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // It draws on a terminal only.
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}").expect("the template is one"),
    );
    let reader = std::io::BufReader::new(file);
    let outcome = customers.import_file(actor, reader, mode, |rows| bar.set_position(rows)).await;
    bar.finish_and_clear();
    outcome.map_err(|error| match error {
        FileError::Read(source) => CliError::File { path: path.to_owned(), source },
        error @ (FileError::Customers(_)
        | FileError::NoColumn { .. }
        | FileError::UnknownColumn { .. }
        | FileError::Encoding { .. }
        | FileError::TooLong
        | FileError::Csv(_)) => CliError::Table(error),
    })
}

pub(super) async fn site(
    store: &Store,
    actor: &Actor,
    json: bool,
    action: &SiteAction,
) -> Result<(), CliError> {
    match action {
        SiteAction::List { customer, find } => {
            let view = Views::new(store.clone()).now(actor, Permission::SeeFleet)?;
            let filter = SiteFilter { customer: *customer, text: find.clone(), ..SiteFilter::default() };
            let all = all(async |cursor| view.sites(&filter, cursor.as_deref()).await).await?;
            Ok(print::sites(json, &all)?)
        }
        SiteAction::Add(new) => {
            let spec = SiteSpec {
                name: new.name.clone(),
                erp_key: new.erp_key.clone(),
                address: Address {
                    street: new.street.clone(),
                    postal_code: new.postal_code.clone(),
                    city: new.city.clone(),
                    region: new.region.clone(),
                    country: new.country.clone(),
                },
            };
            let id = Customers::new(store.clone()).create_site(actor, new.customer, &spec).await?;
            Ok(print::created(json, "site", &id.to_string())?)
        }
    }
}

pub(super) async fn setting(
    (store, config): (&Store, &Config),
    actor: &Actor,
    json: bool,
    action: &SettingAction,
) -> Result<(), CliError> {
    let settings = Settings::new(store.clone(), config.cadence);
    let place = match action {
        SettingAction::Show { place } => place,
        SettingAction::Set { place, setting, value } => {
            settings.set(actor, place.node(), *setting, Some(value)).await?;
            place
        }
        SettingAction::Unset { place, setting } => {
            settings.set(actor, place.node(), *setting, None).await?;
            place
        }
    };
    let node = place.node();
    let found = settings.of(actor, &node).await?;
    Ok(print::settings(json, &found.ok_or(CliError::NoPlace { what: node.level().name() })?)?)
}
