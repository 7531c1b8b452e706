//! A table in SQLite or PostgreSQL that mirrors a live query, so that other tools can use the data.
//!
//! [`Mirror`] is told of a live result ([`News`]) and keeps one table equal to it: each piece of news is one transaction, and after
//! anything that may have been missed (a start, a lost connection) the whole result is compared with what the table holds, row by row,
//! and only the difference is written. Nobody who reads the table ever sees half of a change, or an empty table.
//!
//! ```
//! use rhizome_sql::{Mirror, News, Plan, Row, Target};
//! use serde_json::json;
//!
//! # let dir = tempfile::tempdir()?;
//! let target: Target = format!("sqlite:{}", dir.path().join("out.db").display()).parse()?;
//! let mut mirror = Mirror::new(target, "posts", "[:find ?p ?text :where [?p :social/text ?text]]", Plan::Rows)?;
//! mirror.take(News::Whole {
//!     columns: vec!["?p".into(), "?text".into()],
//!     rows: vec![Row { key: "1".into(), cells: vec![json!("rz:1"), json!("hello")] }],
//! });
//! let written = mirror.write()?;
//! assert_eq!((written.added, written.changed, written.removed), (1, 0, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It does not: keep the order of a result (a table has none), read anything back into the pod, or follow the query itself, which is the
//! caller's part. `docs/sql.md` says how values become columns.

mod cell;
mod columns;
mod error;
#[cfg(all(unix, feature = "fixture"))]
pub mod fixture;
mod keys;
mod mirror;
mod names;
mod postgres;
mod sqlite;
mod store;
mod target;

pub use cell::{Cell, Kind};
pub use error::SqlError;
pub use mirror::{Mirror, News, Plan, Row, Written};
pub use target::Target;

/// The example of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
