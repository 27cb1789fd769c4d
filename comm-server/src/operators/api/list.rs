//! Lists and their pages.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::operators::OperatorState;
use crate::operators::caller::{Params, check_query};
use crate::operators::error::ApiError;
use crate::services::View;
use crate::store::{Page, PageRows};

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
    /// Converts a page of the store.
    pub(super) fn of<R: Into<T>>(page: Page<R>) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next: page.next }
    }
}

/// The position in a list.
#[derive(Debug, Default, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// `next` of the previous page; absent for the first page.
    #[param(max_length = 300)]
    page: Option<String>,
    /// Maximum number of items of the page.
    #[param(minimum = 1, maximum = 500, default = 50, value_type = Option<u16>)]
    limit: PageRows,
}

impl PageParams {
    /// The cursor of the page.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// A view whose lists have pages of the requested length.
    pub(super) fn of(&self, view: View) -> View {
        view.with_rows(self.limit)
    }

    /// Maximum number of items of the page.
    pub(super) const fn rows(&self) -> PageRows {
        self.limit
    }

    /// Takes the parameters of the page; the others remain.
    fn take(pairs: &mut Vec<(String, String)>) -> Result<Self, ApiError> {
        let page = take_one(pairs, "page")?;
        limited("page", page.as_deref(), CURSOR_BYTES)?;
        let limit = match take_one(pairs, "limit")? {
            None => PageRows::default(),
            Some(text) => text.parse().ok().and_then(PageRows::new).ok_or_else(|| {
                let text: String = text.chars().take(40).collect();
                ApiError::malformed(format!("limit is {text:?}: expected 1 to {}", PageRows::MAX.get()))
            })?,
        };
        Ok(Self { page, limit })
    }
}

fn take_one(pairs: &mut Vec<(String, String)>, name: &str) -> Result<Option<String>, ApiError> {
    let taken: Vec<_> = pairs.extract_if(.., |(key, _)| key == name).map(|(_, value)| value).collect();
    match <[String; 1]>::try_from(taken) {
        Ok([one]) => Ok(Some(one)),
        Err(taken) if taken.is_empty() => Ok(None),
        Err(_) => Err(ApiError::malformed(format!("{name} is there more than once"))),
    }
}

/// The filter of a list and the position in it.
pub(super) struct Paged<T>(pub(super) T, pub(super) PageParams);

impl<T: DeserializeOwned + Send> FromRequestParts<OperatorState> for Paged<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &OperatorState) -> Result<Self, ApiError> {
        check_query(parts)?;
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let mut pairs: Vec<_> = form_urlencoded::parse(query).into_owned().collect();
        let position = PageParams::take(&mut pairs)?;
        let rest = form_urlencoded::Serializer::new("/?".to_owned()).extend_pairs(pairs).finish();
        let mut of_filter = parts.clone();
        of_filter.uri = rest.parse().map_err(|_| ApiError::malformed("the query can't be read"))?;
        let Params(filter) = Params::from_request_parts(&mut of_filter, state).await?;
        Ok(Self(filter, position))
    }
}

/// Of a list without a filter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoFilter {}

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

    fn taken(query: &str) -> Result<PageParams, String> {
        let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let taken = PageParams::take(&mut pairs).map_err(|refused| refused.0.detail)?;
        assert!(pairs.iter().all(|(key, _)| key == "q"), "{pairs:?}");
        Ok(taken)
    }

    #[test]
    fn a_position_is_taken_out_of_a_query() {
        let first = taken("q=a%26b").unwrap();
        assert_eq!((first.cursor(), first.rows().get()), (None, 50));
        let other = taken("limit=500&q=x&page=12%2Ca").unwrap();
        assert_eq!((other.cursor(), other.rows().get()), (Some("12,a"), 500));
    }

    #[test]
    fn a_wrong_position_is_rejected_by_name() {
        let long = format!("page={}", "x".repeat(301));
        let table = [
            (long.as_str(), "page is longer than 300 bytes"),
            ("limit=0", "limit is \"0\": expected 1 to 500"),
            ("limit=501", "limit is \"501\": expected 1 to 500"),
            ("limit=-1&q=", "limit is \"-1\": expected 1 to 500"),
            ("page=a&page=b", "page is there more than once"),
        ];
        for (query, expected) in table {
            assert_eq!(taken(query).unwrap_err(), expected);
        }
    }
}
