//! Admission control for the gateways' endpoints, before any body is read.
//!
//! A rejected request gets a time to retry, spread so that a mass reconnect drains. A gateway sends one request at a
//! time; one that sends many at once is rejected as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Request, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use comm_server_core::admission::{self as decision, Load, RequestClass, WINDOW_S};
use runtime::problem_response::ProblemResponse;
use wire::ids::GatewayId;
use wire::problem::ProblemCode;

use super::GatewayState;
use super::caller::NamedGateway;

/// Requests of one gateway at once.
const AT_ONCE: u8 = 4;

/// The gate; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AdmissionGate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    counted: Mutex<Counted>,
    in_flight: Mutex<HashMap<GatewayId, u8>>,
}

/// Requests of this window and of the one before.
#[derive(Debug, Default)]
struct Counted {
    window: u64,
    served: u32,
    refused: u32,
    served_before: u32,
    refused_before: u32,
}

impl Counted {
    fn at(&mut self, window: u64) -> &mut Self {
        if window != self.window {
            let next = window == self.window + 1;
            let (served, refused) = if next { (self.served, self.refused) } else { (0, 0) };
            *self = Self { window, served_before: served, refused_before: refused, ..Self::default() };
        }
        self
    }
}

/// A place of a gateway, given back when dropped.
#[derive(Debug)]
struct InFlight<'a> {
    gate: &'a AdmissionGate,
    gateway: GatewayId,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.gate.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_flight.get_mut(&self.gateway) {
            *count -= 1;
            if *count == 0 {
                in_flight.remove(&self.gateway);
            }
        }
    }
}

impl AdmissionGate {
    pub(super) fn new() -> Self {
        let (counted, in_flight) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { began: Instant::now(), counted, in_flight }))
    }

    fn load(&self, queue_fill: f64) -> Load {
        let mut counted = self.0.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = counted.at(self.window());
        let (served, refused) =
            (counted.served + counted.served_before, counted.refused + counted.refused_before);
        Load { queue_fill, served, refused }
    }

    fn count(&self, served: bool) {
        let mut counted = self.0.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = counted.at(self.window());
        let number = if served { &mut counted.served } else { &mut counted.refused };
        *number = number.saturating_add(1);
    }

    fn window(&self) -> u64 {
        self.0.began.elapsed().as_secs() / u64::from(WINDOW_S)
    }

    fn enter(&self, gateway: &GatewayId) -> Option<InFlight<'_>> {
        let mut in_flight = self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let count = in_flight.entry(gateway.clone()).or_default();
        if *count >= AT_ONCE {
            return None;
        }
        *count += 1;
        Some(InFlight { gate: self, gateway: gateway.clone() })
    }
}

/// The purpose of a path.
fn request_class(path: &str) -> RequestClass {
    match path {
        wire::POLLS_PATH => RequestClass::Poll,
        "/v1/reports/bulk" => RequestClass::Bulk,
        _ => RequestClass::Urgent,
    }
}

/// Lets a request pass, or refuses it.
pub(super) async fn pass(
    State(state): State<GatewayState>,
    NamedGateway(gateway): NamedGateway,
    request: Request<Body>,
    next: Next,
) -> Response {
    let load = state.admission.load(state.store.load());
    if let Err(pause_s) = decision::admit(load, request_class(request.uri().path()), rand::random()) {
        return refuse(&state.admission, "load", pause_s);
    }
    let Some(in_flight) = state.admission.enter(&gateway) else {
        tracing::warn!(gateway.id = %gateway, "more than {AT_ONCE} requests of one gateway at once");
        return refuse(&state.admission, "gateway", decision::pause_s(load, rand::random()));
    };
    let response = next.run(request).await;
    drop(in_flight);
    state.admission.count(true);
    response
}

fn refuse(gate: &AdmissionGate, why: &'static str, pause_s: u32) -> Response {
    gate.count(false);
    metrics::counter!("platen_comm_requests_refused_total", "why" => why).increment(1);
    let detail = format!("too many requests: retry in {pause_s} s");
    let mut response = ProblemResponse::new(ProblemCode::Overloaded, detail).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(pause_s));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pki::spiffe::SpiffeId;
    use runtime::listener::Peer;
    use tower::ServiceExt as _;

    use super::*;
    use crate::store::Store;

    #[test]
    fn a_gateway_has_so_many_places_and_leaves_nothing_behind() {
        let gate = AdmissionGate::new();
        let (one, two): (GatewayId, GatewayId) = ("gw-1".parse().unwrap(), "gw-2".parse().unwrap());
        let places: Vec<_> = (0..AT_ONCE).map(|_| gate.enter(&one).unwrap()).collect();
        assert!(gate.enter(&one).is_none());
        assert!(gate.enter(&two).is_some());
        drop(places);
        assert!(gate.enter(&one).is_some());
        assert!(gate.0.in_flight.lock().unwrap().is_empty());
    }

    #[test]
    fn windows_are_forgotten() {
        let mut counted = Counted::default();
        counted.at(7).served = 5;
        assert_eq!(counted.at(8).served_before, 5);
        assert_eq!((counted.at(8).served, counted.at(10).served_before), (0, 0));
    }

    async fn ask(router: &axum::Router, path: &str) -> Response {
        let id: SpiffeId = "spiffe://t.example/gateway/gw-1".parse().unwrap();
        let peer = Peer { address: "127.0.0.1:1".parse().unwrap(), id: Some(id) };
        let mut request = Request::post(path).body(Body::from("{}")).unwrap();
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_store_that_is_behind_refuses_bulk_and_takes_what_is_urgent() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("platen.db").display());
        let store = Store::open_detached(&url).await.unwrap();
        let state = GatewayState::new(store.clone(), comm_server_core::cadence::Cadence::default());
        let router = super::super::router(state);
        assert_eq!(ask(&router, "/v1/reports/bulk").await.status(), 400, "the body is empty");

        // The writer waits for this one, and changes pile up behind it.
        let (go_on, waits) = tokio::sync::oneshot::channel::<()>();
        let held = store.occupy(async move { drop(waits.await) });
        let crowd: Vec<_> = (0..800).map(|_| store.occupy(std::future::ready(()))).collect();
        let loaded = tokio::time::timeout(Duration::from_secs(20), async {
            while store.load() < 0.75 {
                tokio::task::yield_now().await;
            }
        });
        loaded.await.unwrap();
        for (path, expected) in [("/v1/reports/bulk", 503), ("/v1/polls", 503), ("/v1/reports/urgent", 400)] {
            let response = ask(&router, path).await;
            assert_eq!(response.status(), expected, "{path}");
            let pause = response.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap().to_owned());
            assert_eq!(pause.is_some(), expected == 503);
            assert!(pause.is_none_or(|pause| (5..=900).contains(&pause.parse::<u32>().unwrap())));
        }
        go_on.send(()).unwrap();
        held.await.unwrap().unwrap();
        for one in crowd {
            one.await.unwrap().unwrap();
        }
        assert_eq!(ask(&router, "/v1/reports/bulk").await.status(), 400);
    }
}
