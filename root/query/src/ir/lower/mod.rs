//! From the syntax tree to the intermediate form: names to slots, rules expanded, safety checked.

mod call;
mod clause;
mod finish;
mod inline;
mod rules;
mod safety;
mod scope;
mod visit;

use std::collections::HashMap;

use rhizome_tuple::{EntityId, Value};

use super::{
    Aggregate, AttributeIndex, Constant, ConstantIndex, Element, Input, OrderKey, Query, Rule,
    Shape,
};
use crate::datalog::ast;
use crate::error::QueryError;
use crate::limits::Limits;
pub(crate) use finish::finish;
pub(crate) use safety::{infer_inside, needs};
use scope::Scope;
pub(crate) use visit::slots_of;

/// Resolves and checks a parsed query.
pub fn lower(query: &ast::Query, limits: &Limits) -> Result<Query, QueryError> {
    let mut lowering = Lowering::new(limits);
    lowering.rules(&query.rules)?;
    let mut scope = Scope::new(limits);
    let mut inputs = Vec::with_capacity(query.inputs.len());
    for input in &query.inputs {
        inputs.push(lower_input(input, &mut scope)?);
    }
    let given: Vec<_> = scope.all_slots().collect();
    let mut body = lowering.body(&query.clauses, &mut scope)?;
    infer_inside(&mut body, &lowering.rules);
    let mut find = Vec::with_capacity(query.find.elements().len());
    for element in query.find.elements() {
        find.push(lower_element(element, &scope)?);
    }
    let with = query
        .with
        .iter()
        .map(|v| scope.need(v, "a clause of :where has to use it"))
        .collect::<Result<Vec<_>, _>>()?;
    let order = query
        .order
        .iter()
        .map(|k| order_key(k, query))
        .collect::<Result<_, _>>()?;
    let mut outside: Vec<_> = find
        .iter()
        .map(Element::slot)
        .chain(with.iter().copied())
        .collect();
    safety::check(&body, &given, &outside, &scope.variables, &lowering.rules)?;
    outside.extend(&given);
    let mut variables = scope.variables;
    let body = finish(body, &outside, &given, &mut variables);
    let mut out = Query {
        find,
        shape: match query.find {
            ast::Find::Relation(_) => Shape::Relation,
            ast::Find::Scalar(_) => Shape::Scalar,
            ast::Find::Collection(_) => Shape::Collection,
            ast::Find::Tuple(_) => Shape::Tuple,
        },
        with,
        inputs,
        body,
        variables,
        rules: lowering.rules,
        attributes: lowering.attributes,
        constants: lowering.constants,
        order,
        limit: query.limit,
        offset: query.offset,
    };
    rules::keep_called(&mut out);
    Ok(out)
}

struct Lowering<'a> {
    limits: &'a Limits,
    attributes: Vec<String>,
    constants: Vec<Constant>,
    rules: Vec<Rule>,
    rule_names: HashMap<String, usize>,
    /// Clauses made so far: expansion stops at the limit.
    clauses: usize,
}

impl<'a> Lowering<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            attributes: Vec::new(),
            constants: Vec::new(),
            rules: Vec::new(),
            rule_names: HashMap::new(),
            clauses: 0,
        }
    }

    fn attribute(&mut self, name: &str) -> AttributeIndex {
        // the clause limit keeps the count far below 2^16
        let i = self
            .attributes
            .iter()
            .position(|a| a == name)
            .unwrap_or_else(|| {
                self.attributes.push(name.to_owned());
                self.attributes.len() - 1
            });
        i as AttributeIndex
    }

    /// Text that reads as an entity id equals the reference and the text.
    fn constant(&mut self, value: &Value) -> ConstantIndex {
        let mut values = Vec::with_capacity(1);
        if let Value::Text(s) = value {
            values.extend(s.parse::<EntityId>().ok().map(Value::Ref));
        }
        values.push(value.clone());
        let constant = Constant { values };
        let i = self
            .constants
            .iter()
            .position(|c| *c == constant)
            .unwrap_or_else(|| {
                self.constants.push(constant);
                self.constants.len() - 1
            });
        i as ConstantIndex
    }
}

fn lower_input(input: &ast::Input, scope: &mut Scope) -> Result<Input, QueryError> {
    let ast::Input::Values(binding, _) = input else {
        return Ok(Input::Rules);
    };
    let mut declare = |v: &ast::Variable| {
        if scope.find(&v.name).is_some() {
            return Err(QueryError::Duplicate {
                at: v.at,
                what: format!("the input `{}`", v.name),
            });
        }
        scope.declare(v)
    };
    let mut places = |vs: &[Option<ast::Variable>]| {
        vs.iter()
            .map(|v| v.as_ref().map(&mut declare).transpose())
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match binding {
        ast::Binding::Scalar(v) => Input::Scalar(Some(declare(v)?)),
        ast::Binding::Ignore => Input::Scalar(None),
        ast::Binding::Collection(v) => Input::Collection(Some(declare(v)?)),
        ast::Binding::Tuple(vs) => Input::Tuple(places(vs)?),
        ast::Binding::Relation(vs) => Input::Relation(places(vs)?),
    })
}

fn lower_element(element: &ast::Element, scope: &Scope) -> Result<Element, QueryError> {
    let hint = "a clause of :where or an input has to use it";
    Ok(match element {
        ast::Element::Variable(v) => Element::Slot(scope.need(v, hint)?),
        ast::Element::Pull {
            variable, pattern, ..
        } => Element::Pull(scope.need(variable, hint)?, pattern.clone()),
        ast::Element::Aggregate {
            name,
            n,
            variable,
            at,
        } => {
            let aggregate = Aggregate::named(name, *n).ok_or_else(|| QueryError::Unknown {
                at: *at,
                kind: "aggregate",
                name: name.clone(),
                known: Aggregate::NAMES.join(", "),
            })?;
            Element::Aggregate(aggregate, scope.need(variable, hint)?)
        }
    })
}

fn order_key(key: &ast::OrderKey, query: &ast::Query) -> Result<OrderKey, QueryError> {
    let elements = query.find.elements();
    let column = match &key.by {
        ast::OrderBy::Column(i) => (*i < elements.len()).then_some(*i),
        ast::OrderBy::Variable(name) => elements
            .iter()
            .position(|e| matches!(e, ast::Element::Variable(v) if v.name == *name))
            .or_else(|| elements.iter().position(|e| matches!(e, ast::Element::Aggregate { variable, .. } if variable.name == *name))),
    };
    let column = column.ok_or_else(|| QueryError::Syntax {
        at: key.at,
        expected: format!(
            "a variable of :find, or a column number below {}",
            elements.len()
        ),
        found: match &key.by {
            ast::OrderBy::Variable(name) => format!("`{name}`"),
            ast::OrderBy::Column(i) => i.to_string(),
        },
    })?;
    Ok(OrderKey {
        column,
        descending: key.descending,
    })
}
