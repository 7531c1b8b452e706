//! Random histories by authors who keep to no rule, in every order of arrival, held against the naive oracle.
//!
//! `RHIZOME_HISTORIES` says how many (600 otherwise), `RHIZOME_SEED` where to start: a failure prints its seed.

use crate::{
    forge::read,
    oracle::{Expected, Known, expected},
    pool::{ATTRIBUTES, FORGERS, Pool, Said},
    world::*,
};
use rhizome_ipld::{PublicKey, codec};
use rhizome_replica::{Change, Cut, Edit, LeafBytes, Record, Replica, Snapshot, key};
use rhizome_storage::{Durability, Kv, MemoryKv, conformance::Random};
use rhizome_tuple::{CommitId, EntityId, LeafId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

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
    quoted: usize,
    withdrawn: usize,
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
                // with all blocks in memory afterwards, or with none
                self.replica.set_resident([0, 64 << 20][r.below(2)]);
                self.replica.checkpoint().unwrap();
                seen.checkpoints += 1;
            }
            2 => self.replica.flush().unwrap(),
            5 => {
                self.replica.set_resident(0);
                self.replica.let_go();
            }
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

/// Tuples, entities and values of an attribute.
type Counted<'a> = (u64, BTreeSet<EntityId>, BTreeSet<&'a [u8]>);

/// Holds everything a replica shows against what the oracle says.
fn check(s: &Snapshot, want: &Expected, pool: &[Said]) {
    assert_eq!(s.canonical().unwrap(), want.canonical());
    let mut per_attribute: BTreeMap<&str, Counted<'_>> = BTreeMap::new();
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
        let (author, hlc, quoted) = want.by[&(*entity, name.clone(), value.clone())];
        assert_eq!(
            (by.author, by.hlc, by.quoted.is_some()),
            (author, hlc, quoted)
        );
        let signed = by.quoted.unwrap_or(op.0);
        let said = pool.iter().find(|c| c.known.id == signed).unwrap();
        assert_eq!(by.seq, said.seq);
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
        let mut history: Vec<_> = s
            .history(e)
            .unwrap()
            .into_iter()
            .map(|h| (h.by.hlc, h.by.op, h.op))
            .collect();
        assert!(history.is_sorted_by_key(|h| (h.0, h.1)));
        history.sort_by_key(|h| (h.0, h.1, codec::encode(&h.2).unwrap()));
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
    for said in pool {
        let place = places.entry((said.device, said.seq)).or_default();
        place.insert(said.known.id);
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
    let mut pool = Pool::new(seed);
    let mut home = Watched::new(1);
    let mut underway: Vec<Record> = Vec::new();
    for _ in 0..3 + pool.r.below(25) {
        if pool.r.one_in(3) {
            let who = FORGERS + 1 + pool.r.below(2) as u8;
            let mut edits: Vec<Edit> = (0..=pool.r.below(4)).map(|_| pool.edit()).collect();
            // an entity is erased in a transaction of its own
            if let Some(Edit::Erase(e)) = edits.iter().find(|e| matches!(e, Edit::Erase(_))) {
                edits = vec![Edit::Erase(*e)];
            }
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
                pool.keep(&record, &header);
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
    let full: Vec<Record> = pool.commits.iter().map(|c| c.record.clone()).collect();
    home.replica.receive(full.clone()).unwrap();
    home.settle(seen);

    let known: Vec<Known> = pool.commits.iter().map(|c| c.known.clone()).collect();
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
                .chain([GUEST, SILENT])
                .filter(|_| !pool.r.one_in(4))
                .map(|n| (author(n).key.public(), 2))
                .collect(),
        ),
    ];
    for cut in cuts {
        let past: Vec<Known> = pool
            .commits
            .iter()
            .filter(|said| match &cut {
                Cut::Time(ms) => said.known.hlc.ms() <= *ms,
                Cut::Frontier(f) => f.get(&said.device).is_some_and(|last| said.seq <= *last),
            })
            .map(|said| {
                let mut known = said.known.clone();
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
    seen.quoted += want.quoted;
    seen.withdrawn += want.withdrawn;
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
            quoted,
            withdrawn,
            void,
            hollow,
            elements,
            facts,
            ..
        } = seen;
        for n in [
            commits, written, forks, conflicts, mixed, waiting, erased, quoted, withdrawn, void,
            hollow, elements, facts,
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
