//! Taking over what another set has computed: whoever must not be held up evaluates a query in a set of its own first.

use super::diff::SubscriptionId;
use super::group::{Group, Indexes};
use super::instance::Instance;
use super::set::LiveSet;
use crate::error::QueryError;
use crate::exec::words::Unseen;
use rhizome_replica::Snapshot;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// The group and the instance of a result.
type Place = (u32, u32);

impl LiveSet {
    /// Takes over every subscription of another set of the same pod. Both must be at the same moment; returns the new number of each
    /// subscription by its old one. Row numbers may be others than before: read the results anew with [`Self::result`] and
    /// [`Self::nested_result`].
    ///
    /// This costs little, even if the results are large: a form of query that is new here moves as it is, and so does a result of a
    /// known form. Only results of recursive queries whose form is known here are computed again, since they share what the rules
    /// derive, and some with aggregates that compare with values which the pod does not have.
    ///
    /// # Errors
    /// As [`Self::subscribe`]; then nothing is taken over.
    pub fn adopt(
        &mut self,
        mut other: Self,
    ) -> Result<BTreeMap<SubscriptionId, SubscriptionId>, QueryError> {
        let all = self.len() + other.len();
        if all > self.limits.subscriptions {
            return Err(QueryError::Limit {
                limit: "subscriptions",
                maximum: self.limits.subscriptions as u64,
                at: None,
            });
        }
        let mut numbers = BTreeMap::new();
        let mut places: FxHashMap<Place, Place> = FxHashMap::default();
        let old: BTreeMap<SubscriptionId, Place> = other.subscriptions.drain().collect();
        for (old, place) in old {
            let found = match places.get(&place) {
                Some(known) => Ok(*known),
                None => self.take_over(&mut other, place, &mut places),
            };
            match found {
                Ok(place) => {
                    numbers.insert(old, self.attach(place));
                }
                Err(e) => {
                    // what has not been attached goes with the groups it came in
                    for place in places.values() {
                        self.abandon(*place);
                    }
                    for id in numbers.into_values() {
                        self.unsubscribe(id);
                    }
                    return Err(e);
                }
            }
        }
        for (old, mut nested) in other.nested.drain() {
            for part in &mut nested.parts {
                let Some(id) = numbers.remove(&part.id) else {
                    continue;
                };
                part.id = id;
                if let Some((number, instance)) = self.subscriptions.get(&id)
                    && let Some(group) = self.groups.get_mut(number)
                {
                    part.restart(&group.rows(*instance, &self.snapshot));
                }
            }
            let id = self.next_id();
            self.nested.insert(id, nested);
            numbers.insert(old, id);
        }
        Ok(numbers)
    }

    /// Subscribes to a result that is kept.
    fn attach(&mut self, (number, instance): Place) -> SubscriptionId {
        let id = self.next_id();
        self.subscriptions.insert(id, (number, instance));
        if let Some(group) = self.groups.get_mut(&number)
            && let Some(subscribers) = group.subscribers(instance)
        {
            subscribers.push(id);
        }
        id
    }

    /// Drops a result that nobody subscribed to.
    fn abandon(&mut self, (number, instance): Place) {
        let group = self.groups.get_mut(&number);
        let subscribers = group.and_then(|g| g.subscribers(instance));
        if subscribers.is_some_and(|s| s.is_empty()) {
            self.remove(number, instance);
        }
    }

    /// Moves a result of another set here, with its whole group if that is new.
    fn take_over(
        &mut self,
        other: &mut Self,
        place: Place,
        places: &mut FxHashMap<Place, Place>,
    ) -> Result<Place, QueryError> {
        let (from, instance) = place;
        let key = other.by_key.iter().find(|(_, n)| **n == from);
        let key = key.map(|(k, _)| k.clone()).unwrap_or_default();
        let snapshot = self.snapshot.clone();
        let mut indexes = Indexes {
            watch: &mut self.watch,
            dispatch: &mut self.dispatch,
        };
        if let Some(number) = self.by_key.get(&key).copied() {
            let mut taken = None;
            if let Some(source) = other.groups.get_mut(&from)
                && let Some(group) = self.groups.get_mut(&number)
                && let Some(moved) = source.instances[instance as usize].take()
            {
                taken = Some(group.adopt(moved, &source.unseen, &snapshot, &mut indexes)?);
            }
            self.note(number);
            let place = taken.map_or(place, |n| (number, n));
            places.insert((from, instance), place);
            return Ok(place);
        }
        let number = self.next_group;
        if let Some(mut group) = other.groups.remove(&from) {
            self.next_group += 1;
            group.settle(number, &mut indexes);
            for n in group.numbers() {
                places.insert((from, n), (number, n));
            }
            self.groups.insert(number, group);
            self.by_key.insert(key, number);
            for (value, who) in &other.waiting {
                let own = who.iter().filter(|(group, _)| *group == from);
                for (_, instance) in own {
                    let waiting = self.waiting.entry(value.clone()).or_default();
                    waiting.insert((number, *instance));
                }
            }
            self.note(number);
        }
        Ok((number, instance))
    }
}

impl Group {
    /// Gets another number, in other indexes. Nobody subscribes any more.
    fn settle(&mut self, number: u32, indexes: &mut Indexes<'_>) {
        self.number = number;
        if let Some(e) = &self.engine {
            let dispatch = &mut *indexes.dispatch;
            dispatch.list(number, &e.template, &e.names, &e.given);
        }
        for n in self.numbers() {
            let place = self.place(n);
            if let Some(instance) = self.instances[n as usize].as_mut() {
                instance.subscribers.clear();
                instance.pulled.watch(place, indexes.watch);
            }
        }
    }

    /// Takes over an instance of a group of the same form at the same moment, with what its words mean.
    fn adopt(
        &mut self,
        mut instance: Instance,
        unseen: &Unseen,
        snapshot: &Snapshot,
        indexes: &mut Indexes<'_>,
    ) -> Result<u32, QueryError> {
        let key = instance.key();
        if let Some(n) = self.by_key.get(&key) {
            return Ok(*n);
        }
        let same_words = unseen.values().is_empty() && self.unseen.values().is_empty();
        let recursive = self
            .engine
            .as_ref()
            .is_some_and(|e| e.template.is_recursive());
        if recursive || (instance.groups.is_some() && !same_words) {
            let (source, inputs) = (instance.source.clone(), instance.inputs.clone());
            return self.instance(&source, &inputs, snapshot, indexes);
        }
        let number = self.slot();
        let words = self.words(snapshot);
        if !same_words {
            instance.translate(snapshot, unseen.values(), &words);
            for row in instance.output.shown() {
                instance.pulled.rename(row.id, &row.key);
            }
        }
        instance.subscribers.clear();
        instance.pulled.watch(self.place(number), indexes.watch);
        self.instances[number as usize] = Some(instance);
        self.by_key.insert(key, number);
        self.give(number, &words, indexes);
        self.keep(words);
        Ok(number)
    }
}
