//! Live queries: results that follow the pod.
//!
//! A [`LiveSet`] keeps the results of any number of queries up to date with every [`Change`] of a replica and says, row by row, what
//! became different. A commit costs in proportion to what it changes: neither the size of the results nor that of the pod matters,
//! nor how many other queries there are.
//!
//! ```
//! use rhizome_query::{LiveLimits, LiveSet, Prepared, Update};
//! # use rhizome_replica::{Change, Snapshot};
//! # use rhizome_tuple::{EntityId, Value};
//! # fn snapshot(names: &[&str]) -> Snapshot {
//! #     let one = |n: &&str| (EntityId::derive("did:example", n.as_bytes()), "name", Value::from(*n));
//! #     Snapshot::from_facts(names.iter().map(one)).unwrap()
//! # }
//! # let (before, after) = (snapshot(&["Ada"]), snapshot(&["Ada", "Grace"]));
//! # // a change whose facts are not known: results are computed anew and compared
//! # let change = Change { before: before.clone(), after, added: vec![], removed: vec![], lists: vec![], reset: true };
//! let mut live = LiveSet::new(&before, LiveLimits::default());
//! let names = Prepared::new("[:find ?name :where [_ :name ?name] :order ?name]")?;
//! let subscribed = live.subscribe(&names, &[])?;
//! assert_eq!(subscribed.rows.len(), 1);
//!
//! for (subscription, update) in live.apply(&change) {
//!     assert_eq!(subscription, subscribed.id);
//!     let Update::Rows(diff) = update else { panic!() };
//!     assert_eq!(diff.added[0].json(0), "Grace");
//!     assert_eq!(diff.added[0].index(), Some(1));
//! }
//! # Ok::<(), rhizome_query::QueryError>(())
//! ```
//!
//! How: queries that differ only in constants and inputs share one template, in which the constants are a relation like any other
//! (`given`). A changed fact finds the literals it can match by attribute and constant (`dispatch`), and the rest of the query is
//! solved from there through the indexes, smallest first (`solve`, `delta`). What rules derive is kept and maintained
//! (`derive`). Rows then pass through groups, order and window (`result`). A nested query is a result for each of its namespaces, whose
//! rows are entities; the object of each is made again when something that was read for it changes (`nested`).

mod adopt;
mod change;
mod compile;
mod delta;
mod derive;
mod diff;
mod dispatch;
mod engine;
mod form;
mod given;
mod group;
mod instance;
mod limits;
mod nested;
mod objects;
mod renew;
mod result;
mod set;
mod solve;
mod source;
mod state;
mod strategy;
mod template;

pub use diff::{Diff, Row, RowId, SubscriptionId, Update};
pub use limits::LiveLimits;
pub use objects::{NestedUpdate, Object, ObjectsDiff, SubscribedObjects};
pub use set::{LiveSet, Subscribed};
pub use strategy::Strategy;

#[cfg(doc)]
use rhizome_replica::Change;
