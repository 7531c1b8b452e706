//! A query as live evaluation runs it: conjunctions of literals, shared by all queries that differ only in constants and inputs.
//!
//! Every conjunction belongs to a *region*: the query's own body, the body of a `not`, or one production of a rule. Regions are what
//! changes are worked out for: a changed fact gives a region new or lost solutions, and what a `not` region gains, the region around
//! it may lose.

use crate::ir::{
    AttributeIndex, AttributeTerm, Compare, Constant, ConstantIndex, Function, Slot, Term,
};
use rhizome_tuple::Value;

/// Index into [`Template::conjunctions`].
pub type ConjunctionId = u16;
/// Index into [`Template::regions`]. A region inside another has the larger number.
pub type RegionId = u16;
/// Index into [`Template::predicates`].
pub type PredicateId = u16;

/// Literals of one conjunction at most: bits of a mask.
pub const MAX_LITERALS: usize = 128;

/// The common form of queries that differ only in constants and inputs.
#[derive(Debug, Default)]
pub struct Template {
    pub conjunctions: Vec<Conjunction>,
    pub regions: Vec<Region>,
    /// Registers that any scope needs.
    pub registers: usize,
    /// What makes a row: the slots of `:find` and, for aggregates, `:with`, each once.
    pub outputs: Vec<Slot>,
    pub attributes: Vec<String>,
    /// The constants; the values of lifted ones are each instance's own.
    pub constants: Vec<Constant>,
    pub lifted: Vec<bool>,
    /// Slots bound by scalar and tuple inputs, in order; `None` is ignored.
    pub scalars: Vec<Option<Slot>>,
    /// Columns of collection and relation inputs.
    pub inputs: Vec<Vec<Option<Slot>>>,
    /// Tables of constants.
    pub rows: Vec<Vec<Vec<Value>>>,
    /// Where a changed fact can take part.
    pub triggers: Vec<Trigger>,
    pub predicates: Vec<Predicate>,
    pub tables: Vec<Table>,
    pub productions: Vec<Production>,
    /// Where the productions of its own component read a predicate.
    pub readers: Vec<Vec<(ConjunctionId, usize)>>,
    /// Components of rules, callees first.
    pub components: Vec<u16>,
    /// Slots that may be bound to values the pod does not have: functions that make text.
    pub computes_text: bool,
}

/// Literals that must all hold.
#[derive(Debug)]
pub struct Conjunction {
    pub literals: Vec<Literal>,
    pub region: RegionId,
    /// The `or` it is a branch of.
    pub around: Option<(ConjunctionId, usize)>,
}

impl Conjunction {
    /// The mask with every literal.
    pub fn all(&self) -> u128 {
        match self.literals.len() {
            n if n >= MAX_LITERALS => u128::MAX,
            n => (1 << n) - 1,
        }
    }
}

/// A body with meaning of its own.
#[derive(Debug)]
pub struct Region {
    pub root: ConjunctionId,
    pub kind: RegionKind,
}

/// What a region's solutions are for.
#[derive(Debug)]
pub enum RegionKind {
    /// Rows.
    Query,
    /// To be without.
    Not {
        around: (ConjunctionId, usize),
        shared: Vec<Slot>,
    },
    /// Tuples of a predicate.
    Production(u16),
}

/// One condition.
#[derive(Debug)]
pub enum Literal {
    Pattern(Pattern),
    Compare {
        compare: Compare,
        arguments: Vec<Term>,
    },
    Function {
        function: Function,
        arguments: Vec<Term>,
        output: Slot,
    },
    GetElse(GetElse),
    Rows {
        slots: Vec<Option<Slot>>,
        rows: usize,
    },
    /// `lifted`: constants of the instance that stand inside.
    Not {
        shared: Vec<Slot>,
        body: ConjunctionId,
        lifted: Vec<u16>,
    },
    Or {
        required: Vec<Slot>,
        branches: Vec<ConjunctionId>,
    },
    /// Always true: rows depend on the values of this attribute of an entity in another way than by a condition.
    Watch {
        entity: Slot,
        attribute: AttributeIndex,
    },
    /// Which query asks, with its constants and scalar inputs.
    Instance,
    /// A collection or relation of the instance.
    Input(usize),
    /// A rule: asks for the goal, then reads the answers.
    Call {
        table: usize,
        goal: Vec<Term>,
        answer: Vec<Term>,
    },
    /// Tuples known of a predicate, inside the productions of its own component.
    Tuple {
        predicate: PredicateId,
        terms: Vec<Term>,
    },
}

