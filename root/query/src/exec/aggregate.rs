//! Aggregates over distinct rows.

use std::cmp::Ordering;

use rhizome_replica::{Word, tag};

use super::collect::RowSet;
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
        for (i, (a, from)) in inputs.iter().enumerate() {
            states[group * inputs.len() + i].add(row[*from], *a, words);
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

/// Sums of numbers; other values count as nothing.
#[derive(Default)]
struct Moments {
    count: u64,
    integers: i128,
    floats: f64,
    /// Values, for variance: two passes are exact where sums of squares cancel.
    values: Vec<f64>,
    any_float: bool,
    any_but_time: bool,
}

impl State {
    fn new(a: Aggregate) -> Self {
        match a {
            Aggregate::Count => Self::Count(0),
            Aggregate::Min => Self::Extreme(None, Ordering::Less),
            Aggregate::Max => Self::Extreme(None, Ordering::Greater),
            Aggregate::Sum | Aggregate::Average | Aggregate::Variance | Aggregate::Deviation => {
                Self::Moments(Moments::default())
            }
            Aggregate::MinN(_) | Aggregate::MaxN(_) | Aggregate::Median => Self::Values(Vec::new()),
            Aggregate::CountDistinct | Aggregate::Distinct => Self::Different(RowSet::distinct(1)),
        }
    }

    fn add(&mut self, w: Word, a: Aggregate, words: &Words<'_>) {
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
            Self::Moments(m) => m.add(w, matches!(a, Aggregate::Variance | Aggregate::Deviation)),
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
                    _ => median(&all),
                }
            }
        })
    }
}

impl Moments {
    fn add(&mut self, w: Word, keep: bool) {
        let x = match w.tag {
            tag::INTEGER | tag::TIME => {
                self.integers += i128::from(w.as_i64());
                w.as_i64() as f64
            }
            tag::FLOAT => {
                self.any_float = true;
                self.floats += w.as_f64();
                w.as_f64()
            }
            _ => return,
        };
        self.any_but_time |= w.tag != tag::TIME;
        self.count += 1;
        if keep {
            self.values.push(x);
        }
    }

    fn finish(&self, a: Aggregate) -> Option<Word> {
        let n = self.count.max(1) as f64;
        let mean = (self.integers as f64 + self.floats) / n;
        Some(match a {
            Aggregate::Sum if self.any_float => Word::float(self.integers as f64 + self.floats),
            Aggregate::Sum => Word::integer(i64::try_from(self.integers).ok()?),
            Aggregate::Average if self.count > 0 && !self.any_but_time => {
                Word::time(mean.round() as i64)
            }
            Aggregate::Average => Word::float(mean),
            _ => {
                let variance = self
                    .values
                    .iter()
                    .map(|x| (x - mean) * (x - mean))
                    .sum::<f64>()
                    / n;
                Word::float(if a == Aggregate::Deviation {
                    variance.sqrt()
                } else {
                    variance
                })
            }
        })
    }
}

/// Of sorted values: the middle one, or the mean of the two middle ones if they are numbers (else the lower one).
fn median(all: &[Word]) -> Word {
    let middle = all.len() / 2;
    let upper = all.get(middle).copied().unwrap_or(Word::integer(0));
    let lower = middle
        .checked_sub(1)
        .and_then(|i| all.get(i))
        .copied()
        .unwrap_or(upper);
    if all.len() % 2 == 1 {
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
