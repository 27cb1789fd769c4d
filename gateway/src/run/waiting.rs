//! A gateway whose disk has no room for its spool: it reports that on its local port, and starts when there is some.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use gateway_core::storage::StorageStep;
use runtime::local::{Health, Host};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::RunError;
use crate::spool::{Restored, Spool, SpoolError, SpoolSettings};

/// Time limit for the requests of the local port before the gateway serves it.
const TAKE_OVER: Duration = Duration::from_secs(2);

/// Opens the spool; waits until the disk has room for it. `None` if the program ends before.
pub(super) async fn open_spool(
    settings: SpoolSettings,
    (listener, hosts): (&std::net::TcpListener, &[Host]),
    shutdown: &CancellationToken,
) -> Result<Option<(Spool, Restored)>, RunError> {
    let (mut pause, first) = match Spool::open(settings.clone()).await {
        Ok(opened) => return Ok(Some(opened)),
        Err(error) => retry(error)?,
    };
    tracing::error!(error = first, "the gateway waits until there is room on its disk");
    let own = listener.try_clone().and_then(TcpListener::from_std).map_err(RunError::Waiting)?;
    let (reason, shown) = watch::channel(Arc::<str>::from(first));
    let over = shutdown.child_token();
    let mut page = tokio::spawn(serve(own, hosts.to_vec(), shown, over.clone()));
    let opened = loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => break Ok(None),
        }
        match Spool::open(settings.clone()).await.map_err(retry) {
            Ok(opened) => {
                tracing::info!("there is room on the disk again: the gateway starts");
                break Ok(Some(opened));
            }
            Err(Ok((next, why))) => {
                pause = next;
                drop(reason.send_replace(why.into()));
            }
            Err(Err(error)) => break Err(error.into()),
        }
    };
    over.cancel();
    if tokio::time::timeout(TAKE_OVER, &mut page).await.is_err() {
        page.abort();
    }
    opened
}

/// The pause before the next attempt, and the reason for people; the error itself if there is no further attempt.
fn retry(error: SpoolError) -> Result<(Duration, String), SpoolError> {
    match error.failure().after_open() {
        StorageStep::RetryAfter(pause) => Ok((pause, error.to_string())),
        StorageStep::Stop => Err(error),
    }
}

/// Responds to every request with the reason why the gateway waits.
async fn serve(
    listener: TcpListener,
    hosts: Vec<Host>,
    why: watch::Receiver<Arc<str>>,
    over: CancellationToken,
) {
    let text = move || format!("The gateway waits: {}\n", &*why.borrow());
    let health = {
        let text = text.clone();
        Health::new(move || std::future::ready(Err(text())))
    };
    let answer = move || std::future::ready((StatusCode::SERVICE_UNAVAILABLE, text()));
    let extra = Router::new().fallback(answer);
    if let Err(error) = runtime::local::serve(listener, hosts, health, extra, over).await {
        tracing::error!(error = %error, "the local port stopped");
    }
}
