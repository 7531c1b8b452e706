use super::*;

#[test]
fn names_are_whole_file_blake3() {
    let (_directory, store) = store();
    for &len in LENGTHS {
        let bytes = sample(len);
        let (cid, stored) = store.put(&bytes[..], len as u64).unwrap();
        assert_eq!(stored, len as u64);
        assert_eq!(
            cid,
            rhizome_ipld::cid_raw_blake3(*blake3::hash(&bytes).as_bytes())
        );
        assert_eq!(store.put_bytes(&bytes).unwrap(), cid);
        assert_eq!(store.len(&cid).unwrap(), len as u64);
    }
    let mut listed: Vec<_> = store
        .iter()
        .map(|entry| entry.unwrap().1 as usize)
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, LENGTHS);
}

#[test]
fn storing_again_writes_nothing_but_when_it_was() {
    let (_directory, store) = store();
    let cid = store.put_bytes(&sample(40_000)).unwrap();
    let at = file_of(&store, &cid, "blob");
    let file = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&at).unwrap());
    let before = file();
    let long_ago = SystemTime::now() - Duration::from_hours(48);
    let age = || {
        let opened = fs::File::options().write(true).open(&at).unwrap();
        opened.set_modified(long_ago).unwrap();
        assert_eq!(store.arrived(&cid).unwrap(), long_ago);
    };
    age();
    store.put(&sample(40_000)[..], u64::MAX).unwrap();
    assert!(store.arrived(&cid).unwrap() > long_ago);
    age();
    store.put_bytes(&sample(40_000)).unwrap();
    assert!(store.arrived(&cid).unwrap() > long_ago);
    assert_eq!(file(), before, "the file is the same one");
    assert_eq!(store.iter().count(), 1);
}

#[test]
fn the_limit_is_inclusive_and_leaves_nothing_behind() {
    let (_directory, store) = store();
    store.put(&sample(1000)[..], 1000).unwrap();
    let refused = store.put(&sample(1001)[..], 1000);
    assert!(matches!(refused, Err(BlobError::TooLarge { limit: 1000 })));
    let refused = store.put(io::repeat(7), 1 << 20);
    assert!(
        matches!(refused, Err(BlobError::TooLarge { .. })),
        "an endless source"
    );
    assert_eq!(store.iter().count(), 1);
    assert_eq!(temporary_files(&store), 0);
}

#[test]
fn a_failing_source_leaves_nothing_behind() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(io::ErrorKind::Interrupted.into()), // to be tried again
                2 => Ok(buffer.len()),
                _ => Err(io::Error::other("unplugged")),
            }
        }
    }
    let (_directory, store) = store();
    let failed = store.put(Failing(0), u64::MAX);
    assert!(matches!(failed, Err(BlobError::Source(error)) if error.to_string() == "unplugged"));
    assert_eq!((store.iter().count(), temporary_files(&store)), (0, 0));
}

#[test]
fn only_names_of_blobs_are_taken() {
    let (_directory, store) = store();
    let cid = store.put_bytes(b"x").unwrap();
    let hash = cid.hash();
    let others = [
        Cid::new_v1(0x71, *hash),
        rhizome_ipld::cid_sha256(b"x"),
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"
            .parse()
            .unwrap(),
        // A digest that is too short, and one of another function.
        Cid::try_from(&[1, 0x55, 0x1e, 4, 1, 2, 3, 4][..]).unwrap(),
        Cid::try_from(&[&[1, 0x55, 0x12, 32][..], hash.digest()].concat()[..]).unwrap(),
    ];
    for other in others {
        assert!(matches!(store.open(&other), Err(BlobError::NotABlob(c)) if c == other));
        assert!(matches!(store.has(&other), Err(BlobError::NotABlob(_))));
        assert!(matches!(store.remove(&other), Err(BlobError::NotABlob(_))));
    }
    assert!(store.has(&cid).unwrap());
}

#[test]
fn removed_is_gone_but_what_is_open_stays_readable() {
    let (_directory, store) = store();
    let bytes = sample(100_000);
    let cid = store.put_bytes(&bytes).unwrap();
    let open = store.open(&cid).unwrap();
    assert!(store.remove(&cid).unwrap());
    assert!(!store.remove(&cid).unwrap());
    assert!(!store.has(&cid).unwrap());
    assert!(matches!(store.open(&cid), Err(BlobError::Missing(c)) if c == cid));
    assert!(!file_of(&store, &cid, "obao4").exists());
    assert_eq!(open.read_range(50_000, 10).unwrap(), bytes[50_000..50_010]);
}

#[test]
fn unfinished_files_are_cleared_unless_someone_may_be_writing_them() {
    let (directory, first) = store();
    let orphan = first.directory().join("tmp/orphan");
    fs::write(&orphan, b"half").unwrap();
    let path = directory.path().join("blobs");
    let second = BlobStore::in_directory(&path).unwrap();
    assert!(
        orphan.exists(),
        "the first store is open: it may be writing"
    );
    drop((first, second));
    let cid = BlobStore::in_directory(&path)
        .unwrap()
        .put_bytes(b"x")
        .unwrap();
    assert!(!orphan.exists());
    assert!(BlobStore::in_directory(&path).unwrap().has(&cid).unwrap());
}

#[test]
fn threads_may_store_the_same_blob_at_once() {
    let (_directory, store) = store();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..20 {
                    store.put(&sample(i * 5000)[..], 1 << 20).unwrap();
                }
            });
        }
    });
    let found = store.verify_all(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(
        (found.sound, found.damaged.len(), temporary_files(&store)),
        (20, 0, 0)
    );
}

#[cfg(unix)]
#[test]
fn files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, store) = store();
    let cid = store.put_bytes(&sample(100_000)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file_of(&store, &cid, "blob")), 0o600);
    assert_eq!(mode(&file_of(&store, &cid, "obao4")), 0o600);
    assert_eq!(mode(file_of(&store, &cid, "blob").parent().unwrap()), 0o700);
    assert_eq!(mode(store.directory()), 0o700);
}

fn temporary_files(store: &BlobStore) -> usize {
    fs::read_dir(store.directory().join("tmp")).unwrap().count() - 1 // the lock
}
