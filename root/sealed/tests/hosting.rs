//! Many pods: hosted, found, let go of, removed.

use crate::{sessions::family, world::*};
use rhizome_identity::{Log, Role};
use rhizome_sealed::{Hosted, Sealed, SealedError, SealedOptions};
use rhizome_share::Certificate;
use rhizome_storage::{Batch, Durability, KEYSPACES, Kv, MemoryKv};
use rhizome_sync::{CertificateFate, Fate, Refusal, Store};
use std::{ops::ControlFlow, sync::Arc, thread};

fn rows(kv: &dyn Kv) -> usize {
    let mut n = 0;
    for keyspace in 0..KEYSPACES {
        let snap = kv.snapshot().unwrap();
        snap.scan(keyspace, &[], None, false, &mut |_, _| {
            n += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    n
}

#[test]
fn a_pod_is_hosted_once_and_found_by_its_words() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let sealed = Sealed::open(kv.clone(), SealedOptions::default()).unwrap();
    let (mut owner, phone) = family(30);
    let did = owner.set.did();
    assert!(sealed.pod(&did).unwrap().is_none());
    assert_eq!(sealed.host(owner.set.log(), 1000, 5).unwrap(), Hosted::New);
    let pod = sealed.pod(&did).unwrap().unwrap();
    assert_eq!(pod.did(), did);
    assert!(pod.admits(&phone.public()) && !pod.admits(&Machine::new(1).public()));
    assert_eq!(pod.devices().len(), 2);
    let before = pod.usage();
    assert_eq!(
        (before.quota, before.since, before.certificates),
        (1000, 5, 2)
    );
    assert_eq!(sealed.host(owner.set.log(), 7, 6).unwrap(), Hosted::Already);
    assert_eq!(pod.usage(), before);
    // somebody shows a newer log
    let tablet = Machine::new(31);
    owner.join(&tablet, Role::Member);
    assert_eq!(pod.add_log(owner.set.log(), 9).unwrap(), 1);
    assert!(pod.admits(&tablet.public()));
    assert_eq!(pod.usage().last_activity, 9);
    let other = Owner::new(32);
    let wrong = pod.add_log(other.set.log(), 9);
    assert!(matches!(wrong, Err(SealedError::OtherPod { .. })));
    let log = pod
        .with_certificates(|set| set.log().to_car().unwrap())
        .unwrap();
    assert_eq!(
        Log::from_car(&log).unwrap().heads(),
        owner.set.log().heads()
    );
    // recovery from words
    sealed.host(other.set.log(), 1000, 5).unwrap();
    let hidden = |owner: &Owner| owner.words.reveal().hidden();
    assert_eq!(sealed.find_by_policy_key(&hidden(&owner)).unwrap(), [did]);
    assert_eq!(
        sealed.find_by_policy_key(&hidden(&other)).unwrap(),
        [other.set.did()]
    );
    assert!(sealed.find_by_policy_key(&[7; 32]).unwrap().is_empty());
    let mut pods = sealed.pods().unwrap();
    pods.sort_by_key(|u| u.certificates);
    assert_eq!(pods.len(), 2);
    assert_eq!(pods[1], pod.usage());
    assert!(matches!(
        sealed.set_quota(&Owner::new(33).set.did(), 1),
        Err(SealedError::NotHosted(_))
    ));
    pod.touch(77).unwrap();
    assert_eq!(pod.usage().last_activity, 77);
}

#[test]
fn a_removed_pod_leaves_nothing_even_if_the_removal_was_interrupted() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let sealed = Sealed::open(kv.clone(), SealedOptions::default()).unwrap();
    let empty = rows(&*kv);
    let (owner, phone) = family(34);
    let did = owner.set.did();
    let fill = |sealed: &Sealed| {
        sealed.host(owner.set.log(), 1 << 30, 0).unwrap();
        let mut store = sealed.pod(&did).unwrap().unwrap().store(0);
        store.take_certificates(owner.certificates()).unwrap();
        let said = chain(&owner.did(), 1, 100);
        store
            .take_commits(said.iter().map(Said::commit).collect())
            .unwrap();
        store
            .take_commits(vec![commit(
                &say(&owner.did(), 2, (0, None), &["a".into()], 1).without(&[0]),
            )])
            .unwrap();
        store
    };
    let other = Owner::new(35);
    sealed.host(other.set.log(), 1 << 30, 0).unwrap();
    let with_other = rows(&*kv);
    let mut store = fill(&sealed);
    let pod = store.pod().clone();
    assert!(rows(&*kv) > with_other + 300);
    assert!(sealed.remove(&did).unwrap());
    assert!(!sealed.remove(&did).unwrap());
    assert_eq!(rows(&*kv), with_other);
    assert!(sealed.pod(&did).unwrap().is_none());
    assert!(
        sealed
            .find_by_policy_key(&owner.words.reveal().hidden())
            .unwrap()
            .is_empty()
    );
    // whoever still holds it hears so
    assert!(!pod.admits(&phone.public()));
    assert!(store.take_commits(vec![]).is_err() && store.certificates().is_err());
    assert!(matches!(pod.touch(1), Err(SealedError::NotHosted(_))));
    drop((store, pod));
    assert_eq!(rows(&*kv), with_other);

    // interrupted after the first step, and hosted again before the rest is done
    let store = fill(&sealed);
    drop(store);
    let number = {
        // the row of the pod, and what the first step of a removal writes
        let snap = kv.snapshot().unwrap();
        let row = snap.get(1, did.genesis_digest().unwrap()).unwrap().unwrap();
        <[u8; 8]>::try_from(&row[..8]).unwrap()
    };
    let mut batch = Batch::new();
    batch.delete(1, did.genesis_digest().unwrap());
    batch.put(13, number, []);
    batch.delete(5, [&owner.words.reveal().hidden()[..], &number].concat());
    kv.commit(batch, Durability::Durable).unwrap();
    let sealed = Sealed::open(kv.clone(), SealedOptions::default()).unwrap();
    assert!(sealed.pod(&did).unwrap().is_none());
    sealed.host(owner.set.log(), 1 << 30, 0).unwrap();
    let again = sealed.pod(&did).unwrap().unwrap();
    assert_eq!(again.usage().commits, 0);
    let mut batches = 0;
    while !sealed.sweep().unwrap() {
        batches += 1;
    }
    assert!(batches >= 2);
    assert_eq!(again.audit().unwrap().findings, [""; 0]);
    assert_eq!(sealed.pods().unwrap().len(), 2);
    sealed.remove(&did).unwrap();
    sealed.remove(&other.set.did()).unwrap();
    assert_eq!(rows(&*kv), empty);
}

#[test]
fn pods_that_nobody_uses_go_and_come_back() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let options = SealedOptions {
        loaded_bytes: 20_000,
    };
    let sealed = Sealed::open(kv, options).unwrap();
    let owners: Vec<Owner> = (40..60).map(Owner::new).collect();
    for owner in &owners {
        sealed.host(owner.set.log(), 1 << 30, 0).unwrap();
    }
    assert_eq!(
        sealed.in_use(),
        (0, 0),
        "hosting alone keeps nothing in memory"
    );
    let held = sealed.pod(&owners[0].set.did()).unwrap().unwrap();
    let store = held.store(0);
    for _ in 0..3 {
        for owner in &owners {
            assert!(sealed.pod(&owner.set.did()).unwrap().is_some());
            let (pods, bytes) = sealed.in_use();
            assert!(pods < 20 && bytes < 24_000, "{pods} {bytes}");
        }
    }
    let same = sealed.pod(&owners[0].set.did()).unwrap().unwrap();
    assert!(
        Arc::ptr_eq(&held, &same),
        "there is never a second one of a pod in use"
    );
    drop((store, same, held, sealed));
}

