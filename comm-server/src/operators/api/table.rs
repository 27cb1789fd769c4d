//! Every list as a CSV table (RFC 4180), by `format=csv` or `Accept: text/csv`: all pages, beginning with the requested
//! one. Each page is read after the previous one was sent.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use comm_server_core::customers::guarded;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::Value;

use super::table_columns::{Column, Columns, FORMAT};
use crate::operators::error::ApiError;
use crate::store::PageRows;

/// Maximum size of a page as JSON, bytes.
const PAGE_BYTES: usize = 64 << 20;

/// Responds to the request for a list with a table.
pub(super) async fn as_table(State(all): State<Arc<Columns>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let columns = path.as_ref().and_then(|path| all.of(path.as_str()));
    let (Some(columns), &Method::GET) = (columns, request.method()) else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    match Wanted::of(parts) {
        Err(refused) => refused.into_response(),
        Ok(Wanted { parts, table: false, .. }) => next.run(Request::from_parts(parts, body)).await,
        Ok(Wanted { parts, pairs, page, table: true }) => {
            let name = path.as_ref().map_or("list", |path| file_name(path.as_str()));
            let reader = Reader { parts, pairs, next, columns };
            reader.table(page, name).await.unwrap_or_else(|refused| refused)
        }
    }
}

/// The last name in a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').find(|segment| !segment.starts_with('{')).unwrap_or("list")
}

/// The format that a request for a list selects.
struct Wanted {
    /// The request, without the format in its query.
    parts: Parts,
    /// The query without format and position.
    pairs: Vec<(String, String)>,
    page: Option<String>,
    table: bool,
}

impl Wanted {
    fn of(mut parts: Parts) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let mut pairs: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let formats: Vec<_> = pairs.extract_if(.., |(name, _)| name == FORMAT).collect();
        let table = match formats.as_slice() {
            [] => accepts_csv(&parts),
            [(_, format)] if format == "csv" => true,
            [(_, format)] if format == "json" => false,
            _ => return Err(ApiError::malformed(format!("{FORMAT}: expected json or csv, once"))),
        };
        if !formats.is_empty() {
            parts.uri = uri(&parts, &pairs)?;
        }
        if !table {
            return Ok(Self { parts, pairs, page: None, table });
        }
        // Twice is for the list itself to reject.
        let one = pairs.iter().filter(|(name, _)| name == "page").count() == 1;
        let page = pairs.extract_if(.., |(name, _)| one && name == "page").next().map(|(_, page)| page);
        pairs.retain(|(name, _)| name != "limit");
        Ok(Self { parts, pairs, page, table })
    }
}

fn accepts_csv(parts: &Parts) -> bool {
    let accepted = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut media = accepted.flat_map(|value| value.split(',')).map(|range| range.split(';').next());
    media.any(|media| media.is_some_and(|media| media.trim().eq_ignore_ascii_case("text/csv")))
}

/// The path of the request, with another query.
fn uri(parts: &Parts, pairs: &[(String, String)]) -> Result<axum::http::Uri, ApiError> {
    let path = format!("{}?", parts.uri.path());
    let text = form_urlencoded::Serializer::for_suffix(path.clone(), path.len()).extend_pairs(pairs).finish();
    text.parse().map_err(|_| ApiError::malformed("the query can't be read"))
}

/// A page of any list.
#[derive(Deserialize)]
struct AnyPage {
    items: Vec<Value>,
    next: Option<String>,
}

/// Reads the pages of a list through its route, so that permissions are checked for each page as for any request.
struct Reader {
    parts: Parts,
    pairs: Vec<(String, String)>,
    next: Next,
    columns: Arc<[Column]>,
}

