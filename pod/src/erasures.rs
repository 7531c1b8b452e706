//! What is erased, told to a peer that has no keys and cannot see it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use rhizome_ipld::{PublicKey, codec};
use rhizome_network::{Link, MAX_MESSAGE};
use rhizome_sealed::SealedPod;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::{
    PodError,
    cloud::Turn,
    sync::hello::{encode, unclear},
};

/// Places of one message: each takes at most five bytes, and its commit 40 more.
const PLACES: usize = 5_000;

/// A part of all that is erased, by the commits.
#[derive(Serialize, Deserialize)]
struct Part(u8, Vec<(ByteArray<32>, Vec<u32>)>, bool);

type Leaves = BTreeMap<[u8; 32], BTreeSet<u32>>;

/// Tells all; how many bytes less the other side has.
pub(crate) async fn tell(link: &mut Link, leaves: &Leaves) -> Result<u64, PodError> {
    let mut part = Vec::new();
    let mut room = PLACES;
    for (id, places) in leaves {
        let here = places.len() + 8;
        if here > room && !part.is_empty() {
            link.send(encode(&Part(0, std::mem::take(&mut part), false))?)
                .await?;
            room = PLACES;
        }
        room = room.saturating_sub(here);
        part.push((ByteArray::new(*id), places.iter().copied().collect()));
    }
    link.send(encode(&Part(0, part, true))?).await?;
    let bytes = link.receive().await?.ok_or_else(unclear)?;
    let (0u8, less): (u8, u64) = codec::decode(&bytes, 64).map_err(|_| unclear())? else {
        return Err(unclear());
    };
    Ok(less)
}

/// Reads a part that begins after `last`.
fn read(bytes: &[u8], last: Option<[u8; 32]>) -> Result<(Leaves, bool), PodError> {
    let Part(0, part, is_last) = codec::decode(bytes, MAX_MESSAGE).map_err(|_| unclear())? else {
        return Err(unclear());
    };
    let (mut last, mut out) = (last, Leaves::new());
    for (id, places) in part {
        let id = id.into_array();
        let ascending = places.is_sorted_by(|a, b| a < b) && !places.is_empty();
        if last.is_some_and(|last| id <= last) || !ascending {
            return Err(unclear());
        }
        last = Some(id);
        out.insert(id, places.into_iter().collect());
    }
    if out.is_empty() && !is_last {
        return Err(unclear());
    }
    Ok((out, is_last))
}

/// How many leaves a first part names.
#[cfg(fuzzing)]
pub(crate) fn count(bytes: &[u8]) -> Option<usize> {
    let (leaves, _) = read(bytes, None).ok()?;
    Some(leaves.values().map(BTreeSet::len).sum())
}

/// Hears a device of a pod, or who acts as one, and does as it says when it is the pod's turn.
pub(crate) async fn hear(
    link: &mut Link,
    by: PublicKey,
    pod: &Arc<SealedPod>,
    turn: &Turn,
    now: u64,
) -> Result<(), PodError> {
    let (mut last, mut less) = (None, 0);
    loop {
        let Some(bytes) = link.receive().await? else {
            return Ok(());
        };
        let (part, is_last) = read(&bytes, last)?;
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        last = part.last_key_value().map(|(id, _)| *id).or(last);
        let to = match last {
            Some(last) if !is_last => Bound::Included(last),
            _ => Bound::Unbounded,
        };
        let pod = Arc::clone(pod);
        less += turn
            .work(move || pod.set_erased(&by, (from, to), &part, now))
            .await??;
        if is_last {
            link.send(encode(&(0u8, less))?).await?;
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_ascend_and_say_something() {
        let part = |list: &[(u8, &[u32])], last| {
            let list = list
                .iter()
                .map(|(id, p)| (ByteArray::new([*id; 32]), p.to_vec()));
            encode(&Part(0, list.collect(), last)).unwrap()
        };
        let good = part(&[(1, &[0, 7]), (2, &[3])], false);
        let (leaves, last) = read(&good, None).unwrap();
        assert_eq!((leaves.len(), last), (2, false));
        assert!(read(&good, Some([0; 32])).is_ok());
        assert!(read(&good, Some([1; 32])).is_err());
        assert!(read(&part(&[], true), Some([1; 32])).is_ok());
        for bad in [
            part(&[], false),
            part(&[(2, &[1]), (1, &[1])], false),
            part(&[(1, &[1]), (1, &[2])], false),
            part(&[(1, &[])], true),
            part(&[(1, &[2, 2])], true),
            part(&[(1, &[3, 2])], true),
            encode(&(1u8,)).unwrap(),
            vec![],
        ] {
            assert!(read(&bad, None).is_err());
        }
    }
}
