use super::*;

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Reads everything in small ranges: what comes back must be right or an error that names the blob.
/// Returns how many ranges failed.
fn failures(store: &BlobStore, cid: &Cid, bytes: &[u8]) -> usize {
    let blob = match store.open(cid) {
        Ok(blob) => blob,
        Err(BlobError::Corrupt { cid: named }) if named == *cid => return usize::MAX,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(blob.len(), bytes.len() as u64, "the length is verified");
    let mut failed = 0;
    for start in (0..bytes.len()).step_by(GROUP) {
        match blob.read_range(start as u64, GROUP as u64) {
            Ok(got) => assert!(got == bytes[start..(start + GROUP).min(bytes.len())]),
            Err(BlobError::Corrupt { cid: named }) if named == *cid => failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    failed
}

#[test]
fn a_flipped_bit_spoils_its_group_and_no_other() {
    let (_directory, store) = store();
    let bytes = sample(5 * GROUP + 700);
    let cid = store.put_bytes(&bytes).unwrap();
    let path = file_of(&store, &cid, "blob");
    for at in (0..bytes.len()).step_by(997) {
        flip(&path, at);
        // The last group is read on opening, because it proves the length.
        let expected = if at >= 5 * GROUP { usize::MAX } else { 1 };
        assert_eq!(failures(&store, &cid, &bytes), expected, "byte {at}");
        assert!(matches!(store.verify(&cid), Err(BlobError::Corrupt { .. })));
        flip(&path, at);
    }
    assert_eq!(failures(&store, &cid, &bytes), 0);
}

#[test]
fn small_blobs_are_verified_too() {
    let (_directory, store) = store();
    for len in [1, 1024, GROUP] {
        let bytes = sample(len);
        let cid = store.put_bytes(&bytes).unwrap();
        flip(&file_of(&store, &cid, "blob"), len / 2);
        assert_eq!(failures(&store, &cid, &bytes), usize::MAX);
    }
}

#[test]
fn a_file_of_another_length_is_refused() {
    let (_directory, store) = store();
    for len in [10, GROUP, 2 * GROUP, 5 * GROUP + 700, 16 * GROUP] {
        let bytes = sample(len);
        let cid = store.put_bytes(&bytes).unwrap();
        let path = file_of(&store, &cid, "blob");
        for wrong in [
            0,
            len - 1,
            len / 2,
            len + 1,
            len + 1024,
            len + GROUP,
            2 * len,
        ] {
            let mut other = bytes.clone();
            other.resize(wrong, 0);
            fs::write(&path, other).unwrap();
            assert_eq!(
                failures(&store, &cid, &bytes),
                usize::MAX,
                "{len} cut to {wrong}"
            );
        }
    }
}

#[test]
fn a_damaged_tree_is_made_again() {
    let (_directory, store) = store();
    let bytes = sample(33 * GROUP + 1);
    let cid = store.put_bytes(&bytes).unwrap();
    let path = file_of(&store, &cid, "obao4");
    let sound = fs::read(&path).unwrap();
    assert_eq!(sound.len(), 33 * 64, "64 bytes between each two groups");
    for at in (0..sound.len()).step_by(31) {
        flip(&path, at);
        assert_eq!(failures(&store, &cid, &bytes), 0, "byte {at}");
        store.verify(&cid).unwrap();
        assert_eq!(fs::read(&path).unwrap(), sound, "byte {at}");
    }
    for len in [0, 64, sound.len() - 1] {
        fs::write(&path, &sound[..len]).unwrap();
        assert_eq!(failures(&store, &cid, &bytes), 0);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(failures(&store, &cid, &bytes), 0);
    assert_eq!(fs::read(&path).unwrap(), sound);
}

#[test]
fn a_forged_tree_vouches_for_nothing() {
    let (_directory, store) = store();
    let bytes = sample(5 * GROUP);
    let cid = store.put_bytes(&bytes).unwrap();
    let forged = store.put_bytes(&sample(5 * GROUP + 1)[1..]).unwrap();
    for extension in ["blob", "obao4"] {
        fs::copy(
            file_of(&store, &forged, extension),
            file_of(&store, &cid, extension),
        )
        .unwrap();
    }
    assert_eq!(failures(&store, &cid, &bytes), usize::MAX);
}

#[test]
fn putting_a_damaged_blob_in_again_mends_it() {
    let (_directory, store) = store();
    for len in [100, 5 * GROUP] {
        let bytes = sample(len);
        let cid = store.put_bytes(&bytes).unwrap();
        for mend in [false, true] {
            flip(&file_of(&store, &cid, "blob"), 7);
            assert!(store.verify(&cid).is_err());
            if mend {
                store.put_bytes(&bytes).unwrap();
            } else {
                store.put(&bytes[..], u64::MAX).unwrap();
            }
            store.verify(&cid).unwrap();
        }
    }
}

#[test]
fn verification_names_what_is_damaged_and_goes_on() {
    let (_directory, store) = store();
    let cids: Vec<_> = (1..30)
        .map(|i| store.put_bytes(&sample(i * 3000)).unwrap())
        .collect();
    flip(&file_of(&store, &cids[3], "blob"), 5);
    fs::write(file_of(&store, &cids[20], "blob"), b"").unwrap();
    fs::write(store.directory().join("notes.txt"), b"not ours").unwrap();
    let found = store.verify_all(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!((found.sound, found.damaged.len()), (27, 2));
    for (cid, error) in &found.damaged {
        assert!([cids[3], cids[20]].contains(cid) && error.to_string().contains(&cid.to_string()));
    }
    let first = store.verify_all(|_| ControlFlow::Break(())).unwrap();
    assert_eq!(first.sound as usize + first.damaged.len(), 1);
}
