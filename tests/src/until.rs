//! Level-triggered waits: repeat a check until it succeeds, or report its last result.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(100);

/// Calls `look` until it finds something; `Ok(None)` and errors mean not yet.
///
/// # Errors
/// Nothing within `limit`: the error names what was awaited and the last check's own error.
pub async fn until<T, F, Look>(what: &str, limit: Duration, mut look: F) -> Result<T>
where
    F: FnMut() -> Look,
    Look: Future<Output = Result<Option<T>>>,
{
    let began = Instant::now();
    let mut last = "not yet".to_owned();
    while began.elapsed() < limit {
        match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => last = format!("{error:#}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("waited {} s for {what}: {last}", limit.as_secs())
}
