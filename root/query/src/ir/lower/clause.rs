//! Clauses of the syntax tree to clauses of the intermediate form.

use super::Lowering;
use super::scope::Scope;
use crate::datalog::ast::{self, Argument, ClauseKind};
use crate::error::{Position, QueryError};
use crate::ir::{AttributeTerm, Clause, Pattern, Slot, Term};
use crate::limits::Limits;

impl Lowering<'_> {
    /// A conjunction. Variables not yet in sight are declared first, so that a `not` written before the clause that binds its
    /// variable still shares it: the order of clauses has no meaning.
    pub fn body(
        &mut self,
        clauses: &[ast::Clause],
        scope: &mut Scope,
    ) -> Result<Vec<Clause>, QueryError> {
        let mut seen = Vec::new();
        for c in clauses {
            mentioned(c, &mut seen);
        }
        for v in seen {
            if scope.find(&v.name).is_none() {
                scope.declare(v)?;
            }
        }
        let mut out = Vec::with_capacity(clauses.len());
        for clause in clauses {
            self.clause(clause, scope, &mut out)?;
        }
        Ok(out)
    }

    fn clause(
        &mut self,
        clause: &ast::Clause,
        scope: &mut Scope,
        out: &mut Vec<Clause>,
    ) -> Result<(), QueryError> {
        self.clauses += 1;
        if self.clauses > self.limits.clauses {
            return Err(Limits::exceeded(
                "clauses",
                self.limits.clauses,
                Some(clause.at),
            ));
        }
        match &clause.kind {
            ClauseKind::Pattern {
                entity,
                attribute,
                value,
            } => {
                let attribute = match attribute {
                    ast::Term::Blank => AttributeTerm::Blank,
                    ast::Term::Variable(v) => AttributeTerm::Slot(scope.need(v, "")?),
                    ast::Term::Constant(rhizome_tuple::Value::Text(name)) => {
                        AttributeTerm::Named(self.attribute(name))
                    }
                    ast::Term::Constant(_) => {
                        return Err(wrong(clause.at, "an attribute as text or keyword"));
                    }
                };
                let pattern = Pattern {
                    entity: self.term(entity, scope)?,
                    attribute,
                    value: self.term(value, scope)?,
                };
                out.push(Clause::Pattern(pattern));
            }
            ClauseKind::Predicate { name, arguments } => {
                out.push(self.predicate(clause.at, name, arguments, scope)?);
            }
            ClauseKind::Function {
                name,
                arguments,
                output,
            } => self.function(clause.at, name, arguments, output, scope, out)?,
            ClauseKind::Not { join, body } => {
                out.push(self.not(clause.at, join.as_deref(), body, scope)?);
            }
            ClauseKind::Or {
                join: None,
                branches,
            } if branches.len() == 1 => {
                // `(and …)` and an `or` of one branch are the clauses themselves
                for c in branches.iter().flatten() {
                    self.clause(c, scope, out)?;
                }
            }
            ClauseKind::Or { join, branches } => {
                out.push(self.or(join.as_ref(), branches, scope)?);
            }
            ClauseKind::Call { name, arguments } => {
                self.call(clause.at, name, arguments, scope, out)?;
            }
        }
        Ok(())
    }

    pub fn term(&mut self, term: &ast::Term, scope: &Scope) -> Result<Term, QueryError> {
        Ok(match term {
            ast::Term::Variable(v) => Term::Slot(scope.need(v, "")?),
            ast::Term::Blank => Term::Blank,
            ast::Term::Constant(value) => Term::Constant(self.constant(value)),
        })
    }

    fn not(
        &mut self,
        at: Position,
        join: Option<&[ast::Variable]>,
        body: &[ast::Clause],
        scope: &mut Scope,
    ) -> Result<Clause, QueryError> {
        let mut inside = Vec::new();
        for c in body {
            everywhere(c, &mut inside);
        }
        let hint = "a clause outside the `not-join` has to use it";
        let shared: Vec<Slot> = if let Some(listed) = join {
            listed
                .iter()
                .map(|v| scope.need(v, hint))
                .collect::<Result<_, _>>()?
        } else {
            let mut shared: Vec<Slot> = inside.iter().filter_map(|v| scope.find(&v.name)).collect();
            shared.sort_unstable();
            shared.dedup();
            shared
        };
        if shared.is_empty() {
            return Err(QueryError::UnsafeNegation {
                at,
                clause: if join.is_some() { "not-join" } else { "not" },
            });
        }
        let before = scope.enter(join.map(|_| shared.as_slice()));
        let body = self.body(body, scope);
        scope.leave(before);
        Ok(Clause::Not {
            shared,
            body: body?,
        })
    }

    fn or(
        &mut self,
        join: Option<&(Vec<ast::Variable>, Vec<ast::Variable>)>,
        branches: &[Vec<ast::Clause>],
        scope: &mut Scope,
    ) -> Result<Clause, QueryError> {
        let (required, shared, only) = if let Some((required, free)) = join {
            let required: Vec<Slot> = required
                .iter()
                .map(|v| scope.need(v, ""))
                .collect::<Result<_, _>>()?;
            let mut shared = required.clone();
            for v in free {
                shared.push(scope.need(v, "")?);
            }
            (required, shared.clone(), Some(shared))
        } else {
            let mut first = Vec::new();
            branches
                .iter()
                .flatten()
                .for_each(|c| mentioned(c, &mut first));
            for branch in branches {
                let mut here = Vec::new();
                for c in branch {
                    mentioned(c, &mut here);
                }
                if let Some(v) = first
                    .iter()
                    .find(|v| !here.iter().any(|h| h.name == v.name))
                {
                    let at = branch.first().map_or_else(Position::default, |c| c.at);
                    return Err(QueryError::UnevenBranches {
                        at,
                        variable: v.name.clone(),
                    });
                }
            }
            let mut shared: Vec<Slot> = first.iter().filter_map(|v| scope.find(&v.name)).collect();
            shared.sort_unstable();
            shared.dedup();
            (Vec::new(), shared, None)
        };
        let mut lowered = Vec::with_capacity(branches.len());
        for branch in branches {
            let before = scope.enter(only.as_deref());
            let body = self.body(branch, scope);
            scope.leave(before);
            lowered.push(body?);
        }
        Ok(Clause::Or {
            required,
            shared,
            branches: lowered,
        })
    }
}

