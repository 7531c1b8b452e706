//! The interpreter of steps: depth first, one row of registers, no allocation per row.

use rhizome_replica::{Aid, Eid, Snapshot, Word, key};

use super::aggregate::Groups;
use super::collect::RowSet;
use super::filter::Filter;
use super::table::Table;
use super::words::{self, Words};
use crate::error::QueryError;
use crate::ir::Query;
use crate::limits::Limits;
use crate::plan::{Attribute, Place, Program, Register, Step};

/// Why a step returns to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// All ways were tried.
    More,
    /// Something was found, which is all the enclosing `Not` or `Exists` wants to know.
    Found,
    /// There are enough rows, or an error.
    Stop,
}

/// When there are enough rows.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Never.
    Never,
    /// After this many.
    After(usize),
    /// After this many, and when the value in this column then changes: rows come in its order.
    Ordered(usize, usize),
}

/// An attribute that no tuple has: numbers are below it.
const NO_ATTRIBUTE: Aid = Aid(0xFF_FFFF);
/// Steps between two looks at the caller's check.
const CHECK_EVERY: u32 = 1 << 12;

/// One run of a program.
pub struct Machine<'a> {
    pub program: &'a Program,
    pub query: &'a Query,
    pub snapshot: &'a Snapshot,
    pub words: Words<'a>,
    pub registers: Vec<Word>,
    aids: Vec<Aid>,
    /// Words of constants that stand for several values, by constant.
    alternatives: Vec<Vec<Word>>,
    rows: Vec<RowSet>,
    pub inputs: Vec<RowSet>,
    pub tables: Vec<Table>,
    pub out: RowSet,
    pub groups: Option<Groups>,
    /// By number of the step: see [`super::filter`].
    pub filters: Vec<Filter>,
    pub stop: Stop,
    pub error: Option<QueryError>,
    attribute_words: Vec<Option<Word>>,
    limits: &'a Limits,
    check: &'a dyn Fn() -> bool,
    ticks: u32,
}

impl<'a> Machine<'a> {
    /// Resolves names and constants for one pod.
    pub fn new(
        query: &'a Query,
        program: &'a Program,
        snapshot: &'a Snapshot,
        limits: &'a Limits,
        check: &'a dyn Fn() -> bool,
    ) -> Self {
        let words = Words::new(snapshot);
        let mut registers = vec![Word::boolean(false); program.registers];
        for load in &program.constants {
            let values = &query.constants[usize::from(load.constant)].values;
            if let Some(value) = if load.entity {
                values.first()
            } else {
                values.last()
            } {
                registers[usize::from(load.register)] = words.word(value);
            }
        }
        let ambiguous = query.constants.iter().any(|c| c.values.len() > 1);
        let alternatives = if ambiguous {
            query
                .constants
                .iter()
                .map(|c| {
                    c.values
                        .iter()
                        .filter(|_| c.values.len() > 1)
                        .map(|v| words.word(v))
                        .collect()
                })
                .collect()
        } else {
            Vec::new()
        };
        let table = |rows: &Vec<Vec<rhizome_tuple::Value>>| {
            let mut set = RowSet::distinct(rows.first().map_or(0, Vec::len));
            for row in rows {
                set.cells.extend(row.iter().map(|v| words.word(v)));
                set.commit();
            }
            set
        };
        let rows = program.rows.iter().map(table).collect();
        let aids = query
            .attributes
            .iter()
            .map(|name| snapshot.aid(name).unwrap_or(NO_ATTRIBUTE))
            .collect();
        let tables = program.tables.iter().map(Table::new).collect();
        let width = program.output.len();
        let out = if program.unique {
            RowSet::unchecked(width)
        } else {
            RowSet::distinct(width)
        };
        Self {
            program,
            query,
            snapshot,
            words,
            registers,
            aids,
            alternatives,
            rows,
            inputs: Vec::new(),
            tables,
            out,
            groups: Groups::new(query),
            filters: (0..program.filters).map(|_| Filter::default()).collect(),
            stop: Stop::Never,
            error: None,
            attribute_words: Vec::new(),
            limits,
            check,
            ticks: 0,
        }
    }

    #[inline]
    pub fn get(&self, r: Register) -> Word {
        self.registers[usize::from(r)]
    }

    #[inline]
    pub fn set(&mut self, r: Register, w: Word) {
        self.registers[usize::from(r)] = w;
    }

    #[inline]
    pub fn entity(&self, r: Register) -> Option<Eid> {
        words::entity(self.get(r))
    }

    #[inline]
    pub fn attribute(&self, a: Attribute) -> Option<Aid> {
        match a {
            Attribute::Named(i) => self.aids.get(usize::from(i)).copied(),
            Attribute::Bound(r) => self.attribute_of(self.get(r)),
        }
    }

