//! Tending the person's own views: guests' words are weighed, and each view is made to say what the pod says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rhizome_identity::Did;
use rhizome_ipld::PublicKey;
use rhizome_replica::Change;
use rhizome_share::{Classifier, Predicate, Values};
use rhizome_tuple::{Attribute, EntityId, Value};
use rhizome_view::{Guests, Note, Tended, Tending, Why, values};
use tokio::{sync::Notify, task::block_in_place};

use super::{
    give::{KEEPER, seconds},
    keys::is_strange,
    moving::Fresh,
    records as r,
};
use crate::{
    App, Pod, PodError, PodNode, View,
    home::{now_ms, random_bytes},
    views::{Mark, mark},
};

impl Pod {
    /// Decides about what guests said in one of the person's own views, and brings it up to date with these entities, or with all.
    pub(super) fn tend_view(
        &self,
        view: &Arc<View>,
        entities: Option<&BTreeSet<EntityId>>,
    ) -> Result<Tended, PodError> {
        let _alone = self.tending().lock();
        let mut guests = view.guests()?;
        // what the pod says of it: the view's key may be known to others
        let (entity, _) = r::named(self.did(), "view", &view.did().to_string());
        let record = r::view_record(&self.replica().snapshot(), entity);
        let said = record.as_ref().and_then(|record| record.predicate.clone());
        let is_old = record.is_some_and(|r| r.moved.is_some() || self.is_known_outside(&r));
        if is_old {
            self.tended().lock().old.insert(view.did());
        }
        // without a word there, nothing of it is here yet
        let there = guests.predicate.clone();
        let Some(predicate) = there.map(|there| said.unwrap_or(there)) else {
            let mut done = Tended::default();
            if guests.group.is_some() && view.member()?.is_admin() {
                done.keys = self.hand_over_keys(view, usize::MAX)?;
            }
            let generation = view.generation();
            let far = Far {
                next: 0,
                generation,
            };
            self.tended().lock().views.insert(view.did(), far);
            return Ok(done);
        };
        self.show_log(view, &guests, &predicate)?;
        guests.learn(&self.device_log().1);
        let did = view.did().to_string();
        let random = |out: &mut [u8]| {
            // a nonce that is not random hides nothing, and loses nothing either
            if let Ok(mut random) = random_bytes() {
                random(out);
            }
        };
        let now = seconds();
        let writer = |key: &PublicKey| {
            let strange = || is_strange(view, key).is_ok_and(|strange| strange);
            let known = guests.writer(key, now);
            // nobody waits for a stranger who had an invitation to say who he is
            known.or_else(|| strange().then_some(Err(Why::NotAllowed)))
        };
        let replica = view.replica()?;
        let tending = Tending {
            pod: self.replica(),
            pod_author: &*self.author(App::Sharing)?,
            view: &replica,
            view_did: &did,
            view_author: &*view.author(KEEPER)?,
            predicate: &predicate,
            writer: &writer,
            says: !is_old,
            now_ms: now_ms(),
            random: &random,
        };
        let generation = view.generation();
        let far = self.tended().lock().views.get(&view.did()).copied();
        let mut done = tending.run(entities, far.map_or(0, |far| far.next))?;
        done.keys = self.hand_over_keys(view, usize::MAX)?;
        let next = done.next;
        let far = Far { next, generation };
        self.tended().lock().views.insert(view.did(), far);
        Ok(done)
    }

    /// Another one whenever the pod may say something else, or its owner has other devices.
    fn pod_mark(&self) -> Mark {
        let now = self.replica().snapshot();
        let (_, erased) = now.erasures();
        let erased = erased.first_chunk().map_or(0, |b| u64::from_be_bytes(*b));
        let devices = self.device_log().1.len() as u64;
        mark(self.did(), &[now.commit_count().into(), erased, devices])
    }

