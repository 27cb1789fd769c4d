//! `dealer`: the dealers of a server.

use clap::Subcommand;
use comm_server_core::tenancy::TenantId;

use super::{CliError, all, print};
use crate::services::{Actor, Dealers, FirstAdministrator};
use crate::store::PageRows;

/// Dealers: service companies on one server, none of which sees anything of another.
#[derive(Debug, Subcommand)]
pub(crate) enum DealerAction {
    /// List dealers by id.
    List,
    /// Create a dealer.
    Add {
        /// Its id, which never changes: 1 to 64 of a-z, 0-9, '-', '.' and '_'.
        id: TenantId,
        /// Its name, unique.
        #[arg(long)]
        name: String,
    },
    /// Create the first administrator of a dealer and print a link by which the person chooses a password; it works once,
    /// within 72 hours.
    Invite {
        /// Id of the dealer.
        id: TenantId,
        /// Login name, unique over all dealers.
        user: String,
        /// The person's name.
        #[arg(long, default_value = "")]
        full_name: String,
        /// The person's mail address.
        #[arg(long, default_value = "")]
        mail: String,
    },
    /// Change the name of a dealer.
    Rename {
        /// Id of the dealer.
        id: TenantId,
        /// Its new name.
        name: String,
    },
    /// Refuse the logins and API tokens of a dealer; its gateways are acknowledged, and get no commands.
    Disable {
        /// Id of the dealer.
        id: TenantId,
    },
    /// Allow the logins and API tokens of a disabled dealer again.
    Enable {
        /// Id of the dealer.
        id: TenantId,
    },
}

pub(super) async fn act(
    dealers: &Dealers,
    actor: &Actor,
    json: bool,
    action: &DealerAction,
) -> Result<(), CliError> {
    match action {
        DealerAction::List => {
            let all =
                all(async |cursor| dealers.list(actor, (cursor.as_deref(), PageRows::MAX)).await).await?;
            Ok(print::dealers(json, &all)?)
        }
        DealerAction::Add { id, name } => {
            dealers.create(actor, id.as_str(), name).await?;
            Ok(print::dealer(json, &dealers.read(actor, id).await?)?)
        }
        DealerAction::Invite { id, user, full_name, mail } => {
            let (name, full_name, mail) = (user.clone(), full_name.clone(), mail.clone());
            let first = FirstAdministrator { name, full_name, mail };
            Ok(print::invited(json, &dealers.invite_first(actor, id, &first).await?)?)
        }
        DealerAction::Rename { id, name } => {
            let disabled = dealers.read(actor, id).await?.disabled_at.is_some();
            change(dealers, actor, json, (id, name, disabled)).await
        }
        DealerAction::Disable { id } => {
            let name = dealers.read(actor, id).await?.name;
            change(dealers, actor, json, (id, &name, true)).await
        }
        DealerAction::Enable { id } => {
            let name = dealers.read(actor, id).await?.name;
            change(dealers, actor, json, (id, &name, false)).await
        }
    }
}

async fn change(
    dealers: &Dealers,
    actor: &Actor,
    json: bool,
    (id, name, disabled): (&TenantId, &str, bool),
) -> Result<(), CliError> {
    dealers.change(actor, id, None, (name, disabled)).await?;
    Ok(print::dealer(json, &dealers.read(actor, id).await?)?)
}
