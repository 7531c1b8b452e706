//! The whole query, as vector or as map.

use super::ast::{Input, Query, Rule};
use super::{clause, find, input};
use crate::edn::{self, Form, Kind};
use crate::error::QueryError;
use crate::limits::Limits;

const SECTIONS: [&str; 8] = [
    "find", "with", "in", "where", "rules", "order", "limit", "offset",
];

/// Parses `[:find … :in … :where …]` or `{:find […] :in […] :where […]}`.
pub fn parse(text: &str, limits: &Limits) -> Result<Query, QueryError> {
    let form = edn::read(text, limits)?;
    let sections = sections(&form)?;
    let get = |name: &str| sections.iter().find(|s| s.name == name);
    let forms = |name: &str| get(name).map_or([].as_slice(), |s| s.forms);
    let find = find::find(forms("find"), get("find").map_or(&form, |s| s.key))?;
    let rules = match get("rules") {
        Some(Section {
            forms:
                [
                    Form {
                        kind: Kind::Vector(rules),
                        ..
                    },
                ],
            ..
        }) => rules.iter().map(clause::rule).collect::<Result<_, _>>()?,
        Some(s) => return Err(s.key.expected("one vector of rules after :rules")),
        None => Vec::new(),
    };
    let order = get("order")
        .map(|s| find::order(s.forms, s.key))
        .transpose()?
        .unwrap_or_default();
    Ok(Query {
        find,
        with: find::with(forms("with"))?,
        inputs: input::inputs(forms("in"))?,
        clauses: forms("where")
            .iter()
            .map(clause::clause)
            .collect::<Result<_, _>>()?,
        rules,
        order,
        limit: get("limit").map(count).transpose()?,
        offset: get("offset").map(count).transpose()?.unwrap_or(0),
    })
}

/// Parses rules given apart from the query, for its `%`: `[[(name ?a ?b) clause…] …]`.
pub fn parse_rules(text: &str, limits: &Limits) -> Result<Vec<Rule>, QueryError> {
    let form = edn::read(text, limits)?;
    let rules = form
        .vector()
        .ok_or_else(|| form.expected("a vector of rules"))?;
    rules.iter().map(clause::rule).collect()
}

impl Query {
    /// Whether `:in` has a `%`.
    pub fn wants_rules(&self) -> bool {
        self.inputs.iter().any(|i| matches!(i, Input::Rules(_)))
    }
}

struct Section<'a> {
    name: &'a str,
    key: &'a Form,
    forms: &'a [Form],
}

fn sections(form: &Form) -> Result<Vec<Section<'_>>, QueryError> {
    let mut out: Vec<Section<'_>> = Vec::new();
    match &form.kind {
        Kind::Vector(items) => {
            let mut rest = items.as_slice();
            while let Some((key, after)) = rest.split_first() {
                let length = after
                    .iter()
                    .position(|f| matches!(f.kind, Kind::Keyword(_)))
                    .unwrap_or(after.len());
                let (forms, next) = after.split_at(length);
                push(&mut out, key, forms)?;
                rest = next;
            }
        }
        Kind::Map(pairs) => {
            for (key, value) in pairs {
                // `:limit 5` has a bare value, `:rules [...]` one vector, all others a vector of forms
                let bare = matches!(&key.kind, Kind::Keyword(k) if k == "rules")
                    || value.vector().is_none();
                let forms = if bare {
                    std::slice::from_ref(value)
                } else {
                    value.vector().unwrap_or_default()
                };
                push(&mut out, key, forms)?;
            }
        }
        _ => return Err(form.expected("a query: [:find … :where …] or {:find […] :where […]}")),
    }
    Ok(out)
}

fn push<'a>(
    out: &mut Vec<Section<'a>>,
    key: &'a Form,
    forms: &'a [Form],
) -> Result<(), QueryError> {
    let name = match &key.kind {
        Kind::Keyword(name) if SECTIONS.contains(&name.as_str()) => name,
        _ => return Err(key.expected("one of :find :with :in :where :rules :order :limit :offset")),
    };
    if out.iter().any(|s| s.name == name) {
        return Err(QueryError::Duplicate {
            at: key.at,
            what: format!("`:{name}`"),
        });
    }
    out.push(Section { name, key, forms });
    Ok(())
}

fn count(section: &Section<'_>) -> Result<u64, QueryError> {
    match section.forms {
        [
            Form {
                kind: Kind::Integer(n),
                ..
            },
        ] if *n >= 0 => Ok(*n as u64),
        [other, ..] => Err(other.expected(format!("a number of rows after :{}", section.name))),
        [] => Err(section
            .key
            .expected(format!("a number of rows after :{}", section.name))),
    }
}
