//! Pull patterns from EDN: `[* :name {:friend [:name]} {:parent 3} :_author [:tag :limit 5 :default "" :as "tags"]]`.

use super::pattern::{Attribute, Default, Nested, Pattern};
use crate::datalog::constant;
use crate::edn::{Form, Kind};
use crate::error::QueryError;
use crate::json;

/// Reads a pattern.
pub fn pattern(form: &Form) -> Result<Pattern, QueryError> {
    let items = form
        .vector()
        .ok_or_else(|| form.expected("a pull pattern such as [* :name {:friend [:name]}]"))?;
    let mut out = Pattern::default();
    for item in items {
        match &item.kind {
            Kind::Symbol(s) if s == "*" => out.wildcard = true,
            Kind::Text(s) if s == "*" => out.wildcard = true,
            Kind::Map(pairs) => {
                for (key, nested) in pairs {
                    let mut attribute = attribute(key)?;
                    attribute.nested = self::nested(nested)?;
                    out.attributes.push(attribute);
                }
            }
            _ => out.attributes.push(attribute(item)?),
        }
    }
    if !out.wildcard && out.attributes.is_empty() {
        return Err(form.expected("a pull pattern with at least one attribute or *"));
    }
    Ok(out)
}

fn nested(form: &Form) -> Result<Nested, QueryError> {
    match &form.kind {
        Kind::Symbol(s) if s == "..." => Ok(Nested::Recursion(None)),
        Kind::Integer(n) => match usize::try_from(*n) {
            Ok(n) if n > 0 => Ok(Nested::Recursion(Some(n))),
            _ => Err(form.expected("a depth of 1 or more")),
        },
        _ => pattern(form).map(Nested::Pattern),
    }
}

/// `:name`, `"name"`, `:_name`, `:ns/_name`, `[:name :limit 5]`, `(:name :limit 5)`.
fn attribute(form: &Form) -> Result<Attribute, QueryError> {
    let Some(items) = form.sequence() else {
        return named(form);
    };
    let wrong = || form.expected("an attribute with options, such as [:tag :limit 5]");
    let (first, options) = items.split_first().ok_or_else(wrong)?;
    // Datomic's older spelling (limit :tag 5) and (default :tag "none")
    if let (Some(option @ ("limit" | "default")), [name, value]) = (first.symbol(), options) {
        let mut out = attribute(name)?;
        set(&mut out, option, value)?;
        return Ok(out);
    }
    let mut out = named(first)?;
    for pair in options.chunks(2) {
        match pair {
            [
                Form {
                    kind: Kind::Keyword(option),
                    ..
                },
                value,
            ] => set(&mut out, option, value)?,
            _ => return Err(wrong()),
        }
    }
    Ok(out)
}

fn set(attribute: &mut Attribute, option: &str, value: &Form) -> Result<(), QueryError> {
    match (option, &value.kind) {
        ("limit", Kind::Nil) => attribute.limit = None,
        ("limit", Kind::Integer(n)) if *n > 0 => attribute.limit = usize::try_from(*n).ok(),
        ("limit", _) => return Err(value.expected("a limit of 1 or more, or nil for none")),
        ("default", _) => attribute.default = Some(Default(json::cell(&constant(value)?))),
        ("as", Kind::Text(s) | Kind::Keyword(s)) => attribute.key.clone_from(s),
        ("as", _) => return Err(value.expected("a key as text or keyword")),
        _ => return Err(value.expected("one of the options :limit, :default, :as before this")),
    }
    Ok(())
}

fn named(form: &Form) -> Result<Attribute, QueryError> {
    let (Kind::Keyword(written) | Kind::Text(written)) = &form.kind else {
        return Err(form.expected("an attribute as keyword or text, such as :social/text"));
    };
    let (reverse, name) = match written.rsplit_once('/') {
        Some((namespace, local)) => match local.strip_prefix('_') {
            Some(local) => (true, format!("{namespace}/{local}")),
            None => (false, written.clone()),
        },
        None => match written.strip_prefix('_') {
            Some(local) => (true, local.to_owned()),
            None => (false, written.clone()),
        },
    };
    let name = name.strip_prefix("db/id").map_or(name.clone(), |rest| {
        if rest.is_empty() {
            "id".into()
        } else {
            name.clone()
        }
    });
    Ok(Attribute {
        name,
        reverse,
        key: written.clone(),
        limit: Some(1000),
        default: None,
        nested: Nested::Id,
    })
}
