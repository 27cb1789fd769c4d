//! The console with an example fleet, to look at its pages: `cargo run -p platen-comm-server --example console`.
//!
//! `-- LISTEN DEVICES` gives the address and the number of additional devices, 80 behind each additional gateway.
//! Everything is in a temporary folder, which is deleted at the end.

mod fleet;
mod start;
mod work;

use std::io::Write as _;

use anyhow::Context as _;
use jiff::Timestamp;
use platen_comm_server::store::Store;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let url = format!("sqlite://{}", dir.path().join("platen.db").display());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let more = arguments.get(1).map(|text| text.parse()).transpose().context("DEVICES is not a number")?;
    drop(Store::open_detached(&url).await?);
    fleet::store(&url, more.unwrap_or(0), Timestamp::now()).await?;
    let address = arguments.first().map_or("127.0.0.1:0", String::as_str);
    let console = start::Console::listen(dir.path(), &url, address).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "console: https://{}\nfirst login: admin {}", console.address, console.one_time)?;
    out.flush()?;
    drop(out);
    console.serve(runtime::shutdown::on_signal()).await;
    Ok(())
}
