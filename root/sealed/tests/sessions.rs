//! Sessions between devices and a sealed peer, pumped in memory.

use crate::{
    device::DeviceStore,
    pair::{End, Pair, sum},
    world::*,
};
use parking_lot::Mutex;
use rhizome_identity::Role;
use rhizome_sealed::{News, Sealed, SealedOptions, SealedPod};
use rhizome_storage::{Kv, MemoryKv};
use rhizome_sync::{CertificateFate, Fate, Input, Leaf, Limits, Local, Output, Refusal, Store};
use std::{collections::VecDeque, sync::Arc};

pub fn hosted(owner: &Owner, quota: u64) -> (Sealed, Arc<SealedPod>) {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let sealed = Sealed::open(kv, SealedOptions::default()).unwrap();
    let genesis = rhizome_identity::Log::new(owner.set.log().genesis().clone()).unwrap();
    sealed.host(&genesis, quota, 0).unwrap();
    let pod = sealed.pod(&owner.set.did()).unwrap().unwrap();
    (sealed, pod)
}

/// A pod with a phone and two processes.
pub fn family(seed: u64) -> (Owner, Machine) {
    let mut owner = Owner::new(seed);
    let phone = Machine::new(seed + 100);
    owner.join(&phone, Role::Member);
    owner.enrol_own(1);
    owner.enrol(&phone, 2);
    (owner, phone)
}

pub fn device(owner: &Owner, salt: u8) -> DeviceStore {
    let mut device = DeviceStore::blank(&owner.set, salt);
    device.take_certificates(owner.certificates()).unwrap();
    device
}

#[test]
fn one_device_goes_off_and_another_gets_everything_from_the_sealed_peer() {
    let (owner, _) = family(1);
    let (_sealed, pod) = hosted(&owner, 1 << 30);
    let mut laptop = device(&owner, 1);
    laptop.receive(
        chain(&owner.did(), 1, 300)
            .into_iter()
            .map(|s| s.record)
            .collect(),
    );
    laptop.receive(
        chain(&owner.did(), 2, 20)
            .into_iter()
            .map(|s| s.record)
            .collect(),
    );
    Pair::converge(&mut laptop, &mut pod.store(1));
    assert_eq!(pod.usage().commits, 320);
    assert_eq!(pod.audit().unwrap().findings, [""; 0]);
    let mut phone = DeviceStore::blank(&owner.set, 2);
    Pair::converge(&mut phone, &mut pod.store(2));
    assert_eq!(sum(&phone), sum(&laptop));
    let tuples = |d: &DeviceStore| d.replica.snapshot().len();
    assert_eq!(tuples(&phone), tuples(&laptop));
    assert!(tuples(&phone) > 300);
    // nothing new: one message each way
    let mut pair = Pair::new();
    pair.run(&mut phone, &mut pod.store(3));
    assert_eq!((pair.a.messages, pair.b.messages), (1, 1));
    println!("equal: {} bytes", pair.a.bytes + pair.b.bytes);
}

