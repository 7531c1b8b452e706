//! Evaluation of rules: reachability for those that only move a goal or an answer along, semi-naive fixpoint for all others.

use rhizome_replica::{Aid, Word, key, tag};

use super::collect::RowSet;
use super::machine::{Flow, Machine};
use super::pattern::values_of;
use crate::plan::{Attribute, Closure, Edge, Entry, Fixpoint, Method, Place, Register, TablePlan};

/// What is known of one rule for one pattern of bound arguments.
pub struct Table {
    /// Goals asked, by their bound arguments.
    goals: RowSet,
    kind: TableKind,
}

enum TableKind {
    Closure(Box<ClosureTable>),
    Fixpoint(FixpointTable),
}

/// Answers of finished goals, one after the other, and the work on the current one.
struct ClosureTable {
    /// Free arguments.
    width: usize,
    answers: Vec<Word>,
    /// Rows of `answers` for each goal.
    spans: Vec<(usize, usize)>,
    /// Goals whose answers are in `members` (goal number, then the answer).
    indexed: Vec<bool>,
    members: RowSet,
    seen_answers: Seen,
    /// Without free arguments: the current goal holds.
    holds: bool,
    /// Goals of the current evaluation.
    moving: Vec<Word>,
    seen_goals: Seen,
}

struct FixpointTable {
    /// All arguments.
    rows: RowSet,
    /// The last row of each goal + 1, and for each row the one before of the same goal + 1.
    last: Vec<u32>,
    before: Vec<u32>,
    goals_done: usize,
    rows_done: usize,
}

/// Tuples seen in one evaluation: entities as bits, everything else in a hash table.
struct Seen {
    bits: Vec<u64>,
    others: Option<RowSet>,
    width: usize,
}

impl Seen {
    fn new(width: usize) -> Self {
        Self {
            bits: Vec::new(),
            others: None,
            width,
        }
    }

    #[inline]
    fn insert(&mut self, row: &[Word]) -> bool {
        if let [
            Word {
                tag: tag::REF,
                bits,
            },
        ] = row
        {
            let (word, bit) = ((*bits / 64) as usize, 1u64 << (bits % 64));
            if word >= self.bits.len() {
                self.bits.resize((word + 1).next_power_of_two(), 0);
            }
            let new = self.bits[word] & bit == 0;
            self.bits[word] |= bit;
            return new;
        }
        let width = self.width;
        self.others
            .get_or_insert_with(|| RowSet::distinct(width))
            .insert(row)
    }

    /// Forgets everything; `rows` are what was inserted.
    fn clear(&mut self, rows: &[Word]) {
        self.others = None;
        if rows.len() > self.bits.len() {
            self.bits.fill(0);
            return;
        }
        for w in rows {
            if let Some(word) = self.bits.get_mut((w.bits / 64) as usize) {
                *word = 0;
            }
        }
    }
}

impl ClosureTable {
    /// Of answers of one cell.
    #[inline]
    fn reached(&mut self, w: Word) {
        if self.seen_answers.insert(&[w]) {
            self.answers.push(w);
        }
    }
}

impl Table {
    pub fn new(plan: &TablePlan) -> Self {
        let goal = plan.bound.iter().filter(|b| **b).count();
        let arity = plan.bound.len();
        let kind = match plan.method {
            Method::Closure(_) => TableKind::Closure(Box::new(ClosureTable {
                width: arity - goal,
                answers: Vec::new(),
                spans: Vec::new(),
                indexed: Vec::new(),
                members: RowSet::distinct(arity - goal + 1),
                seen_answers: Seen::new(arity - goal),
                holds: false,
                moving: Vec::new(),
                seen_goals: Seen::new(goal),
            })),
            Method::Fixpoint(_) => TableKind::Fixpoint(FixpointTable {
                rows: RowSet::distinct(arity),
                last: Vec::new(),
                before: Vec::new(),
                goals_done: 0,
                rows_done: 0,
            }),
        };
        Self {
            goals: RowSet::distinct(goal),
            kind,
        }
    }

    fn closure(&mut self) -> Option<&mut ClosureTable> {
        match &mut self.kind {
            TableKind::Closure(t) => Some(t),
            TableKind::Fixpoint(_) => None,
        }
    }

    fn fixpoint(&mut self) -> Option<&mut FixpointTable> {
        match &mut self.kind {
            TableKind::Fixpoint(t) => Some(t),
            TableKind::Closure(_) => None,
        }
    }
}

