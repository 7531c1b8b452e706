//! Every bound of the format has a name. A sender that exceeds one gets a [`crate::TupleError`]; a received object that
//! exceeds one is refused before anything is allocated for it.

/// Bytes of an attribute name in UTF-8.
pub const MAX_ATTRIBUTE_LEN: usize = 255;
/// Bytes of one text or byte-string value; larger content belongs in a blob.
pub const MAX_VALUE_LEN: usize = 1 << 20;
/// Bytes of one leaf before sealing.
pub const MAX_LEAF_LEN: usize = 4 << 20;
/// Operations in one leaf.
pub const MAX_OPS_PER_LEAF: usize = 1 << 16;
/// Leaves in one commit.
pub const MAX_LEAVES: usize = 1 << 16;
/// Bytes of a commit header, signature excluded.
pub const MAX_COMMIT_LEN: usize = 64 << 10;
/// Heads of other chains that one commit may name.
pub const MAX_FRONTIER: usize = 512;
/// Operations that one operation may supersede.
pub const MAX_SUPERSEDES: usize = 4096;
/// Bytes of a list position (a fraction, see [`crate::ListOp`]).
pub const MAX_POSITION_LEN: usize = 1024;