#[test]
fn a_commit_of_eight_thousand_leaves_travels() {
    let (owner, _) = family(2);
    let (_sealed, pod) = hosted(&owner, 1 << 30);
    let texts: Vec<String> = (0..8192)
        .map(|n| format!("{n} {}", "x".repeat(n % 300)))
        .collect();
    let large = say(&owner.did(), 1, (0, None), &texts, 1);
    let mut laptop = device(&owner, 1);
    laptop.receive(vec![large.record.clone()]);
    Pair::converge(&mut laptop, &mut pod.store(1));
    let mut phone = DeviceStore::blank(&owner.set, 2);
    Pair::converge(&mut phone, &mut pod.store(2));
    assert_eq!(sum(&phone), sum(&laptop));
    assert_eq!(phone.replica.snapshot().len(), 8192);
    // in pieces of any size it is the same
    let store = pod.store(3);
    let all = large.commit().leaves;
    for (first, budget) in [
        (0, 1),
        (0, 1 << 20),
        (4000, 100_000),
        (8191, 1),
        (1, usize::MAX),
    ] {
        let some = store
            .leaves(&large.key, &large.id.0, first, budget)
            .unwrap();
        assert!(!some.is_empty());
        assert_eq!(some, all[first as usize..first as usize + some.len()]);
        let size: usize = some.iter().map(Leaf::size).sum();
        assert!(some.len() == 1 || size <= budget);
    }
    assert!(
        store
            .leaves(&large.key, &large.id.0, 8192, 9)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_session_that_breaks_is_taken_up_again() {
    let (owner, _) = family(3);
    let (_sealed, pod) = hosted(&owner, 1 << 30);
    let mut laptop = device(&owner, 1);
    laptop.receive(
        chain(&owner.did(), 1, 600)
            .into_iter()
            .map(|s| s.record)
            .collect(),
    );
    let limits = Limits {
        window: 16 << 10,
        batch: 8 << 10,
        ..Limits::default()
    };
    let mut breaks = 0;
    let mut steps = 4;
    loop {
        let mut pair = Pair::with(limits.clone());
        let mut store = pod.store(breaks);
        let done = (0..steps).any(|_| !pair.step(&mut laptop, &mut store));
        if done && sum(&laptop) == sum(&store) {
            break;
        }
        breaks += 1;
        steps += 1;
        assert!(breaks < 400, "it makes no progress");
    }
    println!("{breaks} breaks");
    assert!(breaks > 5);
    assert_eq!(pod.usage().commits, 600);
    assert_eq!(pod.audit().unwrap().findings, [""; 0]);
}

#[test]
fn what_one_session_brings_the_others_push() {
    let (mut owner, phone) = family(4);
    let (_sealed, pod) = hosted(&owner, 1 << 30);
    let mut devices = [device(&owner, 1), device(&owner, 2)];
    let mut stores = [pod.store(1), pod.store(1)];
    let mut pairs = [Pair::new(), Pair::new()];
    let news: [Arc<Mutex<VecDeque<News>>>; 2] = Default::default();
    let _listening: Vec<_> = stores
        .iter()
        .zip(&news)
        .map(|(store, news)| {
            let news = news.clone();
            store.listen(move |n| news.lock().push_back(n))
        })
        .collect();
    let everything: Arc<Mutex<Vec<News>>> = Arc::default();
    let all = everything.clone();
    let _watching = pod.listen(move |n| all.lock().push(n));
    let run = |devices: &mut [DeviceStore; 2],
               stores: &mut [rhizome_sealed::SealedStore; 2],
               pairs: &mut [Pair; 2]| loop {
        let mut any = false;
        for i in 0..2 {
            while let Some(n) = { news[i].lock().pop_front() } {
                pairs[i].b.session.handle(0, n.input(), &mut stores[i]);
                any = true;
            }
            any |= pairs[i].step(&mut devices[i], &mut stores[i]);
        }
        if !any {
            break;
        }
    };
    run(&mut devices, &mut stores, &mut pairs);
    everything.lock().clear();
    // the laptop writes; the phone is told, and nothing goes back
    let said = chain(&owner.did(), 1, 3);
    let before = pairs[0].b.bytes;
    for s in &said {
        devices[0].receive(vec![s.record.clone()]);
        let name = rhizome_sync::CommitName {
            key: s.key,
            seq: s.seq,
            id: s.id.0,
        };
        let input = Input::Local(Local::Commit(name));
        pairs[0].a.session.handle(0, input, &mut devices[0]);
        run(&mut devices, &mut stores, &mut pairs);
    }
    assert_eq!(devices[1].replica.snapshot().commit_count(), 3);
    assert_eq!(everything.lock().len(), 3);
    assert!(pairs[0].b.bytes - before < 100, "confirmations only");
    let delivered = |end: &End| {
        let is = |e: &&Output| matches!(e, Output::Delivered(Local::Commit(_)));
        end.events.iter().filter(is).count()
    };
    assert_eq!((delivered(&pairs[0].a), delivered(&pairs[1].b)), (3, 3));
    // the phone is removed: the sealed peer lets it in no more, and what counts is decided anew
    assert!(pod.admits(&phone.public()));
    let two = chain(&owner.did(), 2, 2);
    stores[1]
        .take_commits(two.iter().map(Said::commit).collect())
        .unwrap();
    run(&mut devices, &mut stores, &mut pairs);
    everything.lock().clear();
    let removal = owner.remove(&phone, vec![]);
    devices[0].take_certificates(vec![removal.clone()]).unwrap();
    stores[0].take_certificates(vec![removal]).unwrap();
    assert!(!pod.admits(&phone.public()) && pod.admits(&owner.laptop.public()));
    assert!(matches!(
        everything.lock()[..],
        [News::Certificate(_), News::Judged]
    ));
    assert_eq!(sum(&stores[0]), sum(&devices[0]));
    let third = say(&owner.did(), 2, (2, Some(two[1].id)), &["late".into()], 3);
    let fates = stores[1].take_commits(vec![third.commit()]).unwrap();
    let Fate::Refused { why, .. } = fates[0] else {
        panic!("{fates:?}")
    };
    assert_eq!(why, Refusal::NoAuthority);
}

#[test]
fn what_is_forged_ends_the_session_and_what_is_foreign_is_refused() {
    let (owner, _) = family(5);
    let (_sealed, pod) = hosted(&owner, 1 << 30);
    let mut store = pod.store(0);
    store.take_certificates(owner.certificates()).unwrap();
    let good = chain(&owner.did(), 1, 2);
    let mut changed = good[0].commit();
    changed.envelope[40] ^= 1;
    let mut swapped = good[0].commit();
    swapped.leaves = vec![Leaf::Sealed(b"other".to_vec())];
    let mut none = good[0].commit();
    none.leaves.clear();
    let other_pod = say("did:key:z6MkOther", 1, (0, None), &["x".into()], 9).commit();
    let stranger = say(&owner.did(), 77, (0, None), &["x".into()], 9).commit();
    let batch = vec![
        changed,
        swapped,
        none,
        other_pod,
        stranger,
        good[1].commit(),
        good[0].commit(),
        good[0].commit(),
    ];
    let fates = store.take_commits(batch).unwrap();
    assert_eq!(
        fates[..4],
        [Fate::Invalid, Fate::Invalid, Fate::Invalid, Fate::Invalid]
    );
    assert!(matches!(
        &fates[4],
        Fate::Refused {
            why: Refusal::UnknownAuthor,
            ..
        }
    ));
    assert!(matches!(&fates[5], Fate::Taken { rival: None, .. }));
    assert!(matches!(&fates[6], Fate::Taken { rival: None, .. }));
    assert!(matches!(&fates[7], Fate::Known(_)));
    let fork = say(
        &owner.did(),
        1,
        (1, Some(good[0].id)),
        &["other".into()],
        99,
    );
    let fates = store.take_commits(vec![fork.commit()]).unwrap();
    assert!(matches!(&fates[0], Fate::Taken { rival: Some(r), .. } if *r == good[1].id.0));
    let mut bad = owner.certificates()[0].clone();
    let end = bad.len() - 1;
    bad[end] ^= 1;
    let other = Owner::new(6).certificates();
    let fates = store
        .take_certificates(vec![bad, other[1].clone(), vec![]])
        .unwrap();
    assert_eq!(fates[0], CertificateFate::Invalid);
    assert_eq!(fates[1], CertificateFate::Invalid);
    assert_eq!(fates[2], CertificateFate::Invalid);
    assert_eq!(pod.audit().unwrap().findings, [""; 0]);
}

#[test]
fn the_quota_is_kept_and_a_removal_needs_no_room() {
    let (mut owner, phone) = family(6);
    let (sealed, pod) = hosted(&owner, 20_000);
    let mut store = pod.store(0);
    let fates = store.take_certificates(owner.certificates()).unwrap();
    assert!(
        fates
            .iter()
            .all(|f| !matches!(f, CertificateFate::Refused(..)))
    );
    let said = chain(&owner.did(), 1, 60);
    let mut taken = 0;
    for some in said.chunks(7) {
        for fate in store
            .take_commits(some.iter().map(Said::commit).collect())
            .unwrap()
        {
            match fate {
                Fate::Taken { .. } => taken += 1,
                Fate::Refused { why, .. } => assert_eq!(why, Refusal::Quota),
                other => panic!("{other:?}"),
            }
        }
        let usage = pod.usage();
        assert!(usage.commit_bytes + usage.certificate_bytes <= 20_000);
    }
    assert!(taken > 10 && taken < 60, "{taken}");
    let removal = owner.remove(&phone, vec![]);
    assert!(matches!(
        store.take_certificates(vec![removal]).unwrap()[0],
        CertificateFate::Taken(_)
    ));
    assert!(!pod.admits(&phone.public()));
    sealed.set_quota(&owner.set.did(), 1 << 20).unwrap();
    let fates = store
        .take_commits(said.iter().map(Said::commit).collect())
        .unwrap();
    assert!(
        fates
            .iter()
            .all(|f| matches!(f, Fate::Taken { .. } | Fate::Known(_)))
    );
    assert_eq!(pod.usage().commits, 60);
    assert_eq!(pod.audit().unwrap().findings, [""; 0]);
    // a device that may bring more than there is room for hears so, and the session lives
    sealed.set_quota(&owner.set.did(), 0).unwrap();
    let mut laptop = device(&owner, 1);
    laptop.receive(said.iter().map(|s| s.record.clone()).collect());
    let more = say(
        &owner.did(),
        1,
        (60, Some(said[59].id)),
        &["more".into()],
        60,
    );
    laptop.receive(vec![more.record]);
    let mut pair = Pair::new();
    pair.run(&mut laptop, &mut store);
    assert!(!pair.a.aborted() && !pair.b.aborted());
    assert!(
        pair.a
            .events
            .iter()
            .any(|e| matches!(e, Output::Refused(_, Refusal::Quota)))
    );
}
