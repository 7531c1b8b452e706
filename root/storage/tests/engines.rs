//! Both engines run the one suite.

use rhizome_storage::{Batch, Durability, Kv, MemoryKv, RedbKv, StorageError, conformance};

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
