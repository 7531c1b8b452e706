//! Whole replicas in one process over a seeded network and disk: delay, cut connections, parallel connections, black holes, partitions,
//! crashes that lose what was not yet synced, and in a third of the seeds a peer that lies. A seed is replayed exactly; a failing one
//! prints its trace. `RHIZOME_SYNC_SEEDS=10000` runs more; `RHIZOME_SYNC_SEED=17` runs one.

use crate::memory::{MemoryStore, certificate, commit, key};
use rhizome_sync::set::{Id, SHORT_END};
use rhizome_sync::{
    ChainState, CommitName, Input, Leaf, Limits, Local, Message, Output, Role, Run, Session, Store,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(self.below(list.len() as u64) as usize).copied()
    }
}

/// What happened, so that nothing that should happen is silently missing.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    events: u64,
    messages: u64,
    connections: u64,
    parallel: u64,
    synced: u64,
    equal: u64,
    cut: u64,
    lost_messages: u64,
    black_holes: u64,
    partitions: u64,
    crashes: u64,
    lost_commits: u64,
    silent: u64,
    aborted: u64,
    forks: u64,
    delivered: u64,
    refused: u64,
    filled: u64,
    stripped: u64,
    garbled: u64,
    withheld: u64,
    forged: u64,
    equivocated: u64,
}

impl Counts {
    fn list(&mut self) -> [(&'static str, &mut u64); 23] {
        [
            ("events", &mut self.events),
            ("messages", &mut self.messages),
            ("connections", &mut self.connections),
            ("parallel connections", &mut self.parallel),
            ("rounds", &mut self.synced),
            ("equal at once", &mut self.equal),
            ("connections cut", &mut self.cut),
            ("messages lost", &mut self.lost_messages),
            ("black holes", &mut self.black_holes),
            ("partitions", &mut self.partitions),
            ("crashes", &mut self.crashes),
            ("commits lost by crashes", &mut self.lost_commits),
            ("silences noticed", &mut self.silent),
            ("sessions aborted", &mut self.aborted),
            ("forks proved", &mut self.forks),
            ("pushes confirmed", &mut self.delivered),
            ("refusals", &mut self.refused),
            ("leaves filled in", &mut self.filled),
            ("leaves stripped", &mut self.stripped),
            ("messages garbled", &mut self.garbled),
            ("answers withheld", &mut self.withheld),
            ("commits forged", &mut self.forged),
            ("equivocations", &mut self.equivocated),
        ]
    }

    fn add(&mut self, other: &Self) {
        let mut other = *other;
        for ((_, a), (_, b)) in self.list().into_iter().zip(other.list()) {
            *a += *b;
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
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
    Partition(usize, usize),
    Heal(usize, usize),
}

struct Node {
    store: MemoryStore,
    durable: MemoryStore,
    up: bool,
    lies: bool,
    sessions: BTreeMap<u64, (usize, Session)>,
    authors: Vec<u8>,
}

struct Sim {
    seed: u64,
    now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    nodes: Vec<Node>,
    dice: Dice,
    parted: BTreeSet<(usize, usize)>,
    /// Connections whose messages vanish.
    holes: BTreeSet<u64>,
    /// When the last message arrives, by connection and receiver: a connection keeps the order.
    last: BTreeMap<(u64, usize), u64>,
    next_connection: u64,
    calm: bool,
    /// Shows commits before they are durable, so that a crash makes an honest author fork its chain.
    hasty: bool,
    written: BTreeSet<CommitName>,
    synced: BTreeSet<CommitName>,
    stripped: BTreeSet<(Id, u32)>,
    counts: Counts,
    trace: Option<Vec<String>>,
    fold: u64,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Sim {
    fn new(seed: u64, traced: bool) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ 0x5eed);
        let n = 3 + dice.below(3) as usize;
        let lies = seed.is_multiple_of(3);
        let hasty = seed % 4 == 1;
        let mut base = MemoryStore::with_authors([200]);
        for i in 0..dice.below(120) {
            base.write(200, leaf(&mut dice, i), i);
        }
        let nodes = (0..n)
            .map(|i| {
                let author = i as u8 + 1;
                let mut store = MemoryStore::with_authors([200, author]);
                // the first has what there was before, the others the beginning of it
                let all = base.commits.len();
                let some = if i == 0 {
                    all
                } else {
                    dice.below(all as u64 + 1) as usize
                };
                for commit in base.commits.values().take(some) {
                    store.insert((**commit).clone());
                }
                Node {
                    durable: store.clone(),
                    store,
                    up: true,
                    lies: lies && i + 1 == n,
                    sessions: BTreeMap::new(),
                    authors: vec![author],
                }
            })
            .collect::<Vec<_>>();
        let mut sim = Self {
            seed,
            now: 0,
            order: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            written: base.names(),
            synced: nodes
                .iter()
                .filter(|n| !n.lies)
                .flat_map(|n| n.store.names())
                .collect(),
            nodes,
            dice,
            parted: BTreeSet::new(),
            holes: BTreeSet::new(),
            last: BTreeMap::new(),
            next_connection: 0,
            calm: false,
            hasty,
            stripped: BTreeSet::new(),
            counts: Counts::default(),
            trace: traced.then(Vec::new),
            fold: 0,
        };
        for a in 0..n {
            sim.later(1, Event::Write(a));
            sim.later(2, Event::Sync(a));
            sim.soon(3_000, Event::Crash(a));
            for b in a + 1..n {
                sim.soon(100, Event::Dial(a, b));
                sim.soon(2_000, Event::Partition(a, b));
            }
        }
        sim
    }

    fn later(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse((self.now + after, self.order)));
        self.events.insert(self.order, event);
    }

    fn soon(&mut self, within: u64, event: Event) {
        let after = self.dice.below(within);
        self.later(after, event);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = format!("{:>7} ms  {}", self.now, line());
            trace.push(line);
        }
    }

