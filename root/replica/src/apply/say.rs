//! Facts that are so because somebody else says so: no commit is behind them.

use super::{Changes, Outcome, facts::FactChanges, intern::Intern, settle};
use crate::{
    Aid, Eid, Fact, ReplicaError, Said, Spoken, Word,
    mirror::Orders,
    state::{Kind, Place, State},
};
use rustc_hash::FxHashSet;

/// Makes each of these entities have what is said of it, and nothing else.
pub(crate) fn say(
    state: &mut State,
    orders: &mut Orders,
    all: &[Said],
) -> Result<Outcome, ReplicaError> {
    let mut wanted: Vec<(Eid, FxHashSet<(Aid, Word)>)> = Vec::with_capacity(all.len());
    let mut lists: Vec<(Eid, Aid, Vec<Word>)> = Vec::new();
    let mut intern = Intern::new(state);
    for said in all {
        let known = intern.state.eid(&said.entity);
        if said.values.is_empty() && known.is_none() {
            continue;
        }
        let e = intern.entity(&said.entity)?;
        let mut facts = FxHashSet::default();
        for (attribute, spoken) in &said.values {
            let a = intern.attribute(attribute.as_str())?;
            let (Spoken::Values(values) | Spoken::List(values)) = spoken;
            let words = values
                .iter()
                .map(|v| intern.word(v))
                .collect::<Result<Vec<_>, _>>()?;
            facts.extend(words.iter().map(|w| (a, *w)));
            if matches!(spoken, Spoken::List(_)) {
                lists.push((e, a, words));
            }
        }
        wanted.push((e, facts));
    }
    let (mut text_ids, mut entity_ids) = (intern.text_ids, intern.entity_ids);
    settle(&mut text_ids);
    settle(&mut entity_ids);
    state.text_ids.apply(&text_ids);
    state.entity_ids.apply(&entity_ids);

    let mut outcome = Outcome::default();
    let mut facts = FactChanges::default();
    let mut order: Changes = Vec::new();
    let listed: FxHashSet<(Eid, Aid)> = lists.iter().map(|l| (l.0, l.1)).collect();
    // neither the commit nor the leaf is looked at
    let place = Place::new(Kind::Insert, 0, 0, 0);
    for (e, wanted) in &wanted {
        let e = *e;
        let own: FxHashSet<(Aid, Word)> = state.facts_of(e).map(|f| (f.a, f.v)).collect();
        for (a, v) in own.difference(wanted) {
            facts.remove(Fact { e, a: *a, v: *v });
        }
        for (a, v) in wanted.difference(&own) {
            facts.put(Fact { e, a: *a, v: *v }, place, true);
        }
        let before: FxHashSet<Aid> = own.iter().map(|(a, _)| *a).collect();
        for a in before {
            if !listed.contains(&(e, a)) && orders.tree.contains(State::knot_key(e, a)) {
                order.push((State::knot_key(e, a), None));
                outcome.lists.push((e, a));
            }
        }
    }
    for (e, a, words) in lists {
        if orders.get(e, a).as_deref() == Some(&words) {
            continue;
        }
        let number = orders.push(&words)?;
        order.push((State::knot_key(e, a), Some(u64::from(number))));
        outcome.lists.push((e, a));
    }
    settle(&mut order);
    orders.tree.apply(&order);
    facts.apply(state, &mut outcome);
    Ok(outcome)
}
