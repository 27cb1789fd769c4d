//! The live regions of a page: its script requests them every few seconds, and receives them only if they changed.
//!
//! A region is a template of its own, rendered without the frame: it can't contain the session's CSRF token, so it may
//! be compressed. Texts such as "3 min ago" don't count as a change; the script updates them itself.

use std::convert::Infallible;

use askama::{DynTemplate, Template};
use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::error::page;
use crate::operators::compression::Secretless;
use crate::operators::error::ApiError;

/// The requested form of a page.
#[derive(Debug)]
pub(super) enum Wanted {
    /// All of it.
    Page,
    /// Its live regions; with the entity tag that the browser has.
    Regions {
        /// `If-None-Match`; "" if absent.
        known: String,
    },
}

impl<S: Sync> FromRequestParts<S> for Wanted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        std::future::ready(Ok(Self::of(&parts.headers))).await
    }
}

/// Whether a page's script requests the live regions.
pub(super) fn asks_for_regions(headers: &HeaderMap) -> bool {
    headers.contains_key(runtime::live::HEADER)
}

impl Wanted {
    fn of(headers: &HeaderMap) -> Self {
        if !asks_for_regions(headers) {
            return Self::Page;
        }
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        Self::Regions { known: known.unwrap_or_default().to_owned() }
    }

    /// Responds with the page, or with its regions if they differ from what the browser has.
    pub(super) fn answer<P: Template>(
        &self,
        regions: &[&dyn DynTemplate],
        whole: impl FnOnce() -> P,
    ) -> Response {
        match self {
            Self::Page => page(&whole()),
            Self::Regions { known } => match drawn(regions) {
                Ok(html) => fragment(html, known),
                Err(error) => ApiError::internal(&error).into_response(),
            },
        }
    }
}

fn drawn(regions: &[&dyn DynTemplate]) -> askama::Result<String> {
    let mut html = String::new();
    for region in regions {
        html.push_str(&region.dyn_render()?);
    }
    Ok(html)
}

fn fragment(html: String, known: &str) -> Response {
    let tag = tag(&html);
    let is_known = known.split(',').any(|one| one.trim() == tag);
    let Ok(value) = HeaderValue::from_str(&tag) else { return Html(html).into_response() };
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, value)]).into_response();
    }
    let mut response = ([(header::ETAG, value)], Html(html)).into_response();
    response.extensions_mut().insert(Secretless);
    response
}

/// A weak entity tag of everything except the text in `<time>`, whose moment is in its `datetime`.
fn tag(html: &str) -> String {
    let mut context = Context::new(&SHA256);
    let mut rest = html;
    while let Some((before, time)) = rest.split_once("<time ") {
        let (attributes, words) = time.split_once('>').unwrap_or((time, ""));
        context.update(before.as_bytes());
        context.update(attributes.as_bytes());
        rest = words.split_once("</time>").map_or(words, |(_, after)| after);
    }
    context.update(rest.as_bytes());
    let digest = context.finish();
    let part: Vec<u8> = digest.as_ref().iter().take(12).copied().collect();
    format!("W/\"{}\"", hex::encode(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_sent_again_only_when_more_than_words_changed() {
        let at = |datetime: &str, words: &str| {
            format!("<p>a</p><time datetime=\"{datetime}\" data-ago>{words}</time><p>b</p>")
        };
        let first = tag(&at("2026-01-01T00:00:00Z", "1 s ago"));
        assert_eq!(tag(&at("2026-01-01T00:00:00Z", "2 s ago")), first);
        assert_ne!(tag(&at("2026-01-01T00:00:01Z", "1 s ago")), first);
        assert_ne!(tag(&at("2026-01-01T00:00:00Z", "1 s ago").replace("<p>b", "<p>c")), first);
        let html = at("2026-01-01T00:00:00Z", "9 s ago");
        assert_eq!(fragment(html.clone(), &format!("\"other\", {first}")).status(), 304);
        for known in ["", "W/\"0\"", "*"] {
            let sent = fragment(html.clone(), known);
            assert_eq!(
                (sent.status(), sent.headers()[header::ETAG].to_str().unwrap()),
                (StatusCode::OK, first.as_str())
            );
        }
    }

    #[test]
    fn a_script_requests_only_the_regions() {
        let mut headers = HeaderMap::new();
        assert!(matches!(Wanted::of(&headers), Wanted::Page));
        headers.insert(runtime::live::HEADER, HeaderValue::from_static("refresh"));
        assert!(matches!(Wanted::of(&headers), Wanted::Regions { known } if known.is_empty()));
    }
}
