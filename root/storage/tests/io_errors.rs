//! The disk fails for a while; the store goes on by itself.

use rhizome_storage::{Durability, Kv, RedbKv, RedbOptions, StorageError, conformance::Random};

use crate::{
    disk::{Disk, Trouble},
    rounds,
    workload::{State, Witness, commit},
};

fn options(ample: bool) -> RedbOptions {
    let mut options = RedbOptions::default();
    (options.cache_bytes, options.relaxed_bytes) = if ample {
        (2 << 20, 256 << 10)
    } else {
        (256 << 10, 1 << 20)
    };
    options
}

/// After each commit, failed or not, the store shows what was accepted, relaxed commits included;
/// after a loss of power, what was durable.
#[test]
fn the_store_recovers_by_itself_and_loses_nothing() {
    const KINDS: [Trouble; 4] = [Trouble::Full, Trouble::Read, Trouble::Write, Trouble::Sync];
    let mut struck = [0; 4];
    let (mut failed, mut in_doubt, mut unreadable, mut commits) = (0, 0, 0, 0);
    for round in 0..rounds(40) as u64 {
        let mut random = Random::new(round);
        let disk = Disk::default();
        let ample = round % 2 == 0;
        let kv = RedbKv::open_on(disk.clone(), options(ample)).unwrap();
        let mut witness = Witness::new();
        witness.restart(round);
        // What has been accepted since the last restart of the numbering, durable or not.
        let mut accepted = State::default();
        for _ in 0..40 {
            let kind = KINDS[random.below(4)];
            let times = [1, 2, 5, 1000][random.below(4)];
            disk.trouble_after(kind, random.next_u64() % 60, times);
            let (batch, durability) = witness.next();
            let number = witness.attempted();
            commits += 1;
            let outcome = kv.commit(batch, durability);
            // While there is trouble reads may fail; but with a cache that is ample for the relaxed
            // commits they do not fail for want of space.
            match State::of(&kv) {
                Err(error) if kind == Trouble::Full && ample => panic!("{error}"),
                Err(_) => unreadable += 1,
                Ok(_) => {}
            }
            disk.mend();
            match outcome {
                Ok(()) => {
                    accepted.apply(&commit(round, number).0);
                    if durability == Durability::Durable {
                        witness.acknowledged(number);
                    }
                }
                Err(StorageError::InDoubt(_)) => {
                    in_doubt += 1;
                    if State::of(&kv).unwrap().number() == number {
                        accepted.apply(&commit(round, number).0);
                        witness.acknowledged(number);
                    } else {
                        witness.refused();
                    }
                }
                Err(error) => {
                    failed += 1;
                    let full = matches!(error, StorageError::Full(_));
                    assert!(!full || kind == Trouble::Full, "{kind:?}: {error}");
                    witness.refused();
                }
            }
            let found = State::of(&kv).unwrap();
            assert!(found == accepted, "round {round} commit {number} {kind:?}");
        }
        for (count, name) in struck.iter_mut().zip(["full", "read", "write", "sync"]) {
            *count += disk.struck(name);
        }
        disk.cut_power_after(0);
        drop(kv);
        let kv = RedbKv::open_on(disk.after_power_loss(&mut random), options(ample)).unwrap();
        witness.check(&State::of(&kv).unwrap());
        assert!(kv.check().unwrap(), "checksums");
    }
    println!(
        "{commits} commits: {failed} failed, {in_doubt} in doubt, {unreadable} reads failed; \
         faults (full, read, write, sync): {struck:?}"
    );
    assert!(
        struck.iter().all(|&n| n > 20) && failed > 50 && in_doubt > 0,
        "the faults fired"
    );
}

#[test]
fn a_snapshot_ends_with_an_error_and_the_next_one_works() {
    let disk = Disk::default();
    let mut options = RedbOptions::default();
    options.cache_bytes = 0; // so that reads reach the disk
    let kv = RedbKv::open_on(disk.clone(), options).unwrap();
    let mut state = State::default();
    for number in 1..100 {
        let (batch, _) = commit(0, number);
        state.apply(&batch);
        kv.commit(batch, Durability::Durable).unwrap();
    }
    let old = kv.snapshot().unwrap();
    disk.trouble_after(Trouble::Read, 0, 1);
    let mut ignore = |_: &[u8], _: &[u8]| std::ops::ControlFlow::Continue(());
    let failed = old.scan(1, b"", None, false, &mut ignore);
    assert!(matches!(failed, Err(StorageError::Io { .. })), "{failed:?}");
    assert_eq!(disk.struck("read"), 1);
    let ended = old.scan(2, b"", None, false, &mut ignore);
    assert!(
        matches!(ended, Err(StorageError::SnapshotEnded)),
        "{ended:?}"
    );
    assert!(State::of(&kv).unwrap() == state, "a new snapshot works");
    let ended = old.scan(3, b"", None, false, &mut ignore);
    assert!(
        matches!(ended, Err(StorageError::SnapshotEnded)),
        "the old one does not come back"
    );
}
