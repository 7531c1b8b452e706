//! Aggregates over distinct rows.

use std::cmp::Ordering;

use rhizome_replica::{Word, tag};

use super::collect::RowSet;
use super::exact::Sum;
use super::words::{Words, local};
use crate::error::QueryError;
use crate::ir::{Aggregate, Element, Query, Slot};

/// Groups the rows by the plain columns of `:find`. Returns one row a group, all columns in order; cells tagged
/// [`local::LIST`] number an entry of `lists`.
pub fn aggregate(
    query: &Query,
    output: &[Slot],
    rows: &RowSet,
    words: &Words<'_>,
    lists: &mut Vec<Vec<Word>>,
) -> Result<RowSet, QueryError> {
    let column = |slot: Slot| output.iter().position(|s| *s == slot).unwrap_or(0);
    let keys: Vec<usize> = query
        .find
        .iter()
        .filter(|e| !matches!(e, Element::Aggregate(..)))
        .map(|e| column(e.slot()))
        .collect();
    let inputs: Vec<(Aggregate, usize)> = query
        .find
        .iter()
        .filter_map(|e| {
            if let Element::Aggregate(a, s) = e {
                Some((*a, column(*s)))
            } else {
                None
            }
        })
        .collect();
    let mut groups = RowSet::distinct(keys.len());
    let mut states: Vec<State> = Vec::new();
    let mut before: Option<(Vec<Word>, usize)> = None;
    let mut key = Vec::with_capacity(keys.len());
    for row in rows.iter() {
        key.clear();
        key.extend(keys.iter().map(|k| row[*k]));
        // rows often come sorted by group
        let group = match &before {
            Some((k, g)) if *k == key => *g,
            _ => {
                let g = groups.find(&key).unwrap_or_else(|| {
                    groups.insert(&key);
                    states.extend(inputs.iter().map(|(a, _)| State::new(*a)));
                    groups.len() - 1
                });
                before = Some((key.clone(), g));
                g
            }
        };
        for (i, (_, from)) in inputs.iter().enumerate() {
            states[group * inputs.len() + i].add(row[*from], words);
        }
    }
    let mut out = RowSet::unchecked(query.find.len());
    let mut states = states.into_iter();
    for group in groups.iter() {
        let mut key = group.iter();
        for element in &query.find {
            let cell = match element {
                Element::Aggregate(a, slot) => match states.next() {
                    Some(state) => {
                        state
                            .finish(*a, words, lists)
                            .ok_or_else(|| QueryError::Overflow {
                                variable: query
                                    .variables
                                    .get(usize::from(*slot))
                                    .map(|v| v.name.clone())
                                    .unwrap_or_default(),
                            })?
                    }
                    None => Word::integer(0),
                },
                _ => key.next().copied().unwrap_or(Word::integer(0)),
            };
            out.cells.push(cell);
        }
        out.commit();
    }
    Ok(out)
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
