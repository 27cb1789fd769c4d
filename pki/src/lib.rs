//! Identities of Platen: SPIFFE names, the authority that issues and revokes certificates, enrollment and renewal, and
//! the TLS configurations of all programs.
//!
//! One verifier serves every program: the chain by rustls-webpki, then the parsed leaf by [`leaf::verify_leaf`], then
//! its issuer's revocation list by [`revocation::peer_still_good`].

pub mod authority;
mod crypto;
pub mod est;
pub mod facts;
pub mod identity;
pub mod inspect;
pub mod leaf;
pub mod leaf_facts;
pub mod pem_file;
pub mod rejection;
pub mod renewal;
pub mod revocation;
pub mod revocation_reason;
pub mod secret_file;
pub mod spiffe;
pub mod tls;
pub mod token;
pub mod tolerance;
pub mod trust;

pub use identity::{Identity, IdentityConfig, IdentityError};
pub use tolerance::Tolerance;
pub use trust::Trust;
