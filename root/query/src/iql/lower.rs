//! A nested query to intermediate form: one query a level, levels below the top with the parent as input.

use rhizome_replica::Snapshot;
use rhizome_tuple::{EntityId, Value};

use super::ast::{Condition, Node, Query, Test};
use super::names::{Context, Link, Names, type_attributes};
use crate::error::{Position, QueryError};
use crate::ir::{
    self, AttributeTerm, Clause, Constant, ConstantIndex, Element, Input, Pattern, Shape, Slot,
    Term, Variable, finish, infer_inside,
};
use crate::text::{self, FoundText, TextSearch};

/// One level of a nested query, with names resolved for one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// The key of the result.
    pub key: String,
    /// Finds the entities of this level: one column. At the top it has no input, below the parent entity is its only one.
    pub query: ir::Query,
    /// As `query` with a second column, the value to order by, sorted: there if there is exactly one order key.
    pub(super) by_value: Option<ir::Query>,
    /// As `query`, for the entities without a value to order by.
    pub(super) without_value: Option<ir::Query>,
    /// Attribute and direction of each order key.
    pub(crate) order: Vec<(String, bool)>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
    pub(crate) after: Option<EntityId>,
    pub(super) fields: Option<Vec<(String, Link)>>,
    /// A link without conditions: followed directly. `None` at the top.
    pub(super) link: Option<Link>,
    pub(super) plain: bool,
    pub(super) context: Context,
    /// What is followed from here.
    pub levels: Vec<Level>,
}

impl Level {
    /// Everything but the conditions on the entities of this level; equal for levels whose objects are made in the same way.
    pub(crate) fn shape(&self) -> String {
        format!(
            "{:?}",
            (
                (&self.order, self.limit, self.offset, self.after),
                (&self.fields, &self.context, &self.levels),
            )
        )
    }
}

impl Query {
    /// Resolves names for one pod: one level for each key, nested.
    pub fn lower(&self, snapshot: &Snapshot, names: &Names) -> Result<Vec<Level>, QueryError> {
        self.lower_with(snapshot, names, None)
    }

    /// As [`Self::lower`]; `search` answers each `$search`.
    pub(super) fn lower_with(
        &self,
        snapshot: &Snapshot,
        names: &Names,
        search: Option<&dyn TextSearch>,
    ) -> Result<Vec<Level>, QueryError> {
        self.nodes
            .iter()
            .map(|n| level(n, None, snapshot, names, search))
            .collect()
    }
}

fn level(
    node: &Node,
    parent: Option<&Context>,
    snapshot: &Snapshot,
    names: &Names,
    search: Option<&dyn TextSearch>,
) -> Result<Level, QueryError> {
    let (context, link) = match parent {
        None => (Context::new(&node.key, snapshot), None),
        Some(parent) => (
            parent.target(&node.key, names, snapshot),
            Some(parent.link(&node.key, names, snapshot)?),
        ),
    };
    let mut order = Vec::with_capacity(node.order.len());
    for key in &node.order {
        let link = context.link(&key.field, names, snapshot)?;
        order.push((link.attribute, key.descending));
    }
    let build = |by: Option<&(String, bool)>, present: bool| {
        let body = Body::new(&context, snapshot, names, search);
        body.level(node, link.as_ref(), by, present)
    };
    let single = if let [one] = order.as_slice() {
        Some(one)
    } else {
        None
    };
    let fields = match &node.fields {
        None => None,
        Some(all) => {
            let resolve = |f: &String| context.link(f, names, snapshot).map(|l| (f.clone(), l));
            Some(
                all.iter()
                    .filter(|f| *f != "id")
                    .map(resolve)
                    .collect::<Result<Vec<_>, _>>()?,
            )
        }
    };
    let levels = node
        .links
        .iter()
        .map(|n| level(n, Some(&context), snapshot, names, search))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Level {
        key: node.key.clone(),
        query: build(None, true)?,
        by_value: single.map(|k| build(Some(k), true)).transpose()?,
        without_value: single.map(|k| build(Some(k), false)).transpose()?,
        order,
        limit: node.limit,
        offset: node.offset,
        after: node.after,
        fields,
        plain: link.is_some() && node.condition.is_empty(),
        link,
        context,
        levels,
    })
}

struct Body<'a> {
    context: &'a Context,
    snapshot: &'a Snapshot,
    names: &'a Names,
    search: Option<&'a dyn TextSearch>,
    query: ir::Query,
}

const ENTITY: Slot = 0;

