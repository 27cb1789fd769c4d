//! The body of an export of the audit: read in portions as the client takes them, so that its size needs no memory.

use axum::body::Body;
use futures_util::stream::try_unfold;

use crate::services::{AuditExport, AuditFormat};
use crate::store::StoreError;

/// The table of an export, after a first line. A failure of the store ends the connection, so that the client sees an
/// incomplete body.
pub(super) fn body(head: String, export: AuditExport) -> Body {
    Body::from_stream(try_unfold((Some(head), export), async |(head, mut export)| {
        if let Some(head) = head {
            return Ok::<_, StoreError>(Some((head, (None, export))));
        }
        let portion = export.next().await.inspect_err(|error| {
            tracing::error!(error = error as &dyn std::error::Error, "an export of the audit failed");
        })?;
        Ok((!portion.is_empty()).then(|| (AuditFormat::Csv.lines(&portion), (None, export))))
    }))
}
