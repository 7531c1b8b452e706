//! Aggregates over distinct rows, group by group as the rows come.

use std::cmp::Ordering;

use rhizome_replica::{Word, tag};

use super::collect::RowSet;
use super::exact::Sum;
use super::words::{Words, local};
use crate::error::QueryError;
use crate::ir::{Aggregate, Element, Query, Slot};

/// Rows grouped by the plain columns of `:find`.
pub struct Groups {
    keys: Vec<Slot>,
    inputs: Vec<(Aggregate, Slot)>,
    keys_seen: RowSet,
    /// One for each group and aggregate.
    states: Vec<State>,
    key: Vec<Word>,
    /// Rows often come sorted by group.
    last: usize,
    /// Values that aggregates hold on to.
    kept: usize,
}

impl Groups {
    /// `None` if the query has no aggregate.
    pub fn new(query: &Query) -> Option<Self> {
        let inputs: Vec<(Aggregate, Slot)> = query
            .find
            .iter()
            .filter_map(|e| {
                if let Element::Aggregate(a, s) = e {
                    Some((*a, *s))
                } else {
                    None
                }
            })
            .collect();
        if inputs.is_empty() {
            return None;
        }
        let keys: Vec<Slot> = query
            .find
            .iter()
            .filter(|e| !matches!(e, Element::Aggregate(..)))
            .map(Element::slot)
            .collect();
        let keys_seen = RowSet::distinct(keys.len());
        Some(Self {
            keys,
            inputs,
            keys_seen,
            states: Vec::new(),
            key: Vec::new(),
            last: usize::MAX,
            kept: 0,
        })
    }

    /// Groups and values held in memory.
    pub fn size(&self) -> usize {
        self.keys_seen.len() + self.kept
    }

    /// Adds a row, given as the registers of the query.
    pub fn add(&mut self, registers: &[Word], words: &Words<'_>) {
        self.key.clear();
        self.key
            .extend(self.keys.iter().map(|s| registers[usize::from(*s)]));
        if self.last >= self.keys_seen.len() || *self.keys_seen.row(self.last) != *self.key {
            self.last = self.keys_seen.find(&self.key).unwrap_or_else(|| {
                self.keys_seen.insert(&self.key);
                self.states
                    .extend(self.inputs.iter().map(|(a, _)| State::new(*a)));
                self.keys_seen.len() - 1
            });
        }
        let n = self.inputs.len();
        for (state, (_, slot)) in self.states[self.last * n..].iter_mut().zip(&self.inputs) {
            self.kept += usize::from(matches!(state, State::Values(_) | State::Different(_)));
            state.add(registers[usize::from(*slot)], words);
        }
    }

    /// One row a group, all columns in order; cells tagged [`local::LIST`] number an entry of `lists`.
    pub fn finish(
        self,
        query: &Query,
        words: &Words<'_>,
        lists: &mut Vec<Vec<Word>>,
    ) -> Result<RowSet, QueryError> {
        let mut out = RowSet::unchecked(query.find.len());
        let mut states = self.states.into_iter();
        for group in self.keys_seen.iter() {
            let mut key = group.iter();
            for element in &query.find {
                let cell = match element {
                    Element::Aggregate(a, slot) => {
                        let name = || {
                            query
                                .variables
                                .get(usize::from(*slot))
                                .map(|v| v.name.clone())
                                .unwrap_or_default()
                        };
                        let result = states.next().and_then(|s| s.finish(*a, words, lists));
                        result.ok_or_else(|| QueryError::Overflow { variable: name() })?
                    }
                    _ => key.next().copied().unwrap_or(Word::integer(0)),
                };
                out.cells.push(cell);
            }
            out.commit();
        }
        Ok(out)
    }
}

/// What is kept of one group for one aggregate.
enum State {
    Count(i64),
    /// The best so far, and which comparison with it is better.
    Extreme(Option<Word>, Ordering),
    Moments(Moments),
    Values(Vec<Word>),
    Different(RowSet),
}

/// Sums of numbers; other values count as nothing. The order of the numbers makes no difference, not even to the last bit, and a
/// number can be taken back.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    count: u64,
    integers: i128,
    floats: Option<Sum>,
    float_count: u64,
    time_count: u64,
    /// Values, for variance: two passes are exact where sums of squares cancel.
    values: Option<Vec<f64>>,
}

impl State {
    fn new(a: Aggregate) -> Self {
        match a {
            Aggregate::Count => Self::Count(0),
            Aggregate::Min => Self::Extreme(None, Ordering::Less),
            Aggregate::Max => Self::Extreme(None, Ordering::Greater),
            Aggregate::Sum | Aggregate::Average => Self::Moments(Moments::default()),
            Aggregate::Variance | Aggregate::Deviation => Self::Moments(Moments::keeping()),
            Aggregate::MinN(_) | Aggregate::MaxN(_) | Aggregate::Median => Self::Values(Vec::new()),
            Aggregate::CountDistinct | Aggregate::Distinct => Self::Different(RowSet::distinct(1)),
        }
    }

