//! The device log: a grow-only set of operations that follow each other, and everything about it that an arrival can update.
//!
//! What the identity *is* ([`Resolution`]) is a pure function of the set, whatever the order of arrival; see `resolve` and the modules
//! it uses. Kept up to date here, per operation: its past as a bit set, its Lamport height, who acts, which device epoch it belongs
//! to, and what concerns each membership. An arrival costs `O(n / 64)` words for each operation it follows; a resolution is linear
//! in the operations (plus, for each, the removals of its author), so nothing is quadratic in an honest log.

mod admission;
mod ancestors;
mod authority;
mod membership;
mod propose;
mod quota;
mod registers;
mod resolution;
mod snapshot;
mod standing;
mod waiting;

use std::collections::{BTreeSet, HashMap};

use rhizome_ipld::Cid;

use crate::action::{digest, role_of};
use crate::{Action, Did, Genesis, IdentityError, Incarnation, Operation};
use ancestors::Ancestors;
use quota::Quotas;
use waiting::Waiting;

pub use propose::Recovery;
pub use quota::{MAX_DECISIONS, MAX_OPERATIONS, MAX_OPERATIONS_BYTES};
pub use resolution::{Active, Resolution};
pub use standing::Standing;
pub use waiting::MAX_WAITING;

/// What became of an operation that was given to a [`Log`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is in the log now, and with it those that waited for it: their ids, in an order in which each follows its own.
    Added(Vec<Cid>),
    /// It was there already.
    Known,
    /// It waits for one that it follows.
    Waiting,
}

/// The device log of one identity.
#[derive(Debug, Clone)]
pub struct Log {
    genesis: Genesis,
    nodes: Vec<Node>,
    places: HashMap<[u8; 32], u32>,
    members: Vec<Member>,
    epochs: HashMap<u32, Epoch>,
    /// Operations by policies, in order of place.
    authorities: Vec<u32>,
    heads: BTreeSet<u32>,
    quotas: Quotas,
    waiting: Waiting,
}

/// An operation in the log.
#[derive(Debug, Clone)]
struct Node {
    operation: Operation,
    id: [u8; 32],
    /// Lamport height.
    height: u32,
    past: Ancestors,
    /// The member that acts; none for policies.
    author: Option<u32>,
    /// The `create` or `recover` from which the author's membership comes; for those two themselves.
    epoch: u32,
    /// The first of the members it makes.
    first_member: u32,
    /// Whose room it takes up.
    class: usize,
    /// The keys it takes out of hiding, hidden.
    hidden: Vec<[u8; 32]>,
}

/// An incarnation: the device at a place in the list of an operation.
#[derive(Debug, Clone)]
struct Member {
    add: u32,
    at: u32,
    /// `device.remove`s of it.
    removals: Vec<u32>,
    /// `endorse`s of it.
    endorsements: Vec<u32>,
    /// `device.update`s by it.
    updates: Vec<u32>,
}

/// What descends from one list of devices.
#[derive(Debug, Clone, Default)]
struct Epoch {
    members: Vec<u32>,
    services: Vec<u32>,
    aka: Vec<u32>,
}

impl Log {
    /// The log of an identity of which nothing is known but its genesis.
    ///
    /// # Errors
    /// [`IdentityError::LogFull`], which a single operation does not cause.
    pub fn new(genesis: Genesis) -> Result<Self, IdentityError> {
        let first = genesis.operation().clone();
        let mut log = Self {
            genesis,
            nodes: Vec::new(),
            places: HashMap::new(),
            members: Vec::new(),
            epochs: HashMap::new(),
            authorities: Vec::new(),
            heads: BTreeSet::new(),
            quotas: Quotas::default(),
            waiting: Waiting::default(),
        };
        let node = log.admit(first)?;
        log.add(node);
        Ok(log)
    }

    /// The identity.
    pub fn did(&self) -> Did {
        self.genesis.did()
    }

