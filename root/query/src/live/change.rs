//! What one change of the pod does to the results of a group.

use super::diff::{Decoder, Diff};
use super::engine::{Delta, Hit};
use super::group::{Group, Indexes};
use super::result::Difference;
use crate::error::QueryError;
use crate::exec::words::{Unseen, Words};
use rhizome_replica::Snapshot;
use std::collections::{BTreeMap, BTreeSet};

/// What a change means for a group.
#[derive(Debug, Default)]
pub struct Work {
    pub hits: Vec<Hit>,
    /// Rows by instance whose pulled entities something touched.
    pub touched: BTreeMap<u32, BTreeSet<u64>>,
    /// Run everything anew.
    pub rerun: bool,
    /// Words mean something else than before the change.
    pub renamed: bool,
    /// Instances whose constants the pod has learnt, with what they waited for.
    pub learnt: BTreeMap<u32, Vec<Vec<u8>>>,
}

/// What became of instances; an error ends one.
pub type Outcome = Vec<(u32, Result<Diff, QueryError>)>;

impl Group {
    /// Brings every result up to date.
    pub fn apply(
        &mut self,
        work: &Work,
        before: &Snapshot,
        after: &Snapshot,
        indexes: &mut Indexes<'_>,
    ) -> Outcome {
        let mut out = Vec::new();
        if work.renamed {
            let old = self.start_afresh();
            let words = self.words(after);
            self.resolve(&words, indexes);
            self.all(&words, Some((before, &old)), indexes, &mut out);
            self.keep(words);
            return out;
        }
        let mut unseen = std::mem::take(&mut self.unseen);
        for key in work.learnt.values().flatten() {
            unseen.forget(key);
        }
        self.unseen = unseen;
        let words = self.words(after);
        for n in work.learnt.keys() {
            if self.instances.get(*n as usize).is_some_and(Option::is_some) {
                self.give(*n, &words, indexes);
                let result = self.refresh(*n, &words, None, indexes);
                self.tell(*n, result, &words, &mut out);
            }
        }
        if self.engine.is_none() {
            if work.rerun {
                self.all(&words, None, indexes, &mut out);
            }
        } else if !work.hits.is_empty() {
            self.follow(work, before, &words, indexes, &mut out);
            self.keep(words);
            return out;
        }
        self.touch_all(work, &words, indexes, &mut out);
        self.keep(words);
        out
    }

    /// Pulls again what a change touched.
    fn touch_all(
        &mut self,
        work: &Work,
        words: &Words<'_>,
        indexes: &mut Indexes<'_>,
        out: &mut Outcome,
    ) {
        for (n, touched) in &work.touched {
            let result = self.touch(*n, Difference::default(), touched, words, indexes);
            self.tell(*n, result, words, out);
        }
    }

    /// Runs every instance anew.
    fn all(
        &mut self,
        words: &Words<'_>,
        old: Option<(&Snapshot, &Unseen)>,
        indexes: &mut Indexes<'_>,
        out: &mut Outcome,
    ) {
        for n in self.numbers() {
            let result = self.refresh(n, words, old, indexes);
            self.tell(n, result, words, out);
        }
        self.derived = self
            .engine
            .as_ref()
            .map_or(0, super::engine::Engine::derived);
    }

    /// Follows the changed facts.
    fn follow(
        &mut self,
        work: &Work,
        before: &Snapshot,
        words: &Words<'_>,
        indexes: &mut Indexes<'_>,
        out: &mut Outcome,
    ) {
        let trouble = self.trouble();
        let Some(engine) = &mut self.engine else {
            return;
        };
        let mut delta: Delta = engine.delta(
            &work.hits,
            before,
            words,
            &self.instances,
            self.form.pulls.objects.is_some(),
            &trouble,
        );
        if !trouble.is_none() {
            self.degrade(&trouble, indexes);
            self.all(words, None, indexes, out);
            self.touch_all(work, words, indexes, out);
            return;
        }
        let mut concerned: BTreeSet<u32> = delta.keys().copied().collect();
        concerned.extend(work.touched.keys());
        let none = BTreeSet::new();
        for n in concerned {
            let moves = delta.remove(&n).unwrap_or_default();
            let Some(instance) = self.instances[n as usize].as_mut() else {
                continue;
            };
            let result = instance.apply(&self.form, moves, words);
            let touched = work.touched.get(&n).unwrap_or(&none);
            let result = result.and_then(|d| self.touch(n, d, touched, words, indexes));
            self.tell(n, result, words, out);
        }
        self.prune(words, indexes, out);
    }

    /// Pulls what a difference needs and what a change touched.
    fn touch(
        &mut self,
        n: u32,
        mut difference: Difference,
        touched: &BTreeSet<u64>,
        words: &Words<'_>,
        indexes: &mut Indexes<'_>,
    ) -> Result<Difference, QueryError> {
        let place = self.place(n);
        let too_many = self.too_many();
        let Some(instance) = self.instances.get_mut(n as usize).and_then(Option::as_mut) else {
            return Ok(difference);
        };
        if instance.len() > self.bounds.subscription_rows {
            return Err(too_many);
        }
        let form = &self.form;
        instance.pull(form, &mut difference, touched, words, place, indexes.watch)?;
        Ok(difference)
    }

    fn tell(
        &self,
        n: u32,
        result: Result<Difference, QueryError>,
        words: &Words<'_>,
        out: &mut Outcome,
    ) {
        let Some(instance) = self.instances.get(n as usize).and_then(Option::as_ref) else {
            return;
        };
        let fault = words.snapshot.fault();
        let result = result.and_then(|d| match fault {
            Ok(()) => Ok(d),
            Err(e) => Err(QueryError::Storage(e.to_string())),
        });
        match result {
            Ok(d) if d.is_empty() => {}
            Ok(d) => {
                let decoder = Decoder {
                    words,
                    find: &self.find,
                };
                let diff = decoder.diff(d, |row| instance.pulled.cells(row));
                out.push((n, Ok(diff)));
            }
            Err(e) => out.push((n, Err(e))),
        }
    }

    /// Goals that nobody asks any more stay with the rules; once they are the larger part, the rules start afresh.
    fn prune(&mut self, words: &Words<'_>, indexes: &mut Indexes<'_>, out: &mut Outcome) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        if engine.derived() > 2 * self.derived + 4096 {
            engine.forget();
            self.all(words, None, indexes, out);
        }
    }
}
