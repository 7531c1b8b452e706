//! A fence around redb for damaged files.
//!
//! redb checks the checksums of pages when it repairs a file, not when it reads one: on a page that
//! rotted on the disk it may panic. That is the fault of the file and no reason to bring the process
//! down, so every call into redb that reads pages goes through here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::fault::Fault;

/// Runs `act`, and takes a panic for what it is: a damaged file. `act` must not call back into code
/// that is not redb's, whose panics are faults of another kind.
///
/// The state redb leaves behind is not used afterwards except to close it: after
/// [`Fault::Corrupt`] the engine is reopened.
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => done.map_err(Fault::from),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Fault::Corrupt(format!(
                "a page cannot be read: {}",
                text.unwrap_or("no details")
            )))
        }
    }
}
