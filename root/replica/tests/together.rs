//! Writers and readers at the same time.

use crate::world::*;
use rhizome_replica::{Edit, Replica, Snapshot};
use rhizome_storage::{Batch, Durability, Kv, MemoryKv, RedbKv, Snap, StorageError};
use rhizome_tuple::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Counts durable commits, and holds them back while it is shut.
struct Gate {
    inner: Arc<dyn Kv>,
    durable: AtomicU64,
    shut: AtomicBool,
}

impl Kv for Gate {
    fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError> {
        self.inner.snapshot()
    }
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        if durability == Durability::Durable {
            self.durable.fetch_add(1, Ordering::SeqCst);
            wait(|| !self.shut.load(Ordering::SeqCst));
        }
        self.inner.commit(batch, durability)
    }
    fn size_on_disk(&self) -> Result<u64, StorageError> {
        self.inner.size_on_disk()
    }
    fn compact(&self) -> Result<bool, StorageError> {
        self.inner.compact()
    }
}

#[track_caller]
fn wait(until: impl Fn() -> bool) {
    let clock = Instant::now();
    while !until() {
        assert!(clock.elapsed() < Duration::from_mins(2), "it hangs");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn who_waits_for_a_sync_shares_the_next_one() {
    let kv = Arc::new(Gate {
        inner: Arc::new(MemoryKv::new()),
        durable: AtomicU64::new(0),
        shut: AtomicBool::new(false),
    });
    let shared: Arc<dyn Kv> = kv.clone();
    let replica = &Replica::create(shared, POD, [3; 32], epochs(), authors()).unwrap();
    let put = |who: u8| {
        let edit = Edit::Add(entity(1), attr("n"), 1);
        replica
            .write(&author(who), vec![edit], 1, [who; 16], Durability::Durable)
            .unwrap();
    };
    let before = kv.durable.load(Ordering::SeqCst);
    let syncs = || kv.durable.load(Ordering::SeqCst) - before;
    kv.shut.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        scope.spawn(|| put(1));
        wait(|| syncs() == 1);
        for who in 2..=8 {
            scope.spawn(move || put(who));
        }
        // all of them are to be seen before any of them is on the disk
        wait(|| replica.snapshot().commit_count() == 8);
        assert_eq!(number(&replica.snapshot(), 1, "n"), 8);
        assert_eq!(syncs(), 1);
        kv.shut.store(false, Ordering::SeqCst);
    });
    assert_eq!(syncs(), 2);
}

const WRITERS: u8 = 6;
const WRITES: i64 = 20;

