//! The records of the comparison of replication: an entity each, with one text. `bench/replication/records.mjs` makes the same.

use rhizome_pod::{App, Pod};
use rhizome_replica::Edit;
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, EntityId, Value};
use serde_json::Value as Json;

use super::fill::fault;
use crate::error::{Error, Result};
use crate::generate::Random;
use crate::rhizome::NOW_MS;

const BODY: &str = "record/body";
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz     ";

fn key(i: u64) -> String {
    format!("rec-{i:07}")
}

fn body(i: u64, version: u64, payload: u64) -> String {
    let mut random = Random::new(i * 7919 + version);
    let letter = |_| LETTERS[random.below(LETTERS.len() as u64) as usize] as char;
    (0..payload).map(letter).collect()
}

/// The records that a change touches, spread over all.
fn changed(k: u64, n: u64) -> impl Iterator<Item = u64> {
    let step = (n / k.max(1)).max(1);
    (0..k.min(n)).map(move |j| (j * step + step / 2) % n)
}

fn attribute() -> Result<Attribute> {
    Attribute::new(BODY).map_err(|e| Error::Sync(e.to_string()))
}

fn entity(pod: &Pod, i: u64) -> EntityId {
    EntityId::derive(pod.did(), key(i).as_bytes())
}

/// Writes `n` records, `each` of them in a commit; returns when all are durable. 0: as an import does, as many in a commit as fit.
pub fn write(pod: &Pod, n: u64, payload: u64, each: u64) -> Result<Json> {
    let (author, name) = (pod.author(App::CommandLine)?, attribute()?);
    let mut random = |buffer: &mut [u8]| while getrandom::fill(buffer).is_err() {};
    let edits = |i: u64| {
        let e = entity(pod, i);
        let create = Edit::Create(e, key(i).into_bytes());
        let text = Value::Text(body(i, 0, payload));
        [create, Edit::Assert(e, name.clone(), text)]
    };
    if each == 0 {
        let all = (0..n).flat_map(edits).collect();
        let done = pod.replica().import(&author, all, NOW_MS, &mut random);
        done.map_err(|e| fault(&e))?;
    } else {
        for first in (0..n).step_by(each as usize) {
            let some = (first..n.min(first + each)).flat_map(edits).collect();
            let mut nonce = [0; 16];
            random(&mut nonce);
            let written = pod
                .replica()
                .write(&author, some, NOW_MS, nonce, Durability::Relaxed);
            written.map_err(|e| fault(&e))?;
        }
    }
    pod.replica().flush().map_err(|e| fault(&e))?;
    Ok(pod.figures().commits.into())
}

/// Gives `k` of `n` records another text, in one durable transaction.
pub fn change(pod: &Pod, k: u64, n: u64, payload: u64, version: u64) -> Result<Json> {
    let (author, name) = (pod.author(App::CommandLine)?, attribute()?);
    let edit = |i| {
        let text = Value::Text(body(i, version, payload));
        Edit::Assert(entity(pod, i), name.clone(), text)
    };
    let edits = changed(k, n).map(edit).collect();
    let mut nonce = [0; 16];
    while getrandom::fill(&mut nonce).is_err() {}
    let written = pod
        .replica()
        .write(&author, edits, NOW_MS, nonce, Durability::Durable);
    written.map_err(|e| fault(&e))?;
    Ok(Json::Null)
}

/// Whether all `n` records are here; with `changed`, whether so many of them have the text of this version.
pub fn has(pod: &Pod, n: u64, payload: u64, version: u64, k: Option<u64>) -> Result<bool> {
    let now = pod.replica().snapshot();
    let Some(a) = now.aid(BODY) else {
        return Ok(false);
    };
    let Some(k) = k else {
        let (lo, hi) = rhizome_replica::key::aev_a(a);
        return Ok(now.aev().count(lo, hi) >= n);
    };
    let there = changed(k, n).all(|i| {
        let word = now.word(&Value::Text(body(i, version, payload)));
        let fact = now.eid(&entity(pod, i)).zip(word);
        fact.is_some_and(|(e, w)| now.aev().contains(rhizome_replica::key::aev(a, e, w)))
    });
    now.fault().map_err(|e| fault(&e))?;
    Ok(there)
}
