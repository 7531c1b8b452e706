//! One view.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use rhizome_identity::{Device, Did, Role};
use rhizome_ipld::{Cid, PublicKey, SigningKey};
use rhizome_member::Member;
use rhizome_network::PeerAddress;
use rhizome_replica::{Author, Change, Replica};
use rhizome_tuple::EntityId;
use tokio::sync::watch;

use super::{
    Seed,
    marks::{Mark, Marks, mark},
    row::Row,
    store::Store,
};
use crate::{PodError, home::entropy};

/// What those may do with whom a view is shared to read and to write.
const GUEST_ROLE: Role = Role::Guest;

/// A pod beside the one of the home. Opened when it is first needed; cheap until then.
pub struct View {
    store: Arc<Store>,
    did: Did,
    key: PublicKey,
    own: AtomicBool,
    number: u64,
    /// The number of its key store.
    keys: u64,
    /// The keys that wrote for this home while it acted by other seeds.
    before: Vec<PublicKey>,
    seed: Seed,
    row: Mutex<Row>,
    addresses: Mutex<Vec<PeerAddress>>,
    open: Mutex<Open>,
    changes: Arc<Changes>,
    marks: Mutex<Marks>,
    touched: Arc<Mutex<Touched>>,
}

/// Entities of which something was said since somebody looked.
pub(crate) enum Touched {
    /// Those.
    These(BTreeSet<EntityId>),
    /// Nobody took note, or too much was said: any of them.
    Unknown,
}

/// Entities of which note is taken one by one.
const MAX_TOUCHED: usize = 10_000;

impl Touched {
    /// Called within a write.
    fn note(&mut self, change: &Change) {
        let Self::These(some) = self else { return };
        if change.reset || change.added.len() + change.removed.len() > MAX_TOUCHED {
            *self = Self::Unknown;
            return;
        }
        let facts = change.added.iter().chain(&change.removed).map(|f| f.e);
        let all = facts.chain(change.lists.iter().map(|l| l.0));
        some.extend(all.filter_map(|e| change.after.entity_id(e)));
        if some.len() > MAX_TOUCHED {
            *self = Self::Unknown;
        }
    }
}

/// The device in it, as far as it is open.
#[derive(Default)]
struct Open {
    member: Option<Arc<Member>>,
    removed: bool,
}

/// How often something has happened to a view.
struct Changes {
    /// Since this process has it.
    generation: AtomicU64,
    did: Did,
    signal: Signal,
}

/// Told whenever something happens to any view of the home.
#[derive(Clone, Default)]
pub(super) struct Signal {
    any: Arc<watch::Sender<u64>>,
    happened: Arc<Mutex<BTreeSet<Did>>>,
}

impl Signal {
    /// Something else is to be told or asked than before.
    pub fn tell(&self) {
        self.any.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Something happened to this one.
    pub fn happened(&self, did: Did) {
        self.happened.lock().insert(did);
        self.tell();
    }

    /// To which something happened since somebody asked last.
    pub fn take(&self) -> BTreeSet<Did> {
        std::mem::take(&mut *self.happened.lock())
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.any.subscribe()
    }
}

impl Changes {
    fn happened(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.signal.happened(self.did);
    }
}

impl View {
    pub(super) fn new(
        store: &Arc<Store>,
        did: Did,
        row: Row,
        signal: &Signal,
    ) -> Result<Self, PodError> {
        Ok(Self {
            seed: row.seed(&did, &store.mask)?,
            marks: Mutex::new(store.marks(&did)?),
            store: Arc::clone(store),
            did,
            key: row.key,
            own: AtomicBool::new(row.own),
            addresses: Mutex::new(row.addresses()),
            number: row.number,
            keys: row.keys(),
            before: row.before().to_vec(),
            row: Mutex::new(row),
            open: Mutex::default(),
            changes: Arc::new(Changes {
                generation: AtomicU64::new(0),
                did,
                signal: signal.clone(),
            }),
            touched: Arc::new(Mutex::new(Touched::Unknown)),
        })
    }

    /// Takes the device that was made with it.
    pub(super) fn adopt(&self, member: Member) {
        let mut open = self.open.lock();
        self.install(&mut open, Arc::new(member));
    }

    fn install(&self, open: &mut Open, member: Arc<Member>) {
        let changes = Arc::clone(&self.changes);
        member.listen(move |_| changes.happened());
        let (touched, changes) = (Arc::clone(&self.touched), Arc::clone(&self.changes));
        member.replica().listen(move |change| {
            let mut touched = touched.lock();
            let told = matches!(*touched, Touched::These(_));
            touched.note(change);
            drop(touched);
            if told {
                changes.signal.tell();
            }
        });
        open.member = Some(member);
    }

    /// Whose it is.
    pub fn did(&self) -> Did {
        self.did
    }

