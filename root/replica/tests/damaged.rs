//! Stores whose bytes were changed, found by the fuzz target `damaged_store`.

use crate::world::*;
use ipld_core::ipld::Ipld;
use rhizome_ipld::codec;
use rhizome_replica::{Edit, Replica, ReplicaError};
use rhizome_storage::{Batch, Durability, Kv};
use rhizome_tuple::Value;
use std::{ops::ControlFlow, sync::Arc};

const DIRECTORY: u8 = 1;
const BLOCKS: u8 = 2;
const META: u8 = 3;

/// A store with a checkpoint in it.
fn stored() -> Arc<dyn Kv> {
    let (kv, r) = fresh();
    let edits = (0..40).map(|n| Edit::Assert(entity(n), attr("n"), Value::Integer(n as i64)));
    write(&r, 1, 1, edits.collect());
    r.checkpoint().unwrap();
    kv
}

fn keys(kv: &Arc<dyn Kv>, keyspace: u8) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut see = |k: &[u8], _: &[u8]| {
        keys.push(k.to_vec());
        ControlFlow::Continue(())
    };
    kv.snapshot()
        .unwrap()
        .scan(keyspace, &[], None, false, &mut see)
        .unwrap();
    keys
}

/// A store whose mark was changed.
fn marked(change: impl Fn(&mut Ipld)) -> Arc<dyn Kv> {
    let kv = stored();
    let key = keys(&kv, META).into_iter().find(|k| k.starts_with(b"mark"));
    let key = key.unwrap();
    let bytes = kv.snapshot().unwrap().get(META, &key).unwrap().unwrap();
    let mut mark: Ipld = codec::decode(&bytes, bytes.len()).unwrap();
    change(&mut mark);
    let mut batch = Batch::new();
    batch.put(META, key, codec::encode(&mark).unwrap());
    kv.commit(batch, Durability::Durable).unwrap();
    kv
}

fn field<'m>(mark: &'m mut Ipld, name: &str) -> &'m mut Ipld {
    match mark {
        Ipld::Map(fields) => fields.get_mut(name).unwrap(),
        _ => panic!("the mark is no map"),
    }
}

