//! What the conditions of a level below the top look at, for one parent.

use std::collections::BTreeSet;

use rhizome_replica::{Eid, Snapshot, Word, key};

use crate::ir::{AttributeTerm, Clause, Pattern, Query, Slot, Term};
use crate::pull::Read;

/// Tells `note` what the query of a level reads for a parent, and somewhat more: every entity at the end of a path is followed,
/// whether the conditions before it hold or not.
pub fn neighbours(query: &Query, parent: Eid, snapshot: &Snapshot, note: &mut dyn FnMut(Read)) {
    let mut patterns = Vec::new();
    collect(&query.body, &mut patterns);
    let mut known: Vec<Option<BTreeSet<Eid>>> = vec![None; query.variables.len()];
    for input in &query.inputs {
        if let crate::ir::Input::Scalar(Some(slot)) = input {
            known[usize::from(*slot)] = Some(BTreeSet::from([parent]));
        }
    }
    // each round follows every pattern that has become reachable
    loop {
        let before = patterns.len();
        patterns.retain(|p| !follow(p, query, snapshot, &mut known, note));
        if patterns.is_empty() || patterns.len() == before {
            break;
        }
    }
    // what orders the entities
    for e in known.first().into_iter().flatten().flatten() {
        note(Read::Entity(*e));
    }
}

fn collect<'q>(body: &'q [Clause], out: &mut Vec<&'q Pattern>) {
    for clause in body {
        match clause {
            Clause::Pattern(p) => out.push(p),
            Clause::Not { body, .. } => collect(body, out),
            Clause::Or { branches, .. } => branches.iter().for_each(|b| collect(b, out)),
            _ => {}
        }
    }
}

fn slot(term: Term) -> Option<Slot> {
    match term {
        Term::Slot(s) => Some(s),
        Term::Constant(_) | Term::Blank => None,
    }
}

/// Follows a pattern from its known end. False if neither end is known yet.
fn follow(
    p: &Pattern,
    query: &Query,
    snapshot: &Snapshot,
    known: &mut [Option<BTreeSet<Eid>>],
    note: &mut dyn FnMut(Read),
) -> bool {
    let of = |term: Term| slot(term).and_then(|s| known[usize::from(s)].clone());
    let aid = match p.attribute {
        AttributeTerm::Named(a) => snapshot.aid(&query.attributes[usize::from(a)]),
        AttributeTerm::Slot(_) | AttributeTerm::Blank => None,
    };
    let mut found = BTreeSet::new();
    let end = if let Some(entities) = of(p.entity) {
        for e in entities {
            note(Read::Entity(e));
            if let Some(a) = aid {
                let (lo, hi) = key::eav_ea(e, a);
                let values = snapshot.eav().range(lo, hi).map(|k| key::un_eav(k).v);
                found.extend(values.filter_map(Word::as_eid));
            }
        }
        p.value
    } else if let Some(values) = of(p.value) {
        for e in values {
            note(Read::Referrers(e));
            if let Some(a) = aid {
                let (lo, hi) = key::vae_va(e, a);
                found.extend(snapshot.vae().range(lo, hi).map(|k| key::un_vae(k).e));
            }
        }
        p.entity
    } else {
        return false;
    };
    if let Some(s) = slot(end) {
        known[usize::from(s)].get_or_insert_default().extend(found);
    }
    true
}
