//! All live queries of one form.

use super::compile::{Unsupported, lift};
use super::diff::{Column, Decoder, Row, SubscriptionId, columns};
use super::dispatch::Dispatch;
use super::engine::{Engine, waits_for};
use super::form::Form;
use super::instance::Instance;
use super::limits::LiveLimits;
use super::result::{Difference, RowPlace, Watch};
use super::solve::Trouble;
use super::source::Source;
use super::strategy::Strategy;
use crate::error::QueryError;
use crate::exec::compare_rows;
use crate::exec::words::{Unseen, Words};
use crate::input::Input;
use crate::ir::{AttributeTerm, Clause, Query};
use crate::limits::Limits;
use rhizome_replica::{Fact, Snapshot};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The instances of one form of query, how they are kept up to date, and the values that only they know.
pub struct Group {
    pub number: u32,
    pub form: Form,
    /// `None`: run anew.
    pub engine: Option<Engine>,
    pub strategy: Strategy,
    pub limits: Limits,
    pub bounds: LiveLimits,
    pub find: Arc<[Column]>,
    pub instances: Vec<Option<Instance>>,
    free: Vec<u32>,
    pub by_key: FxHashMap<String, u32>,
    pub unseen: Unseen,
    /// Values of `unseen` that are in `news` or were.
    reported: usize,
    news: Vec<(Vec<u8>, Option<u32>)>,
    /// Attributes by name; `None` is any.
    mentions: Option<BTreeSet<String>>,
    /// Derived tuples when the rules last started afresh.
    pub derived: usize,
}

/// The indexes over all groups.
pub struct Indexes<'a> {
    pub watch: &'a mut Watch,
    pub dispatch: &'a mut Dispatch,
}

impl Group {
    pub fn new(
        number: u32,
        source: &Source,
        snapshot: &Snapshot,
        limits: &Limits,
        bounds: &LiveLimits,
        indexes: &mut Indexes<'_>,
    ) -> Self {
        let words = Words::resume(snapshot, Unseen::default());
        let (query, watched) = (source.query(), source.watched());
        let engine = match source.unsupported() {
            None => Engine::new(lift(query), &watched, &words),
            Some(reason) => Err(Unsupported(reason)),
        };
        let (engine, strategy) = match engine {
            Ok(engine) => (Some(engine), Strategy::Incremental),
            Err(e) => (None, Strategy::Rerun { reason: e.0 }),
        };
        let mut mentions = mentions(query);
        if let Some(all) = &mut mentions {
            all.extend(watched);
        }
        if let Some(e) = &engine {
            indexes
                .dispatch
                .list(number, &e.template, &e.names, &e.given);
        }
        let mut group = Self {
            number,
            form: source.form(limits),
            engine,
            strategy,
            limits: *limits,
            bounds: *bounds,
            find: columns(&query.find),
            instances: Vec::new(),
            free: Vec::new(),
            by_key: FxHashMap::default(),
            unseen: Unseen::default(),
            reported: 0,
            news: Vec::new(),
            mentions,
            derived: 0,
        };
        group.keep(words);
        group
    }

