//! Real processes killed at random moments.
//!
//! The test binary starts itself again as a writer that commits as fast as it can and reports each
//! durable commit on its standard output once it is acknowledged. It is killed with SIGKILL; then
//! the file is opened and held against the reports.

use std::{
    env,
    io::{self, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rhizome_storage::{Durability, Kv, RedbKv, conformance::Random};

use crate::{
    rounds,
    workload::{State, Witness, commit},
};

const FILE: &str = "RHIZOME_STORAGE_KILL_FILE";
const SEED: &str = "RHIZOME_STORAGE_KILL_SEED";
/// Reported before the first commit, with the number of the last one found.
const OPENED: u8 = b'o';
const DURABLE: u8 = b'd';
const TRIED: u8 = b't';

/// Not a test by itself: the writer that is killed.
#[test]
fn writer() {
    let (Ok(file), Ok(seed)) = (env::var(FILE), env::var(SEED)) else {
        return;
    };
    let seed = seed.parse().unwrap();
    let kv = RedbKv::open(file).unwrap();
    let start = State::of(&kv).unwrap().number();
    // Unbuffered, and past the test harness, which would capture it.
    let mut out = io::stdout().lock();
    let mut report = |kind: u8, number: u64| {
        let mut message = [kind; 9];
        message[1..].copy_from_slice(&number.to_be_bytes());
        out.write_all(&message).and_then(|()| out.flush()).unwrap();
    };
    report(OPENED, start);
    for number in start + 1.. {
        let (batch, durability) = commit(seed, number);
        report(TRIED, number);
        kv.commit(batch, durability).unwrap();
        if durability == Durability::Durable {
            report(DURABLE, number);
        }
        if number % 97 == 0 {
            kv.compact().unwrap();
        }
    }
}

fn start_writer(file: &Path, seed: u64) -> Child {
    Command::new(env::current_exe().unwrap())
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
        .unwrap()
}

/// Kills the writer after `delay` and returns the numbers of the last durable and the last tried
/// commit, if it got as far as opening the file.
fn kill(mut writer: Child, delay: Duration) -> Option<(u64, u64)> {
    let mut out = writer.stdout.take().unwrap();
    // The pipe is emptied all the time, so that the writer never waits for us.
    let reader = thread::spawn(move || {
        let mut reports = Vec::new();
        out.read_to_end(&mut reports).unwrap();
        reports
    });
    thread::sleep(delay);
    writer.kill().unwrap();
    writer.wait().unwrap();
    let reports = reader.join().unwrap();
    let mut last = None;
    // The harness prints a line before the test starts.
    let start = reports
        .iter()
        .position(|&b| b == OPENED && reports[..].len() > 8)?;
    for report in reports[start..].chunks_exact(9) {
        let number = u64::from_be_bytes(report[1..].try_into().unwrap());
        let (durable, tried) = last.get_or_insert((0, number));
        match report[0] {
            OPENED => (*durable, *tried) = (number, number),
            TRIED => *tried = number,
            DURABLE => *durable = number,
            other => panic!("not a report: {other}"),
        }
    }
    last
}

#[test]
fn acknowledged_commits_survive_sigkill() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pod.redb");
    let mut witness = Witness::new();
    let (mut kills, mut commits, mut slowest, mut walks) = (0, 0, Duration::ZERO, 0);
    for round in 0..rounds(60) as u64 {
        let mut random = Random::new(round);
        let writer = start_writer(&file, round);
        let delay = Duration::from_millis(random.next_u64() % 120);
        let Some((durable, tried)) = kill(writer, delay) else {
            continue;
        };
        kills += 1;
        witness.restart(round);
        while witness.attempted() < tried {
            witness.next();
            commits += 1;
        }
        witness.acknowledged(durable);
        let clock = Instant::now();
        let kv = RedbKv::open(&file).unwrap();
        slowest = slowest.max(clock.elapsed());
        walks += u64::from(kv.walked_on_opening());
        witness.check(&State::of(&kv).unwrap());
        if round % 10 == 0 {
            assert!(kv.check().unwrap(), "checksums");
        }
    }
    println!("{kills} kills during {commits} commits, slowest opening {slowest:?}, {walks} walks");
    assert!(
        kills >= rounds(20) && commits > 10 * kills,
        "the kills struck at work"
    );
    // Only a kill during compaction may cost a walk.
    assert!(walks * 4 < kills as u64, "{walks} walks");
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "unfinished files are gone: {left:?}");
}

#[test]
fn a_kill_while_the_file_is_made_leaves_none_or_a_whole_one() {
    let (mut made, mut unfinished) = (0, 0);
    for round in 0..rounds(30) as u64 {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pod.redb");
        let delay = Duration::from_micros(Random::new(round).next_u64() % 12_000);
        kill(start_writer(&file, round), delay);
        made += u64::from(file.exists());
        unfinished +=
            std::fs::read_dir(directory.path()).unwrap().count() - usize::from(file.exists());
        let kv = RedbKv::open(&file).unwrap();
        State::of(&kv).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
    println!("{made} files made, {unfinished} left unfinished");
}
