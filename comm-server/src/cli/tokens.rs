//! `token`: tokens of programs.

use clap::{Args, Subcommand};
use comm_server_core::accounts::AccountSpec;
use comm_server_core::roles::Role;
use comm_server_core::tenancy::{CustomerId, Part, SiteId};
use comm_server_core::tokens::TokenSpec;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{CliError, print};
use crate::services::{Actor, Tokens};

/// The subcommands of `token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenAction {
    /// List tokens, newest first, at most 1,000.
    List,
    /// Create a token and print it. It can't be shown again.
    Add(NewToken),
    /// Revoke a token; requests with it are rejected from now on.
    Revoke {
        /// Id of the token, as `token list` prints it.
        token: Uuid,
    },
}

/// A token to be made.
#[derive(Debug, Args)]
pub(crate) struct NewToken {
    /// What it is for; unique.
    name: String,
    /// Role: viewer, dispatcher, meter_clerk, firmware_manager, assistance_operator, engineer, administrator,
    /// customer_viewer or customer_buyer; `provider` with `--dealer provider`.
    #[arg(long)]
    role: Role,
    /// Days until it expires, at most 366.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// Id of a customer: the token gives access to only this customer. Default: the whole service company.
    #[arg(long)]
    customer: Option<CustomerId>,
    /// Id of a site: the token gives access to only this site.
    #[arg(long, conflicts_with = "customer")]
    site: Option<SiteId>,
    /// Network from which it is accepted (CIDR notation); may be repeated. Default: all.
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<String>,
}

pub(super) async fn act(
    tokens: &Tokens,
    actor: &Actor,
    json: bool,
    action: &TokenAction,
) -> Result<(), CliError> {
    match action {
        TokenAction::List => Ok(print::tokens(json, &tokens.list(actor).await?, Timestamp::now())?),
        TokenAction::Add(new) => {
            let made = tokens.create(actor, &new.spec(Timestamp::now())).await?;
            Ok(print::token_made(json, &made)?)
        }
        TokenAction::Revoke { token } => {
            tokens.revoke(actor, *token).await?;
            Ok(print::token_revoked(json, *token)?)
        }
    }
}

impl NewToken {
    fn spec(&self, now: Timestamp) -> TokenSpec {
        let part = Part::of(self.customer, self.site);
        let account = AccountSpec { role: self.role, part, full_name: String::new(), mail: String::new() };
        // A second earlier, so that 366 days are within the limit when they are checked.
        let life = SignedDuration::from_hours(24 * i64::from(self.days)) - SignedDuration::from_secs(1);
        TokenSpec {
            name: self.name.clone(),
            account,
            expires_at: now.checked_add(life).unwrap_or(now),
            networks: self.networks.join(" "),
        }
    }
}
