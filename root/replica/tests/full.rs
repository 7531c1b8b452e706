//! Stores that refuse: simulated ones at every kind of moment, and real ones without space.

use crate::world::*;
use parking_lot::Mutex;
use rhizome_replica::{Edit, Replica, ReplicaError};
use rhizome_storage::{
    Batch, Durability, Kv, MemoryKv, RedbKv, Snap, StorageError, conformance::Random,
};
use rhizome_tuple::{CommitId, Value};
use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// A store that refuses now and then.
pub struct Failing {
    inner: MemoryKv,
    random: Mutex<Random>,
    /// One commit in so many fails; 0 for none.
    pub one_in: AtomicUsize,
    /// Calls of `snapshot` that will fail.
    pub blind: AtomicUsize,
    pub commits: AtomicU64,
    pub refused: AtomicU64,
}

impl Failing {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryKv::new(),
            random: Mutex::new(Random::new(seed)),
            one_in: AtomicUsize::new(0),
            blind: AtomicUsize::new(0),
            commits: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }
}

fn full() -> StorageError {
    StorageError::Full(io::ErrorKind::StorageFull.into())
}

impl Kv for Failing {
    fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError> {
        let less = |n: usize| n.checked_sub(1);
        match self
            .blind
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        {
            Ok(_) => Err(StorageError::Busy),
            Err(_) => self.inner.snapshot(),
        }
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let one_in = self.one_in.load(Ordering::SeqCst);
        let (fails, way) = {
            let mut r = self.random.lock();
            (one_in > 0 && r.one_in(one_in), r.below(8))
        };
        if !fails {
            return self.inner.commit(batch, durability);
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        match way {
            // nobody knows: it is there, or it is not, and for a while the store does not answer
            0 => self.inner.commit(batch, durability)?,
            1 => {}
            2 => {
                self.inner.commit(batch, durability)?;
                self.blind.store(3, Ordering::SeqCst);
            }
            3 => self.blind.store(3, Ordering::SeqCst),
            _ => return Err(full()),
        }
        Err(StorageError::InDoubt(Box::new(full())))
    }

    fn size_on_disk(&self) -> Result<u64, StorageError> {
        self.inner.size_on_disk()
    }

    fn compact(&self) -> Result<bool, StorageError> {
        self.inner.compact()
    }
}

fn ids(r: &Replica) -> BTreeSet<CommitId> {
    let id = |r: &rhizome_replica::Record| {
        CommitId(*blake3::hash(&crate::forge::payload(&r.envelope)).as_bytes())
    };
    records(r).iter().map(id).collect()
}

fn in_doubt(e: &ReplicaError) -> bool {
    matches!(e, ReplicaError::Storage(StorageError::InDoubt(_)))
}

#[test]
fn what_a_refused_write_leaves_in_memory_is_what_is_on_disk() {
    let (mut refusals, mut doubts, mut taken_back, mut all) = (0, 0, 0, 0);
    for seed in 0..40 {
        let failing = Failing::new(seed);
        let kv: Arc<dyn Kv> = failing.clone();
        let r = &mut Random::new(seed ^ 0xABCD);
        let replica = Replica::create(kv.clone(), POD, [3; 32], epochs(), authors()).unwrap();
        failing.one_in.store(4, Ordering::SeqCst);
        let mut durable: BTreeSet<CommitId> = BTreeSet::new();
        let mut relaxed: BTreeSet<CommitId> = BTreeSet::new();
        let mut gone: BTreeSet<CommitId> = BTreeSet::new();
        for at in 0..40 {
            let e = entity(r.below(6) as u64);
            let edit = match r.below(5) {
                0 => Edit::Assert(e, attr("name"), Value::Integer(r.below(9) as i64)),
                1 => Edit::Insert(e, attr("tag"), Value::from(format!("{at}").repeat(50))),
                2 => Edit::Retract(e, attr("tag"), None),
                3 if r.one_in(4) => Edit::Erase(e),
                _ => Edit::Add(e, attr("count"), 1),
            };
            let done = match r.below(8) {
                0 => replica.checkpoint().map(|()| None),
                1 => replica.flush().map(|()| None),
                2 => replica
                    .import(&author(1), vec![edit], at, &mut |b| b.fill(at as u8))
                    .map(|w| Some((w, Durability::Relaxed))),
                n => {
                    let durability = if n == 3 {
                        Durability::Relaxed
                    } else {
                        Durability::Durable
                    };
                    replica
                        .write(&author(1), vec![edit], at, nonce(), durability)
                        .map(|w| Some((w, durability)))
                }
            };
            all += 1;
            // it answers again
            failing.blind.store(0, Ordering::SeqCst);
            match done {
                Ok(Some((written, Durability::Relaxed))) => relaxed.extend(written.commits),
                Ok(_) => {
                    // everything before is durable, too
                    durable.extend(ids(&replica));
                    relaxed.clear();
                }
                Err(e) => {
                    refusals += 1;
                    let text = e.to_string();
                    assert!(text.contains("no space left"), "{text}");
                    if in_doubt(&e) {
                        doubts += 1;
                    } else if let ReplicaError::NotSaved(_) = e {
                        assert!(text.contains("nothing was saved"), "{text}");
                        taken_back += 1;
                        // what memory shows is what the disk has
                        let disk = open(&kv);
                        let (a, b) = (replica.snapshot(), disk.snapshot());
                        assert_eq!(a.canonical().unwrap(), b.canonical().unwrap());
                        assert_eq!(ids(&replica), ids(&disk));
                        gone.extend(relaxed.difference(&ids(&replica)));
                        relaxed.clear();
                    } else {
                        // nothing waited in memory: nothing happened, but relaxed commits are not certain yet
                        assert!(
                            matches!(e, ReplicaError::Storage(StorageError::Full(_))),
                            "{e:?}"
                        );
                    }
                }
            }
            assert!(durable.is_subset(&ids(&replica)), "seed {seed}, step {at}");
            assert!(
                gone.is_disjoint(&ids(&replica)),
                "what was taken back stays away"
            );
        }
        failing.one_in.store(0, Ordering::SeqCst);
        failing.blind.store(0, Ordering::SeqCst);
        write(
            &replica,
            1,
            100,
            vec![Edit::Add(entity(1), attr("count"), 1)],
        );
        let s = replica.snapshot();
        assert_eq!(s.verify(&mut |_, _| ()).unwrap().findings, []);
        if r.one_in(2) {
            replica.checkpoint().unwrap();
            assert_eq!(s.verify(&mut |_, _| ()).unwrap().findings, []);
        }
        let again = open(&kv);
        assert_eq!(again.snapshot().digest().unwrap(), s.digest().unwrap());
        assert!(durable.is_subset(&ids(&again)));
        assert_eq!(
            again.snapshot().verify(&mut |_, _| ()).unwrap().findings,
            []
        );
        let next = again.write(
            &author(1),
            vec![Edit::Add(entity(1), attr("count"), 1)],
            101,
            nonce(),
            Durability::Durable,
        );
        assert_eq!(next.unwrap().commits.len(), 1);
    }
    println!("{all} calls, {refusals} refused, {taken_back} taken back, {doubts} in doubt");
    assert!(refusals > 200 && doubts > 20 && taken_back > 80);
}

#[test]
fn of_writers_at_the_same_time_each_hears_what_became_of_his_own() {
    let (mut saved, mut lost, mut doubts) = (0, 0, 0);
    for seed in 0..10 {
        let failing = Failing::new(seed);
        let kv: Arc<dyn Kv> = failing.clone();
        let replica = &Replica::create(kv.clone(), POD, [3; 32], epochs(), authors()).unwrap();
        failing.one_in.store(6, Ordering::SeqCst);
        let outcomes: Vec<(u8, u64, Option<bool>)> = std::thread::scope(|scope| {
            let writers: Vec<_> = (1..=4u8)
                .map(|who| {
                    scope.spawn(move || {
                        let write = |n: u64| {
                            let edit = Edit::Insert(
                                entity(u64::from(who)),
                                attr("n"),
                                Value::Integer(n as i64),
                            );
                            let mut nonce = [who; 16];
                            nonce[..8].copy_from_slice(&n.to_be_bytes());
                            let done = replica.write(
                                &author(who),
                                vec![edit],
                                n as i64,
                                nonce,
                                Durability::Durable,
                            );
                            let outcome = match done {
                                Ok(_) => Some(true),
                                Err(ReplicaError::NotSaved(_)) => Some(false),
                                Err(e) if in_doubt(&e) => None,
                                Err(e) => panic!("{e:?}"),
                            };
                            (who, n, outcome)
                        };
                        (0..40).map(write).collect::<Vec<_>>()
                    })
                })
                .collect();
            writers
                .into_iter()
                .flat_map(|w| w.join().unwrap())
                .collect()
        });
        failing.one_in.store(0, Ordering::SeqCst);
        failing.blind.store(0, Ordering::SeqCst);
        replica.flush().unwrap();
        for replica in [replica, &open(&kv)] {
            let s = replica.snapshot();
            for (who, n, outcome) in &outcomes {
                let there =
                    values(&s, entity(u64::from(*who)), "n").contains(&Value::Integer(*n as i64));
                assert!(outcome.is_none_or(|o| o == there), "{who} {n}: {outcome:?}");
            }
            assert_eq!(s.verify(&mut |_, _| ()).unwrap().findings, []);
        }
        saved += outcomes.iter().filter(|o| o.2 == Some(true)).count();
        lost += outcomes.iter().filter(|o| o.2 == Some(false)).count();
        doubts += outcomes.iter().filter(|o| o.2.is_none()).count();
    }
    println!("{saved} saved, {lost} not, {doubts} in doubt");
    assert!(saved > 500 && lost > 30);
}

/// Writes until there is no space, and on after `free` has made some.
pub fn exhaust(kv: &Arc<RedbKv>, free: impl FnOnce()) {
    let shared: Arc<dyn Kv> = kv.clone();
    let replica = Replica::create(shared, POD, [3; 32], epochs(), authors()).unwrap();
    let (mut free, mut refusals, mut after) = (Some(free), 0, 0);
    let mut durable: BTreeSet<CommitId> = BTreeSet::new();
    let mut at = 0;
    let r = &mut Random::new(1);
    while after < 60 {
        at += 1;
        assert!(at < 5000, "space never ran out");
        let before = (replica.snapshot().digest().unwrap(), ids(&replica));
        let bytes = |r: &mut Random| Value::Bytes(r.bytes(9000));
        let done = match r.below(6) {
            0 => {
                let edits =
                    (0..20).map(|i| Edit::Assert(entity(at * 100 + i), attr("b"), bytes(r)));
                let edits: Vec<_> = edits.collect();
                replica
                    .import(&author(1), edits, at as i64, &mut |b| b.fill(at as u8))
                    .and_then(|_| replica.flush())
            }
            1 => {
                replica.set_resident([0, 64 << 20][r.below(2)]);
                replica.checkpoint()
            }
            _ => {
                let edit = Edit::Assert(entity(at * 100), attr("b"), bytes(r));
                let write = replica.write(
                    &author(1),
                    vec![edit],
                    at as i64,
                    nonce(),
                    Durability::Durable,
                );
                write.map(drop)
            }
        };
        match done {
            Ok(()) => {
                durable.extend(ids(&replica));
                after += usize::from(free.is_none());
            }
            Err(e) => {
                let text = e.to_string();
                assert!(free.is_some(), "there is space again: {text}");
                assert!(text.contains("no space left"), "{text}");
                refusals += 1;
                let now = (replica.snapshot().digest().unwrap(), ids(&replica));
                assert!(durable.is_subset(&now.1));
                match e {
                    ReplicaError::NotSaved(_) => assert_eq!(now, before, "{text}"),
                    ReplicaError::Storage(_) => {}
                    other => panic!("{other:?}"),
                }
                if refusals == 20 {
                    free.take().unwrap()();
                }
            }
        }
    }
    replica.checkpoint().unwrap();
    let digest = replica.snapshot().digest().unwrap();
    let report = replica.snapshot().verify(&mut |_, _| ()).unwrap();
    assert_eq!(report.findings, []);
    drop(replica);
    let kv: Arc<dyn Kv> = kv.clone();
    let again = open(&kv);
    assert_eq!(again.snapshot().digest().unwrap(), digest);
    assert_eq!(
        again.snapshot().verify(&mut |_, _| ()).unwrap().findings,
        []
    );
    assert!(durable.is_subset(&ids(&again)));
}

#[cfg(unix)]
mod real {
    use super::exhaust;
    use rhizome_storage::RedbKv;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use std::{
        env, fs,
        path::{Path, PathBuf},
        process::{Command, ExitStatus},
        sync::Arc,
    };

