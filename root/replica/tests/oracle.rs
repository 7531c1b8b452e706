//! What a set of commits means, computed naively: lists, maps and sorts, straight from the design, without any code of the replica.
//! Slow on purpose. Where this and the replica differ, one of them is wrong.

use rhizome_ipld::codec;
use rhizome_tuple::{CommitId, EntityId, Hlc, LeafId, Op, OpId, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A commit as far as its leaves are known: `None` for one that cannot be read, or whose bytes nobody has.
#[derive(Clone)]
pub struct Known {
    pub id: CommitId,
    pub hlc: Hlc,
    pub leaves: Vec<Option<(EntityId, Vec<Op>)>>,
}

/// An attribute of an entity.
pub type Cell = (EntityId, String);

/// What is to be seen.
#[derive(Default, PartialEq, Debug)]
pub struct Expected {
    /// Every tuple, its value as canonical bytes, with the operation that stands for it.
    pub facts: BTreeMap<(EntityId, String, Vec<u8>), OpId>,
    /// Assertions that stand side by side, the shown one last.
    pub conflicts: BTreeMap<Cell, Vec<(Vec<u8>, OpId)>>,
    /// Elements of lists in order.
    pub lists: BTreeMap<Cell, Vec<Vec<u8>>>,
    /// What happened to each entity, oldest first.
    pub history: BTreeMap<EntityId, Vec<(OpId, Op)>>,
    /// Leaves that were forgotten.
    pub erased: BTreeSet<LeafId>,
    /// Attributes on which different kinds of operation live side by side.
    pub mixed: usize,
    /// Attributes with an operation that supersedes something that is not there.
    pub waiting: usize,
}

fn bytes(value: &Value) -> Vec<u8> {
    codec::encode(value).unwrap()
}

pub fn expected(commits: &[Known]) -> Expected {
    let mut all: Vec<(LeafId, Hlc, EntityId, &[Op])> = Vec::new();
    for commit in commits {
        for (i, leaf) in commit.leaves.iter().enumerate() {
            if let Some((entity, ops)) = leaf {
                all.push((LeafId(commit.id, i as u32), commit.hlc, *entity, ops));
            }
        }
    }
    // A set: what comes twice counts once.
    all.sort_by_key(|l| l.0);
    all.dedup_by_key(|l| l.0);

    // Erasure: the named leaves of the same entity, unless they erase something themselves.
    let erasures = |ops: &[Op]| ops.iter().any(|op| matches!(op, Op::Erase { .. }));
    let mut named: BTreeSet<(EntityId, LeafId)> = BTreeSet::new();
    for (_, _, entity, ops) in &all {
        for op in *ops {
            if let Op::Erase { leaves } = op {
                named.extend(leaves.iter().map(|l| (*entity, *l)));
            }
        }
    }
    let mut out = Expected::default();
    all.retain(|(id, _, entity, ops)| {
        let gone = named.contains(&(*entity, *id)) && !erasures(ops);
        if gone {
            out.erased.insert(*id);
        }
        !gone
    });

    // Operations by what they are about, in order of (clock, commit, leaf, operation).
    all.sort_by_key(|l| (l.1, l.0));
    let mut cells: BTreeMap<Cell, Vec<(OpId, &Op)>> = BTreeMap::new();
    for (leaf, _, entity, ops) in all {
        for (i, op) in ops.iter().enumerate() {
            let id = OpId(leaf.0, leaf.1, i as u32);
            out.history
                .entry(entity)
                .or_default()
                .push((id, op.clone()));
            if let (Some(attribute), false) = (op.attribute(), matches!(op, Op::Text { .. })) {
                cells
                    .entry((entity, attribute.to_string()))
                    .or_default()
                    .push((id, op));
            }
        }
    }
    for (cell, ops) in cells {
        let dead: BTreeSet<OpId> = ops
            .iter()
            .flat_map(|o| o.1.supersedes().iter().copied())
            .collect();
        let there: BTreeSet<OpId> = ops.iter().map(|o| o.0).collect();
        out.waiting += usize::from(!dead.is_subset(&there));
        let live: Vec<_> = ops.into_iter().filter(|o| !dead.contains(&o.0)).collect();

        // The greatest assertion, the sum of the additions, all members, all elements; each value stands with the greatest of
        // the operations that make it.
        let (mut assertions, mut elements, mut yields) = (Vec::new(), Vec::new(), Vec::new());
        let mut sum: Option<(i64, OpId)> = None;
        let mut kinds = HashSet::new();
        for (rank, (id, op)) in live.iter().enumerate() {
            match op {
                Op::Assert { value, .. } => assertions.push((bytes(value), *id, rank)),
                Op::Add { n, .. } => sum = Some((sum.map_or(0, |s| s.0).wrapping_add(*n), *id)),
                Op::Insert { value, .. } => yields.push((rank, bytes(value), *id)),
                Op::List(l) => {
                    elements.push((l.position.clone(), *id, bytes(&l.value)));
                    yields.push((rank, bytes(&l.value), *id));
                }
                _ => continue,
            }
            kinds.insert(std::mem::discriminant(*op));
        }
        if let Some((value, id, rank)) = assertions.last() {
            yields.push((*rank, value.clone(), *id));
        }
        if let Some((n, id)) = sum {
            let rank = live.iter().position(|o| o.0 == id).unwrap();
            yields.push((rank, bytes(&Value::Integer(n)), id));
        }
        yields.sort();
        for (_, value, id) in yields {
            out.facts.insert((cell.0, cell.1.clone(), value), id);
        }
        out.mixed += usize::from(kinds.len() > 1);
        if assertions.len() > 1 {
            out.conflicts.insert(
                cell.clone(),
                assertions.into_iter().map(|a| (a.0, a.1)).collect(),
            );
        }
        if !elements.is_empty() {
            elements.sort();
            out.lists
                .insert(cell, elements.into_iter().map(|e| e.2).collect());
        }
    }
    out
}

impl Expected {
    /// The tuples as the replica's canonical lines.
    pub fn canonical(&self) -> Vec<Vec<u8>> {
        let line = |(entity, attribute, value): &(EntityId, String, Vec<u8>)| {
            let value: Value = codec::decode(value, value.len()).unwrap();
            codec::encode(&(entity, attribute, value)).unwrap()
        };
        let mut lines: Vec<_> = self.facts.keys().map(line).collect();
        lines.sort();
        lines
    }
}