#[test]
fn sessions_of_many_pods_at_a_time() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let options = SealedOptions {
        loaded_bytes: 4_000,
    };
    let sealed = Arc::new(Sealed::open(kv, options).unwrap());
    let threads: Vec<_> = (0..8u64)
        .map(|n| {
            let sealed = sealed.clone();
            thread::spawn(move || {
                // two threads for each pod
                let mut owner = Owner::new(70 + n / 2);
                let did = owner.set.did();
                let who = 1 + (n % 2) as u8;
                let enrol = owner.enrol_own(who);
                sealed.host(owner.set.log(), 1 << 30, 0).unwrap();
                let said = chain(&owner.did(), who, 60);
                for some in said.chunks(5) {
                    let mut store = sealed.pod(&did).unwrap().unwrap().store(0);
                    store.take_certificates(vec![enrol.clone()]).unwrap();
                    for fate in store
                        .take_commits(some.iter().map(Said::commit).collect())
                        .unwrap()
                    {
                        assert!(matches!(fate, Fate::Taken { .. }), "{fate:?}");
                    }
                }
                did
            })
        })
        .collect();
    // both threads of a pod have to be done before it is looked at
    let dids: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    for did in dids {
        let pod = sealed.pod(&did).unwrap().unwrap();
        assert_eq!(pod.usage().commits, 120);
        assert_eq!(pod.audit().unwrap().findings, [""; 0]);
    }
}

