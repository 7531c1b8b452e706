//! A second evaluator of Datalog, written from the meaning of the language with nested loops and nothing else: no indexes, no plan, no
//! intermediate form. It reads the same syntax tree as the engine.

mod aggregate;
mod call;
mod eval;
mod value;

pub use eval::evaluate;
pub use value::{V, select};

use std::collections::{BTreeMap, BTreeSet};

/// A tuple: entity, attribute, value.
pub type Fact = (V, String, V);
/// What variables stand for.
pub type Binding = BTreeMap<String, V>;
/// The tuples that satisfy each rule.
pub type Relations = BTreeMap<String, BTreeSet<Vec<V>>>;

/// More intermediate bindings than a test should wait for.
#[derive(Debug)]
pub struct TooMuch;
