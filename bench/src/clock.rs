//! CPU clocks: what a query or a load costs stays put while other programs share the cores.

use rustix::time::{ClockId, clock_gettime};

fn microseconds(clock: ClockId) -> f64 {
    let t = clock_gettime(clock);
    t.tv_sec as f64 * 1e6 + t.tv_nsec as f64 / 1e3
}

/// CPU time of the calling thread, in microseconds. Reading it costs about a third of a microsecond, which is in every
/// engine's figures alike.
pub fn thread() -> f64 {
    microseconds(ClockId::ThreadCPUTime)
}

/// CPU time of all threads of this process, in microseconds.
pub fn process() -> f64 {
    microseconds(ClockId::ProcessCPUTime)
}
