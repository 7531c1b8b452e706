//! The contract point by point, so that a failure names the promise that was broken.

use std::{ops::ControlFlow, thread};

use super::{Random, model::scan};
use crate::{Batch, Durability, KEYSPACES, Kv, MAX_KEY_LEN, MAX_VALUE_LEN, StorageError};

/// Checks one promise on an empty store; panics if it is broken.
pub type Scenario = fn(&dyn Kv);

/// The promise and its check.
pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("an empty store answers", empty_store),
    ("keyspaces do not see each other", keyspaces_are_apart),
    ("the last write to a key in a batch wins", last_write_wins),
    (
        "a refused batch changes nothing",
        refused_batch_changes_nothing,
    ),
    ("the empty key is a key", empty_key),
    ("empty and inverted ranges visit nothing", empty_ranges),
    ("range ends: low in, high out, both directions", range_ends),
    ("a scan ends when told to", early_break),
    ("a visitor may commit", visitor_commits),
    ("snapshots see one moment", snapshots_are_isolated),
    ("values of every size come back whole", values_of_every_size),
    ("keys of the greatest length work", longest_keys),
    (
        "readers see whole batches while a writer works",
        batches_are_atomic,
    ),
    ("many keys come and go", many_keys),
    ("compaction changes nothing", compaction_changes_nothing),
];

const RELAXED: Durability = Durability::Relaxed;
const DURABLE: Durability = Durability::Durable;

fn put(kv: &dyn Kv, keyspace: u8, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(keyspace, key, value);
    kv.commit(batch, RELAXED).expect("commit");
}

fn get(kv: &dyn Kv, keyspace: u8, key: &[u8]) -> Option<Vec<u8>> {
    let snap = kv.snapshot().expect("snapshot");
    snap.get(keyspace, key)
        .expect("get")
        .map(|value| value.to_vec())
}