    fn add(&mut self, w: Word, words: &Words<'_>) {
        match self {
            Self::Count(n) => *n += 1,
            Self::Values(all) => all.push(w),
            Self::Different(set) => {
                set.insert(&[w]);
            }
            Self::Extreme(best, better) => {
                if best.is_none_or(|b| words.total(w, b) == *better) {
                    *best = Some(w);
                }
            }
            Self::Moments(m) => m.add(w),
        }
    }

    /// The result; `None` if a sum overflows.
    fn finish(self, a: Aggregate, words: &Words<'_>, lists: &mut Vec<Vec<Word>>) -> Option<Word> {
        Some(match self {
            Self::Count(n) => Word::integer(n),
            Self::Extreme(best, _) => best?,
            Self::Moments(m) => m.finish(a)?,
            Self::Different(set) if a == Aggregate::CountDistinct => {
                Word::integer(set.len() as i64)
            }
            Self::Different(set) => {
                let mut all = set.cells;
                sorted(&mut all, words);
                list(all, lists)
            }
            Self::Values(mut all) => {
                sorted(&mut all, words);
                match a {
                    Aggregate::MinN(n) => {
                        all.truncate(n as usize);
                        list(all, lists)
                    }
                    Aggregate::MaxN(n) => {
                        all.reverse();
                        all.truncate(n as usize);
                        list(all, lists)
                    }
                    _ => {
                        let middle = all.len() / 2;
                        let at = |i: usize| all.get(i).copied().unwrap_or(Word::integer(0));
                        median(at(middle.saturating_sub(1)), at(middle), all.len() % 2 == 1)
                    }
                }
            }
        })
    }
}

impl Moments {
    /// For variance and deviation, which need the values themselves.
    pub fn keeping() -> Self {
        Self {
            values: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Counts a value in.
    pub fn add(&mut self, w: Word) {
        match w.tag {
            tag::INTEGER | tag::TIME => {
                self.integers += i128::from(w.as_i64());
                self.time_count += u64::from(w.tag == tag::TIME);
            }
            tag::FLOAT => {
                self.floats.get_or_insert_default().add(w.as_f64());
                self.float_count += 1;
            }
            _ => return,
        }
        self.count += 1;
        if let Some(values) = &mut self.values {
            values.push(if w.tag == tag::FLOAT {
                w.as_f64()
            } else {
                w.as_i64() as f64
            });
        }
    }

    /// Takes back a value that was counted in, where values are not kept.
    pub fn subtract(&mut self, w: Word) {
        match w.tag {
            tag::INTEGER | tag::TIME => {
                self.integers -= i128::from(w.as_i64());
                self.time_count -= u64::from(w.tag == tag::TIME);
            }
            tag::FLOAT => {
                self.floats.get_or_insert_default().subtract(w.as_f64());
                self.float_count -= 1;
            }
            _ => return,
        }
        self.count -= 1;
    }

    /// The sum, mean, variance or deviation; `None` if a sum of integers does not fit 64 bits.
    pub fn finish(&self, a: Aggregate) -> Option<Word> {
        let n = self.count.max(1) as f64;
        let sum = self.integers as f64 + self.floats.as_ref().map_or(0.0, Sum::value);
        let mean = sum / n;
        Some(match a {
            Aggregate::Sum if self.float_count > 0 => Word::float(sum),
            Aggregate::Sum => Word::integer(i64::try_from(self.integers).ok()?),
            Aggregate::Average if self.count > 0 && self.time_count == self.count => {
                Word::time(mean.round() as i64)
            }
            Aggregate::Average => Word::float(mean),
            _ => {
                let mut squares = Sum::default();
                for x in self.values.iter().flatten() {
                    squares.add((x - mean) * (x - mean));
                }
                let variance = squares.value() / n;
                Word::float(if a == Aggregate::Deviation {
                    variance.sqrt()
                } else {
                    variance
                })
            }
        })
    }
}

/// Of the two middle values (the upper one twice if the number of values is odd): their mean if they are numbers, else the lower one.
pub fn median(lower: Word, upper: Word, odd: bool) -> Word {
    if odd {
        return upper;
    }
    let float = |w: Word| match w.tag {
        tag::FLOAT => Some(w.as_f64()),
        tag::INTEGER | tag::TIME => Some(w.as_i64() as f64),
        _ => None,
    };
    match (float(lower), float(upper)) {
        (Some(_), Some(_)) if lower.tag == tag::TIME && upper.tag == tag::TIME => Word::time(
            (i128::midpoint(i128::from(lower.as_i64()), i128::from(upper.as_i64()))) as i64,
        ),
        (Some(x), Some(y)) => Word::float(f64::midpoint(x, y)),
        _ => lower,
    }
}

fn list(values: Vec<Word>, lists: &mut Vec<Vec<Word>>) -> Word {
    lists.push(values);
    Word {
        tag: local::LIST,
        bits: (lists.len() - 1) as u64,
    }
}

fn sorted(values: &mut [Word], words: &Words<'_>) {
    values.sort_by(|a, b| words.total(*a, *b));
}
