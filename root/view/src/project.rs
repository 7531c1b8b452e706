//! What a view says of an entity of the pod.

use rhizome_replica::{SaidLeaf, SaidOp, Snapshot, Voice};
use rhizome_share::Predicate;
use rhizome_tuple::{EntityId, Leaf, LeafId, MAX_SUPERSEDES, Op, OpId, Quote, flat};
use std::collections::{BTreeMap, BTreeSet};

use crate::{ViewError, is_private, matches};

/// What is to be written to the view so that it says of `entity` what the pod says: everything behind its current tuples if it matches, nothing otherwise.
/// `None` if it does already. What guests said there and the pod has by now is withdrawn, as it is quoted. What another of the owner's devices quoted of commits that
/// have not come here stays.
///
/// # Errors
/// Those of reading the logs.
pub fn project(
    pod: &Snapshot,
    view: &Snapshot,
    predicate: &Predicate,
    entity: &EntityId,
) -> Result<Option<Leaf>, ViewError> {
    let own = pod.eid(entity);
    let wanted: Vec<SaidOp> = match own {
        Some(e) if matches(pod, predicate, entity) => {
            let mut live = pod.live(e)?;
            live.retain(|said| !said.op.attribute().is_some_and(|a| is_private(a.as_str())));
            live
        }
        _ => Vec::new(),
    };
    let ids: BTreeSet<OpId> = wanted.iter().map(|said| said.id).collect();
    let quoted_here = quoted(&own.map(|e| pod.leaves(e)).transpose()?.unwrap_or_default());
    let there = view.eid(entity).map(|e| view.leaves(e)).transpose()?;
    let mut gone: Vec<LeafId> = Vec::new();
    let mut kept: BTreeSet<OpId> = BTreeSet::new();
    for leaf in there.unwrap_or_default() {
        if leaf.voice < Voice::Full {
            if quoted_here.contains(&leaf.leaf) {
                gone.push(leaf.leaf);
            }
            continue;
        }
        let said: Vec<OpId> = flat(&leaf.ops)
            .filter_map(|(quote, place, _)| {
                let LeafId(commit, index) = quote?.leaf;
                Some(OpId(commit, index, place))
            })
            .collect();
        let over = said.iter().any(|id| {
            let leaf = LeafId(id.0, id.1);
            let known =
                pod.holds(&id.0) || quoted_here.contains(&leaf) || pod.forgets(entity, &leaf);
            known && !ids.contains(id)
        });
        if over {
            gone.push(leaf.leaf);
        } else {
            kept.extend(said);
        }
    }
    let mut ops: Vec<Op> = gone
        .chunks(MAX_SUPERSEDES)
        .map(|leaves| Op::Withdraw {
            leaves: leaves.to_vec(),
        })
        .collect();
    let mut quotes: BTreeMap<LeafId, Quote> = BTreeMap::new();
    for said in wanted {
        if kept.contains(&said.id) {
            continue;
        }
        let OpId(commit, index, place) = said.id;
        let leaf = LeafId(commit, index);
        let quote = quotes.entry(leaf).or_insert_with(|| Quote {
            leaf,
            // which of the owner's keys it was is the owner's business
            author: said.quoted.map(|_| said.author),
            hlc: said.hlc,
            ops: Vec::new(),
        });
        quote.ops.push((place, said.op));
    }
    ops.extend(quotes.into_values().map(Op::Quote));
    Ok((!ops.is_empty()).then_some(Leaf {
        entity: *entity,
        ops,
    }))
}

/// The leaves that these quote.
pub(crate) fn quoted(leaves: &[SaidLeaf]) -> BTreeSet<LeafId> {
    let full = leaves.iter().filter(|leaf| leaf.voice == Voice::Full);
    let quotes = full.flat_map(|leaf| &leaf.ops).filter_map(|op| match op {
        Op::Quote(quote) => Some(quote.leaf),
        _ => None,
    });
    quotes.collect()
}