    /// Shows guests the device log of the owner, if it has changed.
    pub(super) fn show_log(
        &self,
        view: &View,
        guests: &Guests,
        predicate: &Predicate,
    ) -> Result<(), PodError> {
        let (_, log) = self.device_log();
        let known = guests.log(self.did()).map(rhizome_identity::Log::len);
        if known == Some(log.len()) {
            return Ok(());
        }
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
        self.take_back_expired()?;
        self.move_views(usize::MAX)?;
        let mark = self.pod_mark();
        for view in views.list() {
            if !view.is_owner() {
                continue;
            }
            let generation = view.generation();
            if view.is_same(&view.key(), &mark) {
                let far = Far {
                    next: 0,
                    generation,
                };
                self.tended().lock().views.entry(view.did()).or_insert(far);
                continue;
            }
            let done = self.tend_view(&view, entities)?;
            if entities.is_none() && view.generation() == generation {
                // nothing was to be said: nor will there be before something happens here or there
                view.note_same(view.key(), mark, generation);
            }
            let decided = !done.refused.is_empty() || !done.admitted.is_empty();
            if done.changed > 0 || done.keys > 0 || decided {
                out.push((view.did(), done));
            }
        }
        Ok(out)
    }
}

/// How far the person's own views were tended by this process.
#[derive(Default)]
pub(crate) struct Kept {
    views: BTreeMap<Did, Far>,
    /// What each of them shares; to be made anew if there is none.
    classifier: Option<Classifier<Did>>,
    /// Those that move, because a device knows them that is none of the person's any more.
    old: BTreeSet<Did>,
    pub(super) fresh: Fresh,
}

#[derive(Clone, Copy)]
struct Far {
    /// The number in the view's replica from which on guests' commits are to be looked at.
    next: u32,
    /// How often something had happened to the view.
    generation: u64,
}

/// The values of an entity.
type Own = Vec<(Attribute, Value)>;

/// Entities of which something was said, with their values before; nothing: all of them.
type Touched = Mutex<Option<BTreeMap<EntityId, Own>>>;

/// What happens together is looked at together.
const TOGETHER: Duration = Duration::from_millis(50);
/// How soon something is tried again for which a view was in use.
const SOON: Duration = Duration::from_millis(300);
/// How often it is looked whether other devices made views.
const LOOK: Duration = Duration::from_secs(20);
/// Entities that are named one by one; beyond, all are looked at.
const MAX_TOUCHED: usize = 10_000;

fn touch(touched: &Touched, change: &Change) {
    let mut touched = touched.lock();
    let Some(some) = touched.as_mut() else { return };
    let facts = change.added.len() + change.removed.len();
    if change.reset || facts > MAX_TOUCHED || some.len() > MAX_TOUCHED {
        *touched = None;
        return;
    }
    // numbers of entities mean the same before and after
    let facts = change.added.iter().chain(&change.removed).map(|f| f.e);
    let entities: BTreeSet<_> = facts.chain(change.lists.iter().map(|l| l.0)).collect();
    for e in entities {
        if let Some(id) = change.after.entity_id(e) {
            some.entry(id).or_insert_with(|| values(&change.before, e));
        }
    }
}

fn as_values(own: &Own) -> Values<'_> {
    own.iter()
        .map(|(attribute, value)| (attribute, value))
        .collect()
}

