//! When the last who works with the stores of a peer has let go of them. Connections and handlers that have ended hold on to them for a moment longer, and a store is open until nobody does.

use std::{convert::Infallible, sync::Arc};

use rhizome_storage::{Batch, Durability, Kv, RedbKv, Snap, StorageError};
use tokio::sync::mpsc;

/// Whoever has this holds the stores.
#[derive(Clone)]
pub(super) struct Hold(#[expect(dead_code)] mpsc::Sender<Infallible>);

/// Tells when nobody holds them any more.
pub(super) struct Released(mpsc::Receiver<Infallible>);

pub(super) fn hold() -> (Hold, Released) {
    let (hold, released) = mpsc::channel(1);
    (Hold(hold), Released(released))
}

impl Released {
    /// Returns when nobody holds the stores: they are closed then.
    pub async fn wait(mut self) {
        // nothing is ever sent
        self.0.recv().await;
    }
}

/// A store, with the hold that is let go of once it is closed.
pub(super) struct Held {
    kv: RedbKv,
    // after the store: what is declared first is dropped first
    _hold: Hold,
}

impl Held {
    pub fn new(kv: RedbKv, hold: &Hold) -> Self {
        Self {
            kv,
            _hold: hold.clone(),
        }
    }
}

impl Kv for Held {
    fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError> {
        self.kv.snapshot()
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        self.kv.commit(batch, durability)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.kv.sync()
    }

    fn size_on_disk(&self) -> Result<u64, StorageError> {
        self.kv.size_on_disk()
    }

    fn compact(&self) -> Result<bool, StorageError> {
        self.kv.compact()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use super::*;
    use crate::{CloudOptions, CloudPeer, Opening};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_peer_that_was_shut_down_can_be_opened_again_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("cloud");
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (opening, options) = (Opening::by("test"), CloudOptions::at(vec![any]));
        let peer = CloudPeer::start(&home, &opening, options).await.unwrap();
        // as a connection does whose task has not been cleared away yet
        let late = Arc::clone(&peer.shared);
        let task = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(300));
            drop(late);
        });
        peer.shutdown().await.unwrap();
        RedbKv::open(home.join("sealed.redb")).unwrap();
        RedbKv::open(home.join("inbox.redb")).unwrap();
        task.await.unwrap();
    }
}
