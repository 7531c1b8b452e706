//! Facts that come and go, and the four indexes and the counts that follow them.

use super::{Changes, Outcome, settle};
use crate::{
    Aid, Eid, Fact, Word, key,
    state::{Place, State},
    tag,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Facts that change, before they go into the four indexes.
#[derive(Default)]
pub(super) struct FactChanges {
    eav: Changes,
    added: Vec<Fact>,
    removed: Vec<Fact>,
}

impl FactChanges {
    pub(super) fn put(&mut self, fact: Fact, place: Place, new: bool) {
        self.eav
            .push((key::eav(fact.e, fact.a, fact.v), Some(place.0)));
        if new {
            self.added.push(fact);
        }
    }
    pub(super) fn remove(&mut self, fact: Fact) {
        self.eav.push((key::eav(fact.e, fact.a, fact.v), None));
        self.removed.push(fact);
    }

    pub(super) fn apply(mut self, state: &mut State, outcome: &mut Outcome) {
        let (added, removed) = (
            std::mem::take(&mut self.added),
            std::mem::take(&mut self.removed),
        );
        count(state, &added, &removed);
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
}

/// Keeps the counts of distinct entities and values of each attribute. Looks at the indexes before the change.
fn count(state: &mut State, added: &[Fact], removed: &[Fact]) {
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