impl Pod {
    /// Tends those of the person's own views that these entities have to do with, or in which something happened.
    fn tend_touched(&self, touched: Option<BTreeMap<EntityId, Own>>) -> Result<(), PodError> {
        let Some(touched) = touched else {
            self.tended().lock().classifier = None;
            return self.tend_views(None).map(drop);
        };
        let Some(views) = self.any_views()? else {
            return Ok(());
        };
        let now = self.replica().snapshot();
        let mut todo: BTreeMap<Did, BTreeSet<EntityId>> = BTreeMap::new();
        {
            let mut kept = self.tended().lock();
            let after = |id: &EntityId| now.eid(id).map(|e| values(&now, e)).unwrap_or_default();
            let both: Vec<(EntityId, Own, Own)> = touched
                .into_iter()
                .map(|(id, before)| (id, before, after(&id)))
                .collect();
            let of_view = |own: &Own| own.iter().any(|(a, _)| a.as_str().starts_with("view/"));
            if both
                .iter()
                .any(|(_, before, after)| of_view(before) || of_view(after))
            {
                kept.classifier = None;
            }
            let classifier = match &mut kept.classifier {
                Some(classifier) => classifier,
                none => none.insert(self.classifier()?),
            };
            for (id, before, after) in &both {
                for touched in classifier.affected(&as_values(before), &as_values(after)) {
                    todo.entry(touched.share).or_default().insert(*id);
                }
            }
        }
        let mut tended = false;
        // what happens from now on is looked at next time
        let mut which = views.take_happened();
        which.extend(todo.keys().copied());
        for did in which {
            let Some(view) = views.get(&did).filter(|view| view.is_owner()) else {
                continue;
            };
            let far = self.tended().lock().views.get(&view.did()).copied();
            let happened = far.is_none_or(|far| far.generation != view.generation());
            let entities = todo.remove(&view.did());
            if far.is_none() {
                self.tend_view(&view, None)?;
            } else if happened || entities.is_some() {
                self.tend_view(&view, Some(&entities.unwrap_or_default()))?;
            }
            tended = true;
        }
        // somebody may have come to where one has moved
        if tended && !self.tended().lock().old.is_empty() {
            self.move_views(usize::MAX)?;
        }
        Ok(())
    }

    fn classifier(&self) -> Result<Classifier<Did>, PodError> {
        let mut out = Classifier::default();
        for record in self.view_records()? {
            if let (None, Some(predicate)) = (record.of, record.predicate) {
                out.insert(record.did, predicate);
            }
        }
        Ok(out)
    }
}

/// Whether what the pod says of views and grants may be another than when it was read last.
struct Noted {
    /// Something was said of them.
    said: AtomicBool,
    /// Views that were here then; nothing if more is to be tried.
    here: Mutex<Option<usize>>,
}

impl Noted {
    fn new() -> Self {
        Self {
            said: AtomicBool::new(true),
            here: Mutex::new(None),
        }
    }

