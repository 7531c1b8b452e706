//! Sessions of two honest replicas: what they cost, and that they end equal whatever the two have.

use crate::memory::{MemoryStore, certificate, commit, key};
use crate::pair::Pair;
use rhizome_sync::set::Id;
use rhizome_sync::{Input, Leaf, Limits, Local, Output, Store, SyncError, Synced};
use std::sync::Arc;

fn leaves(n: usize, size: usize, salt: u64) -> Vec<Leaf> {
    (0..n)
        .map(|i| {
            let mut bytes = vec![0; size.max(16)];
            bytes[..8].copy_from_slice(&salt.to_le_bytes());
            bytes[8..16].copy_from_slice(&(i as u64).to_le_bytes());
            Leaf::Sealed(bytes)
        })
        .collect()
}

/// Authors 1..=chains, each with `n` commits.
fn filled(chains: u8, n: u64) -> MemoryStore {
    let mut store = MemoryStore::with_authors(1..=chains);
    for author in 1..=chains {
        for i in 0..n {
            store.write(author, leaves(1, 150, i), i);
        }
    }
    store
}

#[test]
fn equal_replicas_finish_after_one_message_each_way() {
    for (chains, n) in [(0, 0), (1, 1), (8, 50), (200, 2)] {
        let store = filled(chains, n);
        let mut pair = Pair::new(store.clone(), store);
        pair.converge();
        assert_eq!(
            (pair.a.kinds.as_slice(), pair.b.kinds.as_slice()),
            (&["open"][..], &["open"][..])
        );
        assert!(pair.bytes() <= 120, "{} bytes", pair.bytes());
        let equal = |e: &Output| {
            matches!(
                e,
                Output::Synced(Synced {
                    equal: true,
                    round: 1,
                    withheld: 0,
                    ..
                })
            )
        };
        assert!(pair.a.events.iter().any(equal) && pair.b.events.iter().any(equal));
    }
}

#[test]
fn ten_commits_behind_cost_little_more_than_the_ten() {
    for chains in [1, 8, 200] {
        let behind = filled(chains, 20);
        let mut ahead = behind.clone();
        let new: Vec<_> = (0..10)
            .map(|i| ahead.write(1, leaves(1, 150, 100 + i), 100 + i))
            .collect();
        let payload: usize = new.iter().map(|n| ahead.size(n)).sum();
        for turned in [false, true] {
            let (a, b) = (ahead.clone(), behind.clone());
            let mut pair = if turned {
                Pair::new(b, a)
            } else {
                Pair::new(a, b)
            };
            pair.converge();
            let most = payload * 13 / 10 + 500;
            println!(
                "{chains} chains: {} bytes for {payload} of commits",
                pair.bytes()
            );
            assert!(
                pair.bytes() <= most,
                "{chains} chains: {} bytes for {payload}",
                pair.bytes()
            );
        }
    }
}

#[test]
fn both_ahead_on_different_chains_and_new_authors() {
    let common = filled(3, 5);
    let (mut a, mut b) = (common.clone(), common);
    for i in 0..30 {
        a.write(1, leaves(2, 50, i), 1000 + i);
        b.write(2, leaves(2, 50, i), 1000 + i);
    }
    a.take_certificates(vec![certificate(50, 300)])
        .expect("memory");
    a.write(50, leaves(1, 10, 1), 1);
    b.take_certificates(vec![certificate(60, 100_000), certificate(61, 300)])
        .expect("memory");
    b.write(60, leaves(1, 10, 1), 1);
    let mut pair = Pair::new(a, b);
    pair.converge();
    assert_eq!(pair.a.store.commits.len(), 15 + 60 + 2);
}

#[test]
fn a_new_device_gets_everything_in_batches() {
    let full = filled(3, 700);
    let mut pair = Pair::new(MemoryStore::default(), full);
    pair.converge();
    assert!(
        pair.a.store.batches < 20,
        "{} batches",
        pair.a.store.batches
    );
    let mut progress = pair.a.events.iter().filter_map(|e| match e {
        Output::Progress(p) => Some(*p),
        _ => None,
    });
    let last = progress.next_back().expect("some");
    assert_eq!(
        (
            last.commits_missing,
            last.commits_taken,
            last.certificates_taken
        ),
        (2100, 2100, 3)
    );
    // envelopes are told by those before them
    assert!((2100 * 250..2100 * 450).contains(&last.bytes_received));
}

