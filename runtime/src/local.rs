//! The local port: `/healthz` and `/metrics` in plain HTTP, for the machine itself and its monitoring.

use std::future::Future;
use std::net::IpAddr;
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
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::listener::{self, LOCAL_CONNECTIONS, Limits};

type Check = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send>> + Send + Sync;

/// Whether the program can do its work: a check that answers why not.
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

    /// Wraps a check that may add a note to its yes: what is amiss and doesn't hinder the program's work.
    pub fn with_note<F, Answer>(check: F) -> Self
    where
        F: Fn() -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Option<String>, String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(check())))
    }
}

/// Installs the recorder of metrics, once for a process.
///
/// # Panics
/// Another recorder is installed already.
pub fn install_metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let begin = || PrometheusBuilder::new().install_recorder().expect("no other recorder is installed");
    HANDLE.get_or_init(begin).clone()
}

/// Serves `/healthz`, `/metrics` and `extra` until `shutdown`, to requests that address this machine.
///
/// # Errors
/// The listener has no address.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    extra: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let listens = listener.local_addr()?.ip();
    let handle = install_metrics();
    let upkeep = tokio::spawn(keep_up(handle.clone(), shutdown.clone()));
    let router = Router::new()
        .route("/healthz", get(move || answer_health(health)))
        .route("/metrics", get(move || std::future::ready(answer_metrics(&handle))))
        .merge(extra)
        .layer(axum::middleware::from_fn(move |request, next| admit(listens, request, next)));
    let limits = Limits { connections: LOCAL_CONNECTIONS, ..Limits::default() };
    listener::serve_plain(listener, "local", limits, router, shutdown).await;
    upkeep.abort();
    Ok(())
}

/// A page of another site could have its name resolved to this machine and read what is here (DNS rebinding): only
/// requests that address the machine itself are answered.
async fn admit(listens: IpAddr, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match listener::host(&parts).filter(|host| !listener::is_this_machine(host, listens, &own_name())) {
        None => next.run(Request::from_parts(parts, body)).await,
        Some(host) => {
            let host: String = host.chars().take(100).collect();
            let text = format!(
                "the host {host:?} is not served here: use localhost, 127.0.0.1, or the address that is configured\n"
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
        let serving = tokio::spawn(serve(listener, health, Router::new(), shutdown.clone()));
        let table = [
            ("HTTP/1.1", "host: localhost:80\r\n", "200"),
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
    async fn silent_connections_keep_nobody_from_the_health_check() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let health = Health::new(|| std::future::ready(Ok(())));
        let serving = tokio::spawn(serve(listener, health, Router::new(), shutdown.clone()));
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
