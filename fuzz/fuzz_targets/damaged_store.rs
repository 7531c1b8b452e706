//! A store whose bytes were changed: opening, reading, the doctor, writing and opening again give typed errors or go on, never a
//! panic, never without end. Where the doctor finds nothing and no commit is missing, everything reads as before.
#![no_main]

use std::{
    ops::ControlFlow,
    sync::{Arc, LazyLock},
};

use libfuzzer_sys::fuzz_target;
use rhizome_fuzz::{
    Input, forge,
    world::{attr, author, authors, entity, epochs, fresh, nonce, write},
};
use ipld_core::ipld::Ipld;
use rhizome_ipld::{PublicKey, codec};
use rhizome_query::{Limits, Prepared};
use rhizome_replica::{Cut, Edit, LeafBytes, Replica, ReplicaError, Report, Snapshot, key};
use rhizome_storage::{Batch, Durability, Kv, MemoryKv};
use rhizome_tuple::{CommitId, Op, Value};

type Entry = (u8, Vec<u8>, Vec<u8>);

struct Sample {
    entries: Vec<Entry>,
    lines: Vec<Vec<u8>>,
    heads: Vec<(PublicKey, u64, CommitId)>,
    report: Report,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let (kv, replica) = fresh();
    // few leaves, because each costs a decryption, but enough tuples for several blocks in every index
    let text = |n: u64| Value::Text(format!("{n} {}", "abcdefgh ".repeat(n as usize % 4)));
    for n in 0..4 {
        let edits = (n * 4..n * 4 + 8).flat_map(|i| {
            let members = (0..24).map(move |j| {
                let to = if j % 2 == 0 { text(i * 24 + j) } else { Value::Ref(entity(j)) };
                Edit::Insert(entity(i), attr("to"), to)
            });
            let own = [
                Edit::Assert(entity(i), attr("name"), text(n)),
                Edit::Add(entity(i), attr("count"), i as i64 - 10),
            ];
            own.into_iter().chain(members)
        });
        write(&replica, 1, n as i64, edits.collect());
    }
    let list = ["a", "b", "a"].map(Value::from).to_vec();
    write(&replica, 2, 7, vec![Edit::SetList(entity(1), attr("list"), list)]);
    write(&replica, 2, 8, vec![Edit::Erase(entity(2))]);
    // a conflict, a fork, an operation that waits, a leaf that nobody can read, one that is withheld
    let name = |n: &str| vec![Op::assert(attr("name"), Value::from(n))];
    let one = forge::first(3, 1 << 20, entity(3), name("one"));
    let two = forge::after(&one, 3, 2 << 20, entity(3), name("two"));
    let three = forge::after(&one, 3, 3 << 20, entity(3), name("three"));
    let retract = Op::Retract { attribute: attr("tag"), supersedes: vec![two.op(0, 9)] };
    let waits = forge::first(4, 4 << 20, entity(4), vec![retract]);
    let key = author(5).key;
    let void = forge::forge(&key, forge::header(&key, 0, None, 5, 5), &[forge::Sheet::Noise(vec![1])]);
    let mut hollow = forge::after(&void, 5, 6 << 20, entity(5), name("hollow")).record;
    hollow.leaves[0] = LeafBytes::Erased(hollow.leaves[0].hash());
    let forged = [one, two, three, waits, void].map(|f| f.record);
    replica.receive([&forged[..], &[hollow]].concat()).expect("taken");
    replica.checkpoint().expect("memory takes it");
    // some that are only in the log, one of them in several parts
    write(&replica, 1, 9, vec![Edit::Assert(entity(6), attr("large"), Value::Bytes(vec![7; 9000]))]);
    let edits = (0..8).map(|n| Edit::Assert(entity(n), attr("name"), text(n + 3)));
    write(&replica, 2, 10, edits.collect());
    replica.flush().expect("memory takes it");

