//! The local port: `/healthz` and `/metrics` over plain HTTP, for the machine itself and its monitoring.

mod host;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::listener::{self, LOCAL_CONNECTIONS, Limits};

pub use host::{Host, InvalidHost};

/// Section `local` of every program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalConfig {
    /// `ADDRESS:PORT`; port 0 takes a free one, written to `addresses.json` in the data directory.
    pub listen: SocketAddr,
    /// DNS names for which requests are accepted, besides `localhost`, the machine's name and its addresses.
    #[serde(default)]
    pub hosts: Vec<Host>,
}

type Check = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send>> + Send + Sync;

/// The program's health check.
#[derive(Clone)]
pub struct Health(Arc<Check>);

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Health")
    }
}

impl Health {
    /// Wraps a check.
    pub fn new<F, Answer>(check: F) -> Self
    where
        F: Fn() -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self::with_note(move || {
            let answer = check();
            async move { answer.await.map(|()| None) }
        })
    }

    /// Wraps a check that may return a note with a good result: a fault that doesn't affect the program's work.
    pub fn with_note<F, Answer>(check: F) -> Self
    where
        F: Fn() -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Option<String>, String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(check())))
    }
}

/// Installs the metrics recorder, once per process.
///
/// # Panics
/// Another recorder is already installed.
pub fn install_metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let begin = || PrometheusBuilder::new().install_recorder().expect("no other recorder is installed");
    HANDLE.get_or_init(begin).clone()
}

/// Serves `/healthz`, `/metrics` and `extra` until `shutdown`, to requests that address this machine or one of `hosts`.
///
/// # Errors
/// The listener has no address.
pub async fn serve(
    listener: TcpListener,
    hosts: Vec<Host>,
    health: Health,
    extra: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let listens = listener.local_addr()?.ip();
    let hosts: Arc<[Host]> = hosts.into();
    let handle = install_metrics();
    let upkeep = tokio::spawn(keep_up(handle.clone(), shutdown.clone()));
    let router = Router::new()
        .route("/healthz", get(move || answer_health(health)))
        .route("/metrics", get(move || std::future::ready(answer_metrics(&handle))))
        .merge(extra)
        .layer(axum::middleware::from_fn(move |request, next| {
            admit(listens, Arc::clone(&hosts), request, next)
        }));
    let limits = Limits { connections: LOCAL_CONNECTIONS, ..Limits::default() };
    listener::serve_plain(listener, "local", limits, router, shutdown).await;
    upkeep.abort();
    Ok(())
}

/// Rejects requests for other hosts than this machine or a configured one: otherwise, a page of another site could
/// read this port by a name that resolves to this machine (DNS rebinding).
async fn admit(listens: IpAddr, hosts: Arc<[Host]>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let is_served = |host: &str| {
        hosts.iter().any(|own| *own == *host) || listener::is_this_machine(host, listens, &own_name())
    };
    match listener::host(&parts).filter(|host| !is_served(host)) {
        None => next.run(Request::from_parts(parts, body)).await,
        Some(host) => {
            let host: String = host.chars().take(100).collect();
            let text = format!(
                "the host {host:?} is not served here: use localhost, 127.0.0.1 or the configured address, or add the \
                 host to local.hosts in the configuration\n"
            );
            (StatusCode::MISDIRECTED_REQUEST, text).into_response()
        }
    }
}

/// The machine's name, as the kernel has it.
fn own_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

async fn keep_up(handle: PrometheusHandle, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            _ = every.tick() => handle.run_upkeep(),
            () = shutdown.cancelled() => return,
        }
    }
}

async fn answer_health(health: Health) -> impl IntoResponse {
    match (health.0)().await {
        Ok(None) => (StatusCode::OK, "ok\n".to_owned()),
        Ok(Some(note)) => (StatusCode::OK, format!("ok\n{note}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

fn answer_metrics(handle: &PrometheusHandle) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn only_requests_that_address_this_machine_are_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let health = Health::new(|| std::future::ready(Ok(())));
        let hosts = vec!["gateway.example".parse().unwrap()];
        let serving = tokio::spawn(serve(listener, hosts, health, Router::new(), shutdown.clone()));
        let table = [
            ("HTTP/1.1", "host: localhost:80\r\n", "200"),
            ("HTTP/1.1", "host: gateway.example\r\n", "200"),
            ("HTTP/1.1", "host: Gateway.Example:9110\r\n", "200"),
            ("HTTP/1.1", "host: other.gateway.example\r\n", "421"),
            ("HTTP/1.1", "host: 127.0.0.1\r\n", "200"),
            ("HTTP/1.1", "host: rebound.example\r\n", "421"),
            ("HTTP/1.1", "host: localhost\r\nhost: rebound.example\r\n", "400"),
            ("HTTP/1.1", "", "400"),
            // Probes of balancers know no Host.
            ("HTTP/1.0", "", "200"),
        ];
        for (version, headers, expected) in table {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET /healthz {version}\r\nconnection: close\r\n{headers}\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer.get(9..12), Some(expected), "{version} {headers}: {answer}");
        }
        shutdown.cancel();
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn idle_connections_block_no_health_check() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let health = Health::new(|| std::future::ready(Ok(())));
        let serving = tokio::spawn(serve(listener, Vec::new(), health, Router::new(), shutdown.clone()));
        let mut silent = Vec::new();
        for _ in 0..3 * LOCAL_CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("ok\n"), "{answer}");
        shutdown.cancel();
        serving.await.unwrap().unwrap();
    }
}
