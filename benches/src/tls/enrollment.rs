//! First enrollments: token, key, certificate, two commits and a ledger entry, all durable before the
//! response.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use anyhow::{Result, ensure};
use jiff::{Timestamp, ToSpan as _};
use pki::authority::{Authority, HasValid};
use pki::est::{Applicant, to_base64};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig};
use tests::site::Site;
use tests::trust;
use tokio::task::JoinSet;

use crate::figures::Figures;
use crate::process;

/// Clients at once, each with its own address: the limit is 60 enrollments a minute per address.
const CLIENTS: u8 = 6;

/// Enrollments of each.
const EACH: u32 = 50;

/// Prints enrollments per second of time and of the server's CPU.
pub(super) async fn measure(site: &Site, pid: u32, figures: &mut Figures) -> Result<()> {
    let authority = Authority::open(&trust::online(&site.dir("")))?;
    let dir = site.dir("gateway").join("identity");
    let file = |name: &str| dir.join(name);
    let (certificate, key, root) = (file("cert.pem"), file("key.pem"), file("root.pem"));
    let identity = Identity::load(&IdentityConfig { certificate, key, root, crl: None })?;
    let url = format!("https://{}/.well-known/est/simpleenroll", site.address("comm.enrollment")?);
    let now = Timestamp::now();
    let mut prepared = Vec::new();
    for client in 0..CLIENTS {
        let mut requests = Vec::new();
        for number in 0..EACH {
            let (token, _) = authority.token(
                &format!("gw-{client}-{number}"),
                (HasValid::Refuse, None),
                now,
                now + 1.hour(),
            )?;
            requests.push((token.expose().to_owned(), to_base64(&Applicant::new()?.request)));
        }
        let tls = pki::tls::enrollment_client_config(identity.trust(), PartyKind::CommServer)?;
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 9, client + 1));
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).local_address(from);
        // As gateways do: each on its own connection.
        prepared.push((builder.no_proxy().pool_max_idle_per_host(0).build()?, requests));
    }
    let (cpu, began) = (process::cpu_s(pid)?, Instant::now());
    let mut clients = JoinSet::new();
    for (client, requests) in prepared {
        let url = url.clone();
        clients.spawn(async move {
            for (token, request) in requests {
                let asked = client.post(&url).basic_auth("", Some(token));
                let asked = asked.header("content-type", "application/pkcs10").body(request);
                let answer = asked.send().await?;
                ensure!(answer.status().as_u16() == 200, "{}", answer.text().await?);
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let count = f64::from(u32::from(CLIENTS) * EACH);
    figures.print("first enrollments", count / began.elapsed().as_secs_f64(), "each s", "all on the disk");
    figures.print("  of the server's CPU", count / (process::cpu_s(pid)? - cpu), "each CPU s", "");
    Ok(())
}
