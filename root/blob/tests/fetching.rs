use std::time::{Duration, SystemTime};

use super::{wire::*, *};
use rhizome_blob::{Answer, Fetch, Held, Holding, MAX_SLICE, Refusal, Request, Slice};

const BIG: usize = 5 * MAX_SLICE as usize + 3 * GROUP + 77;

fn big() -> (TempDir, BlobStore, Cid, Vec<u8>) {
    let (directory, there) = store();
    let bytes = sample(BIG);
    let cid = there.put_bytes(&bytes).unwrap();
    (directory, there, cid, bytes)
}

fn content(store: &BlobStore, cid: &Cid) -> Vec<u8> {
    store.open(cid).unwrap().read_range(0, u64::MAX).unwrap()
}

fn partial_files(store: &BlobStore) -> usize {
    fs::read_dir(store.directory().join("partial")).map_or(0, |files| {
        files
            .filter(|file| file.as_ref().unwrap().file_name() != "lock")
            .count()
    })
}

#[test]
fn blobs_of_every_length_arrive() {
    let (_there, there) = store();
    let (_here, here) = store();
    let slice = MAX_SLICE as usize;
    let lengths = [
        slice - 1,
        slice,
        slice + 1,
        slice + GROUP,
        slice + GROUP + 1,
        2 * slice,
        BIG,
    ];
    for &len in LENGTHS.iter().chain(&lengths) {
        let bytes = sample(len);
        let cid = there.put_bytes(&bytes).unwrap();
        let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
        fetch(&mut one, Holding::Plain(&there)).unwrap();
        assert!(content(&here, &cid) == bytes, "{len}");
        here.verify(&cid).unwrap();
        let tree = |store| fs::read(file_of(store, &cid, "obao4")).ok();
        assert_eq!(tree(&here), tree(&there), "{len}");
        assert_eq!(one.request(), None);
        assert!(Fetch::plain(&here, &cid, 0).unwrap().is_done());
    }
    assert_eq!(
        (partial_files(&here), here.partials().unwrap().len()),
        (0, 0)
    );
}

#[test]
fn what_is_held_is_told_in_the_order_of_the_names() {
    let (_directory, there) = store();
    let cid = there.put_bytes(b"here").unwrap();
    let held = have(vec![[7; 32], root(&cid), [0; 32]], Holding::Plain(&there));
    let one = Held {
        root: root(&cid),
        len: 4,
    };
    assert_eq!(held, [vec![], vec![one], vec![]]);
    let (_here, here) = store();
    let absent = rhizome_ipld::cid_raw_blake3([7; 32]);
    let mut missing = Fetch::plain(&here, &absent, u64::MAX).unwrap();
    let failed = fetch(&mut missing, Holding::Plain(&there));
    assert!(matches!(failed, Err(BlobError::NotHeld(cid)) if cid == absent));
}

/// The process dies after each number of answers; the next one goes on.
#[test]
fn a_fetch_goes_on_after_a_crash_at_any_moment() {
    let (_there, there, cid, bytes) = big();
    let directory = tempfile::tempdir().unwrap();
    let open = || BlobStore::in_directory(directory.path()).unwrap();
    let mut served = 0;
    let mut have = 0;
    loop {
        let here = open();
        let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
        let (now, _) = one.progress().unwrap_or_default();
        assert!(now >= have, "{now} of {have}");
        have = now;
        let done = fetch_some(&mut one, 1, |request| {
            served += 1;
            answer(request, Holding::Plain(&there))
        });
        if done.unwrap() {
            assert!(content(&here, &cid) == bytes);
            break;
        }
    }
    assert_eq!(served, 6, "nothing was asked for twice");
}

