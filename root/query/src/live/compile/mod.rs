//! From the intermediate form to the template of live evaluation.

mod bindable;
mod lift;
mod rules;

pub use lift::{Lifted, lift};

use super::template::{
    Conjunction, ConjunctionId, GetElse, Literal, MAX_LITERALS, On, Pattern, Region, RegionId,
    RegionKind, Template, Trigger,
};
use crate::ir::{
    AttributeTerm, Clause, Element, Function, Input, Query, RuleIndex, Slot, Term, Variable,
};
use crate::plan::{choose_goal, select};
use std::collections::BTreeSet;

/// Why a query cannot be kept incrementally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);

/// Makes the template of a query whose lifted constants are marked. A change of a `watched` attribute of the entity in the first
/// column concerns its row even where no clause mentions it.
pub fn compile(
    query: &Query,
    lifted: Vec<bool>,
    watched: &[String],
) -> Result<Template, Unsupported> {
    let mut template = Template {
        registers: query.variables.len(),
        attributes: query.attributes.clone(),
        constants: query.constants.clone(),
        lifted,
        ..Template::default()
    };
    let aggregates = query
        .find
        .iter()
        .any(|e| matches!(e, Element::Aggregate(..)));
    let with = query.with.iter().filter(|_| aggregates).copied();
    for slot in query.find.iter().map(Element::slot).chain(with) {
        if !template.outputs.contains(&slot) {
            template.outputs.push(slot);
        }
    }
    let mut extra = vec![Literal::Instance];
    for name in watched {
        let attributes = &mut template.attributes;
        let known = attributes.iter().position(|a| a == name);
        let attribute = known.unwrap_or_else(|| {
            attributes.push(name.clone());
            attributes.len() - 1
        });
        extra.push(Literal::Watch {
            entity: template.outputs[0],
            attribute: attribute as u16,
        });
    }
    for input in &query.inputs {
        match input {
            Input::Scalar(slot) => template.scalars.push(*slot),
            Input::Tuple(slots) => template.scalars.extend(slots),
            Input::Collection(slot) => {
                extra.push(Literal::Input(template.inputs.len()));
                template.inputs.push(vec![*slot]);
            }
            Input::Relation(slots) => {
                extra.push(Literal::Input(template.inputs.len()));
                template.inputs.push(slots.clone());
            }
            Input::Rules => {}
        }
    }
    let mut bindable = bindable::slots(&query.body);
    bindable.extend(template.inputs.iter().flatten().flatten());
    let fixed = template.scalars.iter().flatten().copied().collect();
    let mut compiler = Compiler {
        query,
        template,
        scope: Scope {
            variables: &query.variables,
            bindable,
            fixed,
            component: None,
        },
    };
    compiler.region(&refs(&query.body), extra, RegionKind::Query)?;
    compiler.tables()?;
    compiler.triggers();
    Ok(compiler.template)
}

/// The variables that a body is about: the query's, or those of one rule branch.
struct Scope<'q> {
    variables: &'q [Variable],
    /// Slots that something other than the rules still to be compiled binds.
    bindable: BTreeSet<Slot>,
    /// Slots known from the start.
    fixed: BTreeSet<Slot>,
    /// The component whose own tuples are read directly.
    component: Option<u16>,
}

struct Compiler<'q> {
    query: &'q Query,
    template: Template,
    scope: Scope<'q>,
}

