//! Telling the sessions with other devices what is new here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rhizome_sync::News;

type Listener = Arc<dyn Fn(News) + Send + Sync>;

/// Who is told.
#[derive(Default)]
pub(crate) struct Listeners {
    next: AtomicU64,
    all: Mutex<Vec<(u64, Listener)>>,
}

impl Listeners {
    /// Calls `listener` with all that is new from now on; it must be quick. Returns a number for [`Self::remove`].
    pub fn add(&self, listener: impl Fn(News) + Send + Sync + 'static) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.all.lock().push((number, Arc::new(listener)));
        number
    }

    /// Ends it.
    pub fn remove(&self, number: u64) {
        self.all.lock().retain(|(n, _)| *n != number);
    }

    /// Tells everybody.
    pub fn tell(&self, news: News) {
        let all: Vec<Listener> = self.all.lock().iter().map(|(_, l)| Arc::clone(l)).collect();
        for listener in all {
            listener(news);
        }
    }
}