impl<'a> Body<'a> {
    fn new(
        context: &'a Context,
        snapshot: &'a Snapshot,
        names: &'a Names,
        search: Option<&'a dyn TextSearch>,
    ) -> Self {
        let query = ir::Query {
            find: vec![Element::Slot(ENTITY)],
            shape: Shape::Relation,
            with: Vec::new(),
            inputs: Vec::new(),
            body: Vec::new(),
            variables: Vec::new(),
            rules: Vec::new(),
            attributes: Vec::new(),
            constants: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: 0,
        };
        Self {
            context,
            snapshot,
            names,
            search,
            query,
        }
    }

    fn slot(&mut self, name: &str) -> Slot {
        self.query.variables.push(Variable {
            name: format!("?{name}"),
            at: Position::default(),
            attribute_only: false,
        });
        (self.query.variables.len() - 1) as Slot
    }

    fn attribute(&mut self, name: &str) -> AttributeTerm {
        let all = &mut self.query.attributes;
        let i = all.iter().position(|a| a == name).unwrap_or_else(|| {
            all.push(name.to_owned());
            all.len() - 1
        });
        AttributeTerm::Named(i as u16)
    }

    fn constant(&mut self, values: Vec<Value>) -> Term {
        self.query.constants.push(Constant { values });
        Term::Constant((self.query.constants.len() - 1) as ConstantIndex)
    }

    fn pattern(&mut self, entity: Term, attribute: &str, value: Term) -> Clause {
        let attribute = self.attribute(attribute);
        Clause::Pattern(Pattern {
            entity,
            attribute,
            value,
        })
    }

    fn level(
        mut self,
        node: &Node,
        link: Option<&Link>,
        by: Option<&(String, bool)>,
        present: bool,
    ) -> Result<ir::Query, QueryError> {
        let e = self.slot("entity");
        let mut body = Vec::new();
        let mut given = Vec::new();
        if let Some(link) = link {
            let parent = self.slot("parent");
            given.push(parent);
            self.query.inputs.push(Input::Scalar(Some(parent)));
            body.push(self.follow(parent, e, link));
        }
        let context = self.context.clone();
        for condition in &node.condition {
            self.condition(condition, e, &context, &mut body)?;
        }
        let mut outside = vec![e];
        if let Some((attribute, descending)) = by {
            if present {
                let value = self.slot("order");
                outside.push(value);
                body.push(self.pattern(Term::Slot(e), attribute, Term::Slot(value)));
                self.query.find.push(Element::Slot(value));
                self.query.order.push(ir::OrderKey {
                    column: 1,
                    descending: *descending,
                });
            } else {
                let has = self.pattern(Term::Slot(e), attribute, Term::Blank);
                body.push(Clause::Not {
                    shared: vec![e],
                    body: vec![has],
                });
            }
        }
        if link.is_none() {
            self.membership(&node.key, e, &mut body);
        }
        outside.extend(&given);
        // a branch that only denies something needs the entity bound
        infer_inside(&mut body, &[]);
        self.query.body = finish(body, &outside, &given, &mut self.query.variables);
        Ok(self.query)
    }

    fn follow(&mut self, from: Slot, to: Slot, link: &Link) -> Clause {
        let (e, v) = if link.backwards {
            (to, from)
        } else {
            (from, to)
        };
        self.pattern(Term::Slot(e), &link.attribute, Term::Slot(v))
    }

    /// That the entity is of the namespace, unless a clause already says so by an attribute of it.
    fn membership(&mut self, namespace: &str, e: Slot, body: &mut Vec<Clause>) {
        let prefix = format!("{namespace}/");
        let says = |c: &Clause| match c {
            Clause::Pattern(Pattern {
                entity: Term::Slot(s),
                attribute: AttributeTerm::Named(a),
                ..
            }) => *s == e && self.query.attributes[usize::from(*a)].starts_with(&prefix),
            _ => false,
        };
        if body.iter().any(says) {
            return;
        }
        let mut branches = Vec::new();
        for attribute in type_attributes(self.snapshot) {
            let value = self.constant(vec![Value::from(namespace)]);
            branches.push(vec![self.pattern(Term::Slot(e), &attribute, value)]);
        }
        let own: Vec<&str> = self
            .snapshot
            .attributes()
            .map(|(_, n)| n)
            .filter(|n| n.starts_with(&prefix))
            .collect();
        for attribute in own {
            branches.push(vec![self.pattern(Term::Slot(e), attribute, Term::Blank)]);
        }
        match <[Vec<Clause>; 1]>::try_from(branches) {
            Ok([only]) => body.extend(only),
            Err(branches) => body.push(Clause::Or {
                required: Vec::new(),
                shared: vec![e],
                branches,
            }),
        }
    }

    fn all(
        &mut self,
        conditions: &[Condition],
        e: Slot,
        context: &Context,
    ) -> Result<Vec<Clause>, QueryError> {
        let mut out = Vec::new();
        for condition in conditions {
            self.condition(condition, e, context, &mut out)?;
        }
        Ok(out)
    }

