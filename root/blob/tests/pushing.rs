use super::{wire::*, *};
use rhizome_blob::{
    Answer, Holding, Limits, MAX_SLICE, Push, Refusal, Request, SealedBlob, SealedStore, Slice,
    cost, sealed_len, serve,
};

const BIG: usize = 3 * MAX_SLICE as usize + 5 * GROUP + 77;

fn sealed_store(quota: u64) -> (TempDir, SealedStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = SealedStore::in_directory(directory.path(), quota).unwrap();
    (directory, store)
}

#[test]
fn devices_take_plaintext_of_every_length() {
    let (_here, here) = store();
    let (_there, there) = store();
    for &len in LENGTHS.iter().chain(&[MAX_SLICE as usize + 1, BIG]) {
        let bytes = sample(len);
        let cid = here.put_bytes(&bytes).unwrap();
        for _ in 0..2 {
            let mut one = Push::plain(here.open(&cid).unwrap());
            push(&mut one, Holding::Plain(&there)).unwrap();
            assert_eq!(one.progress().1, len as u64);
        }
        let got = there.open(&cid).unwrap().read_range(0, u64::MAX).unwrap();
        assert!(got == bytes, "{len}");
    }
    assert!(there.partials().unwrap().is_empty());
}

/// The peer dies after each number of questions.
#[test]
fn a_push_goes_on_after_a_crash_of_either_side() {
    let (_here, here) = store();
    let cid = here.put_bytes(&sample(BIG)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut slices = 0;
    loop {
        let there = SealedStore::in_directory(directory.path(), u64::MAX).unwrap();
        let blob = SealedBlob::new(here.open(&cid).unwrap(), &keys(1).key(&cid).unwrap()).unwrap();
        let root = blob.root();
        let mut one = Push::sealed(keys(1).name(&cid).unwrap(), blob);
        let done = push_some(&mut one, 2, |request| {
            if let Request::Put { slice, .. } = request {
                slices += usize::from(!slice.0.is_empty());
            }
            answer(request, Holding::Sealed(&there))
        });
        if done.unwrap() {
            there.store().verify(&root).unwrap();
            assert_eq!(there.held(&keys(1).name(&cid).unwrap()).unwrap().len(), 1);
            break;
        }
    }
    assert_eq!(slices, 4, "nothing was sent twice");
}

#[test]
fn two_pushes_of_one_blob_help_each_other() {
    let (_here, here) = store();
    let cid = here.put_bytes(&sample(BIG)).unwrap();
    let (_there, there) = store();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut one = Push::plain(here.open(&cid).unwrap());
                push(&mut one, Holding::Plain(&there)).unwrap();
            });
        }
    });
    there.verify(&cid).unwrap();
    assert!(there.partials().unwrap().is_empty());
}

#[test]
fn a_peer_that_went_back_is_given_the_rest_again() {
    let (_here, here) = store();
    let cid = here.put_bytes(&sample(BIG)).unwrap();
    let (_there, there) = store();
    let mut one = Push::plain(here.open(&cid).unwrap());
    let mut n = 0;
    let done = push_some(&mut one, 100, |request| {
        n += 1;
        if n == 3 {
            // As if it had lost this one.
            return Answer::Next(MAX_SLICE);
        }
        answer(request, Holding::Plain(&there))
    });
    assert!(done.unwrap());
    there.verify(&cid).unwrap();

    for lie in [Answer::Next(0), Answer::Next(BIG as u64), Answer::Missing] {
        let mut one = Push::plain(here.open(&cid).unwrap());
        let stuck = push_some(&mut one, 1000, |_| lie.clone());
        assert!(matches!(stuck, Err(BlobError::Protocol(_))), "{lie:?}");
        assert_eq!(one.request().unwrap(), None);
    }
}

