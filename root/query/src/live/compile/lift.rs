//! Taking the constants out of a query, so that queries that differ in nothing else share one template.

use super::bindable;
use crate::Position;
use crate::ir::{Constant, Query, Variable};
use std::collections::BTreeSet;

/// A query without its lifted constants.
pub struct Lifted {
    /// The query with names, places and lifted constants blanked.
    pub query: Query,
    /// By constant: whether it is the instance's own.
    pub own: Vec<bool>,
    /// Equal for queries that may share a template.
    pub key: String,
}

/// Lifts every constant that does not stand in a rule: what rules derive is shared by all instances.
pub fn lift(query: &Query) -> Lifted {
    let mut inside_rules = BTreeSet::new();
    for branch in query.rules.iter().flat_map(|r| &r.branches) {
        bindable::constants(&branch.body, &mut inside_rules);
    }
    let lifted: Vec<bool> = (0..query.constants.len())
        .map(|c| !inside_rules.contains(&(c as u16)))
        .collect();
    let mut blank = query.clone();
    for (constant, lifted) in blank.constants.iter_mut().zip(&lifted) {
        if *lifted {
            *constant = Constant { values: Vec::new() };
        }
    }
    nameless(&mut blank.variables);
    for rule in &mut blank.rules {
        rule.name.clear();
        rule.branches
            .iter_mut()
            .for_each(|b| nameless(&mut b.variables));
    }
    let key = format!("{blank:?}");
    Lifted {
        query: blank,
        own: lifted,
        key,
    }
}

fn nameless(variables: &mut [Variable]) {
    for v in variables {
        v.name.clear();
        v.at = Position::default();
    }
}
