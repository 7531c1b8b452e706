//! The tuples of all who are followed, kept up to date.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rhizome_identity::Did;
use rhizome_replica::{Mirror, Said, Snapshot, key};
use rhizome_tuple::{Attribute, EntityId};

use super::sources::{Source, by, said, shows_maker};
use crate::{Pod, PodError, View, home::random_bytes, live::Hub, views::Touched};

/// What says who says something: no view can set it.
pub(super) const OF: &str = "view/of";
/// Entities that are said at once.
const AT_ONCE: usize = 16_384;
/// Entities and tuples that are followed at most: what fits into memory.
const MAX_ENTITIES: usize = 2_000_000;
const MAX_TUPLES: u64 = 16_000_000;
/// For how long nobody has to ask before it is let go of.
const IDLE: Duration = Duration::from_mins(5);

/// What is followed, once somebody asks for it.
#[derive(Default)]
pub(crate) struct Followings(Mutex<Option<(Arc<Feed>, Instant)>>);

/// Many pods as one, in memory.
pub(crate) struct Feed {
    mirror: Arc<Mirror>,
    hub: OnceLock<Hub>,
    work: Mutex<Work>,
    of: Attribute,
}

#[derive(Default)]
struct Work {
    sources: BTreeMap<u32, Source>,
    numbers: BTreeMap<Did, u32>,
    next: u32,
    /// Those that say something of an entity.
    speakers: HashMap<EntityId, Vec<u32>>,
    /// By what it was decided who is followed: commits of the pod, and views of the home.
    version: Option<(u32, usize)>,
    /// It did not fit.
    full: bool,
}

/// A view for a moment; closed again some time afterwards, if it was.
struct Peek<'v> {
    view: &'v Arc<View>,
    now: Snapshot,
    was_open: bool,
}

impl<'v> Peek<'v> {
    fn new(view: &'v Arc<View>) -> Result<Self, PodError> {
        let was_open = view.is_open();
        Ok(Self {
            now: view.replica()?.snapshot(),
            view,
            was_open,
        })
    }
}

impl Drop for Peek<'_> {
    fn drop(&mut self) {
        if !self.was_open
            && let Err(error) = self.view.rest()
        {
            tracing::warn!(view = %self.view.did(), %error, "a view was not closed");
        }
    }
}

impl Feed {
    fn new() -> Result<Self, PodError> {
        let mut salt = [0; 32];
        random_bytes()?(&mut salt);
        Ok(Self {
            mirror: Arc::new(Mirror::new(salt)),
            hub: OnceLock::new(),
            work: Mutex::default(),
            of: Attribute::new(OF).map_err(|e| PodError::Replica(e.into()))?,
        })
    }

    /// The tuples as they were when it was brought up to date last.
    pub fn snapshot(&self) -> Snapshot {
        self.mirror.snapshot()
    }

    /// Live queries and live entities.
    pub fn hub(&self) -> Result<&Hub, PodError> {
        // whoever comes second waits
        let _alone = self.work.lock();
        if let Some(hub) = self.hub.get() {
            return Ok(hub);
        }
        let source = Arc::clone(&self.mirror);
        let hub = Hub::start(source)?;
        Ok(self.hub.get_or_init(|| hub))
    }

    /// Brings it up to all that has come.
    fn catch_up(&self, pod: &Pod) -> Result<(), PodError> {
        let mut work = self.work.lock();
        if work.full {
            return Err(full());
        }
        let done = self.look(&mut work, pod);
        if done.is_err() {
            // what was taken note of is lost: everything is looked at next time
            for source in work.sources.values() {
                source.view.ignore_touched();
            }
        }
        done
    }

    fn look(&self, work: &mut Work, pod: &Pod) -> Result<(), PodError> {
        let mut undecided = work.follow(pod)?;
        let mut todo: Vec<(u32, Option<BTreeSet<EntityId>>)> = Vec::new();
        for (number, source) in &work.sources {
            match source.view.take_touched() {
                Touched::These(some) if some.is_empty() => (),
                Touched::These(some) => todo.push((*number, Some(some))),
                Touched::Unknown => todo.push((*number, None)),
            }
        }
        // of many views at once: what is said is copied for those who read
        let mut part = Vec::new();
        for (number, entities) in todo {
            self.hear(work, number, entities, (&mut part, &mut undecided))?;
        }
        self.say(work, &mut part)?;
        for entity in undecided {
            part.push(self.decide(work, entity)?);
            if part.len() >= AT_ONCE {
                self.say(work, &mut part)?;
            }
        }
        self.say(work, &mut part)
    }

    /// Takes in what one view says of these entities, or of all. What others speak of too is left undecided.
    fn hear(
        &self,
        work: &mut Work,
        number: u32,
        entities: Option<BTreeSet<EntityId>>,
        (part, undecided): (&mut Vec<Said>, &mut BTreeSet<EntityId>),
    ) -> Result<(), PodError> {
        let Some(source) = work.sources.get(&number) else {
            return Ok(());
        };
        let (view, of) = (Arc::clone(&source.view), Arc::clone(&source.of));
        let peek = Peek::new(&view)?;
        let entities = entities.unwrap_or_else(|| {
            let now = peek.now.entities().filter_map(|e| peek.now.entity_id(e));
            let before = work.speakers.iter();
            let before = before.filter(|(_, all)| all.contains(&number));
            now.chain(before.map(|(e, _)| *e)).collect()
        });
        for entity in entities {
            let says = said(&peek.now, entity);
            let all = work.speakers.entry(entity).or_default();
            if says.is_none() {
                all.retain(|other| *other != number);
                undecided.insert(entity);
                continue;
            }
            if !all.contains(&number) {
                all.push(number);
            }
            match says {
                Some(says) if all.len() == 1 => part.push(by(says, &self.of, &of)),
                _ => {
                    undecided.insert(entity);
                }
            }
            if part.len() >= AT_ONCE {
                self.say(work, part)?;
            }
        }
        Ok(peek.now.fault()?)
    }

