//! The cost of our own checks in addition to rustls-webpki's: the leaf is parsed and judged, and its
//! revocation looked up.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use jiff::Timestamp;
use pki::leaf::{Expectation, verify_leaf};
use pki::leaf_facts::Role;
use pki::revocation::{PeerLeaf, peer_still_good};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig, facts};
use tests::site::Site;

use crate::figures::Figures;

const TIMES: u32 = 20_000;

/// Prints it, alone and as a share of a whole handshake of `handshake_us`.
pub(super) fn measure(site: &Site, handshake_us: f64, figures: &mut Figures) -> Result<()> {
    let load = |part: &str, crl| {
        let dir = site.dir(part).join("identity");
        let file = |name: &str| dir.join(name);
        Identity::load(&IdentityConfig {
            certificate: file("cert.pem"),
            key: file("key.pem"),
            root: file("root.pem"),
            crl,
        })
    };
    let gateway = load("gateway", None)?;
    let server = load("comm-server", Some(site.dir("lists").join("crl.pem")))?;
    let (leaf, intermediates) = gateway.chain().split_first().context("no chain")?;
    let now = Timestamp::now().as_second();
    let (trust, kinds) = (server.trust(), [PartyKind::Gateway]);
    let began = Instant::now();
    for _ in 0..TIMES {
        // In the verifier.
        let expected = Expectation {
            trust_domain: trust.trust_domain(),
            role: Role::Client,
            kinds: &kinds,
            now,
            clock_skew_s: 300,
        };
        let certificate = facts::parse(leaf)?;
        black_box(verify_leaf(&facts::of_parsed(&certificate, intermediates)?, &expected)?);
        peer_still_good(&PeerLeaf::of_parsed(&certificate), server.crls(), now)?;
        // After the handshake.
        let (id, leaf) = pki::tls::peer(leaf)?;
        black_box(id);
        peer_still_good(&leaf, server.crls(), now)?;
    }
    let each = 1e6 * began.elapsed().as_secs_f64() / f64::from(TIMES);
    figures.print("our own checks, each handshake", each, "us", "");
    figures.print("  of a full handshake's CPU", 100.0 * each / handshake_us, "percent", "");
    Ok(())
}