    let s = replica.snapshot();
    let report = s.verify(&mut |_, _| ()).expect("sound");
    assert_eq!(report.findings, []);
    let mut entries = Vec::new();
    for keyspace in 0..4 {
        let view = kv.snapshot().expect("a view");
        view.scan(keyspace, &[], None, false, &mut |k, v| {
            entries.push((keyspace, k.to_vec(), v.to_vec()));
            ControlFlow::Continue(())
        })
        .expect("a scan");
    }
    Sample {
        entries,
        lines: s.canonical().expect("sound"),
        heads: s.heads(),
        report,
    }
});

fn damage(entries: &mut Vec<Entry>, input: &mut Input<'_>) {
    if entries.is_empty() {
        return;
    }
    // a keyspace first: the log and the blocks have many more entries than the rest
    let keyspace = input.below(4) as u8;
    let (from, to) = (
        entries.partition_point(|e| e.0 < keyspace),
        entries.partition_point(|e| e.0 <= keyspace),
    );
    if from == to {
        return;
    }
    let i = from + input.word() % (to - from);
    let j = from + input.byte() as usize % (to - from);
    match input.below(12) {
        9.. => meddle(input, &mut entries[i].2),
        0..=2 => flip(input, &mut entries[i].2),
        3 => {
            let n = input.word();
            entries[i].2.truncate(n);
        }
        4 => {
            let n = input.below(32);
            entries[i].2.extend_from_slice(input.take(n));
        }
        5 => drop(entries.remove(i)),
        6 => flip(input, &mut entries[i].1),
        7 => {
            let value = entries[j].2.clone();
            entries[i].2 = value;
        }
        _ => {
            // a run of bytes written over
            let (at, n) = (input.word(), input.below(16));
            let value = &mut entries[i].2;
            for (offset, byte) in input.take(n).iter().enumerate() {
                if let Some(there) = value.get_mut(at + offset) {
                    *there = *byte;
                }
            }
        }
    }
}

/// Changes one thing in a record that is still canonical afterwards.
fn meddle(input: &mut Input<'_>, bytes: &mut Vec<u8>) {
    fn change(input: &mut Input<'_>, value: &mut Ipld) {
        match value {
            Ipld::Map(map) if !map.is_empty() => {
                let field = input.below(map.len());
                change(input, map.values_mut().nth(field).expect("it is one of them"));
            }
            Ipld::List(list) => match (input.below(4), list.len()) {
                (0, _) => drop(list.pop()),
                (1, 1..) => list.push(list[input.byte() as usize % list.len()].clone()),
                (2, 2..) => list.swap(0, 1),
                (_, 1..) => {
                    let i = input.word() % list.len();
                    change(input, &mut list[i]);
                }
                _ => {}
            },
            Ipld::Integer(n) => {
                *n = match input.below(4) {
                    0 => n.saturating_add(1),
                    1 => n.saturating_sub(1).max(0),
                    2 => i128::from(u32::MAX),
                    _ => i128::from(input.long()),
                }
            }
            Ipld::String(text) => text.push('x'),
            Ipld::Bytes(bytes) => flip(input, bytes),
            _ => {}
        }
    }
    if let Ok(mut value) = codec::decode::<Ipld>(bytes, bytes.len()) {
        change(input, &mut value);
        *bytes = codec::encode(&value).expect("it was read");
    }
}

fn flip(input: &mut Input<'_>, bytes: &mut [u8]) {
    let at = input.word();
    if !bytes.is_empty() {
        let at = at % bytes.len();
        bytes[at] ^= input.byte().max(1);
    }
}

