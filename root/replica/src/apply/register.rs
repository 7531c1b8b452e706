//! Numbers, chains and heads for commits.

use super::{Changes, Incoming, settle};
use crate::{
    ReplicaError,
    state::{ChainHead, Meta, Place, State},
};
use rhizome_ipld::PublicKey;
use rhizome_tuple::CommitId;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The number of each commit of the batch, none for those known before; and for each new number its place in the batch.
pub(super) type Numbers = (Vec<Option<u32>>, FxHashMap<u32, usize>);

/// Gives numbers to the commits that are new and enters them into chains and heads.
pub(super) fn register(state: &mut State, batch: &[Incoming]) -> Result<Numbers, ReplicaError> {
    let mut numbers = Vec::with_capacity(batch.len());
    let mut fresh: FxHashMap<u32, usize> = FxHashMap::default();
    let mut ids: FxHashMap<CommitId, u32> = FxHashMap::default();
    let (mut commit_ids, mut chains): (Changes, Changes) = (Vec::new(), Vec::new());
    let mut fork_keys: Changes = Vec::new();
    let mut slots: FxHashMap<u128, u32> = FxHashMap::default();
    for (i, incoming) in batch.iter().enumerate() {
        if ids.contains_key(&incoming.id) || state.commit_number(&incoming.id).is_some() {
            numbers.push(None);
            continue;
        }
        let header = &incoming.header;
        let device = device_number(state, &header.device);
        let meta = Meta {
            id: incoming.id,
            hlc: header.hlc,
            device,
            seq: header.seq,
            leaves: header.leaves,
        };
        if state.commits.len() >= Place::MAX_COMMITS {
            return Err(ReplicaError::Full("it has 268 million commits"));
        }
        let number = state.commits.push(&meta.to_bytes())?;
        ids.insert(incoming.id, number);
        fresh.insert(number, i);
        commit_ids.push((
            (state.hash(0, &incoming.id.0) as u128) << 64 | number as u128,
            Some(0),
        ));
        let slot = (device as u128) << 64 | header.seq as u128;
        if let Some(first) = slots
            .get(&slot)
            .copied()
            .or_else(|| state.chains.get(slot).map(|n| n as u32))
        {
            fork_keys.push(((first as u128) << 64 | number as u128, Some(0)));
        } else {
            slots.insert(slot, number);
            chains.push((slot, Some(number as u64)));
        }
        let heads = Arc::make_mut(&mut state.heads);
        let head = heads.entry(device).or_insert(ChainHead {
            seq: header.seq,
            commit: number,
        });
        // of two commits with one place the one with the greater id, so that it does not matter which came first
        let greater = |old: u32| {
            state
                .commits
                .with(old, Meta::from_bytes)
                .flatten()
                .is_some_and(|old| incoming.id > old.id)
        };
        if header.seq > head.seq || header.seq == head.seq && greater(head.commit) {
            *head = ChainHead {
                seq: header.seq,
                commit: number,
            };
        }
        state.clock = state.clock.max(header.hlc);
        numbers.push(Some(number));
    }
    settle(&mut commit_ids);
    settle(&mut chains);
    settle(&mut fork_keys);
    state.commit_ids.apply(&commit_ids);
    state.chains.apply(&chains);
    state.forks.apply(&fork_keys);
    Ok((numbers, fresh))
}

pub(super) fn device_number(state: &mut State, key: &PublicKey) -> u32 {
    if let Some(n) = state.devices.iter().position(|k| k == key) {
        n as u32
    } else {
        Arc::make_mut(&mut state.devices).push(*key);
        state.devices.len() as u32 - 1
    }
}
