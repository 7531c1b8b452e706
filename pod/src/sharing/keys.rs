//! An invitation opens a view once. As soon as its guest has shown who he is, a device of the owner's gives him another key, that only his devices can open; and when he acts by
//! it, the key of the invitation is taken out.
//!
//! Every step follows from what is there, and may be done by any device and again: what was interrupted goes on with the next tending. The seed of a guest's second key follows
//! from that of the view and the name of the grant, so several devices of the owner make the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rhizome_identity::{Did, Log, Resolution, Role};
use rhizome_ipld::{Cid, PublicKey};
use rhizome_replica::Edit;
use rhizome_share::wrap;
use rhizome_storage::Durability;
use rhizome_tuple::{CommitId, EntityId, Op};
use rhizome_view::{Grant, Guests, Handed, Note, Power, ViewError, write_notes};

use super::{
    GroupRole,
    give::{KEEPER, seconds},
    groups::{first_key, whose},
    proposals::edit,
    records::{self as r, ViewRecord},
};
use crate::{
    Pod, PodError, Seed, View,
    home::{now_ms, random_bytes},
    views::mark,
};

/// What a wrapped seed is.
const WRAP_INFO: &[u8] = b"rhizome view guest wrap v1";
/// What derives the seed of a guest's second key.
const SEED: &str = "rhizome view guest seed v1";
/// Devices that one seed is wrapped for.
const MAX_WRAPS: usize = 64;

/// One step of the owner's.
enum Step {
    /// The guest's second key comes in.
    Admit(Seed, Role),
    /// He is told.
    Tell(Handed),
    /// A key goes out.
    Remove(PublicKey),
}

/// Keys that a guest is given in one view, one after the other, at most.
const MAX_KEYS: u32 = 100;

/// For what a seed is wrapped: nothing else opens it.
pub(super) struct Purpose {
    /// What a wrapped seed is.
    pub info: &'static [u8],
    /// Names that it is bound to, each with a zero byte.
    pub names: String,
}

impl Purpose {
    fn handed(view: &Did, to: &str, grant: &Cid) -> Self {
        Self {
            info: WRAP_INFO,
            names: format!("{view}\0{to}\0{grant}\0"),
        }
    }

    fn context(&self, key: &PublicKey, device: &PublicKey) -> Vec<u8> {
        let mut out = self.names.clone().into_bytes();
        out.extend_from_slice(&key.to_bytes());
        out.extend_from_slice(&device.to_bytes());
        out
    }

    /// A seed, for each device that a log lists.
    pub fn wrap(&self, log: &Log, seed: &Seed) -> Result<Vec<(PublicKey, Vec<u8>)>, PodError> {
        let key = seed.public();
        let resolution = log.resolve();
        let devices = resolution.devices.iter().map(|active| &active.device);
        let readers = devices.filter(|d| matches!(d.role, Role::Admin | Role::Member));
        let mut wraps = BTreeMap::new();
        let mut random = random_bytes()?;
        for device in readers.take(MAX_WRAPS) {
            let context = self.context(&key, &device.key);
            let sealed = wrap::seal(&device.kem, self.info, &context, seed.expose(), &mut random);
            // one whose key is none cannot read; the others can
            if let Ok(sealed) = sealed {
                wraps.insert(device.key, sealed);
            }
        }
        Ok(wraps.into_iter().collect())
    }
}

/// The note that gives a guest a seed.
fn handed(view: &Did, (to, log): (&str, &Log), grant: &Cid, seed: &Seed) -> Result<Note, PodError> {
    Ok(Note::Key(Handed {
        to: to.to_owned(),
        grant: *grant,
        key: seed.public(),
        wraps: Purpose::handed(view, to, grant).wrap(log, seed)?,
    }))
}

/// The seeds of the keys that a guest gets in place of that of his invitation, one after the other: each when a device of his was taken out that knows the one before.
fn seeds<'a>(view: &'a View, grant: &'a Cid) -> impl Iterator<Item = Seed> + 'a {
    (0..MAX_KEYS).map(|number| {
        let mut key = blake3::derive_key(SEED, view.seed().expose());
        let mut name = grant.to_bytes();
        if number > 0 {
            name.extend_from_slice(&number.to_be_bytes());
        }
        let mut seed = *blake3::keyed_hash(&key, &name).as_bytes();
        zeroize::Zeroize::zeroize(&mut key);
        Seed::take(&mut seed)
    })
}

/// By what others act in a view.
struct Present {
    resolution: Arc<Resolution>,
    listed: BTreeMap<PublicKey, Role>,
}

