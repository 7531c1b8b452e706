//! Random histories by authors who keep to no rule, in every order of arrival, held against the naive oracle.
//!
//! `RHIZOME_HISTORIES` says how many (600 otherwise), `RHIZOME_SEED` where to start: a failure prints its seed.

use crate::{
    forge::{Forged, Sheet, delegation, forge, head, header, read},
    oracle::{Expected, Known, expected},
    world::*,
};
use rhizome_ipld::{PublicKey, codec};
use rhizome_replica::{Change, Cut, Edit, LeafBytes, Record, Replica, Snapshot, key};
use rhizome_storage::{Durability, Kv, MemoryKv, conformance::Random};
use rhizome_tuple::{CommitId, EntityId, LeafId, ListOp, Op, OpId, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

const ATTRIBUTES: [&str; 4] = ["name", "tag", "count", "list"];
const FORGERS: u8 = 4;

/// How often each thing happened, so that a test that no longer tests it is noticed.
#[derive(Default, Debug)]
struct Seen {
    commits: usize,
    written: usize,
    forks: usize,
    conflicts: usize,
    mixed: usize,
    waiting: usize,
    erased: usize,
    void: usize,
    hollow: usize,
    elements: usize,
    facts: usize,
    checkpoints: usize,
    reopened: usize,
    lost: usize,
    resets: usize,
    held: usize,
}

fn value(r: &mut Random) -> Value {
    match r.below(12) {
        0..=3 => Value::Integer(r.below(3) as i64),
        4 | 5 => Value::Text(["", "a", "abcd-one", "abcd-two"][r.below(4)].into()),
        6 | 7 => Value::Ref(entity(r.below(5) as u64)),
        8 => Value::Boolean(r.one_in(2)),
        9 => Value::Time([0, i64::MIN, i64::MAX, 1][r.below(4)]),
        10 => Value::float([0.0, -1.5, f64::MAX, f64::MIN_POSITIVE][r.below(4)]).unwrap(),
        _ if r.one_in(2) => Value::Bytes(vec![r.below(2) as u8; r.below(3)]),
        _ => Value::Blob(rhizome_ipld::cid_raw_blake3([r.below(2) as u8; 32])),
    }
}

/// What has been said so far, and by whom.
struct Pool {
    r: Random,
    commits: Vec<(Record, Known, PublicKey, u64)>,
    ops: Vec<(OpId, EntityId, String)>,
    leaves: Vec<(LeafId, EntityId)>,
    clock: u64,
}

impl Pool {
    fn keep(&mut self, record: &Record, device: PublicKey, seq: u64) {
        let known = read(record);
        for (i, leaf) in known.leaves.iter().enumerate() {
            let Some((entity, ops)) = leaf else { continue };
            self.leaves.push((LeafId(known.id, i as u32), *entity));
            for (j, op) in ops.iter().enumerate() {
                if let Some(a) = op.attribute() {
                    self.ops
                        .push((OpId(known.id, i as u32, j as u32), *entity, a.to_string()));
                }
            }
        }
        self.commits.push((record.clone(), known, device, seq));
    }

    fn supersedes(&mut self, entity: &EntityId, name: &str) -> Vec<OpId> {
        let mut out = Vec::new();
        for _ in 0..self.r.below(4) {
            let near: Vec<OpId> = self
                .ops
                .iter()
                .filter(|o| o.1 == *entity && o.2 == name)
                .map(|o| o.0)
                .collect();
            let id = match self.r.below(10) {
                0 => OpId(CommitId([self.r.below(2) as u8; 32]), 0, 0),
                1 if !near.is_empty() => {
                    let OpId(commit, leaf, op) = near[self.r.below(near.len())];
                    [
                        OpId(commit, leaf + 1, op),
                        OpId(commit, leaf, op + 1),
                        OpId(commit, u32::MAX, u32::MAX),
                    ][self.r.below(3)]
                }
                2 | 3 if !self.ops.is_empty() => self.ops[self.r.below(self.ops.len())].0,
                _ if !near.is_empty() => near[self.r.below(near.len())],
                _ => continue,
            };
            out.push(id);
        }
        out
    }

    fn op(&mut self, entity: &EntityId) -> Op {
        let which = self.r.below(4);
        let name = ATTRIBUTES[which];
        let attribute = attr(name);
        let kind = if self.r.one_in(5) {
            self.r.below(8)
        } else {
            [0, 5, 2, 4][which]
        };
        let kind = if self.r.one_in(5) { 1 } else { kind };
        match if self.r.one_in(20) { 6 } else { kind } {
            0 => Op::Assert {
                attribute,
                value: value(&mut self.r),
                supersedes: self.supersedes(entity, name),
            },
            1 => Op::Retract {
                attribute,
                supersedes: self.supersedes(entity, name),
            },
            2 => Op::Add {
                attribute,
                n: [1, -1, 2, i64::MAX, i64::MIN][self.r.below(5)],
            },
            3 => Op::Text {
                attribute,
                payload: self.r.bytes(3),
            },
            4 => {
                let position = [vec![1], vec![1, 0], vec![128], vec![255]][self.r.below(4)].clone();
                Op::List(ListOp {
                    attribute,
                    position,
                    value: value(&mut self.r),
                    supersedes: self.supersedes(entity, name),
                })
            }
            5 => Op::Insert {
                attribute,
                value: value(&mut self.r),
            },
            6 => {
                let mut leaves = Vec::new();
                for _ in 0..=self.r.below(2) {
                    let own: Vec<LeafId> = self
                        .leaves
                        .iter()
                        .filter(|l| l.1 == *entity)
                        .map(|l| l.0)
                        .collect();
                    match self.r.below(8) {
                        0 => leaves.push(LeafId(CommitId([7; 32]), 0)),
                        1 if !self.leaves.is_empty() => {
                            leaves.push(self.leaves[self.r.below(self.leaves.len())].0);
                        }
                        _ if !own.is_empty() => leaves.push(own[self.r.below(own.len())]),
                        _ => {}
                    }
                }
                Op::Erase { leaves }
            }
            _ => Op::Create {
                nonce: self.r.bytes(4),
            },
        }
    }

    fn garbage(&mut self, entity: &EntityId) -> Vec<u8> {
        let good = codec::encode(&[Op::assert(attr("name"), Value::Integer(7))]).unwrap();
        let mut cases = vec![
            Vec::new(),
            self.r.bytes(20),
            codec::encode(&[0u8; 0]).unwrap(),
            codec::encode(&[(8, "name", 7)]).unwrap(),
            codec::encode(&[(0, "white space", 7, [0u8; 0])]).unwrap(),
            codec::encode(&[(0, "name", 7)]).unwrap(),
            codec::encode(&[(0, "name", 7, [0u8; 0], 1)]).unwrap(),
            codec::encode(&[(0, "name", u64::MAX, [0u8; 0])]).unwrap(),
            [&good[..], &[0]].concat(),
        ];
        // one good operation and one that is not: the leaf is void as a whole
        let op = codec::encode(&self.op(entity)).unwrap();
        cases.push([&[0x82], &op[..], &[0x81, 0x18, 0x63]].concat());
        let i = self.r.below(cases.len());
        cases.swap_remove(i)
    }

    /// The next commit of one of the forgers, or another one in the place of an earlier one, or one from nowhere.
    fn forged(&mut self) -> Forged {
        let who = 1 + self.r.below(FORGERS as usize) as u8;
        let key = author(who).key;
        let chain: Vec<(u64, CommitId)> = self
            .commits
            .iter()
            .filter(|c| c.2 == key.public())
            .map(|c| (c.3, c.1.id))
            .collect();
        let newest = chain.iter().max().copied();
        let (seq, prev) = match self.r.below(12) {
            0 if !chain.is_empty() => {
                // an equivocation
                let seq = chain[self.r.below(chain.len())].0;
                (
                    seq,
                    (seq > 0).then(|| {
                        chain
                            .iter()
                            .find(|c| c.0.checked_add(1) == Some(seq))
                            .map_or(CommitId([1; 32]), |c| c.1)
                    }),
                )
            }
            1 => (self.r.below(20) as u64 + 1, Some(CommitId([2; 32]))),
            2 if self.r.one_in(4) => (u64::MAX, Some(newest.map_or(CommitId([3; 32]), |n| n.1))),
            3 if !self.commits.is_empty() => {
                (1, Some(self.commits[self.r.below(self.commits.len())].1.id))
            }
            _ => newest
                .filter(|n| n.0 < 1000)
                .map_or((0, None), |(seq, id)| (seq + 1, Some(id))),
        };
        self.clock += (self.r.below(3) as u64) << 16;
        let hlc = match self.r.below(12) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 16,
            _ => self.clock,
        };
        let nonce = u128::from(self.r.next_u64());
        let mut header = header(&key, seq, prev, hlc, nonce);
        if self.r.one_in(3) {
            header.frontier.push(head(
                author(2).key.public(),
                self.r.next_u64(),
                CommitId([9; 32]),
            ));
        }
        if self.r.one_in(8) {
            header.cap = Some(delegation());
        }
        let sheets: Vec<Sheet> = (0..=self.r.below(3))
            .map(|_| {
                let e = entity(self.r.below(3) as u64);
                match self.r.below(24) {
                    0 => Sheet::Garbage(e, self.garbage(&e)),
                    1 => Sheet::Noise({
                        let n = self.r.below(60);
                        self.r.bytes(n)
                    }),
                    _ => Sheet::Ops(e, (0..=self.r.below(4)).map(|_| self.op(&e)).collect()),
                }
            })
            .collect();
        let forged = forge(&key, header, &sheets);
        let known = read(&forged.record);
        for (sheet, leaf) in sheets.iter().zip(&known.leaves) {
            match (sheet, leaf) {
                (Sheet::Ops(e, ops), Some(read)) => assert_eq!((e, ops), (&read.0, &read.1)),
                (Sheet::Garbage(..) | Sheet::Noise(_), None) => {}
                _ => panic!("a leaf is not read as it was written"),
            }
        }
        self.keep(&forged.record, key.public(), forged.header.seq);
        forged
    }

    fn edit(&mut self) -> Edit {
        let e = entity(self.r.below(3) as u64);
        let a = |i: usize| attr(ATTRIBUTES[i]);
        let r = &mut self.r;
        match r.below(14) {
            0..=3 => Edit::Assert(e, a(0), value(r)),
            4..=6 => Edit::Insert(e, a(1), value(r)),
            7 => Edit::Add(e, a(2), r.below(9) as i64 - 4),
            8 => Edit::List(e, a(3), value(r), Some(0)),
            9 => Edit::SetList(e, a(3), (0..r.below(4)).map(|_| value(r)).collect()),
            10 => Edit::Retract(e, a(r.below(4)), None),
            11 => Edit::Retract(e, a(r.below(4)), Some(value(r))),
            12 => Edit::Create(e, r.bytes(4)),
            _ if r.one_in(3) => Edit::Erase(e),
            _ => Edit::List(e, a(3), value(r), None),
        }
    }
}