    /// The key by which this home acts in it.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// What that key comes from: another home that has it acts as the same. To be kept where nobody else reads it.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Whether this home acts as one of those whose word counts: as its admin, or in a group as a member.
    pub fn is_owner(&self) -> bool {
        self.own.load(Ordering::Acquire)
    }

    /// Whether its owner, or who invited this person to it, may give him another key; or has.
    pub(crate) fn may_move(&self) -> bool {
        !self.is_owner() || self.keys != self.number
    }

    /// Notes that this home's key was taken out: nobody is asked for it any more.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn set_out(&self) -> Result<(), PodError> {
        {
            let mut row = self.row.lock();
            let mut next = row.clone();
            next.own = false;
            self.store.put(&self.did, &next)?;
            *row = next;
        }
        self.own.store(false, Ordering::Release);
        self.set_addresses(&[])
    }

    /// The device in it, opened if need be: that reads files.
    ///
    /// # Errors
    /// Those of the store and of the key store; [`PodError::Request`] if the view was removed.
    pub fn member(&self) -> Result<Arc<Member>, PodError> {
        let mut open = self.open.lock();
        if let Some(member) = &open.member {
            return Ok(Arc::clone(member));
        }
        if open.removed {
            return Err(PodError::Request(format!(
                "the view {} was removed from this home, or is acted in by another key since just now: try again",
                self.did
            )));
        }
        self.store.forget_marks(&self.did)?;
        let keys = self.store.open_keys(self.keys)?;
        let kv = self.store.tuples(self.number)?;
        let member = Arc::new(Member::open(kv, keys, Replica::open, entropy()?)?);
        self.install(&mut open, Arc::clone(&member));
        Ok(member)
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        self.open.lock().member.is_some()
    }

    /// Closes it later, if nobody needs it.
    pub(crate) fn rest(self: &Arc<Self>) -> Result<(), PodError> {
        self.store.rest(self)
    }