/// A tuple pattern.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    pub entity: Term,
    pub attribute: AttributeTerm,
    /// A variable attribute is bound to the attribute's number, not to its name.
    pub number: bool,
    pub value: Term,
}

/// Every value of an attribute, or the default.
#[derive(Clone, Copy, Debug)]
pub struct GetElse {
    pub entity: Term,
    pub attribute: AttributeIndex,
    pub default: ConstantIndex,
    pub output: Slot,
}

/// A place where a changed fact or tuple takes part.
#[derive(Clone, Copy, Debug)]
pub struct Trigger {
    pub conjunction: ConjunctionId,
    pub literal: usize,
    pub on: On,
}

/// What makes a trigger go off.
#[derive(Clone, Copy, Debug)]
pub enum On {
    /// A fact that matches a pattern.
    Fact(Pattern),
    /// Any fact of an attribute whose absence means a default.
    Entity {
        entity: Term,
        attribute: AttributeIndex,
    },
    /// Any fact of an attribute that rows depend on otherwise.
    Watched { attribute: AttributeIndex },
    /// A tuple of a predicate.
    Tuple(PredicateId),
}

/// Tuples that rules derive.
#[derive(Debug)]
pub struct Predicate {
    pub arity: usize,
    /// Components are worked out in ascending order.
    pub component: u16,
}

/// A rule for one choice of arguments that are known when it is called.
#[derive(Debug)]
pub struct Table {
    pub rule: u16,
    pub bound: Vec<bool>,
    pub component: u16,
    /// Goals asked; for closures (goal asked, goal reached).
    pub goals: PredicateId,
    /// Answers: bound arguments first.
    pub answers: PredicateId,
    /// Reachability from a goal: see [`crate::plan`].
    pub closure: bool,
}

/// A body that derives tuples.
#[derive(Debug)]
pub struct Production {
    pub head: PredicateId,
    pub terms: Vec<Term>,
    pub region: RegionId,
    pub component: u16,
    /// What cannot be evaluated before the calls that the goal is for is left out: too many goals do no harm.
    pub partial: bool,
}

impl Template {
    pub fn conjunction(&self, id: ConjunctionId) -> &Conjunction {
        &self.conjunctions[usize::from(id)]
    }

    pub fn region(&self, id: RegionId) -> &Region {
        &self.regions[usize::from(id)]
    }

    pub fn literal(&self, (conjunction, literal): (ConjunctionId, usize)) -> &Literal {
        &self.conjunction(conjunction).literals[literal]
    }

    /// The production whose body a region is.
    pub fn production_of(&self, region: RegionId) -> Option<&Production> {
        match self.region(region).kind {
            RegionKind::Production(p) => self.productions.get(usize::from(p)),
            _ => None,
        }
    }

    /// The `not` regions inside a query or a production, innermost first.
    pub fn negations(&self, top: RegionId) -> impl Iterator<Item = RegionId> {
        // regions are numbered depth first, so those inside follow their top
        let inside = (usize::from(top) + 1..self.regions.len())
            .take_while(|r| matches!(self.regions[*r].kind, RegionKind::Not { .. }));
        (usize::from(top) + 1..usize::from(top) + 1 + inside.count())
            .rev()
            .map(|r| r as RegionId)
    }

    /// Whether rules are called.
    pub fn is_recursive(&self) -> bool {
        !self.tables.is_empty()
    }
}