    /// Its first operation.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// How many operations it has, the genesis included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: there is always a genesis.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All operations, each after those it follows, the genesis first. Their order depends on the order of arrival.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.nodes.iter().map(|node| &node.operation)
    }

    /// The operation with this payload CID.
    pub fn operation(&self, id: &Cid) -> Option<&Operation> {
        self.place(id)
            .and_then(|place| self.node(place))
            .map(|node| &node.operation)
    }

    /// The operations that no other follows, in ascending order of their ids.
    pub fn heads(&self) -> Vec<Cid> {
        let mut heads: Vec<Cid> = self
            .heads
            .iter()
            .filter_map(|place| self.node(*place))
            .map(|node| node.operation.id())
            .collect();
        heads.sort_unstable();
        heads
    }

    /// How many operations wait for others.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The operations that others wait for: what to ask a peer for. In ascending order.
    pub fn missing(&self) -> Vec<Cid> {
        let mut missing: Vec<Cid> = self.waiting.missing().copied().collect();
        missing.sort_unstable();
        missing
    }

    /// Takes an operation, in whatever order they come. One whose parents are not there yet waits for them, within bounds.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] if the operation cannot belong to this log: nobody who accepts the rules has it, nor anything that
    /// follows it. [`IdentityError::LogFull`] beyond [`MAX_OPERATIONS`], [`MAX_DECISIONS`] or
    /// [`MAX_WAITING`].
    pub fn insert(&mut self, operation: Operation) -> Result<Inserted, IdentityError> {
        let id = operation.id();
        if self.place(&id).is_some() || self.waiting.contains(&id) {
            return Ok(Inserted::Known);
        }
        if let Some(missing) = self.lacks(&operation) {
            self.waiting.keep(missing, operation)?;
            return Ok(Inserted::Waiting);
        }
        let node = match self.admit(operation) {
            Ok(node) => node,
            Err(error) => {
                self.waiting.forget(&id);
                return Err(error);
            }
        };
        self.add(node);
        let mut added = vec![id];
        let mut arrived = vec![id];
        while let Some(id) = arrived.pop() {
            for operation in self.waiting.take(&id) {
                let id = operation.id();
                if let Some(missing) = self.lacks(&operation) {
                    // There was room for it a moment ago.
                    self.waiting.keep(missing, operation)?;
                } else if let Ok(node) = self.admit(operation) {
                    self.add(node);
                    added.push(id);
                    arrived.push(id);
                } else {
                    self.waiting.forget(&id);
                }
            }
        }
        Ok(Inserted::Added(added))
    }

    /// The log as whoever wrote this operation could have seen it at most: the operation and its past.
    pub fn version(&self, id: &Cid) -> Option<Self> {
        let last = self.place(id)?;
        let past = &self.node(last)?.past;
        let mut log = Self::new(self.genesis.clone()).ok()?;
        for (place, node) in (0..).zip(&self.nodes) {
            if place == last || past.contains(place) {
                log.insert(node.operation.clone()).ok()?;
            }
        }
        Some(log)
    }

    fn lacks(&self, operation: &Operation) -> Option<Cid> {
        let lacking = |id: &&Cid| self.place(id).is_none();
        operation.prev().iter().find(lacking).copied()
    }

    fn place(&self, id: &Cid) -> Option<u32> {
        digest(id).and_then(|digest| self.places.get(&digest).copied())
    }

    fn node(&self, place: u32) -> Option<&Node> {
        self.nodes.get(place as usize)
    }

    /// Whether `earlier` is in the past of `later`.
    fn precedes(&self, earlier: u32, later: u32) -> bool {
        self.node(later)
            .is_some_and(|node| node.past.contains(earlier))
    }

    fn action(&self, place: u32) -> Option<&Action> {
        self.node(place).map(|node| node.operation.action())
    }

    fn author(&self, place: u32) -> Option<u32> {
        self.node(place).and_then(|node| node.author)
    }

    /// Which of two operations has the last word about a register.
    fn rank(&self, place: u32) -> Option<(u32, [u8; 32])> {
        self.node(place).map(|node| (node.height, node.id))
    }

    /// The member that an incarnation is.
    fn member(&self, incarnation: &Incarnation) -> Option<u32> {
        let node = self.node(self.place(&incarnation.add)?)?;
        let (at, _) = role_of(node.operation.devices(), &incarnation.key)?;
        Some(node.first_member + at as u32)
    }

    fn incarnation(&self, member: &Member) -> Option<Incarnation> {
        let operation = &self.node(member.add)?.operation;
        let device = operation.devices().get(member.at as usize)?;
        Some(Incarnation {
            key: device.key,
            add: operation.id(),
        })
    }

    /// Takes in an operation that was admitted.
    fn add(&mut self, node: Node) {
        let place = self.nodes.len() as u32;
        self.quotas.count(&node);
        self.places.insert(node.id, place);
        for prev in node.operation.prev() {
            if let Some(prev) = self.place(prev) {
                self.heads.remove(&prev);
            }
        }
        self.heads.insert(place);
        let action = node.operation.action();
        if action.authority().is_some() {
            self.authorities.push(place);
        }
        let epoch = self.epochs.entry(node.epoch).or_default();
        for (at, _) in (0..).zip(action.devices()) {
            epoch.members.push(self.members.len() as u32);
            self.members.push(Member {
                add: place,
                at,
                removals: Vec::new(),
                endorsements: Vec::new(),
                updates: Vec::new(),
            });
        }
        match action {
            Action::ServiceSet(_) => epoch.services.push(place),
            Action::AkaSet(_) => epoch.aka.push(place),
            Action::DeviceUpdate(_) => self.concerns(node.author, |m| m.updates.push(place)),
            Action::DeviceRemove(remove) => {
                self.concerns(self.member(&remove.target), |m| m.removals.push(place));
            }
            Action::Endorse(endorse) => {
                let target = self.place(&endorse.target).and_then(|p| self.node(p));
                self.concerns(target.map(|node| node.first_member), |m| {
                    m.endorsements.push(place);
                });
            }
            _ => {}
        }
        self.nodes.push(node);
    }

    fn concerns(&mut self, member: Option<u32>, note: impl FnOnce(&mut Member)) {
        if let Some(member) = member.and_then(|m| self.members.get_mut(m as usize)) {
            note(member);
        }
    }
}
