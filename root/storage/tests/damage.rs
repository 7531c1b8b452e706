//! A file that rotted on its disk gives errors; the process lives on.

use std::{fs, ops::ControlFlow, path::Path};

use rhizome_storage::{Batch, Durability, Kv, RedbKv, StorageError, conformance::Random};

use crate::{rounds, workload::commit};

/// Opens, reads everything, writes and checks. Returns whether the checksums are right.
fn use_all(path: &Path, write_first: bool) -> Result<bool, StorageError> {
    let kv = RedbKv::open(path)?;
    let write = || {
        let mut batch = Batch::new();
        for keyspace in 0..5 {
            batch.put(keyspace, "key 150", "new");
            batch.delete(keyspace, "key 250");
        }
        kv.commit(batch, Durability::Durable)
    };
    if write_first {
        write()?;
    }
    let snap = kv.snapshot()?;
    for keyspace in 0..16 {
        for reverse in [false, true] {
            snap.scan(keyspace, b"", None, reverse, &mut |_, _| {
                ControlFlow::Continue(())
            })?;
        }
        snap.get(keyspace, b"key 200")?;
    }
    drop(snap);
    write()?;
    kv.check()
}

#[test]
fn damage_is_an_error_and_not_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pod.redb");
    let kv = RedbKv::open(&path).unwrap();
    for number in 0..400 {
        let (batch, durability) = commit(1, number);
        kv.commit(batch, durability).unwrap();
    }
    kv.compact().unwrap();
    drop(kv);
    let sound = fs::read(&path).unwrap();
    let (mut unharmed, mut found, mut errors) = (0, 0, 0);
    for seed in 0..rounds(150) as u64 {
        let mut random = Random::new(seed);
        let mut damaged = sound.clone();
        for _ in 0..random.below(20) {
            let end = if random.one_in(4) {
                8192
            } else {
                damaged.len()
            };
            damaged[random.below(end)] = [0, 0xff, random.next_u64() as u8][random.below(3)];
        }
        if random.one_in(20) {
            damaged.truncate(random.below(sound.len()));
        }
        fs::write(&path, &damaged).unwrap();
        match use_all(&path, random.one_in(2)) {
            Ok(true) => unharmed += 1,
            Ok(false) => found += 1,
            Err(StorageError::Corrupt { path: named, .. }) if named == path => errors += 1,
            Err(other) => panic!("seed {seed}: {other:?}"),
        }
    }
    println!("{unharmed} unharmed, {found} found by their checksums, {errors} errors");
    assert!(errors > rounds(20), "the damage was noticed");
}
