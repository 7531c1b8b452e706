//! Predicates and functions on words.

use std::cmp::Ordering;

use rhizome_replica::{Word, tag};
use rhizome_tuple::Value;

use super::words::{Kind, Words, kind};
use crate::ir::{Compare, Function};
use crate::like;

/// A number as a function sees it. Times calculate as integers; the caller decides what the result is.
#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Float(f64),
}

fn number(w: Word) -> Option<Number> {
    match w.tag {
        tag::INTEGER | tag::TIME => Some(Number::Integer(w.as_i64())),
        tag::FLOAT => Some(Number::Float(w.as_f64())),
        _ => None,
    }
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Integer(i) => i as f64,
            Self::Float(x) => x,
        }
    }
}

fn finite(x: f64) -> Option<Word> {
    x.is_finite().then(|| Word::float(x))
}

impl Words<'_> {
    /// Whether a predicate holds. Values that cannot be compared make every predicate but `!=` false.
    pub fn holds(&self, compare: Compare, arguments: &[Word]) -> bool {
        let ordered = |f: fn(Ordering) -> bool| {
            arguments
                .windows(2)
                .all(|w| self.compare(w[0], w[1]).is_some_and(f))
        };
        let texts = |f: fn(&str, &str) -> bool| match arguments {
            [a, b] => self
                .with_text(*a, |a| self.with_text(*b, |b| f(a, b)))
                .flatten()
                .unwrap_or(false),
            _ => false,
        };
        let integer =
            |f: fn(i64) -> bool| matches!(arguments, [w] if w.tag == tag::INTEGER && f(w.as_i64()));
        let signed = |o: Ordering| matches!(arguments, [w] if kind(*w) == Kind::Number && self.compare(*w, Word::integer(0)) == Some(o));
        match compare {
            Compare::Less => ordered(Ordering::is_lt),
            Compare::LessOrEqual => ordered(Ordering::is_le),
            Compare::Greater => ordered(Ordering::is_gt),
            Compare::GreaterOrEqual => ordered(Ordering::is_ge),
            Compare::Equal => arguments.windows(2).all(|w| self.equal(w[0], w[1])),
            Compare::NotEqual => !arguments.windows(2).all(|w| self.equal(w[0], w[1])),
            Compare::StartsWith => texts(|a, b| a.starts_with(b)),
            Compare::EndsWith => texts(|a, b| a.ends_with(b)),
            Compare::Contains => texts(|a, b| a.contains(b)),
            Compare::Like => texts(like::matches),
            Compare::LikeIgnoringCase => {
                texts(|a, b| like::matches(&a.to_lowercase(), &b.to_lowercase()))
            }
            Compare::Even => integer(|i| i % 2 == 0),
            Compare::Odd => integer(|i| i % 2 != 0),
            Compare::Zero => signed(Ordering::Equal),
            Compare::Positive => signed(Ordering::Greater),
            Compare::Negative => signed(Ordering::Less),
        }
    }

    /// The result of a function, if it has one.
    pub fn apply(&self, function: Function, arguments: &[Word]) -> Option<Word> {
        match function {
            Function::Add | Function::Subtract | Function::Multiply => {
                arithmetic(function, arguments)
            }
            Function::Divide => {
                let [a, b] = arguments else { return None };
                match (number(*a)?, number(*b)?) {
                    (Number::Integer(x), Number::Integer(y))
                        if y != 0 && x.checked_rem(y) == Some(0) =>
                    {
                        Some(Word::integer(x / y))
                    }
                    (x, y) => finite(x.float() / y.float()),
                }
            }
            Function::Quotient | Function::Remainder | Function::Modulo => {
                let [a, b] = arguments else { return None };
                let (Number::Integer(a), Number::Integer(b)) = (number(*a)?, number(*b)?) else {
                    return None;
                };
                let result = match function {
                    Function::Quotient => a.checked_div(b)?,
                    Function::Remainder => a.checked_rem(b)?,
                    _ => {
                        let r = a.checked_rem(b)?;
                        if r != 0 && (r < 0) != (b < 0) {
                            r + b
                        } else {
                            r
                        }
                    }
                };
                Some(Word::integer(result))
            }
            Function::Increment => {
                arithmetic(Function::Add, &[*arguments.first()?, Word::integer(1)])
            }
            Function::Decrement => {
                arithmetic(Function::Subtract, &[*arguments.first()?, Word::integer(1)])
            }
            Function::Absolute => match number(*arguments.first()?)? {
                Number::Integer(i) => i.checked_abs().map(Word::integer),
                Number::Float(x) => finite(x.abs()),
            },
            Function::Max => self.extreme(arguments, Ordering::Greater),
            Function::Min => self.extreme(arguments, Ordering::Less),
            Function::Identity => arguments.first().copied(),
            Function::Text => {
                let mut out = String::new();
                for w in arguments {
                    self.append(*w, &mut out)?;
                }
                Some(self.word(&Value::Text(out)))
            }
            Function::Length => {
                let w = *arguments.first()?;
                let n = match kind(w) {
                    Kind::Text => self.with_text(w, |s| s.chars().count())?,
                    Kind::Bytes => match self.value(w)? {
                        Value::Bytes(b) => b.len(),
                        _ => return None,
                    },
                    _ => return None,
                };
                Some(Word::integer(n as i64))
            }
            Function::LowerCase => self.text(arguments, str::to_lowercase),
            Function::UpperCase => self.text(arguments, str::to_uppercase),
        }
    }

    fn text(&self, arguments: &[Word], f: fn(&str) -> String) -> Option<Word> {
        let text = self.with_text(*arguments.first()?, f)?;
        Some(self.word(&Value::Text(text)))
    }

    fn append(&self, w: Word, out: &mut String) -> Option<()> {
        if self.with_text(w, |s| out.push_str(s)).is_some() {
            return Some(());
        }
        match self.value(w)? {
            Value::Boolean(b) => out.push_str(if b { "true" } else { "false" }),
            Value::Integer(i) | Value::Time(i) => out.push_str(&i.to_string()),
            Value::Float(x) => out.push_str(&x.to_string()),
            Value::Ref(e) => out.push_str(&e.to_string()),
            Value::Blob(c) => out.push_str(&c.to_string()),
            Value::Text(_) | Value::Bytes(_) => return None,
        }
        Some(())
    }

    fn extreme(&self, arguments: &[Word], wanted: Ordering) -> Option<Word> {
        let (first, rest) = arguments.split_first()?;
        rest.iter().try_fold(*first, |best, w| {
            self.compare(*w, best)
                .map(|o| if o == wanted { *w } else { best })
        })
    }
}