#[test]
fn another_store_is_left_alone() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let mut batch = Batch::new();
    batch.put(3, "pod", "something");
    kv.commit(batch, Durability::Durable).unwrap();
    let foreign = Sealed::open(kv.clone(), SealedOptions::default());
    assert!(matches!(foreign, Err(SealedError::Foreign)));
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let mut batch = Batch::new();
    batch.put(0, "sealed", [0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
    kv.commit(batch, Durability::Durable).unwrap();
    let newer = Sealed::open(kv, SealedOptions::default());
    assert!(matches!(newer, Err(SealedError::Version(9))));
}

#[test]
fn views_count_in_the_quota_of_their_sponsor_and_go_with_it() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let open = || Sealed::open(kv.clone(), SealedOptions::default()).unwrap();
    let sealed = open();
    let empty = rows(&*kv);
    let owner = Owner::new(40);
    let did = owner.set.did();
    sealed.host(owner.set.log(), 60_000, 0).unwrap();
    let sponsor = sealed.pod(&did).unwrap().unwrap();
    let mut views: Vec<Owner> = (41..44).map(Owner::new).collect();
    for (n, view) in views.iter_mut().enumerate() {
        let hosted = sealed.host_view(view.set.log(), &sponsor, 0).unwrap();
        assert_eq!(hosted, Hosted::New);
        let again = sealed.host_view(view.set.log(), &sponsor, 0).unwrap();
        assert_eq!(again, Hosted::Already);
        let pod = sealed.pod(&view.set.did()).unwrap().unwrap();
        assert_eq!(pod.sponsor(), Some(did));
        // a view is nobody's sponsor
        let other = Owner::new(50 + n as u64);
        let refused = sealed.host_view(other.set.log(), &pod, 0);
        assert!(matches!(refused, Err(SealedError::NoSponsor(_))));
        let changed = sealed.set_quota(&view.set.did(), 1);
        assert!(matches!(changed, Err(SealedError::Sponsored(by)) if by == did));
        view.enrol_own(n as u8);
    }
    let mut dids: Vec<_> = views.iter().map(|v| v.set.did()).collect();
    dids.sort();
    let mut listed = sealed.views(&did).unwrap();
    listed.sort();
    assert_eq!(listed, dids);
    assert_eq!(
        sealed
            .pods()
            .unwrap()
            .iter()
            .filter(|u| u.sponsor == Some(did))
            .count(),
        3
    );
    let used = |sealed: &Sealed| -> u64 {
        let all = sealed.pods().unwrap().into_iter();
        all.map(|u| u.commit_bytes).sum()
    };
    // whichever of them brings it, and whoever has been let go of meanwhile: together they have one quota
    let fill = |sealed: &Sealed, n: usize| -> (usize, usize) {
        let view = &views[n];
        let mut store = sealed.pod(&view.set.did()).unwrap().unwrap().store(0);
        store.take_certificates(view.certificates()).unwrap();
        let said = chain(&view.did(), n as u8, 60);
        let fates = said
            .iter()
            .map(|s| store.take_commits(vec![s.commit()]).unwrap().remove(0));
        let fates: Vec<Fate> = fates.collect();
        let taken = |f: &&Fate| matches!(f, Fate::Taken { .. });
        let refused = |f: &&Fate| {
            matches!(
                f,
                Fate::Refused {
                    why: Refusal::Quota,
                    ..
                }
            )
        };
        (
            fates.iter().filter(taken).count(),
            fates.iter().filter(refused).count(),
        )
    };
    let first = fill(&sealed, 0);
    drop((sponsor, sealed));
    let sealed = open();
    let second = fill(&sealed, 1);
    let third = fill(&sealed, 2);
    assert!(
        first.0 + second.0 + third.0 > 10,
        "{first:?} {second:?} {third:?}"
    );
    assert!(
        third.1 > 0 && used(&sealed) <= 60_000,
        "{third:?} {}",
        used(&sealed)
    );
    // room that one gives back is there for the others
    assert!(sealed.remove(&views[0].set.did()).unwrap());
    assert_eq!(sealed.views(&did).unwrap().len(), 2);
    let fourth = fill(&sealed, 2);
    assert!(
        fourth.0 > 0 && used(&sealed) <= 60_000,
        "{first:?} {second:?} {third:?} {fourth:?} {}",
        used(&sealed)
    );
    sealed.set_quota(&did, 1 << 20).unwrap();
    assert_eq!(fill(&sealed, 2).1, 0);

    assert!(sealed.remove(&did).unwrap());
    assert!(sealed.pods().unwrap().is_empty());
    assert_eq!(rows(&*kv), empty);
}

