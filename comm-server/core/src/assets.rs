//! Assets: things under contract, whose devices may be replaced over time; and the epochs of their counters.
//!
//! ```
//! use jiff::Timestamp;
//! use platen_comm_server_core::assets::{History, Meter, Opening, Stay};
//!
//! let day = |day: i64| Timestamp::from_second(day * 86_400);
//! let meter = |at, value| -> Result<Meter, Box<dyn std::error::Error>> {
//!     let (source, gateway) = ("1.3.6.1.2.1.43.10.2.1.4.1.1".to_owned(), "gw-1".parse()?);
//!     Ok(Meter { at: day(at)?, value, source, raw: value, gateway, report: None })
//! };
//! let stay = Stay {
//!     device: "ricoh:E1".parse()?,
//!     from: day(0)?,
//!     to: None,
//!     // A board was changed between the days 10 and 20.
//!     meters: vec![meter(0, 5_000)?, meter(10, 5_600)?, meter(20, 40)?, meter(30, 190)?],
//! };
//! let history = History::of(vec![stay]);
//! assert_eq!(history.epochs[1].opening, Opening::Fall);
//! assert_eq!(history.usage(day(0)?, day(30)?), 600 + 150);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod epochs;
mod placements;
#[cfg(test)]
mod tests;
mod unread;

pub use epochs::{Epoch, History, Meter, Opening, Stay, is_meter};
pub use placements::{Placement, PlacementError, begin_time, free_since, is_placeable};
pub use unread::{MOST_DAYS, UNREAD_DAYS, UnreadReason, unread_since};

use crate::customers::{ERP_KEY_BYTES, NAME_BYTES};
use crate::fields::{InvalidField, line, lines};
use crate::tenancy::SiteId;

/// The longest notes, bytes.
pub const NOTES_BYTES: usize = 2000;

/// The longest reason of a swap, bytes.
pub const REASON_BYTES: usize = 500;

/// An asset as entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetSpec {
    /// Its name or number.
    pub name: String,
    /// Its key in the ERP system, "" for none; unique in the tenant.
    pub erp_key: String,
    /// Its site; `None` if not yet known.
    pub site: Option<SiteId>,
    /// Notes for people, in lines.
    pub notes: String,
}

impl AssetSpec {
    /// Validates the specification; returns it in its stored form.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn checked(&self) -> Result<Self, InvalidField> {
        const NAME: &str = "1 to 200 bytes without control characters";
        const ERP_KEY: &str = "at most 64 bytes without control characters, or nothing";
        const NOTES: &str = "at most 2000 bytes without control characters other than line feeds";
        let name = line("name", &self.name, NAME_BYTES, NAME)?;
        if name.is_empty() {
            return Err(InvalidField::new("name", &self.name, NAME));
        }
        Ok(Self {
            name,
            erp_key: line("erp_key", &self.erp_key, ERP_KEY_BYTES, ERP_KEY)?,
            site: self.site,
            notes: lines("notes", &self.notes, NOTES_BYTES, NOTES)?,
        })
    }
}

/// Validates the reason of a swap; returns it in its stored form.
///
/// # Errors
/// It is too long, or has control characters.
pub fn reason(given: &str) -> Result<String, InvalidField> {
    line("reason", given, REASON_BYTES, "at most 500 bytes without control characters, or nothing")
}
