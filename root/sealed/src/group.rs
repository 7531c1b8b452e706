//! Group commit: what many pods have to write at one time goes to stable storage together.

use std::{collections::HashMap, io, sync::Arc};

use parking_lot::{Condvar, Mutex};
use rhizome_storage::{Batch, Durability, Kv, StorageError};

/// Bytes of one group, about. What is beyond is in the next one.
const GROUP: usize = 8 << 20;

/// Writes batches of different pods durably, together where they come together.
pub(crate) struct Group {
    kv: Arc<dyn Kv>,
    queue: Mutex<Queue>,
    turn: Condvar,
}

#[derive(Default)]
struct Queue {
    next: u64,
    waiting: Vec<(u64, Batch)>,
    writing: bool,
    done: HashMap<u64, Result<(), StorageError>>,
}

impl Group {
    pub fn new(kv: Arc<dyn Kv>) -> Self {
        Self {
            kv,
            queue: Mutex::default(),
            turn: Condvar::new(),
        }
    }

    /// Returns when the batch is on stable storage, or why it is not. Whoever comes while nobody writes, writes for all who wait.
    pub fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        let mut queue = self.queue.lock();
        let ticket = queue.next;
        queue.next += 1;
        queue.waiting.push((ticket, batch));
        loop {
            if let Some(result) = queue.done.remove(&ticket) {
                return result;
            }
            if queue.writing {
                self.turn.wait(&mut queue);
                continue;
            }
            queue.writing = true;
            let mut bytes = 0;
            let fits = queue.waiting.iter().take_while(|(_, batch)| {
                bytes += batch.bytes();
                bytes <= GROUP
            });
            let n = fits.count().max(1);
            let group: Vec<_> = queue.waiting.drain(..n).collect();
            drop(queue);
            let results = self.write(group);
            queue = self.queue.lock();
            queue.writing = false;
            queue.done.extend(results);
            self.turn.notify_all();
        }
    }

    fn write(&self, group: Vec<(u64, Batch)>) -> Vec<(u64, Result<(), StorageError>)> {
        let durable = |batch| self.kv.commit(batch, Durability::Durable);
        if group.len() > 1 {
            let mut all = Batch::new();
            for (_, batch) in &group {
                all.append(batch);
            }
            match durable(all) {
                Ok(()) => return group.into_iter().map(|(t, _)| (t, Ok(()))).collect(),
                Err(StorageError::InDoubt(why)) => {
                    let why = why.to_string();
                    let doubt = |(t, _)| (t, Err(in_doubt(&why)));
                    return group.into_iter().map(doubt).collect();
                }
                // one of them may be to blame, as one that is too large for what space is left
                Err(_) => {}
            }
        }
        let each = group.into_iter();
        each.map(|(ticket, batch)| (ticket, durable(batch)))
            .collect()
    }
}

/// The same news for everybody in the group.
fn in_doubt(why: &str) -> StorageError {
    StorageError::InDoubt(Box::new(StorageError::Io {
        path: "the store".into(),
        source: io::Error::other(why.to_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_storage::{MemoryKv, Snap};
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    /// Slow, and without room for keys that begin with 9.
    struct Slow(MemoryKv, AtomicUsize);

    impl Kv for Slow {
        fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError> {
            self.0.snapshot()
        }
        fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
            thread::sleep(Duration::from_millis(5));
            if batch.iter().any(|w| w.key.first() == Some(&9)) {
                return Err(StorageError::Full(io::ErrorKind::StorageFull.into()));
            }
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.commit(batch, durability)
        }
        fn size_on_disk(&self) -> Result<u64, StorageError> {
            Ok(0)
        }
        fn compact(&self) -> Result<bool, StorageError> {
            Ok(false)
        }
    }

    #[test]
    fn many_wait_for_few_writes_and_one_that_fails_harms_no_other() {
        let kv = Arc::new(Slow(MemoryKv::new(), AtomicUsize::new(0)));
        let group = Arc::new(Group::new(kv.clone()));
        let threads: Vec<_> = (0..64u8)
            .map(|n| {
                let group = group.clone();
                thread::spawn(move || {
                    let mut batch = Batch::new();
                    batch.put(0, [if n == 7 { 9 } else { 1 }, n], []);
                    group.commit(batch).is_ok()
                })
            })
            .collect();
        let done: Vec<bool> = threads
            .into_iter()
            .map(|t| t.join().expect("no panic"))
            .collect();
        assert_eq!(done.iter().filter(|ok| !**ok).count(), 1);
        assert!(!done[7]);
        let snap = kv.snapshot().expect("memory");
        for n in (0..64).filter(|n| *n != 7) {
            assert!(snap.get(0, &[1, n]).expect("memory").is_some());
        }
    }
}