fn corrupt(kv: &Arc<dyn Kv>) {
    match Replica::open(kv.clone(), epochs(), authors()) {
        Err(ReplicaError::Corrupt(_)) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
    rebuilt(kv);
}

/// The log alone gives everything back, at once and when it is opened again.
#[track_caller]
fn rebuilt(kv: &Arc<dyn Kv>) {
    let want = open(&stored()).snapshot().digest().unwrap();
    let healed = Replica::rebuild(kv.clone(), epochs(), authors()).unwrap();
    for r in [healed, open(kv)] {
        let s = r.snapshot();
        assert_eq!(s.digest().unwrap(), want);
        assert_eq!(s.verify(&mut |_, _| ()).unwrap().findings, []);
    }
}

#[test]
fn a_changed_byte_of_a_block_is_noticed() {
    let kv = stored();
    let blocks = keys(&kv, BLOCKS);
    for key in &blocks {
        let sound = kv.snapshot().unwrap().get(BLOCKS, key).unwrap().unwrap();
        for at in (0..sound.len()).step_by(7) {
            let mut bytes = sound.to_vec();
            bytes[at] ^= 1 << (at % 8);
            let mut batch = Batch::new();
            batch.put(BLOCKS, key.clone(), bytes);
            kv.commit(batch, Durability::Durable).unwrap();
            // the last block of a table is read when the store is opened, others when they are asked for
            let found = Replica::open(kv.clone(), epochs(), authors()).and_then(|r| {
                let s = r.snapshot();
                s.verify(&mut |_, _| ())?;
                s.fault()
            });
            assert!(found.is_err(), "byte {at}");
        }
        let mut batch = Batch::new();
        batch.put(BLOCKS, key.clone(), &sound);
        kv.commit(batch, Durability::Durable).unwrap();
    }
    assert_eq!(
        open(&kv)
            .snapshot()
            .verify(&mut |_, _| ())
            .unwrap()
            .findings,
        []
    );
    let mut batch = Batch::new();
    for key in &blocks[..blocks.len() / 2] {
        batch.delete(BLOCKS, key.clone());
    }
    kv.commit(batch, Durability::Durable).unwrap();
    rebuilt(&kv);
}

#[test]
fn a_store_that_lost_its_mark_is_not_taken_for_a_new_one() {
    let kv = stored();
    assert!(!keys(&kv, DIRECTORY).is_empty());
    let mut batch = Batch::new();
    for key in keys(&kv, META) {
        if key.starts_with(b"mark") {
            batch.delete(META, key);
        }
    }
    assert_eq!(batch.len(), 1);
    kv.commit(batch, Durability::Durable).unwrap();
    corrupt(&kv);
}

#[test]
fn directories_that_claim_too_much_are_refused() {
    // more entries than a packed block can count: nothing may be allocated for them
    let kv = stored();
    let key = keys(&kv, DIRECTORY).swap_remove(0);
    let value = kv
        .snapshot()
        .unwrap()
        .get(DIRECTORY, &key)
        .unwrap()
        .unwrap();
    let mut value = value.to_vec();
    value[8..].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut batch = Batch::new();
    batch.put(DIRECTORY, key, value);
    kv.commit(batch, Durability::Durable).unwrap();
    corrupt(&kv);

    // a directory that lost a leaf of an index (EAV, AEV, AVE, those of entities and of commits)
    for kind in [0, 1, 2, 8, 9] {
        let kv = stored();
        let lost = keys(&kv, DIRECTORY).into_iter().find(|k| k[0] == kind);
        let mut batch = Batch::new();
        batch.delete(DIRECTORY, lost.unwrap());
        kv.commit(batch, Durability::Durable).unwrap();
        corrupt(&kv);
    }

    // tables whose first record has another number than 0, or one of more than 32 bits
    for first in [1u128, u128::from(u32::MAX), 1 << 32, u128::MAX] {
        let kv = stored();
        let table = keys(&kv, DIRECTORY).pop().unwrap();
        let value = kv.snapshot().unwrap().get(DIRECTORY, &table).unwrap();
        let mut moved = table.clone();
        moved[1..].copy_from_slice(&first.to_be_bytes());
        let mut batch = Batch::new();
        batch.delete(DIRECTORY, table);
        batch.put(DIRECTORY, moved, value.unwrap());
        kv.commit(batch, Durability::Durable).unwrap();
        corrupt(&kv);
    }
}

#[test]
fn marks_that_would_make_a_checkpoint_write_over_blocks_are_refused() {
    for next in [0, 1, 1 << 63] {
        corrupt(&marked(|mark| {
            *field(mark, "next_block") = Ipld::Integer(next);
        }));
    }
    // a block that is in use is said to be going
    corrupt(&marked(|mark| {
        *field(mark, "retired") = Ipld::List(vec![Ipld::Integer(1)]);
    }));
}

#[test]
fn the_doctor_looks_at_what_the_mark_says() {
    let rename: fn(&mut Ipld) = |mark| {
        *field(mark, "names") = Ipld::List(vec![Ipld::String("other".into())]);
    };
    let clock: fn(&mut Ipld) = |mark| *field(mark, "clock") = Ipld::Integer(1);
    let heads: fn(&mut Ipld) = |mark| *field(mark, "heads") = Ipld::List(Vec::new());
    for (change, what) in [
        (rename, "names of attributes"),
        (clock, "clocks"),
        (heads, "heads of chains"),
    ] {
        let r = open(&marked(change));
        let findings = r.snapshot().verify(&mut |_, _| ()).unwrap().findings;
        assert!(
            findings.iter().any(|f| f.what.contains(what)),
            "{what}: {findings:?}"
        );
    }
    let sound = open(&marked(|_| ()));
    let report = sound.snapshot().verify(&mut |_, _| ()).unwrap();
    assert_eq!(report.findings, []);
}
