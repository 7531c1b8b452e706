//! Predicates, functions and rule calls.

use rhizome_tuple::{EntityId, Value};

use super::clause::wrong;
use super::scope::Scope;
use super::{Lowering, inline};
use crate::datalog::ast::{self, Argument, Binding};
use crate::error::{Position, QueryError};
use crate::ir::{AttributeTerm, Clause, Compare, Function, Pattern, RuleIndex, Term};
use crate::text;

fn arity(
    at: Position,
    name: &str,
    (least, most): (usize, usize),
    found: usize,
) -> Result<(), QueryError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let expected = if least == most {
        least.to_string()
    } else {
        format!("{least} to {most}")
    };
    Err(QueryError::Arity {
        at,
        name: name.to_owned(),
        expected,
        found,
    })
}

impl Lowering<'_> {
    fn terms(
        &mut self,
        at: Position,
        arguments: &[Argument],
        scope: &Scope,
    ) -> Result<Vec<Term>, QueryError> {
        arguments
            .iter()
            .map(|a| match a {
                Argument::Term(t) => self.term(t, scope),
                Argument::Rows(_) | Argument::Database => {
                    Err(wrong(at, "variables and constants as arguments"))
                }
            })
            .collect()
    }

    /// `$ ?e :attribute …`, the `$` may be left out.
    fn on_attribute(
        &mut self,
        at: Position,
        arguments: &[Argument],
        scope: &Scope,
    ) -> Result<(Term, u16), QueryError> {
        match arguments {
            [
                Argument::Term(entity),
                Argument::Term(ast::Term::Constant(Value::Text(name))),
                ..,
            ] => Ok((self.term(entity, scope)?, self.attribute(name))),
            _ => Err(wrong(
                at,
                "an entity and a named attribute, as in (missing? $ ?e :name)",
            )),
        }
    }

    pub fn predicate(
        &mut self,
        at: Position,
        name: &str,
        arguments: &[Argument],
        scope: &Scope,
    ) -> Result<Clause, QueryError> {
        let rest = arguments
            .strip_prefix(&[Argument::Database])
            .unwrap_or(arguments);
        if name == "missing?" {
            arity(at, name, (2, 2), rest.len())?;
            let (entity, attribute) = self.on_attribute(at, rest, scope)?;
            let body = vec![Clause::Pattern(Pattern {
                entity,
                attribute: AttributeTerm::Named(attribute),
                value: Term::Blank,
            })];
            let shared = match entity {
                Term::Slot(s) => vec![s],
                _ => Vec::new(),
            };
            return Ok(Clause::Not { shared, body });
        }
        let Some((_, compare)) = Compare::NAMES.iter().find(|(n, _)| *n == name) else {
            let known = Compare::NAMES
                .iter()
                .map(|(n, _)| *n)
                .chain(["missing?"])
                .collect::<Vec<_>>()
                .join(" ");
            return Err(QueryError::Unknown {
                at,
                kind: "predicate",
                name: name.to_owned(),
                known,
            });
        };
        arity(at, name, compare.arity(), arguments.len())?;
        Ok(Clause::Compare {
            compare: *compare,
            arguments: self.terms(at, arguments, scope)?,
        })
    }

    pub fn function(
        &mut self,
        at: Position,
        name: &str,
        arguments: &[Argument],
        output: &Binding,
        scope: &mut Scope,
        out: &mut Vec<Clause>,
    ) -> Result<(), QueryError> {
        if let ("ground", [Argument::Rows(rows)]) = (name, arguments) {
            out.push(ground(at, rows, output, scope)?);
            return Ok(());
        }
        if let ("ground", [Argument::Term(ast::Term::Constant(v)), ..], Binding::Scalar(_)) =
            (name, arguments, output)
        {
            out.push(ground(at, &[vec![v.clone()]], output, scope)?);
            return Ok(());
        }
        if text::is_fulltext(name) {
            // where there is somebody to answer it, it is no longer here
            text::ask(None, Some(at), name, None, "")?;
        }
        let slot = match output {
            Binding::Scalar(v) => scope.need(v, "")?,
            Binding::Ignore => scope.fresh("?#".into(), at)?,
            _ => {
                return Err(wrong(
                    at,
                    "one variable for the result; only ground gives collections",
                ));
            }
        };
        let rest = arguments
            .strip_prefix(&[Argument::Database])
            .unwrap_or(arguments);
        if name == "get-else" {
            arity(at, name, (3, 3), rest.len())?;
            let (entity, attribute) = self.on_attribute(at, rest, scope)?;
            let Some(Argument::Term(ast::Term::Constant(default))) = rest.get(2) else {
                return Err(wrong(at, "a constant as the default of get-else"));
            };
            let default = self.constant(default);
            out.push(Clause::GetElse {
                entity,
                attribute,
                default,
                output: slot,
            });
            return Ok(());
        }
        let name = if name == "ground" { "identity" } else { name };
        if let Some((_, function)) = Function::NAMES.iter().find(|(n, _)| *n == name) {
            arity(at, name, function.arity(), arguments.len())?;
            out.push(Clause::Function {
                function: *function,
                arguments: self.terms(at, arguments, scope)?,
                output: slot,
            });
            return Ok(());
        }
        let known = Function::NAMES
            .iter()
            .map(|(n, _)| *n)
            .chain(["ground", "get-else", "fulltext"])
            .collect::<Vec<_>>()
            .join(" ");
        Err(QueryError::Unknown {
            at,
            kind: "function",
            name: name.to_owned(),
            known,
        })
    }

    pub fn call(
        &mut self,
        at: Position,
        name: &str,
        arguments: &[ast::Term],
        scope: &mut Scope,
        out: &mut Vec<Clause>,
    ) -> Result<(), QueryError> {
        let Some(index) = self.rule_names.get(name).copied() else {
            let mut known: Vec<_> = self.rule_names.keys().map(String::as_str).collect();
            known.sort_unstable();
            let known = if known.is_empty() {
                "none; give rules with :rules or as input %".to_owned()
            } else {
                known.join(" ")
            };
            return Err(QueryError::Unknown {
                at,
                kind: "rule",
                name: name.to_owned(),
                known,
            });
        };
        let rule = &self.rules[index];
        arity(at, name, (rule.arity, rule.arity), arguments.len())?;
        let arguments = arguments
            .iter()
            .map(|t| self.term(t, scope))
            .collect::<Result<Vec<_>, _>>()?;
        let rule = &self.rules[index];
        let size = inline::size(rule);
        if rule.recursive || self.clauses + size > self.limits.clauses {
            out.push(Clause::Call {
                rule: index as RuleIndex,
                arguments,
            });
            return Ok(());
        }
        self.clauses += size;
        inline::expand(
            rule,
            &arguments,
            at,
            &self.constants,
            &mut self.attributes,
            scope,
            out,
        )
    }
}

