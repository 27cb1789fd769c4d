//! The LAN of a site: its virtual devices and their control.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde::Deserialize;

use crate::operator;

/// A virtual device, as described by the LAN.
#[derive(Debug, Clone, Deserialize)]
pub struct Device {
    /// Its position in the LAN, from 0.
    #[serde(default)]
    pub number: usize,
    /// Its address.
    pub address: IpAddr,
    /// Vendor as in its profile.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
}

/// The description that the LAN writes when it is ready.
#[derive(Debug, Clone, Deserialize)]
pub struct Lan {
    /// The devices.
    pub devices: Vec<Device>,
    /// Address of the HTTP control.
    pub control: SocketAddr,
}

impl Lan {
    /// Sends a request to the HTTP control of a device: `POST faults/sc?code=SC542`, `DELETE faults/sc`.
    ///
    /// # Errors
    /// The response is an error, or the control can't be reached.
    pub async fn control(&self, device: usize, method: Method, path: &str) -> Result<()> {
        let url = format!("http://{}/devices/{device}/{path}", self.control);
        let response = operator::plain_client()?.request(method, &url).send().await?;
        if !response.status().is_success() {
            bail!("{url}: {}: {}", response.status(), response.text().await?);
        }
        Ok(())
    }
}

/// Writes a firmware image as virtual devices accept it.
///
/// # Errors
/// It can't be written.
pub fn write_image(path: &Path, device: &Device, version: &str, bytes: usize) -> Result<()> {
    let model = device.model.replace(' ', "-");
    let mut image =
        format!("PLATEN-MFP-IMAGE vendor={} model={model} version={version} length={bytes}\n", device.vendor)
            .into_bytes();
    image.extend((0..bytes).map(|i| i.to_le_bytes()[0].wrapping_mul(31)));
    std::fs::write(path, image).with_context(|| path.display().to_string())
}