/// Sums, differences and products. A sum with a time is a time; the difference of two times is an integer.
fn arithmetic(function: Function, arguments: &[Word]) -> Option<Word> {
    let (first, rest) = arguments.split_first()?;
    let mut acc = number(*first)?;
    let mut times = i32::from(first.tag == tag::TIME);
    if rest.is_empty() && function == Function::Subtract {
        return match acc {
            Number::Integer(i) => i.checked_neg().map(Word::integer),
            Number::Float(x) => finite(-x),
        };
    }
    for w in rest {
        let next = number(*w)?;
        let time = i32::from(w.tag == tag::TIME);
        times += if function == Function::Subtract {
            -time
        } else {
            time
        };
        acc = match (acc, next) {
            (Number::Integer(a), Number::Integer(b)) => Number::Integer(match function {
                Function::Add => a.checked_add(b)?,
                Function::Subtract => a.checked_sub(b)?,
                _ => a.checked_mul(b)?,
            }),
            (a, b) => {
                let (a, b) = (a.float(), b.float());
                Number::Float(match function {
                    Function::Add => a + b,
                    Function::Subtract => a - b,
                    _ => a * b,
                })
            }
        };
    }
    match acc {
        Number::Integer(i) if times == 1 && function != Function::Multiply => Some(Word::time(i)),
        Number::Integer(i) => Some(Word::integer(i)),
        Number::Float(x) if times == 1 && function != Function::Multiply => {
            // a time plus a float of milliseconds is a time again, if it still is one
            let whole = x.round();
            (whole.abs() < 9.0e18).then(|| Word::time(whole as i64))
        }
        Number::Float(x) => finite(x),
    }
}
