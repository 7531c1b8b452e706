use crate::{
    EntityId, Op, Quote, TupleError,
    limits::{MAX_LEAF_LEN, MAX_OPS_PER_LEAF},
};
use rhizome_ipld::codec;

/// All operations of one commit on one entity.
///
/// Its plaintext is the DAG-CBOR array of the operations. The entity travels masked beside the ciphertext and is bound to it, see
/// [`crate::SealedLeaf`].
#[derive(Clone, PartialEq, Debug)]
pub struct Leaf {
    /// The entity.
    pub entity: EntityId,
    /// The operations: at least one, at most 65,536.
    pub ops: Vec<Op>,
}

impl Leaf {
    /// The plaintext of the operations.
    ///
    /// # Errors
    /// If there are no operations, too many, or one is out of bounds.
    pub fn encode(ops: &[Op]) -> Result<Vec<u8>, TupleError> {
        if ops.is_empty() {
            return Err(TupleError::EmptyLeaf);
        }
        if flat(ops).nth(MAX_OPS_PER_LEAF).is_some() {
            return Err(TupleError::LeafTooLarge);
        }
        ops.iter().try_for_each(Op::check)?;
        let bytes = codec::encode(&ops)?;
        if bytes.len() > MAX_LEAF_LEN {
            Err(TupleError::LeafTooLarge)
        } else {
            Ok(bytes)
        }
    }

    /// Reads operations back. A leaf whose plaintext is refused here is *void*: it stays in its commit, and has no effect on any
    /// replica, because the refusal depends on these bytes alone.
    ///
    /// # Errors
    /// If the bytes are not what [`Self::encode`] could have made.
    pub fn decode(plaintext: &[u8]) -> Result<Vec<Op>, TupleError> {
        let ops: Vec<Op> = codec::decode(plaintext, MAX_LEAF_LEN)?;
        if ops.is_empty() {
            return Err(TupleError::EmptyLeaf);
        }
        if flat(&ops).nth(MAX_OPS_PER_LEAF).is_some() {
            return Err(TupleError::LeafTooLarge);
        }
        ops.iter().try_for_each(Op::check)?;
        Ok(ops)
    }
}

/// The operations of a leaf one by one, those that it quotes each by itself: with the quote, and the place in the quoted leaf or in
/// this one.
pub fn flat(ops: &[Op]) -> impl Iterator<Item = (Option<&Quote>, u32, &Op)> {
    (0u32..).zip(ops).flat_map(|(place, op)| {
        let (quote, quoted) = match op {
            Op::Quote(quote) => (Some(quote), &quote.ops[..]),
            _ => (None, &[][..]),
        };
        let own = quote.is_none().then_some((None, place, op));
        own.into_iter()
            .chain(quoted.iter().map(move |(place, op)| (quote, *place, op)))
    })
}
