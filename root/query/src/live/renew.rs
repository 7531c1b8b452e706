//! Nested queries of a set: subscribing, and starting namespaces afresh that a change gave another meaning.

use super::diff::{SubscriptionId, Update};
use super::nested::{Nested, Part, Renewal};
use super::objects::{NestedUpdate, SubscribedObjects};
use super::set::LiveSet;
use super::source::Source;
use crate::error::QueryError;
use crate::iql::{self, Names};
use crate::limits::Limits;
use rhizome_replica::{Change, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a change did to subscriptions.
pub type Updates = Vec<(SubscriptionId, Update)>;

/// The namespaces to renew of each nested query that a change gave another meaning.
pub type Renewals = Vec<(SubscriptionId, Result<Vec<Renewal>, QueryError>)>;

impl LiveSet {
    /// Runs a nested query and keeps its result; [`Self::nested_updates`] says what becomes of it. `limits` bound the one-shot parts: each object, and each time the first objects are
    /// looked up.
    ///
    /// # Errors
    /// Those of [`iql::Query::run`], and [`QueryError::Limit`] with a name of [`super::LiveLimits`].
    pub fn subscribe_nested(
        &mut self,
        query: &iql::Query,
        names: &Names,
        limits: &Limits,
    ) -> Result<SubscribedObjects, QueryError> {
        let mut nested = Nested::new(query, names, limits);
        let mut objects = Vec::new();
        let mut opened = || {
            for level in nested.levels(&self.snapshot)? {
                let opened = self.open(&Source::Objects(level.clone()), &[], limits)?;
                let part = Part::new(opened.id, level, opened.strategy);
                objects.extend(nested.add(part, &opened.rows));
                nested.check(&self.limits)?;
            }
            self.snapshot
                .fault()
                .map_err(|e| QueryError::Storage(e.to_string()))
        };
        if let Err(e) = opened() {
            nested.parts.iter().for_each(|p| {
                self.unsubscribe(p.id);
            });
            return Err(e);
        }
        let id = self.next_id();
        let strategy = nested.strategy().clone();
        self.nested.insert(id, nested);
        Ok(SubscribedObjects {
            id,
            objects,
            strategy,
        })
    }

    /// The result of a nested query at this moment.
    pub fn nested_result(&mut self, id: SubscriptionId) -> Option<SubscribedObjects> {
        let nested = self.nested.get(id)?;
        let mut objects = Vec::new();
        for (i, part) in nested.parts.iter().enumerate() {
            let (number, instance) = self.subscriptions.get(&part.id)?;
            let rows = self.groups.get_mut(number)?.rows(*instance, &self.snapshot);
            objects.extend(nested.objects(i, &rows));
        }
        let strategy = nested.strategy().clone();
        Some(SubscribedObjects {
            id,
            objects,
            strategy,
        })
    }

    /// Takes out the namespaces of nested queries that mean something else after a change. An error ends a query.
    pub(super) fn outdated(&mut self, before: &Snapshot, change: &Change) -> Renewals {
        let mut out = Renewals::new();
        for (id, renewals) in self.nested.renewals(before, change) {
            let renewals = renewals.map(|mut all| {
                for renewal in &mut all {
                    let part = self.nested.part(renewal.query, renewal.part);
                    let Some(part) = part else { continue };
                    let place = self.subscriptions.get(&part).copied();
                    if let Some((number, instance)) = place
                        && let Some(group) = self.groups.get_mut(&number)
                    {
                        let rows = group.rows(instance, before);
                        renewal.was = self.nested.shown(renewal, &rows);
                    }
                    self.unsubscribe(part);
                }
                all
            });
            out.push((id, renewals));
        }
        out
    }

    /// Starts the namespaces afresh that were taken out, and puts the updates of namespaces together; gives back the others.
    pub(super) fn renew(&mut self, renewals: Renewals, updates: Updates) -> Updates {
        let mut renewed = Vec::new();
        let mut ended = BTreeMap::new();
        for (id, renewals) in renewals {
            let done = renewals.and_then(|all| {
                all.into_iter().try_for_each(|r| {
                    let source = Source::Objects(r.level.clone());
                    let opened = self.open(&source, &[], &r.limits)?;
                    let part = Part::new(opened.id, r.level.clone(), opened.strategy);
                    let diff = self.nested.renew(&r, part, &opened.rows);
                    renewed.push((r.query, r.part, diff));
                    Ok(())
                })
            });
            if let Err(e) = done {
                ended.insert(id, e);
            }
        }
        let (others, over) = self.nested.gather(updates, renewed, ended, &self.limits);
        for id in over {
            self.unsubscribe(id);
        }
        others
    }

    /// What the changes since the last call did to nested queries, in order. Ask after each [`Self::apply`].
    pub fn nested_updates(&mut self) -> Vec<(SubscriptionId, NestedUpdate)> {
        std::mem::take(&mut self.nested.updates)
    }

    /// Whether the result of a nested query is kept already, so that subscribing to it costs little.
    pub fn holds_nested(&self, query: &iql::Query, names: &Names, limits: &Limits) -> bool {
        let levels = query.lower(&self.snapshot, names).unwrap_or_default();
        let mut levels = levels.into_iter().map(|l| Source::Objects(Arc::new(l)));
        levels.all(|level| self.keeps(&level, &[], limits))
    }
}
