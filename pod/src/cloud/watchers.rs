//! Who is to be told that something is new in a view.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use rhizome_identity::Did;
use rhizome_ipld::PublicKey;
use tokio::sync::mpsc;

/// One who waits: the key of his device, and where to tell him the places of views on his list.
struct Watcher {
    device: PublicKey,
    place: u32,
    tell: mpsc::UnboundedSender<u32>,
}

/// Those who wait, by what for.
#[derive(Default)]
pub(super) struct Watchers {
    next: AtomicU64,
    all: Mutex<HashMap<Did, HashMap<u64, Watcher>>>,
}

/// A list of views that somebody waits for, until dropped.
pub(super) struct Watching {
    watchers: Arc<Watchers>,
    number: u64,
    views: Vec<Did>,
}

impl Watchers {
    /// Somebody waits for these, each by its place on his list.
    pub fn watch(
        self: &Arc<Self>,
        device: PublicKey,
        views: &[(u32, Did)],
        tell: &mpsc::UnboundedSender<u32>,
    ) -> Watching {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut all = self.all.lock();
        for (place, did) in views {
            let watcher = Watcher {
                device,
                place: *place,
                tell: tell.clone(),
            };
            all.entry(*did).or_default().insert(number, watcher);
        }
        Watching {
            watchers: Arc::clone(self),
            number,
            views: views.iter().map(|(_, did)| *did).collect(),
        }
    }

    /// Something is new in a pod; whoever brought it knows.
    pub fn stirred(&self, did: &Did, by: &PublicKey) {
        let all = self.all.lock();
        for watcher in all.get(did).into_iter().flat_map(HashMap::values) {
            if watcher.device != *by {
                // whoever is gone needs no news
                let _ = watcher.tell.send(watcher.place);
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = self.watchers.all.lock();
        for did in &self.views {
            if let Some(watchers) = all.get_mut(did) {
                watchers.remove(&self.number);
                if watchers.is_empty() {
                    all.remove(did);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_ipld::SigningKey;

    #[test]
    fn all_are_told_but_who_brought_it_and_who_is_gone() {
        let key = |n| SigningKey::from_seed([n; 32]).public();
        let did = |n| Did::from_key(key(n));
        let watchers: Arc<Watchers> = Arc::default();
        let (tell, mut told) = mpsc::unbounded_channel();
        let one = watchers.watch(key(1), &[(0, did(8)), (1, did(9))], &tell);
        let two = watchers.watch(key(2), &[(7, did(9))], &tell);
        watchers.stirred(&did(9), &key(1));
        assert_eq!(told.try_recv(), Ok(7));
        assert!(told.try_recv().is_err());
        drop(two);
        watchers.stirred(&did(9), &key(3));
        assert_eq!(told.try_recv(), Ok(1));
        assert!(told.try_recv().is_err());
        drop(one);
        watchers.stirred(&did(8), &key(3));
        assert!(told.try_recv().is_err() && watchers.all.lock().is_empty());
    }
}
