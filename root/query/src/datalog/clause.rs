//! The clauses of `:where` and of rules.

use rhizome_tuple::Value;

use super::ast::{Argument, Clause, ClauseKind, Rule, Term, Variable};
use super::input::binding;
use super::literal::constant;
use super::{need_variable, variable};
use crate::edn::{Form, Kind};
use crate::error::QueryError;

/// One clause.
pub fn clause(form: &Form) -> Result<Clause, QueryError> {
    let kind = match &form.kind {
        Kind::Vector(items) => match items.split_first() {
            Some((
                Form {
                    kind: Kind::List(call),
                    ..
                },
                output,
            )) => function(form, call, output)?,
            _ => pattern(form, items)?,
        },
        Kind::List(items) => {
            // a leading source, as in ($ not …) or ($ rule ?x)
            let items = match items.split_first() {
                Some((first, rest)) if first.symbol() == Some("$") => rest,
                _ => items,
            };
            let (name, rest) = items
                .split_first()
                .ok_or_else(|| form.expected("a clause"))?;
            let name = name
                .symbol()
                .ok_or_else(|| name.expected("not, or, and, or the name of a rule"))?;
            combined(form, name, rest)?
        }
        _ => {
            return Err(form.expected(
                "a clause: [?e :attribute ?v], [(predicate …)], (not …), (or …) or (rule …)",
            ));
        }
    };
    Ok(Clause { kind, at: form.at })
}

fn clauses(forms: &[Form], whole: &Form) -> Result<Vec<Clause>, QueryError> {
    if forms.is_empty() {
        return Err(whole.expected("at least one clause inside"));
    }
    forms.iter().map(clause).collect()
}

fn combined(form: &Form, name: &str, rest: &[Form]) -> Result<ClauseKind, QueryError> {
    Ok(match name {
        "not" => ClauseKind::Not {
            join: None,
            body: clauses(rest, form)?,
        },
        "not-join" => {
            let (shared, body) = join(form, rest)?;
            if let Some(nested) = shared.iter().find(|f| f.vector().is_some()) {
                return Err(
                    nested.expected("a variable: all variables of not-join must be bound outside")
                );
            }
            ClauseKind::Not {
                join: Some(shared.iter().map(need_variable).collect::<Result<_, _>>()?),
                body: clauses(body, form)?,
            }
        }
        "or" => ClauseKind::Or {
            join: None,
            branches: branches(rest, form)?,
        },
        "or-join" => {
            let (shared, body) = join(form, rest)?;
            ClauseKind::Or {
                join: Some(head(shared)?),
                branches: branches(body, form)?,
            }
        }
        "and" => ClauseKind::Or {
            join: None,
            branches: vec![clauses(rest, form)?],
        },
        _ => ClauseKind::Call {
            name: name.to_owned(),
            arguments: rest.iter().map(term).collect::<Result<_, _>>()?,
        },
    })
}

fn join<'a>(form: &Form, rest: &'a [Form]) -> Result<(&'a [Form], &'a [Form]), QueryError> {
    match rest.split_first() {
        Some((
            Form {
                kind: Kind::Vector(shared),
                ..
            },
            body,
        )) if !shared.is_empty() => Ok((shared, body)),
        Some((other, _)) => Err(other.expected("a vector of the shared variables, such as [?x]")),
        None => Err(form.expected("a vector of the shared variables, then clauses")),
    }
}

fn branches(forms: &[Form], whole: &Form) -> Result<Vec<Vec<Clause>>, QueryError> {
    if forms.is_empty() {
        return Err(whole.expected("at least one branch inside"));
    }
    forms
        .iter()
        .map(|f| match f.list().and_then(<[Form]>::split_first) {
            Some((first, rest)) if first.symbol() == Some("and") => clauses(rest, f),
            _ => Ok(vec![clause(f)?]),
        })
        .collect()
}

/// `[?bound …] ?free …`: the shared variables of `or-join` and the head of a rule.
fn head(forms: &[Form]) -> Result<(Vec<Variable>, Vec<Variable>), QueryError> {
    let (required, free) = match forms.split_first() {
        Some((
            Form {
                kind: Kind::Vector(required),
                ..
            },
            free,
        )) => (required.as_slice(), free),
        _ => ([].as_slice(), forms),
    };
    let all = |forms: &[Form]| {
        forms
            .iter()
            .map(need_variable)
            .collect::<Result<Vec<_>, _>>()
    };
    let (required, free) = (all(required)?, all(free)?);
    let mut seen = std::collections::HashSet::new();
    for v in required.iter().chain(&free) {
        if !seen.insert(&v.name) {
            return Err(QueryError::Duplicate {
                at: v.at,
                what: format!("`{}`", v.name),
            });
        }
    }
    Ok((required, free))
}