/// A replica that is watched: its changes are added up and compared with what it shows.
struct Watched {
    kv: Arc<dyn Kv>,
    replica: Replica,
    changes: Arc<Mutex<Vec<Arc<Change>>>>,
    shown: BTreeSet<Vec<u8>>,
    held: Vec<(Snapshot, Vec<Vec<u8>>)>,
}

fn line(s: &Snapshot, f: &rhizome_replica::Fact) -> Vec<u8> {
    let entity = s.entity_id(f.e).unwrap();
    codec::encode(&(entity, s.attribute(f.a).unwrap(), s.value(f.v).unwrap())).unwrap()
}

impl Watched {
    fn new(salt: u8) -> Self {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let replica = Replica::create(kv.clone(), POD, [salt; 32], epochs(), authors()).unwrap();
        Self {
            kv,
            replica,
            changes: Arc::default(),
            shown: BTreeSet::new(),
            held: Vec::new(),
        }
        .watch()
    }

    fn watch(mut self) -> Self {
        self.changes = Arc::default();
        let sink = self.changes.clone();
        let (_, now) = self
            .replica
            .listen(move |c| sink.lock().unwrap().push(c.clone()));
        self.shown = now.canonical().unwrap().into_iter().collect();
        self
    }

    /// Opens the store again. What was not flushed is lost.
    fn reopen(mut self) -> Self {
        self.settle(&mut Seen::default());
        self.held.clear();
        drop(self.replica);
        let replica = open(&self.kv);
        Self { replica, ..self }.watch()
    }