impl<'a> Machine<'a> {
    fn plan(&self, table: u16) -> &'a TablePlan {
        &self.program.tables[usize::from(table)]
    }

    fn table(&mut self, table: u16) -> &mut Table {
        &mut self.tables[usize::from(table)]
    }

    /// Notes a goal; its number, and whether it is new.
    fn ask(&mut self, table: u16, bound: &[Register]) -> (usize, bool) {
        let goal: Vec<Word> = bound.iter().map(|r| self.get(*r)).collect();
        let t = self.table(table);
        if let Some(i) = t.goals.find(&goal) {
            (i, false)
        } else {
            t.goals.insert(&goal);
            if let TableKind::Fixpoint(f) = &mut t.kind {
                f.last.push(0);
            }
            (t.goals.len() - 1, true)
        }
    }

    /// Binds the answers of a rule.
    pub fn call(
        &mut self,
        table: u16,
        bound: &[Register],
        places: &'a [Place],
        next: usize,
    ) -> Flow {
        let (goal, new) = self.ask(table, bound);
        match &self.plan(table).method {
            Method::Closure(plan) => {
                if new && !self.close(table, goal, plan) {
                    return Flow::Stop;
                }
                self.closure_answers(table, goal, places, next)
            }
            Method::Fixpoint(_) => {
                if new && !self.saturate(table) {
                    return Flow::Stop;
                }
                self.fixpoint_answers(table, goal, places, next)
            }
        }
    }

    fn closure_answers(
        &mut self,
        table: u16,
        goal: usize,
        places: &'a [Place],
        next: usize,
    ) -> Flow {
        let Some(t) = self.table(table).closure() else {
            return Flow::More;
        };
        let (from, to) = t.spans[goal];
        if places.is_empty() {
            return if from < to {
                self.run(next)
            } else {
                Flow::More
            };
        }
        if places.iter().all(|p| matches!(p, Place::Equal(_))) {
            // a test: a linear search would cost as much as the closure for every row
            if !std::mem::replace(&mut t.indexed[goal], true) {
                let mut row = Vec::with_capacity(t.width + 1);
                for answer in t.answers[from * t.width..to * t.width].chunks(t.width) {
                    row.clear();
                    row.push(Word::integer(goal as i64));
                    row.extend_from_slice(answer);
                    t.members.insert(&row);
                }
            }
            let mut row = vec![Word::integer(goal as i64)];
            row.extend(places.iter().filter_map(|p| {
                if let Place::Equal(r) = p {
                    Some(self.get(*r))
                } else {
                    None
                }
            }));
            let Some(t) = self.table(table).closure() else {
                return Flow::More;
            };
            return if t.members.find(&row).is_some() {
                self.run(next)
            } else {
                Flow::More
            };
        }
        for i in from..to {
            let mut ok = true;
            for (c, place) in places.iter().enumerate() {
                let Some(t) = self.table(table).closure() else {
                    return Flow::More;
                };
                let w = t.answers[i * t.width + c];
                ok = ok && self.accept_one(w, *place);
            }
            if ok {
                match self.run(next) {
                    Flow::More => {}
                    other => return other,
                }
            }
        }
        Flow::More
    }

    fn enter(&mut self, entry: &Entry, row: &[Word]) -> bool {
        !self.accept(row, &entry.set) || self.run(entry.start) != Flow::Stop
    }

    /// Evaluates one goal of a closure to its end. False: stop.
    fn close(&mut self, table: u16, goal: usize, plan: &'a Closure) -> bool {
        let first: Vec<Word> = self.table(table).goals.row(goal).to_vec();
        if let (Some(edges), [from]) = (&plan.edges, first.as_slice()) {
            return self.reach(table, *from, edges);
        }
        let goal_width = first.len();
        let Some(t) = self.table(table).closure() else {
            return false;
        };
        let width = t.width;
        let start = t.answers.len();
        t.seen_goals.insert(&first);
        t.moving.extend_from_slice(&first);
        let (mut goals_done, mut answers_done) = (0, start);
        let mut row = Vec::new();
        let mut first_goal = true;
        loop {
            let Some(t) = self.table(table).closure() else {
                return false;
            };
            // without free arguments one proof is enough
            let proven = t.holds;
            if first_goal || (goals_done < t.moving.len() && !proven) {
                row.clear();
                row.extend_from_slice(&t.moving[goals_done..goals_done + goal_width]);
                goals_done += goal_width;
                first_goal = false;
                if !plan
                    .base
                    .iter()
                    .chain(&plan.goals)
                    .all(|e| self.enter(e, &row))
                {
                    return false;
                }
            } else if !plan.answers.is_empty() && answers_done < t.answers.len() {
                row.clear();
                row.extend_from_slice(&t.answers[answers_done..answers_done + width]);
                answers_done += width;
                if !plan.answers.iter().all(|e| self.enter(e, &row)) {
                    return false;
                }
            } else {
                let end = t.answers.len();
                t.seen_answers.clear(&t.answers[start..]);
                t.seen_goals.clear(&t.moving);
                t.moving.clear();
                let holds = std::mem::take(&mut t.holds);
                let span = if t.width == 0 {
                    (0, usize::from(holds))
                } else {
                    (start / width, end / width)
                };
                t.spans.push(span);
                t.indexed.push(false);
                return true;
            }
        }
    }

    /// Evaluates one goal of a closure over edges: breadth first, the answers themselves are the queue. False: stop.
    fn reach(&mut self, table: u16, from: Word, edges: &[Edge]) -> bool {
        let snapshot = self.snapshot;
        let edges: Vec<(Option<Aid>, bool)> = edges
            .iter()
            .map(|e| (self.attribute(Attribute::Named(e.attribute)), e.backwards))
            .collect();
        let Some(t) = self.table(table).closure() else {
            return false;
        };
        let start = t.answers.len();
        let (mut at, mut next) = (from, start);
        loop {
            for (a, backwards) in &edges {
                let Some(a) = *a else { continue };
                let Some(t) = self.table(table).closure() else {
                    return false;
                };
                if *backwards {
                    let (lo, hi) = key::ave_av(a, at);
                    let mut range = snapshot.ave().range(lo, hi);
                    while let Some(chunk) = range.next_chunk() {
                        for k in chunk {
                            t.reached(Word::reference(key::un_ave(*k).e));
                        }
                    }
                } else if let Some(e) = at.as_eid() {
                    let mut range = values_of(snapshot, e, a);
                    while let Some(chunk) = range.next_chunk() {
                        for k in chunk {
                            t.reached(key::un_aev(*k).v);
                        }
                    }
                }
            }
            let Some(t) = self.table(table).closure() else {
                return false;
            };
            let n = t.answers.len();
            if next >= n {
                t.seen_answers.clear(&t.answers[start..]);
                t.spans.push((start, n));
                t.indexed.push(false);
                return true;
            }
            at = t.answers[next];
            next += 1;
            if !self.room(n) || !self.tick() {
                return false;
            }
        }
    }

    /// An answer of the rule being evaluated.
    pub fn answer(&mut self, table: u16, arguments: &'a [Register]) -> Flow {
        let plan = self.plan(table);
        let limit = match &plan.method {
            Method::Closure(c) => {
                let one;
                let many: Vec<Word>;
                let row: &[Word] = if let [r] = arguments {
                    one = [self.get(*r)];
                    &one
                } else {
                    many = arguments.iter().map(|r| self.get(*r)).collect();
                    &many
                };
                let Some(t) = self.table(table).closure() else {
                    return Flow::Stop;
                };
                if row.is_empty() {
                    t.holds = true;
                    return Flow::More;
                }
                if !t.seen_answers.insert(row) {
                    return Flow::More;
                }
                t.answers.extend_from_slice(row);
                if c.answers_are_goals && t.seen_goals.insert(row) {
                    t.moving.extend_from_slice(row);
                }
                t.answers.len() / t.width
            }
            Method::Fixpoint(_) => {
                let row: Vec<Word> = arguments.iter().map(|r| self.get(*r)).collect();
                let goal: Vec<Word> = row
                    .iter()
                    .zip(&plan.bound)
                    .filter(|(_, b)| **b)
                    .map(|(w, _)| *w)
                    .collect();
                let t = self.table(table);
                let Some(goal) = t.goals.find(&goal) else {
                    return Flow::More;
                };
                let Some(t) = t.fixpoint() else {
                    return Flow::Stop;
                };
                if !t.rows.insert(&row) {
                    return Flow::More;
                }
                let number = t.rows.len() as u32;
                t.before.push(std::mem::replace(&mut t.last[goal], number));
                t.rows.len()
            }
        };
        if self.room(limit) {
            Flow::More
        } else {
            Flow::Stop
        }
    }

    /// A further goal of the closure being evaluated.
    pub fn goal(&mut self, table: u16, bound: &'a [Register]) -> Flow {
        let row: Vec<Word> = bound.iter().map(|r| self.get(*r)).collect();
        let Some(t) = self.table(table).closure() else {
            return Flow::Stop;
        };
        if t.seen_goals.insert(&row) {
            t.moving.extend_from_slice(&row);
        }
        let n = t.moving.len() / row.len().max(1);
        if self.room(n) { Flow::More } else { Flow::Stop }
    }

    /// Runs all rules of a component until nothing is new. False: stop.
    fn saturate(&mut self, table: u16) -> bool {
        let program = self.program;
        let component = self.query.rules[usize::from(self.plan(table).rule)].component;
        let members: Vec<(u16, &'a Fixpoint)> = program
            .tables
            .iter()
            .enumerate()
            .filter(|(_, t)| self.query.rules[usize::from(t.rule)].component == component)
            .filter_map(|(i, t)| {
                if let Method::Fixpoint(f) = &t.method {
                    Some((i as u16, f))
                } else {
                    None
                }
            })
            .collect();
        loop {
            let mut changed = false;
            for (table, plan) in &members {
                while let Some(row) = self.next_goal(*table) {
                    changed = true;
                    if !plan.goals.iter().all(|e| self.enter(e, &row)) {
                        return false;
                    }
                }
                while let Some(row) = self.next_row(*table) {
                    changed = true;
                    if !plan.answers.iter().all(|e| self.enter(e, &row)) {
                        return false;
                    }
                }
            }
            if !changed {
                return true;
            }
        }
    }

    fn next_goal(&mut self, table: u16) -> Option<Vec<Word>> {
        let t = self.table(table);
        let n = t.goals.len();
        let TableKind::Fixpoint(f) = &mut t.kind else {
            return None;
        };
        (f.goals_done < n).then(|| {
            f.goals_done += 1;
            t.goals.row(f.goals_done - 1).to_vec()
        })
    }

    fn next_row(&mut self, table: u16) -> Option<Vec<Word>> {
        let f = self.table(table).fixpoint()?;
        (f.rows_done < f.rows.len()).then(|| {
            f.rows_done += 1;
            f.rows.row(f.rows_done - 1).to_vec()
        })
    }

    /// Binds the answers known so far inside the component's own rules; the goal is noted and worked on later.
    pub fn recall(
        &mut self,
        table: u16,
        bound: &[Register],
        places: &'a [Place],
        next: usize,
    ) -> Flow {
        let (goal, _) = self.ask(table, bound);
        self.fixpoint_answers(table, goal, places, next)
    }

    fn fixpoint_answers(
        &mut self,
        table: u16,
        goal: usize,
        places: &'a [Place],
        next: usize,
    ) -> Flow {
        let free: Vec<usize> = self
            .plan(table)
            .bound
            .iter()
            .enumerate()
            .filter(|(_, b)| !**b)
            .map(|(i, _)| i)
            .collect();
        let Some(f) = self.table(table).fixpoint() else {
            return Flow::More;
        };
        let mut row = f.last[goal];
        while row != 0 {
            let i = row as usize - 1;
            let mut ok = true;
            for (column, place) in free.iter().zip(places) {
                let Some(f) = self.table(table).fixpoint() else {
                    return Flow::More;
                };
                let w = f.rows.row(i)[*column];
                ok = ok && self.accept_one(w, *place);
            }
            let Some(f) = self.table(table).fixpoint() else {
                return Flow::More;
            };
            row = f.before[i];
            if ok {
                match self.run(next) {
                    Flow::More => {}
                    other => return other,
                }
            }
        }
        Flow::More
    }

    /// Binds or tests the goals asked of a table.
    pub fn asked(&mut self, table: u16, places: &'a [Place], next: usize) -> Flow {
        if places.iter().all(|p| matches!(p, Place::Equal(_))) {
            let goal: Vec<Word> = places
                .iter()
                .filter_map(|p| {
                    if let Place::Equal(r) = p {
                        Some(self.get(*r))
                    } else {
                        None
                    }
                })
                .collect();
            return if self.table(table).goals.find(&goal).is_some() {
                self.run(next)
            } else {
                Flow::More
            };
        }
        let mut i = 0;
        // goals noted while this runs are new goals, which are worked on later
        let n = self.table(table).goals.len();
        while i < n {
            let row = self.table(table).goals.row(i).to_vec();
            i += 1;
            if self.accept(&row, places) {
                match self.run(next) {
                    Flow::More => {}
                    other => return other,
                }
            }
        }
        Flow::More
    }
}
