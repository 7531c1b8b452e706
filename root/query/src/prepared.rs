//! Queries compiled once and run many times.

use std::sync::{Arc, PoisonError, RwLock};

use rhizome_replica::Snapshot;
use serde_json::Value as Json;

use crate::datalog;
use crate::error::QueryError;
use crate::exec::{self, Machine, RowSet, Stop};
use crate::input::{self, Input};
use crate::ir::{self, Element, Query, Shape};
use crate::limits::Limits;
use crate::plan::{self, Program, Statistics};
use crate::rows::Rows;
use crate::text::TextSearch;

/// A query ready to run on any snapshot of any pod. It keeps the plan of its last run and makes a new one when the pod has become a
/// different one (twice or half the size in something that matters).
#[derive(Debug)]
pub struct Prepared {
    query: Arc<Query>,
    limits: Limits,
    plan: RwLock<Option<Arc<Planned>>>,
}

#[derive(Debug)]
struct Planned {
    statistics: Statistics,
    program: Program,
}

impl Prepared {
    /// Compiles Datalog text.
    pub fn new(text: &str) -> Result<Self, QueryError> {
        Self::with(text, None, &Limits::default())
    }

    /// Compiles Datalog text with rules for its `%` and with the caller's limits.
    pub fn with(text: &str, rules: Option<&str>, limits: &Limits) -> Result<Self, QueryError> {
        Ok(Self::from_ir(
            datalog::compile(text, rules, limits)?,
            limits,
        ))
    }

    /// As [`Self::with`] without rules, for one run: what `fulltext` finds now becomes part of the query.
    pub fn searching(
        text: &str,
        limits: &Limits,
        search: &dyn TextSearch,
    ) -> Result<Self, QueryError> {
        let query = datalog::compile_with(text, None, limits, Some(search))?;
        Ok(Self::from_ir(query, limits))
    }

    /// A query in intermediate form.
    pub fn from_ir(query: Query, limits: &Limits) -> Self {
        Self {
            query: Arc::new(query),
            limits: *limits,
            plan: RwLock::new(None),
        }
    }

    /// The intermediate form.
    pub fn query(&self) -> &Query {
        &self.query
    }

