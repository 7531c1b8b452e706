//! A pod with much in it: the synthetic tuples, and a few notes that are newer than all of them.

use std::path::Path;

use rhizome_pod::{App, Pod, json::parse_changes};
use rhizome_replica::{Edit, ReplicaError};
use rhizome_tuple::{Attribute, EntityId, Value as Datum};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Value as Json, json};

use super::timed;
use crate::error::{Error, Result};
use crate::rhizome::{NOW_MS, TRANSACTION, datum, is_set};
use crate::tuples::{Tuples, Value};

/// The newest note.
pub const NEWEST: &str =
    "[:find ?x ?t :where [?n :note/at ?t] [?n :note/text ?x] :order [[?t :desc]] :limit 1]";

pub fn fault(error: &ReplicaError) -> Error {
    Error::Sync(error.to_string())
}

/// Takes all tuples in, as an import does, until they are durable. Reading the file and making edits of it is not timed.
pub fn load(pod: &Pod, data: &Path) -> Result<Json> {
    let tuples = Tuples::read(data)?;
    let parts = edits(pod.did(), &tuples)?;
    let author = pod.author(App::Importer("bench"))?;
    let mut random = |buffer: &mut [u8]| while getrandom::fill(buffer).is_err() {};
    let before = pod.figures().commits;
    timed(|| {
        for edits in parts {
            let done = pod.replica().import(&author, edits, NOW_MS, &mut random);
            done.map_err(|e| fault(&e))?;
        }
        pod.replica().flush().map_err(|e| fault(&e))?;
        Ok(json!({ "tuples": tuples.rows.len(), "commits": pod.figures().commits - before }))
    })
}

fn edits(did: &str, tuples: &Tuples) -> Result<Vec<Vec<Edit>>> {
    let wrong = |e: rhizome_tuple::TupleError| Error::Sync(e.to_string());
    let names = tuples.attributes.iter().map(|name| Attribute::new(name));
    let names = names.collect::<std::result::Result<Vec<_>, _>>();
    let names = names.map_err(wrong)?;
    let mut known: FxHashMap<u32, EntityId> = FxHashMap::default();
    let mut id = |n: u32| {
        let new = || EntityId::derive(did, &n.to_be_bytes());
        *known.entry(n).or_insert_with(new)
    };
    let mut created = FxHashSet::default();
    let mut parts = Vec::new();
    for part in tuples.rows.chunks(TRANSACTION) {
        let mut edits = Vec::with_capacity(part.len() + part.len() / 4);
        for tuple in part {
            let e = id(tuple.entity);
            if created.insert(tuple.entity) {
                edits.push(Edit::Create(e, tuple.entity.to_be_bytes().to_vec()));
            }
            let attribute = names[tuple.attribute as usize].clone();
            let value = match tuple.value {
                Value::Reference(other) => Datum::Ref(id(other)),
                other => datum(other),
            };
            edits.push(if is_set(tuples.attributes[tuple.attribute as usize]) {
                Edit::Insert(e, attribute, value)
            } else {
                Edit::Assert(e, attribute, value)
            });
        }
        parts.push(edits);
    }
    Ok(parts)
}

/// One note more, as a transaction of its own. Says how many bytes its commit has.
pub fn note(pod: &Pod, text: &str) -> Result<Json> {
    let at = NOW_MS + pod.replica().snapshot().commit_count() as i64;
    let changes = json!([
        { "assert": { "entity": "_:note", "attribute": "note/text", "value": text } },
        { "assert": { "entity": "_:note", "attribute": "note/at", "value": { "time": at } } },
    ]);
    let changes = parse_changes(&changes).map_err(|e| Error::Sync(e.to_string()))?;
    let receipt = pod.transact(App::CommandLine, &changes)?;
    let id = receipt
        .commit
        .ok_or_else(|| Error::Sync("no commit".into()))?;
    let record = pod
        .replica()
        .snapshot()
        .record(&id)
        .map_err(|e| fault(&e))?;
    let leaf = |l: &rhizome_replica::LeafBytes| match l {
        rhizome_replica::LeafBytes::Sealed(bytes) => bytes.len(),
        rhizome_replica::LeafBytes::Erased(_) => 32,
    };
    let bytes = record.map_or(0, |r| {
        r.envelope.len() + r.leaves.iter().map(leaf).sum::<usize>()
    });
    Ok(json!({ "bytes": bytes }))
}