    fn condition(
        &mut self,
        condition: &Condition,
        e: Slot,
        context: &Context,
        out: &mut Vec<Clause>,
    ) -> Result<(), QueryError> {
        match condition {
            Condition::All(all) => out.extend(self.all(all, e, context)?),
            Condition::Any(any) => {
                let branches = any
                    .iter()
                    .map(|c| self.all(std::slice::from_ref(c), e, context))
                    .collect::<Result<Vec<_>, _>>()?;
                out.push(Clause::Or {
                    required: Vec::new(),
                    shared: vec![e],
                    branches,
                });
            }
            Condition::Not(all) => {
                let body = self.all(all, e, context)?;
                out.push(Clause::Not {
                    shared: vec![e],
                    body,
                });
            }
            Condition::Field { path, tests } => {
                let positive: Vec<&Test> = tests
                    .iter()
                    .filter(|t| !matches!(t, Test::None(_)))
                    .collect();
                if !positive.is_empty() {
                    self.field(path, &positive, e, context, out)?;
                }
                for test in tests {
                    if let Test::None(inner) = test {
                        let mut body = Vec::new();
                        self.field(
                            path,
                            &inner.iter().collect::<Vec<_>>(),
                            e,
                            context,
                            &mut body,
                        )?;
                        out.push(Clause::Not {
                            shared: vec![e],
                            body,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// That a value at the end of the path passes all tests.
    fn field(
        &mut self,
        path: &[String],
        tests: &[&Test],
        e: Slot,
        context: &Context,
        out: &mut Vec<Clause>,
    ) -> Result<(), QueryError> {
        let Some((last, steps)) = path.split_last() else {
            return Ok(());
        };
        let (mut at, mut context) = (e, context.clone());
        for step in steps {
            let link = context.link(step, self.names, self.snapshot)?;
            let next = self.slot(step);
            out.push(self.follow(at, next, &link));
            context = context.target(step, self.names, self.snapshot);
            at = next;
        }
        if last == "id" {
            return self.tests_of(Term::Slot(at), at, tests, out);
        }
        let link = context.link(last, self.names, self.snapshot)?;
        if let ([Test::Among(values)], false) = (tests, link.backwards) {
            let value = self.constant(values.clone());
            out.push(self.pattern(Term::Slot(at), &link.attribute, value));
            return Ok(());
        }
        let value = self.slot(last);
        out.push(self.follow(at, value, &link));
        self.words(tests, &link, (at, value), out)?;
        let others: Vec<&Test> = tests
            .iter()
            .copied()
            .filter(|t| !matches!(t, Test::Search(_)))
            .collect();
        self.tests_of(Term::Slot(value), value, &others, out)
    }

    /// That the value has the words of each `$search`.
    fn words(
        &self,
        tests: &[&Test],
        link: &Link,
        (at, value): (Slot, Slot),
        out: &mut Vec<Clause>,
    ) -> Result<(), QueryError> {
        for test in tests {
            let Test::Search(words) = test else { continue };
            let found = if link.backwards {
                Vec::new()
            } else {
                text::ask(self.search, None, "$search", Some(&link.attribute), words)?
            };
            let row = |one: FoundText| vec![Value::Ref(one.entity), Value::Text(one.text)];
            out.push(Clause::Rows {
                slots: vec![Some(at), Some(value)],
                rows: found.into_iter().map(row).collect(),
            });
        }
        Ok(())
    }

    fn tests_of(
        &mut self,
        term: Term,
        slot: Slot,
        tests: &[&Test],
        out: &mut Vec<Clause>,
    ) -> Result<(), QueryError> {
        for test in tests {
            match test {
                Test::Present => {}
                Test::Search(_) => {
                    return Err(QueryError::Shape {
                        path: "$search".into(),
                        expected: "a field with text, and at most one `$not` around it".into(),
                        found: "another place".into(),
                    });
                }
                Test::Among(values) => out.push(Clause::Rows {
                    slots: vec![Some(slot)],
                    rows: values.iter().map(|v| vec![v.clone()]).collect(),
                }),
                Test::Compare(compare, value) => {
                    let with = self.constant(vec![value.clone()]);
                    out.push(Clause::Compare {
                        compare: *compare,
                        arguments: vec![term, with],
                    });
                }
                Test::None(inner) => {
                    let mut body = Vec::new();
                    self.tests_of(term, slot, &inner.iter().collect::<Vec<_>>(), &mut body)?;
                    out.push(Clause::Not {
                        shared: vec![slot],
                        body,
                    });
                }
            }
        }
        Ok(())
    }
}