#[test]
fn the_newest_commits_come_first() {
    let full = filled(1, 500);
    let mut pair = Pair::new(MemoryStore::default(), full);
    let first = loop {
        pair.step();
        if let Some(e) = pair.a.events.iter().find_map(|e| match e {
            Output::Learned(l) if !l.commits.is_empty() => Some(l.commits.clone()),
            _ => None,
        }) {
            break e;
        }
    };
    let newest = Limits::default().newest_first.min(500 / 16);
    assert_eq!(
        first.iter().map(|n| n.seq).collect::<Vec<_>>(),
        (500 - newest..500).collect::<Vec<_>>()
    );
    pair.converge();
}

/// Cut the connection after every number of steps; the next one goes on where it was.
#[test]
fn an_interrupted_session_is_resumed_commit_by_commit() {
    let limits = Limits {
        window: 10_000,
        batch: 1,
        newest_first: 3,
        ..Limits::default()
    };
    let full = filled(2, 60);
    let mut store = MemoryStore::default();
    let mut before = 0;
    let mut bytes = 0;
    for cut in 10.. {
        let mut pair = Pair::with(store, full.clone(), limits.clone());
        for _ in 0..cut {
            pair.step();
        }
        bytes += pair.bytes();
        store = pair.a.store;
        assert!(store.commits.len() >= before);
        before = store.commits.len();
        if before == 120 {
            break;
        }
        assert!(cut < 100, "no progress: {before}");
    }
    assert_eq!(store.content(), full.content());
    let payload: usize = full.names().iter().map(|n| full.size(n)).sum();
    assert!(bytes < payload * 3, "{bytes} bytes for {payload}");
}

#[test]
fn a_fork_is_reconciled_and_proved_on_both_sides() {
    let common = filled(2, 40);
    let (mut a, mut b) = (common.clone(), common);
    for i in 0..7 {
        a.write(1, leaves(1, 30, i), 5000 + i);
    }
    for i in 0..3 {
        b.write(1, leaves(1, 30, i), 6000 + i);
    }
    for turned in [false, true] {
        let mut pair = if turned {
            Pair::new(b.clone(), a.clone())
        } else {
            Pair::new(a.clone(), b.clone())
        };
        pair.converge();
        assert_eq!(pair.a.store.chains[&key(1)].count(), 50);
        assert_eq!((pair.a.forks(), pair.b.forks()), (3, 3));
        let proof = pair.a.events.iter().find_map(|e| match e {
            Output::Fork(f) => Some(f.clone()),
            _ => None,
        });
        let proof = proof.expect("a proof");
        for (id, envelope) in proof.ids.iter().zip(&proof.envelopes) {
            let header = crate::memory::read(envelope).expect("an envelope");
            assert_eq!(
                (header.name.key, header.name.seq, header.name.id),
                (proof.key, proof.seq, *id)
            );
        }
        assert_ne!(proof.ids[0], proof.ids[1]);
        // and now they are equal at first sight
        let mut again = Pair::new(pair.a.store, pair.b.store);
        again.converge();
        assert_eq!(again.a.kinds, ["open"]);
    }
}

#[test]
fn a_fork_at_the_same_place_and_strays_without_a_past() {
    let mut a = filled(1, 10);
    let mut b = a.clone();
    a.write(1, leaves(1, 30, 1), 77);
    b.write(1, leaves(1, 30, 2), 78);
    for n in 0..100u64 {
        let stray = commit(1, 1 << 40 | n, Some([n as u8 + 1; 32]), leaves(1, 20, n), n);
        if n % 2 == 0 {
            a.insert(stray)
        } else {
            b.insert(stray)
        };
    }
    let mut pair = Pair::new(a, b);
    pair.converge();
    assert_eq!(pair.a.store.commits.len(), 112);
}

#[test]
fn large_commits_travel_in_parts_and_small_windows_hold_the_flood_back() {
    let mut full = MemoryStore::with_authors([1]);
    full.write(1, leaves(3, 3 << 20, 1), 1);
    full.write(1, leaves(3000, 300, 2), 2);
    full.write(1, vec![Leaf::Erased([3; 32]); 65_536], 3);
    full.write(1, leaves(1, 4 << 20, 4), 4);
    full.erased.extend(
        full.names()
            .iter()
            .flat_map(|n| (0..65_536).map(|i| (n.key, n.id, i))),
    );
    let limits = Limits {
        window: 300_000,
        ..Limits::default()
    };
    let mut empty = MemoryStore::default();
    empty.erased = full.erased.clone();
    let mut pair = Pair::with(empty, full, limits);
    let mut most = 0;
    while pair.step() {
        most = most.max(pair.a.inbox.iter().map(Vec::len).sum::<usize>());
    }
    pair.converge();
    assert!(most <= 300_000 + (1 << 20), "{most} bytes under way");
    assert_eq!(pair.a.store.commits, pair.b.store.commits);
}

