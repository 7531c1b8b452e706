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

/// What a wrapped seed is bound to.
fn context(view: &Did, to: &str, grant: &Cid, key: &PublicKey, device: &PublicKey) -> Vec<u8> {
    let mut out = format!("{view}\0{to}\0{grant}\0").into_bytes();
    out.extend_from_slice(&key.to_bytes());
    out.extend_from_slice(&device.to_bytes());
    out
}

/// The note that gives a guest a seed.
fn handed(view: &Did, (to, log): (&str, &Log), grant: &Cid, seed: &Seed) -> Result<Note, PodError> {
    let key = seed.public();
    let resolution = log.resolve();
    let devices = resolution.devices.iter().map(|active| &active.device);
    let readers = devices.filter(|d| matches!(d.role, Role::Admin | Role::Member));
    let mut wraps = BTreeMap::new();
    let mut random = random_bytes()?;
    for device in readers.take(MAX_WRAPS) {
        let context = context(view, to, grant, &key, &device.key);
        let sealed = wrap::seal(&device.kem, WRAP_INFO, &context, seed.expose(), &mut random);
        // one whose key is none cannot read; the others can
        if let Ok(sealed) = sealed {
            wraps.insert(device.key, sealed);
        }
    }
    Ok(Note::Key(Handed {
        to: to.to_owned(),
        grant: *grant,
        key,
        wraps: wraps.into_iter().collect(),
    }))
}

/// The seed of the key that a guest gets in place of that of his invitation.
fn second(view: &View, grant: &Cid) -> Seed {
    let mut key = blake3::derive_key(SEED, view.seed().expose());
    let mut seed = *blake3::keyed_hash(&key, &grant.to_bytes()).as_bytes();
    zeroize::Zeroize::zeroize(&mut key);
    Seed::take(&mut seed)
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
    /// The key of the invitation to a grant, as far as this device knows.
    fn invited(&self, grant: &Grant) -> Option<PublicKey> {
        let (entity, _) = r::named(self.did(), "grant", &grant.id().to_string());
        let key = r::text(&self.replica().snapshot(), &entity, r::GUEST)?;
        PublicKey::from_did_key(&key).ok()
    }

    /// What is to be done next about guests' keys in one of the person's own views.
    fn next_step(&self, view: &View, guests: &Guests) -> Result<Option<Step>, PodError> {
        let present = Present::of(view)?;
        let mut due: BTreeSet<PublicKey> = BTreeSet::new();
        let mut process = None;
        for grant in guests.grants.iter().filter(|grant| !grant.revoked) {
            let Some(first) = self.invited(grant) else {
                continue;
            };
            due.insert(first);
            let told = guests.keys.iter().rfind(|h| h.grant == *grant.id());
            let told = told.filter(|told| present.has(&told.key));
            due.extend(told.map(|told| told.key));
            // those who follow a public view share a key for good
            if present
                .listed
                .get(&first)
                .is_none_or(|role| *role == Role::Follower)
            {
                continue;
            }
            let writers = match &process {
                Some(writers) => writers,
                None => process.insert(writers(view)?),
            };
            if let Some(told) = told {
                // all that he said by the first key is to be here before it goes
                let acts = shows(guests, grant.to(), &told.key, writers);
                if acts && view.replica()?.snapshot().gaps()? == 0 {
                    return Ok(Some(Step::Remove(first)));
                }
                continue;
            }
            let Some(log) = guests.log(grant.to()) else {
                continue;
            };
            if !shows(guests, grant.to(), &first, writers) {
                continue;
            }
            let seed = second(view, grant.id());
            if present.has(&seed.public()) {
                let of = (grant.to(), log);
                let Note::Key(handed) = handed(&view.did(), of, grant.id(), &seed)? else {
                    continue;
                };
                return Ok(Some(Step::Tell(handed)));
            }
            // one that went out does not come back
            if !present.resolution.was_listed(&seed.public()) {
                let role = match (&guests.group, grant.power()) {
                    (Some(_), _) => GroupRole::granted(grant).map(GroupRole::role),
                    (None, Some(Power::Write)) => Some(Role::Guest),
                    (None, _) => Some(Role::Reader),
                };
                let Some(role) = role else { continue };
                return Ok(Some(Step::Admit(seed, role)));
            }
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
        for grant in guests.grants.iter().filter(|grant| grant.revoked) {
            let keys = [self.invited(grant), Some(second(view, grant.id()).public())];
            let left = keys.into_iter().flatten().find(|key| others.contains(key));
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

/// The keys by which the holder of a grant may be there.
pub(super) fn keys_of(view: &View, grant: &Cid, first: Option<PublicKey>) -> Vec<PublicKey> {
    let both = first.into_iter().chain([second(view, grant).public()]);
    both.collect()
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
        let device = self.signing_key().public();
        let kem = self.member().keys().kem();
        for (_, sealed) in told.wraps.iter().filter(|(key, _)| *key == device) {
            let context = context(&view.did(), self.did(), &told.grant, &told.key, &device);
            if let Ok(mut seed) = wrap::open(&kem, WRAP_INFO, &context, sealed) {
                let seed = Seed::take(&mut seed);
                if seed.public() == told.key {
                    return Ok(Some(Given::New(seed)));
                }
            }
        }
        Ok(None)
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
        if !shows(&guests, self.did(), &view.key(), &writers(view)?) {
            self.claim(view, &guests)?;
            return Ok(Took::Step);
        }
        let again = self.say_again(view, &guests)?;
        Ok(if again { Took::Step } else { Took::Nothing })
    }

    /// Says again what this home said by a key that was taken out before the owner had it. Whether there was anything.
    fn say_again(&self, view: &Arc<View>, guests: &Guests) -> Result<bool, PodError> {
        let power = guests.rights(self.did(), seconds()).power;
        if view.before().is_empty() || power < Some(Power::Write) {
            return Ok(false);
        }
        let replica = view.replica()?;
        let now = replica.snapshot();
        let mut lost: Option<(CommitId, Vec<Edit>)> = None;
        for number in now.beyond().iter() {
            let Some((link, _)) = now.link(*number)? else {
                continue;
            };
            let is_own = view.before().contains(&link.author);
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
            if !here.may_move() || record.public {
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

    /// As [`Self::take_keys`], everything in all views of others in which something happened.
    pub(crate) fn take_all_keys(&self) -> Result<(usize, bool), PodError> {
        let (mut steps, mut busy) = (0, false);
        let Some(views) = self.any_views()? else {
            return Ok((0, false));
        };
        let mark = mark(self.did(), &[]);
        for view in views.of_others() {
            let generation = view.generation();
            if view.is_same(&view.key(), &mark) {
                continue;
            }
            let was_open = view.is_open();
            let (done, again) = self.take_keys(&view.did(), usize::MAX)?;
            if !was_open {
                view.rest()?;
            }
            steps += done;
            busy |= again;
            if done == 0 && !again && view.generation() == generation {
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
        for view in views.of_others() {
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