impl<'q> Compiler<'q> {
    fn region(
        &mut self,
        body: &[&'q Clause],
        extra: Vec<Literal>,
        kind: RegionKind,
    ) -> Result<RegionId, Unsupported> {
        let id = self.template.regions.len() as RegionId;
        self.template.regions.push(Region { root: 0, kind });
        let root = self.conjunction(body, extra, id, None)?;
        self.template.regions[usize::from(id)].root = root;
        Ok(id)
    }

    fn conjunction(
        &mut self,
        body: &[&'q Clause],
        extra: Vec<Literal>,
        region: RegionId,
        around: Option<(ConjunctionId, usize)>,
    ) -> Result<ConjunctionId, Unsupported> {
        let n = body.len() + extra.len();
        if n > MAX_LITERALS {
            return Err(Unsupported(format!(
                "a body of {n} clauses; live queries take {MAX_LITERALS}"
            )));
        }
        if self.template.conjunctions.len() >= usize::from(u16::MAX) {
            return Err(Unsupported("more nested bodies than 65,535".into()));
        }
        let id = self.template.conjunctions.len() as ConjunctionId;
        self.template.conjunctions.push(Conjunction {
            literals: Vec::new(),
            region,
            around,
        });
        let mut literals = extra;
        for clause in body {
            let place = (id, literals.len());
            literals.push(self.literal(clause, region, place)?);
        }
        self.template.conjunctions[usize::from(id)].literals = literals;
        Ok(id)
    }

    fn literal(
        &mut self,
        clause: &'q Clause,
        region: RegionId,
        place: (ConjunctionId, usize),
    ) -> Result<Literal, Unsupported> {
        Ok(match clause {
            Clause::Pattern(p) => {
                let number = match p.attribute {
                    AttributeTerm::Slot(s) => self
                        .scope
                        .variables
                        .get(usize::from(s))
                        .is_some_and(|v| v.attribute_only),
                    _ => false,
                };
                self.template.computes_text |=
                    matches!(p.attribute, AttributeTerm::Slot(_)) && !number;
                Literal::Pattern(Pattern {
                    entity: p.entity,
                    attribute: p.attribute,
                    number,
                    value: p.value,
                })
            }
            Clause::Compare { compare, arguments } => Literal::Compare {
                compare: *compare,
                arguments: arguments.clone(),
            },
            Clause::Function {
                function,
                arguments,
                output,
            } => {
                self.template.computes_text |= matches!(
                    function,
                    Function::Text | Function::LowerCase | Function::UpperCase
                );
                Literal::Function {
                    function: *function,
                    arguments: arguments.clone(),
                    output: *output,
                }
            }
            Clause::GetElse {
                entity,
                attribute,
                default,
                output,
            } => Literal::GetElse(GetElse {
                entity: *entity,
                attribute: *attribute,
                default: *default,
                output: *output,
            }),
            Clause::Rows { slots, rows } => {
                self.template.rows.push(rows.clone());
                Literal::Rows {
                    slots: slots.clone(),
                    rows: self.template.rows.len() - 1,
                }
            }
            Clause::Not { shared, body } => {
                let mut lifted = BTreeSet::new();
                bindable::constants(body, &mut lifted);
                lifted.retain(|c| self.template.lifted.get(usize::from(*c)) == Some(&true));
                let kind = RegionKind::Not {
                    around: place,
                    shared: shared.clone(),
                };
                let inner = self.region(&refs(body), Vec::new(), kind)?;
                Literal::Not {
                    shared: shared.clone(),
                    body: self.template.region(inner).root,
                    lifted: lifted.into_iter().collect(),
                }
            }
            Clause::Or {
                required, branches, ..
            } => {
                let branches = branches
                    .iter()
                    .map(|b| self.conjunction(&refs(b), Vec::new(), region, Some(place)))
                    .collect::<Result<_, _>>()?;
                Literal::Or {
                    required: required.clone(),
                    branches,
                }
            }
            Clause::Call { rule, arguments } => self.call(*rule, arguments),
        })
    }

    /// Outside its own component a rule is asked for the goal that its known arguments make.
    fn call(&mut self, rule: RuleIndex, arguments: &[Term]) -> Literal {
        let component = self.query.rules[usize::from(rule)].component;
        let bound = self.goal_arguments(rule, arguments);
        self.scope
            .bindable
            .extend(arguments.iter().copied().filter_map(slot_of));
        let table = self.table(rule, &bound);
        let goal = select(arguments, &bound, true);
        let mut answer = goal.clone();
        answer.extend(select(arguments, &bound, false));
        if self.scope.component == Some(component) {
            return Literal::Tuple {
                predicate: self.template.tables[table].answers,
                terms: answer,
            };
        }
        Literal::Call {
            table,
            goal,
            answer,
        }
    }

    /// Which arguments make the goal.
    fn goal_arguments(&self, rule: RuleIndex, arguments: &[Term]) -> Vec<bool> {
        let rule = &self.query.rules[usize::from(rule)];
        let is = |t: &Term, slots: &BTreeSet<Slot>| match t {
            Term::Slot(s) => slots.contains(s),
            Term::Constant(_) => true,
            Term::Blank => false,
        };
        let some: Vec<bool> = arguments.iter().map(|t| is(t, &self.scope.fixed)).collect();
        let all: Vec<bool> = arguments
            .iter()
            .zip(&some)
            .map(|(t, s)| *s || is(t, &self.scope.bindable))
            .collect();
        choose_goal(some, all, &rule.required)
    }

    fn triggers(&mut self) {
        let template = &mut self.template;
        let mut readers = vec![Vec::new(); template.predicates.len()];
        for (c, conjunction) in template.conjunctions.iter().enumerate() {
            for (literal, l) in conjunction.literals.iter().enumerate() {
                let on = match l {
                    Literal::Pattern(p) => On::Fact(*p),
                    Literal::GetElse(g) => On::Entity {
                        entity: g.entity,
                        attribute: g.attribute,
                    },
                    Literal::Watch { attribute, .. } => On::Watched {
                        attribute: *attribute,
                    },
                    Literal::Call { table, .. } => On::Tuple(template.tables[*table].answers),
                    Literal::Tuple { predicate, .. } => On::Tuple(*predicate),
                    _ => continue,
                };
                if let Literal::Tuple { predicate, .. } = l {
                    readers[usize::from(*predicate)].push((c as ConjunctionId, literal));
                    continue;
                }
                template.triggers.push(Trigger {
                    conjunction: c as ConjunctionId,
                    literal,
                    on,
                });
            }
        }
        template.readers = readers;
        template.components = template.predicates.iter().map(|p| p.component).collect();
        template.components.sort_unstable();
        template.components.dedup();
    }
}

fn refs(body: &[Clause]) -> Vec<&Clause> {
    body.iter().collect()
}

fn slot_of(term: Term) -> Option<Slot> {
    if let Term::Slot(s) = term {
        Some(s)
    } else {
        None
    }
}
