//! All live queries of a pod.

use super::change::Work;
use super::diff::{Row, SubscriptionId, Update};
use super::dispatch::Dispatch;
use super::group::{Group, Indexes};
use super::limits::LiveLimits;
use super::nested::NestedSet;
use super::result::{RowPlace, Watch};
use super::source::Source;
use super::strategy::Strategy;
use crate::error::QueryError;
use crate::exec::words::Unseen;
use crate::input::Input;
use crate::ir::Shape;
use crate::limits::Limits;
use crate::prepared::Prepared;
use rhizome_replica::{Change, Eid, Fact, Snapshot, Word, tag};
use rhizome_tuple::Value;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Live queries over one pod, at one moment. It reads nothing but the snapshots it is given and has no thread: whoever hears of a
/// change passes it to [`Self::apply`] and carries the updates to the subscribers.
pub struct LiveSet {
    pub(super) limits: LiveLimits,
    pub(super) snapshot: Snapshot,
    pub(super) groups: FxHashMap<u32, Group>,
    pub(super) by_key: FxHashMap<String, u32>,
    pub(super) next_group: u32,
    pub(super) subscriptions: FxHashMap<SubscriptionId, (u32, u32)>,
    pub(super) nested: NestedSet,
    next_subscription: u64,
    pub(super) dispatch: Dispatch,
    pub(super) watch: Watch,
    /// Groups that are run anew.
    reruns: BTreeSet<u32>,
    /// Groups with attributes that the pod does not have, and how many attributes it had then.
    nameless: BTreeSet<u32>,
    attributes: usize,
    /// Values that the pod does not have, with the groups and instances for which it matters when it gets them.
    pub(super) waiting: FxHashMap<Vec<u8>, BTreeSet<(u32, Option<u32>)>>,
}

/// A result that is kept now.
pub(super) struct Opened {
    pub id: SubscriptionId,
    pub rows: Vec<Row>,
    pub strategy: Strategy,
}

/// A new subscription.
#[derive(Clone, Debug)]
pub struct Subscribed {
    /// For [`LiveSet::unsubscribe`], and to know its updates by.
    pub id: SubscriptionId,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// How the result is meant to be handed out. Rows and updates have the form of a relation whatever the shape; a scalar or a
    /// tuple has one row at most.
    pub shape: Shape,
    /// The result at this moment, in order if it has one.
    pub rows: Vec<Row>,
    /// How it is kept up to date.
    pub strategy: Strategy,
}

impl LiveSet {
    /// No queries, at the moment of `snapshot`. The first change passed to [`Self::apply`] must be the one after it.
    pub fn new(snapshot: &Snapshot, limits: LiveLimits) -> Self {
        Self {
            limits,
            snapshot: snapshot.clone(),
            groups: FxHashMap::default(),
            by_key: FxHashMap::default(),
            next_group: 0,
            subscriptions: FxHashMap::default(),
            nested: NestedSet::new(snapshot),
            next_subscription: 1,
            dispatch: Dispatch::default(),
            watch: Watch::default(),
            reruns: BTreeSet::new(),
            nameless: BTreeSet::new(),
            attributes: snapshot.attributes().count(),
            waiting: FxHashMap::default(),
        }
    }

