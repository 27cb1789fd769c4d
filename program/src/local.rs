//! The local port: `/healthz` and `/metrics` in plain HTTP, for the machine itself and its monitoring.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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

/// Serves `/healthz`, `/metrics` and `extra` until `shutdown`.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    extra: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let handle = install_metrics();
    let upkeep = tokio::spawn(keep_up(handle.clone(), shutdown.clone()));
    let router = Router::new()
        .route("/healthz", get(move || answer_health(health)))
        .route("/metrics", get(move || std::future::ready(answer_metrics(&handle))))
        .merge(extra);
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    upkeep.abort();
    served
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
