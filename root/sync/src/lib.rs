#![doc = include_str!("../README.md")]

mod chain;
mod data;
mod digest;
mod error;
pub mod limits;
mod message;
mod session;
pub mod set;
mod store;
mod wire;

pub use chain::{Chain, ChainState, Run};
pub use digest::{Role, digest};
pub use error::SyncError;
pub use limits::Limits;
pub use message::{Message, VERSION};
pub use session::{Fork, Input, Learned, Local, Output, Progress, Session, Synced};
pub use store::{
    CertificateFate, Commit, CommitName, Fate, Lack, Leaf, Reading, Refusal, Store, StoreError,
};
