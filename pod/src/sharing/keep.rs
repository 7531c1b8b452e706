//! Tending the person's own views: guests' words are weighed, and each view is made to say what the pod says.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rhizome_identity::Did;
use rhizome_ipld::PublicKey;
use rhizome_replica::{Change, Fact, Snapshot};
use rhizome_tuple::EntityId;
use rhizome_view::{Note, Tended, Tending};
use tokio::{sync::Notify, task::block_in_place};

use super::give::{KEEPER, seconds};
use crate::{App, Pod, PodError, PodNode, View, home::now_ms, home::random_bytes};

impl Pod {
    /// Decides about what guests said in one of the person's own views, and brings it up to date with these entities, or with all.
    pub(super) fn tend_view(
        &self,
        view: &Arc<View>,
        entities: Option<&BTreeSet<EntityId>>,
    ) -> Result<Tended, PodError> {
        let _alone = self.tending().lock();
        let guests = view.guests()?;
        let Some(predicate) = guests.predicate.clone() else {
            return Ok(Tended::default());
        };
        self.show_log(view, &guests)?;
        let did = view.did().to_string();
        let random = |out: &mut [u8]| {
            // a nonce that is not random hides nothing, and loses nothing either
            if let Ok(mut random) = random_bytes() {
                random(out);
            }
        };
        let now = seconds();
        let writer = |key: &PublicKey| guests.writer(key, now);
        let replica = view.replica()?;
        let tending = Tending {
            pod: self.replica(),
            pod_author: &*self.author(App::Sharing)?,
            view: &replica,
            view_did: &did,
            view_author: &*view.author(KEEPER)?,
            predicate: &predicate,
            writer: &writer,
            now_ms: now_ms(),
            random: &random,
        };
        let from = self.tended().lock().get(&view.did()).copied().unwrap_or(0);
        let done = tending.run(entities, from)?;
        self.tended().lock().insert(view.did(), done.next);
        Ok(done)
    }

    /// Shows guests the device log of the owner, if it has changed.
    fn show_log(&self, view: &View, guests: &rhizome_view::Guests) -> Result<(), PodError> {
        let (_, log) = self.device_log();
        let known = guests.log(self.did()).map(rhizome_identity::Log::len);
        if known == Some(log.len()) {
            return Ok(());
        }
        let Some(predicate) = &guests.predicate else {
            return Ok(());
        };
        view.leave(&[Note::Terms {
            of: self.did().to_owned(),
            predicate: predicate.to_string(),
            log: log.to_car()?,
        }])
    }

    /// Tends all of the person's own views that are here. Says of which something was said or decided.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn tend_views(
        &self,
        entities: Option<&BTreeSet<EntityId>>,
    ) -> Result<Vec<(Did, Tended)>, PodError> {
        let mut out = Vec::new();
        let Some(views) = self.any_views()? else {
            return Ok(out);
        };
        for view in views.list() {
            if !view.is_owner() {
                continue;
            }
            let done = self.tend_view(&view, entities)?;
            if done.changed > 0 || !done.refused.is_empty() || !done.admitted.is_empty() {
                out.push((view.did(), done));
            }
        }
        Ok(out)
    }
}

/// What happens together is looked at together.
const TOGETHER: Duration = Duration::from_millis(50);
/// How often it is looked whether other devices made views.
const LOOK: Duration = Duration::from_secs(20);

/// Entities of the pod that something was said of; all of them if there is none.
type Touched = Mutex<Option<BTreeSet<EntityId>>>;

/// Entities that are named one by one; beyond, all are looked at.
const MAX_TOUCHED: usize = 10_000;

fn touch(touched: &Touched, change: &Change) {
    let mut touched = touched.lock();
    let Some(some) = touched.as_mut() else { return };
    if change.reset || some.len() > MAX_TOUCHED {
        *touched = None;
        return;
    }
    let of = |now: &Snapshot, facts: &[Fact]| -> Vec<EntityId> {
        let entities: BTreeSet<_> = facts.iter().map(|f| f.e).collect();
        let ids = entities.into_iter().filter_map(|e| now.entity_id(e));
        ids.collect()
    };
    some.extend(of(&change.before, &change.removed));
    some.extend(of(&change.after, &change.added));
    let lists = change.lists.iter();
    some.extend(lists.filter_map(|(e, _)| change.after.entity_id(*e)));
}

/// Ends a listener.
struct Listening<'p> {
    pod: &'p Pod,
    number: u64,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.pod.replica().unlisten(self.number);
    }
}

impl PodNode {
    /// Tends the person's own views whenever something happens in the pod or in one of them, until dropped.
    pub(crate) async fn keep_shares(&self) {
        let pod = Arc::clone(self.pod());
        // everything, once
        let touched: Arc<Touched> = Arc::new(Mutex::new(None));
        let happened = Arc::new(Notify::new());
        let (told, tell) = (Arc::clone(&touched), Arc::clone(&happened));
        let (number, _) = pod.replica().listen(move |change| {
            touch(&told, change);
            tell.notify_one();
        });
        let _listening = Listening { pod: &pod, number };
        loop {
            let changes = match block_in_place(|| pod.any_views()) {
                Ok(views) => views.map(crate::Views::changes),
                Err(_) => None,
            };
            let some = touched.lock().replace(BTreeSet::new());
            if let Err(error) = block_in_place(|| pod.tend_views(some.as_ref())) {
                tracing::warn!(%error, "what is shared is not up to date");
                *touched.lock() = None;
            }
            let in_views = async {
                match changes {
                    Some(mut changes) => drop(changes.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = happened.notified() => (),
                () = in_views => (),
                () = tokio::time::sleep(LOOK) => {
                    if let Err(error) = self.find_views().await {
                        tracing::debug!(%error, "views of other devices were not looked for");
                    }
                }
            }
            tokio::time::sleep(TOGETHER).await;
        }
    }
}
