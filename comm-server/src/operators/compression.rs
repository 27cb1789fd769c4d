//! What may be compressed: only responses that are marked as [`Secretless`].
//!
//! An attacker who can make a browser send requests, and sees the lengths of compressed responses, can guess a secret
//! in the bodies step by step (BREACH). Pages contain the session's CSRF token in their forms, and so does the
//! response to a login: these are never compressed. Static files are the same for everybody, and the live regions of
//! a page are rendered without the token.

use axum::http::Response;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

/// Marks a response, in its extensions, whose body contains no secret of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secretless;

/// Minimum size of a body that is compressed, bytes.
const WORTH_BYTES: u16 = 512;

/// Permits compression of marked responses only.
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