/// The disk forgot, or changed, what had not been synced.
#[test]
fn what_a_crash_spoilt_is_fetched_again() {
    let (_there, there, cid, bytes) = big();
    let hex = blake3::hash(&bytes).to_hex();
    let last = BIG - 1;
    for (file, at) in [
        ("blob", 0),
        ("blob", 2 * GROUP + 5),
        ("blob", MAX_SLICE as usize + 70_000),
        ("blob", 3 * MAX_SLICE as usize - 1),
        ("blob", last),
        ("obao4", 3),
        ("obao4", 64 * 30),
        ("obao4", 64 * 90),
    ] {
        for cut in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let here = BlobStore::in_directory(directory.path()).unwrap();
            let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
            assert!(!fetch_some(&mut one, 3, |r| answer(r, Holding::Plain(&there))).unwrap());
            drop((one, here));
            let path = directory.path().join(format!("partial/{hex}.{file}"));
            let mut damaged = fs::read(&path).unwrap();
            if cut {
                damaged.truncate(at);
            } else {
                damaged[at] ^= 4;
            }
            fs::write(&path, damaged).unwrap();

            let here = BlobStore::in_directory(directory.path()).unwrap();
            let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
            let (sound, _) = one.progress().unwrap_or_default();
            assert!(sound < 3 * MAX_SLICE && sound.is_multiple_of(GROUP as u64));
            if file == "blob" && at != last && !cut {
                assert_eq!(sound, (at / GROUP * GROUP) as u64, "all before the damage");
            }
            fetch(&mut one, Holding::Plain(&there)).unwrap();
            assert!(content(&here, &cid) == bytes, "{file} {at} {cut}");
            here.verify(&cid).unwrap();
        }
    }
}

#[test]
fn whatever_a_peer_changes_is_refused_and_nothing_of_it_kept() {
    let (_there, there, cid, bytes) = big();
    let (_here, here) = store();
    let good = |request: &Request| answer(request, Holding::Plain(&there));
    // Of the first slice every byte counts; so does its length.
    let first = Fetch::plain(&here, &cid, u64::MAX)
        .unwrap()
        .request()
        .unwrap();
    let Answer::Slice { len, slice } = good(&first) else {
        panic!()
    };
    let mut attacks: Vec<(u64, Vec<u8>)> = (0..slice.0.len())
        .step_by(41_047)
        .map(|at| {
            let mut bytes = slice.0.clone();
            bytes[at] ^= 0x10;
            (len, bytes)
        })
        .collect();
    for wrong in [0, 1, len - 1, len + 1, 2 * len, 1 << 40, u64::MAX] {
        attacks.push((wrong, slice.0.clone()));
    }
    for cut in [0, 1, 64, slice.0.len() - 1] {
        attacks.push((len, slice.0[..cut].to_vec()));
    }
    attacks.push((len, [&slice.0[..], &[0]].concat()));
    for (len, bytes) in attacks {
        let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
        one.request().unwrap();
        let lie = Answer::Slice {
            len,
            slice: Slice(bytes),
        };
        let refused = one.handle(lie);
        assert!(matches!(refused, Err(BlobError::Unverified { cid: c }) if c == cid));
        assert_eq!((partial_files(&here), one.request()), (0, None));
    }
    // Later ones: of another place, of another length, another kind of answer.
    let lies: [fn(Answer) -> Answer; 4] = [
        |good| match good {
            Answer::Slice { len, slice } => Answer::Slice {
                len: len + 1,
                slice,
            },
            other => other,
        },
        |good| match good {
            Answer::Slice { len, mut slice } => {
                slice.0[100_000] ^= 1;
                Answer::Slice { len, slice }
            }
            other => other,
        },
        |_| Answer::Next(3),
        |_| Answer::Refused(Refusal::Trouble),
    ];
    for lie in lies {
        let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
        let mut n = 0;
        let failed = fetch_some(&mut one, 100, |request| {
            n += 1;
            let good = good(request);
            if n == 2 { lie(good) } else { good }
        });
        assert!(failed.is_err());
    }
    // An honest peer ends it.
    let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
    fetch(&mut one, Holding::Plain(&there)).unwrap();
    assert!(content(&here, &cid) == bytes);
}

#[test]
fn answers_without_questions_are_refused() {
    let (_there, _store, cid, _) = big();
    let (_here, here) = store();
    let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
    assert!(matches!(
        one.handle(Answer::Missing),
        Err(BlobError::Protocol(_))
    ));
}

#[test]
fn two_fetches_of_one_blob_help_each_other() {
    let (_there, there, cid, bytes) = big();
    let (_here, here) = store();
    let mut both = [0, 1].map(|_| Fetch::plain(&here, &cid, u64::MAX).unwrap());
    let mut served = 0;
    while !both.iter().all(Fetch::is_done) {
        for one in &mut both {
            fetch_some(one, 1, |request| {
                served += 1;
                answer(request, Holding::Plain(&there))
            })
            .unwrap();
            // Forgotten questions of this simple peer: begin again.
            if !one.is_done() {
                *one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
            }
        }
    }
    // The one that did not get the last slice asks once more before it sees that all is there.
    assert!(served <= 7, "{served}");
    assert!(content(&here, &cid) == bytes);
    assert_eq!(partial_files(&here), 0);
}

