//! A process that writes and imports, killed at random moments.
//!
//! The test binary starts itself again as a writer that says what is durable on its standard output. It is killed with SIGKILL; then
//! the pod is opened, held against what was acknowledged, and examined. `RHIZOME_KILLS` says how often (40 otherwise).

use crate::{forge, world::*};
use rhizome_ipld::SigningKey;
use rhizome_replica::{Author, Edit, Replica, ReplicaError};
use rhizome_storage::{Durability, Kv, RedbKv, conformance::Random};
use rhizome_tuple::{CommitId, Op, Value};
use std::{
    collections::BTreeMap,
    env,
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

const FILE: &str = "RHIZOME_KILL_FILE";
const SEED: &str = "RHIZOME_KILL_SEED";

/// Reports: what it is, how many commits, the id of the last one.
const OPENED: u8 = b'O';
const DURABLE: u8 = b'D';
/// Before something is tried: its kind in place of the count.
const TRIED: u8 = b'T';
const LEN: usize = 41;
const KINDS: [&str; 7] = [
    "durable write",
    "relaxed write",
    "import",
    "flush",
    "checkpoint",
    "erasure",
    "arrival",
];

fn open_or_create(path: &str) -> Replica {
    let kv: Arc<dyn Kv> = Arc::new(RedbKv::open(path).unwrap());
    match Replica::open(kv.clone(), epochs(), authors()) {
        Err(ReplicaError::Missing) => {
            Replica::create(kv, POD, [3; 32], epochs(), authors()).unwrap()
        }
        done => done.unwrap(),
    }
}

fn last(r: &Replica) -> (u32, CommitId) {
    let heads = r.snapshot().heads();
    let (count, me) = (r.snapshot().commit_count(), author(1).key.public());
    let own = heads.iter().find(|h| h.0 == me);
    (count, own.map_or(CommitId([0; 32]), |h| h.2))
}

fn edits(r: &mut Random, n: usize) -> Vec<Edit> {
    let edit = |r: &mut Random| {
        let e = entity(r.below(400) as u64);
        match r.below(6) {
            0 => {
                let len = r.below(200);
                Edit::Assert(e, attr("text"), Value::from("x".repeat(len)))
            }
            1 => Edit::Assert(e, attr("knows"), Value::Ref(entity(r.below(400) as u64))),
            2 => Edit::Insert(e, attr("tag"), Value::Integer(r.below(5) as i64)),
            3 => Edit::Add(e, attr("count"), 1),
            4 => Edit::Retract(e, attr(["text", "tag", "count"][r.below(3)]), None),
            _ => Edit::Assert(e, attr("at"), Value::Time(r.next_u64() as i64 >> 20)),
        }
    };
    (0..n).map(|_| edit(r)).collect()
}

/// Not a test by itself: the writer that is killed.
#[test]
fn writer() {
    let (Ok(file), Ok(seed)) = (env::var(FILE), env::var(SEED)) else {
        return;
    };
    let mut r = Random::new(seed.parse().unwrap());
    // Unbuffered, and past the test harness, which would capture it.
    let mut out = io::stdout().lock();
    let mut report = |kind: u8, n: u64, id: CommitId| {
        let mut message = [kind; LEN];
        message[1..9].copy_from_slice(&n.to_be_bytes());
        message[9..].copy_from_slice(&id.0);
        out.write_all(&message).and_then(|()| out.flush()).unwrap();
    };
    let replica = open_or_create(&file);
    let (count, id) = last(&replica);
    report(OPENED, count.into(), id);
    let me = author(1);
    loop {
        let kind = match r.below(40) {
            0..=17 => 0,
            18..=22 => 1,
            23..=30 => 2,
            31 | 32 => 3,
            33..=35 => 4,
            36 => 5,
            _ => 6,
        };
        report(TRIED, kind as u64, CommitId([0; 32]));
        let nonce = |r: &mut Random| r.bytes(16).try_into().unwrap();
        let durable = match kind {
            0 | 1 | 5 => {
                let n = 1 + r.below(4);
                let edits = match kind {
                    5 => vec![Edit::Erase(entity(r.below(400) as u64))],
                    _ => edits(&mut r, n),
                };
                let durability = if kind == 1 {
                    Durability::Relaxed
                } else {
                    Durability::Durable
                };
                replica
                    .write(&me, edits, 1000, nonce(&mut r), durability)
                    .unwrap();
                kind != 1
            }
            2 => {
                let n = [10, 300, 3000][r.below(3)];
                let edits = edits(&mut r, n);
                replica
                    .import(&me, edits, 1000, &mut |b| b.fill(r.next_u64() as u8))
                    .unwrap();
                false
            }
            3 => {
                replica.set_resident(0);
                replica.let_go();
                replica.flush().unwrap();
                true
            }
            4 => {
                replica.set_resident([0, 64 << 20][r.below(2)]);
                replica.checkpoint().unwrap();
                true
            }
            _ => {
                let key = SigningKey::from_seed([2; 32]);
                let seq = replica
                    .snapshot()
                    .heads()
                    .iter()
                    .find(|h| h.0 == key.public())
                    .map(|h| (h.1 + 1, h.2));
                let nonce = u128::from_be_bytes(nonce(&mut r));
                let header =
                    forge::header(&key, seq.map_or(0, |s| s.0), seq.map(|s| s.1), 7, nonce);
                let ops = vec![Op::Add {
                    attribute: attr("count"),
                    n: 1,
                }];
                let sheet = forge::Sheet::Ops(entity(r.below(400) as u64), ops);
                let forged = forge::forge(&key, header, &[sheet]);
                replica.receive(vec![forged.record]).unwrap();
                false
            }
        };
        if durable {
            let (count, id) = last(&replica);
            report(DURABLE, count.into(), id);
        }
    }
}

struct Killed {
    /// What was acknowledged: number of commits, id of the newest of the writer.
    acknowledged: Vec<(u32, CommitId)>,
    /// What it was doing.
    doing: Option<&'static str>,
}

/// Starts a writer and kills it, after `delay` of work or, if not `working`, after that time whatever it does.
fn run_and_kill(file: &Path, seed: u64, delay: Duration, working: bool) -> Killed {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::writer",
            "--nocapture",
            "--test-threads=1",
            "--quiet",
        ])
        .env(FILE, file)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let (opened, wait) = mpsc::channel();
    // The pipe is emptied all the time, so that the writer never waits for us.
    let reader = thread::spawn(move || {
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = out.read(&mut part) {
            all.extend_from_slice(&part[..n]);
            if all.contains(&OPENED) {
                let _ = opened.send(());
            }
        }
        all
    });
    if working {
        wait.recv_timeout(Duration::from_mins(1)).unwrap();
    }
    thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    let all = reader.join().unwrap();
    let mut killed = Killed {
        acknowledged: Vec::new(),
        doing: None,
    };
    // The harness prints a line before the test starts.
    let start = all.iter().position(|b| *b == OPENED).unwrap_or(all.len());
    for report in all[start..].chunks_exact(LEN) {
        let n = u64::from_be_bytes(report[1..9].try_into().unwrap());
        let id = CommitId(report[9..].try_into().unwrap());
        match report[0] {
            OPENED | DURABLE => {
                killed.acknowledged.push((n as u32, id));
                killed.doing = None;
            }
            TRIED => killed.doing = Some(KINDS[n as usize]),
            other => panic!("not a report: {other}"),
        }
    }
    killed
}

