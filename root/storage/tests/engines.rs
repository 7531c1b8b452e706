//! Both engines run the one suite.

use rhizome_storage::{MemoryKv, RedbKv, StorageError, conformance};

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
