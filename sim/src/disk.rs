//! A disk as the storage contract allows it to be: what is relaxed may be lost, from the end; batches are never torn; it may be full; and the
//! power may go in the middle of anything.

use std::{io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use rhizome_storage::{Batch, Durability, Kv, MemoryKv, Snap, StorageError};

/// A disk with faults.
pub struct Disk(Mutex<State>);

struct State {
    live: Arc<MemoryKv>,
    /// What a crash cannot take.
    durable: MemoryKv,
    /// What came since, in order.
    relaxed: Vec<Batch>,
    /// Commits until the power goes.
    power: Option<u32>,
    /// How many of the next commits find no room.
    full: u32,
    off: bool,
    /// Whether something was refused since it was opened.
    failed: bool,
}

impl Default for Disk {
    fn default() -> Self {
        Self(Mutex::new(State {
            live: Arc::default(),
            durable: MemoryKv::new(),
            relaxed: Vec::new(),
            power: None,
            full: 0,
            off: false,
            failed: false,
        }))
    }
}

fn off() -> StorageError {
    StorageError::Io {
        path: PathBuf::from("(simulated disk)"),
        source: io::Error::other("the power is off"),
    }
}

impl Disk {
    /// The power goes after so many commits more.
    pub fn fail_after(&self, commits: u32) {
        self.0.lock().power = Some(commits);
    }

    /// The next commits find no room.
    pub fn fill(&self, commits: u32) {
        self.0.lock().full = commits;
    }

    /// Whether the power went.
    pub fn is_off(&self) -> bool {
        self.0.lock().off
    }

    /// Whether it refused anything since it was opened.
    pub fn has_failed(&self) -> bool {
        self.0.lock().failed
    }

    /// No more faults from now on.
    pub fn mend(&self) {
        let mut state = self.0.lock();
        (state.power, state.full) = (None, 0);
    }

    /// The process dies and the power goes: of what is not durable, the first `kept` in a hundred batches survive. Returns how many
    /// did and how many did not. Afterwards the disk can be opened again.
    pub fn crash(&self, kept: u64) -> (u64, u64) {
        let mut state = self.0.lock();
        let all = std::mem::take(&mut state.relaxed);
        let survive = (all.len() as u64 * kept)
            .div_ceil(100)
            .min(all.len() as u64);
        let live = state.durable.fork();
        for batch in all.iter().take(survive as usize) {
            // it was taken before
            drop(live.commit(batch.clone(), Durability::Durable));
        }
        state.durable = live.fork();
        state.live = Arc::new(live);
        (state.power, state.full, state.off) = (None, 0, false);
        state.failed = false;
        (survive, all.len() as u64 - survive)
    }
}

impl Kv for Disk {
    fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError> {
        let state = self.0.lock();
        if state.off {
            return Err(off());
        }
        state.live.snapshot()
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        let mut state = self.0.lock();
        if let Some(left) = &mut state.power {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => state.off = true,
            }
        }
        if state.off {
            state.failed = true;
            return Err(off());
        }
        if state.full > 0 {
            state.full -= 1;
            state.failed = true;
            return Err(StorageError::Full(io::Error::other("simulated")));
        }
        state.live.commit(batch.clone(), durability)?;
        match durability {
            Durability::Relaxed if batch.is_empty() => {}
            Durability::Relaxed => state.relaxed.push(batch),
            Durability::Durable => {
                state.durable = state.live.fork();
                state.relaxed.clear();
            }
        }
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, StorageError> {
        Ok(0)
    }

    fn compact(&self) -> Result<bool, StorageError> {
        Ok(false)
    }
}