    /// The vocabulary of the group, for one evaluation; give it back with [`Self::keep`].
    pub fn words<'s>(&mut self, snapshot: &'s Snapshot) -> Words<'s> {
        Words::resume(snapshot, std::mem::take(&mut self.unseen))
    }

    /// Keeps the vocabulary after an evaluation, and notes which values it found missing.
    pub fn keep(&mut self, words: Words<'_>) {
        self.unseen = words.into_unseen();
        for v in &self.unseen.values()[self.reported..] {
            self.news.extend(Unseen::key(v).map(|k| (k, None)));
        }
        self.reported = self.unseen.values().len();
    }

    /// Starts with an empty vocabulary; returns the old one.
    pub fn start_afresh(&mut self) -> Unseen {
        self.reported = 0;
        std::mem::take(&mut self.unseen)
    }

    /// Values found missing since the last call, with the instance that waits for each; `None` if all do.
    pub fn news(&mut self) -> Vec<(Vec<u8>, Option<u32>)> {
        std::mem::take(&mut self.news)
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether a fact may concern a group that is run anew.
    pub fn mentions(&self, snapshot: &Snapshot, fact: &Fact) -> bool {
        let name = || snapshot.attribute(fact.a);
        self.mentions
            .as_ref()
            .is_none_or(|names| name().is_some_and(|n| names.contains(n)))
    }

    pub fn trouble(&self) -> Trouble {
        Trouble {
            limit: self.bounds.live_steps,
            tuples: self.bounds.derived_tuples,
            ..Trouble::default()
        }
    }

    pub fn place(&self, instance: u32) -> RowPlace {
        RowPlace {
            group: self.number,
            instance,
            row: 0,
        }
    }

    /// A free number for an instance.
    pub fn slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.instances.push(None);
            (self.instances.len() - 1) as u32
        })
    }

    /// The instance for these constants and inputs; a new one is evaluated.
    pub fn instance(
        &mut self,
        source: &Source,
        inputs: &[Input],
        snapshot: &Snapshot,
        indexes: &mut Indexes<'_>,
    ) -> Result<u32, QueryError> {
        let instance = Instance::new(source.clone(), inputs.to_vec(), &self.form, &self.limits);
        let key = instance.key();
        if let Some(i) = self.by_key.get(&key) {
            return Ok(*i);
        }
        let number = self.slot();
        self.instances[number as usize] = Some(instance);
        self.by_key.insert(key, number);
        let words = self.words(snapshot);
        self.give(number, &words, indexes);
        let filled = self.refresh(number, &words, None, indexes);
        self.keep(words);
        if let Err(e) = filled {
            self.remove(number, indexes);
            return Err(e);
        }
        Ok(number)
    }

    /// Tells the engine what an instance passes.
    pub fn give(&mut self, number: u32, words: &Words<'_>, indexes: &mut Indexes<'_>) {
        let instance = self.instances[number as usize].as_ref();
        let (Some(engine), Some(instance)) = (&mut self.engine, instance) else {
            return;
        };
        let arguments = engine.arguments(instance.source.query(), &instance.inputs, words);
        let gone = engine.given.remove(number);
        let new = engine.given.add(number, arguments);
        let (t, n) = (&engine.template, &engine.names);
        indexes.dispatch.uses(self.number, t, n, &gone, false);
        indexes.dispatch.uses(self.number, t, n, &new, true);
        // where values are computed too, the whole group waits for each, see `keep`
        if !engine.template.computes_text {
            let waited = waits_for(instance.source.query(), &instance.inputs, words);
            self.reported = words.unseen_len();
            self.news
                .extend(waited.into_iter().map(|k| (k, Some(number))));
        }
    }

    /// Runs an instance anew and compares. `old` is what words meant so far, if that has changed.
    pub fn refresh(
        &mut self,
        number: u32,
        words: &Words<'_>,
        old: Option<(&Snapshot, &Unseen)>,
        indexes: &mut Indexes<'_>,
    ) -> Result<Difference, QueryError> {
        let (rows, complete) = self.run(number, words, indexes)?;
        if rows.len() > self.bounds.subscription_rows {
            return Err(self.too_many());
        }
        let place = self.place(number);
        let Some(instance) = self.instances[number as usize].as_mut() else {
            return Ok(Difference::default());
        };
        if let Some((snapshot, unseen)) = old {
            instance.translate(snapshot, unseen.values(), words);
            instance.pulled.unwatch(place, indexes.watch);
        }
        let mut difference = instance.replace(&self.form, rows, complete, words)?;
        let mut touched = BTreeSet::new();
        if old.is_some() && !self.form.pulls.is_empty() {
            for row in instance.output.shown() {
                instance.pulled.rename(row.id, &row.key);
                touched.insert(row.id);
            }
        }
        instance.pull(
            &self.form,
            &mut difference,
            &touched,
            words,
            place,
            indexes.watch,
        )?;
        Ok(difference)
    }

    pub fn too_many(&self) -> QueryError {
        QueryError::Limit {
            limit: "subscription_rows",
            maximum: self.bounds.subscription_rows as u64,
            at: None,
        }
    }

    /// The rows of an instance: those that are held at most, and whether there are no others.
    fn run(
        &mut self,
        number: u32,
        words: &Words<'_>,
        indexes: &mut Indexes<'_>,
    ) -> Result<(super::instance::RowList, bool), QueryError> {
        let trouble = self.trouble();
        // the goals that rules are asked must be known to follow them
        if let Some(engine) = &mut self.engine
            && engine.template.is_recursive()
        {
            let mut rows = engine.rows(number, words, &trouble);
            if trouble.is_none() {
                let capacity = self.form.capacity().filter(|c| rows.len() > *c);
                if let Some(capacity) = capacity {
                    let order = &self.form.row_order;
                    rows.sort_unstable_by(|a, b| compare_rows(a, b, order, words));
                    rows.truncate(capacity);
                }
                return Ok((rows, capacity.is_none()));
            }
            self.degrade(&trouble, indexes);
        }
        match &self.instances[number as usize] {
            Some(instance) => instance.fetch(&self.form, words),
            None => Ok((Vec::new(), true)),
        }
    }

    /// From now on the group is run anew.
    pub fn degrade(&mut self, trouble: &Trouble, indexes: &mut Indexes<'_>) {
        let reason = match &*trouble.error.borrow() {
            Some(e) => e.to_string(),
            None => "a rule or a nested clause needs a value that nothing binds before it".into(),
        };
        self.strategy = Strategy::Rerun { reason };
        if let Some(e) = self.engine.take() {
            indexes
                .dispatch
                .drop(self.number, &e.template, &e.names, &e.given);
        }
    }

    /// Looks up again what the template names, all instances' constants included.
    pub fn resolve(&mut self, words: &Words<'_>, indexes: &mut Indexes<'_>) {
        if let Some(e) = &mut self.engine {
            let d = &mut *indexes.dispatch;
            d.drop(self.number, &e.template, &e.names, &e.given);
            for n in e.given.numbers().collect::<Vec<_>>() {
                e.given.remove(n);
            }
            e.resolve(words);
            e.forget();
            d.list(self.number, &e.template, &e.names, &e.given);
        }
        for n in self.numbers() {
            self.give(n, words, indexes);
        }
    }

    /// Looks up the attributes that the pod did not have.
    pub fn resolve_attributes(&mut self, snapshot: &Snapshot, indexes: &mut Indexes<'_>) -> bool {
        let Some(e) = &mut self.engine else {
            return false;
        };
        let missing = e.names.attributes.iter().zip(&e.template.attributes);
        let mut missing = missing.filter(|(a, _)| a.is_none());
        if !missing.any(|(_, name)| snapshot.aid(name).is_some()) {
            return e.names.attributes.contains(&None);
        }
        let d = &mut *indexes.dispatch;
        d.drop(self.number, &e.template, &e.names, &e.given);
        let names = e.template.attributes.iter();
        e.names.attributes = names.map(|n| snapshot.aid(n)).collect();
        e.names.sizes.clear();
        d.list(self.number, &e.template, &e.names, &e.given);
        e.names.attributes.contains(&None)
    }

    pub fn numbers(&self) -> Vec<u32> {
        (0..self.instances.len() as u32)
            .filter(|n| self.instances[*n as usize].is_some())
            .collect()
    }

    /// The rows that a new subscriber starts with.
    pub fn rows(&mut self, number: u32, snapshot: &Snapshot) -> Vec<Row> {
        let words = self.words(snapshot);
        let rows = match &self.instances[number as usize] {
            Some(instance) => {
                let decoder = Decoder {
                    words: &words,
                    find: &self.find,
                };
                decoder.rows(instance.output.shown(), |row| instance.pulled.cells(row))
            }
            None => Vec::new(),
        };
        self.keep(words);
        rows
    }

    pub fn subscribers(&mut self, number: u32) -> Option<&mut Vec<SubscriptionId>> {
        let instance = self.instances.get_mut(number as usize)?.as_mut()?;
        Some(&mut instance.subscribers)
    }

    /// Drops an instance.
    pub fn remove(&mut self, number: u32, indexes: &mut Indexes<'_>) {
        let place = self.place(number);
        let Some(mut instance) = self.instances[number as usize].take() else {
            return;
        };
        instance.drop(place, indexes.watch);
        self.by_key.retain(|_, n| *n != number);
        self.free.push(number);
        if let Some(e) = &mut self.engine {
            let gone = e.given.remove(number);
            let (t, n) = (&e.template, &e.names);
            indexes.dispatch.uses(self.number, t, n, &gone, false);
        }
    }

    /// Takes the whole group off the lists.
    pub fn close(&mut self, indexes: &mut Indexes<'_>) {
        if let Some(e) = self.engine.take() {
            indexes
                .dispatch
                .drop(self.number, &e.template, &e.names, &e.given);
        }
    }
}

/// The attributes that the clauses of a query name; `None` if one may be any.
fn mentions(query: &Query) -> Option<BTreeSet<String>> {
    fn named(body: &[Clause]) -> bool {
        body.iter().all(|c| match c {
            Clause::Pattern(p) => matches!(p.attribute, AttributeTerm::Named(_)),
            Clause::Not { body, .. } => named(body),
            Clause::Or { branches, .. } => branches.iter().all(|b| named(b)),
            _ => true,
        })
    }
    let branches = query.rules.iter().flat_map(|r| &r.branches);
    let all = named(&query.body) && branches.into_iter().all(|b| named(&b.body));
    all.then(|| query.attributes.iter().cloned().collect())
}
