//! A Datalog query as written: names and places, nothing resolved. The parser makes it, [`crate::ir`] is made from it.

use rhizome_tuple::Value;

use crate::error::Position;

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// `:find`
    pub find: Find,
    /// `:with`
    pub with: Vec<Variable>,
    /// `:in` without `$` and `%`; [`Input::Rules`] marks the place of `%`.
    pub inputs: Vec<Input>,
    /// `:where`
    pub clauses: Vec<Clause>,
    /// `:rules`, our extension, and rules passed for `%`.
    pub rules: Vec<Rule>,
    /// `:order`, our extension.
    pub order: Vec<OrderKey>,
    /// `:limit`, our extension.
    pub limit: Option<u64>,
    /// `:offset`, our extension.
    pub offset: u64,
}

/// `?name` and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variable {
    /// The name with its question mark.
    pub name: String,
    /// Its place.
    pub at: Position,
}

/// The four shapes of a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Find {
    /// `:find ?a ?b`: a set of rows.
    Relation(Vec<Element>),
    /// `:find ?a .`: one value.
    Scalar(Element),
    /// `:find [?a ...]`: a set of values.
    Collection(Element),
    /// `:find [?a ?b]`: one row.
    Tuple(Vec<Element>),
}

impl Find {
    /// The elements in order.
    pub fn elements(&self) -> &[Element] {
        match self {
            Self::Relation(all) | Self::Tuple(all) => all,
            Self::Scalar(one) | Self::Collection(one) => std::slice::from_ref(one),
        }
    }
}

/// One column of the result.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// `?x`
    Variable(Variable),
    /// `(count ?x)`, `(max 3 ?x)`
    Aggregate {
        /// Its name as written.
        name: String,
        /// The number of `(min n ?x)` and `(max n ?x)`.
        n: Option<u64>,
        /// What is aggregated.
        variable: Variable,
        /// Where it starts.
        at: Position,
    },
    /// `(pull ?e [:name {:friend [:name]}])`
    Pull {
        /// The entity.
        variable: Variable,
        /// What to fetch of it.
        pattern: crate::pull::Pattern,
        /// Where it starts.
        at: Position,
    },
}

/// A form of `:in`, and of what a function call or `ground` binds.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// `?x`
    Scalar(Variable),
    /// `[?x ...]`
    Collection(Variable),
    /// `[?x ?y]`, `_` skips a place.
    Tuple(Vec<Option<Variable>>),
    /// `[[?x ?y]]`
    Relation(Vec<Option<Variable>>),
    /// `_`
    Ignore,
}

impl Binding {
    /// The variables it binds.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        let (one, many) = match self {
            Self::Scalar(v) | Self::Collection(v) => (Some(v), [].as_slice()),
            Self::Tuple(vs) | Self::Relation(vs) => (None, vs.as_slice()),
            Self::Ignore => (None, [].as_slice()),
        };
        one.into_iter().chain(many.iter().flatten())
    }
}

/// One argument that `:in` asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// `%`
    Rules(Position),
    /// A value, a tuple, a collection or a relation.
    Values(Binding, Position),
}

/// What stands in a place of a clause.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// `?x`
    Variable(Variable),
    /// `_`
    Blank,
    /// A constant.
    Constant(Value),
}

/// An argument of a predicate or a function: also a whole collection, for `ground`.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// One value.
    Term(Term),
    /// `[1 2 3]` or `[[1 2] [3 4]]`.
    Rows(Vec<Vec<Value>>),
    /// The database, `$`.
    Database,
}

/// One clause of `:where`.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// What it says.
    pub kind: ClauseKind,
    /// Where it starts.
    pub at: Position,
}

/// The kinds of clause.
#[derive(Clone, Debug, PartialEq)]
pub enum ClauseKind {
    /// `[?e :a ?v]`; missing places are blank.
    Pattern {
        /// Entity.
        entity: Term,
        /// Attribute: a constant is its name.
        attribute: Term,
        /// Value.
        value: Term,
    },
    /// `[(< ?a ?b)]`
    Predicate {
        /// Its name as written.
        name: String,
        /// Its arguments.
        arguments: Vec<Argument>,
    },
    /// `[(+ ?a 1) ?b]`
    Function {
        /// Its name as written.
        name: String,
        /// Its arguments.
        arguments: Vec<Argument>,
        /// What its result is bound to.
        output: Binding,
    },
    /// `(not …)`, and `(not-join [?x] …)` with the shared variables.
    Not {
        /// The shared variables of `not-join`.
        join: Option<Vec<Variable>>,
        /// What must not hold.
        body: Vec<Clause>,
    },
    /// `(or …)`, and `(or-join [?x] …)` with the shared variables.
    Or {
        /// The shared variables of `or-join`: those that must be bound before, then all others.
        join: Option<(Vec<Variable>, Vec<Variable>)>,
        /// The branches; `(and …)` has several clauses.
        branches: Vec<Vec<Clause>>,
    },
    /// `(rule ?a ?b)`
    Call {
        /// The rule's name.
        name: String,
        /// Its arguments.
        arguments: Vec<Term>,
    },
}

/// One branch of a rule: `[(name [?bound] ?free) clause…]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Head variables that the caller must have bound.
    pub required: Vec<Variable>,
    /// The other head variables.
    pub free: Vec<Variable>,
    /// What must hold.
    pub body: Vec<Clause>,
    /// Where it starts.
    pub at: Position,
}

/// One key of `:order`.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderKey {
    /// What to order by: a find variable, or the place of a find element counted from 0.
    pub by: OrderBy,
    /// Largest first.
    pub descending: bool,
    /// Its place.
    pub at: Position,
}

/// What an order key names.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderBy {
    /// A variable of `:find`.
    Variable(String),
    /// The place of a find element, from 0; the way to order by an aggregate.
    Column(usize),
}
