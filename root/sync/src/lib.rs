#![doc = include_str!("../README.md")]

mod chain;
mod data;
mod digest;
mod error;
pub mod limits;
mod message;
mod news;
mod session;
pub mod set;
mod store;
mod wire;

pub use chain::{Chain, ChainState, Run};
pub use digest::{Role, digest};
pub use error::SyncError;
pub use limits::Limits;
pub use message::{Message, VERSION};
pub use news::News;
pub use session::{Fork, Input, Learned, Local, Output, Progress, Session, Synced};
pub use store::{
    CertificateFate, Commit, CommitName, Fate, Lack, Leaf, Reading, Refusal, Store, StoreError,
};

/// The known answers of the specification.
#[cfg(test)]
fn answers() -> serde_json::Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/spec/vectors/sync.json"
    );
    let text = std::fs::read_to_string(path).expect("it is part of the tree");
    serde_json::from_str(&text).expect("JSON")
}

#[cfg(test)]
fn hex(json: &serde_json::Value) -> Vec<u8> {
    let text = json.as_str().expect("text").as_bytes();
    data_encoding::HEXLOWER.decode(text).expect("hexadecimal")
}
