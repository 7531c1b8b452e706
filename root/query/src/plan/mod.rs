//! From the intermediate form and statistics to steps.

mod emit;
mod item;
mod order;
mod pattern;
mod rules;
mod shape;
mod slots;
pub mod statistics;
mod step;
mod unique;

use std::cell::Cell;
use std::collections::HashMap;

pub use shape::{Shape, choose_goal, select, shape};
pub use statistics::Statistics;
pub use step::{
    Attribute, AttributeOut, Bound, Closure, ConstantLoad, Counted, Edge, Entry, Fixpoint, Method,
    Place, Program, Register, ScanOrder, Step, TablePlan,
};

use crate::ir::{
    Aggregate, AttributeIndex, AttributeTerm, Clause, ConstantIndex, Element, Input, Pattern,
    Query, Slot, Term,
};
use emit::Frame;
use item::Item;
use order::{Goal, Ordered, items};
use rhizome_replica::Snapshot;
use slots::SlotSet;

/// Makes the steps of one query.
pub struct Planner<'q> {
    query: &'q Query,
    statistics: &'q Statistics,
    /// Tuples with a constant value, by attribute and constant.
    exact: HashMap<(AttributeIndex, ConstantIndex), f64>,
    program: Program,
    /// Estimates that may still be made in search of a better order; without any left, the first one found is taken.
    effort: Cell<u32>,
}

/// Enough to look at every order of first clauses of any query a person writes; a millisecond or so.
const EFFORT: u32 = 50_000;

/// Plans a query for a pod of these sizes.
pub fn plan(query: &Query, statistics: &Statistics, snapshot: &Snapshot) -> Program {
    let mut exact = HashMap::new();
    let bodies = std::iter::once(&query.body).chain(
        query
            .rules
            .iter()
            .flat_map(|r| r.branches.iter().map(|b| &b.body)),
    );
    bodies.for_each(|b| count_constants(query, b, snapshot, &mut exact));
    let program = Program {
        registers: query.variables.len(),
        ..Program::default()
    };
    Planner {
        query,
        statistics,
        exact,
        program,
        effort: Cell::new(EFFORT),
    }
    .query()
}

fn count_constants(
    query: &Query,
    body: &[Clause],
    snapshot: &Snapshot,
    exact: &mut HashMap<(AttributeIndex, ConstantIndex), f64>,
) {
    for clause in body {
        match clause {
            Clause::Pattern(Pattern {
                attribute: AttributeTerm::Named(a),
                value: Term::Constant(c),
                ..
            }) => {
                let (name, constant) = (
                    &query.attributes[usize::from(*a)],
                    &query.constants[usize::from(*c)],
                );
                let n = statistics::exact(snapshot, name, &constant.values).unwrap_or(0.0);
                exact.insert((*a, *c), n);
            }
            Clause::Not { body, .. } => count_constants(query, body, snapshot, exact),
            Clause::Or { branches, .. } => branches
                .iter()
                .for_each(|b| count_constants(query, b, snapshot, exact)),
            _ => {}
        }
    }
}

impl<'q> Planner<'q> {
    fn query(mut self) -> Program {
        let query = self.query;
        let mut output: Vec<Slot> = Vec::new();
        for slot in query
            .find
            .iter()
            .map(Element::slot)
            .chain(query.with.iter().copied())
        {
            if !output.contains(&slot) {
                output.push(slot);
            }
        }
        let mut bound = SlotSet::default();
        let mut all: Vec<Item<'q>> = Vec::new();
        let mut distinct_inputs = true;
        for (i, input) in query.inputs.iter().enumerate() {
            match input {
                Input::Scalar(slot) => bound.extend(*slot),
                Input::Tuple(slots) => bound.extend(slots.iter().flatten().copied()),
                Input::Collection(slot) => all.push(Item::Input(i, std::slice::from_ref(slot))),
                Input::Relation(slots) => {
                    distinct_inputs &= slots.iter().all(Option::is_some);
                    all.push(Item::Input(i, slots));
                }
                Input::Rules => {}
            }
        }
        all.extend(items(&query.body));
        let needed: SlotSet = output.iter().copied().collect();
        let mut ordered = self.order(&all, &bound, Goal::Bind(&needed));
        let mut frame = Frame::new(0, &query.variables, bound);
        self.program.ordered = self.walk(&all, &mut ordered, &mut frame, &output);
        self.program.unique = distinct_inputs && self.is_unique(&ordered, &frame, &output);
        self.emit(&ordered.nodes, &mut frame);
        self.step(Step::Emit);
        self.tables();
        self.program.counted = counted(query);
        self.program.output = output;
        self.program
    }

    /// If the query wants the first rows by the value of an attribute, walking that attribute in order may be cheaper than sorting:
    /// replaces the order if so. Returns the output column whose order the rows then come in.
    fn walk(
        &self,
        all: &[Item<'q>],
        ordered: &mut Ordered<'q>,
        frame: &mut Frame<'q>,
        output: &[Slot],
    ) -> Option<usize> {
        let key = self.query.order.first()?;
        let wanted = self.query.limit?.saturating_add(self.query.offset) as f64;
        let Element::Slot(slot) = self.query.find.get(key.column)? else {
            return None;
        };
        if self
            .query
            .find
            .iter()
            .any(|e| matches!(e, Element::Aggregate(..)))
            || frame.bound.contains(*slot)
        {
            return None;
        }
        let first = all.iter().position(|item| match item {
            Item::Clause(Clause::Pattern(Pattern {
                entity: Term::Slot(e),
                attribute: AttributeTerm::Named(_),
                value: Term::Slot(v),
            })) => v == slot && e != v && !frame.bound.contains(*e),
            _ => false,
        })?;
        let needed: SlotSet = output.iter().copied().collect();
        let walked = self.greedy(all, &frame.bound, Goal::Bind(&needed), Some(first));
        // of all tuples walked, as many lead to a result as there are results
        let share = (wanted / ordered.rows.max(0.1)).min(1.0);
        if walked.cost * share > ordered.cost {
            return None;
        }
        *ordered = walked;
        frame.scan = Some(if key.descending {
            ScanOrder::Descending
        } else {
            ScanOrder::Ascending
        });
        output.iter().position(|s| s == slot)
    }
}

/// Whether a query is `[:find ?v (count ?e) :where [?e :a ?v]]`, or the same by entity.
fn counted(query: &Query) -> Option<Counted> {
    let [
        Clause::Pattern(Pattern {
            entity: Term::Slot(e),
            attribute: AttributeTerm::Named(a),
            value: Term::Slot(v),
        }),
    ] = query.body.as_slice()
    else {
        return None;
    };
    let by: Vec<Slot> = query
        .find
        .iter()
        .filter_map(|f| {
            if let Element::Slot(s) = f {
                Some(*s)
            } else {
                None
            }
        })
        .collect();
    let by_value = match by.as_slice() {
        [s] if s == v => true,
        [s] if s == e => false,
        _ => return None,
    };
    let other = if by_value { e } else { v };
    let counts = |f: &Element| match f {
        Element::Slot(_) => true,
        Element::Aggregate(Aggregate::Count | Aggregate::CountDistinct, s) => s == other,
        Element::Aggregate(..) | Element::Pull(..) => false,
    };
    let alone = query.inputs.iter().all(|i| *i == Input::Rules) && query.with.is_empty();
    (alone && e != v && query.find.len() > 1 && query.find.iter().all(counts)).then_some(Counted {
        attribute: *a,
        by_value,
    })
}
