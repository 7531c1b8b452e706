//! The power goes at a random moment; then the disk is looked at.

use rhizome_storage::{Durability, Kv, RedbKv, RedbOptions, StorageError, conformance::Random};

use crate::{
    disk::Disk,
    rounds,
    workload::{State, Witness},
};

/// A cache so small that pages are written long before they are synced.
fn options() -> RedbOptions {
    let mut options = RedbOptions::default();
    options.cache_bytes = 256 << 10;
    options
}

#[test]
fn nothing_durable_is_lost_and_nothing_is_torn() {
    let (mut commits, mut cuts, mut refused, mut in_doubt, mut walks) = (0, 0, 0, 0, 0);
    let mut disk = Disk::default();
    drop(RedbKv::open_on(disk.clone(), options()).unwrap());
    let mut witness = Witness::new();
    for round in 0..rounds(250) as u64 {
        let mut random = Random::new(round);
        let kv = RedbKv::open_on(disk.clone(), options()).unwrap();
        walks += u64::from(kv.walked_on_opening());
        witness.check(&State::of(&kv).unwrap());
        witness.restart(round);
        disk.cut_power_after(random.next_u64() % 2500);
        loop {
            let (batch, durability) = witness.next();
            commits += 1;
            match kv.commit(batch, durability) {
                Ok(()) if durability == Durability::Durable => {
                    witness.acknowledged(witness.attempted());
                }
                Ok(()) => {}
                Err(StorageError::InDoubt(_)) => {
                    in_doubt += 1;
                    break;
                }
                Err(_) => {
                    witness.refused();
                    refused += 1;
                    break;
                }
            }
        }
        drop(kv);
        cuts += u64::from(disk.struck("power") > 0);
        disk = disk.after_power_loss(&mut random);
    }
    let kv = RedbKv::open_on(disk, options()).unwrap();
    witness.check(&State::of(&kv).unwrap());
    assert!(kv.check().unwrap(), "checksums");
    println!(
        "{commits} commits, {cuts} power cuts: {refused} commits refused, {in_doubt} in doubt"
    );
    assert_eq!(
        (cuts, walks),
        (rounds(250) as u64, 0),
        "every cut struck, no opening was slow"
    );
    assert!(refused > 0 && in_doubt > 0 && commits > 30 * cuts);
}