    fn settle(&mut self, seen: &mut Seen) {
        for change in self.changes.lock().unwrap().drain(..) {
            if change.reset {
                seen.resets += 1;
                self.shown = change.after.canonical().unwrap().into_iter().collect();
                continue;
            }
            for f in &change.removed {
                assert!(
                    self.shown.remove(&line(&change.before, f)),
                    "something was removed that was not there"
                );
            }
            for f in &change.added {
                assert!(
                    self.shown.insert(line(&change.after, f)),
                    "something was added that was there"
                );
            }
        }
        let now = self.replica.snapshot().canonical().unwrap();
        assert!(
            self.shown.iter().eq(now.iter()),
            "the changes do not add up"
        );
        for (old, lines) in &self.held {
            assert_eq!(old.canonical().unwrap(), *lines, "a snapshot changed");
        }
    }

    /// Some housekeeping between arrivals.
    fn disturb(mut self, r: &mut Random, seen: &mut Seen, may_lose: bool) -> Self {
        if r.one_in(6) {
            let s = self.replica.snapshot();
            let lines = s.canonical().unwrap();
            self.held.push((s, lines));
            seen.held += 1;
        }
        match r.below(16) {
            0 | 1 => {
                self.replica.checkpoint().unwrap();
                seen.checkpoints += 1;
            }
            2 => self.replica.flush().unwrap(),
            3 => {
                self.replica.flush().unwrap();
                seen.reopened += 1;
                return self.reopen();
            }
            4 if may_lose => {
                seen.lost += 1;
                return self.reopen();
            }
            _ => {}
        }
        self
    }
}

