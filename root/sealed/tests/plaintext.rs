//! Nothing that a pod says can be found in what a sealed peer stores.

use crate::{
    device::DeviceStore,
    pair::{Pair, sum},
    sessions::family,
    world::*,
};
use rhizome_replica::{Author, Edit};
use rhizome_sealed::{Sealed, SealedOptions};
use rhizome_storage::{Batch, Durability, Kv, RedbKv};
use rhizome_sync::Store;
use rhizome_tuple::{Attribute, Value};
use std::{fs, path::Path, sync::Arc};

const MARKS: [&str; 4] = [
    "the-marker-in-a-text-value",
    "marker/attribute",
    "marker-in-bytes-and-names",
    "a-marker-that-is-erased-later",
];

/// Where these bytes occur in any file below a directory.
fn find(directory: &Path, needle: &[u8]) -> usize {
    let files = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path());
    files
        .map(|file| {
            let bytes = fs::read(file).unwrap();
            bytes.windows(needle.len()).filter(|w| *w == needle).count()
        })
        .sum()
}

#[test]
fn no_marker_is_in_any_byte_of_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let (owner, _) = family(90);
    let mut laptop = DeviceStore::blank(&owner.set, 1);
    laptop.take_certificates(owner.certificates()).unwrap();
    let me = Author { key: process(1) };
    let marked = entity("did:key:marker", 1);
    for n in 0..50u8 {
        let e = entity(&owner.did(), u64::from(n));
        let edits = vec![
            Edit::Assert(
                e,
                Attribute::new("social/text").unwrap(),
                Value::from(MARKS[0]),
            ),
            Edit::Insert(
                e,
                Attribute::new(MARKS[1]).unwrap(),
                Value::Bytes(MARKS[2].into()),
            ),
            Edit::Assert(marked, Attribute::new("x").unwrap(), Value::from(MARKS[3])),
        ];
        let durability = Durability::Durable;
        laptop
            .replica
            .write(&me, edits, 1000 + i64::from(n), [n; 16], durability)
            .unwrap();
    }
    let kv: Arc<dyn Kv> = Arc::new(RedbKv::open(directory.path().join("sealed.redb")).unwrap());
    let sealed = Sealed::open(kv.clone(), SealedOptions::default()).unwrap();
    sealed.host(owner.set.log(), 1 << 30, 0).unwrap();
    let pod = sealed.pod(&owner.set.did()).unwrap().unwrap();
    let mut store = pod.store(0);
    Pair::converge(&mut laptop, &mut store);
    assert_eq!(sum(&laptop), sum(&store));
    assert_eq!(pod.usage().commits, 50);
    kv.sync().unwrap();
    // what is to be found is found, so the search is one
    let did = pod.did();
    assert!(find(directory.path(), did.genesis_digest().unwrap()) > 0);
    assert!(find(directory.path(), &process(1).public().to_bytes()[2..]) > 0);
    for mark in MARKS {
        assert_eq!(find(directory.path(), mark.as_bytes()), 0, "{mark}");
    }
    assert_eq!(find(directory.path(), &SECRET), 0);
    // entities have names under which they are masked
    assert_eq!(find(directory.path(), marked.as_bytes()), 0);
    // control: in a file that does have one, it is found
    let mut batch = Batch::new();
    batch.put(15, "control", MARKS[0]);
    kv.commit(batch, Durability::Durable).unwrap();
    assert!(find(directory.path(), MARKS[0].as_bytes()) > 0);
}
