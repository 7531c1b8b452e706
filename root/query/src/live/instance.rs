//! One result that is kept: the rows of a query with its constants and inputs.

use super::diff::SubscriptionId;
use super::engine::Moves;
use super::form::Form;
use super::result::{Difference, Groups, Keyed, Output, Pulled, RowChange, RowPlace, Watch};
use super::source::Source;
use crate::error::QueryError;
use crate::exec::words::{self, Words, local};
use crate::input::Input;
use crate::iql::Page;
use crate::limits::Limits;
use crate::prepared::Prepared;
use rhizome_replica::{Snapshot, Word, tag};
use rhizome_tuple::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows of words.
pub type RowList = Vec<Box<[Word]>>;

/// How rows are found without a change to start from.
enum Fetch {
    Query(Prepared),
    Page(Box<Page>),
}

/// A result and who wants it.
pub struct Instance {
    /// The query with its constants.
    pub source: Source,
    pub inputs: Vec<Input>,
    rows: Fetch,
    pub output: Output,
    pub groups: Option<Groups>,
    pub pulled: Pulled,
    pub subscribers: Vec<SubscriptionId>,
}

impl Instance {
    pub fn new(source: Source, inputs: Vec<Input>, form: &Form, limits: &Limits) -> Self {
        let rows = match &source {
            Source::Rows(query) => Fetch::Query(Prepared::from_ir(form.rows_query(query), limits)),
            Source::Objects(level) => Fetch::Page(Box::new(Page::new(level.clone(), limits))),
        };
        Self {
            rows,
            source,
            inputs,
            output: Output::new(form.window.clone()),
            groups: form.grouping.as_ref().map(|_| Groups::default()),
            pulled: Pulled::default(),
            subscribers: Vec::new(),
        }
    }

    /// Equal for instances of a group with the same result.
    pub fn key(&self) -> String {
        self.source.instance_key(&self.inputs)
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.groups.as_ref().map_or(0, Groups::len) + self.output.len()
    }

    /// Whether a row is held.
    pub fn contains(&self, row: &[Word]) -> bool {
        match &self.groups {
            Some(groups) => groups.contains(row),
            None => self.output.contains(row),
        }
    }

    /// Runs the query for its rows: those that are held at most, and whether there are no others.
    pub fn fetch(&self, form: &Form, words: &Words<'_>) -> Result<(RowList, bool), QueryError> {
        self.rows.rows(&self.inputs, form, words)
    }

    /// Takes rows in and out.
    pub fn apply(
        &mut self,
        form: &Form,
        moves: Moves,
        words: &Words<'_>,
    ) -> Result<Difference, QueryError> {
        let Moves { gone, new, stirred } = moves;
        if let (Some(groups), Some(grouping)) = (&mut self.groups, &form.grouping) {
            let changes = groups.apply(grouping, &gone, new, words)?;
            return Ok(self.output.apply(changes, words, None));
        }
        let mut gone: Vec<Arc<[Word]>> = gone.into_iter().map(Into::into).collect();
        let mut new: Vec<Keyed> = keyed(form, new, words);
        for (key, cells) in keyed(form, stirred, words) {
            // a row that goes to another place may go beyond those that are held, as if it were new there
            if self.output.cells(&key).is_some_and(|held| *held != cells) {
                gone.push(key.clone());
                new.push((key, cells));
            }
        }
        let gone = gone.into_iter().map(RowChange::Gone);
        let new = new
            .into_iter()
            .map(|(key, cells)| RowChange::New(key, cells));
        let changes: Vec<RowChange> = gone.chain(new).collect();
        if form.capacity().is_none() {
            return Ok(self.output.apply(changes, words, None));
        }
        let mut failed = None;
        let (fetch, inputs) = (&self.rows, &self.inputs);
        let mut refill = |_: usize| match fetch.rows(inputs, form, words) {
            Ok((rows, complete)) => Some((keyed(form, rows, words), complete)),
            Err(e) => {
                failed = Some(e);
                None
            }
        };
        let difference = self.output.apply(changes, words, Some(&mut refill));
        failed.map_or(Ok(difference), Err)
    }

