//! What a device waits for, according to its gateway's report or to the roll-out.

use jiff::Timestamp;
use wire::report::WaitReason;

use super::step::DeviceStep;

/// What a device waits for; `None` at a final step. A reported reason takes precedence. Without one, it is derived
/// from the step, the date, and whether the command was delivered.
#[must_use]
pub fn waits_for(
    step: DeviceStep,
    reported: Option<WaitReason>,
    fetched: bool,
    not_before: Timestamp,
    now: Timestamp,
) -> Option<WaitReason> {
    let derived = match step {
        DeviceStep::Verified | DeviceStep::Failed | DeviceStep::Cancelled => return None,
        DeviceStep::Pushed => WaitReason::Restarting,
        DeviceStep::Pending | DeviceStep::Staged if now < not_before => WaitReason::Date,
        DeviceStep::Pending if !fetched => WaitReason::Poll,
        DeviceStep::Pending => WaitReason::Staging,
        DeviceStep::Staged => WaitReason::Turn,
    };
    Some(reported.unwrap_or(derived))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn every_step_has_its_reason_before_and_after_the_date() {
        let date = Timestamp::UNIX_EPOCH;
        let before = date - SignedDuration::from_secs(1);
        let table = [
            (DeviceStep::Pending, Some(WaitReason::Date), Some(WaitReason::Staging)),
            (DeviceStep::Staged, Some(WaitReason::Date), Some(WaitReason::Turn)),
            (DeviceStep::Pushed, Some(WaitReason::Restarting), Some(WaitReason::Restarting)),
            (DeviceStep::Verified, None, None),
            (DeviceStep::Failed, None, None),
            (DeviceStep::Cancelled, None, None),
        ];
        for (step, early, late) in table {
            assert_eq!(waits_for(step, None, true, date, before), early, "{step:?}");
            assert_eq!(waits_for(step, None, true, date, date), late, "{step:?}");
            let unfetched = if step == DeviceStep::Pending { Some(WaitReason::Poll) } else { late };
            assert_eq!(waits_for(step, None, false, date, date), unfetched, "{step:?}");
            let told = waits_for(step, Some(WaitReason::Jam), true, date, date);
            assert_eq!(told, late.map(|_| WaitReason::Jam), "{step:?}");
        }
    }
}
