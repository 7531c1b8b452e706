//! Time, and what is to happen.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use rhizome_identity::Did;
use rhizome_replica::Record;
use rhizome_sync::Message;
use rhizome_tuple::CommitId;

use crate::{Counts, Dice, node::Node};

#[derive(Clone, Debug)]
pub enum Event {
    Deliver {
        to: usize,
        on: u64,
        message: Vec<u8>,
    },
    Dial(usize, usize),
    Close {
        at: usize,
        on: u64,
    },
    Tick {
        at: usize,
        on: u64,
    },
    Write(usize),
    Sync(usize),
    Crash(usize),
    Restart(usize),
    Fault(usize),
    Partition(usize, usize),
    Heal(usize, usize),
    Join(usize),
    Remove,
    Lie(usize),
}

pub struct World {
    pub seed: u64,
    pub now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    pub nodes: Vec<Node>,
    pub did: Did,
    pub dice: Dice,
    pub parted: BTreeSet<(usize, usize)>,
    /// Connections whose messages vanish.
    pub holes: BTreeSet<u64>,
    /// When the last message arrives, by connection and receiver: a connection keeps the order.
    pub last: BTreeMap<(u64, usize), u64>,
    pub next_connection: u64,
    pub calm: bool,
    /// Every commit that anybody made, as it was made.
    pub made: BTreeMap<CommitId, Record>,
    /// Who took out whom.
    pub removed: Vec<(usize, usize)>,
    /// What the removers had of what the removed had acknowledged.
    pub sealed: BTreeSet<CommitId>,
    /// Who let in whom.
    pub added: Vec<(usize, usize)>,
    pub counts: Counts,
    trace: Option<Vec<String>>,
    pub hash: blake3::Hasher,
}

pub fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    pub fn new(seed: u64, did: Did, nodes: Vec<Node>, dice: Dice, traced: bool) -> Self {
        Self {
            seed,
            now: 0,
            order: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            nodes,
            did,
            dice,
            parted: BTreeSet::new(),
            holes: BTreeSet::new(),
            last: BTreeMap::new(),
            next_connection: 0,
            calm: false,
            made: BTreeMap::new(),
            removed: Vec::new(),
            sealed: BTreeSet::new(),
            added: Vec::new(),
            counts: Counts::default(),
            trace: traced.then(Vec::new),
            hash: blake3::Hasher::new(),
        }
    }

    pub fn later(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse((self.now + after, self.order)));
        self.events.insert(self.order, event);
    }

    pub fn soon(&mut self, within: u64, event: Event) {
        let after = self.dice.below(within);
        self.later(after, event);
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = format!("{:>7} ms  {}", self.now, line());
            trace.push(line);
        }
    }

    pub fn trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    /// Does the next thing.
    pub fn step(&mut self) {
        let Some(Reverse((at, order))) = self.queue.pop() else {
            return;
        };
        self.now = at;
        let Some(event) = self.events.remove(&order) else {
            return;
        };
        self.counts.events += 1;
        self.hash
            .update(&at.to_le_bytes())
            .update(&order.to_le_bytes());
        if let Event::Deliver { message, .. } = &event {
            self.hash.update(message);
        }
        self.note(|| match &event {
            Event::Deliver { to, on, message } => {
                format!(
                    "{to} gets {} of {} bytes on {on}",
                    what(message),
                    message.len()
                )
            }
            other => format!("{other:?}"),
        });
        let at = match event {
            Event::Deliver { to, on, message } => {
                self.deliver(to, on, &message);
                to
            }
            Event::Dial(a, b) => {
                self.dial(a, b);
                self.settle(a);
                b
            }
            Event::Close { at, on } => {
                self.close(at, on);
                at
            }
            Event::Tick { at, on } => {
                self.tick(at, on);
                at
            }
            Event::Write(a) => {
                self.write(a);
                a
            }
            Event::Sync(a) => {
                self.sync(a);
                a
            }
            Event::Crash(a) => {
                self.soon(6_000, Event::Crash(a));
                if !self.calm {
                    self.crash(a);
                }
                a
            }
            Event::Restart(a) => {
                self.restart(a);
                a
            }
            Event::Fault(a) => {
                self.fault(a);
                a
            }
            Event::Partition(a, b) => {
                self.partition(a, b);
                a
            }
            Event::Heal(a, b) => {
                self.parted.remove(&pair(a, b));
                self.soon(4_000, Event::Partition(a, b));
                a
            }
            Event::Join(a) => {
                self.join(a);
                a
            }
            Event::Remove => {
                self.remove();
                0
            }
            Event::Lie(a) => {
                self.lie(a);
                a
            }
        };
        self.settle(at);
    }
}

pub fn what(message: &[u8]) -> &'static str {
    match Message::from_bytes(message) {
        Err(_) => "nonsense",
        Ok(Message::Open { .. }) => "open",
        Ok(Message::Set { .. }) => "set",
        Ok(Message::Certificates { .. }) => "certificates",
        Ok(Message::Chains { .. }) => "chains",
        Ok(Message::WantPlaces { .. }) => "want places",
        Ok(Message::WantIds { .. }) => "want ids",
        Ok(Message::WantLeaves { .. }) => "want leaves",
        Ok(Message::Credit(_)) => "credit",
        Ok(Message::Answer(_)) => "answer",
        Ok(Message::End) => "end",
        Ok(Message::Live(_)) => "live",
        Ok(Message::Confirm(_)) => "confirm",
        Ok(Message::Offer { .. }) => "offer",
        Ok(Message::Done(_)) => "done",
        Ok(Message::CertificateRefused(..) | Message::CommitRefused(..)) => "refused",
        Ok(Message::Ephemeral(_)) => "ephemeral",
        Ok(Message::Abort(_)) => "abort",
    }
}
