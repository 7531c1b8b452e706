//! Removed authors: what counts of them depends on the seals and the commits, never on what came first.

use crate::{
    oracle::{Known, expected},
    pool::{Pool, Said},
    world::*,
};
use rhizome_ipld::PublicKey;
use rhizome_replica::{Authors, Cut, Edit, Record, Replica, ReplicaError, Seal, Standing};
use rhizome_storage::{Durability, Kv, MemoryKv};
use rhizome_tuple::{CommitId, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

fn all() -> Authors {
    authors()
}

fn without(n: u8, seals: Vec<Seal>) -> Authors {
    let mut authors = all();
    let name = format!("app-{n}");
    authors.insert(author(n).key.public(), Standing::sealed(name, seals));
    authors
}

fn head(replica: &Replica, n: u8) -> (u64, CommitId) {
    let key = author(n).key.public();
    let heads = replica.snapshot().heads();
    let (_, seq, id) = heads.into_iter().find(|h| h.0 == key).unwrap();
    (seq, id)
}

fn say(replica: &Replica, who: u8, at: i64, text: &str) {
    write(
        replica,
        who,
        at,
        vec![Edit::Assert(entity(1), attr("name"), text.into())],
    );
}

fn names(replica: &Replica) -> Vec<Value> {
    values(&replica.snapshot(), entity(1), "name")
}

/// What the oracle is to see: the naive reading of the rule.
fn counting(pool: &[Said], authors: &Authors) -> Vec<Known> {
    let by_id: BTreeMap<CommitId, &Said> = pool.iter().map(|s| (s.known.id, s)).collect();
    let within = |said: &Said, seal: &Seal| {
        seal.iter().any(|(seq, head)| {
            let mut at = by_id.get(head).copied().filter(|s| s.seq == *seq);
            while let Some(here) = at.filter(|s| s.device == said.device) {
                if here.known.id == said.known.id {
                    return true;
                }
                let before = here.prev.and_then(|id| by_id.get(&id).copied());
                at = before.filter(|b| b.seq < here.seq);
            }
            false
        })
    };
    let counts = |said: &&Said| {
        let standing = authors.get(&said.device).unwrap();
        standing
            .terms
            .iter()
            .any(|seals| seals.iter().all(|seal| within(said, seal)))
    };
    let counted = pool.iter().filter(counts);
    counted.map(|s| s.known.clone()).collect()
}

/// Heads as a remover may name them: right ones, and some that are wrong.
fn seal(pool: &mut Pool, key: PublicKey) -> Seal {
    let mut out = Seal::new();
    for _ in 0..pool.r.below(3) {
        let n = pool.r.below(pool.commits.len());
        let said = &pool.commits[n];
        let (seq, id, of) = (said.seq, said.known.id, said.device);
        if of == key || pool.r.one_in(8) {
            let wrong = pool.r.one_in(10);
            out.push((if wrong { pool.r.below(9) as u64 } else { seq }, id));
        }
    }
    out
}

#[derive(Default, Debug)]
struct Seen {
    void: usize,
    counted: usize,
    revived: usize,
    refused: usize,
    reopened: usize,
}

fn history(seed: u64, seen: &mut Seen) {
    let mut pool = Pool::new(seed);
    for _ in 0..10 + pool.r.below(25) {
        pool.forged();
    }
    // the removals, in the order in which they are learnt; later ones add seals
    let mut steps = vec![all()];
    for _ in 0..=pool.r.below(3) {
        let key = author(1 + pool.r.below(6) as u8).key.public();
        let mut authors = steps.last().unwrap().clone();
        let mut standing = authors.get(&key).unwrap().clone();
        let seal = seal(&mut pool, key);
        // a removal limits every certificate there is; now and then there is a further one, limited from the start
        for seals in &mut standing.terms {
            seals.push(seal.clone());
        }
        if pool.r.one_in(4) {
            let other = self::seal(&mut pool, key);
            standing.terms.push(vec![other]);
        }
        authors.insert(key, standing);
        steps.push(authors);
    }
    let last = steps.last().unwrap().clone();
    let known = counting(&pool.commits, &last);
    let want = expected(&known).canonical();
    seen.counted += known.len();
    seen.void += pool.commits.len() - known.len();

    let mut digests = BTreeSet::new();
    for salt in 1..4 {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let mut replica = Replica::create(kv.clone(), POD, [salt; 32], epochs(), all()).unwrap();
        let mut deliveries: Vec<Record> = pool.commits.iter().map(|c| c.record.clone()).collect();
        for i in (1..deliveries.len()).rev() {
            deliveries.swap(i, pool.r.below(i + 1));
        }
        // all steps are learnt at some time, not all before the commits
        let mut learnt: Vec<usize> = (1..steps.len())
            .map(|_| pool.r.below(deliveries.len()))
            .collect();
        learnt.sort_unstable();
        let mut step = 0;
        for (i, record) in deliveries.into_iter().enumerate() {
            while learnt.get(step).is_some_and(|at| *at <= i) {
                step += 1;
                replica.set_authors(steps[step].clone()).unwrap();
            }
            match replica.receive(vec![record]) {
                Ok(change) => seen.revived += usize::from(change.reset),
                Err(ReplicaError::Removed(_)) => seen.refused += 1,
                Err(e) => panic!("{e}"),
            }
            if pool.r.one_in(8) {
                replica.checkpoint().unwrap();
            }
            if pool.r.one_in(10) {
                replica.flush().unwrap();
                // what is learnt while the pod is closed counts as well
                if pool.r.one_in(2) {
                    learnt.fill(i);
                    step = steps.len() - 1;
                }
                drop(replica);
                seen.reopened += 1;
                replica = Replica::open(kv.clone(), epochs(), steps[step].clone()).unwrap();
            }
        }
        replica.set_authors(last.clone()).unwrap();
        // what a removed author had erased by then comes back from those who still have it
        for said in &pool.commits {
            match replica.receive(vec![said.record.clone()]) {
                Ok(_) | Err(ReplicaError::Removed(_)) => (),
                Err(e) => panic!("{e}"),
            }
        }
        let now = replica.snapshot();
        assert!(now.canonical().unwrap() == want, "seed {seed}");
        assert_eq!(now.verify(&mut |_, _| ()).unwrap().findings, []);
        assert_eq!(
            now.as_of(&Cut::Time(i64::MAX))
                .unwrap()
                .canonical()
                .unwrap(),
            want
        );
        digests.insert(now.digest().unwrap());
        replica.flush().unwrap();
        drop(replica);
        for rebuild in [false, true] {
            let again = if rebuild {
                Replica::rebuild(kv.clone(), epochs(), last.clone())
            } else {
                Replica::open(kv.clone(), epochs(), last.clone())
            };
            let again = again.unwrap();
            assert!(again.snapshot().canonical().unwrap() == want, "seed {seed}");
        }
    }
    assert_eq!(digests.len(), 1);
}

#[test]
fn what_counts_of_removed_authors_does_not_depend_on_what_came_first() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let start = number("RHIZOME_SEED").unwrap_or(0);
    let count = number("RHIZOME_HISTORIES").map_or(60, |n| n / 4);
    let mut seen = Seen::default();
    for seed in start..start + count {
        history(seed, &mut seen);
    }
    println!("{count} histories with removals: {seen:?}");
    let Seen {
        void,
        counted,
        revived,
        refused,
        reopened,
    } = seen;
    assert!(
        [void, counted, revived, refused, reopened]
            .iter()
            .all(|n| *n as u64 > count / 10),
        "{seen:?}"
    );
}

