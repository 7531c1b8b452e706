//! Forgetting: what is erased is nowhere, whatever happens in between.

use crate::{forge::*, world::*};
use rhizome_replica::{Edit, LeafBytes, Replica};
use rhizome_storage::{Durability, Kv};
use rhizome_tuple::{Op, Value};
use std::{ops::ControlFlow, sync::Arc};

const SECRET: &str = "plaintext that nobody may find";

fn secret(e: u64) -> Edit {
    Edit::Assert(entity(e), attr("secret"), Value::from(SECRET))
}

/// Whether the secret is anywhere in the store.
fn found(kv: &Arc<dyn Kv>) -> bool {
    let mut found = false;
    for keyspace in 0..16 {
        kv.snapshot()
            .unwrap()
            .scan(keyspace, &[], None, false, &mut |_, value| {
                found |= value.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    found
}

/// Number of leaves that lost their bytes, after a look at everything.
#[track_caller]
fn erased(r: &Replica) -> u64 {
    let report = r.snapshot().verify(&mut |_, _| ()).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.missing, 0);
    assert_eq!(
        report.erased,
        records(r)
            .iter()
            .flat_map(|r| &r.leaves)
            .filter(|l| matches!(l, LeafBytes::Erased(_)))
            .count() as u64
    );
    report.erased
}

/// A commit whose leaves take many parts of the log.
fn large(r: &Replica) {
    let text = |n: u64| Value::from(format!("{n:04}").repeat(20 + n as usize % 70));
    let edits = (1..300).map(|n| {
        if n == 7 {
            secret(n)
        } else {
            Edit::Assert(entity(n), attr("text"), text(n))
        }
    });
    write(r, 1, 1000, edits.collect());
}

#[test]
fn a_leaf_in_the_midst_of_a_large_commit_goes_and_the_others_stay() {
    let (kv, r) = fresh();
    large(&r);
    r.checkpoint().unwrap();
    assert!(found(&kv));
    let old = records(&r);
    write(&r, 2, 2000, vec![Edit::Erase(entity(7))]);
    write(
        &r,
        2,
        3000,
        vec![Edit::Erase(entity(200)), Edit::Erase(entity(201))],
    );
    assert_eq!(erased(&r), 3);
    let want = r.snapshot().digest().unwrap();
    let now = records(&r);
    assert_eq!(now[0].leaves.len(), old[0].leaves.len());
    let same = now[0]
        .leaves
        .iter()
        .zip(&old[0].leaves)
        .filter(|(a, b)| a == b);
    assert_eq!(same.count(), old[0].leaves.len() - 3);
    for _ in 0..2 {
        r.checkpoint().unwrap();
        assert!(!found(&kv));
        let r = open(&kv);
        assert_eq!(r.snapshot().digest().unwrap(), want);
        assert_eq!(erased(&r), 3);
        assert_eq!(records(&r), now);
    }
}

#[test]
fn a_crash_after_an_erasure_brings_nothing_back() {
    // before and after a checkpoint of what is erased; with and without a flush of the erasure; opened in between or not
    for way in 0..16 {
        let (kv, mut r) = fresh();
        large(&r);
        write(
            &r,
            1,
            1500,
            vec![Edit::Retract(entity(8), attr("text"), None)],
        );
        if way & 1 != 0 {
            r.checkpoint().unwrap();
        }
        if way & 2 != 0 {
            drop(r);
            r = open(&kv);
        }
        // erasing what retracts something brings that back: so the indexes depend on it
        let e8 = r
            .snapshot()
            .history(r.snapshot().eid(&entity(8)).unwrap())
            .unwrap();
        let retraction = e8.last().unwrap().by.op;
        let erase = vec![Op::Erase {
            leaves: vec![rhizome_tuple::LeafId(retraction.0, retraction.1)],
        }];
        let leaf = first(3, 3000 << 16, entity(8), erase);
        write(&r, 2, 2000, vec![Edit::Erase(entity(7))]);
        r.receive(vec![leaf.record]).unwrap();
        assert_eq!(erased(&r), 2);
        if way & 4 != 0 {
            r.flush().unwrap();
        } else {
            // somebody else's write takes it along
            write(&r, 4, 4000, vec![Edit::Add(entity(9), attr("n"), 1)]);
        }
        let want = (r.snapshot().digest().unwrap(), records(&r));
        drop(r);
        let r = open(&kv);
        assert_eq!((r.snapshot().digest().unwrap(), records(&r)), want, "{way}");
        assert_eq!(erased(&r), 2);
        assert_eq!(values(&r.snapshot(), entity(8), "text").len(), 1);
        if way & 8 != 0 {
            write(&r, 1, 5000, vec![Edit::Add(entity(9), attr("n"), 1)]);
            r.checkpoint().unwrap();
            assert!(!found(&kv), "{way}");
            drop(r);
            let r = open(&kv);
            assert_eq!(erased(&r), 2);
            assert!(!found(&kv), "{way}");
        }
    }
}

#[test]
fn snapshots_of_before_go_on_to_show_what_they_showed() {
    let (kv, r) = fresh();
    large(&r);
    r.checkpoint().unwrap();
    drop(r);
    // opened: nothing is loaded yet
    let r = open(&kv);
    let before = r.snapshot();
    write(&r, 2, 2000, vec![Edit::Erase(entity(7))]);
    for n in 0..3 {
        write(&r, 1, 3000, vec![Edit::Add(entity(9), attr("n"), n)]);
        r.checkpoint().unwrap();
    }
    assert_eq!(values(&before, entity(7), "secret"), [Value::from(SECRET)]);
    assert_eq!(before.canonical().unwrap().len(), 299);
    drop(before);
    // with the last one who could see it, it goes
    write(&r, 1, 3000, vec![Edit::Add(entity(9), attr("n"), 1)]);
    r.checkpoint().unwrap();
    assert!(!found(&kv));
}

#[test]
fn erased_again_leaves_no_trace_and_what_is_written_later_stays() {
    let (_, r) = fresh();
    write(&r, 1, 1000, vec![secret(1)]);
    write(&r, 1, 2000, vec![Edit::Erase(entity(1))]);
    let again = write(&r, 1, 3000, vec![Edit::Erase(entity(1))]);
    assert!(again.commits.is_empty());
    write(
        &r,
        1,
        4000,
        vec![Edit::Assert(entity(1), attr("name"), Value::from("new"))],
    );
    assert_eq!(erased(&r), 1);
    assert_eq!(r.snapshot().len(), 1);
    write(&r, 1, 5000, vec![Edit::Erase(entity(1))]);
    assert_eq!((erased(&r), r.snapshot().len()), (2, 0));
    // an entity that nobody knows is erased by saying nothing
    let nothing = vec![secret(5), Edit::Erase(entity(5))];
    assert!(write(&r, 1, 6000, nothing).commits.is_empty());
    // what somebody else's leaf says beside an erasure cannot be erased, but it can be taken back
    let mixed = first(
        2,
        7000 << 16,
        entity(6),
        vec![
            Op::Erase { leaves: Vec::new() },
            Op::assert(attr("name"), Value::from("beside")),
            Op::Insert {
                attribute: attr("tag"),
                value: Value::from("beside"),
            },
        ],
    );
    r.receive(vec![mixed.record]).unwrap();
    assert_eq!(r.snapshot().len(), 2);
    write(&r, 1, 8000, vec![Edit::Erase(entity(6))]);
    assert_eq!((erased(&r), r.snapshot().len()), (2, 0));
    assert!(
        write(&r, 1, 8000, vec![Edit::Erase(entity(6))])
            .commits
            .is_empty()
    );
}

#[test]
fn writers_and_erasers_at_the_same_time() {
    let (kv, r) = fresh();
    let r = &r;
    std::thread::scope(|scope| {
        for who in 1..=3u8 {
            scope.spawn(move || {
                for n in 0..12 {
                    let e = u64::from(who) * 100 + n;
                    let put = |edit| {
                        let nonce =
                            [who, n as u8, u8::from(matches!(edit, Edit::Erase(_)))].repeat(6);
                        let nonce = nonce[..16].try_into().unwrap();
                        r.write(&author(who), vec![edit], 1000, nonce, Durability::Durable)
                            .unwrap()
                    };
                    put(secret(e));
                    put(Edit::Erase(entity(e)));
                }
            });
        }
    });
    assert_eq!((erased(r), r.snapshot().len()), (36, 0));
    r.checkpoint().unwrap();
    assert!(!found(&kv));
    let again = open(&kv);
    assert_eq!(erased(&again), 36);
}