#[test]
fn what_is_too_large_is_refused_and_the_rest_arrives() {
    let mut full = filled(1, 5);
    let large = full.write(1, leaves(40, 10_000, 1), 1);
    full.write(1, leaves(1, 10, 2), 2);
    let limits = Limits {
        commit: 100_000,
        newest_first: 0,
        ..Limits::default()
    };
    let mut pair = Pair::with(MemoryStore::default(), full, limits);
    pair.run();
    assert_eq!(pair.a.store.commits.len(), 6);
    let refused = |e: &Output| matches!(e, Output::Refused(Local::Commit(n), rhizome_sync::Refusal::TooLarge) if *n == large);
    assert!(pair.b.events.iter().any(refused));
    let end = |e: &Output| matches!(e, Output::Synced(Synced { withheld: 1, refused, .. }) if *refused > 0);
    assert!(pair.a.events.iter().any(end), "{:?}", pair.a.events);
    assert_eq!(pair.b.synced(), 1);
}

#[test]
fn a_store_without_room_refuses_and_the_session_goes_on() {
    let mut small = MemoryStore::default();
    small.quota = Some(10);
    small
        .take_certificates(vec![certificate(1, 300)])
        .expect("memory");
    let mut pair = Pair::new(small, filled(1, 30));
    pair.run();
    assert_eq!((pair.a.aborted(), pair.b.aborted()), (None, None));
    assert_eq!(pair.a.store.commits.len(), 10);
    assert!(
        pair.b
            .events
            .iter()
            .any(|e| matches!(e, Output::Synced(s) if s.refused_by_peer >= 20))
    );
    // what is pushed later is refused too, and not said to be delivered
    let now = pair.now;
    pair.b.write(now, 1, leaves(1, 10, 9), 9);
    pair.run();
    assert!(
        !pair
            .b
            .events
            .iter()
            .any(|e| matches!(e, Output::Delivered(_)))
    );
}

#[test]
fn a_commit_crosses_in_one_message_and_is_confirmed() {
    let store = filled(2, 3);
    let mut pair = Pair::new(store.clone(), store);
    pair.converge();
    let (before, now) = (pair.a.messages, pair.now);
    let name = pair.a.write(now, 1, leaves(3, 100, 1), 9);
    pair.run();
    assert_eq!(pair.a.messages - before, 1);
    assert_eq!(pair.a.kinds.last(), Some(&"live"));
    assert!(pair.b.store.names().contains(&name));
    assert!(
        pair.a
            .events
            .contains(&Output::Delivered(Local::Commit(name)))
    );
    // what came from the peer is not sent back to it
    let before = pair.b.messages;
    pair.b.input(now, Input::Local(Local::Commit(name)));
    pair.run();
    assert_eq!(pair.b.messages, before);
    // a certificate, then what it allows; many at a time; large ones; ephemeral
    let new = certificate(90, 200);
    pair.b
        .store
        .take_certificates(vec![new.clone()])
        .expect("memory");
    let id: Id = *blake3::hash(&new).as_bytes();
    pair.b.input(now, Input::Local(Local::Certificate(id)));
    for i in 0..300 {
        pair.b.write(now, 90, leaves(1, 20_000, i), i);
    }
    pair.b.write(now, 90, leaves(2, 3 << 20, 7), 7);
    pair.b.input(now, Input::Ephemeral(vec![1, 2, 3]));
    pair.b.input(now, Input::Ephemeral(vec![0; 1 << 20]));
    pair.converge();
    assert_eq!(
        pair.b
            .events
            .iter()
            .filter(|e| matches!(e, Output::Delivered(_)))
            .count(),
        302
    );
    let ephemeral = |e: &&Output| matches!(e, Output::Ephemeral(_));
    assert_eq!(
        pair.a.events.iter().filter(ephemeral).collect::<Vec<_>>(),
        [&Output::Ephemeral(vec![1, 2, 3])]
    );
}

