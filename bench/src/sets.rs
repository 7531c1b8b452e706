//! What finding the differences of two large sets of ids costs on the wire: certificates and chains of grantees are compared so.

use rhizome_sync::set::{Id, Reconciliation};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::generate::Random;

/// Sessions, each under a key of its own; the largest is shown.
const SESSIONS: u8 = 5;

/// Bytes of both directions and messages for two sets of `ids` of which `differences` are in one of them only.
pub fn cost(ids: usize, differences: usize) -> Result<Json> {
    let mut random = Random::new(ids as u64);
    let mut id = || -> Id {
        let mut id = [0; 32];
        for part in id.chunks_mut(8) {
            part.copy_from_slice(&random.draw().to_le_bytes());
        }
        id
    };
    let mut one: Vec<Id> = (0..ids).map(|_| id()).collect();
    let mut other = one.clone();
    one.extend((0..differences / 2).map(|_| id()));
    other.extend((0..differences - differences / 2).map(|_| id()));
    let wrong = |e: rhizome_sync::SyncError| Error::Sync(e.to_string());
    let (mut most, mut messages) = (0, 0);
    for session in 0..SESSIONS {
        let key = [session; 32];
        let (mut teller, open) = Reconciliation::open(key, &one, None);
        let mut solver = Reconciliation::answer(key, None);
        let (mut bytes, mut said, mut next) = (0, 0, Some(open));
        while let Some(message) = next {
            let mut wire = Vec::new();
            message.write(&mut wire);
            bytes += wire.len();
            said += 1;
            next = if said % 2 == 1 {
                solver.handle(message, &other).map_err(wrong)?
            } else {
                teller.handle(message, &one).map_err(wrong)?
            };
        }
        let found = teller.into_lacking().len() + solver.into_lacking().len();
        if found != differences {
            let what = format!("{found} of {differences} differences were found");
            return Err(Error::Sync(what));
        }
        most = most.max(bytes);
        messages = messages.max(said);
    }
    Ok(json!({ "ids": ids, "differences": differences, "bytes": most, "messages": messages }))
}
