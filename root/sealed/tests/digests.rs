//! A device and a sealed peer with the same certificates and commits sum themselves up alike, whatever came first.

use crate::{
    device::DeviceStore,
    pair::{Pair, sum},
    world::*,
};
use rhizome_identity::Role;
use rhizome_ipld::PublicKey;
use rhizome_sealed::{Hosted, Sealed, SealedOptions};
use rhizome_storage::{Kv, MemoryKv, conformance::Random};
use rhizome_sync::{CertificateFate, Fate, Refusal, Store, set::Id};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Default, Debug)]
struct Seen {
    commits: usize,
    counting: u64,
    void: u64,
    refused: usize,
    forks: usize,
    removals: usize,
    opened: usize,
    hollow: u64,
}

fn ids(store: &dyn Store) -> BTreeMap<PublicKey, Vec<(u64, Id)>> {
    let chains = store.chains().unwrap().into_iter();
    chains
        .map(|(key, _)| {
            let ids = store.ids(&key, (0, [0; 32]), u64::MAX, usize::MAX).unwrap();
            (key, ids)
        })
        .collect()
}

/// What arrives: a certificate, or a commit without some of its leaves.
enum Thing {
    Certificate(Vec<u8>),
    Commit(usize, Vec<usize>),
}

fn history(seed: u64, seen: &mut Seen) {
    let r = &mut Random::new(seed);
    let mut owner = Owner::new(seed);
    let did = owner.did();
    let phones: Vec<Machine> = (0..3).map(|n| Machine::new(1000 + seed * 8 + n)).collect();
    for phone in &phones {
        owner.join(
            phone,
            if r.one_in(2) {
                Role::Admin
            } else {
                Role::Member
            },
        );
    }
    // 1 and 2 write for the laptop, 3 to 8 for the phones; some for two of them
    owner.enrol_own(1);
    owner.enrol_own(2);
    for n in 3..=8u8 {
        owner.enrol(&phones[usize::from(n) % 3], n);
        if r.one_in(4) {
            let other = &phones[(usize::from(n) + 1) % 3];
            owner.enrol(other, n);
        }
    }
    let n = 5 + r.below(40);
    let said = wild(&did, &[1, 2, 3, 4, 5, 6, 7, 8], n, r);
    seen.commits += said.len();
    for phone in &phones[..r.below(4)] {
        let of: Vec<PublicKey> = (3..=8).map(|n| process(n).public()).collect();
        owner.remove(phone, seal(&said, &of, r));
        seen.removals += 1;
        if r.one_in(3) {
            // and joins again, with a process of the time before
            owner.join(phone, Role::Member);
            if r.one_in(2) {
                owner.enrol(phone, 3);
            }
        }
    }

    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let options = SealedOptions { loaded_bytes: 0 };
    let mut sealed = Sealed::open(kv.clone(), options).unwrap();
    let genesis = rhizome_identity::Log::new(owner.set.log().genesis().clone()).unwrap();
    assert_eq!(sealed.host(&genesis, 1 << 30, 5).unwrap(), Hosted::New);
    let mut device = DeviceStore::blank(&owner.set, 9);

    // certificates and commits in any order, to each of the two in its own
    let things = |r: &mut Random| {
        let mut things: Vec<Thing> = owner
            .certificates()
            .into_iter()
            .map(Thing::Certificate)
            .collect();
        for (i, s) in said.iter().enumerate() {
            let leaves = 0..s.record.leaves.len();
            let hollow = leaves.filter(|_| r.one_in(8)).collect();
            things.push(Thing::Commit(i, hollow));
        }
        shuffle(&mut things, r);
        things
    };
    for thing in things(r) {
        match thing {
            Thing::Certificate(bytes) => {
                device.take_certificates(vec![bytes]).unwrap();
            }
            Thing::Commit(i, hollow) => device.receive(vec![said[i].without(&hollow)]),
        }
    }
    let mut store = sealed.pod(&owner.set.did()).unwrap().unwrap().store(7);
    for thing in things(r) {
        match thing {
            Thing::Certificate(bytes) => {
                let fate = store.take_certificates(vec![bytes]).unwrap();
                assert!(!matches!(fate[0], CertificateFate::Invalid));
            }
            Thing::Commit(i, hollow) => {
                let commit = commit(&said[i].without(&hollow));
                match &store.take_commits(vec![commit.clone(), commit]).unwrap()[..] {
                    [Fate::Taken { name, rival }, Fate::Known(again)] => {
                        assert_eq!((name.id, again.id), (said[i].id.0, said[i].id.0));
                        seen.forks += usize::from(rival.is_some());
                    }
                    [Fate::Refused { why, .. }, Fate::Refused { .. }] => {
                        assert!(matches!(why, Refusal::UnknownAuthor | Refusal::NoAuthority));
                        seen.refused += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        if r.one_in(6) {
            drop(store);
            if r.one_in(2) {
                sealed = Sealed::open(kv.clone(), options).unwrap();
            }
            seen.opened += 1;
            store = sealed.pod(&owner.set.did()).unwrap().unwrap().store(7);
        }
    }
    // what was refused can come again when the certificates are there
    for bytes in owner.certificates() {
        device.take_certificates(vec![bytes.clone()]).unwrap();
        store.take_certificates(vec![bytes]).unwrap();
    }
    let audit = store.pod().audit().unwrap();
    assert_eq!(audit.findings, [""; 0], "seed {seed}");
    let mut order: Vec<usize> = (0..said.len()).collect();
    shuffle(&mut order, r);
    device.receive(order.iter().map(|i| said[*i].record.clone()).collect());
    for some in order.chunks(3) {
        let batch = some.iter().map(|i| said[*i].commit()).collect();
        store.take_commits(batch).unwrap();
    }
    assert_eq!(ids(&store), ids(&device), "seed {seed}");
    assert_eq!(sum(&store), sum(&device), "seed {seed}");
    let audit = store.pod().audit().unwrap();
    assert_eq!(audit.findings, [""; 0], "seed {seed}");
    seen.void += audit.void;
    seen.counting += audit.commits - audit.void;
    seen.hollow += audit.hollow;
    let usage = store.pod().usage();
    assert_eq!(usage.commits, audit.commits);
    // and so after it is opened again, and to a blank device
    let before = sum(&store);
    drop(store);
    let sealed = Sealed::open(kv, options).unwrap();
    let pod = sealed.pod(&owner.set.did()).unwrap().unwrap();
    assert_eq!(pod.usage(), usage);
    let mut store = pod.store(8);
    assert_eq!(sum(&store), before);
    let mut blank = DeviceStore::blank(&owner.set, 10);
    Pair::converge(&mut store, &mut blank);
    assert_eq!(sum(&blank), sum(&device), "seed {seed}");
}

#[test]
fn equal_sets_have_equal_digests() {
    let n = std::env::var("RHIZOME_HISTORIES").map_or(60, |n| n.parse().unwrap());
    let mut seen = Seen::default();
    for seed in 0..n {
        history(seed, &mut seen);
    }
    println!("{seen:?}");
    assert!(seen.void > 0 && seen.refused > 0 && seen.forks > 0 && seen.removals > 0);
    assert!(seen.counting > seen.void && seen.opened > 0);
}

#[test]
fn a_long_chain_of_a_removed_device_is_judged_as_it_comes() {
    let mut owner = Owner::new(1);
    let phone = Machine::new(2);
    owner.join(&phone, Role::Member);
    owner.enrol(&phone, 3);
    let said = chain(&owner.did(), 3, 400);
    let head = &said[299];
    owner.remove(
        &phone,
        vec![rhizome_identity::SealedHead {
            process: head.key,
            seq: head.seq,
            commit: head.id.0,
        }],
    );
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let sealed = Sealed::open(kv, SealedOptions::default()).unwrap();
    sealed.host(owner.set.log(), 1 << 30, 0).unwrap();
    let mut store = sealed.pod(&owner.set.did()).unwrap().unwrap().store(0);
    store.take_certificates(owner.certificates()).unwrap();
    for some in said.chunks(50) {
        let fates = store
            .take_commits(some.iter().map(Said::commit).collect())
            .unwrap();
        for (fate, s) in fates.iter().zip(some) {
            assert_eq!(matches!(fate, Fate::Taken { .. }), s.seq < 300);
        }
        // before its head is there nothing counts, since then everything up to it
        let count = store.chain(&head.key).unwrap().map(|c| c.count);
        assert_eq!(count, (some[0].seq >= 250).then_some(300));
    }
    assert_eq!(store.pod().audit().unwrap().findings, [""; 0]);
}
