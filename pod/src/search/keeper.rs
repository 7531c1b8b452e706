//! Keeps the search index with the pod.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use rhizome_replica::{Change, Replica};
use rhizome_search::{Index, SearchError};

use super::is_searched;
use crate::{PodError, Stop};

/// What was written is indexed after so long at the latest …
const PATIENCE: Duration = Duration::from_secs(1);
/// … or as soon as it concerns so many entities.
const MANY: usize = 2_000;
/// How long after something failed it is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// The index of a pod, in a directory of its home, and the thread that writes to it while the pod is served.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    replica: Arc<Replica>,
    listener: u64,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

struct Shared {
    index: Index,
    replica: Arc<Replica>,
    /// There is something to write.
    due: Mutex<bool>,
    wake: Condvar,
    closed: AtomicBool,
}

impl Keeper {
    pub fn open(directory: &Path, replica: &Arc<Replica>) -> Result<Self, PodError> {
        let shared = Arc::new(Shared {
            index: Index::open(directory, is_searched)?,
            replica: Arc::clone(replica),
            due: Mutex::new(false),
            wake: Condvar::new(),
            closed: AtomicBool::new(false),
        });
        let to = Arc::downgrade(&shared);
        let (listener, now) = replica.listen(move |change| {
            if let Some(shared) = to.upgrade() {
                shared.take(change);
            }
        });
        shared.index.resume(&now)?;
        Ok(Self {
            shared,
            replica: Arc::clone(replica),
            listener,
            thread: Mutex::default(),
        })
    }

    pub fn index(&self) -> &Index {
        &self.shared.index
    }

    /// Writes in the background from now on.
    pub fn start(&self) -> Result<(), PodError> {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let worker = Arc::clone(&self.shared);
            let name = Path::new("a thread for the search index");
            *thread = Some(
                thread::Builder::new()
                    .name("search".into())
                    .spawn(move || worker.run())
                    .map_err(|error| PodError::file(name, error))?,
            );
        }
        Ok(())
    }

    /// Where nobody writes in the background: catches up now, if there is something to catch up with.
    pub fn prepare(&self, stop: &Stop) -> Result<(), PodError> {
        let thread = self.thread.lock();
        if thread.is_some() {
            return Ok(());
        }
        let go_on = || !stop.load(Ordering::Relaxed);
        match self.shared.index.behind() {
            None => {
                self.shared.catch_up(&go_on)?;
            }
            Some(behind) if behind >= MANY => {
                self.shared.index.write(&|| self.replica.snapshot())?;
            }
            Some(_) => {}
        }
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.replica.unlisten(self.listener);
        self.shared.closed.store(true, Ordering::Relaxed);
        self.shared.wake();
        if let Some(thread) = self.thread.lock().take() {
            // a panic there has been reported already
            let _ = thread.join();
        }
        // so that whoever opens the pod next has nothing to catch up with
        if self.shared.index.behind().is_some_and(|n| n > 0)
            && let Err(error) = self.shared.index.write(&|| self.replica.snapshot())
        {
            tracing::debug!(%error, "the search index was not written to the end");
        }
    }
}

impl Shared {
    /// Called within a write: only notes.
    fn take(&self, change: &Arc<Change>) {
        if change.reset {
            self.index.reset();
        } else {
            let facts = change.added.iter().chain(&change.removed).map(|f| f.e);
            self.index.touch(facts, change.after.commit_count());
        }
        self.wake();
    }

    fn wake(&self) {
        *self.due.lock() = true;
        self.wake.notify_all();
    }

    fn catch_up(&self, go_on: &dyn Fn() -> bool) -> Result<rhizome_search::Caught, SearchError> {
        let caught = self.index.catch_up(&|| self.replica.snapshot(), go_on)?;
        tracing::debug!(caught.written, caught.removed, "the search index caught up");
        Ok(caught)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn run(&self) {
        while !self.is_closed() {
            let done = if self.index.behind().is_some() {
                self.wait();
                self.write()
            } else {
                self.catch_up(&|| !self.is_closed()).map(|_| ())
            };
            match done {
                Ok(()) | Err(SearchError::Stopped) => {}
                Err(error) => {
                    tracing::warn!(%error, "the search index is not up to date: searches take longer");
                    self.sleep(AGAIN);
                }
            }
        }
    }

    fn write(&self) -> Result<(), SearchError> {
        while !self.is_closed() && self.index.write(&|| self.replica.snapshot())? {}
        Ok(())
    }

    /// Until there is something to write, and then until it is much or some time has passed.
    fn wait(&self) {
        let mut due = self.due.lock();
        while !*due && !self.is_closed() {
            self.wake.wait(&mut due);
        }
        *due = false;
        let until = std::time::Instant::now() + PATIENCE;
        while !self.is_closed() && self.index.behind().is_some_and(|n| n < MANY) {
            if self.wake.wait_until(&mut due, until).timed_out() {
                break;
            }
        }
    }

    fn sleep(&self, time: Duration) {
        let mut due = self.due.lock();
        let until = std::time::Instant::now() + time;
        while !self.is_closed() && !self.wake.wait_until(&mut due, until).timed_out() {}
    }
}