    /// Makes the rows be these, of a fresh run.
    pub fn replace(
        &mut self,
        form: &Form,
        rows: RowList,
        complete: bool,
        words: &Words<'_>,
    ) -> Result<Difference, QueryError> {
        if let Some(grouping) = &form.grouping {
            let mut groups = Groups::default();
            groups.apply(grouping, &[], rows, words)?;
            let all = groups.all(grouping)?;
            self.groups = Some(groups);
            return Ok(self.output.replace(all, true, words));
        }
        Ok(self
            .output
            .replace(keyed(form, rows, words), complete, words))
    }

    /// Writes everything that is held in the words of another moment. `unseen` and `old` are what the words meant so far.
    pub fn translate(&mut self, old: &Snapshot, unseen: &[Value], words: &Words<'_>) {
        let meaning = |w: Word| match w.tag {
            tag::BOOLEAN | tag::INTEGER | tag::FLOAT | tag::TIME | local::LIST => w,
            _ => match words::decode(old, unseen, w) {
                Some(Value::Text(name)) if w.tag == local::ATTRIBUTE => {
                    let aid = words.snapshot.aid(&name).map(words::attribute);
                    aid.unwrap_or_else(|| words.word(&Value::Text(name)))
                }
                Some(value) => words.word(&value),
                None => w,
            },
        };
        self.output.translate(words, meaning);
    }

    /// Pulls what the rows of a difference need, and what was pulled for rows that something touched; adds those that changed.
    pub fn pull(
        &mut self,
        form: &Form,
        difference: &mut Difference,
        touched: &BTreeSet<u64>,
        words: &Words<'_>,
        place: RowPlace,
        watch: &mut Watch,
    ) -> Result<(), QueryError> {
        if form.pulls.is_empty() {
            return Ok(());
        }
        let of = |row: u64| RowPlace { row, ..place };
        for id in &difference.removed {
            self.pulled.drop(of(*id), watch);
        }
        let mut done = BTreeSet::new();
        for row in difference.added.iter().chain(&difference.changed) {
            done.insert(row.id);
            let cells = &row.cells.words;
            self.pulled.pull(
                &form.pulls,
                &row.key,
                cells,
                words.snapshot,
                of(row.id),
                watch,
            )?;
        }
        for id in touched.difference(&done) {
            let key = self.pulled.key(*id);
            let Some(shown) = key.and_then(|key| self.output.get(&key, words)) else {
                continue;
            };
            let cells = &shown.cells.words;
            let (_, other) = self.pulled.pull(
                &form.pulls,
                &shown.key,
                cells,
                words.snapshot,
                of(*id),
                watch,
            )?;
            if other {
                difference.changed.push(shown);
            }
        }
        difference.changed.sort_unstable_by_key(|s| (s.index, s.id));
        Ok(())
    }

    /// Forgets what was pulled.
    pub fn drop(&mut self, place: RowPlace, watch: &mut Watch) {
        for row in self.pulled.rows() {
            self.pulled.drop(RowPlace { row, ..place }, watch);
        }
    }
}

fn keyed(form: &Form, rows: RowList, words: &Words<'_>) -> Vec<Keyed> {
    let keyed = rows.into_iter().map(|row| {
        let key: Arc<[Word]> = row.into();
        let cells = form.cells(&key, words);
        (key, cells)
    });
    keyed.collect()
}

impl Fetch {
    fn rows(
        &self,
        inputs: &[Input],
        form: &Form,
        words: &Words<'_>,
    ) -> Result<(RowList, bool), QueryError> {
        let capacity = form.capacity();
        let mut out = Vec::new();
        match self {
            Self::Query(prepared) => {
                let rows = prepared.run(words.snapshot, inputs)?;
                out.reserve(rows.len());
                for i in 0..rows.len() {
                    let row = rows.words(i).iter().enumerate().map(|(c, w)| {
                        if w.tag & local::UNSEEN == 0 {
                            return words.settled(*w);
                        }
                        rows.value(i, c).map_or(*w, |v| words.word(&v))
                    });
                    out.push(row.collect());
                }
            }
            Self::Page(page) => {
                let found = page.head(words.snapshot, capacity)?;
                let row = |e| [words.settled(Word::reference(e))].into();
                out.extend(found.into_iter().map(row));
            }
        }
        let complete = capacity.is_none_or(|c| out.len() < c);
        Ok((out, complete))
    }
}