    fn step(&mut self) {
        let Some(Reverse((at, order))) = self.queue.pop() else {
            return;
        };
        self.now = at;
        let event = self.events.remove(&order).expect("queued");
        self.counts.events += 1;
        self.fold = self.fold.rotate_left(7) ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ order;
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
        match event {
            Event::Deliver { to, on, message } => self.deliver(to, on, &message),
            Event::Dial(a, b) => self.dial(a, b),
            Event::Close { at, on } => self.close(at, on),
            Event::Tick { at, on } => {
                let now = self.now;
                self.with(at, on, |session, store| {
                    session.handle(now, Input::Tick, store);
                });
            }
            Event::Write(a) => self.write(a),
            Event::Sync(a) => self.sync(a),
            Event::Crash(a) => self.crash(a),
            Event::Restart(a) => self.nodes[a].up = true,
            Event::Partition(a, b) => self.partition(a, b),
            Event::Heal(a, b) => {
                self.parted.remove(&pair(a, b));
                self.soon(4_000, Event::Partition(a, b));
            }
        }
    }

    fn dial(&mut self, a: usize, b: usize) {
        self.later(200, Event::Dial(a, b));
        let open = self.nodes[a]
            .sessions
            .values()
            .filter(|(peer, _)| *peer == b)
            .count();
        let again = self.dice.one_in(6);
        if !self.nodes[a].up
            || !self.nodes[b].up
            || self.parted.contains(&pair(a, b))
            || (open > 0 && !again)
            || open > 2
        {
            return;
        }
        self.counts.connections += 1;
        self.counts.parallel += u64::from(open > 0);
        self.next_connection += 1;
        let on = self.next_connection;
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&self.dice.next().to_le_bytes());
        let limits = Limits {
            window: 2_000 + self.dice.below(30_000) as usize,
            batch: 1 + self.dice.below(8_000) as usize,
            live_window: 1_000 + self.dice.below(20_000) as usize,
            newest_first: self.dice.below(3) * 8,
            silence_ms: 1_500,
            ..Limits::default()
        };
        if !self.calm && self.dice.one_in(12) {
            self.counts.black_holes += 1;
            self.holes.insert(on);
        }
        for (x, y, role) in [(a, b, Role::Initiator), (b, a, Role::Responder)] {
            let session = Session::new(role, secret, self.now, limits.clone());
            self.nodes[x].sessions.insert(on, (y, session));
            self.pump(x, on);
        }
        // most connections do not live long
        if !self.calm && !self.dice.one_in(4) {
            let after = self.dice.below(1_500);
            self.counts.cut += 1;
            self.later(after, Event::Close { at: a, on });
        }
        // in the end everybody connects anew from time to time
        if self.calm {
            self.later(1_000, Event::Close { at: a, on });
        }
    }

    fn close(&mut self, at: usize, on: u64) {
        if let Some((peer, _)) = self.nodes[at].sessions.remove(&on) {
            self.nodes[peer].sessions.remove(&on);
        }
    }

    fn deliver(&mut self, to: usize, on: u64, message: &[u8]) {
        if !self.nodes[to].sessions.contains_key(&on) {
            self.counts.lost_messages += 1;
            return;
        }
        let now = self.now;
        self.with(to, on, |session, store| {
            session.handle(now, Input::Message(message), store);
        });
    }

    fn with(&mut self, at: usize, on: u64, f: impl FnOnce(&mut Session, &mut MemoryStore)) {
        let node = &mut self.nodes[at];
        if let Some((_, session)) = node.sessions.get_mut(&on) {
            f(session, &mut node.store);
            self.pump(at, on);
        }
    }

    /// Does what a session says.
    fn pump(&mut self, at: usize, on: u64) {
        loop {
            let node = &mut self.nodes[at];
            let Some((peer, session)) = node.sessions.get_mut(&on) else {
                return;
            };
            let peer = *peer;
            let Some(output) = session.poll(&node.store) else {
                return;
            };
            match output {
                Output::Send(message) => self.send(at, peer, on, message),
                Output::Learned(new) => {
                    self.counts.filled += new.filled.len() as u64;
                    let all = new.certificates.into_iter().map(Local::Certificate);
                    let all: Vec<Local> = all
                        .chain(new.commits.into_iter().map(Local::Commit))
                        .collect();
                    for local in all {
                        self.flood(at, Some(on), local);
                    }
                }
                Output::Delivered(_) => self.counts.delivered += 1,
                Output::Fork(fork) => {
                    assert!(fork.ids[0] != fork.ids[1] && fork.envelopes[0] != fork.envelopes[1]);
                    self.counts.forks += 1;
                }
                Output::Refused(..) => self.counts.refused += 1,
                Output::Synced(how) => {
                    self.counts.synced += 1;
                    self.counts.equal += u64::from(how.equal);
                }
                Output::Timeout(when) => {
                    let after = when.saturating_sub(self.now);
                    self.later(after, Event::Tick { at, on });
                }
                Output::Abort(why) => {
                    self.note(|| format!("{at} ends {on}: {why}"));
                    self.counts.aborted += 1;
                    self.counts.silent += u64::from(why == rhizome_sync::SyncError::Silent);
                    let honest = !self.nodes[at].lies && !self.nodes[peer].lies;
                    let excused = matches!(
                        why,
                        rhizome_sync::SyncError::Silent | rhizome_sync::SyncError::Peer(8)
                    );
                    assert!(
                        !honest || excused,
                        "seed {}: honest peers {at} and {peer}: {why}",
                        self.seed
                    );
                    self.later(1, Event::Close { at, on });
                }
                _ => {}
            }
        }
    }

    fn flood(&mut self, at: usize, except: Option<u64>, local: Local) {
        let others: Vec<u64> = self.nodes[at]
            .sessions
            .keys()
            .copied()
            .filter(|on| Some(*on) != except)
            .collect();
        for on in others {
            let now = self.now;
            self.with(at, on, |session, store| {
                session.handle(now, Input::Local(local), store);
            });
        }
    }

    fn send(&mut self, from: usize, to: usize, on: u64, message: Vec<u8>) {
        let message = if self.nodes[from].lies {
            self.lie(from, message)
        } else {
            message
        };
        // a link that has lost something delivers nothing more
        let hole = self.holes.contains(&on) && self.dice.one_in(3);
        if hole || self.parted.contains(&pair(from, to)) {
            self.last.insert((on, to), u64::MAX);
        }
        self.counts.messages += 1;
        let earliest = self.last.get(&(on, to)).copied().unwrap_or(0);
        if earliest == u64::MAX {
            self.counts.lost_messages += 1;
            return;
        }
        let at = (self.now + 1 + self.dice.below(60)).max(earliest + 1);
        self.last.insert((on, to), at);
        self.later(at - self.now, Event::Deliver { to, on, message });
    }

    /// What a Byzantine peer makes of its message.
    fn lie(&mut self, from: usize, mut message: Vec<u8>) -> Vec<u8> {
        let dice = &mut self.dice;
        let id = |dice: &mut Dice| *blake3::hash(&dice.next().to_le_bytes()).as_bytes();
        match dice.below(40) {
            0 => {
                self.counts.garbled += 1;
                let at = dice.below(message.len() as u64) as usize;
                message[at] ^= 1 << dice.below(8);
            }
            1 => {
                self.counts.garbled += 1;
                let to = dice.below(message.len() as u64) as usize;
                message.truncate(to);
            }
            2 => {
                self.counts.withheld += 1;
                return Message::End.to_bytes();
            }
            3 => {
                self.counts.garbled += 1;
                let seq = dice.below(1 << 40);
                let list = vec![ChainState {
                    key: key(dice.below(6) as u8),
                    count: seq + 1,
                    fingerprint: id(dice),
                    whole: dice.one_in(2),
                    heads: vec![(seq, id(dice)), (seq, id(dice))],
                    runs: Some(vec![Run { from: 0, to: seq }]),
                }];
                return Message::Chains {
                    last: dice.one_in(2),
                    list,
                }
                .to_bytes();
            }
            4 => {
                // a commit in the name of an honest author
                self.counts.forged += 1;
                let honest = 1 + dice.below(2) as u8;
                let mut forged = commit(
                    honest,
                    dice.below(20),
                    Some(id(dice)),
                    vec![Leaf::Sealed(vec![6; 20])],
                    666,
                );
                let at = forged.envelope.len() - 1;
                forged.envelope[at] ^= 1;
                let mut body = vec![0];
                body.extend(leb(forged.envelope.len() as u64));
                body.extend(&forged.envelope);
                body.extend([1, 40]);
                body.extend([6; 20]);
                return Message::Live(&body).to_bytes();
            }
            5 => {
                self.counts.withheld += 1;
                return Message::Done(0).to_bytes();
            }
            6 => {
                self.counts.garbled += 1;
                let name = CommitName {
                    key: key(1),
                    seq: dice.below(9),
                    id: id(dice),
                };
                return Message::CommitRefused(name, rhizome_sync::Refusal::Quota).to_bytes();
            }
            7 => {
                self.counts.garbled += 1;
                let ids = (0..dice.below(40)).map(|_| id(dice)).collect();
                return Message::Offer {
                    key: key(1),
                    own: dice.one_in(2),
                    last: true,
                    ids,
                }
                .to_bytes();
            }
            8 => {
                self.counts.garbled += 1;
                let run = Run {
                    from: 0,
                    to: u64::MAX,
                };
                return Message::WantPlaces {
                    key: key(2),
                    run,
                    credit: dice.next(),
                }
                .to_bytes();
            }
            9 => {
                self.counts.garbled += 1;
                let step = rhizome_sync::set::SetMessage::ListPlease(dice.below(SHORT_END));
                return Message::Set {
                    chain: None,
                    own: dice.one_in(2),
                    step,
                }
                .to_bytes();
            }
            10 => self.equivocate(from),
            _ => {}
        }
        message
    }

    /// A commit beside another, or out of nowhere.
    fn equivocate(&mut self, at: usize) {
        if self.calm {
            return;
        }
        let Some(author) = self.dice.of(&self.nodes[at].authors.clone()) else {
            return;
        };
        let own: Vec<CommitName> = self.nodes[at]
            .store
            .names()
            .into_iter()
            .filter(|n| n.key == key(author))
            .collect();
        let Some(other) = self.dice.of(&own) else {
            return;
        };
        let prev = match self.dice.below(3) {
            0 => own.iter().find(|n| n.seq + 1 == other.seq).map(|n| n.id),
            1 => Some(other.id),
            _ => Some([self.dice.next() as u8; 32]),
        };
        let leaves = leaf(&mut self.dice, 1);
        let fork = commit(author, other.seq, prev, leaves, self.dice.next());
        self.counts.equivocated += 1;
        self.written.insert(self.nodes[at].store.insert(fork));
    }

    fn write(&mut self, at: usize) {
        self.soon(250, Event::Write(at));
        if self.calm || !self.nodes[at].up {
            return;
        }
        if self.nodes[at].authors.len() < 4 && self.dice.one_in(10) {
            let author = at as u8 * 10 + 20 + self.nodes[at].authors.len() as u8;
            let new = certificate(author, 50 + self.dice.below(300) as usize);
            let id: Id = *blake3::hash(&new).as_bytes();
            let node = &mut self.nodes[at];
            node.authors.push(author);
            node.store.take_certificates(vec![new]).expect("memory");
            self.publish(at, Local::Certificate(id));
        }
        let authors = self.nodes[at].authors.clone();
        // after a crash a certificate may be gone with what was not synced
        let known = |a: &u8| {
            self.nodes[at]
                .store
                .certificates
                .values()
                .any(|c| c[0] == *a)
        };
        let authors: Vec<u8> = authors.into_iter().filter(known).collect();
        let Some(author) = self.dice.of(&authors) else {
            return;
        };
        let salt = self.dice.next();
        let leaves = leaf(&mut self.dice, salt);
        let name = self.nodes[at].store.write(author, leaves, salt);
        self.written.insert(name);
        self.publish(at, Local::Commit(name));
        if self.nodes[at].lies && self.dice.one_in(3) {
            self.equivocate(at);
        }
        if self.dice.one_in(8) {
            self.strip(at);
        }
    }

    /// Takes away bytes of a leaf that another honest replica has on disk.
    fn strip(&mut self, at: usize) {
        let all: Vec<CommitName> = self.nodes[at].store.names().into_iter().collect();
        let Some(name) = self.dice.of(&all) else {
            return;
        };
        let place = (name.key, name.seq, name.id);
        let elsewhere = (0..self.nodes.len()).any(|n| {
            n != at && !self.nodes[n].lies && self.nodes[n].durable.commits.contains_key(&place)
        });
        if !elsewhere || !self.stripped.insert((name.id, 0)) {
            return;
        }
        let commit = self.nodes[at].store.commits.get_mut(&place).expect("named");
        let commit = Arc::make_mut(commit);
        if let Some(Leaf::Sealed(bytes)) = commit.leaves.first() {
            commit.leaves[0] = Leaf::Erased(*blake3::hash(bytes).as_bytes());
            self.counts.stripped += 1;
        }
    }

    fn sync(&mut self, at: usize) {
        self.soon(400, Event::Sync(at));
        if self.nodes[at].up {
            self.make_durable(at);
        }
    }

    fn make_durable(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.durable != node.store {
            node.durable = node.store.clone();
        }
        if !node.lies {
            self.synced.extend(node.durable.names());
        }
    }

    /// Shows the others what was written: who is careful puts it on disk before anybody can see it.
    fn publish(&mut self, at: usize, local: Local) {
        if !self.hasty {
            self.make_durable(at);
        }
        self.flood(at, None, local);
    }

    fn crash(&mut self, at: usize) {
        self.soon(6_000, Event::Crash(at));
        if self.calm || !self.nodes[at].up {
            return;
        }
        self.counts.crashes += 1;
        let open: Vec<u64> = self.nodes[at].sessions.keys().copied().collect();
        for on in open {
            self.close(at, on);
        }
        let node = &mut self.nodes[at];
        self.counts.lost_commits += (node.store.commits.len() - node.durable.commits.len()) as u64;
        node.store = node.durable.clone();
        node.up = false;
        self.soon(1_000, Event::Restart(at));
    }

    fn partition(&mut self, a: usize, b: usize) {
        if self.calm {
            return;
        }
        self.counts.partitions += 1;
        self.parted.insert(pair(a, b));
        // the link notices some time later
        let open: Vec<u64> = self.nodes[a]
            .sessions
            .iter()
            .filter(|(_, s)| s.0 == b)
            .map(|(on, _)| *on)
            .collect();
        for on in open {
            self.soon(1_000, Event::Close { at: a, on });
        }
        self.soon(2_000, Event::Heal(a, b));
    }

    fn honest(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| !n.lies)
    }

    fn is_equal(&self) -> bool {
        let mut honest = self.honest().map(|n| &n.store);
        let Some(first) = honest.next() else {
            return true;
        };
        honest.all(|s| s.certificates == first.certificates && s.commits == first.commits)
    }

    fn run(&mut self) {
        while self.now < 6_000 {
            self.step();
        }
        self.calm = true;
        self.parted.clear();
        self.holes.clear();
        for at in 0..self.nodes.len() {
            self.nodes[at].up = true;
            let open: Vec<u64> = self.nodes[at].sessions.keys().copied().collect();
            for on in open {
                self.close(at, on);
            }
        }
        let deadline = self.now + 60_000;
        while !(self.counts.events.is_multiple_of(64) && self.is_equal()) {
            self.step();
            assert!(
                self.now < deadline,
                "seed {}: no convergence: {:?}",
                self.seed,
                self.honest()
                    .map(|n| (
                        n.store.certificates.len(),
                        n.store.commits.len(),
                        n.store.lacking(9).map(|l| l.len())
                    ))
                    .collect::<Vec<_>>()
            );
        }
        let all = self.nodes[0].store.names();
        for name in &self.synced {
            assert!(
                all.contains(name),
                "seed {}: a durable commit is lost: {name:?}",
                self.seed
            );
        }
        for name in &all {
            assert!(
                self.written.contains(name),
                "seed {}: nobody wrote {name:?}",
                self.seed
            );
        }
        for (author, chain) in &self.nodes[0].store.chains {
            let liar = self
                .nodes
                .iter()
                .any(|n| n.lies && n.authors.iter().any(|a| key(*a) == *author));
            let straight = chain.runs().is_some_and(|r| r.len() == 1);
            assert!(
                liar || self.hasty || straight,
                "seed {}: the chain of an honest author is not straight: {author:?} {:?}",
                self.seed,
                chain.heads().map(|h| h.0).collect::<Vec<_>>()
            );
        }
    }
}

