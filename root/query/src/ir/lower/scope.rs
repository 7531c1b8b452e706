//! Variables of one scope: names in sight, and all slots ever made.

use crate::datalog::ast;
use crate::error::{Position, QueryError};
use crate::ir::{Slot, Variable};
use crate::limits::Limits;

/// The variables of a query or of a rule branch.
pub struct Scope {
    pub variables: Vec<Variable>,
    /// Names in sight, innermost last.
    names: Vec<(String, Slot)>,
    limit: usize,
}

impl Scope {
    pub fn new(limits: &Limits) -> Self {
        Self {
            variables: Vec::new(),
            names: Vec::new(),
            limit: limits.variables,
        }
    }

    pub fn find(&self, name: &str) -> Option<Slot> {
        self.names
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, s)| *s)
    }

    pub fn need(&self, v: &ast::Variable, hint: &'static str) -> Result<Slot, QueryError> {
        self.find(&v.name).ok_or_else(|| QueryError::Unbound {
            at: v.at,
            variable: v.name.clone(),
            hint,
        })
    }

    /// A slot without a name in sight.
    pub fn fresh(&mut self, name: String, at: Position) -> Result<Slot, QueryError> {
        // expansion of rules may exceed the limit on written variables, never the slot type
        if self.variables.len() >= self.limit.saturating_mul(64).min(usize::from(Slot::MAX)) {
            return Err(Limits::exceeded("variables", self.limit, Some(at)));
        }
        self.variables.push(Variable {
            name,
            at,
            attribute_only: false,
        });
        Ok((self.variables.len() - 1) as Slot)
    }

    pub fn declare(&mut self, v: &ast::Variable) -> Result<Slot, QueryError> {
        if self.names.len() >= self.limit {
            return Err(Limits::exceeded("variables", self.limit, Some(v.at)));
        }
        let slot = self.fresh(v.name.clone(), v.at)?;
        self.names.push((v.name.clone(), slot));
        Ok(slot)
    }

    pub fn all_slots(&self) -> impl Iterator<Item = Slot> + use<> {
        0..self.variables.len() as Slot
    }

    /// What is in sight, to be given back to [`Self::leave`].
    pub fn enter(&mut self, only: Option<&[Slot]>) -> Vec<(String, Slot)> {
        let before = self.names.clone();
        if let Some(only) = only {
            self.names.retain(|(_, s)| only.contains(s));
        }
        before
    }

    pub fn leave(&mut self, before: Vec<(String, Slot)>) {
        self.names = before;
    }
}
