//! `:find`, `:with` and `:order`.

use super::ast::{Element, Find, OrderBy, OrderKey, Variable};
use super::{need_variable, variable};
use crate::edn::{Form, Kind};
use crate::error::QueryError;
use crate::ir::Aggregate;
use crate::pull;

/// The forms after `:find`.
pub fn find(forms: &[Form], whole: &Form) -> Result<Find, QueryError> {
    let dots = |f: &Form, s: &str| f.symbol() == Some(s);
    match forms {
        [] => Err(whole.expected("at least one variable, aggregate or pull after :find")),
        [one, dot] if dots(dot, ".") => Ok(Find::Scalar(element(one)?)),
        [
            Form {
                kind: Kind::Vector(items),
                ..
            },
        ] => match items.as_slice() {
            [] => Err(whole.expected("[?x ...] or [?x ?y] after :find")),
            [one, etc] if dots(etc, "...") => Ok(Find::Collection(element(one)?)),
            all => Ok(Find::Tuple(
                all.iter().map(element).collect::<Result<_, _>>()?,
            )),
        },
        all => Ok(Find::Relation(
            all.iter().map(element).collect::<Result<_, _>>()?,
        )),
    }
}

fn element(form: &Form) -> Result<Element, QueryError> {
    if let Some(v) = variable(form) {
        return Ok(Element::Variable(v));
    }
    let items = form
        .list()
        .ok_or_else(|| form.expected("a variable, (aggregate ?x) or (pull ?e [...])"))?;
    let (name, arguments) = items
        .split_first()
        .ok_or_else(|| form.expected("(aggregate ?x) or (pull ?e [...])"))?;
    let name = name
        .symbol()
        .ok_or_else(|| name.expected("the name of an aggregate, or pull"))?
        .to_owned();
    // a leading source, as in (pull $ ?e [*])
    let arguments = match arguments.split_first() {
        Some((first, rest)) if first.symbol() == Some("$") => rest,
        _ => arguments,
    };
    if name == "pull" {
        return match arguments {
            [entity, pattern] => Ok(Element::Pull {
                variable: need_variable(entity)?,
                pattern: pull::pattern(pattern)?,
                at: form.at,
            }),
            _ => Err(QueryError::Arity {
                at: form.at,
                name,
                expected: "2".into(),
                found: arguments.len(),
            }),
        };
    }
    if !Aggregate::NAMES.contains(&name.as_str()) {
        return Err(QueryError::Unknown {
            at: form.at,
            kind: "aggregate",
            name,
            known: format!("{}, pull", Aggregate::NAMES.join(", ")),
        });
    }
    let (n, what) = match arguments {
        [what] => (None, what),
        [n, what] if matches!(name.as_str(), "min" | "max") => match n.kind {
            Kind::Integer(i) if (1..=i64::from(u32::MAX)).contains(&i) => (Some(i as u64), what),
            _ => return Err(n.expected("how many values, 1 or more")),
        },
        _ => {
            let expected = if matches!(name.as_str(), "min" | "max") {
                "1 or 2"
            } else {
                "1"
            };
            return Err(QueryError::Arity {
                at: form.at,
                name,
                expected: expected.into(),
                found: arguments.len(),
            });
        }
    };
    Ok(Element::Aggregate {
        name,
        n,
        variable: need_variable(what)?,
        at: form.at,
    })
}

/// The forms after `:with`.
pub fn with(forms: &[Form]) -> Result<Vec<Variable>, QueryError> {
    forms.iter().map(need_variable).collect()
}

/// The forms after `:order`: `[[?t :desc] [1 :asc] ?x]`, or one key without the outer vector.
pub fn order(forms: &[Form], whole: &Form) -> Result<Vec<OrderKey>, QueryError> {
    let keys = match forms {
        [
            Form {
                kind: Kind::Vector(items),
                ..
            },
        ] if !items.iter().any(|f| matches!(f.kind, Kind::Keyword(_))) => items,
        _ => forms,
    };
    if keys.is_empty() {
        return Err(whole.expected("at least one key after :order, such as [[?t :desc]]"));
    }
    keys.iter().map(key).collect()
}

fn key(form: &Form) -> Result<OrderKey, QueryError> {
    let (what, descending) = match form.vector() {
        None => (form, false),
        Some([what]) => (what, false),
        Some([what, direction]) => match &direction.kind {
            Kind::Keyword(d) if d == "asc" => (what, false),
            Kind::Keyword(d) if d == "desc" => (what, true),
            _ => return Err(direction.expected(":asc or :desc")),
        },
        Some(_) => return Err(form.expected("a key such as [?t :desc]")),
    };
    let by = match (&what.kind, variable(what)) {
        (_, Some(v)) => OrderBy::Variable(v.name),
        (Kind::Integer(i), _) if *i >= 0 => OrderBy::Column(*i as usize),
        _ => return Err(what.expected("a variable of :find, or the number of a column from 0")),
    };
    Ok(OrderKey {
        by,
        descending,
        at: what.at,
    })
}
