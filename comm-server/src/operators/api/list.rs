//! Lists and their pages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::operators::error::ApiError;
use crate::store::Page;

/// Maximum length of a cursor, bytes.
const CURSOR_BYTES: usize = 300;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T: ToSchema> {
    /// The items of this page.
    items: Vec<T>,
    /// Pass it as `page` for the next page; null on the last one.
    next: Option<String>,
}

impl<T: ToSchema> List<T> {
    /// A page of the store.
    pub(super) fn of<R: Into<T>>(page: Page<R>) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next: page.next }
    }
}

/// The position in a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// `next` of the page before.
    #[param(max_length = 300)]
    pub(super) page: Option<String>,
}

/// Checks a cursor's length.
pub(super) fn cursor(page: Option<&str>) -> Result<Option<&str>, ApiError> {
    limited("page", page, CURSOR_BYTES)
}

/// Checks the length of a query's value.
pub(super) fn limited<'a>(
    name: &str,
    value: Option<&'a str>,
    bytes: usize,
) -> Result<Option<&'a str>, ApiError> {
    match value {
        Some(value) if value.len() > bytes => {
            Err(ApiError::malformed(format!("{name} is longer than {bytes} bytes")))
        }
        Some(_) | None => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_refused_by_name() {
        assert_eq!(cursor(Some("12,a")).unwrap(), Some("12,a"));
        assert_eq!(cursor(None).unwrap(), None);
        let refused = cursor(Some(&"x".repeat(301))).unwrap_err();
        assert_eq!(refused.0.detail, "page is longer than 300 bytes");
    }
}