/// Constants that are computed with: text that reads as an entity id is the entity.
fn meant(row: &[Value]) -> Vec<Value> {
    let one = |v: &Value| match v {
        Value::Text(s) => s.parse::<EntityId>().map_or_else(|_| v.clone(), Value::Ref),
        other => other.clone(),
    };
    row.iter().map(one).collect()
}

fn ground(
    at: Position,
    rows: &[Vec<Value>],
    output: &Binding,
    scope: &mut Scope,
) -> Result<Clause, QueryError> {
    let rows: &[Vec<Value>] = &rows.iter().map(|r| meant(r)).collect::<Vec<_>>();
    let place = |v: &Option<ast::Variable>| v.as_ref().map(|v| scope.need(v, "")).transpose();
    let (slots, rows) = match output {
        Binding::Scalar(v) if rows.len() == 1 => (vec![Some(scope.need(v, "")?)], rows.to_vec()),
        Binding::Scalar(_) => return Err(wrong(at, "[?x ...] to bind a collection")),
        Binding::Collection(v) => (vec![Some(scope.need(v, "")?)], rows.to_vec()),
        Binding::Tuple(vs) => {
            let row = if let [row] = rows {
                row.clone()
            } else {
                rows.concat()
            };
            (vs.iter().map(place).collect::<Result<_, _>>()?, vec![row])
        }
        Binding::Relation(vs) => (
            vs.iter().map(place).collect::<Result<_, _>>()?,
            rows.to_vec(),
        ),
        Binding::Ignore => (vec![None], Vec::new()),
    };
    if let Some(row) = rows.iter().find(|r| r.len() != slots.len()) {
        let expected = format!("rows of {} values", slots.len());
        return Err(QueryError::Syntax {
            at,
            expected,
            found: format!("one of {}", row.len()),
        });
    }
    Ok(Clause::Rows { slots, rows })
}