impl Present {
    fn of(view: &View) -> Result<Self, PodError> {
        let member = view.member()?;
        let trust = member.trust();
        let resolution = Arc::clone(trust.set().resolution());
        let devices = resolution.devices.iter();
        let listed = devices.map(|a| (a.device.key, a.device.role)).collect();
        Ok(Self { resolution, listed })
    }

    fn has(&self, key: &PublicKey) -> bool {
        self.listed.contains_key(key)
    }

    /// Whether it was there once, and is not.
    fn had(&self, key: &PublicKey) -> bool {
        !self.has(key) && self.resolution.was_listed(key)
    }
}

/// By which of the view's devices each key writes.
pub(super) fn writers(view: &View) -> Result<BTreeMap<PublicKey, PublicKey>, PodError> {
    let writers = view.member()?.trust().set().writers();
    let of = |(process, writer): (PublicKey, rhizome_share::Writer)| (process, writer.device);
    Ok(writers.into_iter().map(of).collect())
}

/// Whether somebody has shown by a key of the view's that he is this one.
fn shows(
    guests: &Guests,
    did: &str,
    by: &PublicKey,
    writers: &BTreeMap<PublicKey, PublicKey>,
) -> bool {
    let mut shown = guests.shown(did);
    shown.any(|process| writers.get(process) == Some(by))
}

impl Pod {
    /// Whether it is this person who gives the holder of a grant his keys: whoever invited him to a group, and if that one has gone, the most senior admin there.
    fn sees_to(&self, grant: &Grant, guests: &Guests, admins: &[String]) -> bool {
        if guests.group.is_none() {
            return true;
        }
        // nobody can take out a key of his that is senior to the one he acts by
        if grant.to() == self.did() {
            return false;
        }
        let inviter = grant.delegation.issuer().did();
        if admins.iter().any(|admin| admin == inviter) {
            return inviter == self.did();
        }
        admins.first().is_some_and(|admin| admin == self.did())
    }

    /// Whether a device is known in a view as this person's that is none any more.
    fn has_lost_device(&self, guests: &Guests) -> bool {
        let (_, log) = self.device_log();
        let known = guests.log(self.did());
        known.is_some_and(|known| {
            known.len() != log.len() && {
                let (now, before) = (log.resolve(), known.resolve());
                let mut devices = before.devices.iter();
                devices.any(|active| now.device(&active.device.key).is_none())
            }
        })
    }

    /// The key of the invitation to a grant, as far as this device knows.
    fn invited(&self, grant: &Grant, guests: &Guests) -> Option<PublicKey> {
        if guests.group.is_some() {
            return first_key(grant);
        }
        let (entity, _) = r::named(self.did(), "grant", &grant.id().to_string());
        let key = r::text(&self.replica().snapshot(), &entity, r::GUEST)?;
        PublicKey::from_did_key(&key).ok()
    }