fn keys(kv: &dyn Kv, lo: &[u8], hi: Option<&[u8]>, reverse: bool) -> Vec<Vec<u8>> {
    let snap = kv.snapshot().expect("snapshot");
    scan(&*snap, 0, lo, hi, reverse, usize::MAX)
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

fn empty_store(kv: &dyn Kv) {
    for keyspace in 0..KEYSPACES {
        assert_eq!(get(kv, keyspace, b"x"), None);
    }
    assert!(keys(kv, b"", None, false).is_empty());
    assert!(keys(kv, b"", None, true).is_empty());
    kv.commit(Batch::new(), RELAXED)
        .expect("an empty relaxed batch");
    kv.commit(Batch::new(), DURABLE)
        .expect("an empty durable batch");
    kv.sync().expect("sync");
    kv.size_on_disk().expect("size");
}

fn keyspaces_are_apart(kv: &dyn Kv) {
    let mut batch = Batch::new();
    for keyspace in 0..KEYSPACES {
        batch.put(keyspace, b"key", [keyspace]);
    }
    kv.commit(batch, DURABLE).expect("commit");
    let mut batch = Batch::new();
    batch.delete(3, b"key");
    kv.commit(batch, RELAXED).expect("commit");
    for keyspace in 0..KEYSPACES {
        let expected = (keyspace != 3).then(|| vec![keyspace]);
        assert_eq!(get(kv, keyspace, b"key"), expected);
    }
    let snap = kv.snapshot().expect("snapshot");
    let unknown = snap.get(KEYSPACES, b"key");
    assert!(matches!(
        unknown,
        Err(StorageError::UnknownKeyspace(KEYSPACES))
    ));
    let unknown = snap.scan(KEYSPACES, b"", None, false, &mut |_, _| {
        ControlFlow::Continue(())
    });
    assert!(matches!(
        unknown,
        Err(StorageError::UnknownKeyspace(KEYSPACES))
    ));
}

fn last_write_wins(kv: &dyn Kv) {
    put(kv, 0, b"was", b"old");
    let mut batch = Batch::new();
    batch.put(0, b"a", b"1");
    batch.delete(0, b"a");
    batch.put(0, b"b", b"1");
    batch.put(0, b"b", b"2");
    batch.delete(0, b"was");
    batch.put(0, b"was", b"new");
    batch.delete(0, b"never");
    kv.commit(batch, RELAXED).expect("commit");
    assert_eq!(get(kv, 0, b"a"), None);
    assert_eq!(get(kv, 0, b"b"), Some(b"2".to_vec()));
    assert_eq!(get(kv, 0, b"was"), Some(b"new".to_vec()));
}

fn refused_batch_changes_nothing(kv: &dyn Kv) {
    put(kv, 0, b"a", b"old");
    let spoil: [fn(&mut Batch); 3] = [
        |b| b.put(KEYSPACES, b"a", b""),
        |b| b.put(1, vec![0; MAX_KEY_LEN + 1], b""),
        |b| b.put(1, b"", vec![0; MAX_VALUE_LEN + 1]),
    ];
    for spoil in spoil {
        let mut batch = Batch::new();
        batch.put(0, b"a", b"new");
        spoil(&mut batch);
        kv.commit(batch, DURABLE)
            .expect_err("the batch is outside the limits");
        assert_eq!(get(kv, 0, b"a"), Some(b"old".to_vec()));
    }
}

fn empty_key(kv: &dyn Kv) {
    put(kv, 0, b"", b"");
    put(kv, 0, b"\0", b"zero");
    assert_eq!(
        get(kv, 0, b""),
        Some(vec![]),
        "an empty value is not an absent one"
    );
    assert_eq!(keys(kv, b"", None, false), [&b""[..], b"\0"]);
    assert_eq!(keys(kv, b"", Some(b"\0"), false), [&b""[..]]);
}

fn empty_ranges(kv: &dyn Kv) {
    put(kv, 0, b"b", b"");
    for reverse in [false, true] {
        assert!(keys(kv, b"b", Some(b"b"), reverse).is_empty(), "lo = hi");
        assert!(keys(kv, b"c", Some(b"a"), reverse).is_empty(), "hi < lo");
        assert!(
            keys(kv, b"", Some(b""), reverse).is_empty(),
            "nothing is below the empty key"
        );
        assert!(
            keys(kv, b"b\0", None, reverse).is_empty(),
            "beyond the last"
        );
    }
}

fn range_ends(kv: &dyn Kv) {
    for key in ["a", "b", "ba", "c", "\u{ff}"] {
        put(kv, 0, key.as_bytes(), b"");
    }
    let mut up = keys(kv, b"b", Some(b"c"), false);
    assert_eq!(up, [&b"b"[..], b"ba"]);
    up.reverse();
    assert_eq!(keys(kv, b"b", Some(b"c"), true), up);
    assert_eq!(keys(kv, b"aa", None, true).len(), 4);
}

fn early_break(kv: &dyn Kv) {
    let mut batch = Batch::new();
    for i in 0..1000_u16 {
        batch.put(0, i.to_be_bytes(), b"");
    }
    kv.commit(batch, RELAXED).expect("commit");
    for (reverse, first) in [(false, 0_u16), (true, 999)] {
        let mut seen = Vec::new();
        let snap = kv.snapshot().expect("snapshot");
        let result = snap.scan(0, b"", None, reverse, &mut |key, _| {
            seen.push(key.to_vec());
            ControlFlow::Break(())
        });
        result.expect("scan");
        assert_eq!(seen, [first.to_be_bytes()]);
    }
}

fn visitor_commits(kv: &dyn Kv) {
    put(kv, 0, b"a", b"");
    put(kv, 0, b"b", b"");
    let mut seen = 0;
    let snap = kv.snapshot().expect("snapshot");
    let result = snap.scan(0, b"", None, false, &mut |key, _| {
        seen += 1;
        put(kv, 0, &[key, b"x"].concat(), b"");
        assert!(snap.get(0, b"ax").expect("get").is_none());
        ControlFlow::Continue(())
    });
    result.expect("scan");
    assert_eq!(seen, 2, "what the visitor commits is not in this snapshot");
    assert_eq!(keys(kv, b"", None, false).len(), 4);
}

fn snapshots_are_isolated(kv: &dyn Kv) {
    let mut snaps = vec![kv.snapshot().expect("snapshot")];
    for i in 0..50_u8 {
        let mut batch = Batch::new();
        batch.put(0, b"n", [i]);
        batch.put(0, [b'k', i], b"");
        if i > 0 {
            batch.delete(0, [b'k', i - 1]);
        }
        kv.commit(batch, if i % 10 == 0 { DURABLE } else { RELAXED })
            .expect("commit");
        snaps.push(kv.snapshot().expect("snapshot"));
    }
    for (i, snap) in snaps.iter().enumerate() {
        let n = snap.get(0, b"n").expect("get");
        let keys = scan(&**snap, 0, b"k", Some(b"l"), false, usize::MAX);
        match i.checked_sub(1) {
            None => assert!(n.is_none() && keys.is_empty()),
            Some(i) => {
                assert_eq!(n.as_deref(), Some(&[i as u8][..]));
                assert_eq!(keys, [(vec![b'k', i as u8], vec![])]);
            }
        }
    }
}

fn values_of_every_size(kv: &dyn Kv) {
    let mut random = Random::new(1);
    let mut sizes: Vec<usize> = (0..=16).map(|n| 1 << n).collect();
    sizes.extend([
        0,
        4032,
        4084,
        4085,
        4097,
        8128,
        65_472,
        65_537,
        1 << 20,
        MAX_VALUE_LEN,
    ]);
    for durability in [RELAXED, DURABLE] {
        for &size in &sizes {
            let value = random.bytes(size);
            let mut batch = Batch::new();
            batch.put(1, (size as u64).to_be_bytes(), &value);
            kv.commit(batch, durability).expect("commit");
            assert!(
                get(kv, 1, &(size as u64).to_be_bytes()) == Some(value),
                "{size} bytes"
            );
        }
    }
    let snap = kv.snapshot().expect("snapshot");
    sizes.sort_unstable();
    sizes.dedup();
    let lens: Vec<_> = scan(&*snap, 1, b"", None, false, usize::MAX)
        .iter()
        .map(|p| p.1.len())
        .collect();
    assert_eq!(lens, sizes);
}

fn longest_keys(kv: &dyn Kv) {
    let mut batch = Batch::new();
    for i in 0..100_u8 {
        let mut key = vec![0xff; MAX_KEY_LEN];
        key[MAX_KEY_LEN - 1] = i;
        batch.put(0, key, [i]);
    }
    kv.commit(batch, DURABLE).expect("commit");
    let snap = kv.snapshot().expect("snapshot");
    let found = scan(&*snap, 0, b"\xff", None, true, usize::MAX);
    assert!(found.iter().map(|(_, value)| value[0]).eq((0..100).rev()));
}

fn batches_are_atomic(kv: &dyn Kv) {
    // Every batch moves all keys of all keyspaces to the next number at once.
    let write = |n: u64| {
        let mut batch = Batch::new();
        for keyspace in 0..KEYSPACES {
            for key in 0..8_u8 {
                batch.put(keyspace, [key], n.to_be_bytes());
            }
        }
        kv.commit(
            batch,
            if n.is_multiple_of(16) {
                DURABLE
            } else {
                RELAXED
            },
        )
        .expect("commit");
    };
    write(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| (1..200).for_each(write));
        let mut last = 0;
        while !writer.is_finished() {
            let snap = kv.snapshot().expect("snapshot");
            let mut seen = Vec::new();
            for keyspace in 0..KEYSPACES {
                seen.extend(scan(
                    &*snap,
                    keyspace,
                    b"",
                    None,
                    keyspace.is_multiple_of(2),
                    usize::MAX,
                ));
            }
            assert_eq!(seen.len(), 8 * usize::from(KEYSPACES));
            assert!(seen.iter().all(|pair| pair.1 == seen[0].1), "a torn batch");
            let n = u64::from_be_bytes(seen[0].1[..].try_into().expect("eight bytes"));
            assert!(n >= last, "time runs forward");
            last = n;
        }
    });
    assert_eq!(get(kv, 15, &[7]), Some(199_u64.to_be_bytes().to_vec()));
}

