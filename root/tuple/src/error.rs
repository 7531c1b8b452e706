use crate::limits::{MAX_ATTRIBUTE_LEN, MAX_LEAVES, MAX_OPS_PER_LEAF, MAX_VALUE_LEN};
use rhizome_ipld::codec::CodecError;

/// Why bytes are not a valid object of this crate, or why an object cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TupleError {
    /// An attribute name is empty, too long, or holds white space or control characters.
    #[error(
        "`{0}` is not an attribute name: use 1 to {MAX_ATTRIBUTE_LEN} bytes without spaces or control characters, such as `photo/album`"
    )]
    Attribute(String),
    /// Text that should be an entity id is not one.
    #[error("`{0}` is not an entity id: one is `rz:` and 39 characters of lower-case base32")]
    EntityId(String),
    /// A float is not a finite number.
    #[error("a float must be a finite number; {0} is not")]
    NotFinite(f64),
    /// A value is larger than a tuple may hold.
    #[error(
        "a value of {0} bytes is too large for a tuple (at most {MAX_VALUE_LEN}): store it as a blob and refer to it"
    )]
    ValueTooLarge(usize),
    /// A leaf has too many operations or bytes.
    #[error(
        "the operations on one entity are too many or too large for one leaf (at most {MAX_OPS_PER_LEAF} operations): split them over several commits"
    )]
    LeafTooLarge,
    /// A quote of nothing, of operations out of order, or of one that is no statement about the entity.
    #[error(
        "a quote holds other operations than those that say something of an entity, each once and in order"
    )]
    Quote,
    /// A leaf without operations says nothing.
    #[error("a leaf needs at least one operation")]
    EmptyLeaf,
    /// A commit has no leaf, or more than it may have.
    #[error("a commit holds 1 to {MAX_LEAVES} leaves, not {0}")]
    Leaves(usize),
    /// Leaves of a commit are not in strictly ascending order of entity.
    #[error("the leaves of a commit must be in strictly ascending order of entity")]
    LeafOrder,
    /// A header field is out of its range.
    #[error("the commit header is invalid: {0}")]
    Header(&'static str),
    /// Leaves do not hash to the root that was signed.
    #[error(
        "the leaves do not hash to the signed root: they were changed or are not of this commit"
    )]
    Root,
    /// A sealed leaf does not open with this key: another key, another place, or changed bytes.
    #[error(
        "the leaf cannot be opened: its bytes were changed, or this key or place is not its own"
    )]
    Seal,
    /// The bytes are not canonical DAG-CBOR of the expected shape.
    #[error(transparent)]
    Codec(#[from] CodecError),
}
