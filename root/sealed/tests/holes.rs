//! Leaves without bytes: asked for, filled in, dropped when a device says so.

use crate::{
    device::DeviceStore,
    pair::{Pair, sum},
    sessions::{device, family, hosted},
    world::*,
};
use rhizome_sealed::SealedError;
use rhizome_sync::{Fate, Leaf, Store, set::Id};
use std::{collections::BTreeMap, ops::Bound};

fn texts(n: usize) -> Vec<String> {
    (0..n)
        .map(|i| format!("{i} {}", "y".repeat(i * 37 % 900)))
        .collect()
}

#[test]
fn bytes_that_are_missing_are_asked_of_whoever_comes_next() {
    let (owner, _) = family(20);
    let (_sealed, pod) = hosted(&owner, 1 << 30);
    let large = say(&owner.did(), 1, (0, None), &texts(500), 1);
    let holes: Vec<usize> = (0..500).filter(|i| i % 3 == 0).collect();
    let mut partial = device(&owner, 1);
    partial.receive(vec![large.without(&holes)]);
    let mut store = pod.store(1);
    Pair::converge(&mut partial, &mut store);
    assert!(
        store.lacking(9).unwrap().is_empty(),
        "its own peer has not got them"
    );
    drop(store);
    assert_eq!(pod.audit().unwrap().hollow, holes.len() as u64);
    let before = pod.usage();

    let mut whole = device(&owner, 2);
    whole.receive(vec![large.record.clone()]);
    let mut store = pod.store(2);
    Pair::converge(&mut whole, &mut store);
    let audit = pod.audit().unwrap();
    assert_eq!((audit.hollow, audit.findings), (0, vec![]));
    assert!(pod.usage().commit_bytes > before.commit_bytes);
    assert!(pod.store(3).lacking(9).unwrap().is_empty());
    let all = store
        .leaves(&large.key, &large.id.0, 0, usize::MAX)
        .unwrap();
    assert_eq!(all, large.commit().leaves);
    // the same as if it had come whole
    let mut phone = DeviceStore::blank(&owner.set, 3);
    Pair::converge(&mut phone, &mut store);
    assert_eq!(phone.replica.snapshot().len(), 500);
}

#[test]
fn a_copy_with_bytes_fills_holes_and_wrong_bytes_do_not() {
    let (owner, _) = family(21);
    let (_sealed, pod) = hosted(&owner, 1 << 30);
    let mut store = pod.store(1);
    store.take_certificates(owner.certificates()).unwrap();
    let one = say(&owner.did(), 1, (0, None), &texts(4), 1);
    store
        .take_commits(vec![commit(&one.without(&[0, 1, 2]))])
        .unwrap();
    let (key, id) = (one.key, one.id.0);
    let bytes = |i: usize| one.bytes(i).to_vec();
    assert!(!store.take_leaves(&key, &id, vec![(0, bytes(1))]).unwrap());
    assert!(!store.take_leaves(&key, &id, vec![(4, bytes(1))]).unwrap());
    assert!(
        !store
            .take_leaves(&process(2).public(), &id, vec![(0, bytes(0))])
            .unwrap()
    );
    assert!(
        !store
            .take_leaves(&key, &[1; 32], vec![(0, bytes(0))])
            .unwrap()
    );
    assert_eq!(pod.audit().unwrap().hollow, 3);
    assert!(
        store
            .take_leaves(&key, &id, vec![(1, bytes(1)), (3, bytes(3))])
            .unwrap()
    );
    assert_eq!(pod.audit().unwrap().hollow, 2);
    let lack = &pod.store(2).lacking(9).unwrap()[0];
    assert_eq!(lack.leaves, [0, 2]);
    let fates = store
        .take_commits(vec![commit(&one.without(&[2]))])
        .unwrap();
    assert!(matches!(fates[0], Fate::Known(_)));
    assert_eq!(pod.store(2).lacking(9).unwrap()[0].leaves, [2]);
    store.take_commits(vec![one.commit()]).unwrap();
    let audit = pod.audit().unwrap();
    assert_eq!((audit.hollow, audit.findings), (0, vec![]));
}

