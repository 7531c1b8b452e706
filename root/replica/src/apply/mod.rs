//! What commits do to the state: a pure function of the set of commits, computed one batch at a time.
//!
//! Most operations take a short way that looks only at the current facts of their entity and attribute. Whatever the facts alone cannot
//! decide (conflicts, duplicates, operations that supersede something not yet seen) is recomputed from all operations on that entity
//! and attribute, and marked as a *knot* until it is simple again. So the short way never has to guess.

mod facts;
mod intern;
mod long;
mod register;
mod say;
mod short;

pub(crate) use long::{Heard, Reader, Recorded, heard, recorded};
pub(crate) use say::say;

use crate::{
    Aid, Eid, Fact, ReplicaError, Voice, Word,
    log::{Log, Record},
    state::{Kind, Place, State},
};
use facts::FactChanges;
use intern::Intern;
use rhizome_tuple::{Commit, CommitId, EntityId, LeafId, ListOp, Op, OpId, Value, flat};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// An opened leaf: its entity and the operations on it.
pub type Opened = (EntityId, Vec<Op>);

/// A commit on its way into the state.
pub(crate) struct Incoming {
    pub id: CommitId,
    pub header: Commit,
    pub record: Arc<Record>,
    /// The opened leaves in order; `None` for void ones.
    pub leaves: Vec<Option<Opened>>,
}

/// What a batch changed.
#[derive(Default, Debug)]
pub(crate) struct Outcome {
    pub added: Vec<Fact>,
    pub removed: Vec<Fact>,
    /// Where lists may show something else although no fact came or went.
    pub lists: Vec<(Eid, Aid)>,
    /// Numbers given to the commits that were new, in order.
    pub first: u32,
    /// Leaves that were erased by this batch: (commit number, leaf).
    pub erased: Vec<(u32, u32)>,
}

struct NewOp<'a> {
    e: Eid,
    a: Aid,
    place: Place,
    word: Word,
    /// What is added, for counters.
    n: i64,
    supersedes: &'a [OpId],
}

type Changes = Vec<(u128, Option<u64>)>;

fn settle(changes: &mut Changes) {
    // the last change of a key wins
    changes.reverse();
    changes.sort_by_key(|c| c.0);
    changes.dedup_by_key(|c| c.0);
}