pub fn wrong(at: Position, expected: &str) -> QueryError {
    QueryError::Syntax {
        at,
        expected: expected.to_owned(),
        found: "something else".to_owned(),
    }
}

fn in_terms<'a>(terms: impl IntoIterator<Item = &'a ast::Term>, out: &mut Vec<&'a ast::Variable>) {
    out.extend(terms.into_iter().filter_map(|t| match t {
        ast::Term::Variable(v) => Some(v),
        _ => None,
    }));
}

fn in_arguments<'a>(arguments: &'a [Argument], out: &mut Vec<&'a ast::Variable>) {
    let terms = arguments.iter().filter_map(|a| match a {
        Argument::Term(t) => Some(t),
        _ => None,
    });
    in_terms(terms, out);
}

/// The variables that a clause shows to its neighbours: what is only inside a `not`, or not listed by an `or-join`, is its own.
fn mentioned<'a>(clause: &'a ast::Clause, out: &mut Vec<&'a ast::Variable>) {
    match &clause.kind {
        ClauseKind::Pattern {
            entity,
            attribute,
            value,
        } => in_terms([entity, attribute, value], out),
        ClauseKind::Predicate { arguments, .. } => in_arguments(arguments, out),
        ClauseKind::Function {
            arguments, output, ..
        } => {
            in_arguments(arguments, out);
            out.extend(output.variables());
        }
        ClauseKind::Not { .. } => {}
        ClauseKind::Or {
            join: Some((required, free)),
            ..
        } => out.extend(required.iter().chain(free)),
        ClauseKind::Or {
            join: None,
            branches,
        } => branches.iter().flatten().for_each(|c| mentioned(c, out)),
        ClauseKind::Call { arguments, .. } => in_terms(arguments, out),
    }
}

/// The variables a clause could share with others, those inside `not` included.
fn everywhere<'a>(clause: &'a ast::Clause, out: &mut Vec<&'a ast::Variable>) {
    match &clause.kind {
        ClauseKind::Not {
            join: Some(listed), ..
        } => out.extend(listed),
        ClauseKind::Not { join: None, body } => body.iter().for_each(|c| everywhere(c, out)),
        ClauseKind::Or {
            join: None,
            branches,
        } => branches.iter().flatten().for_each(|c| everywhere(c, out)),
        _ => mentioned(clause, out),
    }
}
