//! The one intermediate form that Datalog and nested JSON queries become, and that one-shot and live evaluation run.
//!
//! **Stable**: live evaluation builds on these types. Names are resolved to [`Slot`]s of a scope (the query's own, or one per
//! rule branch), attributes to an index into [`Query::attributes`], constants to an index into [`Query::constants`]. Nothing here
//! depends on a pod: attribute numbers, interned words and statistics come in when a query is bound to a snapshot.
//!
//! What a body means: the set of all assignments of its scope's slots that make every clause true. `not` and `or` bodies share
//! their scope's slots; a variable that is local to such a body has a slot of its own that no clause outside mentions.
//! Non-recursive rules have been expanded in place, so [`Clause::Call`] is only found where recursion is (or where expansion would
//! exceed [`crate::Limits::clauses`]).

mod builtin;
mod lower;

pub use builtin::{Aggregate, Compare, Function};
pub(crate) use lower::{finish, infer_inside, lower, needs, slots_of};

use rhizome_tuple::Value;

use crate::error::Position;
use crate::pull;

/// A variable's place in the registers of its scope.
pub type Slot = u16;
/// Index into [`Query::attributes`].
pub type AttributeIndex = u16;
/// Index into [`Query::constants`].
pub type ConstantIndex = u16;
/// Index into [`Query::rules`].
pub type RuleIndex = u16;

/// A query ready to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Columns of the result.
    pub find: Vec<Element>,
    /// How the result is handed out.
    pub shape: Shape,
    /// Slots that keep rows apart before aggregation, besides those in `find`.
    pub with: Vec<Slot>,
    /// What the caller passes, in order.
    pub inputs: Vec<Input>,
    /// The clauses.
    pub body: Vec<Clause>,
    /// The query's variables by slot.
    pub variables: Vec<Variable>,
    /// Recursive rules.
    pub rules: Vec<Rule>,
    /// Names of all attributes that the query mentions.
    pub attributes: Vec<String>,
    /// All constants.
    pub constants: Vec<Constant>,
    /// Sorting.
    pub order: Vec<OrderKey>,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Rows skipped at the start.
    pub offset: u64,
}

/// A variable of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name as written, with the question mark; made-up ones start with `?#`.
    pub name: String,
    /// Where it is first used.
    pub at: Position,
    /// It only stands in attribute places and the result, so it may hold an attribute number instead of the attribute's name as text.
    pub attribute_only: bool,
}

/// How the result is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All rows.
    Relation,
    /// The first cell of the first row.
    Scalar,
    /// The first cell of every row.
    Collection,
    /// The first row.
    Tuple,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// A variable.
    Slot(Slot),
    /// An aggregate over the rows that agree in all plain columns.
    Aggregate(Aggregate, Slot),
    /// An entity with what is pulled of it.
    Pull(Slot, pull::Pattern),
}

impl Element {
    /// The slot it reads.
    pub fn slot(&self) -> Slot {
        match self {
            Self::Slot(s) | Self::Aggregate(_, s) | Self::Pull(s, _) => *s,
        }
    }
}

/// What the caller passes for one `:in` form. A slot of `None` is `_`.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// One value.
    Scalar(Option<Slot>),
    /// One tuple.
    Tuple(Vec<Option<Slot>>),
    /// Any number of values.
    Collection(Option<Slot>),
    /// Any number of tuples.
    Relation(Vec<Option<Slot>>),
    /// Rules: already part of the query, nothing to pass.
    Rules,
}

/// What stands in a place of a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// A variable.
    Slot(Slot),
    /// A constant.
    Constant(ConstantIndex),
    /// Anything.
    Blank,
}

/// What stands in the attribute place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeTerm {
    /// A named attribute.
    Named(AttributeIndex),
    /// A variable: its values are attribute names as text (see [`Variable::attribute_only`]).
    Slot(Slot),
    /// Anything.
    Blank,
}

/// A constant: usually one value. Text that reads as an entity id stands for the reference and for the text, and a JSON number
/// for an integer, a float and a time, so a constant matches whatever equals one of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// The values it equals.
    pub values: Vec<Value>,
}

/// A tuple pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Entity.
    pub entity: Term,
    /// Attribute.
    pub attribute: AttributeTerm,
    /// Value.
    pub value: Term,
}

/// A clause.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    /// There is such a tuple.
    Pattern(Pattern),
    /// The values compare so. All arguments must be bound.
    Compare {
        /// The comparison.
        compare: Compare,
        /// What is compared; [`Compare`] says how many there are.
        arguments: Vec<Term>,
    },
    /// The function has this result. All arguments must be bound; where the output is bound already, it must be equal.
    /// A function without a result for its arguments (a wrong type, division by zero, overflow) makes the clause false.
    Function {
        /// The function.
        function: Function,
        /// What it is given.
        arguments: Vec<Term>,
        /// Its result.
        output: Slot,
    },
    /// `get-else`: every value of the attribute, or the default if there is none. `missing?` is [`Clause::Not`] of a pattern.
    GetElse {
        /// The entity, bound.
        entity: Term,
        /// The attribute.
        attribute: AttributeIndex,
        /// The value if there is none.
        default: ConstantIndex,
        /// The value.
        output: Slot,
    },
    /// The slots have the values of one of these rows (`ground`).
    Rows {
        /// What each column is bound to or compared with.
        slots: Vec<Option<Slot>>,
        /// The rows, each as long as `slots`.
        rows: Vec<Vec<Value>>,
    },
    /// The body cannot be made true. Slots shared with clauses outside must be bound.
    Not {
        /// Slots that also stand outside, the ones to bind first.
        shared: Vec<Slot>,
        /// What must not hold.
        body: Vec<Clause>,
    },
    /// One of the branches holds.
    Or {
        /// Slots that must be bound before.
        required: Vec<Slot>,
        /// All slots that also stand outside; every branch binds each of them unless it is bound before.
        shared: Vec<Slot>,
        /// The branches.
        branches: Vec<Vec<Clause>>,
    },
    /// The rule holds for these arguments.
    Call {
        /// The rule.
        rule: RuleIndex,
        /// Its arguments.
        arguments: Vec<Term>,
    },
}

/// A rule with all its branches.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// How many arguments it has.
    pub arity: usize,
    /// Which arguments the caller must have bound.
    pub required: Vec<bool>,
    /// Rules of one component call each other; components are numbered so that callees come before callers.
    pub component: u16,
    /// It calls itself, directly or through others of its component.
    pub recursive: bool,
    /// The ways to satisfy it.
    pub branches: Vec<Branch>,
}

/// One way to satisfy a rule: a scope of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The slots of the arguments, all different.
    pub head: Vec<Slot>,
    /// What must hold.
    pub body: Vec<Clause>,
    /// The variables by slot.
    pub variables: Vec<Variable>,
}

/// Sorting by a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderKey {
    /// Index into [`Query::find`].
    pub column: usize,
    /// Largest first.
    pub descending: bool,
}