fn leb(mut n: u64) -> Vec<u8> {
    let mut out = vec![];
    while n > 127 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn leaf(dice: &mut Dice, salt: u64) -> Vec<Leaf> {
    let some = |dice: &mut Dice| {
        let mut bytes = vec![salt as u8; 8 + dice.below(400) as usize];
        bytes[..8].copy_from_slice(&dice.next().to_le_bytes());
        Leaf::Sealed(bytes)
    };
    (0..=dice.below(3)).map(|_| some(dice)).collect()
}

pub fn what(message: &[u8]) -> &'static str {
    match Message::from_bytes(message) {
        Ok(_) => crate::pair::kind(message),
        Err(_) => "nonsense",
    }
}

fn simulate(seed: u64) -> (Counts, u64) {
    let run = |traced: bool| {
        let mut sim = Sim::new(seed, traced);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sim.run()));
        (sim, result)
    };
    let (sim, result) = run(false);
    if let Err(panic) = result {
        let (again, _) = run(true);
        let trace = again.trace.unwrap_or_default();
        for line in &trace[trace.len().saturating_sub(400)..] {
            println!("{line}");
        }
        std::panic::resume_unwind(panic);
    }
    (sim.counts, sim.fold)
}

#[test]
fn replicas_converge_whatever_the_network_the_disk_and_a_liar_do() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    if let Some(seed) = number("RHIZOME_SYNC_SEED") {
        println!("{:?}", simulate(seed));
        return;
    }
    let seeds = number("RHIZOME_SYNC_SEEDS").unwrap_or(200);
    let mut total = Counts::default();
    for seed in 0..seeds {
        let (counts, fold) = simulate(seed);
        if seed % 50 == 0 {
            assert_eq!(
                simulate(seed),
                (counts, fold),
                "seed {seed} is not the same twice"
            );
        }
        total.add(&counts);
    }
    for (name, n) in total.list() {
        println!("{name:>24} {n}");
        assert!(*n > 0 || seeds < 30, "never happened: {name}");
    }
}
