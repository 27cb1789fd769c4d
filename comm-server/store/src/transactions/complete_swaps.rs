//! The readings of swaps: those of the new device are added as soon as there are any.

use comm_server_core::assets::is_meter;
use sqlx::AnyConnection;
use wire::reading::Counter;

use crate::Store;
use crate::db::StoreError;
use crate::tables::counters::{self, Which};
use crate::tables::swap_readings::{self, NamedReading, Side};
use crate::tables::swaps::{self, SwapRow};

/// Maximum number of swaps in one transaction.
const BATCH: i64 = 100;

impl Store {
    /// Adds the first readings of devices that had not been read when they replaced others; returns the number of
    /// swaps that became complete.
    pub async fn complete_swaps(&self) -> Result<u64, StoreError> {
        let (mut after, mut done) = (String::new(), 0);
        loop {
            let from = after.clone();
            let work = self.writer().write(move |c| Box::pin(async move { complete(c, &from).await }));
            let (last, completed) = work.await?;
            done += completed;
            match last {
                Some(last) => after = last,
                None => return Ok(done),
            }
        }
    }
}

/// The last swap that was examined, if more may follow; and the number of swaps that became complete.
async fn complete(connection: &mut AnyConnection, after: &str) -> Result<(Option<String>, u64), StoreError> {
    let found = swaps::incomplete(connection, after, BATCH).await?;
    let mut done = 0;
    for swap in &found {
        let span = (swap.at.as_millisecond(), i64::MAX);
        // Of two servers, the one that marks it first names the readings.
        if is_read(connection, swap, span).await?
            && swaps::complete(connection, &swap.tenant, swap.id).await?
        {
            name_readings(connection, swap, Side::New, span).await?;
            done += 1;
        }
    }
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == BATCH);
    Ok((found.last().filter(|_| is_full).map(|swap| swap.id.to_string()), done))
}

async fn is_read(
    connection: &mut AnyConnection,
    swap: &SwapRow,
    span: (i64, i64),
) -> Result<bool, StoreError> {
    for counter in Counter::ALL.into_iter().filter(|counter| is_meter(*counter)) {
        let device = (&swap.new, counter);
        if !counters::of_device(connection, &swap.tenant, device, span, Which::First).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Stores one reading of each counter in `[from, to)`, milliseconds: for the old device the last one, for the new
/// device the first one. Returns whether there is any.
pub(super) async fn name_readings(
    connection: &mut AnyConnection,
    swap: &SwapRow,
    side: Side,
    span: (i64, i64),
) -> Result<bool, StoreError> {
    let (device, which) = match side {
        Side::Old => (&swap.old, Which::Last),
        Side::New => (&swap.new, Which::First),
    };
    let mut is_any = false;
    for counter in Counter::ALL.into_iter().filter(|counter| is_meter(*counter)) {
        let found = counters::of_device(connection, &swap.tenant, (device, counter), span, which).await?;
        for meter in found {
            is_any = true;
            let named = NamedReading { swap: swap.id, side, counter, meter };
            swap_readings::insert(connection, &swap.tenant, device, &named).await?;
        }
    }
    Ok(is_any)
}