/// An error is one that damage explains.
fn typed<T>(result: Result<T, ReplicaError>) -> Option<T> {
    let error = match result {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    assert!(error.to_string().len() < 1_000);
    let mut cause = &error;
    while let ReplicaError::Fault(inner) | ReplicaError::NotSaved(inner) = cause {
        cause = inner;
    }
    match cause {
        ReplicaError::Corrupt(_)
        | ReplicaError::Tuple(_)
        | ReplicaError::Storage(_)
        | ReplicaError::Missing
        | ReplicaError::Version(_)
        | ReplicaError::NoKey(_)
        | ReplicaError::Full(_) => None,
        other => panic!("{other:?}"),
    }
}

/// Reads everything there is to read.
fn look(s: &Snapshot) {
    typed(s.canonical());
    typed(s.all_conflicts());
    typed(s.as_of(&Cut::Time(3)));
    let _ = (s.heads(), s.forks());
    for (a, _) in s.attributes().take(8) {
        let stats = s.attribute_stats(a);
        assert!(stats.tuples <= s.aev().len());
    }
    let mut entities: Vec<_> = s.entities().take(4).collect();
    entities.extend((0..8).filter_map(|n| s.eid(&entity(n))));
    for e in entities {
        typed(s.history(e));
        let (lo, hi) = key::eav_e(e);
        for k in s.eav().range(lo, hi).take(16) {
            let fact = key::un_eav(k);
            let _ = (s.value(fact.v), s.list(fact.e, fact.a));
            typed(s.provenance(fact));
            typed(s.conflicts(fact.e, fact.a));
        }
        let (lo, hi) = key::vae_v(e);
        assert!(s.vae().range(lo, hi).rev().count() <= s.vae().len() as usize);
    }
    let query = r#"[:find ?n ?m :where [?e "to" ?f] [?f "name" ?n] [?e "count" ?m] [(< ?m 0)]]"#;
    let prepared = Prepared::with(query, None, &Limits::default()).expect("a query");
    if let Ok(rows) = prepared.run_while(s, &[], &|| true) {
        let _ = rows.to_json();
    }
}

/// The doctor. True if all is well and everything reads as in the sound store.
fn doctor(s: &Snapshot) -> bool {
    let Some(report) = typed(s.verify(&mut |_, _| ())) else {
        return false;
    };
    let sound = &SAMPLE.report;
    if !report.findings.is_empty() || report.commits != sound.commits {
        return false;
    }
    // leaves that were replaced by their hashes are told of
    if (report.missing, report.void, report.erased) == (sound.missing, sound.void, sound.erased) {
        assert_eq!(s.canonical().expect("the doctor found nothing"), SAMPLE.lines);
        assert_eq!(s.heads(), SAMPLE.heads);
        assert_eq!(report, *sound);
    }
    true
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let mut entries = SAMPLE.entries.clone();
    for _ in 0..=input.below(4) {
        damage(&mut entries, &mut input);
    }
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let mut batch = Batch::new();
    for (keyspace, key, value) in &entries {
        batch.put(*keyspace, key, value);
    }
    kv.commit(batch, Durability::Durable).expect("memory takes it");
    let Some(replica) = typed(Replica::open(kv.clone(), epochs(), authors())) else {
        return;
    };
    look(&replica.snapshot());
    let well = doctor(&replica.snapshot());
    if entries == SAMPLE.entries {
        assert!(well);
    }
    // it is not made worse by going on
    let edits = vec![
        Edit::Assert(entity(1), attr("name"), Value::from("after")),
        Edit::Retract(entity(3), attr("name"), None),
        Edit::Insert(entity(900), attr("new"), Value::Ref(entity(5))),
    ];
    typed(replica.write(&author(1), edits, 20, nonce(), Durability::Durable));
    let records = typed(replica.missing(&Default::default(), 8)).unwrap_or_default();
    // what a damaged log holds may be refused for any reason, as if a stranger had sent it
    let _ = replica.receive(records);
    typed(replica.checkpoint());
    drop(replica);
    if let Some(replica) = typed(Replica::open(kv, epochs(), authors())) {
        look(&replica.snapshot());
        match replica.snapshot().verify(&mut |_, _| ()) {
            Ok(report) => assert!(!well || report.findings.is_empty(), "{report:?}"),
            Err(error) => {
                assert!(!well, "all was well before: {error}");
                typed::<()>(Err(error));
            }
        }
    }
});
