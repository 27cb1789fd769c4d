//! Requests as a user: SNMP v3.

use std::sync::Arc;

use gateway_core::reading::limits::VARBINDS_PER_RESPONSE;
use gateway_core::reading::{ErrorStatus, Oid, Request, Response, Value};
use snmp::{Client, ClientBuilder, DecodeAnomaly, Error, ErrorStatus as WireStatus, UdpHandle, VarBind};

use super::credentials::UsmCredentials;
use super::des_salt;
use super::session::{ExchangeError, SessionParams, retry};
use super::transport::{Tallied, Tally};
use super::usm_error::UsmError;

/// The agent of one device.
pub(super) struct UsmAgent {
    client: Client<Tallied>,
    tally: Arc<Tally>,
}

impl UsmAgent {
    /// Sends nothing yet.
    pub(super) fn new(
        handle: UdpHandle,
        user: &UsmCredentials,
        params: &SessionParams,
    ) -> Result<Self, String> {
        let auth = user.auth(params.context.as_deref()).map_err(|error| error.to_string())?;
        let (transport, tally) = Tallied::new(handle, Arc::clone(&params.sent));
        let mut builder = ClientBuilder::new(auth)
            .request_timeout(params.timeout)
            .retry(retry(params.retries)?)
            .max_oids_per_request(usize::from(u8::MAX))
            .engine_cache(Arc::clone(&params.engine))
            // Some devices report a wrong clock without authentication. The report is accepted for one packet only,
            // from the device's own address; a forged one only makes that packet useless.
            .allow_unauthenticated_v3_time_correction(true);
        if user.uses_des() {
            builder = builder.des_salt_state(des_salt::of_this_process().map_err(str::to_owned)?);
        }
        let client = builder.build_with_transport(transport).map_err(|error| error.to_string())?;
        Ok(Self { client, tally })
    }

    /// Why a response was rejected.
    pub(super) fn rejected(&self) -> Option<String> {
        self.tally.rejected()
    }

    /// Sends a request with retries. A timeout is a response, too.
    pub(super) async fn exchange(&self, request: &Request) -> Result<Response, ExchangeError> {
        let oids: Vec<snmp::Oid> =
            request.oids().iter().map(|oid| snmp::Oid::from_slice(oid.arcs())).collect();
        let response = match request {
            Request::Get(_) => self.client.get_many(&oids).await.map(|r| (r.varbinds, r.metadata)),
            Request::GetNext(_) => self.client.get_next_many(&oids).await.map(|r| (r.varbinds, r.metadata)),
            Request::GetBulk { repetitions, .. } => {
                let response = self.client.get_bulk_with_metadata(&oids, 0, *repetitions).await;
                response.map(|r| (r.varbinds, r.metadata))
            }
        };
        match response {
            // A counter truncated to 32 bits would be a wrong meter: split the request until the counter is alone,
            // and drop it.
            Ok((_, metadata)) if metadata.decode_anomalies.iter().any(is_cut_number) => {
                Ok(Response::Error(ErrorStatus::Other))
            }
            Ok((varbinds, _)) => {
                Ok(Response::Varbinds(varbinds.iter().take(VARBINDS_PER_RESPONSE).map(varbind).collect()))
            }
            Err(error) => match self.tally.denied() {
                Some(usm_error) => Err(ExchangeError::Denied(usm_error)),
                None => failed(error.exchange_source()),
            },
        }
    }
}

const fn is_cut_number(anomaly: &DecodeAnomaly) -> bool {
    matches!(
        anomaly,
        DecodeAnomaly::SignedIntegerTruncation { .. } | DecodeAnomaly::Unsigned32Truncation { .. }
    )
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors are non-exhaustive")]
fn failed(error: &Error) -> Result<Response, ExchangeError> {
    match error {
        Error::Timeout { .. } => Ok(Response::Timeout),
        Error::Snmp { status: WireStatus::TooBig, .. } => Ok(Response::Error(ErrorStatus::TooBig)),
        Error::Snmp { status: WireStatus::NoSuchName, index, .. } => {
            Ok(Response::Error(ErrorStatus::NoSuchName(usize::try_from(*index).unwrap_or(0))))
        }
        Error::Snmp { .. } | Error::OutboundMessageTooLarge { .. } => Ok(Response::Error(ErrorStatus::Other)),
        Error::Decode(_) | Error::MalformedResponse { .. } | Error::ResponseShape { .. } => {
            Ok(Response::Error(ErrorStatus::Other))
        }
        Error::Report { status, .. } => Err(ExchangeError::Denied(UsmError::from(status.as_ref()))),
        Error::Auth { .. } => Err(ExchangeError::Denied(UsmError::NotAuthentic)),
        other => Err(ExchangeError::Send(other.to_string())),
    }
}

fn varbind(varbind: &VarBind) -> (Oid, Value) {
    (Oid::new(varbind.oid.arcs()), value(&varbind.value))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's values are non-exhaustive")]
fn value(value: &snmp::Value) -> Value {
    match value {
        snmp::Value::Integer(number) => Value::Integer(i64::from(*number)),
        snmp::Value::Counter32(number)
        | snmp::Value::Gauge32(number)
        | snmp::Value::UInteger32(number)
        | snmp::Value::TimeTicks(number) => Value::Unsigned(u64::from(*number)),
        snmp::Value::Counter64(number) => Value::Unsigned(*number),
        snmp::Value::OctetString(octets) | snmp::Value::Opaque(octets) | snmp::Value::Nsap(octets) => {
            Value::octets(octets)
        }
        snmp::Value::IpAddress(octets) => Value::octets(octets),
        snmp::Value::ObjectIdentifier(oid) => Value::from(Oid::new(oid.arcs())),
        snmp::Value::EndOfMibView => Value::EndOfView,
        _ => Value::Missing,
    }
}
