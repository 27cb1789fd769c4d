//! One device's agent: a request goes out, an answer of the core comes back.

use std::sync::Arc;

use gateway_core::message::CommunityVersion;
use gateway_core::reading::{Request, Response};

use super::community::CommunityAgent;
use super::credentials::Credentials;
use super::session::{ExchangeError, SessionParams, retry};
use super::sockets::Sockets;
use super::usm::UsmAgent;

/// Something that answers requests.
pub(super) enum SnmpAgent {
    /// SNMP v1 and v2c.
    Community(CommunityAgent),
    /// SNMP v3.
    Usm(Box<UsmAgent>),
}

impl SnmpAgent {
    /// Prepares; nothing is sent.
    pub(super) async fn new(sockets: &Sockets, params: &SessionParams) -> Result<Self, String> {
        let (version, community) = match &params.credentials {
            Credentials::V1(community) => (CommunityVersion::V1, community),
            Credentials::V2c(community) => (CommunityVersion::V2c, community),
            Credentials::V3(user) => {
                let handle = sockets.handle(params.address).await.map_err(|error| error.to_string())?;
                return Ok(Self::Usm(Box::new(UsmAgent::new(handle, user, params)?)));
            }
        };
        let mailbox = sockets.mailbox(params.address).await.map_err(|error| error.to_string())?;
        let community = super::credentials::within(community, params.context.as_deref());
        let (retry, sent) = (retry(params.retries)?, Arc::clone(&params.sent));
        let agent = CommunityAgent::new(mailbox, (version, community), params.timeout, retry, sent);
        Ok(Self::Community(agent))
    }

    /// Sends a request, repeats it at most so often, and gives the answer: silence is one. The library repeats by itself
    /// what goes to a user.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        retries: u32,
    ) -> Result<Response, ExchangeError> {
        match self {
            Self::Community(agent) => agent.exchange(request, retries).await,
            Self::Usm(agent) => agent.exchange(request).await,
        }
    }

    /// What was wrong with the first answer that was refused.
    pub(super) fn rejected(&self) -> Option<String> {
        match self {
            Self::Community(agent) => agent.rejected(),
            Self::Usm(agent) => agent.rejected(),
        }
    }
}
