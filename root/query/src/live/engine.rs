//! The incremental part of a group: its template in one pod.

use super::compile::{Lifted, Unsupported, compile};
use super::delta::Events;
use super::derive::{Layers, Reading};
use super::given::{Arguments, Given, Resolved};
use super::instance::{Instance, RowList};
use super::solve::{Flow, Names, Side, Solver, Trouble};
use super::template::Template;
use crate::exec::words::{Unseen, Words, local};
use crate::input::Input;
use crate::ir::{Constant, Query};
use rhizome_replica::{Fact, Snapshot, Word};
use rhizome_tuple::Value;
use rustc_hash::{FxHashMap, FxHashSet};

/// A template with everything that evaluation needs.
pub struct Engine {
    pub template: Template,
    pub given: Given,
    pub names: Names,
    layers: Layers,
    /// Tuples of the pod when sizes were last read.
    sized_at: u64,
}

/// A fact at a trigger: added or removed.
pub type Hit = (u32, Fact, bool);

/// What happened to the rows of an instance.
#[derive(Debug, Default)]
pub struct Moves {
    pub gone: RowList,
    pub new: RowList,
    /// Rows that are held and may have another place now.
    pub stirred: RowList,
}

/// Moves by instance.
pub type Delta = FxHashMap<u32, Moves>;

impl Engine {
    pub fn new(lifted: Lifted, watched: &[String], words: &Words<'_>) -> Result<Self, Unsupported> {
        let template = compile(&lifted.query, lifted.own, watched)?;
        let mut engine = Self {
            given: Given::new(&template),
            names: Names::default(),
            layers: Layers::new(&template),
            sized_at: 0,
            template,
        };
        engine.resolve(words);
        engine.measure(words.snapshot);
        Ok(engine)
    }

    /// Looks up everything that the template names.
    pub fn resolve(&mut self, words: &Words<'_>) {
        let t = &self.template;
        self.names.attributes = t.attributes.iter().map(|a| words.snapshot.aid(a)).collect();
        self.names.constants = t.constants.iter().map(|c| resolved(c, words)).collect();
        self.names.rows = t
            .rows
            .iter()
            .map(|rows| distinct(rows.iter().map(Vec::as_slice), words))
            .collect();
    }

    /// Reads the sizes of attributes anew if the pod has become a different one.
    fn measure(&mut self, snapshot: &Snapshot) {
        let now = snapshot.len();
        if self.names.sizes.len() == self.template.attributes.len()
            && now.abs_diff(self.sized_at) < self.sized_at / 8 + 64
        {
            return;
        }
        self.sized_at = now;
        let size = |a: &Option<rhizome_replica::Aid>| match a {
            None => [0, 0, 0],
            Some(a) => {
                let s = snapshot.attribute_stats(*a);
                [s.tuples, s.entities, s.values]
            }
        };
        self.names.sizes = self.names.attributes.iter().map(size).collect();
    }

    /// What an instance passes, as words.
    pub fn arguments(&self, query: &Query, inputs: &[Input], words: &Words<'_>) -> Arguments {
        let lifted = query.constants.iter().zip(&self.template.lifted);
        let mut out = Arguments {
            constants: lifted
                .map(|(c, lifted)| match lifted {
                    true => resolved(c, words),
                    false => Resolved { all: [].into() },
                })
                .collect(),
            ..Arguments::default()
        };
        let wanted = query
            .inputs
            .iter()
            .filter(|i| !matches!(i, crate::ir::Input::Rules));
        for (input, wanted) in inputs.iter().zip(wanted) {
            let width = match wanted {
                crate::ir::Input::Tuple(slots) | crate::ir::Input::Relation(slots) => slots.len(),
                _ => 1,
            };
            match input {
                Input::Value(v) => out.scalars.push(words.word(v)),
                Input::Tuple(all) => {
                    let cells = all.iter().take(width);
                    out.scalars.extend(cells.map(|v| words.word(v)));
                }
                Input::Collection(all) => out.inputs.push(distinct(all.chunks(1), words)),
                Input::Relation(all) => {
                    let rows = all.iter().map(|r| &r[..width.min(r.len())]);
                    out.inputs.push(distinct(rows, words));
                }
            }
        }
        out
    }

