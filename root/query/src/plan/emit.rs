//! Ordered clauses to steps.

use super::item::Item;
use super::order::{Goal, Node, items};
use super::slots::SlotSet;
use super::{AttributeOut, Bound, ConstantLoad, Place, Planner, Register, ScanOrder, Step};
use crate::ir::{Clause, Compare, ConstantIndex, Slot, Term, Variable};

/// The registers of one scope, and what is bound in it at the moment.
pub struct Frame<'q> {
    base: Register,
    variables: &'q [Variable],
    pub bound: SlotSet,
    /// What was bound at its start: the same for all rows.
    pub given: SlotSet,
    /// The first step is a scan in this order.
    pub scan: Option<ScanOrder>,
    /// Calls of rules of this component read what is known so far.
    pub component: Option<u16>,
    /// Comparisons that are still ahead: bounds for scans.
    pub ahead: Vec<(Slot, Bound)>,
}

impl<'q> Frame<'q> {
    pub fn new(base: Register, variables: &'q [Variable], bound: SlotSet) -> Self {
        Self {
            base,
            variables,
            given: bound.clone(),
            bound,
            scan: None,
            component: None,
            ahead: Vec::new(),
        }
    }

    pub fn register(&self, slot: Slot) -> Register {
        self.base + slot
    }

    pub fn attribute_out(&self, slot: Slot) -> AttributeOut {
        let number = self
            .variables
            .get(usize::from(slot))
            .is_some_and(|v| v.attribute_only);
        AttributeOut {
            register: self.register(slot),
            number,
        }
    }
}

impl<'q> Planner<'q> {
    pub fn step(&mut self, step: Step) -> usize {
        self.program.steps.push(step);
        self.program.steps.len() - 1
    }

    pub fn here(&self) -> usize {
        self.program.steps.len()
    }

    pub fn fresh(&mut self) -> Register {
        self.program.registers += 1;
        (self.program.registers - 1) as Register
    }

    /// The register of a constant: the value as written, or the entity it names.
    pub fn constant(&mut self, constant: ConstantIndex, entity: bool) -> Register {
        let entity = entity && self.is_ambiguous(constant);
        let known = self
            .program
            .constants
            .iter()
            .find(|l| l.constant == constant && l.entity == entity);
        if let Some(load) = known {
            return load.register;
        }
        let register = self.fresh();
        self.program.constants.push(ConstantLoad {
            register,
            constant,
            entity,
        });
        register
    }

    pub(super) fn is_ambiguous(&self, constant: ConstantIndex) -> bool {
        self.query
            .constants
            .get(usize::from(constant))
            .is_some_and(|c| c.values.len() > 1)
    }

    /// The register of an argument of a function, a comparison or a rule: bound, or a constant.
    pub fn argument(&mut self, term: Term, frame: &Frame<'q>) -> Register {
        match term {
            Term::Slot(s) => frame.register(s),
            Term::Constant(c) => self.constant(c, false),
            Term::Blank => self.fresh(),
        }
    }

    /// As [`Self::argument`], but a constant that names an entity is that entity.
    fn meant(&mut self, term: Term, frame: &Frame<'q>) -> Register {
        match term {
            Term::Constant(c) => self.constant(c, true),
            other => self.argument(other, frame),
        }
    }

    /// A constant that stands for several values is tried with each.
    pub fn each(&mut self, constant: ConstantIndex) -> Register {
        if !self.is_ambiguous(constant) {
            return self.constant(constant, false);
        }
        let out = self.fresh();
        self.step(Step::Each { constant, out });
        out
    }

    pub fn emit(&mut self, nodes: &[Node<'q>], frame: &mut Frame<'q>) {
        let ahead = frame.ahead.len();
        for node in nodes {
            if let Node::Item(Item::Clause(Clause::Compare { compare, arguments })) = node {
                self.note_bounds(*compare, arguments, frame);
            }
        }
        for node in nodes {
            match node {
                Node::Item(item) => self.item(*item, frame),
                Node::Exists(inner) => {
                    let start = self.step(Step::Exists { end: 0 });
                    let bound = frame.bound.clone();
                    self.emit(inner, frame);
                    frame.bound = bound;
                    self.step(Step::Found);
                    self.program.steps[start] = Step::Exists { end: self.here() };
                }
            }
        }
        frame.ahead.truncate(ahead);
    }

    fn note_bounds(&mut self, compare: Compare, arguments: &[Term], frame: &mut Frame<'q>) {
        let [left, right] = arguments else { return };
        let flipped = match compare {
            Compare::Less => Compare::Greater,
            Compare::LessOrEqual => Compare::GreaterOrEqual,
            Compare::Greater => Compare::Less,
            Compare::GreaterOrEqual => Compare::LessOrEqual,
            Compare::Equal => Compare::Equal,
            Compare::StartsWith => Compare::StartsWith,
            _ => return,
        };
        let fixed = |t: &Term, frame: &Frame<'q>| match t {
            Term::Slot(s) => frame.bound.contains(*s),
            Term::Constant(_) => true,
            Term::Blank => false,
        };
        // a constant with several meanings bounds nothing by one of them
        let plain = |t: &Term| !matches!(t, Term::Constant(c) if self.is_ambiguous(*c));
        match (left, right) {
            (Term::Slot(s), other)
                if !fixed(left, frame) && fixed(other, frame) && plain(other) =>
            {
                let with = self.argument(*other, frame);
                frame.ahead.push((*s, Bound { compare, with }));
            }
            (other, Term::Slot(s))
                if compare != Compare::StartsWith
                    && !fixed(right, frame)
                    && fixed(other, frame)
                    && plain(other) =>
            {
                let with = self.argument(*other, frame);
                frame.ahead.push((
                    *s,
                    Bound {
                        compare: flipped,
                        with,
                    },
                ));
            }
            _ => {}
        }
    }