    /// The moment that all results are of.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        let (nested, parts) = self.nested.len();
        // of a namespace that starts afresh there is no result for a moment
        (self.subscriptions.len() + nested).saturating_sub(parts)
    }

    /// Whether there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs a query and keeps its result. `inputs` as in [`Prepared::run`].
    ///
    /// # Errors
    /// Those of [`Prepared::run`], and [`QueryError::Limit`] with a name of [`LiveLimits`].
    pub fn subscribe(
        &mut self,
        query: &Prepared,
        inputs: &[Input],
    ) -> Result<Subscribed, QueryError> {
        query.check_inputs(inputs)?;
        let ir = query.shared();
        let opened = self.open(&Source::Rows(ir.clone()), inputs, query.limits())?;
        Ok(Subscribed {
            id: opened.id,
            columns: ir.columns(),
            shape: ir.shape,
            rows: opened.rows,
            strategy: opened.strategy,
        })
    }

    pub(super) fn next_id(&mut self) -> SubscriptionId {
        let id = SubscriptionId(self.next_subscription);
        self.next_subscription += 1;
        id
    }

    /// Keeps the result of a query, or shares one that is kept already.
    pub(super) fn open(
        &mut self,
        source: &Source,
        inputs: &[Input],
        limits: &Limits,
    ) -> Result<Opened, QueryError> {
        if self.len() >= self.limits.subscriptions {
            return Err(QueryError::Limit {
                limit: "subscriptions",
                maximum: self.limits.subscriptions as u64,
                at: None,
            });
        }
        let key = source.key(limits);
        let mut indexes = Indexes {
            watch: &mut self.watch,
            dispatch: &mut self.dispatch,
        };
        let number = *self.by_key.entry(key.clone()).or_insert(self.next_group);
        let snapshot = &self.snapshot;
        let bounds = &self.limits;
        let group = self
            .groups
            .entry(number)
            .or_insert_with(|| Group::new(number, source, snapshot, limits, bounds, &mut indexes));
        self.next_group = self.next_group.max(number + 1);
        let made = group.instance(source, inputs, snapshot, &mut indexes);
        let opened = made.map(|instance| {
            let id = SubscriptionId(self.next_subscription);
            self.next_subscription += 1;
            self.subscriptions.insert(id, (number, instance));
            if let Some(subscribers) = group.subscribers(instance) {
                subscribers.push(id);
            }
            Opened {
                id,
                rows: group.rows(instance, snapshot),
                strategy: group.strategy.clone(),
            }
        });
        if group.is_empty() {
            self.close(number, &key);
        } else {
            self.note(number);
        }
        opened
    }

    /// Ends a subscription; false if there is none of this number.
    pub fn unsubscribe(&mut self, id: SubscriptionId) -> bool {
        if let Some(nested) = self.nested.remove(id) {
            for part in nested.parts {
                self.unsubscribe(part.id);
            }
            return true;
        }
        let Some((number, instance)) = self.subscriptions.remove(&id) else {
            return false;
        };
        if let Some(group) = self.groups.get_mut(&number)
            && let Some(subscribers) = group.subscribers(instance)
        {
            subscribers.retain(|s| *s != id);
            if subscribers.is_empty() {
                self.remove(number, instance);
            }
        }
        true
    }

    /// The result of a query at this moment.
    pub fn result(&mut self, id: SubscriptionId) -> Option<Subscribed> {
        let (number, instance) = self.subscriptions.get(&id).copied()?;
        let group = self.groups.get_mut(&number)?;
        let query = group.instances.get(instance as usize)?.as_ref()?;
        let query = query.source.query();
        Some(Subscribed {
            id,
            columns: query.columns(),
            shape: query.shape,
            rows: group.rows(instance, &self.snapshot),
            strategy: group.strategy.clone(),
        })
    }

    /// Whether the result of a query is kept already, so that subscribing to it costs little.
    pub fn holds(&self, query: &Prepared, inputs: &[Input]) -> bool {
        self.keeps(&Source::Rows(query.shared()), inputs, query.limits())
    }

    pub(super) fn keeps(&self, source: &Source, inputs: &[Input], limits: &Limits) -> bool {
        let number = self.by_key.get(&source.key(limits));
        let group = number.and_then(|n| self.groups.get(n));
        group.is_some_and(|g| g.by_key.contains_key(&source.instance_key(inputs)))
    }

    /// How a subscription is kept up to date.
    pub fn strategy(&self, id: SubscriptionId) -> Option<&Strategy> {
        if let Some(nested) = self.nested.get(id) {
            return Some(nested.strategy());
        }
        let (number, _) = self.subscriptions.get(&id)?;
        self.groups.get(number).map(|g| &g.strategy)
    }

    /// How many different forms of query there are: queries that differ only in constants and inputs share one.
    pub fn forms(&self) -> usize {
        self.groups.len()
    }

    /// Brings every result to the moment after a change, and says what that did to each subscription. Changes must come in order; one
    /// that this set has seen already does nothing.
    pub fn apply(&mut self, change: &Change) -> Vec<(SubscriptionId, Update)> {
        let (seen, after) = (self.snapshot.commit_count(), change.after.commit_count());
        if !change.reset && after <= seen && change.before.commit_count() < seen {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.snapshot, change.after.clone());
        let renewals = self.outdated(&before, change);
        let mut out = Vec::new();
        if self.groups.is_empty() && renewals.is_empty() {
            self.attributes = self.snapshot.attributes().count();
            return out;
        }
        for (number, work) in self.work(&before, change) {
            let mut indexes = Indexes {
                watch: &mut self.watch,
                dispatch: &mut self.dispatch,
            };
            let Some(group) = self.groups.get_mut(&number) else {
                continue;
            };
            for (instance, result) in group.apply(&work, &before, &self.snapshot, &mut indexes) {
                let subscribers = group.subscribers(instance).map(|s| s.clone());
                let subscribers = subscribers.unwrap_or_default();
                match result {
                    Ok(diff) => out.extend(
                        subscribers
                            .into_iter()
                            .map(|s| (s, Update::Rows(diff.clone()))),
                    ),
                    Err(e) => {
                        out.extend(subscribers.iter().map(|s| (*s, Update::Ended(e.clone()))));
                    }
                }
            }
            self.note(number);
        }
        if self.nested.len().0 > 0 {
            out = self.renew(renewals, out);
        }
        for (id, update) in &out {
            if matches!(update, Update::Ended(_)) {
                self.unsubscribe(*id);
            }
        }
        out
    }

    /// What a change means for which group.
    fn work(&mut self, before: &Snapshot, change: &Change) -> BTreeMap<u32, Work> {
        let mut out: BTreeMap<u32, Work> = BTreeMap::new();
        if change.reset {
            self.waiting.clear();
            self.nameless = self.groups.keys().copied().collect();
            for number in self.groups.keys() {
                out.entry(*number).or_default().renamed = true;
            }
            self.attributes = self.snapshot.attributes().count();
            return out;
        }
        self.names();
        self.learn(before, change, &mut out);
        if !self.watch.is_empty() {
            let mut touch = |place: RowPlace| {
                let work = out.entry(place.group).or_default();
                let rows = work.touched.entry(place.instance).or_default();
                rows.insert(place.row);
            };
            let facts = change.removed.iter().chain(&change.added);
            facts.for_each(|f| self.watch.fact(f, &mut touch));
            let lists = change.lists.iter();
            lists.for_each(|(e, _)| self.watch.entity(*e, &mut touch));
        }
        for (facts, added) in [(&change.removed, false), (&change.added, true)] {
            for fact in facts {
                self.dispatch.each(fact, |t| {
                    let work = out.entry(t.group).or_default();
                    work.hits.push((t.trigger, *fact, added));
                });
                for number in &self.reruns {
                    if let Some(group) = self.groups.get(number)
                        && group.mentions(&self.snapshot, fact)
                    {
                        out.entry(*number).or_default().rerun = true;
                    }
                }
            }
        }
        out
    }

    /// Looks up attributes that are new in the pod.
    fn names(&mut self) {
        if self.nameless.is_empty() {
            return;
        }
        let now = self.snapshot.attributes().count();
        if std::mem::replace(&mut self.attributes, now) == now {
            return;
        }
        let mut indexes = Indexes {
            watch: &mut self.watch,
            dispatch: &mut self.dispatch,
        };
        let (groups, snapshot) = (&mut self.groups, &self.snapshot);
        self.nameless.retain(|number| {
            let group = groups.get_mut(number);
            group.is_some_and(|g| g.resolve_attributes(snapshot, &mut indexes))
        });
    }

    /// Finds groups and instances that waited for values which the change brought.
    fn learn(&mut self, before: &Snapshot, change: &Change, out: &mut BTreeMap<u32, Work>) {
        if self.waiting.is_empty() {
            return;
        }
        let mut keys: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut key = |w: Word| {
            let bytes = change.after.bytes_with(w, |b| {
                let mut key = b.to_vec();
                key.push(w.tag);
                key
            });
            keys.extend(bytes.filter(|k| self.waiting.contains_key(k)));
        };
        for Fact { v, .. } in &change.added {
            if matches!(v.tag, tag::TEXT | tag::BYTES | tag::BLOB) {
                key(*v);
            }
        }
        for e in before.entity_count()..change.after.entity_count() {
            let id = change.after.entity_id(Eid(e));
            let key = id.and_then(|id| Unseen::key(&Value::Ref(id)));
            keys.extend(key.filter(|k| self.waiting.contains_key(k)));
        }
        for key in keys {
            for (number, instance) in self.waiting.remove(&key).unwrap_or_default() {
                let work = out.entry(number).or_default();
                match instance {
                    None => work.renamed = true,
                    Some(i) => work.learnt.entry(i).or_default().push(key.clone()),
                }
            }
        }
    }

    /// Takes over what a group has to say about itself.
    pub(super) fn note(&mut self, number: u32) {
        let Some(group) = self.groups.get_mut(&number) else {
            return;
        };
        for (key, instance) in group.news() {
            let waiting = self.waiting.entry(key).or_default();
            waiting.insert((number, instance));
        }
        match &group.engine {
            None => {
                self.reruns.insert(number);
            }
            Some(e) if e.names.attributes.contains(&None) => {
                self.nameless.insert(number);
            }
            Some(_) => {}
        }
    }

    pub(super) fn remove(&mut self, number: u32, instance: u32) {
        let Some(group) = self.groups.get_mut(&number) else {
            return;
        };
        let mut indexes = Indexes {
            watch: &mut self.watch,
            dispatch: &mut self.dispatch,
        };
        group.remove(instance, &mut indexes);
        let empty = group.is_empty();
        self.waiting.retain(|_, who| {
            who.retain(|(g, i)| *g != number || (!empty && *i != Some(instance)));
            !who.is_empty()
        });
        if empty {
            let key = self.by_key.iter().find(|(_, n)| **n == number);
            if let Some(key) = key.map(|(k, _)| k.clone()) {
                self.close(number, &key);
            }
        }
    }

    fn close(&mut self, number: u32, key: &str) {
        let mut indexes = Indexes {
            watch: &mut self.watch,
            dispatch: &mut self.dispatch,
        };
        if let Some(mut group) = self.groups.remove(&number) {
            group.close(&mut indexes);
        }
        self.by_key.remove(key);
        self.reruns.remove(&number);
        self.nameless.remove(&number);
    }
}