    /// Closes it, until somebody needs it again. If anybody has its device or its tuples it stays open: there must never be two of them. So
    /// whoever listens to it holds it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn close(&self) -> Result<(), PodError> {
        let mut open = self.open.lock();
        let Some(member) = open.member.take() else {
            return Ok(());
        };
        let flushed = member.replica().flush();
        let closed = match (&flushed, alone(member)) {
            (Ok(()), Ok(member)) => {
                drop(member);
                true
            }
            (_, Ok(member)) => {
                open.member = Some(Arc::new(member));
                false
            }
            (_, Err(member)) => {
                open.member = Some(member);
                false
            }
        };
        flushed?;
        if closed { self.keep_marks() } else { Ok(()) }
    }

    fn keep_marks(&self) -> Result<(), PodError> {
        let now = self.marks.lock().now(self.generation());
        self.store.keep_marks(&self.did, &now)
    }

    /// Files that came to this home by it.
    pub(super) fn came(&self) -> Result<BTreeSet<Cid>, PodError> {
        self.store.came(&self.did)
    }

    /// Notes that a file came to this home by it.
    pub(crate) fn note_came(&self, cid: &Cid) -> Result<(), PodError> {
        self.store.note_came(&self.did, cid)
    }

    /// Its tuples.
    ///
    /// # Errors
    /// As [`Self::member`].
    pub fn replica(&self) -> Result<Arc<Replica>, PodError> {
        Ok(Arc::clone(self.member()?.replica()))
    }

    /// The key that writes under this name here, enrolled when it first writes. Every home has its own, whatever it acts as.
    ///
    /// # Errors
    /// As [`Self::member`]; those of enrolling.
    pub fn author(&self, name: &str) -> Result<Arc<Author>, PodError> {
        Ok(self.member()?.author(name)?)
    }

    /// Lets somebody in who has this seed, or will be given it: to read all of it, and to write what is then weighed.
    ///
    /// # Errors
    /// [`PodError::Share`] and [`PodError::Identity`] if this home may not, or the guest is there already.
    pub fn add_guest(&self, seed: &Seed) -> Result<(), PodError> {
        self.admit(seed, GUEST_ROLE)
    }

    /// As [`Self::add_guest`], to read all of it, and to leave notes.
    ///
    /// # Errors
    /// As there.
    pub fn add_reader(&self, seed: &Seed) -> Result<(), PodError> {
        self.admit(seed, Role::Reader)
    }

    /// As [`Self::add_guest`], to be what a role says.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn add_as(&self, seed: &Seed, role: Role) -> Result<(), PodError> {
        self.admit(seed, role)
    }

    /// Lets everybody in who knows its DID, to read all of it. Whatever is signed by their key has no effect anywhere.
    ///
    /// # Errors
    /// As [`Self::add_guest`].
    pub fn add_followers(&self) -> Result<(), PodError> {
        self.admit(&Seed::of_public(&self.did), Role::Follower)
    }

    /// Whether this home acts in it as one of those who follow.
    pub fn is_followed(&self) -> bool {
        !self.is_owner() && self.key == Seed::of_public(&self.did).public()
    }

    fn admit(&self, seed: &Seed, role: Role) -> Result<(), PodError> {
        let member = self.member()?;
        let own = member.signing_key();
        let (_, log) = member.device_log();
        let device = Device {
            key: seed.public(),
            kem: seed.kem().public(),
            role,
        };
        let mut proposal = log.add_device(&own.public(), device)?;
        proposal.sign(&own)?;
        proposal.sign(&seed.signing_key())?;
        Ok(member.take_operation(proposal.complete()?)?)
    }

    /// Takes a guest or a reader out. What he wrote and is here by now goes on counting; what he writes from now on does not, and what is written from
    /// now on he cannot read. What he has read he has.
    ///
    /// # Errors
    /// [`PodError::Identity`] if there is no such guest, or this home may not.
    pub fn remove_guest(&self, key: &PublicKey) -> Result<(), PodError> {
        Ok(self.member()?.remove_device(key)?)
    }

    /// Where it is kept besides: of a view of somebody else all places there are.
    pub fn addresses(&self) -> Vec<PeerAddress> {
        self.addresses.lock().clone()
    }

    /// Whether it is kept there.
    pub(crate) fn is_at(&self, key: &PublicKey) -> bool {
        let addresses = self.addresses.lock();
        addresses.iter().any(|address| address.key() == *key)
    }

    /// Sets where it is kept, on stable storage when it returns.
    ///
    /// # Errors
    /// [`PodError::Request`] for more than 16; those of the store.
    pub fn set_addresses(&self, addresses: &[PeerAddress]) -> Result<(), PodError> {
        let mut row = self.row.lock();
        let mut next = row.clone();
        next.set_addresses(addresses)?;
        self.store.put(&self.did, &next)?;
        *row = next;
        *self.addresses.lock() = row.addresses();
        self.changes.signal.tell();
        Ok(())
    }

    /// The key that signs for this home in it, whether it is open or not.
    pub(crate) fn signing_key(&self) -> SigningKey {
        self.seed.signing_key()
    }

    /// How often something has happened to it since this process has it.
    pub(crate) fn generation(&self) -> u64 {
        self.changes.generation.load(Ordering::Acquire)
    }

    /// The entities of which something was said since this was asked last; from now on note is taken.
    pub(crate) fn take_touched(&self) -> Touched {
        let none = Touched::These(BTreeSet::new());
        std::mem::replace(&mut *self.touched.lock(), none)
    }

    /// Takes note no longer.
    pub(crate) fn ignore_touched(&self) {
        *self.touched.lock() = Touched::Unknown;
    }

    /// What this home tells of it to those who watch it. `process` is another number in every process.
    pub(super) fn mark(&self, process: u64) -> Mark {
        mark(&self.did.to_string(), &[process, self.generation()])
    }

    /// Whether a peer whose mark this is has the same as is here.
    pub(crate) fn is_same(&self, peer: &PublicKey, mark: &Mark) -> bool {
        self.marks.lock().are(peer, mark, self.generation())
    }

    /// Notes that a peer whose mark this is has the same as was here when this was its generation.
    pub(crate) fn note_same(&self, peer: PublicKey, mark: Mark, generation: u64) {
        self.marks.lock().note(peer, mark, generation);
    }

    /// The keys that wrote for this home while it acted by other seeds.
    pub(crate) fn before(&self) -> &[PublicKey] {
        &self.before
    }

    /// What the store says of it.
    pub(super) fn row(&self) -> Row {
        self.row.lock().clone()
    }

    /// Ends it for another one to take its place. `false` if somebody has its device or its tuples now.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn give_way(&self) -> Result<bool, PodError> {
        let mut open = self.open.lock();
        if let Some(member) = open.member.take() {
            match (member.replica().flush(), alone(member)) {
                (Ok(()), Ok(_)) => (),
                (flushed, member) => {
                    open.member = Some(member.map_or_else(|shared| shared, Arc::new));
                    flushed?;
                    return Ok(false);
                }
            }
        }
        open.removed = true;
        Ok(true)
    }

    /// Ends it: nobody opens it any more. Returns its number if nobody holds it either.
    pub(super) fn end(&self) -> Option<u64> {
        let mut open = self.open.lock();
        open.removed = true;
        let is_free = open
            .member
            .take()
            .is_none_or(|member| alone(member).is_ok());
        is_free.then_some(self.number)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

/// The device, if nobody else has it or its tuples.
fn alone(member: Arc<Member>) -> Result<Member, Arc<Member>> {
    if Arc::strong_count(member.replica()) > 1 {
        return Err(member);
    }
    Arc::try_unwrap(member)
}

impl Drop for View {
    fn drop(&mut self) {
        let open = self.open.get_mut();
        if open.removed {
            return;
        }
        if let Some(Ok(member)) = open.member.take().map(alone)
            && member.replica().flush().is_ok()
        {
            drop(member);
            // if it cannot be noted, it is compared next time
            let _ = self.keep_marks();
        }
    }
}
