//! The long way: from every operation on an entity and attribute, read back from the log.

use super::{Changes, Incoming, Opened, Outcome, effect, facts::FactChanges, settle};
use crate::{
    Aid, Eid, Fact, ReplicaError, Word,
    log::Log,
    state::{Kind, Place, State},
};
use rhizome_tuple::{CommitId, EntityId, Hlc, LeafId, ListOp, Op, OpId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

/// What decides between concurrent operations: (clock, commit, leaf, operation).
pub(super) fn rank(state: &State, place: Place) -> Option<(Hlc, CommitId, u32, u32)> {
    let m = state.meta(place.commit())?;
    Some((m.hlc, m.id, place.leaf(), place.op()))
}

/// Reads leaves by number: from the batch that is being applied, or from the log.
pub(crate) struct Reader<'a> {
    pub log: &'a Log,
    pub batch: &'a [Incoming],
    pub first: u32,
    pub fresh: &'a FxHashMap<u32, usize>,
}

impl Reader<'_> {
    fn leaf(
        &self,
        state: &State,
        number: u32,
        index: u32,
    ) -> Result<Option<Cow<'_, Opened>>, ReplicaError> {
        let leaf = match self
            .fresh
            .get(&number)
            .filter(|_| number >= self.first)
            .and_then(|i| self.batch.get(*i))
        {
            Some(incoming) => incoming
                .leaves
                .get(index as usize)
                .and_then(Option::as_ref)
                .map(Cow::Borrowed),
            None => self.log.leaf(number, index)?.map(Cow::Owned),
        };
        let Some(leaf) = leaf else { return Ok(None) };
        if !state.erased.is_empty() && !leaf.1.iter().any(|o| matches!(o, Op::Erase { .. })) {
            let id = state
                .meta(number)
                .ok_or(ReplicaError::Corrupt(
                    "a commit is not in the table of commits",
                ))?
                .id;
            if state
                .erased
                .contains(State::erasure_key(&leaf.0, &id, index))
            {
                return Ok(None);
            }
        }
        Ok(Some(leaf))
    }
}

/// An operation on one (entity, attribute) as the recomputation and its readers see it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub id: OpId,
    pub hlc: Hlc,
    pub place: Place,
    pub op: Op,
    /// Nobody superseded it.
    pub live: bool,
}

/// All operations on (entity, attribute), in order of (clock, id). The flag tells whether one of them supersedes something unknown.
pub(crate) fn recorded(
    state: &State,
    reader: &Reader<'_>,
    e: Eid,
    name: &str,
) -> Result<(Vec<Recorded>, bool), ReplicaError> {
    let mut all = Vec::new();
    for (number, index) in state.leaves_of(e).collect::<Vec<_>>() {
        let Some(leaf) = reader.leaf(state, number, index)? else {
            continue;
        };
        let meta = state.meta(number).ok_or(ReplicaError::Corrupt(
            "a commit is not in the table of commits",
        ))?;
        for (i, op) in leaf.1.iter().enumerate() {
            if let (Some((kind, _, _)), Some(a)) = (effect(op), op.attribute())
                && a.as_str() == name
            {
                let place = Place::new(kind, number, index, i as u32);
                let id = OpId(meta.id, index, i as u32);
                all.push(Recorded {
                    id,
                    hlc: meta.hlc,
                    place,
                    op: op.clone(),
                    live: true,
                });
            }
        }
    }
    all.sort_by_key(|r| (r.hlc, r.id));
    let ids: FxHashSet<OpId> = all.iter().map(|r| r.id).collect();
    let dead: FxHashSet<OpId> = all
        .iter()
        .flat_map(|r| r.op.supersedes())
        .copied()
        .collect();
    let waiting = dead.iter().any(|d| !ids.contains(d));
    for r in &mut all {
        r.live = !dead.contains(&r.id);
    }
    Ok((all, waiting))
}