    fn attribute_of(&self, w: Word) -> Option<Aid> {
        if w.tag == words::local::ATTRIBUTE {
            return Some(Aid(w.bits as u32));
        }
        self.words
            .with_text(w, |name| self.snapshot.aid(name))
            .flatten()
    }

    /// The word of an attribute that was found: its number, or its name as text.
    pub fn attribute_word(&mut self, a: Aid, number: bool) -> Word {
        if number {
            return words::attribute(a);
        }
        let i = a.0 as usize;
        if let Some(Some(w)) = self.attribute_words.get(i) {
            return *w;
        }
        let name = self.snapshot.attribute(a).unwrap_or_default();
        let w = self
            .words
            .word(&rhizome_tuple::Value::Text(name.to_owned()));
        if i >= self.attribute_words.len() {
            self.attribute_words.resize(i + 1, None);
        }
        self.attribute_words[i] = Some(w);
        w
    }

    /// Stops with an error.
    pub fn fail(&mut self, error: QueryError) -> Flow {
        self.error.get_or_insert(error);
        Flow::Stop
    }

    /// Binds or compares the cells of a row.
    #[inline]
    pub fn accept(&mut self, row: &[Word], places: &[Place]) -> bool {
        row.iter()
            .zip(places)
            .all(|(w, place)| self.accept_one(*w, *place))
    }

    #[inline]
    pub fn accept_one(&mut self, w: Word, place: Place) -> bool {
        match place {
            Place::Blank => true,
            Place::Equal(r) => self.get(r) == w,
            Place::Bind(r) => {
                self.set(r, w);
                true
            }
        }
    }

    pub fn tick(&mut self) -> bool {
        self.ticks += 1;
        if self.ticks.is_multiple_of(CHECK_EVERY) && !(self.check)() {
            self.fail(QueryError::Cancelled);
            return false;
        }
        true
    }

    /// More rows in memory than the limit allows?
    pub fn room(&mut self, rows: usize) -> bool {
        if rows > self.limits.intermediate_rows {
            self.fail(Limits::exceeded(
                "intermediate_rows",
                self.limits.intermediate_rows,
                None,
            ));
            return false;
        }
        true
    }