    /// Hears what is said in the pod.
    fn hear(&self, change: &Change) {
        let mut last = None;
        let facts = change.added.iter().chain(&change.removed);
        let mut attributes = facts.map(|f| f.a).filter(|a| last.replace(*a) != Some(*a));
        let of_views = |name: &str| name.starts_with("view/") || name.starts_with("grant/");
        if change.reset || attributes.any(|a| change.after.attribute(a).is_some_and(of_views)) {
            self.said.store(true, Ordering::Release);
        }
    }
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
        // as long as nothing is shared, nobody's values are read
        let shares = Arc::new(AtomicBool::new(false));
        let (told, tell, looks) = (
            Arc::clone(&touched),
            Arc::clone(&happened),
            Arc::clone(&shares),
        );
        let noted = Arc::new(Noted::new());
        let hears = Arc::clone(&noted);
        let (number, _) = pod.replica().listen(move |change| {
            hears.hear(change);
            if looks.load(Ordering::Relaxed) {
                touch(&told, change);
            } else {
                *told.lock() = None;
            }
            tell.notify_one();
        });
        let _listening = Listening { pod: &pod, number };
        let mut devices = pod.device_log().1.len();
        loop {
            let now = pod.device_log().1.len();
            if std::mem::replace(&mut devices, now) != now {
                *touched.lock() = None;
            }
            let views = block_in_place(|| pod.any_views()).ok().flatten();
            let changes = views.map(crate::Views::changes);
            let own = views.is_some_and(|views| views.list().iter().any(|view| view.is_owner()));
            shares.store(own, Ordering::Relaxed);
            let some = touched.lock().replace(BTreeMap::new());
            if let Err(error) = block_in_place(|| pod.tend_touched(some)) {
                tracing::warn!(%error, "what is shared is not up to date");
                *touched.lock() = None;
            }
            if let Err(error) = self.follow_moves().await {
                tracing::warn!(%error, "what others share was not followed to where it has moved");
            }
            let wait = match block_in_place(|| pod.take_all_keys()) {
                Ok((_, true)) => SOON,
                Ok((_, false)) => LOOK,
                Err(error) => {
                    tracing::warn!(%error, "the keys that owners gave were not taken");
                    LOOK
                }
            };
            let in_views = async {
                match changes {
                    Some(mut changes) => drop(changes.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = happened.notified() => (),
                () = in_views => (),
                () = tokio::time::sleep(wait) => {
                    pod.rest_followed();
                    if let Err(error) = block_in_place(|| pod.take_back_expired()) {
                        tracing::warn!(%error, "what is over was not taken back");
                    }
                    let looked = match self.find_noted(&noted).await {
                        Ok(_) => self.tell_outside().await,
                        Err(error) => Err(error),
                    };
                    let looked = match looked {
                        Ok(_) => self.ask_again().await,
                        Err(error) => Err(error),
                    };
                    if let Err(error) = looked {
                        tracing::debug!(%error, "other devices and owners were not asked");
                    }
                }
            }
            tokio::time::sleep(TOGETHER).await;
        }
    }

    /// As [`Self::find_views`], if there can be anything to find. Whether it was looked.
    async fn find_noted(&self, noted: &Noted) -> Result<bool, PodError> {
        let here = || {
            Ok::<_, PodError>(
                self.pod()
                    .any_views()?
                    .map_or(0, |views| views.list().len()),
            )
        };
        let before = noted.here.lock().take();
        // what is said from now on is read next time
        if !noted.said.swap(false, Ordering::AcqRel) && before == Some(block_in_place(here)?) {
            *noted.here.lock() = before;
            return Ok(false);
        }
        let (_, settled) = self.look_for_views().await?;
        *noted.here.lock() = settled.then_some(block_in_place(here)?);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use rhizome_replica::Edit;

    use super::*;
    use crate::{Opening, PodHome, Seed};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_noted_of_views_is_read_again_when_something_is_said_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let home = PodHome::at(dir.path().join("pod"));
        let pod = Arc::new(home.init(&Opening::by("test")).unwrap());
        let any = "127.0.0.1:0".parse().unwrap();
        let node = PodNode::start(Arc::clone(&pod), vec![any]).await.unwrap();
        let noted = Arc::new(Noted::new());
        let hears = Arc::clone(&noted);
        let (number, _) = pod.replica().listen(move |change| hears.hear(change));
        let looked = async || node.find_noted(&noted).await.unwrap();
        let say = |attribute: &str| {
            let (entity, _) = r::named(pod.did(), "x", attribute);
            let attribute = r::attribute(attribute).unwrap();
            let said = vec![Edit::Assert(entity, attribute, "it".into())];
            pod.write_own(said).unwrap();
        };
        assert!(looked().await && !looked().await);
        say("note/text");
        assert!(!looked().await);
        say("grant/to");
        assert!(looked().await && !looked().await);
        pod.create_group("the club").unwrap();
        assert!(looked().await && !looked().await);
        // another device noted one that cannot be reached: it is tried again each time
        let seed = Seed::generate().unwrap();
        let elsewhere = Did::from_key(seed.public());
        let entity = pod
            .note_view(&elsewhere, &seed, None, None, &[], false)
            .unwrap();
        assert!(looked().await && looked().await);
        pod.forget_view(entity).unwrap();
        assert!(looked().await && !looked().await);
        pod.replica().unlisten(number);
        node.shutdown().await.unwrap();
    }
}
