use std::time::{Duration, SystemTime};

use super::{wire::*, *};
use rhizome_blob::{
    Fetch, Holding, MAX_HELD, MAX_SLICE, Push, Refusal, SealedBlob, SealedStore, cost, sealed_len,
};

fn peer() -> (TempDir, SealedStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = SealedStore::in_directory(directory.path(), u64::MAX).unwrap();
    (directory, store)
}

fn push_to(peer: &SealedStore, store: &BlobStore, cid: &Cid, epoch: u8) {
    let keys = keys(epoch);
    let sealed = SealedBlob::new(store.open(cid).unwrap(), &keys.key(cid).unwrap()).unwrap();
    let mut one = Push::sealed(keys.name(cid).unwrap(), sealed);
    push(&mut one, Holding::Sealed(peer)).unwrap();
}

/// Puts `bytes` at the peer as what they are not: under the blind name of `cid`.
fn squat(peer: &SealedStore, cid: &Cid, bytes: &[u8]) -> Result<(), BlobError> {
    let (_directory, evil) = store();
    let wrong = evil.put_bytes(bytes).unwrap();
    let mut one = Push::plain(evil.open(&wrong).unwrap());
    let done = push_some(&mut one, 100, |request| {
        let mut request = request.clone();
        if let rhizome_blob::Request::Put { name, .. } = &mut request {
            *name = keys(1).name(cid).unwrap().0;
        }
        answer(&request, Holding::Sealed(peer))
    })?;
    assert!(done);
    Ok(())
}

#[test]
fn blobs_of_every_length_go_there_and_back() {
    let (_a, laptop) = store();
    let (_b, phone) = store();
    let (_c, cloud) = peer();
    for &len in LENGTHS.iter().chain(&[3 * MAX_SLICE as usize + 5]) {
        let bytes = sample(len);
        let cid = laptop.put_bytes(&bytes).unwrap();
        assert!(look_up(&cid, &keys(1), Holding::Sealed(&cloud)).is_empty());
        push_to(&cloud, &laptop, &cid, 1);
        let held = look_up(&cid, &keys(1), Holding::Sealed(&cloud));
        assert_eq!(held[0].held.len, sealed_len(len as u64));
        let mut one = Fetch::sealed(&phone, &cid, held, len as u64).unwrap();
        fetch(&mut one, Holding::Sealed(&cloud)).unwrap();
        assert!(
            phone.open(&cid).unwrap().read_range(0, u64::MAX).unwrap() == bytes,
            "{len}"
        );
        // Neither the plaintext nor its name is there.
        assert!(!cloud.store().has(&cid).unwrap());
        assert!(look_up(&cid, &keys(2), Holding::Sealed(&cloud)).is_empty());
    }
    assert!(phone.partials().unwrap().is_empty() && cloud.store().partials().unwrap().is_empty());
    assert_eq!(phone.iter().count(), laptop.iter().count());
    let names = LENGTHS.len() as u64 + 1;
    let bytes: u64 = cloud.store().iter().map(|blob| cost(blob.unwrap().1)).sum();
    assert_eq!(cloud.usage().used, bytes + names * cost(0));
}

#[test]
fn the_sealed_form_is_the_same_on_the_fly_and_in_a_file() {
    let (_a, laptop) = store();
    for &len in LENGTHS.iter().chain(&[3 * MAX_SLICE as usize + 5]) {
        let cid = laptop.put_bytes(&sample(len)).unwrap();
        let key = keys(1).key(&cid).unwrap();
        let sealed = SealedBlob::new(laptop.open(&cid).unwrap(), &key).unwrap();
        let whole = rhizome_blob::seal(&sample(len)[..], &key, io::sink()).unwrap();
        assert_eq!((sealed.root(), sealed.len()), whole);
        assert_eq!((sealed.cid(), sealed.is_empty()), (&cid, false));
    }
}

/// The reader dies at each moment, also between the last byte and the opening.
#[test]
fn a_sealed_fetch_goes_on_after_a_crash() {
    let (_a, laptop) = store();
    let (_c, cloud) = peer();
    let bytes = sample(3 * MAX_SLICE as usize + 50_000);
    let cid = laptop.put_bytes(&bytes).unwrap();
    push_to(&cloud, &laptop, &cid, 1);
    let directory = tempfile::tempdir().unwrap();
    let mut served = 0;
    loop {
        let phone = BlobStore::in_directory(directory.path()).unwrap();
        let held = look_up(&cid, &keys(1), Holding::Sealed(&cloud));
        let mut one = Fetch::sealed(&phone, &cid, held, u64::MAX).unwrap();
        let done = fetch_some(&mut one, 1, |request| {
            served += 1;
            answer(request, Holding::Sealed(&cloud))
        });
        if done.unwrap() {
            phone.verify(&cid).unwrap();
            assert!(phone.partials().unwrap().is_empty());
            break;
        }
    }
    assert_eq!(served, 4);
}

/// All has come, and then the process died: the next one opens it without asking anybody.
#[test]
fn a_whole_ciphertext_is_opened_after_a_crash() {
    let (_a, laptop) = store();
    let (_c, cloud) = peer();
    let bytes = sample(100_000);
    let cid = laptop.put_bytes(&bytes).unwrap();
    push_to(&cloud, &laptop, &cid, 1);
    let held = || look_up(&cid, &keys(1), Holding::Sealed(&cloud));
    let directory = tempfile::tempdir().unwrap();
    let root = blake3::Hash::from(held()[0].held.root).to_hex();
    {
        // What a fetch leaves that dies before it opens what it has.
        let phone = BlobStore::in_directory(directory.path()).unwrap();
        let partial = phone.directory().join("partial");
        fs::create_dir(&partial).unwrap();
        let whole = rhizome_ipld::cid_raw_blake3(held()[0].held.root);
        for (from, to) in [("blob", "blob"), ("obao4", "obao4")] {
            let at = file_of(cloud.store(), &whole, from);
            fs::copy(at, partial.join(format!("{root}.{to}"))).unwrap();
        }
    }
    let phone = BlobStore::in_directory(directory.path()).unwrap();
    let one = Fetch::sealed(&phone, &cid, held(), u64::MAX).unwrap();
    assert!(one.is_done());
    phone.verify(&cid).unwrap();
    assert!(phone.partials().unwrap().is_empty());
}

