//! How values and changes look as JSON, in the API and in `tx` files.

mod change;

pub use change::{Change, ChangeError, ChangeKind, MAX_CHANGES, Subject, TxValue, parse_changes};
pub(crate) use rhizome_schema::blob_cid;
pub use rhizome_schema::{ValueError, from_json, to_json};
