//! One connection's subscriptions: to the pod, and to what is followed, with one outbox.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    Pod, PodError,
    feeds::Feed,
    live::{Session, SubscribeError},
};

/// What happens together is taken in together.
const TOGETHER: Duration = Duration::from_millis(20);
/// How often it is looked whether others are followed now.
const LOOK: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Subscriber {
    /// Of the pod, or of what an app sees.
    pub own: Session,
    followed: Mutex<Followed>,
    /// What was followed is not to be had any more: the client has to begin anew.
    lost: Arc<Notify>,
}

#[derive(Default)]
struct Followed {
    ids: BTreeSet<u64>,
    open: Option<Open>,
}

struct Open {
    session: Session,
    task: JoinHandle<()>,
    // kept as long as somebody listens
    _feed: Arc<Feed>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscriber {
    pub fn new(own: Session) -> Self {
        Self {
            own,
            followed: Mutex::default(),
            lost: Arc::default(),
        }
    }

    /// Returns when the connection cannot go on.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Does something with the session of the pod, for a subscription of this number.
    pub fn in_pod<T>(&self, id: u64, f: impl FnOnce(&Session) -> T) -> Result<T, SubscribeError> {
        if self.followed.lock().ids.contains(&id) {
            return Err(SubscribeError::Taken(id));
        }
        Ok(f(&self.own))
    }

    /// Does something with the session of what is followed; whether the number is in use then is said by `f`.
    pub fn in_followed<E: From<SubscribeError>>(
        &self,
        pod: &Arc<Pod>,
        id: u64,
        f: impl FnOnce(&Session) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut followed = self.followed.lock();
        if self.own.has(id) {
            return Err(SubscribeError::Taken(id).into());
        }
        if followed.open.is_none() {
            let open = self.open(pod).map_err(SubscribeError::Pod)?;
            followed.open = Some(open);
        }
        if let Some(open) = &followed.open {
            f(&open.session)?;
            followed.ids.insert(id);
        }
        Ok(())
    }

    fn open(&self, pod: &Arc<Pod>) -> Result<Open, PodError> {
        let feed = pod.followed()?;
        let session = feed.hub()?.session_into(self.own.outbox().clone());
        let (to, same, lost) = (Arc::downgrade(pod), Arc::downgrade(&feed), &self.lost);
        let lost = Arc::clone(lost);
        let task = async move {
            keep(to, &same).await;
            lost.notify_one();
        };
        Ok(Open {
            session,
            task: tokio::runtime::Handle::current().spawn(task),
            _feed: feed,
        })
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, id: u64) {
        let mut followed = self.followed.lock();
        if followed.ids.remove(&id)
            && let Some(open) = &followed.open
        {
            open.session.unsubscribe(id);
        } else {
            self.own.unsubscribe(id);
        }
    }

    /// Queues whole results for subscriptions that missed changes.
    pub fn reset(&self, stale: &BTreeSet<u64>) {
        let followed = self.followed.lock();
        let (theirs, own): (BTreeSet<u64>, BTreeSet<u64>) =
            stale.iter().partition(|id| followed.ids.contains(id));
        self.own.reset(&own);
        if let Some(open) = &followed.open {
            open.session.reset(&theirs);
        }
    }
}

/// Keeps what is followed up to date. Returns when that cannot be.
async fn keep(pod: Weak<Pod>, feed: &Weak<Feed>) {
    loop {
        let Some(here) = pod.upgrade() else { return };
        let changes = here.any_views().ok().flatten().map(crate::Views::changes);
        let (catching, same) = (Arc::clone(&here), feed.clone());
        drop(here);
        let caught = tokio::task::spawn_blocking(move || match catching.followed() {
            Ok(feed) => Weak::ptr_eq(&Arc::downgrade(&feed), &same),
            Err(error) => {
                tracing::warn!(%error, "what is followed is not up to date");
                false
            }
        });
        if !caught.await.unwrap_or(false) {
            return;
        }
        let changed = async {
            match changes {
                Some(mut changes) => drop(changes.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => (),
            () = tokio::time::sleep(LOOK) => (),
        }
        tokio::time::sleep(TOGETHER).await;
    }
}
