//! What a hub tells of.

use std::sync::Arc;

use rhizome_replica::{Change, Mirror, Replica, Snapshot};

/// Told of every change, in order, from within the write: it must be quick.
pub(crate) type Listener = Box<dyn Fn(&Arc<Change>) + Send + Sync>;

/// Tuples that change.
pub(crate) trait Source: Send + Sync {
    /// This moment.
    fn snapshot(&self) -> Snapshot;
    /// From the moment that it returns on.
    fn listen(&self, listener: Listener) -> (u64, Snapshot);
    /// Ends that.
    fn unlisten(&self, number: u64);
}

impl Source for Replica {
    fn snapshot(&self) -> Snapshot {
        self.snapshot()
    }
    fn listen(&self, listener: Listener) -> (u64, Snapshot) {
        self.listen(listener)
    }
    fn unlisten(&self, number: u64) {
        self.unlisten(number);
    }
}

impl Source for Mirror {
    fn snapshot(&self) -> Snapshot {
        self.snapshot()
    }
    fn listen(&self, listener: Listener) -> (u64, Snapshot) {
        self.listen(listener)
    }
    fn unlisten(&self, number: u64) {
        self.unlisten(number);
    }
}