/// Takes commits that were verified and opened into the state. Commits that are known already are passed over.
pub(crate) fn apply(
    state: &mut State,
    log: &Log,
    batch: &[Incoming],
) -> Result<Outcome, ReplicaError> {
    let mut outcome = Outcome {
        first: state.commits.len(),
        ..Outcome::default()
    };
    let (numbers, fresh) = register::register(state, batch)?;
    // the recomputation reads leaves of this very batch too
    let mut ops: Vec<NewOp<'_>> = Vec::new();
    let mut redo: FxHashSet<(Eid, Aid)> = FxHashSet::default();
    let mut history: Changes = Vec::new();
    let mut erasures: Vec<(Eid, &EntityId, &[LeafId])> = Vec::new();
    let mut withdrawals: Vec<(Eid, &EntityId, &[LeafId])> = Vec::new();
    let mut intern = Intern::new(state);
    let any_erased = !intern.state.erased.is_empty();
    for (incoming, number) in batch.iter().zip(&numbers) {
        let Some(number) = *number else { continue };
        // the entities of a commit get their numbers in the order of its leaves, before others are met as references: neighbours in
        // the log are then neighbours in the indexes, and pack well. By commit, so that it does not depend on the batch.
        for (entity, _) in incoming.leaves.iter().flatten() {
            intern.entity(entity)?;
        }
        let voice = intern.state.voice_of(&incoming.header.device);
        let full = voice == Voice::Full;
        for (index, leaf) in incoming.leaves.iter().enumerate() {
            let index = index as u32;
            let Some((entity, leaf_ops)) = leaf else {
                continue;
            };
            let e = intern.entity(entity)?;
            history.push((State::history_key(e, number, index), Some(0)));
            let erases = full && leaf_ops.iter().any(|o| matches!(o, Op::Erase { .. }));
            if any_erased
                && !erases
                && intern
                    .state
                    .erased
                    .contains(State::leaf_key(entity, &incoming.id, index))
            {
                outcome.erased.push((number, index));
                // it may have been waited for
                for (_, _, op) in flat(leaf_ops) {
                    if let Some(a) = op.attribute() {
                        redo.insert((e, intern.attribute(a.as_str())?));
                    }
                }
                continue;
            }
            let withdrawn = intern.state.is_withdrawn(entity, &incoming.id, index);
            for (i, op) in leaf_ops.iter().enumerate() {
                let Some((kind, value, n)) = effect(op) else {
                    match op {
                        Op::Erase { leaves } if full => erasures.push((e, entity, leaves)),
                        Op::Withdraw { leaves } if full => {
                            withdrawals.push((e, entity, leaves));
                        }
                        Op::Quote(quote) if full => {
                            // what is quoted is looked at with all that is there
                            for (_, op) in quote.ops() {
                                if let Some((_, value, _)) = effect(op) {
                                    value.map(|v| intern.word(v)).transpose()?;
                                }
                                if let Some(a) = op.attribute() {
                                    redo.insert((e, intern.attribute(a.as_str())?));
                                }
                            }
                        }
                        _ => {}
                    }
                    continue;
                };
                let a = match op.attribute() {
                    Some(a) if voice > Voice::Silent => intern.attribute(a.as_str())?,
                    _ => continue,
                };
                let word = match value {
                    Some(v) => intern.word(v)?,
                    None => Word::boolean(false),
                };
                if withdrawn {
                    redo.insert((e, a));
                }
                let place = Place::new(kind, number, index, i as u32);
                ops.push(NewOp {
                    e,
                    a,
                    place,
                    word,
                    n,
                    supersedes: op.supersedes(),
                });
            }
        }
    }
    let base_entities = intern.base_entities;
    let (mut text_ids, mut entity_ids) = (intern.text_ids, intern.entity_ids);
    settle(&mut text_ids);
    settle(&mut entity_ids);
    settle(&mut history);
    state.text_ids.apply(&text_ids);
    state.entity_ids.apply(&entity_ids);
    state.history.apply(&history);
    let reader = Reader {
        log,
        batch,
        first: outcome.first,
        fresh: &fresh,
    };
    for (e, entity, leaves) in erasures {
        long::erase(state, &reader, e, entity, leaves, &mut redo, &mut outcome)?;
    }
    for (e, entity, leaves) in withdrawals {
        long::withdraw(state, &reader, e, entity, leaves, &mut redo)?;
    }
    // stable: operations on one (entity, attribute) stay in order of arrival
    ops.sort_by_key(|o| (o.e, o.a));
    let mut facts = FactChanges::default();
    let mut knots: Changes = Vec::new();
    for group in ops.chunk_by(|x, y| (x.e, x.a) == (y.e, y.a)) {
        let (e, a) = (group[0].e, group[0].a);
        let new_entity = e.0 >= base_entities;
        let knotted = !new_entity && state.knots.contains(State::knot_key(e, a));
        let listed =
            |o: &NewOp<'_>| [Kind::List as u8, Kind::Retract as u8].contains(&o.place.kind());
        if knotted || group.iter().any(listed) {
            outcome.lists.push((e, a));
        }
        if redo.remove(&(e, a)) || knotted || !short::short(state, group, new_entity, &mut facts) {
            long::long(state, &reader, e, a, &mut facts, &mut knots)?;
        }
    }
    let mut rest: Vec<_> = redo.into_iter().collect();
    rest.sort_unstable();
    for (e, a) in rest {
        long::long(state, &reader, e, a, &mut facts, &mut knots)?;
        outcome.lists.push((e, a));
    }
    settle(&mut knots);
    state.knots.apply(&knots);
    facts.apply(state, &mut outcome);
    state.store.fault()?;
    Ok(outcome)
}

/// Kind, value and addend of an operation that touches facts.
fn effect(op: &Op) -> Option<(Kind, Option<&Value>, i64)> {
    match op {
        Op::Assert { value, .. } => Some((Kind::Assert, Some(value), 0)),
        Op::Retract { .. } => Some((Kind::Retract, None, 0)),
        Op::Add { n, .. } => Some((Kind::Add, None, *n)),
        Op::List(ListOp { value, .. }) => Some((Kind::List, Some(value), 0)),
        Op::Insert { value, .. } => Some((Kind::Insert, Some(value), 0)),
        Op::Text { .. }
        | Op::Erase { .. }
        | Op::Create { .. }
        | Op::Quote(_)
        | Op::Withdraw { .. }
        | Op::Note { .. } => None,
    }
}
