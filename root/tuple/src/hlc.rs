use serde::{Deserialize, Serialize};

/// A hybrid logical clock: milliseconds since 1970 in the high 48 bits, a counter in the low 16.
///
/// It orders concurrent assertions and is shown to people. It never gives authority, and a wrong one loses nothing: what an author had
/// seen is said by `supersedes`, not by the clock.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Hlc(pub u64);

impl Hlc {
    /// How far ahead of our own clock a foreign one may pull it.
    pub const MAX_DRIFT_MS: u64 = 5 * 60 * 1000;

    /// The clock of a wall time in milliseconds since 1970; times before that count as 0, times after the year 10889 as the last.
    pub fn from_ms(ms: i64) -> Self {
        Self((ms.max(0) as u64).min((1 << 48) - 1) << 16)
    }

    /// The wall time in milliseconds since 1970.
    pub fn ms(self) -> i64 {
        (self.0 >> 16) as i64
    }

    /// The clock of the next commit of a chain: after its last own one, not before the wall clock, and after what was observed of
    /// others, but never pulled more than [`Self::MAX_DRIFT_MS`] ahead of the wall clock by them.
    pub fn next(now_ms: i64, own_last: Self, observed: Self) -> Self {
        let now = Self::from_ms(now_ms);
        let ceiling = Self(now.0.saturating_add(Self::MAX_DRIFT_MS << 16));
        let after = observed.min(ceiling).max(own_last);
        if now > after {
            now
        } else {
            Self(after.0.saturating_add(1))
        }
    }

    /// The wall time for display: a clock more than [`Self::MAX_DRIFT_MS`] ahead of `now_ms` is shown as now.
    pub fn display_ms(self, now_ms: i64) -> i64 {
        if self.ms() > now_ms.saturating_add(Self::MAX_DRIFT_MS as i64) {
            now_ms
        } else {
            self.ms()
        }
    }
}
