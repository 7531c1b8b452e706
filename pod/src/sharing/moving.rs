//! When a device of the person's is taken out it still knows by what the person's views are acted in. So what is shared moves to new views, whose keys it does not know, and guests are told where by a
//! word that a device of the pod has signed: the key of the old view shows nothing any more.
//!
//! Every step follows from what is there, and may be done by any device and again. The seed of the new view follows from a secret of the pod that began when the device was taken out, so several
//! devices make the same one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use rhizome_capability::{Policy, Principal};
use rhizome_identity::{Did, Role};
use rhizome_ipld::Cid;
use rhizome_network::PeerAddress;
use rhizome_share::Predicate;
use rhizome_tuple::EpochId;
use rhizome_view::{Grant, Guests, Instead, Moved, Note, Power, ViewError};
use tokio::task::block_in_place;

use super::{
    Given,
    give::seconds,
    keys::Purpose,
    records::{self as r, ViewRecord},
};
use crate::{Pod, PodError, PodNode, Seed, View, touch::DIAL_TIME};

/// What derives the seed of a view in the place of another one.
const VIEW: &str = "rhizome moved view v1";
/// What derives the seed of a guest's key there.
const GUEST: &str = "rhizome moved view guest v1";
/// What a wrapped seed is.
const WRAP_INFO: &[u8] = b"rhizome moved view wrap v1";
/// Places of a view that a guest is told.
const MAX_PLACES: usize = 8;
/// How often it is asked again what somebody makes public who has taken something back.
const ASK_AGAIN: Duration = Duration::from_hours(1);

/// What is known of the epochs of the pod, as long as it has so many certificates.
#[derive(Default)]
pub(super) struct Fresh {
    certificates: usize,
    epochs: BTreeMap<[u8; 8], bool>,
}

/// What this home knows of views of others that moved.
#[derive(Default)]
pub(crate) struct Moving {
    /// Those in which it is told.
    views: BTreeSet<Did>,
    /// Of what is followed, whether it was taken back when it had this generation.
    ended: BTreeMap<Did, (u64, bool)>,
    /// When somebody was asked what he makes public.
    asked: BTreeMap<String, Instant>,
}

impl Moving {
    /// Has it looked at what became of one.
    pub fn expect(&mut self, view: Did) {
        self.views.insert(view);
    }
}

/// What derives a seed from another one and a name.
fn derive(context: &str, secret: &[u8; 32], name: &[u8]) -> Seed {
    let mut key = blake3::derive_key(context, secret);
    let mut seed = *blake3::keyed_hash(&key, name).as_bytes();
    zeroize::Zeroize::zeroize(&mut key);
    Seed::take(&mut seed)
}

fn purpose(from: &Did, new: &Grant, to: &Did) -> Purpose {
    Purpose {
        info: WRAP_INFO,
        names: format!("{from}\0{to}\0{}\0{}\0", new.to(), new.id()),
    }
}

/// One view that is to move, and the one in its place.
struct Move<'a> {
    predicate: &'a Predicate,
    view: &'a Arc<View>,
    guests: Guests,
    new: Arc<View>,
    there: Guests,
}

impl Pod {
    /// Whether an epoch can be read by nobody but devices of now.
    fn is_fresh(&self, epoch: EpochId) -> bool {
        let member = self.member();
        let trust = member.trust();
        let set = trust.set();
        let mut kept = self.tended().lock();
        if kept.fresh.certificates != set.len() {
            kept.fresh.epochs.clear();
            kept.fresh.certificates = set.len();
        }
        let known = kept.fresh.epochs.entry(epoch.0);
        *known.or_insert_with(|| set.is_fresh(&epoch))
    }

    /// Whether somebody knows by what one of the person's own views is acted in who is none of his devices any more, and there is a secret now that he does not know.
    pub(super) fn is_known_outside(&self, record: &ViewRecord) -> bool {
        record.of.is_none() && self.has_old_secret(record)
    }

    /// Whether a device that is none of the person's any more knows by what he acts in a view, and there is a secret now that it does not know.
    pub(super) fn has_old_secret(&self, record: &ViewRecord) -> bool {
        record.epochs().any(|epoch| !self.is_fresh(epoch)) && self.fresh_secret().is_some()
    }

    /// Moves what is shared out of views that a device knows which is none of the person's any more, in at most so many steps. How many were done; what is to be done next may have to
    /// wait for guests. Tending does all there is.
    ///
    /// # Errors
    /// Those of the stores. What was done before is done, and the rest may be done by any device and at any time.
    pub fn move_views(&self, most: usize) -> Result<usize, PodError> {
        self.move_these(&self.view_records()?, most)
    }

