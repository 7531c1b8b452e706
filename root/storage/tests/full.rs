//! Real exhaustion: of a file size limit, and of a small file system where one may be mounted.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use rhizome_storage::{Kv, RedbKv, StorageError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::workload::{State, commit};

const ROLE: &str = "RHIZOME_STORAGE_FULL_ROLE";
const DIRECTORY: &str = "RHIZOME_STORAGE_FULL_DIRECTORY";
const SEED: u64 = 7;

/// Not a test by itself: runs where space is short, in a process of its own.
#[test]
fn where_space_is_short() {
    let (Ok(role), Ok(directory)) = (env::var(ROLE), env::var(DIRECTORY)) else {
        return;
    };
    let directory = PathBuf::from(directory);
    let file = directory.join("pod.redb");
    match role.as_str() {
        "limit" => {
            let kv = RedbKv::open(&file).unwrap();
            let set = |bytes: Option<u64>| {
                let limit = Rlimit {
                    current: bytes,
                    ..getrlimit(Resource::Fsize)
                };
                setrlimit(Resource::Fsize, limit).unwrap();
            };
            set(Some(5 << 20));
            exhaust(&kv, || set(None));
        }
        "small" => {
            let ballast = directory.join("ballast");
            fs::write(&ballast, vec![1; 3 << 20]).unwrap();
            let kv = RedbKv::open(&file).unwrap();
            exhaust(&kv, || fs::remove_file(&ballast).unwrap());
        }
        other => panic!("{other}"),
    }
    fs::write(directory.join("passed"), "").unwrap();
}

/// Commits until there is no space, and on after `free` has made some.
fn exhaust(kv: &RedbKv, free: impl FnOnce()) {
    let mut accepted = State::default();
    let mut refusals = 0;
    let mut free = Some(free);
    let mut number = 0;
    let mut after = 0;
    while after < 100 {
        number += 1;
        let (mut batch, durability) = commit(SEED, number);
        // The workload levels off; this grows.
        let growing = format!("growing {number}");
        batch.put(4, growing, vec![number as u8; 10_000]);
        match kv.commit(batch.clone(), durability) {
            Ok(()) => {
                accepted.apply(&batch);
                after += usize::from(free.is_none());
            }
            Err(StorageError::Full(error)) => {
                assert!(free.is_some(), "there is space again: {error}");
                refusals += 1;
                number -= 1;
            }
            Err(other) => panic!("{other:?}"),
        }
        if refusals > 0 || number % 16 == 0 {
            assert!(State::of(kv).unwrap() == accepted, "after commit {number}");
        }
        if refusals == 20 {
            free.take().unwrap()();
            refusals = 0;
        }
        assert!(number < 5000, "space never ran out");
    }
    kv.sync().unwrap();
    assert!(State::of(kv).unwrap() == accepted);
    assert!(kv.check().unwrap(), "checksums");
}

/// The command that makes space short, then runs the test binary in `role`.
fn run(role: &str, directory: &Path, mut command: Command) -> std::process::ExitStatus {
    command
        .arg(env::current_exe().unwrap())
        .args(["--exact", "full::where_space_is_short", "--nocapture"])
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
    let kv = RedbKv::open(directory.path().join("pod.redb")).unwrap();
    assert!(State::of(&kv).unwrap().number() > 100);
}

#[test]
fn a_full_file_system_is_a_clear_error_and_no_loss() {
    let directory = tempfile::tempdir().unwrap();
    let mount = |then: &str| {
        let mut command = Command::new("unshare");
        let script = format!(r#"mount -t tmpfs -o size=12m none "$0" && {then}"#);
        command
            .args(["-Urm", "sh", "-c", &script])
            .arg(directory.path());
        command
    };
    if !mount("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: no file system may be mounted here");
        return;
    }
    // The mount goes with the namespace, so all that can be seen from outside is success.
    let passed = mount(r#""$@" && test -e "$0/passed""#);
    assert!(run("small", directory.path(), passed).success());
}
