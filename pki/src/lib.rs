//! Identities of Platen: SPIFFE names, the authority that issues certificates, and the TLS configurations of all programs.
//!
//! One verifier serves every program: the chain by rustls-webpki, then the parsed leaf by [`leaf::verify_leaf`].

pub mod authority;
pub mod facts;
pub mod identity;
pub mod inspect;
pub mod leaf;
pub mod pem_file;
pub mod secret_file;
pub mod spiffe;
pub mod tls;

pub use identity::{Identity, IdentityConfig, IdentityError};