#[test]
fn a_liar_adds_wrong_ciphertexts_but_pushes_none_out() {
    let (_a, laptop) = store();
    let (_b, phone) = store();
    let (_c, cloud) = peer();
    let bytes = sample(100_000);
    let cid = laptop.put_bytes(&bytes).unwrap();
    // No length of a sealed blob; nothing that opens; what opens, of another blob.
    squat(&cloud, &cid, &sample(65_552 + 5)).unwrap();
    squat(&cloud, &cid, &sample(5000)).unwrap();
    let mut other = Vec::new();
    rhizome_blob::seal(&b"another"[..], &keys(1).key(&cid).unwrap(), &mut other).unwrap();
    squat(&cloud, &cid, &other).unwrap();
    let held = || look_up(&cid, &keys(1), Holding::Sealed(&cloud));
    let mut one = Fetch::sealed(&phone, &cid, held(), u64::MAX).unwrap();
    let failed = fetch(&mut one, Holding::Sealed(&cloud));
    assert!(matches!(failed, Err(BlobError::Seal { cid: c }) if c == cid));
    assert_eq!(
        (phone.iter().count(), phone.partials().unwrap().len()),
        (0, 0)
    );

    push_to(&cloud, &laptop, &cid, 1);
    assert_eq!(held().len(), MAX_HELD);
    let mut one = Fetch::sealed(&phone, &cid, held(), u64::MAX).unwrap();
    fetch(&mut one, Holding::Sealed(&cloud)).unwrap();
    phone.verify(&cid).unwrap();
    let crowded = squat(&cloud, &cid, b"one more");
    assert!(matches!(crowded, Err(BlobError::Refused(Refusal::Crowded))));

    // The owner forgets them; a week later they are gone.
    let name = keys(1).name(&cid).unwrap();
    for wrong in &held()[..3] {
        assert!(cloud.forget(&name, &wrong.held.root).unwrap());
        assert!(!cloud.forget(&name, &wrong.held.root).unwrap());
    }
    assert_eq!(held().len(), 1);
    let day = Duration::from_hours(24);
    assert_eq!(cloud.sweep(SystemTime::now() + 6 * day).unwrap(), 0);
    assert_eq!(cloud.sweep(SystemTime::now() + 8 * day).unwrap(), 3);
    let root = held()[0].held.root;
    assert_eq!(cloud.usage().used, cost(sealed_len(100_000)) + cost(0));
    assert!(cloud.forget(&name, &root).unwrap());
    assert_eq!(cloud.sweep(SystemTime::now() + 8 * day).unwrap(), 1);
    assert_eq!(cloud.usage().used, 0);
}

#[test]
fn a_damaged_ciphertext_is_taken_anew() {
    let (_a, laptop) = store();
    let (_b, phone) = store();
    let (_c, cloud) = peer();
    let cid = laptop.put_bytes(&sample(100_000)).unwrap();
    push_to(&cloud, &laptop, &cid, 1);
    let used = cloud.usage();
    let held = || look_up(&cid, &keys(1), Holding::Sealed(&cloud));
    let root = rhizome_ipld::cid_raw_blake3(held()[0].held.root);
    let at = file_of(cloud.store(), &root, "blob");
    let mut bytes = fs::read(&at).unwrap();
    bytes[40_000] ^= 1;
    fs::write(&at, bytes).unwrap();
    let mut one = Fetch::sealed(&phone, &cid, held(), u64::MAX).unwrap();
    let failed = fetch(&mut one, Holding::Sealed(&cloud));
    assert!(matches!(failed, Err(BlobError::Refused(Refusal::Trouble))));
    assert!(held().is_empty(), "found out when it was read");
    push_to(&cloud, &laptop, &cid, 1);
    let mut one = Fetch::sealed(&phone, &cid, held(), u64::MAX).unwrap();
    fetch(&mut one, Holding::Sealed(&cloud)).unwrap();
    assert_eq!(cloud.usage(), used);
}

#[test]
fn a_lost_or_damaged_note_is_made_again_by_the_next_push() {
    let (_a, laptop) = store();
    let (directory, cloud) = peer();
    let cid = laptop.put_bytes(&sample(1000)).unwrap();
    push_to(&cloud, &laptop, &cid, 1);
    let name = keys(1).name(&cid).unwrap();
    let hex = blake3::Hash::from(name.0).to_hex();
    let note = directory
        .path()
        .join(format!("names/{}/{}.name", &hex[..2], &hex[2..]));
    let good = fs::read(&note).unwrap();
    assert_eq!(good.len(), 32);
    for bad in [
        None,
        Some(vec![]),
        Some(vec![1; 31]),
        Some(vec![1; 32]),
        Some(vec![2; 1000]),
    ] {
        let crowded = bad.as_ref().is_some_and(|bad| bad.len() == 1000);
        match bad {
            None => fs::remove_file(&note).unwrap(),
            Some(bad) => fs::write(&note, bad).unwrap(),
        }
        assert!(cloud.held(&name).unwrap().is_empty());
        if !crowded {
            push_to(&cloud, &laptop, &cid, 1);
            assert_eq!(cloud.held(&name).unwrap().len(), 1);
        }
    }
}