fn shuffle<T>(r: &mut Random, list: &mut [T]) {
    for i in (1..list.len()).rev() {
        list.swap(i, r.below(i + 1));
    }
}

/// Holds everything a replica shows against what the oracle says.
fn check(s: &Snapshot, want: &Expected, pool: &[(Record, Known, PublicKey, u64)]) {
    assert_eq!(s.canonical().unwrap(), want.canonical());
    let mut per_attribute: BTreeMap<&str, (u64, BTreeSet<EntityId>, BTreeSet<&[u8]>)> =
        BTreeMap::new();
    let mut eav = BTreeSet::new();
    for ((entity, name, value), op) in &want.facts {
        let fact = rhizome_replica::Fact {
            e: s.eid(entity).unwrap(),
            a: s.aid(name).unwrap(),
            v: s.word(&codec::decode(value, value.len()).unwrap()).unwrap(),
        };
        eav.insert(fact);
        let by = s.provenance(fact).unwrap().unwrap();
        assert_eq!(by.op, *op, "who said {entity} {name}");
        let (_, known, device, seq) = pool.iter().find(|c| c.1.id == op.0).unwrap();
        assert_eq!((by.author, by.seq, by.hlc), (*device, *seq, known.hlc));
        let x = per_attribute.entry(name).or_default();
        x.0 += 1;
        x.1.insert(*entity);
        x.2.insert(value);
    }
    let all = |range: rhizome_replica::Range<'_>, fact: fn(u128) -> rhizome_replica::Fact| {
        range.map(fact).collect::<BTreeSet<_>>()
    };
    assert_eq!(all(s.eav().range(0, u128::MAX), key::un_eav), eav);
    assert_eq!(all(s.aev().range(0, u128::MAX), key::un_aev), eav);
    assert_eq!(all(s.ave().range(0, u128::MAX), key::un_ave), eav);
    let refs: BTreeSet<_> = eav
        .iter()
        .filter(|f| f.v.as_eid().is_some())
        .copied()
        .collect();
    assert_eq!(all(s.vae().range(0, u128::MAX), key::un_vae), refs);
    for (a, name) in s.attributes() {
        let stats = s.attribute_stats(a);
        let (n, e, v) = per_attribute.remove(name).unwrap_or_default();
        assert_eq!(
            (stats.tuples, stats.entities, stats.values),
            (n, e.len() as u64, v.len() as u64),
            "{name}"
        );
    }

    let mut conflicts = 0;
    for n in 0..5 {
        let id = entity(n);
        let Some(e) = s.eid(&id) else {
            assert!(!want.history.contains_key(&id));
            continue;
        };
        let history: Vec<_> = s
            .history(e)
            .unwrap()
            .into_iter()
            .map(|h| (h.by.op, h.op))
            .collect();
        assert_eq!(history, want.history.get(&id).cloned().unwrap_or_default());
        for name in ATTRIBUTES {
            let Some(a) = s.aid(name) else { continue };
            let cell = (id, name.to_owned());
            let got: Vec<_> = s
                .conflicts(e, a)
                .unwrap()
                .into_iter()
                .map(|(v, by)| (codec::encode(&v).unwrap(), by.op))
                .collect();
            conflicts += usize::from(!got.is_empty());
            assert_eq!(got, want.conflicts.get(&cell).cloned().unwrap_or_default());
            let list = s.list(e, a).map(|l| {
                l.into_iter()
                    .map(|w| codec::encode(&s.value(w).unwrap()).unwrap())
                    .collect::<Vec<_>>()
            });
            assert_eq!(list.as_ref(), want.lists.get(&cell), "{name} of {id}");
        }
    }
    assert_eq!(conflicts, want.conflicts.len());
    assert_eq!(s.all_conflicts().unwrap().len(), conflicts);

    let mut places: BTreeMap<(PublicKey, u64), BTreeSet<CommitId>> = BTreeMap::new();
    for (_, known, device, seq) in pool {
        places.entry((*device, *seq)).or_default().insert(known.id);
    }
    let mut heads: BTreeMap<PublicKey, (u64, CommitId)> = BTreeMap::new();
    for ((device, seq), ids) in &places {
        heads.insert(*device, (*seq, *ids.last().unwrap()));
    }
    assert_eq!(
        s.heads()
            .into_iter()
            .map(|(d, seq, id)| (d, (seq, id)))
            .collect::<BTreeMap<_, _>>(),
        heads
    );
    places.retain(|_, ids| ids.len() > 1);
    let mut forks: BTreeMap<(PublicKey, u64), BTreeSet<CommitId>> = BTreeMap::new();
    for fork in s.forks() {
        forks
            .entry((fork.author, fork.seq))
            .or_default()
            .extend([fork.first, fork.second]);
    }
    assert_eq!(forks, places);
    let report = s.verify(&mut |_, _| ()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(
        (report.commits as usize, report.tuples as usize),
        (pool.len(), want.facts.len())
    );
}

