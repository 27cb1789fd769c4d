//! `user`: accounts of people.

use clap::{Args, Subcommand};
use comm_server_core::accounts::AccountSpec;
use comm_server_core::roles::Role;
use comm_server_core::tenancy::{CustomerId, Part, SiteId};

use super::{CliError, all, print};
use crate::services::{Accounts, Actor};
use crate::store::PageRows;

/// The subcommands of `user`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserAction {
    /// List users in the order of their login names.
    List {
        /// Only users with this text in a name or the mail address.
        #[arg(long, default_value = "")]
        find: String,
    },
    /// Create a user and print a link at which the person chooses a password. The link works once, within 72 hours.
    Add(NewAccount),
    /// Print a new link for a user to choose a password. Earlier links no longer work.
    Invite {
        /// Login name of the user.
        user: String,
    },
    /// Disable a user and end the user's sessions.
    Disable {
        /// Login name of the user.
        user: String,
    },
    /// Remove the second factor of a user who lost it, and end the user's sessions.
    ResetTotp {
        /// Login name of the user.
        user: String,
    },
    /// Enable a disabled user, who can then log in again.
    Enable {
        /// Login name of the user.
        user: String,
    },
}

/// A user to be created.
#[derive(Debug, Args)]
pub(crate) struct NewAccount {
    /// Login name.
    user: String,
    /// Role: viewer, dispatcher, meter_clerk, firmware_manager, assistance_operator, engineer, administrator,
    /// customer_viewer or customer_buyer; `provider` with `--dealer provider`.
    #[arg(long)]
    role: Role,
    /// Id of a customer: the user can access only this customer. Default: the whole service company.
    #[arg(long)]
    customer: Option<CustomerId>,
    /// Id of a site: the user can access only this site.
    #[arg(long, conflicts_with = "customer")]
    site: Option<SiteId>,
    /// Full name of the person.
    #[arg(long, default_value = "")]
    full_name: String,
    /// Mail address of the person.
    #[arg(long, default_value = "")]
    mail: String,
}

pub(super) async fn act(
    accounts: &Accounts,
    actor: &Actor,
    json: bool,
    action: &UserAction,
) -> Result<(), CliError> {
    match action {
        UserAction::List { find } => {
            let all =
                all(async |cursor| accounts.list(actor, find, (cursor.as_deref(), PageRows::MAX)).await)
                    .await?;
            Ok(print::users(json, &all)?)
        }
        UserAction::Add(new) => {
            let part = Part::of(new.customer, new.site);
            let (full_name, mail) = (new.full_name.clone(), new.mail.clone());
            let spec = AccountSpec { role: new.role, part, full_name, mail };
            Ok(print::invited(json, &accounts.create(actor, &new.user, &spec).await?)?)
        }
        UserAction::Invite { user } => Ok(print::invited(json, &accounts.invite(actor, user).await?)?),
        UserAction::ResetTotp { user } => {
            accounts.reset_second_factor(actor, user).await?;
            Ok(print::factor_removed(json, user)?)
        }
        UserAction::Disable { user } => set_disabled(accounts, actor, json, (user, true)).await,
        UserAction::Enable { user } => set_disabled(accounts, actor, json, (user, false)).await,
    }
}

async fn set_disabled(
    accounts: &Accounts,
    actor: &Actor,
    json: bool,
    (user, disabled): (&str, bool),
) -> Result<(), CliError> {
    let found = accounts.read(actor, user).await?;
    accounts.change(actor, user, None, (&found.spec(), disabled)).await?;
    Ok(print::state_of_user(json, user, disabled)?)
}
