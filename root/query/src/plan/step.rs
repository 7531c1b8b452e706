//! What the executor runs: a flat list of steps over registers.
//!
//! Every step works on a row of registers: it tests them, or it binds some of them once for each way to do so and runs the steps
//! after it each time. Which registers are bound where is known when the steps are made, so a row carries no flags.

use crate::ir::{AttributeIndex, Compare, ConstantIndex, Function, Slot};
use rhizome_tuple::Value;

/// A place in the row: the slots of the query, then constants and what rules need.
pub type Register = u16;

/// Which attribute a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A named one.
    Named(AttributeIndex),
    /// The one whose name (or number) a bound register holds.
    Bound(Register),
}

/// Where a step puts an attribute that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeOut {
    /// The register.
    pub register: Register,
    /// As number instead of as text, see [`crate::ir::Variable::attribute_only`].
    pub number: bool,
}

/// What a step does with a place of a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Blank,
    /// Compares it with a bound register.
    Equal(Register),
    /// Binds it.
    Bind(Register),
}

/// The order in which a scan of an attribute goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOrder {
    /// By entity.
    Entity,
    /// By value, smallest first.
    Ascending,
    /// By value, largest first.
    Descending,
}

/// A bound on the values of a scan; the comparison itself stays in the plan, this only skips what cannot pass it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// `<`, `<=`, `>`, `>=`, `=` or `starts-with?`, value first.
    pub compare: Compare,
    /// What the value is compared with.
    pub with: Register,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Binds each value of an attribute of an entity; without `v`, tests that there is one.
    Values {
        e: Register,
        a: Attribute,
        v: Option<Register>,
    },
    /// Binds each entity with a value of an attribute; without `e`, tests that there is one.
    Entities {
        a: Attribute,
        v: Register,
        e: Option<Register>,
    },
    /// Tests a tuple; `filter` numbers these steps.
    Tuple {
        e: Register,
        a: Attribute,
        v: Register,
        filter: u16,
    },
    /// Binds each tuple of an attribute; a blank place is visited once for each different other place.
    Scan {
        a: Attribute,
        e: Option<Register>,
        v: Option<Register>,
        order: ScanOrder,
        bounds: Box<[Bound]>,
    },
    /// Binds attributes and values of an entity.
    OfEntity {
        e: Register,
        a: Option<AttributeOut>,
        v: Place,
    },
    /// Binds entities and attributes that have a value.
    OfValue {
        v: Register,
        e: Place,
        a: Option<AttributeOut>,
    },
    /// Binds all tuples.
    All {
        e: Place,
        a: Option<AttributeOut>,
        v: Place,
    },
    /// Tests that two registers hold the same value.
    Same { a: Register, b: Register },
    /// Binds each value that a constant stands for.
    Each {
        constant: ConstantIndex,
        out: Register,
    },
    /// Tests a comparison.
    Compare {
        compare: Compare,
        arguments: Box<[Register]>,
    },
    /// Tests whether a register equals one of the values that a constant stands for.
    AnyOf {
        register: Register,
        constant: ConstantIndex,
        negated: bool,
    },
    /// Computes; binds the result or compares it with what is bound.
    Compute {
        function: Function,
        arguments: Box<[Register]>,
        out: Register,
        bound: bool,
    },
    /// Binds each value of an attribute, or the default.
    GetElse {
        e: Register,
        a: AttributeIndex,
        default: Register,
        out: Register,
        bound: bool,
    },
    /// Binds the cells of each row of a table of constants.
    Rows { rows: u16, places: Box<[Place]> },
    /// Binds the cells of each row of an input.
    Input { input: u16, places: Box<[Place]> },
    /// Continues at `end` if the steps after this one find nothing.
    Not { end: usize },
    /// Continues at `end`, once, if the steps after this one find something.
    Exists { end: usize },
    /// Runs each branch in turn; they end with a jump to the same place.
    Or { branches: Box<[usize]> },
    /// Continues elsewhere.
    Jump { to: usize },
    /// Binds each answer of a rule. `bound` are the registers of the bound arguments in order; `places` say what to do with every
    /// argument that is not bound.
    Call {
        table: u16,
        bound: Box<[Register]>,
        places: Box<[Place]>,
    },
    /// As [`Step::Call`], inside the rules of the same component: answers known so far, the goal is noted.
    Recall {
        table: u16,
        bound: Box<[Register]>,
        places: Box<[Place]>,
    },
    /// Binds or tests the bound arguments that somebody asked for.
    Asked { table: u16, places: Box<[Place]> },
    /// The end of a `Not` or `Exists` body.
    Found,
    /// The end of the query: a row.
    Emit,
    /// The end of a rule branch: an answer; the free arguments in order for a closure, all arguments for a fixpoint.
    Answer {
        table: u16,
        arguments: Box<[Register]>,
    },
    /// The end of a branch that leads to another goal of the same rule: its bound arguments.
    Goal { table: u16, bound: Box<[Register]> },
}

