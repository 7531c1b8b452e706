//! What was said of an entity, as operations: for whoever says it again elsewhere.

use rhizome_ipld::PublicKey;
use rhizome_tuple::{CommitId, Hlc, LeafId, Op, OpId, flat};
use rustc_hash::FxHashMap;

use crate::{
    Eid, ReplicaError, Snapshot, Voice,
    apply::{Heard, Reader, heard, recorded},
};

/// A leaf that has effect.
#[derive(Clone, PartialEq, Debug)]
pub struct SaidLeaf {
    /// Which.
    pub leaf: LeafId,
    /// The key that signed its commit.
    pub author: PublicKey,
    /// Which of its operations have effect.
    pub voice: Voice,
    /// The clock of its commit.
    pub hlc: Hlc,
    /// The operations.
    pub ops: Vec<Op>,
}

/// An operation that has effect and that nobody superseded.
#[derive(Clone, PartialEq, Debug)]
pub struct SaidOp {
    /// Which.
    pub id: OpId,
    /// Who said it first.
    pub author: PublicKey,
    /// When, by the author's clock.
    pub hlc: Hlc,
    /// What.
    pub op: Op,
    /// The commit that quotes it, if that is why it counts.
    pub quoted: Option<CommitId>,
}

impl Snapshot {
    fn heard(&self, e: Eid) -> Result<Vec<Heard>, ReplicaError> {
        heard(self.state(), &self.reader(&FxHashMap::default()), e)
    }

    fn reader<'r>(&'r self, fresh: &'r FxHashMap<u32, usize>) -> Reader<'r> {
        Reader {
            log: &self.0.log,
            batch: &[],
            first: u32::MAX,
            fresh,
        }
    }

    /// The leaves about an entity that have effect: not void, erased or withdrawn. In order of arrival.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn leaves(&self, e: Eid) -> Result<Vec<SaidLeaf>, ReplicaError> {
        let said = |h: Heard| {
            let author = self.state().devices.get(h.meta.device as usize);
            Ok(SaidLeaf {
                leaf: LeafId(h.meta.id, h.index),
                author: *author.ok_or(ReplicaError::Corrupt("a commit without an author"))?,
                voice: h.voice,
                hlc: h.meta.hlc,
                ops: h.ops,
            })
        };
        self.heard(e)?.into_iter().map(said).collect()
    }

    /// The operations on an entity behind its tuples, and those that show who made it; not those that only take back. In ascending order of
    /// their ids, each once.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn live(&self, e: Eid) -> Result<Vec<SaidOp>, ReplicaError> {
        let fresh = FxHashMap::default();
        let (all, _) = recorded(self.state(), &self.reader(&fresh), e, None)?;
        let live: FxHashMap<OpId, bool> = all
            .iter()
            .map(|r| (r.id, r.live && !matches!(r.op, Op::Retract { .. })))
            .collect();
        let mut out: Vec<SaidOp> = Vec::new();
        for leaf in self.leaves(e)? {
            for (quote, place, op) in flat(&leaf.ops) {
                let heard = if quote.is_some() {
                    leaf.voice == Voice::Full
                } else {
                    leaf.voice > Voice::Silent
                };
                if !heard {
                    continue;
                }
                let LeafId(commit, index) = quote.map_or(leaf.leaf, |q| q.leaf);
                let id = OpId(commit, index, place);
                let shown = matches!(op, Op::Create { .. }) || live.get(&id) == Some(&true);
                if shown {
                    out.push(SaidOp {
                        id,
                        author: quote.and_then(|q| q.author).unwrap_or(leaf.author),
                        hlc: quote.map_or(leaf.hlc, |q| q.hlc),
                        op: op.clone(),
                        quoted: quote.map(|_| leaf.leaf.0),
                    });
                }
            }
        }
        // what was quoted says who answers for it
        out.sort_by_key(|o| (o.id, o.quoted.is_none(), o.quoted.map(|c| c.0)));
        out.dedup_by_key(|o| o.id);
        Ok(out)
    }
}