    /// What counts of an entity.
    fn decide(&self, work: &mut Work, entity: EntityId) -> Result<Said, PodError> {
        let nothing = Said {
            entity,
            values: Vec::new(),
        };
        let speakers = work.speakers.get(&entity).cloned().unwrap_or_default();
        if speakers.is_empty() {
            work.speakers.remove(&entity);
            return Ok(nothing);
        }
        let alone = speakers.len() == 1;
        let mut best = None;
        for source in speakers.iter().filter_map(|n| work.sources.get(n)) {
            let peek = Peek::new(&source.view)?;
            let makes = alone || shows_maker(&peek.now, &entity, &source.of)?;
            let ended = !alone && !source.view.is_member();
            let rank = (!makes, source.since_ms, Arc::clone(&source.of), ended);
            let rank = (rank, source.view.did());
            let first = best.as_ref().is_none_or(|(before, _)| rank < *before);
            if first && let Some(says) = said(&peek.now, entity) {
                best = Some((rank, by(says, &self.of, &source.of)));
            }
            peek.now.fault()?;
        }
        Ok(best.map_or(nothing, |(_, says)| says))
    }

    fn say(&self, work: &mut Work, part: &mut Vec<Said>) -> Result<(), PodError> {
        if part.is_empty() {
            return Ok(());
        }
        self.mirror.say(part)?;
        part.clear();
        if work.speakers.len() > MAX_ENTITIES || self.mirror.snapshot().len() > MAX_TUPLES {
            work.full = true;
            return Err(full());
        }
        Ok(())
    }
}

fn full() -> PodError {
    PodError::Request(format!(
        "what you follow does not fit into memory as one ({MAX_ENTITIES} entities, {MAX_TUPLES} tuples): follow fewer, or ask one at a time with `--pod DID`"
    ))
}

impl Work {
    /// Makes the sources those that are followed now; the entities of which somebody spoke who is not.
    fn follow(&mut self, pod: &Pod) -> Result<BTreeSet<EntityId>, PodError> {
        let mut left = BTreeSet::new();
        let views = pod.any_views()?.map_or(0, |views| views.list().len());
        let version = (pod.replica().snapshot().commit_count(), views);
        if self.version == Some(version) {
            return Ok(left);
        }
        let mut now = pod.sources()?;
        let mut gone = BTreeSet::new();
        let mut moved = BTreeSet::new();
        for (number, source) in &mut self.sources {
            match now.remove(&source.view.did()) {
                // one that was removed and followed again is another view
                Some(new) if Arc::ptr_eq(&new.view, &source.view) => {
                    if new.since_ms != source.since_ms {
                        moved.insert(*number);
                    }
                    *source = new;
                }
                other => {
                    gone.insert(*number);
                    now.extend(other.map(|new| (new.view.did(), new)));
                }
            }
        }
        for number in &gone {
            if let Some(source) = self.sources.remove(number) {
                source.view.ignore_touched();
                self.numbers.remove(&source.view.did());
            }
        }
        if !gone.is_empty() || !moved.is_empty() {
            for (entity, all) in &mut self.speakers {
                let before = all.len();
                let is_moved = all.iter().any(|n| moved.contains(n));
                all.retain(|n| !gone.contains(n));
                if all.len() < before || is_moved {
                    left.insert(*entity);
                }
            }
        }
        for (did, source) in now {
            source.view.ignore_touched();
            self.next += 1;
            self.numbers.insert(did, self.next);
            self.sources.insert(self.next, source);
        }
        self.version = Some(version);
        Ok(left)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        for source in self.work.get_mut().sources.values() {
            source.view.ignore_touched();
        }
    }
}

impl Pod {
    /// What this person follows, up to all that has come: made when it is first asked for.
    pub(crate) fn followed(&self) -> Result<Arc<Feed>, PodError> {
        let feed = {
            let mut kept = self.followings().0.lock();
            let feed = match kept.take() {
                Some((feed, _)) => feed,
                None => Arc::new(Feed::new()?),
            };
            *kept = Some((Arc::clone(&feed), Instant::now()));
            feed
        };
        let done = feed.catch_up(self);
        if done.is_err() {
            // whoever asks next begins anew
            *self.followings().0.lock() = None;
        }
        done.map(|()| feed)
    }

    /// Lets go of what nobody has asked for lately.
    pub(crate) fn rest_followed(&self) {
        let mut kept = self.followings().0.lock();
        let idle = kept
            .as_ref()
            .is_some_and(|(feed, at)| at.elapsed() > IDLE && Arc::strong_count(feed) == 1);
        if idle {
            *kept = None;
        }
    }
}

/// The values of an attribute of an entity of a moment.
pub(super) fn values_of(
    now: &Snapshot,
    e: rhizome_replica::Eid,
    name: &str,
) -> impl Iterator<Item = rhizome_tuple::Value> {
    let range = now.aid(name).map(|a| key::eav_ea(e, a));
    let facts = range.map(|(lo, hi)| now.eav().range(lo, hi).map(key::un_eav));
    facts
        .into_iter()
        .flatten()
        .filter_map(|fact| now.value(fact.v))
        .collect::<Vec<_>>()
        .into_iter()
}