/// A query as steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The steps; the query starts at 0.
    pub steps: Vec<Step>,
    /// How many registers a row has.
    pub registers: usize,
    /// Registers filled with constants before the first step.
    pub constants: Vec<ConstantLoad>,
    /// Tables of constants for [`Step::Rows`].
    pub rows: Vec<Vec<Vec<Value>>>,
    /// Rules by what is bound.
    pub tables: Vec<TablePlan>,
    /// Slots of a result row: the different ones of `:find` and `:with`.
    pub output: Vec<Slot>,
    /// No two result rows can be equal.
    pub unique: bool,
    /// How many [`Step::Tuple`] there are.
    pub filters: usize,
    /// The whole query is a count of the tuples of one attribute: no step is run.
    pub counted: Option<Counted>,
    /// Rows come in the order of this output column (the first order key), so that enough rows are enough.
    pub ordered: Option<usize>,
}

/// A count of tuples by one of their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Of which attribute.
    pub attribute: AttributeIndex,
    /// By value, else by entity.
    pub by_value: bool,
}

/// A constant to be put into a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConstantLoad {
    /// Where to.
    pub register: Register,
    /// Which.
    pub constant: ConstantIndex,
    /// The entity it stands for, instead of the value as written.
    pub entity: bool,
}

/// How one rule is evaluated for one pattern of bound arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TablePlan {
    /// The rule.
    pub rule: u16,
    /// Which arguments are bound.
    pub bound: Vec<bool>,
    /// How.
    pub method: Method,
}

/// The two ways to evaluate a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Reachability from one goal: no join with earlier answers is needed.
    Closure(Closure),
    /// Semi-naive evaluation of the whole component, for the goals asked.
    Fixpoint(Fixpoint),
}

impl Default for Method {
    fn default() -> Self {
        Self::Closure(Closure::default())
    }
}

/// Steps that each start at the given place with the named registers set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Registers to set, in the order of the arguments they stand for; equal registers must get equal values.
    pub set: Vec<Place>,
    /// Where to start.
    pub start: usize,
}

/// See [`Method::Closure`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closure {
    /// From a goal to answers.
    pub base: Vec<Entry>,
    /// From a goal to further goals whose answers are also answers of this one.
    pub goals: Vec<Entry>,
    /// From an answer to further answers; the goal's arguments are not used.
    pub answers: Vec<Entry>,
    /// The answers of a goal's base are goals too: `reach(x, z) :- reach(x, y), reach(y, z)`.
    pub answers_are_goals: bool,
    /// All of the above is: the answers of a goal are the entities reachable from it over these edges. Then no step is run.
    pub edges: Option<Box<[Edge]>>,
}

/// One way from an entity to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The attribute whose references are followed.
    pub attribute: AttributeIndex,
    /// From the value to the entity.
    pub backwards: bool,
}

/// See [`Method::Fixpoint`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fixpoint {
    /// From a new goal of this table.
    pub goals: Vec<Entry>,
    /// From a new answer of this table: in whichever rule of the component it is used. All arguments are set.
    pub answers: Vec<Entry>,
}
