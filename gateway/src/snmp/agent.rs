//! The SNMP agent of one device, for both security models.

use std::sync::Arc;

use gateway_core::message::CommunityVersion;
use gateway_core::reading::{Request, Response};

use super::community::CommunityAgent;
use super::credentials::Credentials;
use super::session::{ExchangeError, SessionParams, retry};
use super::sockets::Sockets;
use super::usm::UsmAgent;

/// The agent of one device.
pub(super) enum SnmpAgent {
    /// SNMP v1 and v2c.
    Community(CommunityAgent),
    /// SNMP v3.
    Usm(Box<UsmAgent>),
}

impl SnmpAgent {
    /// Sends nothing yet.
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

    /// Sends a request with at most this number of retries. A timeout is a response, too. For SNMPv3, the library
    /// retries.
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

    /// Why the first rejected response was rejected.
    pub(super) fn rejected(&self) -> Option<String> {
        match self {
            Self::Community(agent) => agent.rejected(),
            Self::Usm(agent) => agent.rejected(),
        }
    }
}
