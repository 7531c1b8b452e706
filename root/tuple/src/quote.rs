use crate::{Hlc, LeafId, Op, OpId, TupleError, limits::MAX_OPS_PER_LEAF};
use rhizome_ipld::PublicKey;
use serde::{Serialize, Serializer};

/// Operations of a leaf of another commit, said again by somebody who answers for them: their ids, clock and author are those of that
/// commit, which need not be here.
#[derive(Clone, PartialEq, Debug)]
pub struct Quote {
    /// The leaf, which is about the same entity.
    pub leaf: LeafId,
    /// The key that signed its commit; none if it was one of those in whose name the quote is made.
    pub author: Option<PublicKey>,
    /// The clock of its commit.
    pub hlc: Hlc,
    /// Operations with their places in the leaf, ascending; none that quotes, withdraws or erases.
    pub ops: Vec<(u32, Op)>,
}

impl Quote {
    /// The quoted operations under their own names.
    pub fn ops(&self) -> impl Iterator<Item = (OpId, &Op)> {
        let LeafId(commit, leaf) = self.leaf;
        let ops = self.ops.iter();
        ops.map(move |(place, op)| (OpId(commit, leaf, *place), op))
    }

    pub(crate) fn check(&self) -> Result<(), TupleError> {
        let places = self.ops.iter().map(|(place, _)| *place);
        let within = places.clone().all(|p| (p as usize) < MAX_OPS_PER_LEAF);
        let plain = |op: &Op| {
            !matches!(
                op,
                Op::Erase { .. }
                    | Op::Quote(_)
                    | Op::Withdraw { .. }
                    | Op::Text { .. }
                    | Op::Note { .. }
            )
        };
        if self.ops.is_empty() || !within || !places.is_sorted_by(|a, b| a < b) {
            return Err(TupleError::Quote);
        }
        self.ops.iter().try_for_each(|(_, op)| {
            if plain(op) {
                op.check()
            } else {
                Err(TupleError::Quote)
            }
        })
    }
}

type Wire<C, A, H, O> = (u8, C, u32, A, H, O);

impl Serialize for Quote {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let LeafId(commit, leaf) = &self.leaf;
        let wire: Wire<_, _, _, _> = (8, commit, *leaf, &self.author, &self.hlc, &self.ops);
        wire.serialize(s)
    }
}