    /// As [`Self::move_views`], those of these.
    pub(super) fn move_these(
        &self,
        records: &[ViewRecord],
        most: usize,
    ) -> Result<usize, PodError> {
        let Some(views) = self.any_views()? else {
            return Ok(0);
        };
        let mut steps = 0;
        for record in records {
            let is_old = record.moved.is_some() || self.is_known_outside(record);
            if record.of.is_none()
                && is_old
                && let Some(view) = views.get(&record.did)
            {
                // what guests said there before is decided about first
                self.tend_view(&view, None)?;
                while steps < most && self.move_view(record, &view)? {
                    steps += 1;
                }
            }
        }
        Ok(steps)
    }

    /// Makes the view in the place of one, if this home can.
    fn make_place(
        &self,
        record: &ViewRecord,
        predicate: &Predicate,
    ) -> Result<Option<Arc<View>>, PodError> {
        let views = self.views()?;
        let Some(secret) = self.fresh_secret() else {
            return Ok(None);
        };
        let name = record.did.to_string();
        let seed = derive(VIEW, secret.expose(), name.as_bytes());
        let new = views.create_by(&seed)?;
        let public = record.public;
        self.note_view(&new.did(), &seed, None, Some(predicate), &[], public)?;
        self.show_log(&new, &new.guests()?, predicate)?;
        self.note_moved(record, &new.did())?;
        Ok(Some(new))
    }

