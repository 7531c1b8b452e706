//! Who works when, at a peer of many: a pod has one thread at a time, whatever its devices send, and all pods have so many that one waits
//! on the disk while another works. First come, first served. They work on threads of their own, never on those that carry packets.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use rhizome_identity::Did;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::PodError;

/// Sessions that work or wait for the disk at a time: what waits together is written together.
pub(crate) const AT_WORK: usize = 32;
/// Device logs of people who are not known that are read at a time. One may have 8 MiB.
const LOGS: usize = 16;
/// Pods that are remembered before those that nobody uses are let go of.
const REMEMBERED: usize = 1024;

pub(super) struct Turns {
    all: Semaphore,
    logs: Semaphore,
    verifying: Semaphore,
    pods: Mutex<Remembered>,
}

struct Remembered {
    pods: HashMap<Did, Weak<Semaphore>>,
    /// When to let go next.
    most: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Semaphore::new(AT_WORK),
            logs: Semaphore::new(LOGS),
            verifying: Semaphore::new(1),
            pods: Mutex::new(Remembered {
                pods: HashMap::new(),
                most: REMEMBERED,
            }),
        }
    }
}

fn ended<T>(_: T) -> PodError {
    PodError::Peer("this peer is shutting down".into())
}

impl Turns {
    /// The turns of a pod.
    pub fn of(self: &Arc<Self>, did: &Did) -> Turn {
        let mut remembered = self.pods.lock();
        let Remembered { pods, most } = &mut *remembered;
        let own = pods.get(did).and_then(Weak::upgrade).unwrap_or_else(|| {
            if pods.len() >= *most {
                pods.retain(|_, own| own.strong_count() > 0);
                *most = (pods.len() * 2).max(REMEMBERED);
            }
            let own = Arc::new(Semaphore::new(1));
            pods.insert(*did, Arc::downgrade(&own));
            own
        });
        Turn {
            own,
            turns: Arc::clone(self),
        }
    }

    /// The right to read a device log from somebody who is not known.
    pub async fn read_log(&self) -> Result<SemaphorePermit<'_>, PodError> {
        self.logs.acquire().await.map_err(ended)
    }

    /// Works for somebody who is not known: one at a time.
    pub async fn for_stranger<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PodError> {
        let _one = self.verifying.acquire().await.map_err(ended)?;
        self.next(work).await
    }

    /// Works for whoever comes next.
    pub async fn next<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PodError> {
        let _any = self.all.acquire().await.map_err(ended)?;
        tokio::task::spawn_blocking(work).await.map_err(ended)
    }
}

/// A pod's turns.
pub(crate) struct Turn {
    own: Arc<Semaphore>,
    turns: Arc<Turns>,
}

impl Turn {
    /// Works when it is the pod's turn.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PodError> {
        // the pod's own first: whoever waits for that keeps no other pod waiting
        let _own = self.own.acquire().await.map_err(ended)?;
        self.turns.next(work).await
    }
}