#[test]
fn a_stolen_device_changes_nothing_once_its_removal_is_known() {
    let (_, mine) = fresh();
    say(&mine, 1, 1000, "by the owner");
    say(&mine, 2, 2000, "by the phone, before it was stolen");
    let accepted = head(&mine, 2);
    // the thief goes on, with a clock that is far ahead
    let (_, thief) = fresh();
    thief.receive(records(&mine)).unwrap();
    say(&thief, 2, 1 << 40, "by the thief");
    let late = records(&thief).pop().unwrap();
    mine.receive(vec![late.clone()]).unwrap();
    assert_eq!(names(&mine), ["by the thief".into()]);

    mine.set_authors(without(2, vec![vec![accepted]])).unwrap();
    assert_eq!(names(&mine), ["by the phone, before it was stolen".into()]);
    // more of the same is not even taken
    say(&thief, 2, 1 << 41, "by the thief again");
    let more = records(&thief).pop().unwrap();
    assert!(matches!(
        mine.receive(vec![more.clone()]),
        Err(ReplicaError::Removed(_))
    ));
    // a fork below what was accepted is taken, and has no effect
    let (_, back) = fresh();
    say(&back, 2, 1 << 42, "by the thief, in the past");
    mine.receive(records(&back)).unwrap();
    assert_eq!(names(&mine), ["by the phone, before it was stolen".into()]);
    assert_eq!(mine.snapshot().forks().len(), 1);
    // nor can it write here
    let edit = vec![Edit::Assert(entity(1), attr("name"), "again".into())];
    let refused = mine.write(&author(2), edit, 5, nonce(), Durability::Durable);
    assert!(matches!(refused, Err(ReplicaError::Removed(_))));
    // whoever hears of it in the other order sees the same
    let (_, other) = fresh();
    other.set_authors(without(2, vec![vec![accepted]])).unwrap();
    for record in records(&back).into_iter().chain(records(&mine)) {
        let _ = other.receive(vec![record]);
    }
    assert_eq!(
        other.snapshot().digest().unwrap(),
        mine.snapshot().digest().unwrap()
    );
    // two removals intersect
    mine.set_authors(without(2, vec![vec![accepted], vec![]]))
        .unwrap();
    assert_eq!(names(&mine), ["by the owner".into()]);
}
