//! The long way: from every operation on an entity and attribute, read back from the log.

use super::{Changes, Incoming, Opened, Outcome, effect, facts::FactChanges, settle};
use crate::{
    Aid, Eid, Fact, ReplicaError, Voice, Word,
    log::Log,
    state::{Kind, Meta, Place, State},
};
use rhizome_tuple::{CommitId, EntityId, Hlc, LeafId, ListOp, Op, OpId, flat};
use rustc_hash::{FxHashMap, FxHashSet};
use std::{borrow::Cow, cmp::Reverse};

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
        if !state.erased.is_empty() {
            let meta = state.meta(number).ok_or(LOST)?;
            let erased = State::leaf_key(&leaf.0, &meta.id, index);
            if state.erased.contains(erased) && !state.erases(&meta, &leaf.1) {
                return Ok(None);
            }
        }
        Ok(Some(leaf))
    }
}

const LOST: ReplicaError = ReplicaError::Corrupt("a commit is not in the table of commits");

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

/// What was said of an entity in a leaf that has effect.
pub(crate) struct Heard {
    pub number: u32,
    pub index: u32,
    pub meta: Meta,
    pub voice: Voice,
    pub ops: Vec<Op>,
}

/// The leaves about an entity that have effect, in order of arrival.
pub(crate) fn heard(
    state: &State,
    reader: &Reader<'_>,
    e: Eid,
) -> Result<Vec<Heard>, ReplicaError> {
    let mut out = Vec::new();
    for (number, index) in state.leaves_of(e).collect::<Vec<_>>() {
        let Some(leaf) = reader.leaf(state, number, index)? else {
            continue;
        };
        let meta = state.meta(number).ok_or(LOST)?;
        if !state.is_withdrawn(&leaf.0, &meta.id, index) {
            out.push(Heard {
                number,
                index,
                voice: state.voice(&meta),
                meta,
                ops: leaf.into_owned().1,
            });
        }
    }
    Ok(out)
}

/// All operations on (entity, attribute), or on all of its attributes, in order of (clock, id). The flag tells whether one of them is
/// quoted or supersedes something unknown.
pub(crate) fn recorded(
    state: &State,
    reader: &Reader<'_>,
    e: Eid,
    name: Option<&str>,
) -> Result<(Vec<Recorded>, bool), ReplicaError> {
    let id = state.entity_id(e).ok_or(LOST)?;
    let mut all: Vec<Recorded> = Vec::new();
    let mut quoted = false;
    for Heard {
        number,
        index,
        meta,
        voice,
        ops,
    } in heard(state, reader, e)?
    {
        for (i, (quote, own, op)) in flat(&ops).enumerate() {
            let (Some((kind, _, _)), Some(a)) = (effect(op), op.attribute()) else {
                continue;
            };
            if name.is_some_and(|name| a.as_str() != name) {
                continue;
            }
            let (id, hlc, place) = match quote {
                None if voice == Voice::Silent => continue,
                None => {
                    let place = Place::new(kind, number, index, own);
                    (OpId(meta.id, index, own), meta.hlc, place)
                }
                Some(_) if voice < Voice::Full => continue,
                Some(quote) => {
                    let LeafId(commit, at) = quote.leaf;
                    if state.erased.contains(State::leaf_key(&id, &commit, at)) {
                        continue;
                    }
                    quoted = true;
                    let place = Place::new(kind, number, index, i as u32).quoted();
                    (OpId(commit, at, own), quote.hlc, place)
                }
            };
            all.push(Recorded {
                id,
                hlc,
                place,
                op: op.clone(),
                live: true,
            });
        }
    }
    if quoted {
        // what came by itself and was quoted as well, perhaps often, counts once, as it was quoted last
        all.sort_by_key(|r| Reverse((r.id, r.place.is_quoted(), rank(state, r.place))));
        all.dedup_by_key(|r| r.id);
    }
    all.sort_by_key(|r| (r.hlc, r.id));
    // of one attribute alone they need not be told apart
    let cell = |op: &Op| {
        let attribute = op.attribute().filter(|_| name.is_none());
        attribute.map(|a| a.as_str().to_owned())
    };
    let dead: FxHashSet<(Option<String>, OpId)> = all
        .iter()
        .flat_map(|r| r.op.supersedes().iter().map(|id| (cell(&r.op), *id)))
        .collect();
    let there: FxHashSet<_> = all.iter().map(|r| (cell(&r.op), r.id)).collect();
    // nor do the facts alone decide about what is quoted
    let waiting = quoted || dead.iter().any(|d| !there.contains(d));
    for r in &mut all {
        r.live = !dead.contains(&(cell(&r.op), r.id));
    }
    Ok((all, waiting))
}

