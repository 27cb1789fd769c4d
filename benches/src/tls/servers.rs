//! The other servers: nginx, and bare rustls, each a process of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tests::site::Site;

/// A running server; killed when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    async fn started(child: Child, address: SocketAddr) -> Result<Self> {
        let mut server = Self { child, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if server.child.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(10) {
                bail!("a server to compare with did not start at {address}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    /// This program again as [`crate::bare_server`].
    pub(super) async fn bare(site: &Site, dir: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(std::env::current_exe()?)
            .args(["bare-server", "--listen", &address.to_string(), "--identity"])
            .arg(site.dir("comm-server").join("identity"))
            .current_dir(dir)
            .stdin(Stdio::null())
            .spawn()?;
        Self::started(child, address).await
    }

    /// nginx with one process; `None` if it isn't installed.
    pub(super) async fn nginx(site: &Site, dir: &Path) -> Result<Option<Self>> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let identity = site.dir("comm-server").join("identity");
        let (identity, own) = (identity.display(), dir.display());
        let config = format!(
            "daemon off; master_process off; pid {own}/nginx.pid; error_log {own}/nginx.log error;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_body_temp_path {own}/b; proxy_temp_path {own}/p; fastcgi_temp_path {own}/f;\n\
             uwsgi_temp_path {own}/u; scgi_temp_path {own}/s;\n\
             server {{ listen {address} ssl; ssl_certificate {identity}/cert.pem; ssl_certificate_key {identity}/key.pem;\n\
             ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; ssl_verify_client on; ssl_verify_depth 3;\n\
             ssl_client_certificate {identity}/root.pem; ssl_session_cache shared:s:1m; return 404; }} }}\n"
        );
        let file = dir.join("nginx.conf");
        std::fs::write(&file, config)?;
        let started = Command::new("/usr/sbin/nginx")
            .args(["-p", &own.to_string(), "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(child) => Self::started(child, address).await.map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("nginx"),
        }
    }
}
