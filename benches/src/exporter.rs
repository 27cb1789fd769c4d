//! prometheus-snmp-exporter for comparison: a process of our own on a free port, its CPU as counted by the
//! kernel.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process;

const PROGRAM: &str = "prometheus-snmp-exporter";
const CONFIG: &str = include_str!("snmp_exporter.yml");

/// A running exporter; killed when dropped.
pub(crate) struct Exporter {
    child: Child,
    address: SocketAddr,
}

/// The cost of a reading.
pub(crate) struct Cost {
    pub(crate) cpu_ms: f64,
    pub(crate) wall_ms: f64,
}

impl Exporter {
    /// Starts it; `None` if it isn't installed.
    pub(crate) async fn start(dir: &Path) -> Result<Option<Self>> {
        let file = dir.join("snmp.yml");
        std::fs::write(&file, CONFIG)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let started = Command::new(PROGRAM)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("exporter.log"))?)
            .spawn();
        let mut exporter = match started {
            Ok(child) => Self { child, address },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(PROGRAM),
        };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if exporter.child.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(10) {
                bail!("{PROGRAM}: {}", std::fs::read_to_string(dir.join("exporter.log"))?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Some(exporter))
    }

    /// Makes it read the device with a module this many times.
    pub(crate) async fn read(&self, device: SocketAddr, module: &str, readings: u32) -> Result<Cost> {
        let client = tests::operator::plain_client()?;
        let url = format!("http://{}/snmp?target={device}&module={module}", self.address);
        let ask = async || -> Result<String> {
            Ok(client.get(&url).send().await?.error_for_status()?.text().await?)
        };
        let told = ask().await?;
        if !told.contains("prtMarkerSuppliesLevel") {
            bail!("{PROGRAM} read no supply of {device}: {told}");
        }
        let (cpu, began) = (process::cpu_s(self.child.id())?, Instant::now());
        for _ in 0..readings {
            ask().await?;
        }
        let each = 1000.0 / f64::from(readings);
        let wall_ms = began.elapsed().as_secs_f64() * each;
        Ok(Cost { cpu_ms: (process::cpu_s(self.child.id())? - cpu) * each, wall_ms })
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
