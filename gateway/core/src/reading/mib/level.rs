//! Levels of the Printer MIB. A negative level is a state, never a number (RFC 3805, `prtMarkerSuppliesLevel`).

use wire::reading::LevelState;

/// The state that a level expresses.
pub(crate) const fn level_state(level: i64) -> LevelState {
    match level {
        0.. => LevelState::Units,
        -1 => LevelState::Other,
        -3 => LevelState::SomeRemaining,
        _ => LevelState::Unknown,
    }
}

/// Level and maximum as a percentage, if both are units. The unit column is unreliable and not needed.
#[must_use]
pub fn percent(level: i64, max: i64) -> Option<f64> {
    if level < 0 || max <= 0 {
        return None;
    }
    // Tenths of a percent are finer than any sensor; 128 bits hold every product.
    let tenths = (i128::from(level) * 1_000 + i128::from(max) / 2) / i128::from(max);
    i32::try_from(tenths).ok().map(|tenths| f64::from(tenths) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_level_is_a_state_and_has_no_percent() {
        let cases = [
            (80, 100, LevelState::Units, Some(80.0)),
            (7_056, 7_200, LevelState::Units, Some(98.0)),
            (0, 100, LevelState::Units, Some(0.0)),
            (1, 3, LevelState::Units, Some(33.3)),
            (-1, 100, LevelState::Other, None),
            (-2, 100, LevelState::Unknown, None),
            (-3, 100, LevelState::SomeRemaining, None),
            (-4, 100, LevelState::Unknown, None),
            (50, -2, LevelState::Units, None),
            (50, 0, LevelState::Units, None),
            (2_000_000_000, 2_000_000_000, LevelState::Units, Some(100.0)),
            (i64::MAX, 1, LevelState::Units, None),
        ];
        for (level, max, state, share) in cases {
            assert_eq!(level_state(level), state, "{level}");
            assert_eq!(percent(level, max), share, "{level} / {max}");
        }
    }
}
