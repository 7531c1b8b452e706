//! A replica that hears true, forged, changed, repeated and withheld records: what it takes means what the naive oracle says, in any
//! order of arrival; what it refuses leaves no trace; and the doctor finds nothing.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use rhizome_fuzz::{
    Input,
    forge::{Forged, Sheet, delegation, envelope, forge, head, header, payload, read, sign},
    oracle::{Expected, Known, expected},
    world::{attr, author, authors, entity, epochs, open, records, POD},
};
use rhizome_ipld::{PublicKey, SigningKey, codec, varsig::Algorithm};
use rhizome_replica::{LeafBytes, Record, Replica, ReplicaError, Report, Snapshot};
use rhizome_storage::{Kv, MemoryKv};
use rhizome_tuple::{CommitId, EntityId, LeafId, ListOp, Op, OpId, Value};
use std::sync::Arc;

const NAMES: [&str; 4] = ["name", "tag", "count", "list"];

/// Makes records as the input says.
struct Maker<'a> {
    input: Input<'a>,
    made: Vec<Forged>,
    ops: Vec<OpId>,
    leaves: Vec<LeafId>,
    clock: u64,
}

impl Maker<'_> {
    fn value(&mut self) -> Value {
        match self.input.below(9) {
            0 => Value::Integer(self.input.below(3) as i64 - 1),
            1 => Value::from(*self.input.of(&["", "a", "abcd-one", "abcd-two"])),
            2 => Value::Ref(entity(self.input.below(4) as u64)),
            3 => Value::Boolean(self.input.one_in(2)),
            4 => Value::Time(self.input.long() as i64),
            5 => Value::float(f64::from_bits(self.input.long())).unwrap_or(Value::Float(0.0)),
            6 => {
                let n = self.input.below(12);
                Value::Bytes(self.input.take(n).to_vec())
            }
            7 => {
                let n = self.input.below(12);
                Value::Text(String::from_utf8_lossy(self.input.take(n)).into_owned())
            }
            _ => Value::Blob(rhizome_ipld::cid_raw_blake3([self.input.below(2) as u8; 32])),
        }
    }

    fn supersedes(&mut self) -> Vec<OpId> {
        (0..self.input.below(3))
            .map(|_| match self.ops.is_empty() || self.input.one_in(8) {
                true => OpId(CommitId([self.input.byte(); 32]), 0, 0),
                false => *self.input.of(&self.ops),
            })
            .collect()
    }

    fn op(&mut self) -> Op {
        let which = self.input.below(4);
        let attribute = attr(NAMES[which]);
        match self.input.below(12) {
            0 => Op::Text { attribute, payload: self.input.take(3).to_vec() },
            1 | 2 => Op::Retract { attribute, supersedes: self.supersedes() },
            3 => Op::Erase {
                leaves: (0..self.input.below(3))
                    .map(|_| match self.leaves.is_empty() || self.input.one_in(8) {
                        true => LeafId(CommitId([7; 32]), 0),
                        false => *self.input.of(&self.leaves),
                    })
                    .collect(),
            },
            4 => Op::Create { nonce: self.input.take(2).to_vec() },
            // mostly of the kind that goes with the name, sometimes of another
            kind => match if kind < 10 { which } else { self.input.below(4) } {
                0 => Op::Assert { attribute, value: self.value(), supersedes: self.supersedes() },
                1 => Op::Insert { attribute, value: self.value() },
                2 => Op::Add { attribute, n: self.input.long() as i64 },
                _ => {
                    let n = 1 + self.input.below(3);
                    let mut position = self.input.take(n).to_vec();
                    position.resize(n, 128);
                    Op::List(ListOp { attribute, position, value: self.value(), supersedes: self.supersedes() })
                }
            },
        }
    }

    fn sheet(&mut self) -> Sheet {
        let e = entity(self.input.below(3) as u64);
        match self.input.below(16) {
            0 => {
                let n = self.input.below(64);
                Sheet::Garbage(e, self.input.take(n).to_vec())
            }
            1 => {
                let n = self.input.below(128);
                Sheet::Noise(self.input.take(n).to_vec())
            }
            2 if !self.made.is_empty() => {
                let from = self.input.of(&self.made).record.clone();
                match from.leaves.first() {
                    Some(LeafBytes::Sealed(bytes)) => Sheet::Noise(bytes.clone()),
                    _ => Sheet::Noise(Vec::new()),
                }
            }
            _ => Sheet::Ops(e, (0..=self.input.below(3)).map(|_| self.op()).collect()),
        }
    }

    /// A commit whose author has a key and keeps to no other rule.
    fn record(&mut self) -> Record {
        let who = if self.input.one_in(32) { 200 } else { 1 + self.input.below(3) as u8 };
        let key = author(who).key;
        let own = |m: &&Forged| m.header.device == key.public();
        let newest = self.made.iter().filter(own).max_by_key(|m| m.header.seq);
        let newest = newest.map(|m| (m.header.seq, m.id));
        let (seq, prev) = match (self.input.below(8), newest) {
            (0, Some((seq, id))) => (seq, (seq > 0).then_some(id)),
            (1, _) => (self.input.long(), Some(CommitId([self.input.byte(); 32]))),
            (2, _) if !self.made.is_empty() => (1, Some(self.input.of(&self.made).id)),
            (_, Some((seq, id))) if seq < u64::MAX => (seq + 1, Some(id)),
            _ => (0, None),
        };
        self.clock += u64::from(self.input.byte()) << 12;
        let hlc = if self.input.one_in(8) { self.input.long() } else { self.clock };
        let mut header = header(&key, seq, prev, hlc, u128::from(self.input.byte()));
        if self.input.one_in(8) {
            header.frontier.push(head(key.public(), self.input.long(), CommitId([9; 32])));
        }
        if self.input.one_in(8) {
            header.cap = Some(delegation());
        }
        if self.input.one_in(64) {
            header.pod.push('x');
        }
        let sheets: Vec<Sheet> = (0..=self.input.below(3)).map(|_| self.sheet()).collect();
        let forged = forge(&key, header, &sheets);
        let known = read(&forged.record);
        for (i, leaf) in (0..).zip(&known.leaves) {
            self.leaves.push(forged.leaf(i));
            let ops = leaf.as_ref().map_or(0, |l| l.1.len() as u32);
            self.ops.extend((0..ops).map(|j| forged.op(i, j)));
        }
        let record = forged.record.clone();
        self.made.push(forged);
        record
    }

    /// A record that was made before, after somebody meddled with it.
    fn changed(&mut self) -> Record {
        if self.made.is_empty() {
            let n = self.input.below(256);
            let envelope = self.input.take(n).to_vec();
            return Record { envelope, leaves: Vec::new() };
        }
        let other = self.input.of(&self.made).record.clone();
        let from = self.input.of(&self.made);
        let (mut record, device) = (from.record.clone(), from.header.device);
        let Maker { input, .. } = self;
        let i = input.byte() as usize % record.leaves.len();
        match input.below(14) {
            0 => flip(input, &mut record.envelope),
            1 => record.envelope.truncate(input.word()),
            2 => record.envelope.push(input.byte()),
            3 => {
                if let LeafBytes::Sealed(bytes) = &mut record.leaves[i] {
                    flip(input, bytes);
                }
            }
            4 => drop(record.leaves.remove(i)),
            5 => record.leaves.swap(0, i),
            6 => record.leaves[i] = LeafBytes::Erased([input.byte(); 32]),
            7 => record.leaves[i] = other.leaves[0].clone(),
            8 => record.envelope = other.envelope,
            9 => record.leaves.push(other.leaves[0].clone()),
            10 => {
                // signed again, by somebody, with a byte changed
                let key = author(1 + input.below(3) as u8).key;
                let mut bytes = payload(&record.envelope);
                flip(input, &mut bytes);
                record.envelope = envelope(&bytes, Algorithm::Ed25519.header(), &sign(&key, &bytes));
            }
            11 => {
                // the header of one author under the name and the signature of another
                let mut stolen = from.header.clone();
                let thief: SigningKey = author(1 + input.below(3) as u8).key;
                stolen.device = if input.one_in(2) { thief.public() } else { device };
                let bytes = codec::encode(&stolen).expect("a header");
                record.envelope = envelope(&bytes, Algorithm::Ed25519.header(), &sign(&thief, &bytes));
            }
            // no lie: leaves whose bytes are withheld
            _ => record.leaves[i] = LeafBytes::Erased(record.leaves[i].hash()),
        }
        record
    }
}

