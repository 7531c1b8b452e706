//! How values and changes look as JSON, in the API and in `tx` files.

mod change;
mod value;

pub use change::{Change, ChangeError, ChangeKind, MAX_CHANGES, Subject, TxValue, parse_changes};
pub(crate) use value::blob as blob_cid;
pub use value::{ValueError, from_json, to_json};
