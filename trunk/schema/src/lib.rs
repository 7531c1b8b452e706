//! Public schemas: what attributes mean, what they hold, how they merge.
//!
//! ```
//! use rhizome_schema::{Merge, Schemas};
//! use rhizome_tuple::Value;
//!
//! let schemas = Schemas::built_in();
//! assert_eq!(schemas.merge("social/tag"), Merge::Set);
//! assert_eq!(schemas.merge("anything/else"), Merge::Register);
//! schemas.check("social/audience", &Value::from("followers"))?;
//! assert!(schemas.check("social/audience", &Value::from("everyone")).is_err());
//! # Ok::<(), rhizome_schema::SchemaError>(())
//! ```
//!
//! The *operation* on a tuple carries how it merges; a schema only tells a writer which operation to use.

mod attribute;
mod declared;
mod document;
mod error;
mod merge;
mod schemas;
mod value_json;
mod value_type;

pub use attribute::AttributeSchema;
pub use declared::Declaration;
pub use document::{EntitySchema, MAX_ATTRIBUTES, MAX_DOCUMENT_LEN, Schema};
pub use error::SchemaError;
pub use merge::{Cardinality, Merge};
pub use schemas::Schemas;
pub use value_json::{ValueError, blob_cid, from_json, to_json};
pub use value_type::ValueType;

/// The example of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
