//! Rules that only move a goal or an answer along: a search from each goal, with what was seen as bits.

use rhizome_replica::{Aid, Word, key, tag};

use super::collect::RowSet;
use super::machine::{Flow, Machine};
use super::pattern::values_of;
use crate::plan::{Attribute, Closure, Edge, Place, Register};

/// Answers of finished goals, one after the other, and the work on the current one.
pub struct ClosureTable {
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
    pub fn new(goal: usize, free: usize) -> Self {
        Self {
            width: free,
            answers: Vec::new(),
            spans: Vec::new(),
            indexed: Vec::new(),
            members: RowSet::distinct(free + 1),
            seen_answers: Seen::new(free),
            holds: false,
            moving: Vec::new(),
            seen_goals: Seen::new(goal),
        }
    }

    /// Of answers of one cell.
    #[inline]
    fn reached(&mut self, w: Word) {
        if self.seen_answers.insert(&[w]) {
            self.answers.push(w);
        }
    }
}

impl<'a> Machine<'a> {
    pub(super) fn closure_answers(
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

    /// Evaluates one goal of a closure to its end. False: stop.
    pub(super) fn close(&mut self, table: u16, goal: usize, plan: &'a Closure) -> bool {
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

    /// How many answers there are now, if this one is new.
    pub(super) fn closure_answer(
        &mut self,
        table: u16,
        arguments: &[Register],
        also_goal: bool,
    ) -> Option<usize> {
        let one;
        let many: Vec<Word>;
        let row: &[Word] = if let [r] = arguments {
            one = [self.get(*r)];
            &one
        } else {
            many = arguments.iter().map(|r| self.get(*r)).collect();
            &many
        };
        let t = self.table(table).closure()?;
        if row.is_empty() {
            t.holds = true;
            return None;
        }
        if !t.seen_answers.insert(row) {
            return None;
        }
        t.answers.extend_from_slice(row);
        if also_goal && t.seen_goals.insert(row) {
            t.moving.extend_from_slice(row);
        }
        Some(t.answers.len() / t.width)
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
}