fn flip(input: &mut Input<'_>, bytes: &mut [u8]) {
    let at = input.word();
    if !bytes.is_empty() {
        let at = at % bytes.len();
        bytes[at] ^= input.byte().max(1);
    }
}

struct Home {
    kv: Arc<dyn Kv>,
    replica: Replica,
}

impl Home {
    fn new(salt: u8) -> Self {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let replica = Replica::create(kv.clone(), POD, [salt; 32], epochs(), authors()).expect("an empty store");
        Self { kv, replica }
    }

    fn reopened(self) -> Self {
        drop(self.replica);
        let replica = open(&self.kv);
        Self { kv: self.kv, replica }
    }

    /// Hears a batch. True if it was taken.
    fn hear(&self, batch: &[Record]) -> bool {
        let state = |s: &Snapshot| (s.commit_count(), s.canonical().expect("a sound store"));
        let before = state(&self.replica.snapshot());
        match self.replica.receive(batch.to_vec()) {
            Ok(_) => true,
            Err(error) => {
                match &error {
                    ReplicaError::Tuple(_)
                    | ReplicaError::Signature(_)
                    | ReplicaError::WrongPod { .. }
                    | ReplicaError::UnknownAuthor(_)
                    | ReplicaError::NoKey(_) => {}
                    other => panic!("{other:?}"),
                }
                assert!(error.to_string().len() < 1_000, "a message, not an echo");
                assert_eq!(state(&self.replica.snapshot()), before, "what is refused leaves no trace");
                false
            }
        }
    }

