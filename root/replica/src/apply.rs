//! What commits do to the state: a pure function of the set of commits, computed one batch at a time.
//!
//! Most operations take a short way that looks only at the current facts of their entity and attribute. Whatever the facts alone cannot
//! decide (conflicts, duplicates, operations that supersede something not yet seen) is recomputed from all operations on that entity
//! and attribute, and marked as a *knot* until it is simple again. So the short way never has to guess.

use crate::{
    Aid, Eid, Fact, ReplicaError, Word, key,
    log::{Log, Record},
    state::{ChainHead, Kind, Meta, Place, State},
    tag,
};
use rhizome_ipld::PublicKey;
use rhizome_tuple::{Commit, CommitId, EntityId, Hlc, ListOp, Op, OpId, Value};
use rustc_hash::{FxHashMap, FxHashSet};
use std::{borrow::Cow, sync::Arc};

/// A commit on its way into the state.
pub(crate) struct Incoming {
    pub id: CommitId,
    pub header: Commit,
    pub record: Arc<Record>,
    /// The opened leaves in order; `None` for void ones.
    pub leaves: Vec<Option<(EntityId, Vec<Op>)>>,
}

/// What a batch changed.
#[derive(Default, Debug)]
pub(crate) struct Outcome {
    pub added: Vec<Fact>,
    pub removed: Vec<Fact>,
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

/// Interns strings, entities and attributes for one batch and collects what the indexes get.
struct Intern<'s> {
    state: &'s mut State,
    base_entities: u32,
    fresh_texts: FxHashMap<u64, u32>,
    fresh_entities: FxHashMap<u64, u32>,
    seen_entities: FxHashMap<EntityId, Eid>,
    text_ids: Changes,
    entity_ids: Changes,
}

impl<'s> Intern<'s> {
    fn new(state: &'s mut State) -> Self {
        let base_entities = state.entities.len();
        Self {
            state,
            base_entities,
            fresh_texts: FxHashMap::default(),
            fresh_entities: FxHashMap::default(),
            seen_entities: FxHashMap::default(),
            text_ids: Vec::new(),
            entity_ids: Vec::new(),
        }
    }

    fn entity(&mut self, id: &EntityId) -> Result<Eid, ReplicaError> {
        if let Some(e) = self.seen_entities.get(id) {
            return Ok(*e);
        }
        let hash = self.state.hash(tag::REF, id.as_bytes());
        let known = match self.fresh_entities.get(&hash) {
            Some(n) if self.state.entities.with(*n, |b| b == id.as_bytes()) == Some(true) => {
                Some(Eid(*n))
            }
            _ => self.state.eid_hashed(hash, id),
        };
        let e = match known {
            Some(e) => e,
            None => {
                let n = self.state.entities.push(id.as_bytes())?;
                self.fresh_entities.insert(hash, n);
                self.entity_ids
                    .push(((hash as u128) << 64 | n as u128, Some(0)));
                Eid(n)
            }
        };
        self.seen_entities.insert(*id, e);
        Ok(e)
    }

    fn text(&mut self, tag: u8, bytes: &[u8]) -> Result<Word, ReplicaError> {
        let hash = self.state.hash(tag, bytes);
        let same = |state: &State, n: u32| state.texts.with(n, |b| b == bytes) == Some(true);
        let number = match self.fresh_texts.get(&hash) {
            Some(n) if same(self.state, *n) => *n,
            _ => match self.state.text_number(hash, bytes) {
                Some(n) => n,
                None => {
                    let n = self.state.texts.push(bytes)?;
                    self.fresh_texts.insert(hash, n);
                    self.text_ids
                        .push(((hash as u128) << 64 | n as u128, Some(0)));
                    n
                }
            },
        };
        Ok(Word::interned(tag, bytes, number))
    }

    fn word(&mut self, v: &Value) -> Result<Word, ReplicaError> {
        Ok(match v {
            Value::Boolean(b) => Word::boolean(*b),
            Value::Integer(i) => Word::integer(*i),
            Value::Float(x) => Word::float(*x),
            Value::Time(ms) => Word::time(*ms),
            Value::Text(s) => self.text(tag::TEXT, s.as_bytes())?,
            Value::Bytes(b) => self.text(tag::BYTES, b)?,
            Value::Blob(c) => self.text(tag::BLOB, &c.to_bytes())?,
            Value::Ref(e) => Word::reference(self.entity(e)?),
        })
    }