/// A copy of a record without the bytes of some leaves.
fn hollow(r: &mut Random, record: &Record) -> Record {
    let mut record = record.clone();
    for leaf in &mut record.leaves {
        if r.one_in(2) {
            *leaf = LeafBytes::Erased(leaf.hash());
        }
    }
    record
}

fn history(seed: u64, seen: &mut Seen) {
    let mut pool = Pool {
        r: Random::new(seed),
        commits: Vec::new(),
        ops: Vec::new(),
        leaves: Vec::new(),
        clock: 1 << 20,
    };
    let mut home = Watched::new(1);
    let mut underway: Vec<Record> = Vec::new();
    for _ in 0..3 + pool.r.below(25) {
        if pool.r.one_in(3) {
            let who = FORGERS + 1 + pool.r.below(2) as u8;
            let edits: Vec<Edit> = (0..=pool.r.below(4)).map(|_| pool.edit()).collect();
            let durability = if pool.r.one_in(4) {
                Durability::Relaxed
            } else {
                Durability::Durable
            };
            let at = (pool.clock >> 16) as i64;
            let written = home
                .replica
                .write(&author(who), edits, at, nonce(), durability)
                .unwrap();
            if let [id] = written.commits[..] {
                seen.written += 1;
                let record = records(&home.replica).pop().unwrap();
                let (header, _) = home.replica.snapshot().commit(&id).unwrap().unwrap();
                pool.clock = pool.clock.max(header.hlc.0.min(1 << 40));
                pool.keep(&record, header.device, header.seq);
            }
        } else {
            underway.push(pool.forged().record);
        }
        if pool.r.one_in(2) {
            shuffle(&mut pool.r, &mut underway);
            let n = pool.r.below(underway.len() + 1);
            home.replica.receive(underway.drain(..n).collect()).unwrap();
        }
        home = home.disturb(&mut pool.r, seen, true);
    }
    let full: Vec<Record> = pool.commits.iter().map(|c| c.0.clone()).collect();
    home.replica.receive(full.clone()).unwrap();
    home.settle(seen);

    let known: Vec<Known> = pool.commits.iter().map(|c| c.1.clone()).collect();
    let want = expected(&known);
    check(&home.replica.snapshot(), &want, &pool.commits);

    // Other replicas hear of it in another order, some of it twice, some of it first without its bytes.
    let kept = records(&home.replica);
    for salt in 2..4 {
        let mut other = Watched::new(salt);
        let mut deliveries = Vec::new();
        for record in if pool.r.one_in(2) { &full } else { &kept } {
            deliveries.push(record.clone());
            if pool.r.one_in(5) {
                deliveries.push(record.clone());
            }
            if pool.r.one_in(8) {
                seen.hollow += 1;
                deliveries.push(hollow(&mut pool.r, record));
            }
        }
        shuffle(&mut pool.r, &mut deliveries);
        while !deliveries.is_empty() {
            let n = (1 + pool.r.below(6)).min(deliveries.len());
            other
                .replica
                .receive(deliveries.drain(..n).collect())
                .unwrap();
            other = other.disturb(&mut pool.r, seen, true);
        }
        other
            .replica
            .receive(if pool.r.one_in(2) {
                full.clone()
            } else {
                kept.clone()
            })
            .unwrap();
        other.settle(seen);
        check(&other.replica.snapshot(), &want, &pool.commits);
        assert_eq!(
            other.replica.snapshot().digest().unwrap(),
            home.replica.snapshot().digest().unwrap()
        );
        // what was erased is erased
        for record in records(&other.replica) {
            let id = read(&record).id;
            for (i, leaf) in record.leaves.iter().enumerate() {
                assert_eq!(
                    matches!(leaf, LeafBytes::Erased(_)),
                    want.erased.contains(&LeafId(id, i as u32))
                );
            }
        }
        if pool.r.one_in(2) {
            other.replica.checkpoint().unwrap();
        } else {
            other.replica.flush().unwrap();
        }
        let other = other.reopen();
        check(&other.replica.snapshot(), &want, &pool.commits);
    }

    // The past is what the commits of the past say, as far as their bytes are still there.
    let s = home.replica.snapshot();
    let times = [
        0,
        (pool.clock >> 16) as i64 / 2,
        (pool.clock >> 16) as i64,
        i64::MAX,
    ];
    let cuts = [
        Cut::Time(times[pool.r.below(4)]),
        Cut::Frontier(
            (1..=6)
                .filter(|_| !pool.r.one_in(4))
                .map(|n| (author(n).key.public(), 2))
                .collect(),
        ),
    ];
    for cut in cuts {
        let past: Vec<Known> = pool
            .commits
            .iter()
            .filter(|(_, known, device, seq)| match &cut {
                Cut::Time(ms) => known.hlc.ms() <= *ms,
                Cut::Frontier(f) => f.get(device).is_some_and(|last| seq <= last),
            })
            .map(|(_, known, ..)| {
                let mut known = known.clone();
                for (i, leaf) in known.leaves.iter_mut().enumerate() {
                    if want.erased.contains(&LeafId(known.id, i as u32)) {
                        *leaf = None;
                    }
                }
                known
            })
            .collect();
        assert_eq!(
            s.as_of(&cut).unwrap().canonical().unwrap(),
            expected(&past).canonical()
        );
    }

    seen.commits += pool.commits.len();
    seen.facts += want.facts.len();
    seen.conflicts += want.conflicts.len();
    seen.mixed += want.mixed;
    seen.waiting += want.waiting;
    seen.erased += want.erased.len();
    seen.elements += want.lists.values().map(Vec::len).sum::<usize>();
    seen.void += known
        .iter()
        .flat_map(|k| &k.leaves)
        .filter(|l| l.is_none())
        .count();
    seen.forks += s.forks().len();
}