#[test]
fn every_acknowledged_commit_survives_sigkill() {
    let kills = env::var("RHIZOME_KILLS").map_or(40, |n| n.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut struck: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut commits, mut tuples, mut slowest, mut round) = (0, 0, Duration::ZERO, 0);
    while struck.values().sum::<usize>() < kills {
        round += 1;
        // a new pod now and then: some are killed while they are made
        let file = directory.path().join(format!("{}.redb", round / 20));
        let mut r = Random::new(round);
        let working = !r.one_in(5);
        let delay = Duration::from_millis(r.next_u64() % if working { 250 } else { 80 });
        let killed = run_and_kill(&file, round, delay, working);
        let clock = Instant::now();
        let replica = open_or_create(file.to_str().unwrap());
        slowest = slowest.max(clock.elapsed());
        let ids: Vec<CommitId> = records(&replica)
            .iter()
            .map(|r| CommitId(*blake3::hash(&forge::payload(&r.envelope)).as_bytes()))
            .collect();
        for (count, id) in &killed.acknowledged {
            assert!(
                ids.len() >= *count as usize,
                "round {round}: commits are lost"
            );
            let there = ids[..*count as usize].contains(id);
            assert!(
                there || id.0 == [0; 32],
                "round {round}: another commit is there"
            );
        }
        let report = replica.snapshot().verify(&mut |_, _| ()).unwrap();
        assert_eq!(report.findings, [], "round {round}");
        assert_eq!((report.forks, report.missing), (0, 0));
        if let (Some(doing), Some(first)) = (killed.doing, killed.acknowledged.first()) {
            *struck.entry(doing).or_default() += 1;
            commits += ids.len() - first.0 as usize;
        } else if !killed.acknowledged.is_empty() {
            *struck.entry("between").or_default() += 1;
        }
        tuples = tuples.max(report.tuples);
        if r.one_in(3) {
            // and goes on from here
            write(
                &replica,
                1,
                5000,
                vec![Edit::Add(entity(1), attr("count"), 1)],
            );
            replica.checkpoint().unwrap();
            let report = replica.snapshot().verify(&mut |_, _| ()).unwrap();
            assert_eq!(report.findings, [], "round {round}, after a checkpoint");
        }
        assert!(
            round < kills as u64 * 3 + 20,
            "the writer does not get to work"
        );
    }
    println!(
        "killed during {struck:?}; {commits} commits, up to {tuples} tuples, slowest opening {slowest:?}"
    );
    assert!(commits > kills, "the kills struck at work");
}

