//! Both engines run the one suite, and so do stores inside one.

use std::{ops::ControlFlow, sync::Arc};

use rhizome_storage::{
    Batch, Durability, KEYSPACES, Kv, MemoryKv, PrefixedKv, RedbKv, StorageError, conformance,
};

#[test]
fn memory_conforms() {
    conformance::run(&|| Box::new(MemoryKv::new()));
}

#[test]
fn redb_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conformance::run(&|| {
        count.set(count.get() + 1);
        Box::new(RedbKv::open(dir.path().join(count.get().to_string())).unwrap())
    });
}

/// A store between two others, which have something in every keyspace.
fn between(kv: Arc<dyn Kv>, prefix: &[u8]) -> Box<dyn Kv> {
    let mut others = Batch::new();
    for keyspace in 0..KEYSPACES {
        for key in [&b"\x00\x07other"[..], b"\x00\x09", b"\x01", b""] {
            others.put(keyspace, key, b"of another");
        }
    }
    kv.commit(others, Durability::Durable).unwrap();
    Box::new(PrefixedKv::new(kv, prefix).unwrap())
}

#[test]
fn a_store_inside_another_conforms() {
    for prefix in [&[0, 8][..], &[255, 255]] {
        conformance::run(&|| between(Arc::new(MemoryKv::new()), prefix));
    }
    conformance::run(&|| {
        let outer = PrefixedKv::new(Arc::new(MemoryKv::new()), b"outer").unwrap();
        between(Arc::new(outer), &[0, 8])
    });
    let dir = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conformance::run(&|| {
        count.set(count.get() + 1);
        let kv = RedbKv::open(dir.path().join(count.get().to_string())).unwrap();
        between(Arc::new(kv), &[0, 8])
    });
}

#[test]
fn stores_in_one_do_not_see_each_other() {
    let all: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let one = PrefixedKv::new(Arc::clone(&all), &[1]).unwrap();
    let two = PrefixedKv::new(Arc::clone(&all), &[2]).unwrap();
    for (kv, value) in [(&one, b"one"), (&two, b"two")] {
        let mut batch = Batch::new();
        batch.put(3, b"key", value);
        kv.commit(batch, Durability::Durable).unwrap();
    }
    let mut batch = Batch::new();
    batch.delete(3, b"key");
    two.commit(batch, Durability::Durable).unwrap();
    let (one, two) = (one.snapshot().unwrap(), two.snapshot().unwrap());
    assert_eq!(one.get(3, b"key").unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(two.get(3, b"key").unwrap(), None);
    let mut seen = 0;
    two.scan(3, &[], None, false, &mut |_, _| {
        seen += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen, 0);
}

#[test]
fn a_second_handle_is_told_which_file_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pod.redb");
    let first = RedbKv::open(&path).unwrap();
    match RedbKv::open(&path).map(drop).unwrap_err() {
        StorageError::Locked { path: locked } => assert_eq!(locked, path),
        other => panic!("{other}"),
    }
    drop(first);
    RedbKv::open(&path).unwrap();
}

#[test]
fn checking_and_compacting_beside_a_writer_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let kv = RedbKv::open(dir.path().join("pod.redb")).unwrap();
    let commits = 600_u32;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..commits {
                let mut batch = Batch::new();
                batch.put(0, n.to_be_bytes(), [1; 100]);
                kv.commit(batch, Durability::Relaxed).unwrap();
            }
        });
        while !writer.is_finished() {
            assert!(kv.check().unwrap());
            kv.compact().unwrap();
        }
    });
    let snap = kv.snapshot().unwrap();
    let lost = (0..commits).filter(|n| snap.get(0, &n.to_be_bytes()).unwrap().is_none());
    assert_eq!(lost.count(), 0);
}
