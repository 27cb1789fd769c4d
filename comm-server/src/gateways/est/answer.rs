//! Answers of enrollment: certificates as RFC 7030 wants them, and refusals.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use pki::authority::AuthorityError;
use pki::est::{self, InvalidBody};
use runtime::problem_response::ProblemResponse;
use rustls_pki_types::CertificateDer;
use wire::problem::{Problem, ProblemCode};

use super::CannotIssue;
use crate::store::StoreError;

const TRANSFER_ENCODING: HeaderName = HeaderName::from_static("content-transfer-encoding");

/// RFC 7030 §4.1.3: all of an authority.
pub(super) const CACERTS: HeaderValue = HeaderValue::from_static("application/pkcs7-mime");

/// RFC 7030 §4.2.3: one that was issued.
pub(super) const ISSUED: HeaderValue =
    HeaderValue::from_static("application/pkcs7-mime; smime-type=certs-only");

/// Seconds for `Retry-After` after too many requests.
const AGAIN_S: i64 = 60;

/// Certificates, base64 of PKCS#7.
pub(super) fn certificates(media_type: HeaderValue, certificates: &[CertificateDer<'_>]) -> Response {
    let body = est::to_base64(&est::certs_only(certificates));
    let encoding = HeaderValue::from_static("base64");
    ([(header::CONTENT_TYPE, media_type), (TRANSFER_ENCODING, encoding)], body).into_response()
}

/// Why no certificate is given.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("content type: expected application/pkcs10")]
    MediaType,
    #[error(transparent)]
    Body(#[from] InvalidBody),
    #[error("the body is incomplete")]
    Broken,
    #[error(
        "{gateway} has a valid certificate, which this token does not replace: request one that is made with --replace"
    )]
    AlreadyEnrolled { gateway: String },
    #[error("an enrollment token is required: HTTP Basic with the token as the password")]
    NoToken,
    /// The same for an unknown token and one of another gateway, so that the response doesn't reveal which tokens
    /// exist.
    #[error("the enrollment token is unknown: was it created for this server, and copied completely?")]
    WrongToken,
    #[error("the enrollment token expired at {0}: request a new one")]
    Expired(Timestamp),
    #[error("the enrollment token was used with another key: request a new one")]
    Used,
    #[error(
        "the token names no dealer of this server that the gateway can belong to: request one that is made with --dealer"
    )]
    NoDealer,
    #[error("a renewal requires the gateway's certificate")]
    NoCertificate,
    #[error("too many wrong enrollment tokens from this address: retry at {until}")]
    Locked { until: Timestamp, now: Timestamp },
    #[error("too many requests: retry in a minute")]
    TooMany,
    #[error("the authority can't issue a certificate")]
    Issue(#[source] CannotIssue),
    #[error("the database failed")]
    Store(#[from] StoreError),
}

impl Refused {
    /// For a metric's label.
    const fn label(&self) -> &'static str {
        match self {
            Self::MediaType | Self::Body(_) | Self::Broken => "malformed",
            Self::AlreadyEnrolled { .. } => "already_enrolled",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Expired(_) => "expired_token",
            Self::Used => "used_token",
            Self::NoDealer => "no_dealer",
            Self::NoCertificate => "no_certificate",
            Self::Locked { .. } => "locked_out",
            Self::TooMany => "too_many",
            Self::Issue(_) | Self::Store(_) => "failed",
        }
    }

    fn problem(&self) -> Problem {
        let code = match self {
            Self::MediaType => ProblemCode::UnsupportedEncoding,
            Self::Body(InvalidBody::TooLarge) => ProblemCode::BodyTooLarge,
            Self::Body(_) | Self::Broken => ProblemCode::MalformedBody,
            Self::AlreadyEnrolled { .. } => ProblemCode::Conflict,
            Self::NoToken | Self::WrongToken | Self::Expired(_) => ProblemCode::Unauthorized,
            Self::Used | Self::NoDealer | Self::NoCertificate => ProblemCode::Forbidden,
            Self::Locked { .. } | Self::TooMany => ProblemCode::Overloaded,
            Self::Store(StoreError::Busy) => ProblemCode::Overloaded,
            Self::Issue(_) | Self::Store(_) => {
                let detail = "no certificate was issued: retry with the same key, the token is still valid";
                return Problem::new(ProblemCode::Internal, detail);
            }
        };
        let problem = Problem::new(code, self.to_string());
        let too_often = matches!(self, Self::Locked { .. } | Self::TooMany);
        // RFC 6585 §4.
        if too_often { Problem { status: 429, ..problem } } else { problem }
    }
}

impl From<CannotIssue> for Refused {
    fn from(error: CannotIssue) -> Self {
        match error {
            CannotIssue::Authority(AuthorityError::AlreadyEnrolled { party, .. }) => {
                Self::AlreadyEnrolled { gateway: party.name().to_owned() }
            }
            other @ (CannotIssue::Authority(_) | CannotIssue::Another { .. } | CannotIssue::Ended) => {
                Self::Issue(other)
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        metrics::counter!("platen_comm_enrollments_refused_total", "reason" => self.label()).increment(1);
        if let Self::Issue(_) | Self::Store(_) = &self {
            let error: &dyn std::error::Error = &self;
            tracing::error!(error, "a certificate could not be issued");
        }
        let problem = self.problem();
        let status = problem.status;
        let mut response = ProblemResponse(problem).into_response();
        let headers = response.headers_mut();
        if status == 401 {
            let challenge = HeaderValue::from_static("Basic realm=\"platen enrollment\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Self::Locked { until, now } = self {
            let seconds = (until.as_second() - now.as_second()).max(1);
            headers.insert(header::RETRY_AFTER, seconds.into());
        } else if status == 429 {
            headers.insert(header::RETRY_AFTER, AGAIN_S.into());
        }
        response
    }
}
