//! How often a pod's devices may begin something: some times in a row at once, then at a steady pace. Who comes more often waits.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use rhizome_identity::Did;
use tokio::time::Instant;

/// Between two, for long.
const STEP: Duration = Duration::from_millis(250);
/// In a row.
const BURST: u32 = 64;
/// Pods that are remembered before those that were not here lately are let go of.
const REMEMBERED: usize = 1024;

#[derive(Default)]
pub(super) struct Pace(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    due: HashMap<Did, Instant>,
    /// When to let go next.
    most: usize,
}

impl Pace {
    /// Notes that a device of a pod comes at `now`; how long it has to wait.
    pub fn step(&self, did: &Did, now: Instant) -> Duration {
        let mut remembered = self.0.lock();
        let Remembered { due, most } = &mut *remembered;
        if due.len() >= (*most).max(REMEMBERED) {
            due.retain(|_, at| *at > now);
            *most = due.len() * 2;
        }
        // when a pod that had kept to the pace all along would come next
        let at = due.entry(*did).or_insert(now);
        *at = (*at).max(now) + STEP;
        at.saturating_duration_since(now + STEP * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_ipld::HashKind;

    #[test]
    fn who_comes_too_often_waits_and_nobody_else_does() {
        let did = |n: u8| Did::from_genesis(&HashKind::Sha256.cid_of([n; 32])).unwrap();
        let (pace, now) = (Pace::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(pace.step(&did(1), now), Duration::ZERO);
        }
        assert_eq!(pace.step(&did(1), now), STEP);
        assert_eq!(pace.step(&did(1), now), STEP * 2);
        assert_eq!(pace.step(&did(2), now), Duration::ZERO);
        let later = now + STEP * (BURST + 2);
        assert_eq!(pace.step(&did(1), later), Duration::ZERO);
    }
}