    pub(crate) fn shared(&self) -> Arc<Query> {
        self.query.clone()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Refuses inputs that do not fit `:in`.
    pub(crate) fn check_inputs(&self, inputs: &[Input]) -> Result<(), QueryError> {
        let wanted = self.wanted().count();
        if wanted != inputs.len() {
            let found = inputs.len().to_string();
            return Err(input::mismatch(
                wanted.min(inputs.len()),
                &format!("{wanted} inputs"),
                &found,
            ));
        }
        let mut pairs = inputs.iter().zip(self.wanted()).enumerate();
        pairs.try_for_each(|(i, (input, wanted))| input.cells(wanted, i).map(|_| ()))
    }

    /// Runs the query; `inputs` in the order of `:in`, without `$` and `%`.
    pub fn run(&self, snapshot: &Snapshot, inputs: &[Input]) -> Result<Rows, QueryError> {
        self.run_while(snapshot, inputs, &|| true)
    }

    /// Runs the query with inputs as JSON.
    pub fn run_json(&self, snapshot: &Snapshot, inputs: &[Json]) -> Result<Rows, QueryError> {
        self.run(snapshot, &self.inputs(inputs)?)
    }

    /// Inputs from JSON, as the query wants them.
    pub fn inputs(&self, inputs: &[Json]) -> Result<Vec<Input>, QueryError> {
        let wanted: Vec<&ir::Input> = self.wanted().collect();
        if wanted.len() != inputs.len() {
            return Err(input::mismatch(
                wanted.len().min(inputs.len()),
                &format!("{} inputs", wanted.len()),
                &inputs.len().to_string(),
            ));
        }
        inputs
            .iter()
            .zip(wanted)
            .enumerate()
            .map(|(i, (j, w))| Input::from_json(w, i, j))
            .collect()
    }

    fn wanted(&self) -> impl Iterator<Item = &ir::Input> {
        self.query
            .inputs
            .iter()
            .filter(|i| !matches!(i, ir::Input::Rules))
    }

    /// Runs the query as long as `check` says true; it is asked every few thousand steps.
    pub fn run_while(
        &self,
        snapshot: &Snapshot,
        inputs: &[Input],
        check: &dyn Fn() -> bool,
    ) -> Result<Rows, QueryError> {
        let planned = self.planned(snapshot, inputs);
        let program = &planned.program;
        let mut machine = Machine::new(&self.query, program, snapshot, &self.limits, check);
        self.bind(&mut machine, inputs)?;
        machine.stop = self.stop(program);
        if let Some(counted) = program.counted {
            machine.out = machine.count_runs(counted);
        } else {
            machine.run(0);
        }
        self.finish(machine, snapshot)
    }

    fn planned(&self, snapshot: &Snapshot, inputs: &[Input]) -> Arc<Planned> {
        let tuples = snapshot.eav().len() as f64;
        let known = self
            .plan
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(p) = &known
            && p.statistics
                .same_size(tuples, inputs.iter().map(Input::rows))
        {
            return p.clone();
        }
        let mut sizes = inputs.iter().map(|i| i.rows() as f64);
        let sizes = self.query.inputs.iter().map(|i| {
            if matches!(i, ir::Input::Rules) {
                -1.0
            } else {
                sizes.next().unwrap_or(1.0)
            }
        });
        let statistics = Statistics::new(&self.query, snapshot, sizes.collect());
        let program = match known {
            Some(p) if p.statistics.near(&statistics) => p.program.clone(),
            _ => plan::plan(&self.query, &statistics, snapshot),
        };
        let planned = Arc::new(Planned {
            statistics,
            program,
        });
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = Some(planned.clone());
        planned
    }

    fn bind(&self, machine: &mut Machine<'_>, inputs: &[Input]) -> Result<(), QueryError> {
        let mut given = inputs.iter();
        let mut index = 0;
        for wanted in &self.query.inputs {
            if *wanted == ir::Input::Rules {
                machine.inputs.push(RowSet::unchecked(0));
                continue;
            }
            let input = given
                .next()
                .ok_or_else(|| input::mismatch(index, "an input", "none"))?;
            let rows = input.cells(wanted, index)?;
            index += 1;
            match wanted {
                ir::Input::Scalar(slot) => {
                    for (slot, value) in slot.iter().zip(rows.iter().copied().flatten()) {
                        machine.registers[usize::from(*slot)] = machine.words.word(value);
                    }
                    machine.inputs.push(RowSet::unchecked(0));
                }
                ir::Input::Tuple(slots) => {
                    for (slot, value) in slots.iter().zip(rows.iter().copied().flatten()) {
                        if let Some(slot) = slot {
                            machine.registers[usize::from(*slot)] = machine.words.word(value);
                        }
                    }
                    machine.inputs.push(RowSet::unchecked(0));
                }
                ir::Input::Collection(_) | ir::Input::Relation(_) => {
                    let width = if let ir::Input::Relation(slots) = wanted {
                        slots.len()
                    } else {
                        1
                    };
                    let mut set = RowSet::distinct(width);
                    for row in rows {
                        set.cells
                            .extend(row.iter().take(width).map(|v| machine.words.word(v)));
                        set.commit();
                    }
                    machine.inputs.push(set);
                }
                ir::Input::Rules => {}
            }
        }
        match given.next() {
            Some(_) => Err(input::mismatch(index, "no further input", "one")),
            None => Ok(()),
        }
    }

    fn aggregates(&self) -> bool {
        self.query
            .find
            .iter()
            .any(|e| matches!(e, Element::Aggregate(..)))
    }

    /// Rows after which the result cannot change.
    fn stop(&self, program: &Program) -> Stop {
        let first_only = matches!(self.query.shape, Shape::Scalar | Shape::Tuple);
        let limit = if first_only {
            Some(self.query.limit.unwrap_or(1).min(1))
        } else {
            self.query.limit
        };
        let Some(limit) = limit else {
            return Stop::Never;
        };
        let enough = usize::try_from(limit.saturating_add(self.query.offset)).unwrap_or(usize::MAX);
        if self.aggregates() || !self.query.with.is_empty() {
            Stop::Never
        } else if self.query.order.is_empty() {
            Stop::After(enough)
        } else {
            program
                .ordered
                .map_or(Stop::Never, |column| Stop::Ordered(enough, column))
        }
    }

    fn finish(&self, machine: Machine<'_>, snapshot: &Snapshot) -> Result<Rows, QueryError> {
        let query = &self.query;
        if let Some(error) = machine.error {
            return Err(error);
        }
        snapshot
            .fault()
            .map_err(|e| QueryError::Storage(e.to_string()))?;
        let output = &machine.program.output;
        let mut lists = Vec::new();
        let mut rows = match machine.groups {
            // counted runs are whole result rows
            _ if machine.program.counted.is_some() => machine.out,
            Some(groups) => groups.finish(query, &machine.words, &mut lists)?,
            None => columns(query, output, machine.out),
        };
        let first_only = matches!(query.shape, Shape::Scalar | Shape::Tuple);
        let limit = if first_only {
            Some(1)
        } else {
            query
                .limit
                .map(|l| usize::try_from(l).unwrap_or(usize::MAX))
        };
        let limit = if query.limit == Some(0) {
            Some(0)
        } else {
            limit
        };
        exec::select(
            &mut rows,
            &query.order,
            usize::try_from(query.offset).unwrap_or(usize::MAX),
            limit,
            &machine.words,
        );
        if rows.len() > self.limits.result_rows {
            return Err(Limits::exceeded(
                "result_rows",
                self.limits.result_rows,
                None,
            ));
        }
        let len = rows.len();
        Ok(Rows::new(
            query.clone(),
            rows.cells,
            len,
            snapshot.clone(),
            machine.words.into_unseen().into_values(),
            lists,
            self.limits,
        ))
    }
}

/// The columns of `:find` in order; rows that differ only in `:with` variables stay apart.
fn columns(query: &Query, output: &[ir::Slot], rows: RowSet) -> RowSet {
    if query.find.len() == output.len()
        && query.find.iter().zip(output).all(|(e, s)| e.slot() == *s)
    {
        return rows;
    }
    let places: Vec<usize> = query
        .find
        .iter()
        .map(|e| output.iter().position(|s| *s == e.slot()).unwrap_or(0))
        .collect();
    let mut out = if query.with.is_empty() {
        RowSet::unchecked(places.len())
    } else {
        RowSet::distinct(places.len())
    };
    for row in rows.iter() {
        out.cells.extend(places.iter().map(|p| row[*p]));
        out.commit();
    }
    out
}