    /// Runs from a step on.
    pub fn run(&mut self, mut at: usize) -> Flow {
        if !self.tick() {
            return Flow::Stop;
        }
        let program = self.program;
        while let Some(step) = program.steps.get(at) {
            // tests fall through to the next step, loops run the rest for each way and return
            let passed = match step {
                Step::Tuple { e, a, v, filter } => match (self.entity(*e), self.attribute(*a)) {
                    (Some(e), Some(a)) => self.tuple(e, a, self.get(*v), *filter),
                    _ => false,
                },
                Step::Values { e, a, v: Some(v) } => return self.values(*e, *a, *v, at + 1),
                Step::Values { e, a, v: None } => match (self.entity(*e), self.attribute(*a)) {
                    (Some(e), Some(a)) => super::pattern::values_of(self.snapshot, e, a)
                        .next()
                        .is_some(),
                    _ => false,
                },
                Step::Entities { a, v, e: Some(e) } => return self.entities(*a, *v, *e, at + 1),
                Step::Entities { a, v, e: None } => self.attribute(*a).is_some_and(|a| {
                    let (lo, hi) = key::ave_av(a, self.get(*v));
                    self.snapshot.ave().range(lo, hi).next().is_some()
                }),
                Step::Scan {
                    a,
                    e,
                    v,
                    order,
                    bounds,
                } => return self.scan(*a, *e, *v, *order, bounds, at + 1),
                Step::OfEntity { e, a, v } => return self.of_entity(*e, *a, *v, at + 1),
                Step::OfValue { v, e, a } => return self.of_value(*v, *e, *a, at + 1),
                Step::All { e, a, v } => return self.all(*e, *a, *v, at + 1),
                Step::Same { a, b } => self.get(*a) == self.get(*b),
                Step::Each { constant, out } => {
                    let n = self
                        .alternatives
                        .get(usize::from(*constant))
                        .map_or(0, Vec::len);
                    for i in 0..n {
                        let w = self.alternatives[usize::from(*constant)][i];
                        self.set(*out, w);
                        match self.run(at + 1) {
                            Flow::More => {}
                            other => return other,
                        }
                    }
                    return Flow::More;
                }
                Step::Compare { compare, arguments } => match &**arguments {
                    [a, b] => self.words.holds(*compare, &[self.get(*a), self.get(*b)]),
                    many => {
                        let many: Vec<Word> = many.iter().map(|r| self.get(*r)).collect();
                        self.words.holds(*compare, &many)
                    }
                },
                Step::AnyOf {
                    register,
                    constant,
                    negated,
                } => {
                    let w = self.get(*register);
                    let all = self
                        .alternatives
                        .get(usize::from(*constant))
                        .map_or(&[][..], Vec::as_slice);
                    all.iter().any(|x| self.words.equal(*x, w)) != *negated
                }
                Step::Compute {
                    function,
                    arguments,
                    out,
                    bound,
                } => {
                    let result = match &**arguments {
                        [a] => self.words.apply(*function, &[self.get(*a)]),
                        [a, b] => self.words.apply(*function, &[self.get(*a), self.get(*b)]),
                        many => {
                            let many: Vec<Word> = many.iter().map(|r| self.get(*r)).collect();
                            self.words.apply(*function, &many)
                        }
                    };
                    match result {
                        None => false,
                        Some(w) if *bound => self.get(*out) == w,
                        Some(w) => {
                            self.set(*out, w);
                            true
                        }
                    }
                }
                Step::GetElse {
                    e,
                    a,
                    default,
                    out,
                    bound,
                } => {
                    let place = if *bound {
                        Place::Equal(*out)
                    } else {
                        Place::Bind(*out)
                    };
                    return self.get_else(*e, Attribute::Named(*a), *default, place, at + 1);
                }
                Step::Rows { rows, places } => {
                    for i in 0..self.rows.get(usize::from(*rows)).map_or(0, RowSet::len) {
                        let ok = places.iter().enumerate().all(|(c, place)| {
                            let w = self.rows[usize::from(*rows)].row(i)[c];
                            self.accept_one(w, *place)
                        });
                        if ok {
                            match self.run(at + 1) {
                                Flow::More => {}
                                other => return other,
                            }
                        }
                    }
                    return Flow::More;
                }
                Step::Input { input, places } => {
                    for i in 0..self.inputs.get(usize::from(*input)).map_or(0, RowSet::len) {
                        let ok = places.iter().enumerate().all(|(c, place)| {
                            let w = self.inputs[usize::from(*input)].row(i)[c];
                            self.accept_one(w, *place)
                        });
                        if ok {
                            match self.run(at + 1) {
                                Flow::More => {}
                                other => return other,
                            }
                        }
                    }
                    return Flow::More;
                }
                Step::Not { end } => match self.run(at + 1) {
                    Flow::More => {
                        at = *end;
                        continue;
                    }
                    Flow::Found => false,
                    Flow::Stop => return Flow::Stop,
                },
                Step::Exists { end } => match self.run(at + 1) {
                    Flow::Found => {
                        at = *end;
                        continue;
                    }
                    Flow::More => false,
                    Flow::Stop => return Flow::Stop,
                },
                Step::Or { branches } => {
                    for start in branches {
                        match self.run(*start) {
                            Flow::More => {}
                            other => return other,
                        }
                    }
                    return Flow::More;
                }
                Step::Jump { to } => {
                    at = *to;
                    continue;
                }
                Step::Call {
                    table,
                    bound,
                    places,
                } => return self.call(*table, bound, places, at + 1),
                Step::Recall {
                    table,
                    bound,
                    places,
                } => return self.recall(*table, bound, places, at + 1),
                Step::Asked { table, places } => return self.asked(*table, places, at + 1),
                Step::Found => return Flow::Found,
                Step::Emit => return self.emit(),
                Step::Answer { table, arguments } => return self.answer(*table, arguments),
                Step::Goal { table, bound } => return self.goal(*table, bound),
            };
            if !passed {
                return Flow::More;
            }
            at += 1;
        }
        Flow::More
    }

    #[inline]
    fn emit(&mut self) -> Flow {
        if !self.program.unique || self.groups.is_none() {
            for slot in &self.program.output {
                self.out.cells.push(self.registers[usize::from(*slot)]);
            }
            if !self.out.commit() {
                return Flow::More;
            }
        }
        let mut n = self.out.len();
        if let Some(groups) = &mut self.groups {
            groups.add(&self.registers, &self.words);
            n += groups.size();
        }
        match self.stop {
            Stop::After(enough) if n >= enough => return Flow::Stop,
            Stop::Ordered(enough, column) if n > enough => {
                let (last, new) = (self.out.row(enough.saturating_sub(1)), self.out.row(n - 1));
                if let (Some(a), Some(b)) = (last.get(column), new.get(column))
                    && super::spans::apart(*a, *b)
                {
                    return Flow::Stop;
                }
            }
            _ => {}
        }
        if self.room(n) { Flow::More } else { Flow::Stop }
    }
}