#[test]
fn writing_goes_on_while_replicas_are_compared() {
    let (mut a, mut b) = (filled(2, 50), MemoryStore::default());
    b.take_certificates(vec![certificate(9, 100)])
        .expect("memory");
    for i in 0..200 {
        a.write(2, leaves(1, 500, i), 900 + i);
    }
    let limits = Limits {
        window: 4000,
        ..Limits::default()
    };
    for turned in [false, true] {
        let (x, y) = if turned {
            (b.clone(), a.clone())
        } else {
            (a.clone(), b.clone())
        };
        let mut pair = Pair::with(x, y, limits.clone());
        for i in 0..150 {
            pair.step();
            let now = pair.now;
            let (side, other) = if turned {
                (&mut pair.b, &mut pair.a)
            } else {
                (&mut pair.a, &mut pair.b)
            };
            side.write(now, 1, leaves(1, 60, i), 7000 + i);
            other.write(now, 9, leaves(1, 60, i), 7000 + i);
        }
        pair.converge();
        assert_eq!(pair.a.store.commits.len(), 100 + 200 + 300);
        assert_eq!((pair.a.forks(), pair.b.forks()), (0, 0));
    }
}

#[test]
fn too_much_at_once_is_compared_instead_of_pushed() {
    let store = filled(1, 3);
    let mut pair = Pair::new(store.clone(), store);
    pair.converge();
    for i in 0..rhizome_sync::limits::MAX_WAITING as u64 + 100 {
        pair.a.write(0, 1, leaves(1, 16, i), i);
    }
    pair.converge();
    assert_eq!(pair.a.synced(), 2, "a second round");
    pair.b.input(pair.now, Input::Recheck);
    pair.converge();
    assert_eq!(pair.b.synced(), 3, "a third, because it was asked for");
}

#[test]
fn leaves_that_are_lacking_are_fetched() {
    let full = filled(1, 3);
    let mut less = full.clone();
    let name = *less.names().iter().next().expect("one");
    let whole = less.write(1, leaves(50, 40_000, 1), 5);
    let mut full = full;
    full.insert((*less.commits[&(whole.key, whole.seq, whole.id)]).clone());
    for (n, places) in [(name, vec![0u32]), (whole, (0..50).collect())] {
        let commit = less.commits.get_mut(&(n.key, n.seq, n.id)).expect("there");
        let commit = Arc::make_mut(commit);
        for i in places {
            let Leaf::Sealed(bytes) = &commit.leaves[i as usize] else {
                panic!()
            };
            commit.leaves[i as usize] = Leaf::Erased(*blake3::hash(bytes).as_bytes());
        }
    }
    // one that the other has not either, and one that is erased
    let gone = Leaf::Erased([1; 32]);
    let both = commit(1, 99, Some([1; 32]), vec![gone.clone(), gone], 1);
    full.insert(both.clone());
    let erased = less.insert(both);
    less.erased.insert((erased.key, erased.id, 1));
    let mut pair = Pair::new(less, full.clone());
    pair.converge();
    assert_eq!(pair.a.store.commits, full.commits);
    assert_eq!(
        pair.a.kinds.iter().filter(|k| **k == "want leaves").count(),
        3
    );
    let filled = pair
        .a
        .events
        .iter()
        .filter(|e| matches!(e, Output::Learned(l) if !l.filled.is_empty()));
    assert!(filled.count() >= 2);
}

#[test]
fn other_pods_and_silent_peers() {
    let mut other = MemoryStore::default();
    other.pod = [1; 32];
    let mut pair = Pair::new(MemoryStore::default(), other);
    pair.run();
    assert_eq!(pair.a.aborted(), Some(&SyncError::OtherPod));
    assert!(matches!(
        pair.b.aborted(),
        Some(SyncError::OtherPod | SyncError::Peer(5))
    ));

    let mut pair = Pair::new(filled(1, 1), filled(2, 2));
    pair.step();
    pair.a.inbox.clear();
    let at = pair.a.events.iter().rev().find_map(|e| match e {
        Output::Timeout(at) => Some(*at),
        _ => None,
    });
    let at = at.expect("it waits for something");
    pair.a.input(at - 1, Input::Tick);
    pair.b.inbox.clear();
    pair.step();
    assert_eq!(pair.a.aborted(), None);
    pair.a.input(at + 30_000, Input::Tick);
    pair.step();
    assert_eq!(pair.a.aborted(), Some(&SyncError::Silent));

    let store = filled(1, 1);
    let mut idle = Pair::new(store.clone(), store);
    idle.converge();
    idle.a.input(u64::MAX, Input::Tick);
    idle.step();
    assert_eq!(idle.a.aborted(), None, "nothing is owed");
}
