//! Style, scripts and icons, embedded; their addresses change with their content, so browsers may keep them.

use std::borrow::Cow;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;

use crate::operators::compression::Secretless;
use crate::operators::error::ApiError;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/assets"]
#[exclude = "*.sh"]
struct Files;

/// Addresses that the templates name.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) favicon: String,
    pub(super) style: String,
    pub(super) script: String,
    pub(super) live: String,
    pub(super) plot_script: String,
    pub(super) plot: String,
    pub(super) plot_style: String,
}

/// The addresses, with a part of each file's digest.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    favicon: versioned("favicon.svg"),
    style: versioned("console.css"),
    script: versioned("console.js"),
    live: versioned(LIVE),
    plot_script: versioned("plot.js"),
    plot: versioned("vendor/uPlot.iife.min.js"),
    plot_style: versioned("vendor/uPlot.min.css"),
});

/// The script that is shared with the gateway's local page.
const LIVE: &str = "live.js";

fn content(path: &str) -> Option<Cow<'static, [u8]>> {
    if path == LIVE {
        return Some(Cow::Borrowed(runtime::live::SCRIPT.as_bytes()));
    }
    Files::get(path).map(|file| file.data)
}

fn versioned(path: &str) -> String {
    let digest = digest(&SHA256, &content(path).unwrap_or_default());
    let part: Vec<u8> = digest.as_ref().iter().take(8).copied().collect();
    format!("/static/{path}?v={}", hex::encode(part))
}

/// `GET /static/{*path}`
pub(super) async fn serve(Path(path): Path<String>) -> Response {
    std::future::ready(file(&path)).await
}

/// `GET /favicon.ico`, which browsers request by default.
pub(super) async fn favicon() -> Redirect {
    std::future::ready(Redirect::permanent(&ASSETS.favicon)).await
}

fn file(path: &str) -> Response {
    let Some(content) = content(path) else {
        return ApiError::not_found("asset").into_response();
    };
    let media = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "text/plain; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    let mut response = (headers, content.into_owned()).into_response();
    response.extensions_mut().insert(Secretless);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_a_template_names_has_its_file() {
        let a = &*ASSETS;
        for address in [&a.favicon, &a.style, &a.script, &a.live, &a.plot_script, &a.plot, &a.plot_style] {
            let (path, digest) = address.split_once("?v=").unwrap();
            assert_eq!(digest.len(), 16, "{address}");
            assert_eq!(file(path.strip_prefix("/static/").unwrap()).status(), 200);
        }
        assert!(Files::get("vendor.sh").is_none());
    }
}
