use super::*;
use rhizome_blob::{Usage, cost};

#[test]
fn a_store_counts_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let quota = cost(50_000) + cost(100) + cost(0);
    let open = || BlobStore::with_quota(directory.path(), quota).unwrap();
    let store = open();
    assert_eq!(store.usage(), Some(Usage { used: 0, quota }));
    let big = store.put_bytes(&sample(50_000)).unwrap();
    store.put(&sample(100)[..], u64::MAX).unwrap();
    store.put(&sample(100)[..], u64::MAX).unwrap(); // once more costs nothing
    assert_eq!(store.usage().unwrap().left(), cost(0));
    let refused = store.put_bytes(b"x");
    assert!(
        matches!(refused, Err(BlobError::Quota { wanted, left, .. }) if wanted == cost(1) && left == cost(0))
    );
    assert!(matches!(
        store.put(io::repeat(1), u64::MAX),
        Err(BlobError::TooLarge { limit }) if limit == quota
    ));
    store.put_bytes(b"").unwrap();
    assert_eq!(store.usage().unwrap().left(), 0);
    drop(store);
    let store = open();
    assert_eq!(store.usage().unwrap().left(), 0, "counted again");

    // Mending counts nothing twice, even if the damaged file has another length.
    fs::write(file_of(&store, &big, "blob"), sample(20_000)).unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.usage().unwrap().left(), cost(50_000) - cost(20_000));
    store.remove(&big).unwrap();
    assert_eq!(store.usage().unwrap().left(), cost(50_000));
    assert!(!store.remove(&big).unwrap());
    store.put_bytes(&sample(50_000)).unwrap();
    assert_eq!(store.usage().unwrap().left(), 0);
    assert_eq!(
        BlobStore::in_directory(directory.path()).unwrap().usage(),
        None
    );
}

#[test]
fn a_quota_is_set_changed_and_lifted_while_the_store_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let store = BlobStore::in_directory(directory.path()).unwrap();
    store.put_bytes(&sample(1000)).unwrap();
    assert_eq!(store.usage(), None);
    // less than there is: what is there stays, and nothing comes
    store.set_quota(Some(500)).unwrap();
    assert_eq!(store.usage().unwrap().used, cost(1000));
    assert!(matches!(
        store.put_bytes(b"x"),
        Err(BlobError::Quota {
            left: 0,
            quota: 500,
            ..
        })
    ));
    store.put_bytes(&sample(1000)).unwrap();
    store.set_quota(Some(cost(1000) + cost(1))).unwrap();
    let x = store.put_bytes(b"x").unwrap();
    assert!(store.put_bytes(b"y").is_err());
    store.set_quota(None).unwrap();
    store.put_bytes(b"y").unwrap();
    store.remove(&x).unwrap();
    // counted again
    store.set_quota(Some(u64::MAX)).unwrap();
    assert_eq!(store.usage().unwrap().used, cost(1000) + cost(1));
}

#[test]
#[cfg(unix)]
fn what_is_spared_of_the_disk_stays_free() {
    let directory = tempfile::tempdir().unwrap();
    let store = BlobStore::in_directory(directory.path()).unwrap();
    let free = store.free().unwrap();
    assert!(free > 0);
    store.put_bytes(b"before").unwrap();
    store.check_disk(1).unwrap();
    store.spare(u64::MAX);
    assert!(matches!(
        store.put_bytes(b"x"),
        Err(BlobError::Low {
            spared: u64::MAX,
            wanted: 1,
            ..
        })
    ));
    assert!(matches!(store.check_disk(1), Err(BlobError::Low { .. })));
    // what is here takes no more room
    store.put_bytes(b"before").unwrap();
    store.spare(0);
    store.put_bytes(b"x").unwrap();
}

#[test]
fn threads_cannot_count_one_blob_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = BlobStore::with_quota(directory.path(), 10 * cost(30_000)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..5 {
                    let _ = store.put(&sample(30_000 - i)[..], 1 << 20);
                }
            });
        }
    });
    let held: u64 = store.iter().map(|blob| cost(blob.unwrap().1)).sum();
    assert_eq!(store.usage().unwrap().used, held);
}