    fn solver<'a>(
        &'a self,
        words: &'a Words<'a>,
        before: &'a Snapshot,
        trouble: &'a Trouble,
    ) -> Solver<'a> {
        Solver {
            template: &self.template,
            given: &self.given,
            names: &self.names,
            words,
            snapshot: words.snapshot,
            before,
            side: Side::After,
            layers: &self.layers,
            reading: Reading::NOW,
            trouble,
        }
    }

    /// All rows of an instance. Also asks the rules whatever goals its rows depend on.
    pub fn rows(&mut self, instance: u32, words: &Words<'_>, trouble: &Trouble) -> RowList {
        self.measure(words.snapshot);
        let mut found: FxHashSet<Box<[Word]>> = FxHashSet::default();
        let solver = self.solver(words, words.snapshot, trouble);
        solver.all_rows(instance, &mut |row| {
            if !found.contains(row) {
                found.insert(row.into());
            }
            Flow::More
        });
        self.layers.settle(&self.template);
        found.into_iter().collect()
    }

    /// The rows that instances lose and gain by a change. `stirs`: rows that stay are wanted too, if something they depend on changed.
    pub fn delta(
        &mut self,
        hits: &[Hit],
        before: &Snapshot,
        words: &Words<'_>,
        instances: &[Option<Instance>],
        stirs: bool,
        trouble: &Trouble,
    ) -> Delta {
        self.measure(words.snapshot);
        let solver = self.solver(words, before, trouble);
        let template = &self.template;
        let held = |i: u32, row: &[Word]| {
            let instance = instances.get(i as usize).and_then(Option::as_ref);
            instance.is_some_and(|instance| instance.contains(row))
        };
        let mut events = Events::new(template);
        for (trigger, fact, added) in hits {
            events.fact(template, *trigger as usize, *fact, *added);
        }
        solver.rules(&mut events);
        solver.negations(0, &mut events);
        let mut new: FxHashSet<(u32, Box<[Word]>)> = FxHashSet::default();
        let mut stirred: FxHashSet<(u32, Box<[Word]>)> = FxHashSet::default();
        solver.rows(&mut events, true, &mut |i, row| {
            if !held(i, row) {
                new.insert((i, row.into()));
            } else if stirs {
                stirred.insert((i, row.into()));
            }
        });
        let mut doubtful: FxHashSet<(u32, Box<[Word]>)> = FxHashSet::default();
        solver.rows(&mut events, false, &mut |i, row| {
            if held(i, row) {
                doubtful.insert((i, row.into()));
            }
        });
        let mut delta = Delta::default();
        let mut st = solver.state();
        for (i, row) in doubtful {
            if !solver.holds(&mut st, i, &row) {
                delta.entry(i).or_default().gone.push(row);
            }
        }
        for (i, row) in new {
            delta.entry(i).or_default().new.push(row);
        }
        for (i, row) in stirred {
            delta.entry(i).or_default().stirred.push(row);
        }
        self.layers.settle(&self.template);
        delta
    }

    /// Forgets what the rules derived.
    pub fn forget(&mut self) {
        self.layers = Layers::new(&self.template);
    }

    /// Tuples that rules have derived.
    pub fn derived(&self) -> usize {
        self.layers.kept.borrow().len
    }
}

fn resolved(constant: &Constant, words: &Words<'_>) -> Resolved {
    Resolved {
        all: constant.values.iter().map(|v| words.word(v)).collect(),
    }
}

fn distinct<'v>(rows: impl Iterator<Item = &'v [Value]>, words: &Words<'_>) -> Vec<Box<[Word]>> {
    let mut seen: FxHashSet<Box<[Word]>> = FxHashSet::default();
    let mut out = Vec::new();
    for row in rows {
        let row: Box<[Word]> = row.iter().map(|v| words.word(v)).collect();
        if seen.insert(row.clone()) {
            out.push(row);
        }
    }
    out
}

/// The values that an instance waits for: those of its constants and inputs that the pod does not have.
pub fn waits_for(query: &Query, inputs: &[Input], words: &Words<'_>) -> Vec<Vec<u8>> {
    let constants = query.constants.iter().flat_map(|c| &c.values);
    let given = inputs.iter().flat_map(|i| -> Vec<&Value> {
        match i {
            Input::Value(v) => vec![v],
            Input::Tuple(all) | Input::Collection(all) => all.iter().collect(),
            Input::Relation(all) => all.iter().flatten().collect(),
        }
    });
    constants
        .chain(given)
        .filter(|v| words.word(v).tag & local::UNSEEN != 0)
        .filter_map(Unseen::key)
        .collect()
}