    fn attribute(&mut self, name: &str) -> Result<Aid, ReplicaError> {
        if let Some(a) = self.state.aid(name) {
            return Ok(a);
        }
        let n = self.state.names.list.len() as u32;
        if n >= 1 << 24 {
            return Err(ReplicaError::Full("it has 16 million attributes"));
        }
        let names = Arc::make_mut(&mut self.state.names);
        let name: Arc<str> = name.into();
        names.list.push(name.clone());
        names.numbers.insert(name, n);
        Arc::make_mut(&mut self.state.distinct).push(crate::state::Distinct::default());
        Ok(Aid(n))
    }
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
    let (numbers, fresh) = register(state, batch)?;
    // the recomputation reads leaves of this very batch too
    let mut ops: Vec<NewOp<'_>> = Vec::new();
    let mut redo: FxHashSet<(Eid, Aid)> = FxHashSet::default();
    let mut history: Changes = Vec::new();
    let mut erasures: Vec<(Eid, &EntityId, &[rhizome_tuple::LeafId])> = Vec::new();
    let mut intern = Intern::new(state);
    let any_erased = !intern.state.erased.is_empty();
    for (incoming, number) in batch.iter().zip(&numbers) {
        let Some(number) = *number else { continue };
        // the entities of a commit get their numbers in the order of its leaves, before others are met as references: neighbours in
        // the log are then neighbours in the indexes, and pack well. By commit, so that it does not depend on the batch.
        for (entity, _) in incoming.leaves.iter().flatten() {
            intern.entity(entity)?;
        }
        for (index, leaf) in incoming.leaves.iter().enumerate() {
            let index = index as u32;
            let Some((entity, leaf_ops)) = leaf else {
                continue;
            };
            let e = intern.entity(entity)?;
            history.push((State::history_key(e, number, index), Some(0)));
            let erases = leaf_ops.iter().any(|o| matches!(o, Op::Erase { .. }));
            if any_erased
                && !erases
                && intern
                    .state
                    .erased
                    .contains(State::erasure_key(entity, &incoming.id, index))
            {
                outcome.erased.push((number, index));
                // it may have been waited for
                for op in leaf_ops {
                    if let Some(a) = op.attribute() {
                        redo.insert((e, intern.attribute(a.as_str())?));
                    }
                }
                continue;
            }
            for (i, op) in leaf_ops.iter().enumerate() {
                let Some((kind, value, n)) = effect(op) else {
                    if let Op::Erase { leaves } = op {
                        erasures.push((e, entity, leaves));
                    }
                    continue;
                };
                let a = match op.attribute() {
                    Some(a) => intern.attribute(a.as_str())?,
                    None => continue,
                };
                let word = match value {
                    Some(v) => intern.word(v)?,
                    None => Word::boolean(false),
                };
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
        erase(state, &reader, e, entity, leaves, &mut redo, &mut outcome)?;
    }
    // stable: operations on one (entity, attribute) stay in order of arrival
    ops.sort_by_key(|o| (o.e, o.a));
    let mut facts = FactChanges::default();
    let mut knots: Changes = Vec::new();
    for group in ops.chunk_by(|x, y| (x.e, x.a) == (y.e, y.a)) {
        let (e, a) = (group[0].e, group[0].a);
        let new_entity = e.0 >= base_entities;
        let knotted = !new_entity && state.knots.contains(State::knot_key(e, a));
        if redo.remove(&(e, a)) || knotted || !short(state, group, new_entity, &mut facts) {
            long(state, &reader, e, a, &mut facts, &mut knots)?;
        }
    }
    let mut rest: Vec<_> = redo.into_iter().collect();
    rest.sort_unstable();
    for (e, a) in rest {
        long(state, &reader, e, a, &mut facts, &mut knots)?;
    }
    settle(&mut knots);
    state.knots.apply(&knots);
    facts.apply(state, &mut outcome);
    state.store.fault()?;
    Ok(outcome)
}

/// Gives numbers to the commits that are new and enters them into chains and heads.
fn register(
    state: &mut State,
    batch: &[Incoming],
) -> Result<(Vec<Option<u32>>, FxHashMap<u32, usize>), ReplicaError> {
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
        match slots
            .get(&slot)
            .copied()
            .or_else(|| state.chains.get(slot).map(|n| n as u32))
        {
            Some(first) => fork_keys.push(((first as u128) << 64 | number as u128, Some(0))),
            None => {
                slots.insert(slot, number);
                chains.push((slot, Some(number as u64)));
            }
        }
        let heads = Arc::make_mut(&mut state.heads);
        let head = heads.entry(device).or_insert(ChainHead {
            seq: header.seq,
            commit: number,
        });
        if header.seq > head.seq {
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

fn device_number(state: &mut State, key: &PublicKey) -> u32 {
    match state.devices.iter().position(|k| k == key) {
        Some(n) => n as u32,
        None => {
            Arc::make_mut(&mut state.devices).push(*key);
            state.devices.len() as u32 - 1
        }
    }
}

/// Kind, value and addend of an operation that touches facts.
fn effect(op: &Op) -> Option<(Kind, Option<&Value>, i64)> {
    match op {
        Op::Assert { value, .. } => Some((Kind::Assert, Some(value), 0)),
        Op::Retract { .. } => Some((Kind::Retract, None, 0)),
        Op::Add { n, .. } => Some((Kind::Add, None, *n)),
        Op::List(ListOp { value, .. }) => Some((Kind::List, Some(value), 0)),
        Op::Insert { value, .. } => Some((Kind::Insert, Some(value), 0)),
        Op::Text { .. } | Op::Erase { .. } | Op::Create { .. } => None,
    }
}

/// Facts that change, before they go into the four indexes.
#[derive(Default)]
struct FactChanges {
    eav: Changes,
    added: Vec<Fact>,
    removed: Vec<Fact>,
}

impl FactChanges {
    fn put(&mut self, fact: Fact, place: Place, new: bool) {
        self.eav
            .push((key::eav(fact.e, fact.a, fact.v), Some(place.0)));
        if new {
            self.added.push(fact);
        }
    }
    fn remove(&mut self, fact: Fact) {
        self.eav.push((key::eav(fact.e, fact.a, fact.v), None));
        self.removed.push(fact);
    }

    fn apply(mut self, state: &mut State, outcome: &mut Outcome) {
        let (added, removed) = (
            std::mem::take(&mut self.added),
            std::mem::take(&mut self.removed),
        );
        self.count(state, &added, &removed);
        settle(&mut self.eav);
        state.eav.apply(&self.eav);
        let changes = |f: &dyn Fn(&Fact) -> u128, only: &dyn Fn(&Fact) -> bool| {
            let mut c: Changes = Vec::with_capacity(added.len() + removed.len());
            c.extend(removed.iter().filter(|x| only(x)).map(|x| (f(x), None)));
            c.extend(added.iter().filter(|x| only(x)).map(|x| (f(x), Some(0))));
            c.sort_unstable_by_key(|x| x.0);
            c
        };
        state
            .aev
            .apply(&changes(&|f| key::aev(f.a, f.e, f.v), &|_| true));
        state
            .ave
            .apply(&changes(&|f| key::ave(f.a, f.v, f.e), &|_| true));
        state.vae.apply(&changes(
            &|f| key::vae(Eid(f.v.bits as u32), f.a, f.e),
            &|f| f.v.tag == tag::REF,
        ));
        outcome.added = added;
        outcome.removed = removed;
    }

    /// Keeps the counts of distinct entities and values of each attribute. Looks at the indexes before the change.
    fn count(&self, state: &mut State, added: &[Fact], removed: &[Fact]) {
        let mut by_entity: FxHashMap<(Aid, Eid), i64> = FxHashMap::default();
        let mut by_value: FxHashMap<(Aid, Word), i64> = FxHashMap::default();
        for (facts, d) in [(added, 1), (removed, -1)] {
            for f in facts {
                *by_entity.entry((f.a, f.e)).or_default() += d;
                *by_value.entry((f.a, f.v)).or_default() += d;
            }
        }
        let distinct = Arc::make_mut(&mut state.distinct);
        for ((a, e), d) in by_entity {
            let (lo, hi) = key::eav_ea(e, a);
            let before = state.eav.count(lo, hi) as i64;
            if let Some(x) = distinct.get_mut(a.0 as usize) {
                x.entities = x
                    .entities
                    .saturating_add_signed(i64::from(before + d > 0) - i64::from(before > 0));
            }
        }
        for ((a, v), d) in by_value {
            let (lo, hi) = key::ave_av(a, v);
            let before = state.ave.count(lo, hi) as i64;
            if let Some(x) = distinct.get_mut(a.0 as usize) {
                x.values = x
                    .values
                    .saturating_add_signed(i64::from(before + d > 0) - i64::from(before > 0));
            }
        }
    }
}

/// The facts of one (entity, attribute) while a group of operations is played: a few, or a view of many.
struct Cell<'s> {
    state: &'s State,
    e: Eid,
    a: Aid,
    /// Facts before the group, if they are few; otherwise looked up one by one.
    few: Option<Vec<(Word, Place)>>,
    many_kind: Option<u8>,
    overlay: Vec<(Word, Option<Place>)>,
    len: i64,
}

const FEW: u64 = 64;

impl<'s> Cell<'s> {
    fn new(state: &'s State, e: Eid, a: Aid, new_entity: bool) -> Self {
        let mut cell = Cell {
            state,
            e,
            a,
            few: Some(Vec::new()),
            many_kind: None,
            overlay: Vec::new(),
            len: 0,
        };
        if !new_entity {
            let (lo, hi) = key::eav_ea(e, a);
            let n = state.eav.count(lo, hi);
            cell.len = n as i64;
            if n > FEW {
                cell.few = None;
                state.eav.entries(lo, hi, |_, p| {
                    cell.many_kind = Some(Place(p).kind());
                    false
                });
            } else if n > 0 {
                cell.few = Some(state.facts(e, a));
            }
        }
        cell
    }
    fn before(&self, w: Word) -> Option<Place> {
        match &self.few {
            Some(f) => f.binary_search_by_key(&w, |x| x.0).ok().map(|i| f[i].1),
            None => self.state.eav.get(key::eav(self.e, self.a, w)).map(Place),
        }
    }
    fn get(&self, w: Word) -> Option<Place> {
        match self.overlay.iter().rev().find(|x| x.0 == w) {
            Some((_, p)) => *p,
            None => self.before(w),
        }
    }
    fn set(&mut self, w: Word, p: Option<Place>) {
        self.len += i64::from(p.is_some()) - i64::from(self.get(w).is_some());
        match self.overlay.iter_mut().rev().find(|x| x.0 == w) {
            Some(x) => x.1 = p,
            None => self.overlay.push((w, p)),
        }
    }
    /// The only fact, if there is exactly one.
    fn sole(&self) -> Option<(Word, Place)> {
        if self.len != 1 {
            return None;
        }
        let live = self.overlay.iter().find_map(|(w, p)| p.map(|p| (*w, p)));
        live.or_else(|| {
            self.few
                .as_ref()?
                .iter()
                .find(|(w, _)| !self.overlay.iter().any(|o| o.0 == *w))
                .copied()
        })
    }
    /// Whether every fact is of this kind. All are of one kind wherever there is no knot.
    fn all(&self, kind: Kind) -> bool {
        let first = self.overlay.iter().find_map(|o| o.1.map(Place::kind));
        let first = first.or_else(|| match &self.few {
            Some(f) => f
                .iter()
                .find(|(w, _)| !self.overlay.iter().any(|o| o.0 == *w))
                .map(|f| f.1.kind()),
            None => self.many_kind,
        });
        self.len == 0 || first == Some(kind as u8)
    }
}

/// The short way. False if it does not lead there; nothing was changed then.
fn short(state: &State, group: &[NewOp<'_>], new_entity: bool, facts: &mut FactChanges) -> bool {
    let (e, a) = (group[0].e, group[0].a);
    // the commonest of all: one operation on something fresh
    if let ([op], true) = (group, new_entity)
        && op.supersedes.is_empty()
        && op.place.kind() != Kind::Retract as u8
    {
        let word = if op.place.kind() == Kind::Add as u8 {
            Word::integer(op.n)
        } else {
            op.word
        };
        facts.put(Fact { e, a, v: word }, op.place, true);
        return true;
    }
    let mut cell = Cell::new(state, e, a, new_entity);
    if group.len() > 64 && (cell.overlay.capacity() == 0) && !fresh_members(group, &cell) {
        return false;
    } else if group.len() > 64 {
        for op in group {
            facts.put(Fact { e, a, v: op.word }, op.place, true);
        }
        return true;
    }
    for op in group {
        if play(&mut cell, op).is_none() {
            return false;
        }
    }
    for (v, place) in &cell.overlay {
        let fact = Fact { e, a, v: *v };
        match (cell.before(*v), place) {
            (before, Some(p)) => facts.put(fact, *p, before.is_none()),
            (Some(_), None) => facts.remove(fact),
            (None, None) => {}
        }
    }
    true
}

/// Whether a large group only inserts members of a set that are new and differ from one another.
fn fresh_members(group: &[NewOp<'_>], cell: &Cell<'_>) -> bool {
    let mut seen = FxHashSet::default();
    cell.all(Kind::Insert)
        && group.iter().all(|o| {
            o.place.kind() == Kind::Insert as u8
                && seen.insert(o.word)
                && cell.before(o.word).is_none()
        })
}

fn play(cell: &mut Cell<'_>, op: &NewOp<'_>) -> Option<()> {
    let at = |place: Place, id: &OpId| {
        cell.state
            .meta(place.commit())
            .is_some_and(|m| m.id == id.0)
            && (place.leaf(), place.op()) == (id.1, id.2)
    };
    match op.place.kind() {
        0 => match (op.supersedes, cell.sole()) {
            ([], None) if cell.len == 0 => cell.set(op.word, Some(op.place)),
            ([id], Some((w, p))) if p.kind() == Kind::Assert as u8 && at(p, id) => {
                cell.set(w, None);
                cell.set(op.word, Some(op.place));
            }
            _ => return None,
        },
        1 => {
            // every superseded operation must be the one behind a fact
            let mut found = Vec::with_capacity(op.supersedes.len());
            for id in op.supersedes {
                let (w, p) = match cell.sole() {
                    Some(f) => f,
                    None => *cell
                        .few
                        .as_ref()?
                        .iter()
                        .find(|(w, p)| at(*p, id) && cell.get(*w) == Some(*p))?,
                };
                if !at(p, id) || p.kind() == Kind::Add as u8 {
                    return None;
                }
                found.push(w);
            }
            found.into_iter().for_each(|w| cell.set(w, None));
        }
        2 => match cell.sole() {
            None if cell.len == 0 => cell.set(Word::integer(op.n), Some(op.place)),
            Some((w, p)) if p.kind() == Kind::Add as u8 && w.tag == tag::INTEGER => {
                let sum = Word::integer(w.as_i64().wrapping_add(op.n));
                let latest = if rank(cell.state, p) > rank(cell.state, op.place) {
                    p
                } else {
                    op.place
                };
                cell.set(w, None);
                cell.set(sum, Some(latest));
            }
            _ => return None,
        },
        k @ (4 | 5) => {
            let kind = if k == 4 { Kind::List } else { Kind::Insert };
            if !op.supersedes.is_empty() || !cell.all(kind) || cell.get(op.word).is_some() {
                return None;
            }
            cell.set(op.word, Some(op.place));
        }
        _ => return None,
    }
    Some(())
}

/// What decides between concurrent operations: (clock, commit, leaf, operation).
fn rank(state: &State, place: Place) -> Option<(Hlc, CommitId, u32, u32)> {
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
    ) -> Result<Option<Cow<'_, (EntityId, Vec<Op>)>>, ReplicaError> {
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
fn facts_of(state: &State, all: &[Recorded]) -> (FxHashMap<Word, Place>, bool) {
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
                ))
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
fn long(
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
    new.into_iter()
        .for_each(|(v, p)| out.put(Fact { e, a, v }, p, true));
    let knot = waiting || !simple;
    knots.push((State::knot_key(e, a), knot.then_some(0)));
    Ok(())
}

/// An erasure of leaves of one entity: present ones go, absent ones are remembered.
fn erase(
    state: &mut State,
    reader: &Reader<'_>,
    e: Eid,
    entity: &EntityId,
    leaves: &[rhizome_tuple::LeafId],
    redo: &mut FxHashSet<(Eid, Aid)>,
    outcome: &mut Outcome,
) -> Result<(), ReplicaError> {
    let mut keys: Changes = Vec::new();
    for leaf in leaves {
        keys.push((State::erasure_key(entity, &leaf.0, leaf.1), Some(0)));
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