    fn item(&mut self, item: Item<'q>, frame: &mut Frame<'q>) {
        match item {
            Item::Clause(clause) => self.clause(clause, frame),
            Item::Input(input, slots) => {
                let places = places(slots, frame);
                self.step(Step::Input {
                    input: input as u16,
                    places,
                });
            }
            Item::Goals { table, .. } => {
                let slots: Vec<_> = item.slots().into_iter().map(Some).collect();
                let places = places(&slots, frame);
                self.step(Step::Asked { table, places });
            }
        }
        if !matches!(item, Item::Clause(Clause::Not { .. })) {
            frame.bound.extend(item.slots());
        }
    }

    fn clause(&mut self, clause: &'q Clause, frame: &mut Frame<'q>) {
        match clause {
            Clause::Pattern(p) => self.pattern(p, frame),
            Clause::Compare { compare, arguments } => self.compare(*compare, arguments, frame),
            Clause::Function {
                function,
                arguments,
                output,
            } => {
                let arguments = arguments.iter().map(|t| self.meant(*t, frame)).collect();
                let bound = frame.bound.contains(*output);
                self.step(Step::Compute {
                    function: *function,
                    arguments,
                    out: frame.register(*output),
                    bound,
                });
            }
            Clause::GetElse {
                entity,
                attribute,
                default,
                output,
            } => {
                let e = self.meant(*entity, frame);
                let default = self.constant(*default, true);
                let bound = frame.bound.contains(*output);
                self.step(Step::GetElse {
                    e,
                    a: *attribute,
                    default,
                    out: frame.register(*output),
                    bound,
                });
            }
            Clause::Rows { slots, rows } => {
                let places = places(slots, frame);
                self.program.rows.push(rows.clone());
                let rows = (self.program.rows.len() - 1) as u16;
                self.step(Step::Rows { rows, places });
            }
            Clause::Not { body, .. } => {
                let start = self.step(Step::Not { end: 0 });
                let ordered = self.order(&items(body), &frame.bound, Goal::Exists);
                let bound = frame.bound.clone();
                self.emit(&ordered.nodes, frame);
                frame.bound = bound;
                self.step(Step::Found);
                self.program.steps[start] = Step::Not { end: self.here() };
            }
            Clause::Or {
                shared, branches, ..
            } => self.or(shared, branches, frame),
            Clause::Call { rule, arguments } => self.call(*rule, arguments, frame),
        }
    }

    fn compare(&mut self, compare: Compare, arguments: &[Term], frame: &Frame<'q>) {
        if let (
            [one, Term::Constant(c)] | [Term::Constant(c), one],
            Compare::Equal | Compare::NotEqual,
        ) = (arguments, compare)
            && self.is_ambiguous(*c)
        {
            let register = self.argument(*one, frame);
            self.step(Step::AnyOf {
                register,
                constant: *c,
                negated: compare == Compare::NotEqual,
            });
            return;
        }
        let arguments = arguments.iter().map(|t| self.argument(*t, frame)).collect();
        self.step(Step::Compare { compare, arguments });
    }

    fn or(&mut self, shared: &[Slot], branches: &'q [Vec<Clause>], frame: &mut Frame<'q>) {
        let start = self.step(Step::Or {
            branches: Box::default(),
        });
        let needed: SlotSet = shared
            .iter()
            .copied()
            .filter(|s| !frame.bound.contains(*s))
            .collect();
        let (mut starts, mut jumps) = (Vec::new(), Vec::new());
        for branch in branches {
            starts.push(self.here());
            let bound = frame.bound.clone();
            let ordered = self.order(&items(branch), &bound, Goal::Bind(&needed));
            self.emit(&ordered.nodes, frame);
            frame.bound = bound;
            jumps.push(self.step(Step::Jump { to: 0 }));
        }
        let end = self.here();
        for jump in jumps {
            self.program.steps[jump] = Step::Jump { to: end };
        }
        self.program.steps[start] = Step::Or {
            branches: starts.into(),
        };
    }
}

/// What to do with each column of a table: slots seen before are compared.
pub fn places(slots: &[Option<Slot>], frame: &mut Frame<'_>) -> Box<[Place]> {
    slots
        .iter()
        .map(|slot| match slot {
            None => Place::Blank,
            Some(s) if frame.bound.contains(*s) => Place::Equal(frame.register(*s)),
            Some(s) => {
                frame.bound.insert(*s);
                Place::Bind(frame.register(*s))
            }
        })
        .collect()
}
