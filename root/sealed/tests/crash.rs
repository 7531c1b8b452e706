//! Power cuts, full disks and kills: what was confirmed is there, the figures are exact, and nothing is half done.

use crate::{
    disk::{Disk, Trouble},
    work::{Confirmed, Work},
    world::*,
};
use rhizome_sealed::{Sealed, SealedOptions};
use rhizome_storage::{Kv, RedbKv, RedbOptions, StorageError, conformance::Random};
use rhizome_sync::{Store, set::Id};
use std::{
    collections::BTreeMap,
    env,
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

fn options() -> RedbOptions {
    let mut options = RedbOptions::default();
    options.cache_bytes = 256 << 10;
    options
}

fn small() -> SealedOptions {
    SealedOptions {
        loaded_bytes: 6_000,
    }
}

#[test]
fn nothing_confirmed_is_lost_when_the_power_goes() {
    let work = Work::new(4, 60);
    let (mut cuts, mut commits, mut steps) = (0, 0, 0u64);
    let mut disk = Disk::default();
    drop(RedbKv::open_on(disk.clone(), options()).unwrap());
    let mut confirmed = Confirmed::default();
    for round in 0..30u64 {
        let mut r = Random::new(round);
        let kv = Arc::new(RedbKv::open_on(disk.clone(), options()).unwrap());
        let sealed = Sealed::open(kv, small()).unwrap();
        if round % 5 == 0 {
            commits = commits.max(work.check(&sealed, &confirmed));
        }
        disk.cut_power_after(r.next_u64() % 1500);
        while work
            .step(&sealed, &mut r, &mut confirmed, &mut |_, _, _| ())
            .is_ok()
        {
            steps += 1;
        }
        drop(sealed);
        cuts += u64::from(disk.struck("power") > 0);
        disk = disk.after_power_loss(&mut r);
        if commits > 200 {
            // begin anew: most is there
            commits = 0;
            let kv = Arc::new(RedbKv::open_on(disk.clone(), options()).unwrap());
            let sealed = Sealed::open(kv, small()).unwrap();
            work.check(&sealed, &confirmed);
            let n = r.below(4);
            let did = work.owners[n].set.did();
            disk.cut_power_after(r.next_u64() % 60);
            let removed = sealed.remove(&did);
            drop(sealed);
            disk = disk.after_power_loss(&mut r);
            let kv = Arc::new(RedbKv::open_on(disk.clone(), options()).unwrap());
            let sealed = Sealed::open(kv, small()).unwrap();
            while !sealed.sweep().unwrap() {}
            let there = sealed.pod(&did).unwrap().is_some();
            assert!(!there || removed.is_err());
            if !there {
                confirmed.commits.retain(|c| c.0 != n);
                confirmed.certificates.retain(|c| c.0 != n);
                confirmed.forgotten.retain(|c, _| c.0 != n);
            }
        }
    }
    let kv = Arc::new(RedbKv::open_on(disk, options()).unwrap());
    let sealed = Sealed::open(kv, small()).unwrap();
    let last = work.check(&sealed, &confirmed);
    println!("{cuts} power cuts, {steps} steps, {last} commits at the end");
    assert_eq!(cuts, 30);
    assert!(steps > 150 && last > 50);
}

#[test]
fn a_full_or_failing_disk_is_an_error_and_no_loss() {
    let work = Work::new(3, 60);
    let mut struck = BTreeMap::new();
    for round in 0..24u64 {
        let mut r = Random::new(round ^ 0xD15C);
        let disk = Disk::default();
        drop(RedbKv::open_on(disk.clone(), options()).unwrap());
        let kv = Arc::new(RedbKv::open_on(disk.clone(), options()).unwrap());
        let sealed = Sealed::open(kv, small()).unwrap();
        let mut confirmed = Confirmed::default();
        let (mut failed, mut after) = (0, 0);
        let trouble =
            [Trouble::Full, Trouble::Write, Trouble::Sync, Trouble::Read][round as usize % 4];
        disk.trouble_after(trouble, r.next_u64() % 700, 1 + r.next_u64() % 30);
        for _ in 0..120 {
            match work.step(&sealed, &mut r, &mut confirmed, &mut |_, _, _| ()) {
                Ok(()) => after += u64::from(failed > 0),
                Err(_) => failed += 1,
            }
        }
        disk.mend();
        work.check(&sealed, &confirmed);
        drop(sealed);
        let kv = Arc::new(RedbKv::open_on(disk.clone(), options()).unwrap());
        let sealed = Sealed::open(kv, small()).unwrap();
        work.check(&sealed, &confirmed);
        // and it goes on
        for n in 0..3 {
            sealed.host(&work.genesis(n), 1 << 30, 1).unwrap();
            let mut store = sealed
                .pod(&work.owners[n].set.did())
                .unwrap()
                .unwrap()
                .store(1);
            store.take_certificates(work.early(n)).unwrap();
            store
                .take_commits(work.said[n].iter().map(Said::commit).collect())
                .unwrap();
        }
        work.check(&sealed, &confirmed);
        if failed > 0 {
            *struck.entry(format!("{trouble:?}")).or_insert(0) += failed;
            assert!(after > 0, "it never worked again");
        }
    }
    println!("failed steps: {struck:?}");
    assert_eq!(struck.len(), 4, "each trouble struck: {struck:?}");
}

#[test]
fn one_pod_that_does_not_fit_does_not_keep_others_out() {
    struct Tight(rhizome_storage::MemoryKv);
    impl Kv for Tight {
        fn snapshot(&self) -> Result<Arc<dyn rhizome_storage::Snap>, StorageError> {
            self.0.snapshot()
        }
        fn commit(
            &self,
            batch: rhizome_storage::Batch,
            durability: rhizome_storage::Durability,
        ) -> Result<(), StorageError> {
            if batch.bytes() > 20_000 {
                return Err(StorageError::Full(std::io::ErrorKind::StorageFull.into()));
            }
            self.0.commit(batch, durability)
        }
        fn size_on_disk(&self) -> Result<u64, StorageError> {
            Ok(0)
        }
        fn compact(&self) -> Result<bool, StorageError> {
            Ok(false)
        }
    }
    let work = Work::new(1, 40);
    let kv = Arc::new(Tight(rhizome_storage::MemoryKv::new()));
    let sealed = Sealed::open(kv, SealedOptions::default()).unwrap();
    sealed.host(&work.genesis(0), 1 << 30, 1).unwrap();
    let pod = sealed.pod(&work.owners[0].set.did()).unwrap().unwrap();
    let mut store = pod.store(1);
    for certificate in work.early(0) {
        store.take_certificates(vec![certificate]).unwrap();
    }
    let before = pod.usage();
    let all: Vec<_> = work.said[0].iter().map(Said::commit).collect();
    assert!(store.take_commits(all.clone()).is_err());
    assert_eq!(pod.usage(), before);
    assert!(store.chains().unwrap().is_empty());
    for some in all.chunks(2) {
        store.take_commits(some.to_vec()).unwrap();
    }
    assert_eq!(pod.usage().commits, 40);
    assert_eq!(pod.audit().unwrap().findings, [""; 0]);
}

const FILE: &str = "RHIZOME_SEALED_KILL_FILE";
const SEED: &str = "RHIZOME_SEALED_KILL_SEED";
const LEN: usize = 41;

/// Not a test by itself: the peer that is killed. Says on its standard output what it has confirmed.
#[test]
fn peer() {
    let (Ok(file), Ok(seed)) = (env::var(FILE), env::var(SEED)) else {
        return;
    };
    let mut r = Random::new(seed.parse().unwrap());
    let work = Work::new(3, 60);
    let sealed = Sealed::open(Arc::new(RedbKv::open(file).unwrap()), small()).unwrap();
    while !sealed.sweep().unwrap() {}
    // unbuffered, and past the test harness, which would capture it
    let mut out = std::io::stdout().lock();
    let mut report = |kind: u8, n: usize, id: &Id| {
        let mut message = [kind; LEN];
        message[1..9].copy_from_slice(&(n as u64).to_be_bytes());
        message[9..].copy_from_slice(id);
        out.write_all(&message).and_then(|()| out.flush()).unwrap();
    };
    report(b'O', 0, &[0; 32]);
    let mut confirmed = Confirmed::default();
    loop {
        work.step(&sealed, &mut r, &mut confirmed, &mut report)
            .unwrap();
        if r.one_in(60) {
            let n = r.below(3);
            // from here on nothing of it needs to be there
            report(b'R', n, &[0; 32]);
            sealed.remove(&work.owners[n].set.did()).unwrap();
        }
    }
}

fn run_and_kill(file: &Path, seed: u64, delay: Duration, confirmed: &mut Confirmed) -> usize {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::peer",
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
    let reader = thread::spawn(move || {
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = out.read(&mut part) {
            all.extend_from_slice(&part[..n]);
            if all.windows(LEN).any(|w| w[0] == b'O' && w[9..] == [0; 32]) {
                let _ = opened.send(());
            }
        }
        all
    });
    wait.recv_timeout(Duration::from_mins(2)).unwrap();
    thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    let all = reader.join().unwrap();
    // the harness prints a line before the test starts
    let start = all
        .windows(LEN)
        .position(|w| w[0] == b'O' && w[9..] == [0; 32])
        .unwrap();
    let mut reports = 0;
    for report in all[start..].chunks_exact(LEN) {
        let n = u64::from_be_bytes(report[1..9].try_into().unwrap()) as usize;
        let id: Id = report[9..].try_into().unwrap();
        reports += 1;
        match report[0] {
            b'O' => {}
            b'C' => drop(confirmed.commits.insert((n, id))),
            b'Z' => drop(confirmed.certificates.insert((n, id))),
            b'F' => drop(confirmed.forgotten.entry((n, id)).or_default().insert(0)),
            b'R' => {
                confirmed.commits.retain(|c| c.0 != n);
                confirmed.certificates.retain(|c| c.0 != n);
                confirmed.forgotten.retain(|c, _| c.0 != n);
            }
            other => panic!("not a report: {other}"),
        }
    }
    reports
}

#[test]
fn nothing_confirmed_is_lost_when_the_peer_is_killed() {
    let kills = env::var("RHIZOME_KILLS").map_or(15, |n| n.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let work = Work::new(3, 60);
    let (mut commits, mut reports) = (0, 0);
    let mut confirmed = Confirmed::default();
    for round in 0..kills {
        let file = directory.path().join(format!("{}.redb", round / 8));
        if round % 8 == 0 {
            confirmed = Confirmed::default();
        }
        let mut r = Random::new(round);
        let delay = Duration::from_millis(r.next_u64() % 300);
        reports += run_and_kill(&file, round, delay, &mut confirmed);
        let kv = Arc::new(RedbKv::open(&file).unwrap());
        let sealed = Sealed::open(kv, small()).unwrap();
        while !sealed.sweep().unwrap() {}
        commits += work.check(&sealed, &confirmed);
    }
    println!("{kills} kills, {reports} confirmations, {commits} commits seen");
    assert!(commits > kills && reports > kills as usize);
}