/// The facts that live operations (in order of rank) make, and whether they show all of them.
pub(super) fn facts_of(state: &State, all: &[Recorded]) -> (FxHashMap<Word, Place>, bool) {
    let mut facts: FxHashMap<Word, Place> = FxHashMap::default();
    let (mut winner, mut sum, mut shown, mut live) = (None, None, 0, 0);
    let mut kinds = 0u32;
    for r in all.iter().filter(|r| r.live) {
        kinds |= 1 << r.place.kind() & !(1 << Kind::Retract as u8);
        match &r.op {
            Op::Assert { value, .. } => {
                winner = state.word(value).map(|w| (w, r.place));
                live += 1;
            }
            Op::Add { n, .. } => {
                sum = Some((
                    sum.map_or(0i64, |s: (i64, Place)| s.0).wrapping_add(*n),
                    r.place,
                ));
            }
            Op::Insert { value, .. } | Op::List(ListOp { value, .. }) => {
                // ascending rank: the greatest stays
                if let Some(w) = state.word(value) {
                    facts.insert(w, r.place);
                }
                live += 1;
            }
            _ => {}
        }
    }
    shown += facts.len() + usize::from(winner.is_some());
    let simple = shown == live && kinds.count_ones() <= 1;
    let others = winner
        .into_iter()
        .chain(sum.map(|(n, p)| (Word::integer(n), p)));
    for (w, p) in others {
        let stronger = facts
            .get(&w)
            .is_none_or(|q| rank(state, *q) < rank(state, p));
        if stronger {
            facts.insert(w, p);
        }
    }
    (facts, simple)
}

/// The long way: from every operation on (entity, attribute).
pub(super) fn long(
    state: &State,
    reader: &Reader<'_>,
    e: Eid,
    a: Aid,
    out: &mut FactChanges,
    knots: &mut Changes,
) -> Result<(), ReplicaError> {
    let name = state
        .names
        .list
        .get(a.0 as usize)
        .cloned()
        .ok_or(ReplicaError::Corrupt("an attribute has no name"))?;
    let (all, waiting) = recorded(state, reader, e, &name)?;
    let (mut facts, simple) = facts_of(state, &all);
    for (v, before) in state.facts(e, a) {
        match facts.remove(&v) {
            Some(p) if p == before => {}
            Some(p) => out.put(Fact { e, a, v }, p, false),
            None => out.remove(Fact { e, a, v }),
        }
    }
    let mut new: Vec<_> = facts.into_iter().collect();
    new.sort_unstable();
    for (v, p) in new {
        out.put(Fact { e, a, v }, p, true);
    }
    let knot = waiting || !simple;
    knots.push((State::knot_key(e, a), knot.then_some(0)));
    Ok(())
}

/// An erasure of leaves of one entity: present ones go, absent ones are remembered.
pub(super) fn erase(
    state: &mut State,
    reader: &Reader<'_>,
    e: Eid,
    entity: &EntityId,
    leaves: &[LeafId],
    redo: &mut FxHashSet<(Eid, Aid)>,
    outcome: &mut Outcome,
) -> Result<(), ReplicaError> {
    let mut keys: Changes = Vec::new();
    for leaf in leaves {
        keys.push((State::erasure_key(entity, &leaf.0, leaf.1), Some(0)));
        keys.push((State::named_key(&leaf.0, leaf.1), Some(0)));
        let Some(number) = state.commit_number(&leaf.0) else {
            continue;
        };
        let ours = state
            .history
            .contains(State::history_key(e, number, leaf.1));
        let Some(content) = (if ours {
            reader.leaf(state, number, leaf.1)?
        } else {
            None
        }) else {
            continue;
        };
        if content.1.iter().any(|o| matches!(o, Op::Erase { .. })) {
            continue;
        }
        outcome.erased.push((number, leaf.1));
        for op in &content.1 {
            if let Some(a) = op.attribute().and_then(|a| state.aid(a.as_str())) {
                redo.insert((e, a));
            }
        }
    }
    settle(&mut keys);
    state.erased.apply(&keys);
    Ok(())
}