    /// What is to be done next about guests' keys in one of the person's own views.
    fn next_step(&self, view: &View, guests: &Guests) -> Result<Option<Step>, PodError> {
        let present = Present::of(view)?;
        let mut due: BTreeSet<PublicKey> = BTreeSet::new();
        let mut process = None;
        let mut admins = Vec::new();
        if guests.group.is_some() {
            let writers = process.insert(writers(view)?);
            let devices = present.resolution.devices.iter().map(|a| &a.device);
            let devices = devices.filter(|device| device.role == Role::Admin);
            admins.extend(devices.filter_map(|device| whose(guests, &device.key, writers)));
        }
        let (open, over): (Vec<_>, Vec<_>) = guests
            .grants
            .iter()
            .filter(|grant| self.sees_to(grant, guests, &admins))
            .partition(|grant| !grant.revoked);
        for grant in open {
            let Some(first) = self.invited(grant, guests) else {
                continue;
            };
            let told = guests.keys.iter().rfind(|h| h.grant == *grant.id());
            let told = told.filter(|told| present.has(&told.key));
            let log = guests.log(grant.to());
            let outdated = told.filter(|told| guests.is_known(told));
            // by which he may be there
            let mut keys: Vec<PublicKey> = guests
                .keys
                .iter()
                .filter(|h| h.grant == *grant.id() && present.has(&h.key))
                .map(|h| h.key)
                .collect();
            keys.extend(present.has(&first).then_some(first));
            due.extend(&keys);
            // those who follow a public view share a key for good
            if present.listed.get(&first) == Some(&Role::Follower)
                || told.is_none() && !present.has(&first)
            {
                continue;
            }
            if let Some(told) = told.filter(|_| outdated.is_none()) {
                let Some(other) = keys.into_iter().find(|key| *key != told.key) else {
                    continue;
                };
                let writers = match &process {
                    Some(writers) => writers,
                    None => process.insert(writers(view)?),
                };
                // all that he said by another one is to be here before it goes
                let acts = shows(guests, grant.to(), &told.key, writers);
                if acts && view.replica()?.snapshot().gaps()? == 0 {
                    return Ok(Some(Step::Remove(other)));
                }
                continue;
            }
            let Some(log) = log else {
                continue;
            };
            if outdated.is_none() {
                let writers = match &process {
                    Some(writers) => writers,
                    None => process.insert(writers(view)?),
                };
                if !shows(guests, grant.to(), &first, writers) {
                    continue;
                }
            }
            // one that went out does not come back
            let is_next = |seed: &Seed| {
                let key = seed.public();
                !present.had(&key) && outdated.is_none_or(|told| told.key != key)
            };
            let all = seeds(view, grant.id()).take(if outdated.is_some() { usize::MAX } else { 1 });
            let Some(seed) = all.into_iter().find(is_next) else {
                continue;
            };
            if present.has(&seed.public()) {
                let of = (grant.to(), log);
                let Note::Key(handed) = handed(&view.did(), of, grant.id(), &seed)? else {
                    continue;
                };
                return Ok(Some(Step::Tell(handed)));
            }
            let role = match (&guests.group, grant.power()) {
                (Some(_), _) => GroupRole::granted(grant).map(GroupRole::role),
                (None, Some(Power::Write)) => Some(Role::Guest),
                (None, _) => Some(Role::Reader),
            };
            let Some(role) = role else { continue };
            return Ok(Some(Step::Admit(seed, role)));
        }
        let is_guest = |role: &Role| matches!(role, Role::Guest | Role::Reader);
        let others = present
            .listed
            .iter()
            .filter(|(key, role)| is_guest(role) && !due.contains(key));
        let others: BTreeSet<PublicKey> = others.map(|(key, _)| *key).collect();
        if others.is_empty() {
            return Ok(None);
        }
        // what was taken back is out: also if that was interrupted
        for grant in over {
            let keys = given_keys(view, &present, grant.id(), self.invited(grant, guests));
            let left = keys.into_iter().find(|key| others.contains(key));
            if let Some(key) = left {
                return Ok(Some(Step::Remove(key)));
            }
        }
        Ok(None)
    }

    /// Gives the guests of one of the person's own views, who came by their invitations and have shown who they are, keys of their own, in at most so many steps. How many were
    /// done. Tending does all of them.
    ///
    /// # Errors
    /// Those of the stores. What was done before is done, and the rest may be done by any device and at any time.
    pub fn hand_over_keys(&self, view: &Arc<View>, most: usize) -> Result<usize, PodError> {
        if !view.is_owner() {
            return Err(PodError::Request(format!(
                "the view {} is somebody else's: its owner gives keys to it",
                view.did()
            )));
        }
        for done in 0..most {
            match self.next_step(view, &view.guests()?)? {
                None => return Ok(done),
                Some(Step::Admit(seed, role)) => view.add_as(&seed, role)?,
                Some(Step::Tell(handed)) => view.leave(&[Note::Key(handed)])?,
                Some(Step::Remove(key)) => view.remove_guest(&key)?,
            }
        }
        Ok(most)
    }
}

/// Those of the keys of the holder of a grant that were ever let in.
fn given_keys(
    view: &View,
    present: &Present,
    grant: &Cid,
    first: Option<PublicKey>,
) -> Vec<PublicKey> {
    let given = seeds(view, grant).map(|seed| seed.public());
    let given = given.take_while(|key| present.resolution.was_listed(key));
    first.into_iter().chain(given).collect()
}

/// The keys by which the holder of a grant may be there.
pub(super) fn keys_of(
    view: &View,
    grant: &Cid,
    first: Option<PublicKey>,
) -> Result<Vec<PublicKey>, PodError> {
    Ok(given_keys(view, &Present::of(view)?, grant, first))
}

/// Whether a key writes in a view for one who is there no more and whose claim, if there is one, nobody would believe: it was a stranger with somebody's invitation.
pub(super) fn is_strange(view: &View, writer: &PublicKey) -> Result<bool, PodError> {
    let device = writers(view)?.get(writer).copied();
    let present = Present::of(view)?;
    Ok(device.is_none_or(|device| !present.has(&device)))
}