#[test]
fn threads_may_fetch_one_blob_at_once() {
    let (_there, there, cid, bytes) = big();
    let (_here, here) = store();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
                fetch(&mut one, Holding::Plain(&there)).unwrap();
            });
        }
    });
    assert!(content(&here, &cid) == bytes);
    assert_eq!(partial_files(&here), 0);
}

#[test]
fn another_process_is_waited_for() {
    let (_there, there, cid, _) = big();
    let directory = tempfile::tempdir().unwrap();
    let [here, other] = [0, 1].map(|_| BlobStore::in_directory(directory.path()).unwrap());
    let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
    fetch_some(&mut one, 2, |r| answer(r, Holding::Plain(&there))).unwrap();
    let busy = Fetch::plain(&other, &cid, u64::MAX);
    assert!(matches!(busy, Err(BlobError::Busy(c)) if c == cid));
    drop((one, here));
    let mut one = Fetch::plain(&other, &cid, u64::MAX).unwrap();
    assert_eq!(one.progress().unwrap().0, 2 * MAX_SLICE);
    fetch(&mut one, Holding::Plain(&there)).unwrap();
}

#[test]
fn too_large_is_refused_before_anything_is_written() {
    let (_there, there, cid, _) = big();
    let (_here, here) = store();
    let mut one = Fetch::plain(&here, &cid, BIG as u64 - 1).unwrap();
    let refused = fetch(&mut one, Holding::Plain(&there));
    assert!(matches!(refused, Err(BlobError::TooLarge { limit }) if limit == BIG as u64 - 1));
    assert_eq!(partial_files(&here), 0);
    // Nor is what somebody began with a greater limit.
    let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
    fetch_some(&mut one, 1, |r| answer(r, Holding::Plain(&there))).unwrap();
    assert!(matches!(
        Fetch::plain(&here, &cid, 10),
        Err(BlobError::TooLarge { limit: 10 })
    ));
}

#[test]
fn partial_blobs_are_cleared_after_seven_days() {
    let (_there, there, cid, bytes) = big();
    let (_here, here) = store();
    let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
    fetch_some(&mut one, 2, |r| answer(r, Holding::Plain(&there))).unwrap();
    assert_eq!(here.partials().unwrap(), [(cid, BIG as u64)]);
    let day = Duration::from_hours(24);
    let now = SystemTime::now();
    assert_eq!(here.clear_partials(now + 8 * day).unwrap(), 0, "in use");
    drop(one);
    assert_eq!(here.clear_partials(now + 6 * day).unwrap(), 0, "too young");
    assert_eq!(partial_files(&here), 2);
    assert_eq!(here.clear_partials(now + 8 * day).unwrap(), 1);
    assert_eq!(partial_files(&here), 0);
    let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
    assert_eq!(one.progress(), None);
    fetch(&mut one, Holding::Plain(&there)).unwrap();
    assert!(content(&here, &cid) == bytes);
}

/// The data have their own name, the tree does not have it yet.
#[test]
fn a_crash_between_two_names_loses_nothing() {
    let (_there, there, cid, bytes) = big();
    let (_here, here) = store();
    let hex = blake3::hash(&bytes).to_hex();
    let partial = here.directory().join("partial");
    let at = file_of(&here, &cid, "blob");
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::create_dir(&partial).unwrap();
    fs::copy(file_of(&there, &cid, "blob"), at).unwrap();
    let tree = partial.join(format!("{hex}.obao4"));
    fs::copy(file_of(&there, &cid, "obao4"), &tree).unwrap();

    let one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
    assert!(one.is_done());
    here.verify(&cid).unwrap();
    here.clear_partials(SystemTime::now() + Duration::from_hours(8 * 24))
        .unwrap();
    assert!(!tree.exists());
    here.verify(&cid).unwrap();
}

#[test]
fn a_full_quota_stops_a_fetch_in_words() {
    let (_there, there, cid, _) = big();
    let directory = tempfile::tempdir().unwrap();
    let here = BlobStore::with_quota(directory.path(), 1 << 20).unwrap();
    let mut one = Fetch::plain(&here, &cid, u64::MAX).unwrap();
    let refused = fetch(&mut one, Holding::Plain(&there));
    assert!(matches!(refused, Err(BlobError::Quota { left, .. }) if left == 1 << 20));
    assert_eq!(one.request(), None);
    assert_eq!(partial_files(&here), 0);
}
