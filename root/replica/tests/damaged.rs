//! Stores whose bytes were changed, found by the fuzz target `damaged_store`.

use crate::world::*;
use rhizome_replica::{Edit, Replica, ReplicaError};
use rhizome_storage::{Batch, Durability, Kv};
use rhizome_tuple::Value;
use std::{ops::ControlFlow, sync::Arc};

const DIRECTORY: u8 = 1;
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

fn corrupt(kv: &Arc<dyn Kv>) {
    match Replica::open(kv.clone(), epochs(), authors()) {
        Err(ReplicaError::Corrupt(_)) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
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
