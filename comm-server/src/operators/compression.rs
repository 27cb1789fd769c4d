//! What may be compressed: nothing but what is marked as [`Secretless`].
//!
//! Who can make a browser send requests and sees the lengths of compressed responses learns, guess by guess, a secret in
//! their body (BREACH). Pages hold the session's CSRF token in their forms, and so does the answer to a login: these are
//! never compressed. Assets are the same for everybody, and the live regions of a page are drawn without the token.

use axum::http::Response;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

/// Marks a response, in its extensions, whose body holds no secret of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secretless;

/// Shorter bodies gain nothing, bytes.
const WORTH_BYTES: u16 = 512;

/// Lets only marked responses be compressed.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnlySecretless;

impl Predicate for OnlySecretless {
    fn should_compress<B: axum::body::HttpBody>(&self, response: &Response<B>) -> bool {
        response.extensions().get::<Secretless>().is_some()
    }
}

/// The layer.
pub(super) fn layer() -> CompressionLayer<And<SizeAbove, OnlySecretless>> {
    CompressionLayer::new().compress_when(SizeAbove::new(WORTH_BYTES).and(OnlySecretless))
}