#[test]
fn what_is_not_allowed_is_refused_before_it_is_sent() {
    let (_here, here) = store();
    let cid = here.put_bytes(&sample(BIG)).unwrap();
    let (_there, there) = store();
    let mut one = Push::plain(here.open(&cid).unwrap());
    let offer = one.request().unwrap().unwrap();
    let ask =
        |request: &Request, limits| serve(request.clone(), Holding::Plain(&there), limits).answer;
    let refused = |refusal| Answer::Refused(refusal);
    let none = Limits {
        max_len: u64::MAX,
        may_put: false,
    };
    assert_eq!(ask(&offer, none), refused(Refusal::NotAllowed));
    let limit = BIG as u64 - 1;
    let short = Limits {
        max_len: limit,
        may_put: true,
    };
    assert_eq!(ask(&offer, short), refused(Refusal::TooLarge { limit }));
    let Request::Put { root, len, .. } = offer else {
        panic!()
    };
    let blind = Request::Put {
        name: [1; 32],
        root,
        len,
        offset: 0,
        slice: Slice::default(),
    };
    assert_eq!(
        ask(&blind, ALL),
        refused(Refusal::NotAllowed),
        "a device takes true names only"
    );
    // A slice of other bytes, of another length, at another place.
    let good = {
        assert_eq!(
            one.handle(&Answer::Next(0)).unwrap(),
            rhizome_blob::PushStep::More
        );
        one.request().unwrap().unwrap()
    };
    let changed = |change: fn(&mut u64, &mut u64, &mut Vec<u8>)| {
        let mut request = good.clone();
        if let Request::Put {
            len, offset, slice, ..
        } = &mut request
        {
            change(len, offset, &mut slice.0);
        }
        ask(&request, ALL)
    };
    let unverified = refused(Refusal::Unverified);
    assert_eq!(changed(|_, _, slice| slice[70_000] ^= 1), unverified);
    assert_eq!(changed(|_, _, slice| slice.truncate(1000)), unverified);
    assert_eq!(changed(|_, _, slice| slice.push(0)), unverified);
    assert_eq!(changed(|len, _, _| *len += 1), unverified);
    assert_eq!(changed(|_, offset, _| *offset += GROUP as u64), unverified);
    assert!(there.partials().unwrap().is_empty());
    assert_eq!(changed(|_, _, _| ()), Answer::Next(MAX_SLICE));
    assert_eq!(
        changed(|len, _, slice| (*len += 1, slice.clear()).0),
        unverified
    );
}

#[test]
fn a_quota_holds_with_partial_blobs_and_over_restarts() {
    let (_here, here) = store();
    let cids = [1, 2].map(|i| here.put_bytes(&sample(BIG + i)).unwrap());
    let sealed =
        |cid| SealedBlob::new(here.open(cid).unwrap(), &keys(1).key(cid).unwrap()).unwrap();
    let lens = [1, 2].map(|i| sealed_len((BIG + i) as u64));
    let quota = cost(lens[0]) + cost(lens[1]) + 2 * cost(0) - 1;
    let (directory, there) = sealed_store(quota);
    let names = cids.map(|cid| keys(1).name(&cid).unwrap());
    let mut one = Push::sealed(names[0], sealed(&cids[0]));
    push_some(&mut one, 2, |r| answer(r, Holding::Sealed(&there))).unwrap();
    assert_eq!(
        there.usage().used,
        cost(lens[0]),
        "all of it is counted from the first slice on"
    );
    drop((one, there));

    let there = SealedStore::in_directory(directory.path(), quota).unwrap();
    assert_eq!(there.usage().used, cost(lens[0]));
    let mut one = Push::sealed(names[0], sealed(&cids[0]));
    push(&mut one, Holding::Sealed(&there)).unwrap();
    let used = cost(lens[0]) + cost(0);
    assert_eq!(there.usage().used, used, "and its name");

    let mut two = Push::sealed(names[1], sealed(&cids[1]));
    push_some(&mut two, 9, |r| answer(r, Holding::Sealed(&there))).unwrap_err();
    drop(there);
    let left = cost(lens[1]) + cost(0) - 1;
    let there = SealedStore::in_directory(directory.path(), used + left).unwrap();
    assert_eq!(there.usage().left(), left);
    let mut two = Push::sealed(names[1], sealed(&cids[1]));
    let refused = push(&mut two, Holding::Sealed(&there));
    assert!(
        matches!(refused, Err(BlobError::Refused(Refusal::Quota { left: l })) if l == left - cost(0))
    );
    assert!(there.store().partials().unwrap().is_empty());
}
