//! The short way: what the current facts alone decide.

use super::{NewOp, facts::FactChanges, long::rank};
use crate::{
    Aid, Eid, Fact, Word, key,
    state::{Kind, Place, State},
    tag,
};
use rhizome_tuple::OpId;
use rustc_hash::FxHashSet;

/// The facts of one (entity, attribute) while a group of operations is played: a few, or a view of many.
pub(super) struct Cell<'s> {
    state: &'s State,
    e: Eid,
    a: Aid,
    /// Facts before the group, if they are few; otherwise looked up one by one.
    few: Option<Vec<(Word, Place)>>,
    many_kind: Option<u8>,
    overlay: Vec<(Word, Option<Place>)>,
    len: i64,
}

pub(super) const FEW: u64 = 64;

impl<'s> Cell<'s> {
    pub(super) fn new(state: &'s State, e: Eid, a: Aid, new_entity: bool) -> Self {
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
    pub(super) fn before(&self, w: Word) -> Option<Place> {
        match &self.few {
            Some(f) => f.binary_search_by_key(&w, |x| x.0).ok().map(|i| f[i].1),
            None => self.state.eav.get(key::eav(self.e, self.a, w)).map(Place),
        }
    }
    pub(super) fn get(&self, w: Word) -> Option<Place> {
        match self.overlay.iter().rev().find(|x| x.0 == w) {
            Some((_, p)) => *p,
            None => self.before(w),
        }
    }
    pub(super) fn set(&mut self, w: Word, p: Option<Place>) {
        self.len += i64::from(p.is_some()) - i64::from(self.get(w).is_some());
        match self.overlay.iter_mut().rev().find(|x| x.0 == w) {
            Some(x) => x.1 = p,
            None => self.overlay.push((w, p)),
        }
    }
    /// The only fact, if there is exactly one.
    pub(super) fn sole(&self) -> Option<(Word, Place)> {
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
    pub(super) fn all(&self, kind: Kind) -> bool {
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
pub(super) fn short(
    state: &State,
    group: &[NewOp<'_>],
    new_entity: bool,
    facts: &mut FactChanges,
) -> bool {
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
pub(super) fn fresh_members(group: &[NewOp<'_>], cell: &Cell<'_>) -> bool {
    let mut seen = FxHashSet::default();
    cell.all(Kind::Insert)
        && group.iter().all(|o| {
            o.place.kind() == Kind::Insert as u8
                && seen.insert(o.word)
                && cell.before(o.word).is_none()
        })
}

pub(super) fn play(cell: &mut Cell<'_>, op: &NewOp<'_>) -> Option<()> {
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
            for w in found {
                cell.set(w, None);
            }
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