/// `[(name ?a ?b) clause…]`
pub fn rule(form: &Form) -> Result<Rule, QueryError> {
    let wrong = || form.expected("a rule: [(name ?a ?b) clause …]");
    let (first, body) = form
        .vector()
        .and_then(<[Form]>::split_first)
        .ok_or_else(wrong)?;
    let (name, arguments) = first
        .list()
        .and_then(<[Form]>::split_first)
        .ok_or_else(|| first.expected("a rule head such as (name ?a ?b)"))?;
    let name = match name.symbol() {
        Some("not" | "not-join" | "or" | "or-join" | "and") | None => {
            return Err(name.expected("a rule name that is not a word of the language"));
        }
        Some(s) if s.starts_with(['?', '$', '%', '_']) => {
            return Err(name.expected("the name of a rule"));
        }
        Some(s) => s.to_owned(),
    };
    let (required, free) = head(arguments)?;
    if required.is_empty() && free.is_empty() {
        return Err(first.expected("a rule head with at least one variable"));
    }
    Ok(Rule {
        name,
        required,
        free,
        body: clauses(body, form)?,
        at: form.at,
    })
}

fn pattern(form: &Form, items: &[Form]) -> Result<ClauseKind, QueryError> {
    let items = match items.split_first() {
        Some((first, rest)) if first.symbol() == Some("$") => rest,
        _ => items,
    };
    let place = |i: usize| items.get(i).map_or(Ok(Term::Blank), term);
    if items.is_empty() {
        return Err(form.expected("[entity attribute value], a call or a rule"));
    }
    if let Some(extra) = items.get(3) {
        return Err(extra.expected("`]`: a pattern has entity, attribute and value"));
    }
    let entity = place(0)?;
    if let (Term::Constant(v), Some(written)) = (&entity, items.first()) {
        let id = matches!(v, Value::Text(s) if s.parse::<rhizome_tuple::EntityId>().is_ok());
        if !id {
            return Err(written.expected("an entity: a variable, _, or an id such as \"rz:…\" (39 characters after the colon)"));
        }
    }
    let attribute = place(1)?;
    if let (Term::Constant(v), Some(written)) = (&attribute, items.get(1))
        && !matches!(v, Value::Text(_))
    {
        return Err(written.expected("an attribute as text or keyword, a variable, or _"));
    }
    Ok(ClauseKind::Pattern {
        entity,
        attribute,
        value: place(2)?,
    })
}

fn term(form: &Form) -> Result<Term, QueryError> {
    match (&form.kind, variable(form)) {
        (_, Some(v)) => Ok(Term::Variable(v)),
        (Kind::Symbol(s), _) if s == "_" => Ok(Term::Blank),
        (Kind::Symbol(_), _) => Err(form.expected("a variable such as ?x, _, or a constant")),
        _ => constant(form).map(Term::Constant),
    }
}

fn function(form: &Form, call: &[Form], output: &[Form]) -> Result<ClauseKind, QueryError> {
    let (name, arguments) = call
        .split_first()
        .ok_or_else(|| form.expected("the name of a predicate or function"))?;
    let name = name
        .symbol()
        .ok_or_else(|| name.expected("the name of a predicate or function"))?;
    // Clojure's and Java's spellings of the same functions
    let name = ["clojure.string/", "clojure.core/", ".", "-"]
        .iter()
        .find_map(|p| {
            name.strip_prefix(p)
                .filter(|s| s.starts_with(|c: char| c.is_ascii_alphabetic()))
        })
        .unwrap_or(name);
    let name = match name {
        "startsWith" => "starts-with?",
        "endsWith" => "ends-with?",
        "get-else" | "missing?" | "ground" => name,
        other => other,
    }
    .to_owned();
    let arguments = arguments
        .iter()
        .map(|f| argument(f, name == "ground"))
        .collect::<Result<_, _>>()?;
    match output {
        [] => Ok(ClauseKind::Predicate { name, arguments }),
        [out] => Ok(ClauseKind::Function {
            name,
            arguments,
            output: binding(out)?,
        }),
        [_, extra, ..] => Err(extra.expected("`]`: a call binds one form")),
    }
}

fn argument(form: &Form, rows: bool) -> Result<Argument, QueryError> {
    if form.symbol() == Some("$") {
        return Ok(Argument::Database);
    }
    match form.vector() {
        Some(items) if rows => {
            let row = |f: &Form| match f.vector() {
                Some(cells) => cells.iter().map(constant).collect(),
                None => Ok(vec![constant(f)?]),
            };
            items
                .iter()
                .map(row)
                .collect::<Result<_, _>>()
                .map(Argument::Rows)
        }
        Some(_) => Err(form.expected("a variable or a constant; only ground takes collections")),
        None => match term(form)? {
            Term::Blank => Err(form.expected("a variable or a constant; `_` has no value here")),
            t => Ok(Argument::Term(t)),
        },
    }
}
