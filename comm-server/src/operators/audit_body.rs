//! The body of an export of the audit. It is read in portions while the client receives it, so that memory doesn't
//! grow with its size.

use axum::body::Body;
use futures_util::stream::try_unfold;

use crate::services::{AuditExport, AuditFormat};
use crate::store::StoreError;

/// The body: a header, then the entries. If the store fails, the connection is closed, so that the client sees that
/// the body is incomplete.
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