impl Pod {
    /// The newest seed that the owner gave this person in a view, if it is to be acted by.
    fn given(&self, view: &View, guests: &Guests) -> Result<Option<Given>, PodError> {
        let present = Present::of(view)?;
        let mut mine = guests.keys.iter().rev().filter(|h| h.to == self.did());
        let Some(told) = mine.find(|told| present.has(&told.key)) else {
            return Ok(None);
        };
        if told.key == view.key() {
            return Ok(Some(Given::Used));
        }
        let purpose = Purpose::handed(&view.did(), self.did(), &told.grant);
        let seed = self.unwrap_seed(&purpose, &told.key, &told.wraps);
        Ok(seed.map(Given::New))
    }

    /// The seed of a key that is wrapped for devices, if it is for this one.
    pub(super) fn unwrap_seed(
        &self,
        purpose: &Purpose,
        key: &PublicKey,
        wraps: &[(PublicKey, Vec<u8>)],
    ) -> Option<Seed> {
        let device = self.signing_key().public();
        let kem = self.member().keys().kem();
        let context = purpose.context(key, &device);
        let mut own = wraps.iter().filter(|(to, _)| *to == device);
        own.find_map(|(_, sealed)| {
            let mut seed = wrap::open(&kem, purpose.info, &context, sealed).ok()?;
            let seed = Seed::take(&mut seed);
            (seed.public() == *key).then_some(seed)
        })
    }

    /// Does in a view of somebody else's what is to be done next about the key that this person acts by.
    fn take_step(&self, record: &ViewRecord, view: &Arc<View>) -> Result<Took, PodError> {
        let guests = view.guests()?;
        let note = |seed: &Seed| {
            if guests.predicate.is_none() && guests.group.is_none() {
                return Ok(());
            }
            let (of, predicate) = (Some(guests.of.as_str()), guests.predicate.as_ref());
            self.note_view(&view.did(), seed, of, predicate, &[], false)
                .map(drop)
        };
        match self.given(view, &guests)? {
            None => return Ok(Took::Nothing),
            Some(Given::New(seed)) if !record.keys().contains(&seed.public()) => {
                // the other devices, and this one if it stops here, are to know before it is used
                note(&seed)?;
                return Ok(Took::Step);
            }
            Some(Given::New(seed)) => {
                let now = self.views()?.act_by(&view.did(), &seed)?;
                return Ok(now.map_or(Took::Busy, |_| Took::Step));
            }
            Some(Given::Used) => (),
        }
        if !record.keys().iter().eq([&view.key()]) {
            note(view.seed())?;
            return Ok(Took::Step);
        }
        let is_shown = shows(&guests, self.did(), &view.key(), &writers(view)?);
        if !is_shown || self.has_lost_device(&guests) {
            return Ok(if self.claim(view, &guests)? {
                Took::Step
            } else {
                Took::Nothing
            });
        }
        let mut given = guests.keys.iter();
        if let Some(told) = given.rfind(|told| told.key == view.key())
            && self.has_old_secret(record)
            && !guests.is_known(told)
        {
            view.leave(&[Note::Known(told.key)])?;
            return Ok(Took::Step);
        }
        let again = self.say_again(view, &guests)?;
        Ok(if again { Took::Step } else { Took::Nothing })
    }

    /// Says again what this home said by a key that was taken out before the owner had it. Whether there was anything.
    fn say_again(&self, view: &Arc<View>, guests: &Guests) -> Result<bool, PodError> {
        if view.before().is_empty() {
            return Ok(false);
        }
        self.say_in(view, guests, (view, view.before()))
    }

    /// Says again in a view one commit of those by these keys that came too late in another one, or in the same one. Whether there was any.
    pub(super) fn say_in(
        &self,
        view: &Arc<View>,
        guests: &Guests,
        (from, authors): (&View, &[PublicKey]),
    ) -> Result<bool, PodError> {
        let power = guests.rights(self.did(), seconds()).power;
        if power < Some(Power::Write) {
            return Ok(false);
        }
        let now = from.replica()?.snapshot();
        let mut lost: Option<(CommitId, Vec<Edit>)> = None;
        for number in now.beyond().iter() {
            let Some((link, _)) = now.link(*number)? else {
                continue;
            };
            let is_own = authors.contains(&link.author);
            if !is_own || guests.is_said_again(&link.id, self.did()) {
                continue;
            }
            let leaves = now.opened(&link.id)?.unwrap_or_default();
            let edits: Vec<Edit> = leaves.iter().flatten().flat_map(again).collect();
            if !edits.is_empty() {
                lost = Some((link.id, edits));
                break;
            }
        }
        drop(now);
        let Some((commit, edits)) = lost else {
            return Ok(false);
        };
        self.claim(view, guests)?;
        let author = view.author(KEEPER)?;
        let did = view.did().to_string();
        let mut nonce = [0; 16];
        random_bytes()?(&mut nonce);
        let replica = view.replica()?;
        replica.compose(&author, now_ms(), nonce, Durability::Durable, |now| {
            let mut leaves = Edit::leaves(now, edits)?;
            leaves.push(write_notes(&did, &[Note::Again(commit)])?);
            leaves.sort_by_key(|leaf| leaf.entity);
            Ok::<_, ViewError>(leaves)
        })?;
        Ok(true)
    }