    /// Does one step. Whether there was one.
    fn move_view(&self, record: &ViewRecord, view: &Arc<View>) -> Result<bool, PodError> {
        let Some(predicate) = &record.predicate else {
            return Ok(false);
        };
        let mut open = self.grants_in(view)?;
        open.retain(|given| given.revoked_ms.is_none());
        let now = self.replica().snapshot();
        let moved = r::view_record(&now, record.entity).and_then(|record| record.moved);
        // what is noted without a view was noted by nobody who moved it
        let moved = moved.filter(|to| {
            let (entity, _) = r::named(self.did(), "view", &to.to_string());
            r::view_record(&now, entity).is_some_and(|to| {
                to.of.is_none() && to.public == record.public && to.predicate == record.predicate
            })
        });
        let new = match moved {
            _ if open.is_empty() => None,
            Some(to) => self.views()?.get(&to),
            None => return Ok(self.make_place(record, predicate)?.is_some()),
        };
        // if another device made it, it comes
        let Some(new) = new else { return Ok(false) };
        let (_, log) = self.device_log();
        let (mut guests, there) = (view.guests()?, new.guests()?);
        guests.learn(&log);
        let all = Move {
            predicate,
            view,
            guests,
            new,
            there,
        };
        for given in open {
            if self.move_grant(&all, &given)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does what is next to be done about one grant. Whether there was anything.
    fn move_grant(&self, all: &Move, given: &Given) -> Result<bool, PodError> {
        let Ok(id) = given.id.parse::<Cid>() else {
            return Ok(false);
        };
        let mut places = self.grants_in(&all.new)?;
        places.retain(|new| new.instead.as_ref() == Some(&given.id));
        if places.is_empty() {
            return self.give_there(all, given, &id);
        }
        places.retain(|new| new.revoked_ms.is_none());
        places.sort_by(|a, b| a.id.cmp(&b.id));
        let Some((new, twice)) = places.split_first() else {
            // it was taken back where it went on
            self.end(all.view, given)?;
            return Ok(true);
        };
        for other in twice {
            // two devices did it at once: by the same key
            self.note_end(&all.new, other)?;
        }
        let mut told = all.guests.moved();
        if !told.any(|(_, told, _)| told.id().to_string() == new.id) {
            return self.tell_where(all, given, new);
        }
        let came = given.public || all.there.shown(&given.to).next().is_some();
        if came && all.view.replica()?.snapshot().gaps()? == 0 {
            self.end(all.view, given)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Gives in the new view what was given in the old one.
    fn give_there(&self, all: &Move, given: &Given, id: &Cid) -> Result<bool, PodError> {
        let (view, new) = (all.view, &all.new);
        let Some(power) = given.power else {
            return Ok(false);
        };
        let old = all.guests.grants.iter().find(|grant| grant.id() == id);
        let Some(old) = old.filter(|old| old.delegation.check_time(seconds()).is_ok()) else {
            return Ok(false);
        };
        let key = if given.public {
            Seed::of_public(&new.did()).public()
        } else {
            // who has not come yet is told when he comes
            if all.guests.shown(&given.to).next().is_none() {
                return Ok(false);
            }
            let seed = derive(GUEST, new.seed().expose(), &id.to_bytes());
            let key = seed.public();
            let was_there = new.member()?.trust().set().resolution().was_listed(&key);
            if !was_there {
                let role = match power {
                    Power::Write => Role::Guest,
                    _ => Role::Reader,
                };
                new.add_as(&seed, role)?;
            }
            key
        };
        let to = if given.public {
            Principal::of(&key)
        } else {
            given.to.parse().map_err(ViewError::from)?
        };
        let instead = Instead { grant: *id, key };
        let until = old.delegation.expires();
        let grant = self.delegate(new, (to, power), all.predicate, until, Some(&instead))?;
        new.leave(&[Note::Grant(grant.delegation.bytes().to_vec())])?;
        self.note_grant(new, &grant, &given.to, &key)?;
        if given.public && !new.member()?.is_device(&key) {
            new.add_followers()?;
        }
        tracing::info!(from = %view.did(), to = %new.did(), "a grant goes on in another view: a device was taken out that knows the first one");
        Ok(true)
    }

    /// Tells the holder of a grant where it goes on.
    fn tell_where(&self, all: &Move, given: &Given, new: &Given) -> Result<bool, PodError> {
        let there = all.there.grants.iter();
        let Some(grant) = there.into_iter().find(|g| g.id().to_string() == new.id) else {
            return Ok(false);
        };
        let wraps = if given.public {
            Vec::new()
        } else {
            let Some(log) = all.guests.log(&given.to) else {
                return Ok(false);
            };
            let old: Option<Cid> = given.id.parse().ok();
            let Some(old) = old else { return Ok(false) };
            let seed = derive(GUEST, all.new.seed().expose(), &old.to_bytes());
            purpose(&all.view.did(), grant, &all.new.did()).wrap(log, &seed)?
        };
        let places = self.peers()?.into_iter().map(|peer| peer.address);
        all.view.leave(&[Note::Moved(Moved {
            delegation: grant.delegation.bytes().to_vec(),
            places: places.take(MAX_PLACES).collect(),
            wraps,
        })])?;
        Ok(true)
    }
}

/// Where a view of somebody else's goes on.
struct Goes {
    to: Did,
    of: Did,
    policy: Policy,
    /// What this person acts by there; nothing if it is public.
    seed: Option<Seed>,
    places: Vec<PeerAddress>,
}

impl Pod {
    /// Where a view of somebody else's goes on for this person, if its owner said so.
    fn goes(&self, record: &ViewRecord, view: &View) -> Result<Option<Goes>, PodError> {
        let guests = view.guests()?;
        let followers = Seed::of_public(&view.did()).public();
        let mut found = None;
        for (old, new, moved) in guests.moved() {
            let to = new.delegation.meta().get("view");
            let to = to.and_then(|to| String::try_from(to.clone()).ok());
            let to: Option<Did> = to.and_then(|to| to.parse().ok());
            let (Some(to), Ok(of), Some(instead)) = (to, guests.of.parse(), new.instead()) else {
                continue;
            };
            if new.delegation.check_time(seconds()).is_err() {
                continue;
            }
            let seed = if record.public {
                let key = new.delegation.audience().key();
                if old.delegation.audience().key() != Some(&followers)
                    || key != Some(&Seed::of_public(&to).public())
                {
                    continue;
                }
                None
            } else {
                if old.to() != self.did() || new.to() != self.did() {
                    continue;
                }
                let purpose = purpose(&view.did(), &new, &to);
                let seed = self.unwrap_seed(&purpose, &instead.key, &moved.wraps);
                // if it is for other devices, they note it
                let Some(seed) = seed else { continue };
                Some(seed)
            };
            let told = moved.places.iter().take(MAX_PLACES);
            let places = record.places.iter().chain(told);
            // the last word counts: what is in the place of that, too, may have moved
            found = Some(Goes {
                to,
                of,
                policy: new.delegation.policy().clone(),
                seed,
                places: places.filter_map(|place| place.parse().ok()).collect(),
            });
        }
        Ok(found)
    }

    /// Notes that something is told in a view of somebody else's about where it goes on. Whether it is.
    pub(super) fn look_where(&self, view: &Arc<View>) -> Result<bool, PodError> {
        if view.is_owner() {
            return Ok(false);
        }
        let moves = view.guests()?.moved().next().is_some();
        if moves {
            self.moving().lock().views.insert(view.did());
        }
        Ok(moves)
    }

    /// Forgets a view of somebody else's that goes on in another one, once nothing of this person's waits there. Whether it did.
    fn leave_behind(
        &self,
        record: &ViewRecord,
        view: &Arc<View>,
        to: &Did,
    ) -> Result<bool, PodError> {
        let Some(new) = self.views()?.get(to) else {
            return Ok(false);
        };
        if record.public {
            self.forget_view(record.entity)?;
            return self.views()?.remove(&record.did);
        }
        if new.guests()?.shown(self.did()).next().is_none() {
            return Ok(false);
        }
        if view.is_member() {
            let here = view.guests()?;
            let now = view.replica()?.snapshot();
            let (waiting, _) = rhizome_view::pending(&now, 0)?;
            let mine = |key| here.claimed(key) == Some(self.did());
            if waiting.iter().any(|one| mine(&one.author)) {
                return Ok(false);
            }
        } else {
            // what came before this person was taken out was decided about
            let here = view.member()?.processes().into_iter().map(|(_, key)| key);
            let authors: Vec<_> = here.chain(view.before().iter().copied()).collect();
            while self.say_in(&new, &new.guests()?, (view, &authors))? {}
        }
        // the other devices of this person may have something to say again: that it has moved stays noted
        self.views()?.remove(&record.did)
    }
}

impl PodNode {
    /// Goes where views of others have moved to. How many were found or left behind; what cannot be reached is tried next time.
    ///
    /// # Errors
    /// Those of the stores.
    pub(crate) async fn follow_moves(&self) -> Result<usize, PodError> {
        let pod = Arc::clone(self.pod());
        let todo = pod.moving().lock().views.clone();
        let mut done = 0;
        for did in todo {
            let (entity, _) = r::named(pod.did(), "view", &did.to_string());
            let found = block_in_place(|| {
                let record = r::view_record(&pod.replica().snapshot(), entity);
                let view = pod.views()?.get(&did);
                let Some((record, view)) = record.zip(view) else {
                    return Ok(None);
                };
                let goes = pod.goes(&record, &view)?;
                Ok::<_, PodError>(Some((record, view, goes)))
            })?;
            let Some((record, view, goes)) = found else {
                pod.moving().lock().views.remove(&did);
                continue;
            };
            let to = match &goes {
                Some(goes) if record.moved != Some(goes.to) => {
                    match self.go_there(&record, goes).await {
                        Ok(()) => done += 1,
                        Err(error) => {
                            tracing::debug!(%error, view = %did, "what is shared has moved, and cannot be reached there yet");
                            continue;
                        }
                    }
                    Some(goes.to)
                }
                _ => record.moved,
            };
            if let Some(to) = to
                && block_in_place(|| pod.leave_behind(&record, &view, &to))?
            {
                done += 1;
                pod.moving().lock().views.remove(&did);
            }
        }
        Ok(done)
    }

    async fn go_there(&self, record: &ViewRecord, goes: &Goes) -> Result<(), PodError> {
        let pod = Arc::clone(self.pod());
        let mut failed = PodError::Request("nobody said where it is kept".into());
        for place in &goes.places {
            let gone = match &goes.seed {
                None => {
                    let _alone = pod.following_now().lock().await;
                    self.follow_view(&goes.to, &goes.of, place).await
                }
                Some(seed) => {
                    let enter = self.enter_moved(goes, seed, place);
                    let entered = tokio::time::timeout(DIAL_TIME * 4, enter).await;
                    entered.unwrap_or_else(|_| Err(PodError::Peer("no answer in time".into())))
                }
            };
            match gone {
                Ok(()) => return block_in_place(|| pod.note_moved(record, &goes.to)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Comes to the view in which a grant goes on.
    async fn enter_moved(
        &self,
        goes: &Goes,
        seed: &Seed,
        place: &PeerAddress,
    ) -> Result<(), PodError> {
        let pod = Arc::clone(self.pod());
        let was_there = block_in_place(|| pod.views())?.get(&goes.to).is_some();
        let view = match block_in_place(|| pod.views())?.get(&goes.to) {
            Some(view) => view,
            None => self.join_view(&goes.to, seed, place).await?,
        };
        self.sync_view(&view, place).await?;
        block_in_place(|| {
            let checked = pod.check_granted(&view).and_then(|guests| {
                // not by what the old view says it is of: its key is known to others
                let policy = guests.predicate.as_ref().map(Predicate::to_policy);
                let same = policy.is_some_and(|p| p.is_ok_and(|policy| policy == goes.policy));
                let is_it = same && guests.of == goes.of.to_string();
                is_it.then_some(guests).ok_or_else(|| {
                    PodError::Refused("what is said to be in its place is something else".into())
                })
            });
            let guests = match checked {
                Ok(guests) => guests,
                Err(error) => {
                    if !was_there {
                        pod.views()?.remove(&goes.to)?;
                    }
                    return Err(error);
                }
            };
            view.set_addresses(&goes.places)?;
            pod.claim(&view, &guests)?;
            let places: Vec<String> = goes.places.iter().map(ToString::to_string).collect();
            let predicate = guests.predicate.as_ref();
            let of = Some(guests.of.as_str());
            pod.note_view(&goes.to, view.seed(), of, predicate, &places, false)?;
            pod.take_keys(&goes.to, usize::MAX).map(drop)
        })?;
        // what is not told now is told with the next exchange
        if let Err(error) = self.sync_view(&view, place).await {
            tracing::debug!(%error, "the owner's devices were not told yet");
        }
        Ok(())
    }

    /// Looks for what is in the place of what somebody made public and took back. How many were found.
    ///
    /// # Errors
    /// Those of the stores.
    pub(crate) async fn ask_again(&self) -> Result<usize, PodError> {
        let pod = Arc::clone(self.pod());
        let ended: Vec<Did> = block_in_place(|| {
            let Some(views) = pod.any_views()? else {
                return Ok(Vec::new());
            };
            let mut out = BTreeSet::new();
            for view in views.list() {
                // nothing is known of it that was not known before
                let generation = view.generation();
                let seen = pod.moving().lock().ended.get(&view.did()).copied();
                if !view.is_followed() || seen == Some((generation, false)) {
                    continue;
                }
                let is_out = match seen {
                    Some((before, is_out)) if before == generation => is_out,
                    _ => {
                        let is_out = !view.is_member();
                        view.rest()?;
                        is_out
                    }
                };
                let known = (view.generation(), is_out);
                pod.moving().lock().ended.insert(view.did(), known);
                let (entity, _) = r::named(pod.did(), "view", &view.did().to_string());
                let record = r::view_record(&pod.replica().snapshot(), entity);
                if let Some(of) = record.and_then(|record| record.of).filter(|_| is_out) {
                    out.extend(of.parse::<Did>().ok());
                }
            }
            let mut moving = pod.moving().lock();
            out.retain(|of| {
                let asked = moving.asked.get(&of.to_string());
                asked.is_none_or(|at| at.elapsed() > ASK_AGAIN)
            });
            for of in &out {
                moving.asked.insert(of.to_string(), Instant::now());
            }
            Ok::<_, PodError>(out.into_iter().collect())
        })?;
        let mut done = 0;
        for of in ended {
            // if there is nothing, it was taken back
            drop(self.follow(&of, None).await);
            done += block_in_place(|| pod.drop_replaced(&of))?;
        }
        Ok(done)
    }
}

impl Pod {
    /// Forgets what somebody made public where something of his is in its place here. How many were.
    fn drop_replaced(&self, of: &Did) -> Result<usize, PodError> {
        let name = of.to_string();
        let mut all = self.view_records()?;
        all.retain(|record| record.public && record.of.as_ref() == Some(&name));
        let mut replaced: BTreeSet<Cid> = BTreeSet::new();
        for record in &all {
            if let Some(view) = self.views()?.get(&record.did) {
                let guests = view.guests()?;
                let good = guests.grants.iter().filter(|grant| {
                    grant.delegation.issuer().did() == name
                        && grant.delegation.verify_signature(&guests).is_ok()
                });
                replaced.extend(good.filter_map(|grant| Some(grant.instead()?.grant)));
            }
        }
        let mut done = 0;
        for record in &all {
            let Some(view) = self.views()?.get(&record.did) else {
                continue;
            };
            let grants = view.guests()?.grants;
            if !grants.is_empty() && grants.iter().all(|grant| replaced.contains(grant.id())) {
                self.forget_view(record.entity)?;
                self.views()?.remove(&record.did)?;
                done += 1;
            }
        }
        Ok(done)
    }
}
