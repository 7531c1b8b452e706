//! What is kept alive: the rows of a query, or the objects of a level of a nested one.

use super::compile::lift;
use super::form::Form;
use crate::input::Input;
use crate::iql::Level;
use crate::ir::Query;
use crate::limits::Limits;
use std::sync::Arc;

/// What a group and its instances are made of.
#[derive(Clone)]
pub enum Source {
    Rows(Arc<Query>),
    /// A level at the top, with what is below it.
    Objects(Arc<Level>),
}

impl Source {
    /// Finds the rows.
    pub fn query(&self) -> &Query {
        match self {
            Self::Rows(query) => query,
            Self::Objects(level) => &level.query,
        }
    }

    /// Equal for what may share a group: the same but for constants that rows must match.
    pub fn key(&self, limits: &Limits) -> String {
        let rows = lift(self.query()).key;
        match self {
            Self::Rows(_) => format!("{rows} {limits:?}"),
            Self::Objects(level) => format!("{rows} {limits:?} {}", level.shape()),
        }
    }

    /// Equal for instances of a group with the same result.
    pub fn instance_key(&self, inputs: &[Input]) -> String {
        format!("{:?} {inputs:?}", self.query().constants)
    }

    pub fn form(&self, limits: &Limits) -> Form {
        match self {
            Self::Rows(query) => Form::new(query, limits),
            Self::Objects(level) => Form::nested(level, limits),
        }
    }

    /// Attributes that give rows their place without being in a clause.
    pub fn watched(&self) -> Vec<String> {
        match self {
            Self::Rows(_) => Vec::new(),
            Self::Objects(level) => level.order.iter().map(|(a, _)| a.clone()).collect(),
        }
    }

    /// Why it must be run anew each time, if so.
    pub fn unsupported(&self) -> Option<String> {
        match self {
            Self::Objects(level) if level.after.is_some() => {
                Some("`after`: where the page begins depends on another entity".into())
            }
            _ => None,
        }
    }
}