    /// Acts by the keys that owners gave this person in place of those of invitations, in at most so many steps in one view. How many were done, and whether something is to
    /// be tried again because a view was in use.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn take_keys(&self, view: &Did, most: usize) -> Result<(usize, bool), PodError> {
        let mut done = 0;
        while done < most {
            let (entity, _) = r::named(self.did(), "view", &view.to_string());
            let record = r::view_record(&self.replica().snapshot(), entity);
            let (Some(record), Some(here)) = (record, self.views()?.get(view)) else {
                break;
            };
            if record.of.is_none() || record.public {
                break;
            }
            match self.take_step(&record, &here)? {
                Took::Nothing => break,
                Took::Busy => return Ok((done, true)),
                Took::Step => done += 1,
            }
        }
        Ok((done, false))
    }

    /// The views in which somebody else gives this person his key, or did.
    fn views_of_others(&self, views: &crate::Views) -> Vec<Arc<View>> {
        let mut all = views.of_others();
        // in a group one is an owner from the first
        for group in r::groups(&self.replica().snapshot()) {
            let view = views.get(&group);
            all.extend(view.filter(|view| !view.may_move()));
        }
        all
    }

    /// As [`Self::take_keys`], everything in all views of others in which something happened.
    pub(crate) fn take_all_keys(&self) -> Result<(usize, bool), PodError> {
        let (mut steps, mut busy) = (0, false);
        let Some(views) = self.any_views()? else {
            return Ok((0, false));
        };
        // when a device was taken out there is something to be said everywhere
        let certificates = self.trust().set().len() as u64;
        let mark = mark(self.did(), &[certificates]);
        for view in self.views_of_others(views) {
            let generation = view.generation();
            if view.is_same(&view.key(), &mark) {
                continue;
            }
            let was_open = view.is_open();
            let moves = self.look_where(&view)?;
            let (done, again) = self.take_keys(&view.did(), usize::MAX)?;
            if !was_open {
                view.rest()?;
            }
            steps += done;
            busy |= again;
            if done == 0 && !again && !moves && view.generation() == generation {
                view.note_same(view.key(), mark, generation);
            }
        }
        Ok((steps, busy))
    }
}

impl Pod {
    /// The seeds that other devices of this person act by in a view of somebody else's, if this one is to as well and does not.
    pub(super) fn other_seeds(
        &self,
        record: &ViewRecord,
        view: &View,
    ) -> Result<Vec<Seed>, PodError> {
        let own = view.key();
        if view.is_owner() || record.keys().iter().all(|key| *key == own) {
            return Ok(Vec::new());
        }
        let settled = matches!(self.given(view, &view.guests()?)?, Some(Given::Used));
        let mut seeds = self.seeds_of(record);
        seeds.retain(|seed| !settled && seed.public() != own);
        Ok(seeds)
    }

    /// Whether other devices of this person act by other keys somewhere than this one, and rightly.
    pub(crate) fn has_other_keys(&self) -> Result<bool, PodError> {
        let Some(views) = self.any_views()? else {
            return Ok(false);
        };
        let now = self.replica().snapshot();
        for view in self.views_of_others(views) {
            let (entity, _) = r::named(self.did(), "view", &view.did().to_string());
            if let Some(record) = r::view_record(&now, entity)
                && !self.other_seeds(&record, &view)?.is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What an owner gave.
enum Given {
    /// A seed that is not acted by yet.
    New(Seed),
    /// The one that is acted by.
    Used,
}

/// What became of a step.
enum Took {
    Nothing,
    Step,
    /// The view is in use.
    Busy,
}

/// The operations of a leaf as edits.
fn again((entity, ops): &(EntityId, Vec<Op>)) -> Vec<Edit> {
    let ops = ops.iter().filter_map(|op| match op {
        Op::Create { nonce } => Some(Edit::Create(*entity, nonce.clone())),
        other => edit(*entity, other),
    });
    ops.collect()
}
