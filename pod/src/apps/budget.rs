//! How much an app may do.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use crate::PodError;

const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);
/// Changes in a day.
const CHANGES: u64 = 500_000;
/// Bytes written in a day.
const BYTES: u64 = 4 << 30;
/// Milliseconds of computing in a minute.
const BUSY: u64 = 30_000;

/// An amount in a stretch of time that begins with its first use.
#[derive(Debug)]
struct Window {
    what: &'static str,
    most: u64,
    long: Duration,
    used: u64,
    since: Instant,
}

impl Window {
    fn new(what: &'static str, most: u64, long: Duration) -> Self {
        Self {
            what,
            most,
            long,
            used: 0,
            since: Instant::now(),
        }
    }

    fn renew(&mut self) {
        if self.since.elapsed() >= self.long {
            (self.used, self.since) = (0, Instant::now());
        }
    }

    fn check(&mut self, more: u64) -> Result<(), PodError> {
        self.renew();
        if self.used.saturating_add(more) > self.most {
            let wait = self.long.saturating_sub(self.since.elapsed());
            return Err(PodError::Quota {
                what: self.what,
                most: self.most,
                seconds: wait.as_secs().max(1),
            });
        }
        Ok(())
    }

    fn now(&mut self) -> Json {
        self.renew();
        json!([self.used, self.most])
    }
}

/// What one app has used on this device since the pod was opened.
#[derive(Debug)]
pub(super) struct Budget(Mutex<[Window; 3]>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new([
            Window::new("changes in a day", CHANGES, DAY),
            Window::new("bytes in a day", BYTES, DAY),
            Window::new("milliseconds of computing in a minute", BUSY, MINUTE),
        ]))
    }
}

impl Budget {
    /// Takes so many changes and bytes.
    pub fn write(&self, changes: u64, bytes: u64) -> Result<(), PodError> {
        let [all, size, busy] = &mut *self.0.lock();
        busy.check(0)?;
        all.check(changes)?;
        size.check(bytes)?;
        all.used += changes;
        size.used += bytes;
        Ok(())
    }

    /// Whether there is time left to compute anything.
    pub fn compute(&self) -> Result<(), PodError> {
        let [.., busy] = &mut *self.0.lock();
        // what took longer than there was left is paid for by what comes next
        busy.check(1)
    }

    /// Notes what something took.
    pub fn took(&self, time: Duration) {
        let [.., busy] = &mut *self.0.lock();
        busy.renew();
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        busy.used = busy.used.saturating_add(ms);
    }

    pub fn to_json(&self) -> Json {
        let [changes, bytes, busy] = &mut *self.0.lock();
        json!({ "changes": changes.now(), "bytes": bytes.now(), "busy_ms": busy.now() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_is_refused_until_time_has_passed() {
        let budget = Budget::default();
        budget.write(CHANGES - 1, 10).unwrap();
        budget.write(1, BYTES - 10).unwrap();
        let error = budget.write(1, 0).unwrap_err();
        assert!(
            matches!(error, PodError::Quota { most: CHANGES, .. }),
            "{error}"
        );
        assert_eq!(budget.to_json()["changes"], json!([CHANGES, CHANGES]));
        budget.compute().unwrap();
        budget.took(Duration::from_millis(BUSY));
        assert!(budget.compute().is_err());
        budget.0.lock()[2].since = Instant::now().checked_sub(MINUTE).unwrap();
        budget.compute().unwrap();
        // what was refused was not counted
        assert!(budget.write(0, 1).is_err());
        budget.write(0, 0).unwrap();
    }
}