fn number(s: &Snapshot, e: u64, a: &str) -> i64 {
    match values(s, entity(e), a)[..] {
        [] => 0,
        [Value::Integer(n)] => n,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn readers_see_whole_transactions_of_many_writers() {
    let directory = tempfile::tempdir().unwrap();
    let shared: Arc<dyn Kv> = Arc::new(RedbKv::open(directory.path().join("pod.redb")).unwrap());
    let replica = Replica::create(shared.clone(), POD, [3; 32], epochs(), authors()).unwrap();
    let heard = Arc::new(AtomicI64::new(0));
    let sum = heard.clone();
    replica.listen(move |change| {
        // facts of `balance` that come and go: their difference is what moved
        let values = |facts: &[rhizome_replica::Fact], s: &Snapshot| -> i64 {
            let of = |f: &&rhizome_replica::Fact| s.attribute(f.a) == Some("balance");
            facts.iter().filter(of).map(|f| f.v.as_i64()).sum()
        };
        let moved = values(&change.added, &change.after) - values(&change.removed, &change.before);
        assert_eq!(moved, 0, "a transaction is one change");
        sum.fetch_add(1, Ordering::SeqCst);
    });
    let (replica, done) = (&replica, &AtomicBool::new(false));
    let clock = Instant::now();
    let looks = thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    let (mut looks, mut last) = (0, 0);
                    while !done.load(Ordering::SeqCst) {
                        let s = replica.snapshot();
                        let total: i64 = (1..=3).map(|e| number(&s, e, "balance")).sum();
                        assert_eq!(total, 0, "half a transaction is to be seen");
                        let n: i64 = (1..=WRITERS)
                            .map(|w| number(&s, u64::from(w) + 10, "n"))
                            .sum();
                        assert!(n >= last, "time goes back");
                        assert_eq!(s.canonical().unwrap().len() as u64, s.len());
                        last = n;
                        looks += 1;
                        thread::sleep(Duration::from_millis(1));
                    }
                    looks
                })
            })
            .collect();
        let housekeeper = scope.spawn(move || {
            let mut compacted = 0;
            while !done.load(Ordering::SeqCst) {
                replica.set_resident([0, 64 << 20][compacted as usize % 2]);
                replica.checkpoint().unwrap();
                replica.let_go();
                thread::sleep(Duration::from_millis(20));
                compacted += u64::from(replica.compact().unwrap());
            }
            compacted
        });
        let writers: Vec<_> = (1..=WRITERS)
            .map(|who| {
                scope.spawn(move || {
                    for n in 0..WRITES {
                        let (from, to) = (1 + n as u64 % 3, 1 + (n as u64 + u64::from(who)) % 3);
                        let mut nonce = [who; 16];
                        nonce[..8].copy_from_slice(&n.to_be_bytes());
                        let edits = vec![
                            Edit::Add(entity(from), attr("balance"), -n),
                            Edit::Add(entity(to), attr("balance"), n),
                            Edit::Add(entity(u64::from(who) + 10), attr("n"), 1),
                        ];
                        replica
                            .write(&author(who), edits, n, nonce, Durability::Durable)
                            .unwrap();
                        let s = replica.snapshot();
                        assert!(
                            number(&s, u64::from(who) + 10, "n") > n,
                            "I see what I wrote"
                        );
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
        assert!(housekeeper.join().unwrap() > 0);
        readers.into_iter().map(|r| r.join().unwrap()).sum::<u64>()
    });
    let writes = u64::from(WRITERS) * WRITES as u64;
    println!("{writes} writes, {looks} looks in {:?}", clock.elapsed());
    assert_eq!(heard.load(Ordering::SeqCst) as u64, writes);
    let s = replica.snapshot();
    assert_eq!(s.verify(&mut |_, _| ()).unwrap().findings, []);
    assert!(s.forks().is_empty());
    let again = open(&shared);
    assert_eq!(again.snapshot().digest().unwrap(), s.digest().unwrap());
}

#[test]
fn receivers_importers_and_erasers_get_along() {
    let (kv, replica) = fresh();
    let others: Vec<_> = (5..=6u8)
        .map(|who| {
            let (_, other) = fresh();
            for n in 0..40 {
                write(
                    &other,
                    who,
                    n,
                    vec![Edit::Insert(
                        entity(n as u64 % 7),
                        attr("tag"),
                        Value::Integer(n),
                    )],
                );
            }
            records(&other)
        })
        .collect();
    let replica = &replica;
    thread::scope(|scope| {
        for records in others.clone() {
            scope.spawn(move || {
                for part in records.chunks(3).rev() {
                    replica.receive(part.to_vec()).unwrap();
                }
            });
        }
        scope.spawn(move || {
            for n in 0..10u8 {
                let edits =
                    (0..50).map(|i| Edit::Assert(entity(i), attr("at"), Value::Integer(n.into())));
                replica
                    .import(&author(1), edits.collect(), n.into(), &mut |b| b.fill(n))
                    .unwrap();
            }
        });
        scope.spawn(move || {
            for n in 0..10u8 {
                let edit = Edit::Erase(entity(u64::from(n) % 7));
                replica
                    .write(&author(2), vec![edit], 1, [n; 16], Durability::Durable)
                    .unwrap();
                replica.flush().unwrap();
            }
        });
    });
    let s = replica.snapshot();
    assert_eq!(s.verify(&mut |_, _| ()).unwrap().findings, []);
    let known: Vec<_> = records(replica).iter().map(crate::forge::read).collect();
    let want = crate::oracle::expected(&known);
    assert_eq!(s.canonical().unwrap(), want.canonical());
    replica.flush().unwrap();
    let again = open(&kv);
    assert_eq!(again.snapshot().digest().unwrap(), s.digest().unwrap());
    assert_eq!(
        again.snapshot().verify(&mut |_, _| ()).unwrap().findings,
        []
    );
}
