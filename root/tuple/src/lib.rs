#![doc = include_str!("../README.md")]

mod attribute;
mod commit;
mod entity;
mod error;
mod hlc;
mod leaf;
mod limits;
mod merkle;
mod op;
mod quote;
mod seal;
mod value;

pub use attribute::Attribute;
pub use commit::{Commit, CommitId, Head};
pub use entity::EntityId;
pub use error::TupleError;
pub use hlc::Hlc;
pub use leaf::{Leaf, flat};
pub use limits::{
    MAX_ATTRIBUTE_LEN, MAX_COMMIT_LEN, MAX_FRONTIER, MAX_LEAF_LEN, MAX_LEAVES, MAX_OPS_PER_LEAF,
    MAX_POSITION_LEN, MAX_SUPERSEDES, MAX_VALUE_LEN,
};
pub use merkle::{MerkleProof, leaf_hash, merkle_root};
pub use op::{LeafId, ListOp, Op, OpId};
pub use quote::Quote;
pub use seal::{EntityKey, EpochId, EpochSecret, LeafAddress, SealedLeaf};
pub use value::Value;