/// A follower's key is known to everybody: who has it makes a peer keep nothing of his.
#[test]
fn nothing_that_a_follower_says_is_kept() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let sealed = Sealed::open(kv.clone(), SealedOptions::default()).unwrap();
    let mut owner = Owner::new(60);
    let follower = Machine::new(61);
    owner.enrol_own(1);
    owner.join(&follower, Role::Follower);
    let did = owner.set.did();
    sealed.host(owner.set.log(), 1 << 30, 0).unwrap();
    let pod = sealed.pod(&did).unwrap().unwrap();
    assert!(pod.admits(&follower.public()));
    let mut store = pod.store(0);
    store.take_certificates(owner.certificates()).unwrap();
    let mut his = pod.store(0).for_follower();
    let before = (pod.usage(), rows(&*kv));
    // a process of his, and what it writes
    let enrol = owner.enrolment(&follower, 2);
    let enrol = Certificate::Enrol(Box::new(enrol)).to_bytes().unwrap();
    let fates = his.take_certificates(vec![enrol.clone()]).unwrap();
    assert!(matches!(
        fates[..],
        [CertificateFate::Refused(_, Refusal::NoAuthority)]
    ));
    // nor does an honest device that was taken in bring it
    assert!(matches!(
        store.take_certificates(vec![enrol]).unwrap()[..],
        [CertificateFate::Refused(_, Refusal::NoAuthority)]
    ));
    let said = say(&owner.did(), 2, (0, None), &["a".into()], 1);
    let fates = his.take_commits(vec![said.commit()]).unwrap();
    assert!(matches!(
        fates[..],
        [Fate::Refused {
            why: Refusal::UnknownAuthor,
            ..
        }]
    ));
    // what would wait for something else, by anybody at all
    let mut ahead = Owner::new(60);
    ahead.enrol_own(1);
    ahead.join(&follower, Role::Follower);
    ahead.join(&Machine::new(62), Role::Member);
    ahead.join(&Machine::new(63), Role::Member);
    let later = ahead.certificates().into_iter();
    let later: Vec<_> = later
        .filter(|c| !owner.certificates().contains(c))
        .filter(|c| matches!(Certificate::from_bytes(c), Ok(Certificate::Operation(_))))
        .collect();
    let [next, last] = &later[..] else {
        panic!("two operations that are not there");
    };
    let fates = his.take_certificates(vec![last.clone()]).unwrap();
    assert!(matches!(
        fates[..],
        [CertificateFate::Refused(_, Refusal::UnknownAuthor)]
    ));
    assert_eq!((pod.usage(), rows(&*kv)), before);
    // what the owner said he may carry
    let fates = his
        .take_certificates(vec![next.clone(), last.clone(), vec![1]])
        .unwrap();
    assert!(matches!(
        fates[..],
        [
            CertificateFate::Taken(_),
            CertificateFate::Taken(_),
            CertificateFate::Invalid
        ]
    ));
    let own = say(&owner.did(), 1, (0, None), &["a".into()], 1);
    let fates = his.take_commits(vec![own.commit()]).unwrap();
    assert!(matches!(fates[..], [Fate::Taken { .. }]));
}