#[test]
fn devices_say_which_bytes_to_drop() {
    let (mut owner, phone) = family(22);
    let (_sealed, pod) = hosted(&owner, 1 << 30);
    let mut store = pod.store(1);
    store.take_certificates(owner.certificates()).unwrap();
    let one = say(&owner.did(), 1, (0, None), &texts(300), 1);
    store.take_commits(vec![one.commit()]).unwrap();
    let before = (pod.usage(), sum(&store));
    let id = one.id.0;
    let stranger = Machine::new(999).public();
    let all = (Bound::Unbounded, Bound::Unbounded);
    let these = |id: Id, places: &[u32]| BTreeMap::from([(id, places.iter().copied().collect())]);
    let denied = pod.set_erased(&stranger, all, &these(id, &[1]), 5);
    assert!(matches!(denied, Err(SealedError::NotADevice(_))));
    let none = pod.set_erased(&phone.public(), all, &these(id, &[300]), 5);
    assert!(matches!(none, Err(SealedError::UnknownLeaf)));
    // of commits that are not here nothing is remembered
    let none = pod.set_erased(&phone.public(), all, &these([1; 32], &[0]), 5);
    assert_eq!(none.unwrap(), 0);
    let places: Vec<u32> = (0..300).step_by(2).collect();
    let erased = these(id, &places);
    let less = pod.set_erased(&phone.public(), all, &erased, 5).unwrap();
    let again = pod.set_erased(&phone.public(), all, &erased, 5);
    assert_eq!(again.unwrap(), 0);
    // what is said of other commits is not about this one
    let beside = (Bound::Excluded(id), Bound::Unbounded);
    pod.set_erased(&phone.public(), beside, &BTreeMap::new(), 5)
        .unwrap();
    assert_eq!(pod.usage().commit_bytes, before.0.commit_bytes - less);
    assert!(less > 10_000, "{less}");
    // the commit is the same, and nobody's copy brings the bytes back
    assert_eq!(sum(&store), before.1);
    store.take_commits(vec![one.commit()]).unwrap();
    assert!(
        store
            .take_leaves(&one.key, &id, vec![(0, one.bytes(0).to_vec())])
            .unwrap()
    );
    let audit = pod.audit().unwrap();
    assert_eq!((audit.hollow, audit.findings), (150, vec![]));
    assert!(pod.store(2).lacking(9).unwrap().is_empty());
    let leaves = store.leaves(&one.key, &id, 0, usize::MAX).unwrap();
    assert!((0..300).all(|i| matches!(leaves[i], Leaf::Erased(_)) == (i % 2 == 0)));
    // a thief is out: what he had dropped is wanted again
    owner.remove(&phone, vec![]);
    store.take_certificates(owner.certificates()).unwrap();
    let denied = pod.set_erased(&phone.public(), all, &these(id, &[1]), 5);
    assert!(matches!(denied, Err(SealedError::NotADevice(_))));
    let own = owner.laptop.public();
    pod.set_erased(
        &own,
        (Bound::Unbounded, Bound::Included(id)),
        &BTreeMap::new(),
        6,
    )
    .unwrap();
    assert_eq!(pod.store(3).lacking(9).unwrap()[0].leaves, places);
    store.take_commits(vec![one.commit()]).unwrap();
    assert_eq!(pod.audit().unwrap().hollow, 0);
    assert_eq!(pod.usage().commit_bytes, before.0.commit_bytes);
    // holes, too, can be said to be erased
    let two = say(&owner.did(), 1, (1, Some(one.id)), &texts(3), 2);
    store
        .take_commits(vec![commit(&two.without(&[1]))])
        .unwrap();
    pod.set_erased(&own, all, &these(two.id.0, &[1]), 7)
        .unwrap();
    assert!(pod.store(4).lacking(9).unwrap().is_empty());
    assert_eq!(pod.audit().unwrap().findings, [""; 0]);
}
