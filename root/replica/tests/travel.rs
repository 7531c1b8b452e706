//! Commits on the way from replica to replica.

use crate::{
    forge::{after, first},
    pool::Pool,
    world::*,
};
use rhizome_replica::{Arrival, Epochs, LeafBytes, Link, Replica, ReplicaError, Standing};
use rhizome_storage::MemoryKv;
use rhizome_tuple::{EpochSecret, Op};
use std::{collections::BTreeSet, sync::Arc};

fn insert(n: i64) -> Vec<Op> {
    vec![Op::Insert {
        attribute: attr("tag"),
        value: n.into(),
    }]
}

#[test]
fn each_commit_is_taken_on_its_own_merits() {
    let (_, replica) = fresh();
    let one = first(1, 1 << 20, entity(1), insert(1));
    let two = after(&one, 1, 2 << 20, entity(1), insert(2));
    let rival = after(&one, 1, 2 << 20, entity(1), insert(3));
    let stranger = first(99, 1 << 20, entity(1), insert(4));
    let mut broken = two.record.clone();
    broken.leaves.clear();
    let records = [&one, &one, &two, &rival, &stranger].map(|f| f.record.clone());
    let mut records = records.to_vec();
    records.push(broken);
    let (change, arrivals) = replica.receive_each(records.clone()).unwrap();
    assert_eq!(change.unwrap().added.len(), 3);
    let [
        Arrival::New(a, None),
        Arrival::Known(b),
        Arrival::New(c, None),
        Arrival::New(d, Some(other)),
        Arrival::Refused(e, ReplicaError::UnknownAuthor(_)),
        Arrival::Invalid(ReplicaError::Tuple(_)),
    ] = &arrivals[..]
    else {
        panic!("{arrivals:?}")
    };
    let ids = [a, b, c, d, e].map(|l| l.id);
    assert_eq!(*other, two.id);
    assert_eq!(ids, [one.id, one.id, two.id, rival.id, stranger.id]);
    assert_eq!((c.seq, c.prev), (1, Some(one.id)));
    let (_, again) = replica.receive_each(records).unwrap();
    assert!(matches!(again[3], Arrival::Known(l) if l.id == rival.id));
    // a third one at a place that is taken
    let third = after(&one, 1, 2 << 20, entity(1), insert(5));
    let (_, last) = replica.receive_each(vec![third.record]).unwrap();
    assert!(matches!(last[0], Arrival::New(_, Some(before)) if before == two.id));
}

#[test]
fn a_commit_under_an_unknown_epoch_can_come_later() {
    let kv = Arc::new(MemoryKv::new());
    let none = Epochs::new(vec![EpochSecret::new(&[1; 32])]);
    let replica = Replica::create(kv, POD, [3; 32], none, authors()).unwrap();
    let one = first(1, 1 << 20, entity(1), insert(1));
    let (change, arrivals) = replica.receive_each(vec![one.record.clone()]).unwrap();
    assert!(change.is_none());
    assert!(matches!(
        arrivals[0],
        Arrival::Refused(_, ReplicaError::NoKey(_))
    ));
    // another secret of the same name does not get in the way
    replica.set_epochs(vec![EpochSecret::new(&[1; 32]), epoch()]);
    replica.receive_each(vec![one.record]).unwrap();
    assert_eq!(values(&replica.snapshot(), entity(1), "tag").len(), 1);
}

#[test]
fn chains_list_what_is_there() {
    for seed in 0..30 {
        let mut pool = Pool::new(seed);
        for _ in 0..40 {
            pool.forged();
        }
        let (_, replica) = fresh();
        for said in &pool.commits {
            replica.receive_each(vec![said.record.clone()]).unwrap();
        }
        let now = replica.snapshot();
        for n in 1..=6 {
            let key = author(n).key.public();
            let mut want: Vec<_> = pool.commits.iter().filter(|s| s.device == key).collect();
            want.sort_by_key(|s| (s.seq, s.known.id));
            want.dedup_by_key(|s| s.known.id);
            let want: Vec<_> = want.iter().map(|s| (s.seq, s.known.id)).collect();
            assert_eq!(now.chain(&key, 0, u64::MAX, usize::MAX).unwrap(), want);
            let some: Vec<_> = want
                .iter()
                .filter(|(seq, _)| (1..=3).contains(seq))
                .copied()
                .collect();
            assert_eq!(now.chain(&key, 1, 3, usize::MAX).unwrap(), some);
            // in parts of one place
            let mut parts = Vec::new();
            let mut from = Some(0);
            while let Some(at) = from {
                let part = now.chain(&key, at, u64::MAX, 1).unwrap();
                from = part.last().and_then(|l| l.0.checked_add(1));
                parts.extend(part);
            }
            assert_eq!(parts, want);
        }
        let links: BTreeSet<Link> = (0..now.commit_count())
            .map(|n| now.link(n).unwrap().unwrap().0)
            .collect();
        assert_eq!(links.len(), now.commit_count() as usize);
        for said in &pool.commits {
            assert!(
                links
                    .iter()
                    .any(|l| l.id == said.known.id && l.prev == said.prev)
            );
            assert_eq!(
                now.record(&said.known.id).unwrap().unwrap().envelope,
                said.record.envelope
            );
        }
    }
}

#[test]
fn what_lacks_bytes_is_named_until_they_come() {
    let (_, replica) = fresh();
    let one = first(1, 1 << 20, entity(1), insert(1));
    let mut hollow = one.record.clone();
    hollow.leaves[0] = LeafBytes::Erased(hollow.leaves[0].hash());
    replica.receive_each(vec![hollow]).unwrap();
    assert_eq!(replica.snapshot().hollow(&one.id).unwrap(), [0]);
    let (_, arrivals) = replica.receive_each(vec![one.record.clone()]).unwrap();
    assert!(matches!(arrivals[0], Arrival::Known(_)));
    assert_eq!(replica.snapshot().hollow(&one.id).unwrap(), [0_u32; 0]);
    assert_eq!(values(&replica.snapshot(), entity(1), "tag").len(), 1);
}

#[test]
fn void_commits_are_marked_as_such() {
    let (_, replica) = fresh();
    let one = first(1, 1 << 20, entity(1), insert(1));
    let two = after(&one, 1, 2 << 20, entity(1), insert(2));
    replica
        .receive_each(vec![two.record, one.record.clone()])
        .unwrap();
    let mut sealed = authors();
    let seal = vec![(0, one.id)];
    sealed.insert(author(1).key.public(), Standing::sealed("app", vec![seal]));
    replica.set_authors(sealed).unwrap();
    let counts = |n| replica.snapshot().link(n).unwrap().unwrap().1;
    assert_eq!([counts(0), counts(1)], [false, true]);
    assert!(replica.snapshot().link(2).unwrap().is_none());
}