struct Seed(u64);
impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("run again with RHIZOME_SEED={} RHIZOME_HISTORIES=1", self.0);
        }
    }
}

#[test]
fn any_order_of_arrival_gives_what_the_oracle_says() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let start = number("RHIZOME_SEED").unwrap_or(0);
    let count = number("RHIZOME_HISTORIES").unwrap_or(600);
    let clock = std::time::Instant::now();
    let mut seen = Seen::default();
    for seed in start..start + count {
        let seed = Seed(seed);
        history(seed.0, &mut seen);
    }
    println!("{count} histories in {:?}: {seen:#?}", clock.elapsed());
    if count >= 500 {
        let Seen {
            commits,
            written,
            forks,
            conflicts,
            mixed,
            waiting,
            erased,
            void,
            hollow,
            elements,
            facts,
            ..
        } = seen;
        for n in [
            commits, written, forks, conflicts, mixed, waiting, erased, void, hollow, elements,
            facts,
        ] {
            assert!(n as u64 > count / 10, "something hardly ever happens");
        }
        let Seen {
            checkpoints,
            reopened,
            lost,
            resets,
            held,
            ..
        } = seen;
        assert!(
            [checkpoints, reopened, lost, resets, held]
                .iter()
                .all(|n| *n > 50)
        );
    }
}
