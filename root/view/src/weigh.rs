//! What guests say in a view, and what becomes of it in the pod.

use rhizome_ipld::PublicKey;
use rhizome_replica::{LeafBytes, Snapshot, Voice};
use rhizome_share::Predicate;
use rhizome_tuple::{Attribute, CommitId, EntityId, Hlc, Leaf, LeafId, Op, Quote, Value};
use std::collections::BTreeSet;

use crate::{ViewError, Why, is_private, is_reserved, matching::holds, project::quoted, values};

/// A commit of a guest that nobody has decided about.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Which.
    pub commit: CommitId,
    /// The key that signed it.
    pub author: PublicKey,
    /// When, by its clock.
    pub hlc: Hlc,
    /// What it says that has effect in the view, by place of the leaf.
    pub leaves: Vec<(u32, EntityId, Vec<Op>)>,
    /// Whether all of it can be read.
    pub whole: bool,
}

/// A guest who may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The guest's DID: what new entities are derived from.
    pub did: String,
}

/// What becomes of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It counts: what is to be written to the pod; nothing if it is there.
    Admit(Vec<Leaf>),
    /// It does not count.
    Refuse(Why),
}

/// The commits of guests from number `from` of the view's replica on that say something and are not settled, oldest first; and the number to go on from.
///
/// # Errors
/// Those of reading the log.
pub fn pending(view: &Snapshot, from: u32) -> Result<(Vec<Pending>, u32), ViewError> {
    let mut out = Vec::new();
    let end = view.commit_count();
    for number in from..end {
        let Some((link, true)) = view.link(number)? else {
            continue;
        };
        let voice = view.authors().get(&link.author).map(|s| s.voice);
        if voice != Some(Voice::Guest) {
            continue;
        }
        if let Some(one) = undecided(view, &link.id)? {
            out.push(one);
        }
    }
    out.sort_by_key(|p| (p.hlc, p.commit));
    Ok((out, end))
}

/// A guest's commit, if anything of it has effect.
fn undecided(view: &Snapshot, id: &CommitId) -> Result<Option<Pending>, ViewError> {
    let (Some((header, entities)), Some(record)) = (view.commit(id)?, view.record(id)?) else {
        return Ok(None);
    };
    let mut leaves = Vec::new();
    for entity in entities.iter().collect::<BTreeSet<_>>() {
        let Some(e) = view.eid(entity) else { continue };
        for leaf in view.leaves(e)? {
            let says = |op: &Op| !matches!(op, Op::Note { .. } | Op::Text { .. });
            if leaf.leaf.0 == *id && leaf.ops.iter().any(says) {
                leaves.push((leaf.leaf.1, *entity, leaf.ops));
            }
        }
    }
    if leaves.is_empty() {
        return Ok(None);
    }
    leaves.sort_by_key(|leaf| leaf.0);
    let there = record.leaves.iter();
    let there = there.filter(|l| matches!(l, LeafBytes::Sealed(_))).count();
    Ok(Some(Pending {
        commit: *id,
        author: header.device,
        hlc: header.hlc,
        leaves,
        whole: there == header.leaves as usize && entities.len() == there,
    }))
}

/// Decides about a commit by what the pod says now.
///
/// An entity of the pod has to match, and what decides that is left alone: so nobody draws an entity into what is shared with him. A new entity has to be
/// the guest's own by its id, and to match.
///
/// # Errors
/// Those of reading the log.
pub fn weigh(
    pod: &Snapshot,
    predicate: &Predicate,
    writer: Result<&Writer, Why>,
    pending: &Pending,
) -> Result<Verdict, ViewError> {
    let refuse = |why| Ok(Verdict::Refuse(why));
    let mut out = Vec::new();
    let mut there = 0;
    for (place, entity, _) in &pending.leaves {
        let said = pod.eid(entity).map(|e| pod.leaves(e)).transpose()?;
        let id = LeafId(pending.commit, *place);
        there += usize::from(quoted(&said.unwrap_or_default()).contains(&id));
    }
    if there == pending.leaves.len() {
        return Ok(Verdict::Admit(out));
    }
    if !pending.whole {
        return refuse(Why::Unreadable);
    }
    let writer = match writer {
        Ok(writer) => writer,
        Err(why) => return refuse(why),
    };
    let decides: BTreeSet<&Attribute> = predicate.conditions().iter().map(|(a, _)| *a).collect();
    let mut seen = BTreeSet::new();
    for (place, entity, ops) in &pending.leaves {
        // an author who keeps to no rule may speak of an entity in two leaves
        if !seen.insert(*entity) {
            return refuse(Why::Reserved);
        }
        let plain = |op: &Op| {
            !matches!(
                op,
                Op::Erase { .. } | Op::Quote(_) | Op::Withdraw { .. } | Op::Text { .. }
            ) && op
                .attribute()
                .is_none_or(|a| !is_reserved(a.as_str()) && !is_private(a.as_str()))
        };
        if !ops.iter().all(plain) {
            return refuse(Why::Reserved);
        }
        let now = pod.eid(entity).map(|e| values(pod, e)).unwrap_or_default();
        let unknown = match pod.eid(entity) {
            Some(e) => now.is_empty() && pod.leaves(e)?.is_empty(),
            None => true,
        };
        if unknown {
            if !makes(ops, entity, &writer.did) || !holds(predicate, &told(ops)) {
                return refuse(Why::NotNew);
            }
        } else if !holds(predicate, &now) {
            return refuse(Why::NotShared);
        } else if ops
            .iter()
            .filter_map(Op::attribute)
            .any(|a| decides.contains(a))
        {
            return refuse(Why::Decides);
        }
        let quote = Op::Quote(Quote {
            leaf: LeafId(pending.commit, *place),
            author: Some(pending.author),
            hlc: pending.hlc,
            ops: (0..)
                .zip(ops.iter().cloned())
                .filter(|(_, op)| !matches!(op, Op::Note { .. }))
                .collect(),
        });
        if Leaf::encode(std::slice::from_ref(&quote)).is_err() {
            return refuse(Why::TooLarge);
        }
        out.push(Leaf {
            entity: *entity,
            ops: vec![quote],
        });
    }
    out.sort_by_key(|leaf| leaf.entity);
    Ok(Verdict::Admit(out))
}

/// Whether these operations show that `did` made the entity.
fn makes(ops: &[Op], entity: &EntityId, did: &str) -> bool {
    let shows =
        |op: &Op| matches!(op, Op::Create { nonce } if EntityId::derive(did, nonce) == *entity);
    ops.iter().any(shows)
}

/// The values that operations alone give to a new entity.
fn told(ops: &[Op]) -> Vec<(Attribute, Value)> {
    let told = ops.iter().filter_map(|op| match op {
        Op::Assert {
            attribute, value, ..
        }
        | Op::Insert { attribute, value } => Some((attribute.clone(), value.clone())),
        Op::List(list) => Some((list.attribute.clone(), list.value.clone())),
        _ => None,
    });
    told.collect()
}
