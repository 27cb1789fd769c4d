//! `GET /.well-known/est/cacerts`: the root and the intermediates (RFC 7030 §4.1). Public: a gateway that has nothing yet
//! knows the root by its token.

use axum::extract::State;
use axum::response::Response;

use super::Enrollment;
use super::answer::{self, Refused};

pub(super) async fn get_cacerts(State(enrollment): State<Enrollment>) -> Result<Response, Refused> {
    let certificates = enrollment.0.issuer.certificates().await?;
    Ok(answer::certificates(answer::CACERTS, &certificates))
}