#[test]
fn a_pod_that_is_open_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pod.redb");
    let replica = open_or_create(path.to_str().unwrap());
    write(&replica, 1, 1, vec![Edit::Add(entity(1), attr("n"), 1)]);
    let Err(error) = RedbKv::open(&path) else {
        panic!("opened twice")
    };
    assert!(matches!(
        error,
        rhizome_storage::StorageError::Locked { .. }
    ));
    let text = ReplicaError::from(error).to_string();
    assert!(
        text.contains("pod.redb is in use by another process"),
        "{text}"
    );
    // another process hears the same, and harms nothing
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::writer", "--nocapture", "--test-threads=1"])
        .env(FILE, &path)
        .env(SEED, "1")
        .output()
        .unwrap();
    assert!(!child.status.success());
    assert!(String::from_utf8_lossy(&child.stderr).contains("Locked"));
    write(&replica, 1, 2, vec![Edit::Add(entity(1), attr("n"), 1)]);
    drop(replica);
    let replica = open_or_create(path.to_str().unwrap());
    assert_eq!(
        values(&replica.snapshot(), entity(1), "n"),
        [Value::Integer(2)]
    );
    // a second pod is not made over the first, and another key does not open it
    let kv: Arc<dyn Kv> = {
        drop(replica);
        Arc::new(RedbKv::open(&path).unwrap())
    };
    let again = Replica::create(kv.clone(), POD, [4; 32], epochs(), authors());
    assert!(matches!(again, Err(ReplicaError::Exists)));
    let stranger = rhizome_replica::Epochs::new(vec![rhizome_tuple::EpochSecret::new(&[1; 32])]);
    let other = Replica::open(kv.clone(), stranger, authors());
    assert!(matches!(other, Err(ReplicaError::NoKey(_))));
    let nobody = Replica::open(kv, epochs(), BTreeMap::new()).unwrap();
    let write = nobody.write(
        &Author { key: author(1).key },
        vec![Edit::Add(entity(1), attr("n"), 1)],
        1,
        nonce(),
        Durability::Durable,
    );
    assert!(matches!(write, Err(ReplicaError::UnknownAuthor(_))));
}
