//! `:in`, and bindings in general.

use super::ast::{Binding, Input, Variable};
use super::variable;
use crate::edn::Form;
use crate::error::QueryError;

/// The forms after `:in`.
pub fn inputs(forms: &[Form]) -> Result<Vec<Input>, QueryError> {
    let mut out = Vec::with_capacity(forms.len());
    for form in forms {
        match form.symbol() {
            Some("$") => {}
            Some("%") => out.push(Input::Rules(form.at)),
            Some(s) if s.starts_with('$') => {
                return Err(form.expected("`$`: a query reads one pod"));
            }
            _ => out.push(Input::Values(binding(form)?, form.at)),
        }
    }
    Ok(out)
}

/// `?x`, `_`, `[?x ...]`, `[?x _ ?y]`, `[[?x ?y]]`.
pub fn binding(form: &Form) -> Result<Binding, QueryError> {
    if let Some(v) = variable(form) {
        return Ok(Binding::Scalar(v));
    }
    if form.symbol() == Some("_") {
        return Ok(Binding::Ignore);
    }
    match form.vector() {
        Some([one, etc]) if etc.symbol() == Some("...") => {
            match places(std::slice::from_ref(one))?.pop() {
                Some(Some(v)) => Ok(Binding::Collection(v)),
                _ => Ok(Binding::Ignore),
            }
        }
        Some([only]) if only.vector().is_some_and(|inner| !inner.is_empty()) => Ok(
            Binding::Relation(places(only.vector().unwrap_or_default())?),
        ),
        Some(items) if !items.is_empty() => Ok(Binding::Tuple(places(items)?)),
        _ => Err(form.expected("a binding: ?x, [?x ...], [?x ?y] or [[?x ?y]]")),
    }
}

fn places(forms: &[Form]) -> Result<Vec<Option<Variable>>, QueryError> {
    forms
        .iter()
        .map(|f| match f.symbol() {
            Some("_") => Ok(None),
            _ => variable(f)
                .map(Some)
                .ok_or_else(|| f.expected("a variable such as ?x, or _")),
        })
        .collect()
}