/// The facts that live operations (in order of rank) make, and whether they show all of them.
pub(super) fn facts_of(state: &State, all: &[Recorded]) -> (FxHashMap<Word, Place>, bool) {
    let mut facts: FxHashMap<Word, (usize, Place)> = FxHashMap::default();
    let (mut winner, mut sum, mut shown, mut live) = (None, None, 0, 0);
    let mut kinds = 0u32;
    for (rank, r) in all.iter().enumerate().filter(|(_, r)| r.live) {
        kinds |= 1 << r.place.kind() & !(1 << Kind::Retract as u8);
        match &r.op {
            Op::Assert { value, .. } => {
                winner = state.word(value).map(|w| (w, (rank, r.place)));
                live += 1;
            }
            Op::Add { n, .. } => {
                let before = sum.map_or(0i64, |s: (i64, _)| s.0);
                sum = Some((before.wrapping_add(*n), (rank, r.place)));
            }
            Op::Insert { value, .. } | Op::List(ListOp { value, .. }) => {
                // ascending rank: the greatest stays
                if let Some(w) = state.word(value) {
                    facts.insert(w, (rank, r.place));
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
    for (w, at) in others {
        if facts.get(&w).is_none_or(|other| other.0 < at.0) {
            facts.insert(w, at);
        }
    }
    let places = facts.into_iter().map(|(w, (_, place))| (w, place));
    (places.collect(), simple)
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
    let (all, waiting) = recorded(state, reader, e, Some(&name))?;
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
    let named: FxHashSet<LeafId> = leaves.iter().copied().collect();
    for leaf in &named {
        keys.push((State::leaf_key(entity, &leaf.0, leaf.1), Some(0)));
        keys.push((State::named_key(&leaf.0, leaf.1), Some(0)));
    }
    // its own leaves, and those that quote them
    for (number, index) in state.leaves_of(e).collect::<Vec<_>>() {
        let Some(content) = reader.leaf(state, number, index)? else {
            continue;
        };
        let meta = state.meta(number).ok_or(LOST)?;
        let erased = named.contains(&LeafId(meta.id, index)) && !state.erases(&meta, &content.1);
        if erased {
            outcome.erased.push((number, index));
        }
        for (quote, _, op) in flat(&content.1) {
            let quoted = quote.is_some_and(|quote| named.contains(&quote.leaf));
            if (erased || quoted)
                && let Some(a) = op.attribute().and_then(|a| state.aid(a.as_str()))
            {
                redo.insert((e, a));
            }
        }
    }
    settle(&mut keys);
    state.erased.apply(&keys);
    Ok(())
}

/// Leaves of one entity lose their effect: present ones at once, absent ones are remembered.
pub(super) fn withdraw(
    state: &mut State,
    reader: &Reader<'_>,
    e: Eid,
    entity: &EntityId,
    leaves: &[LeafId],
    redo: &mut FxHashSet<(Eid, Aid)>,
) -> Result<(), ReplicaError> {
    let mut keys: Changes = Vec::new();
    for leaf in leaves {
        let key = State::leaf_key(entity, &leaf.0, leaf.1);
        if state.withdrawn.contains(key) {
            continue;
        }
        keys.push((key, Some(0)));
        let Some(number) = state.commit_number(&leaf.0) else {
            continue;
        };
        let is_here = State::history_key(e, number, leaf.1);
        if !state.history.contains(is_here) {
            continue;
        }
        if let Some(content) = reader.leaf(state, number, leaf.1)? {
            let of = flat(&content.1).filter_map(|(_, _, op)| op.attribute());
            redo.extend(of.filter_map(|a| Some((e, state.aid(a.as_str())?))));
        }
    }
    settle(&mut keys);
    state.withdrawn.apply(&keys);
    Ok(())
}
