//! What a set of commits means, computed naively: lists, maps and sorts, straight from the design, without any code of the replica.
//! Slow on purpose. Where this and the replica differ, one of them is wrong.

use rhizome_ipld::{PublicKey, codec};
use rhizome_replica::Voice;
use rhizome_tuple::{CommitId, EntityId, Hlc, LeafId, Op, OpId, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A commit as far as its leaves are known: `None` for one that cannot be read, or whose bytes nobody has.
#[derive(Clone)]
pub struct Known {
    pub id: CommitId,
    pub device: PublicKey,
    /// What of it has effect.
    pub voice: Voice,
    pub hlc: Hlc,
    pub leaves: Vec<Option<(EntityId, Vec<Op>)>>,
}

/// An attribute of an entity.
pub type Cell = (EntityId, String);

/// Who said something, when, and whether somebody answers for it.
pub type By = (PublicKey, Hlc, bool);

/// A leaf that is there.
struct There<'a> {
    id: LeafId,
    by: &'a Known,
    entity: EntityId,
    ops: &'a [Op],
}

/// An operation that is said or quoted.
struct Word<'a> {
    id: OpId,
    hlc: Hlc,
    author: PublicKey,
    op: &'a Op,
    rank: (bool, Hlc, LeafId, usize),
}

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
    pub history: BTreeMap<EntityId, Vec<(Hlc, OpId, Op)>>,
    /// Who said each tuple, when, and whether somebody answers for it.
    pub by: BTreeMap<(EntityId, String, Vec<u8>), By>,
    /// Operations that count because they are quoted.
    pub quoted: usize,
    /// Leaves that are there and were withdrawn.
    pub withdrawn: usize,
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
    let mut all: Vec<There<'_>> = Vec::new();
    for by in commits {
        for (i, leaf) in by.leaves.iter().enumerate() {
            if let Some((entity, ops)) = leaf {
                let id = LeafId(by.id, i as u32);
                let entity = *entity;
                all.push(There {
                    id,
                    by,
                    entity,
                    ops,
                });
            }
        }
    }
    // A set: what comes twice counts once.
    all.sort_by_key(|l| l.id);
    all.dedup_by_key(|l| l.id);

    // Erasure: the named leaves of the same entity, unless they erase something themselves. Guests erase nothing.
    let erases = |l: &There<'_>| {
        l.by.voice == Voice::Full && l.ops.iter().any(|op| matches!(op, Op::Erase { .. }))
    };
    let mut erased: BTreeSet<(EntityId, LeafId)> = BTreeSet::new();
    for l in all.iter().filter(|l| l.by.voice == Voice::Full) {
        for op in l.ops {
            if let Op::Erase { leaves } = op {
                erased.extend(leaves.iter().map(|id| (l.entity, *id)));
            }
        }
    }
    let mut out = Expected::default();
    all.retain(|l| {
        let gone = erased.contains(&(l.entity, l.id)) && !erases(l);
        if gone {
            out.erased.insert(l.id);
        }
        !gone
    });

    // Withdrawal, by leaves that are there: what the named leaves of the same entity say and quote has no effect.
    let mut withdrawn: BTreeSet<(EntityId, LeafId)> = BTreeSet::new();
    for l in all.iter().filter(|l| l.by.voice == Voice::Full) {
        for op in l.ops {
            if let Op::Withdraw { leaves } = op {
                withdrawn.extend(leaves.iter().map(|id| (l.entity, *id)));
            }
        }
    }

    // Every operation that is said or quoted, with its own id and clock. Of several that have one id a quote counts, the one
    // that was made last; guests quote nothing.
    let mut cells: BTreeMap<Cell, Vec<Word<'_>>> = BTreeMap::new();
    for l in &all {
        let mut count = 0;
        let silent = withdrawn.contains(&(l.entity, l.id));
        out.withdrawn += usize::from(silent);
        for (i, op) in l.ops.iter().enumerate() {
            let words: Vec<Word<'_>> = match op {
                Op::Quote(q) => q
                    .ops
                    .iter()
                    .enumerate()
                    .map(|(n, (place, op))| Word {
                        id: OpId(q.leaf.0, q.leaf.1, *place),
                        hlc: q.hlc,
                        author: q.author.unwrap_or(l.by.device),
                        op,
                        rank: (true, l.by.hlc, l.id, count + n),
                    })
                    .collect(),
                _ => vec![Word {
                    id: OpId(l.id.0, l.id.1, i as u32),
                    hlc: l.by.hlc,
                    author: l.by.device,
                    op,
                    rank: (false, l.by.hlc, l.id, i),
                }],
            };
            count += words.len();
            for word in words {
                let history = out.history.entry(l.entity).or_default();
                history.push((word.hlc, word.id, word.op.clone()));
                let quoted = word.rank.0;
                let source = (l.entity, LeafId(word.id.0, word.id.1));
                let void = silent
                    || if quoted {
                        l.by.voice < Voice::Full || erased.contains(&source)
                    } else {
                        l.by.voice == Voice::Silent
                    };
                if let (Some(attribute), false, false) = (
                    word.op.attribute(),
                    matches!(word.op, Op::Text { .. }),
                    void,
                ) {
                    let cell = (l.entity, attribute.to_string());
                    cells.entry(cell).or_default().push(word);
                }
            }
        }
    }
    let mut said: BTreeMap<Cell, BTreeMap<OpId, By>> = BTreeMap::new();
    let mut chosen: BTreeMap<Cell, Vec<(OpId, &Op)>> = BTreeMap::new();
    for (cell, mut words) in cells {
        words.sort_by_key(|w| (w.id, std::cmp::Reverse(w.rank)));
        words.dedup_by_key(|w| w.id);
        words.sort_by_key(|w| (w.hlc, w.id));
        for w in &words {
            out.quoted += usize::from(w.rank.0);
            let of = said.entry(cell.clone()).or_default();
            of.insert(w.id, (w.author, w.hlc, w.rank.0));
        }
        chosen.insert(cell, words.into_iter().map(|w| (w.id, w.op)).collect());
    }
    let cells = chosen;
    for history in out.history.values_mut() {
        history.sort_by_key(|h| (h.0, h.1, codec::encode(&h.2).unwrap()));
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
            let fact = (cell.0, cell.1.clone(), value);
            out.by.insert(fact.clone(), said[&cell][&id]);
            out.facts.insert(fact, id);
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