fn compaction_changes_nothing(kv: &dyn Kv) {
    let mut random = Random::new(2);
    for round in 0..20_u8 {
        let mut batch = Batch::new();
        for key in 0..50_u8 {
            let len = random.below(6000);
            batch.put(0, [round, key], random.bytes(len));
            if round > 0 && key % 3 != 0 {
                batch.delete(0, [round - 1, key]);
            }
        }
        kv.commit(batch, RELAXED).expect("commit");
    }
    let before = scan(
        &*kv.snapshot().expect("snapshot"),
        0,
        b"",
        None,
        false,
        usize::MAX,
    );
    kv.compact().expect("compact");
    let after = scan(
        &*kv.snapshot().expect("snapshot"),
        0,
        b"",
        None,
        false,
        usize::MAX,
    );
    assert!(before == after);
    put(kv, 0, b"later", b"1");
    assert_eq!(get(kv, 0, b"later"), Some(b"1".to_vec()));
}

fn many_keys(kv: &dyn Kv) {
    // Enough for every engine's pages to split and to merge again, in order and out of it.
    let key = |i: u32| i.wrapping_mul(0x9e37_79b1).to_be_bytes();
    let all = 20_000;
    let mut held = Vec::new();
    for start in (0..all).step_by(500) {
        let mut batch = Batch::new();
        for i in start..start + 500 {
            batch.put(0, key(i), i.to_be_bytes());
            batch.put(1, i.to_be_bytes(), key(i));
        }
        kv.commit(batch, RELAXED).expect("commit");
        if start % 5000 == 0 {
            held.push((start as usize + 500, kv.snapshot().expect("snapshot")));
        }
    }
    for start in (0..all).step_by(1000) {
        let mut batch = Batch::new();
        for i in (start..start + 1000).filter(|i| i % 10 != 0) {
            batch.delete(0, key(i));
            batch.delete(1, i.to_be_bytes());
        }
        kv.commit(batch, RELAXED).expect("commit");
    }
    for (count, snap) in &held {
        for keyspace in [0, 1] {
            let pairs = scan(&**snap, keyspace, b"", None, false, usize::MAX);
            assert_eq!(pairs.len(), *count);
            assert!(pairs.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
    let left: Vec<_> = (0..all).step_by(10).collect();
    let snap = kv.snapshot().expect("snapshot");
    let pairs = scan(&*snap, 1, b"", None, true, usize::MAX);
    assert!(
        pairs
            .iter()
            .map(|pair| &pair.0[..])
            .eq(left.iter().rev().map(|i| i.to_be_bytes()))
    );
    for i in 0..all {
        let found = snap.get(0, &key(i)).expect("get");
        let expected = i.is_multiple_of(10).then(|| i.to_be_bytes());
        assert_eq!(found.as_deref(), expected.as_ref().map(|v| &v[..]), "{i}");
    }
}