    const ROLE: &str = "RHIZOME_FULL_ROLE";
    const DIRECTORY: &str = "RHIZOME_FULL_DIRECTORY";

    /// Not a test by itself: runs where space is short, in a process of its own.
    #[test]
    fn where_space_is_short() {
        let (Ok(role), Ok(directory)) = (env::var(ROLE), env::var(DIRECTORY)) else {
            return;
        };
        let directory = PathBuf::from(directory);
        let file = directory.join("pod.redb");
        if role == "limit" {
            let kv = Arc::new(RedbKv::open(&file).unwrap());
            let set = |bytes: Option<u64>| {
                let limit = Rlimit {
                    current: bytes,
                    ..getrlimit(Resource::Fsize)
                };
                setrlimit(Resource::Fsize, limit).unwrap();
            };
            set(Some(5 << 20));
            exhaust(&kv, || set(None));
        } else {
            let ballast = directory.join("ballast");
            fs::write(&ballast, vec![1; 9 << 20]).unwrap();
            let kv = Arc::new(RedbKv::open(&file).unwrap());
            exhaust(&kv, || fs::remove_file(&ballast).unwrap());
        }
        fs::write(directory.join("passed"), "").unwrap();
    }

    /// The command that makes space short, then runs the test binary in `role`.
    fn run(role: &str, directory: &Path, mut command: Command) -> ExitStatus {
        command
            .arg(env::current_exe().unwrap())
            .args(["--exact", "full::real::where_space_is_short", "--nocapture"])
            .env(ROLE, role)
            .env(DIRECTORY, directory)
            .status()
            .unwrap()
    }

    #[test]
    fn a_file_size_limit_is_a_clear_error_and_no_loss() {
        let directory = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        // The signal for it would kill us before we see the error.
        shell.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"]);
        assert!(run("limit", directory.path(), shell).success());
        assert!(directory.path().join("passed").exists());
    }

    #[test]
    fn a_full_file_system_is_a_clear_error_and_no_loss() {
        let directory = tempfile::tempdir().unwrap();
        let mount = |then: &str| {
            let mut command = Command::new("unshare");
            let script = format!(r#"mount -t tmpfs -o size=20m none "$0" && {then}"#);
            command
                .args(["-Urm", "sh", "-c", &script])
                .arg(directory.path());
            command
        };
        if !mount("true").status().is_ok_and(|status| status.success()) {
            println!("skipped: no file system may be mounted here");
            return;
        }
        let passed = mount(r#""$@" && test -e "$0/passed""#);
        assert!(run("small", directory.path(), passed).success());
    }
}