    /// Everything that must not depend on the order of arrival.
    fn shown(&self) -> Shown {
        let s = self.replica.snapshot();
        let report = s.verify(&mut |_, _| ()).expect("a sound store");
        assert_eq!(report.findings, []);
        let mut forks: BTreeMap<(PublicKey, u64), BTreeSet<CommitId>> = BTreeMap::new();
        for fork in s.forks() {
            forks.entry((fork.author, fork.seq)).or_default().extend([fork.first, fork.second]);
        }
        let mut heads = s.heads();
        heads.sort();
        Shown { lines: s.canonical().expect("sound"), heads, forks, report }
    }
}

#[derive(PartialEq, Debug)]
struct Shown {
    lines: Vec<Vec<u8>>,
    heads: Vec<(PublicKey, u64, CommitId)>,
    forks: BTreeMap<(PublicKey, u64), BTreeSet<CommitId>>,
    report: Report,
}

/// What all copies of each commit say together.
fn known(taken: &[Record]) -> Vec<Known> {
    let mut all: BTreeMap<CommitId, Known> = BTreeMap::new();
    for record in taken {
        let known = read(record);
        let there = all.entry(known.id).or_insert_with(|| known.clone());
        for (mine, theirs) in there.leaves.iter_mut().zip(known.leaves) {
            if mine.is_none() {
                *mine = theirs;
            }
        }
    }
    all.into_values().collect()
}

fn compare(s: &Snapshot, want: &Expected) {
    assert_eq!(s.canonical().expect("sound"), want.canonical());
    for n in 0..4 {
        let id: EntityId = entity(n);
        let Some(e) = s.eid(&id) else {
            assert!(!want.history.contains_key(&id));
            continue;
        };
        let history: Vec<_> = s.history(e).expect("sound").into_iter().map(|h| (h.by.op, h.op)).collect();
        assert_eq!(history, want.history.get(&id).cloned().unwrap_or_default());
        for name in NAMES {
            let Some(a) = s.aid(name) else { continue };
            let cell = (id, name.to_owned());
            let bytes = |v: &Value| codec::encode(v).expect("a value");
            let conflicts = s.conflicts(e, a).expect("sound");
            let conflicts: Vec<_> = conflicts.iter().map(|(v, by)| (bytes(v), by.op)).collect();
            assert_eq!(conflicts, want.conflicts.get(&cell).cloned().unwrap_or_default());
            let list = s.list(e, a);
            let list: Option<Vec<_>> = list.map(|l| l.into_iter().map(|w| bytes(&s.value(w).expect("known"))).collect());
            assert_eq!(list.as_ref(), want.lists.get(&cell), "{name} of {id}");
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut maker = Maker {
        input: Input::new(data),
        made: Vec::new(),
        ops: Vec::new(),
        leaves: Vec::new(),
        clock: 1 << 20,
    };
    let mut home = Home::new(1);
    let mut taken: Vec<Record> = Vec::new();
    let mut batch: Vec<Record> = Vec::new();
    for _ in 0..32 {
        if maker.input.is_empty() {
            break;
        }
        match maker.input.below(8) {
            0 | 1 => batch.push(maker.changed()),
            2 => {
                if home.hear(&batch) {
                    taken.append(&mut batch);
                }
                batch.clear();
            }
            3 => match maker.input.below(3) {
                0 => home.replica.checkpoint().expect("memory takes it"),
                1 => home.replica.flush().expect("memory takes it"),
                _ => {
                    home.replica.flush().expect("memory takes it");
                    home = home.reopened();
                }
            },
            _ => batch.push(maker.record()),
        }
    }
    for record in batch {
        if home.hear(std::slice::from_ref(&record)) {
            taken.push(record);
        }
    }
    compare(&home.replica.snapshot(), &expected(&known(&taken)));
    let shown = home.shown();

    // another replica hears the same in another order
    let other = Home::new(2);
    let mut order = taken.clone();
    for i in (1..order.len()).rev() {
        order.swap(i, (maker.input.byte() as usize).wrapping_mul(7) % (i + 1));
    }
    for batch in order.chunks(1 + maker.input.below(5)) {
        assert!(other.hear(batch), "what one replica takes every other takes");
    }
    assert_eq!(other.shown(), shown);

    // and one more only what the first has kept, which was on disk meanwhile
    home.replica.flush().expect("memory takes it");
    let home = home.reopened();
    assert_eq!(home.replica.snapshot().canonical().expect("sound"), shown.lines);
    if maker.input.one_in(4) {
        assert_eq!(home.shown(), shown);
        let third = Home::new(3);
        assert!(third.hear(&records(&home.replica)));
        assert_eq!(third.shown().lines, shown.lines);
    }
});