impl Reader {
    async fn table(self, first: Option<String>, name: &str) -> Result<Response, Response> {
        let page = self.page(first).await?;
        let head = lines([self.columns.iter().map(|column| column.name().to_owned())]);
        let begin = [head, self.rows(&page.items)].concat();
        let rest = stream::try_unfold((self, page.next), |(reader, cursor)| async move {
            let Some(cursor) = cursor else { return Ok(None) };
            match reader.page(Some(cursor)).await {
                Ok(page) => Ok(Some((Bytes::from(reader.rows(&page.items)), (reader, page.next)))),
                Err(refused) => {
                    tracing::warn!(
                        status = refused.status().as_u16(),
                        "a table ends early: a page was rejected"
                    );
                    Err(std::io::Error::other("a page was rejected"))
                }
            }
        });
        let body = Body::from_stream(stream::iter([Ok(Bytes::from(begin))]).chain(rest));
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
        ];
        Ok((headers, body).into_response())
    }

    /// A page, or the response that rejects the request for it.
    async fn page(&self, cursor: Option<String>) -> Result<AnyPage, Response> {
        let mut pairs = self.pairs.clone();
        pairs.push(("limit".to_owned(), PageRows::MAX.get().to_string()));
        pairs.extend(cursor.map(|cursor| ("page".to_owned(), cursor)));
        let mut parts = self.parts.clone();
        parts.uri = uri(&parts, &pairs).map_err(|refused| refused.into_response())?;
        let response = self.next.clone().run(Request::from_parts(parts, Body::empty())).await;
        if response.status() != StatusCode::OK {
            return Err(response);
        }
        let body = Limited::new(response.into_body(), PAGE_BYTES).collect().await;
        let body = body.map_err(|error| ApiError::internal(&*error).into_response())?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| ApiError::internal(&error).into_response())
    }

    fn rows(&self, items: &[Value]) -> Vec<u8> {
        lines(items.iter().map(|item| self.columns.iter().map(|column| cell(column.value(item)))))
    }
}

fn lines(rows: impl IntoIterator<Item: Iterator<Item = String>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for cells in rows {
        writer.write_record(cells).expect("memory takes every record of the same length");
    }
    writer.into_inner().unwrap_or_default()
}

/// Writes a cell; one that a spreadsheet would run as a formula is preceded by an apostrophe.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => guarded(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(uri: &str, accept: &str) -> Result<(String, Option<String>, bool), String> {
        let request = axum::http::Request::builder().uri(uri).header(header::ACCEPT, accept);
        let (parts, ()) = request.body(()).map_err(|error| error.to_string())?.into_parts();
        let wanted = Wanted::of(parts).map_err(|refused| refused.0.detail)?;
        Ok((wanted.parts.uri.to_string(), wanted.page, wanted.table))
    }

    #[test]
    fn the_format_is_taken_out_of_the_query() {
        let table = [
            ("/a", "*/*", Ok(("/a", None, false))),
            ("/a?q=1", "text/csv;q=1, */*", Ok(("/a?q=1", None, true))),
            ("/a?q=%26&format=csv&page=x", "*/*", Ok(("/a?q=%26&page=x", Some("x"), true))),
            ("/a?format=json", "text/csv", Ok(("/a?", None, false))),
            ("/a?format=xml", "*/*", Err("format: expected json or csv, once")),
            ("/a?format=csv&format=csv", "*/*", Err("format: expected json or csv, once")),
        ];
        for (uri, accept, expected) in table {
            let expected =
                expected.map(|(uri, page, table)| (uri.to_owned(), page.map(str::to_owned), table));
            assert_eq!(wanted(uri, accept), expected.map_err(str::to_owned), "{uri} {accept}");
        }
    }

    #[test]
    fn cells_run_no_formula() {
        let table = [
            (json!(null), ""),
            (json!("=HYPERLINK(1)"), "'=HYPERLINK(1)"),
            (json!("a,b"), "a,b"),
            (json!(-5), "-5"),
            (json!(["a", 1]), "[\"a\",1]"),
        ];
        for (value, expected) in table {
            assert_eq!(cell(&value), expected);
        }
        assert_eq!(lines([["a,b", "\"", ""].map(str::to_owned).into_iter()]), b"\"a,b\",\"\"\"\",\r\n");
    }
}
