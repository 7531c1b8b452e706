//! Statements: read from IPLD, evaluated, written back.

use std::cmp::Ordering;

use ipld_core::ipld::Ipld;

use super::number::{compare, is_number};
use super::pattern::Pattern;
use super::selector::{Found, Selector};
use super::{MAX_DEPTH, PolicyError};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    Equal(Selector, Ipld),
    Unequal(Selector, Ipld),
    Order(Order, Selector, Ipld),
    Like(Selector, Pattern),
    And(Vec<Statement>),
    Or(Vec<Statement>),
    Not(Box<Statement>),
    All(Selector, Box<Statement>),
    Any(Selector, Box<Statement>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The evaluation took more steps than are allowed. Not a truth value, so that no `not` turns it into one.
#[derive(Debug, PartialEq)]
pub(crate) struct TooMany;

/// Steps that are left to an evaluation.
pub(crate) struct Steps(u32);

impl Steps {
    pub(crate) const fn new(steps: u32) -> Self {
        Self(steps)
    }

    pub(crate) fn take(&mut self, steps: usize) -> Result<(), TooMany> {
        let steps = u32::try_from(steps).map_err(|_| TooMany)?;
        self.0 = self.0.checked_sub(steps).ok_or(TooMany)?;
        Ok(())
    }
}

/// Reads a list of statements that stands `depth` deep; `left` is how many there may still be.
pub(crate) fn list(
    statements: &[Ipld],
    depth: usize,
    left: &mut usize,
) -> Result<Vec<Statement>, PolicyError> {
    let one = |statement| Statement::read(statement, depth, left);
    statements.iter().map(one).collect()
}

impl Statement {
    fn read(statement: &Ipld, depth: usize, left: &mut usize) -> Result<Self, PolicyError> {
        *left = left.checked_sub(1).ok_or(PolicyError::TooLarge)?;
        if depth >= MAX_DEPTH {
            return Err(PolicyError::TooLarge);
        }
        let Ipld::List(statement) = statement else {
            return Err(PolicyError::Statement);
        };
        let [Ipld::String(operator), arguments @ ..] = statement.as_slice() else {
            return Err(PolicyError::Statement);
        };
        let mut inner = |statement| Self::read(statement, depth + 1, left).map(Box::new);
        Ok(match (operator.as_str(), arguments) {
            ("==", [Ipld::String(selector), value]) => {
                Self::Equal(selector.parse()?, value.clone())
            }
            ("!=", [Ipld::String(selector), value]) => {
                Self::Unequal(selector.parse()?, value.clone())
            }
            ("<" | "<=" | ">" | ">=", [Ipld::String(selector), value]) if is_number(value) => {
                let order = match operator.as_str() {
                    "<" => Order::Less,
                    "<=" => Order::AtMost,
                    ">" => Order::More,
                    _ => Order::AtLeast,
                };
                Self::Order(order, selector.parse()?, value.clone())
            }
            ("like", [Ipld::String(selector), Ipld::String(pattern)]) => {
                Self::Like(selector.parse()?, Pattern::new(pattern))
            }
            ("and", [Ipld::List(statements)]) => Self::And(list(statements, depth + 1, left)?),
            ("or", [Ipld::List(statements)]) => Self::Or(list(statements, depth + 1, left)?),
            ("not", [statement]) => Self::Not(inner(statement)?),
            ("all", [Ipld::String(selector), statement]) => {
                Self::All(selector.parse()?, inner(statement)?)
            }
            ("any", [Ipld::String(selector), statement]) => {
                Self::Any(selector.parse()?, inner(statement)?)
            }
            (
                "==" | "!=" | "<" | "<=" | ">" | ">=" | "like" | "and" | "or" | "not" | "all"
                | "any",
                _,
            ) => return Err(PolicyError::Arguments(operator.clone())),
            _ => return Err(PolicyError::Operator(operator.clone())),
        })
    }

    pub(crate) fn to_ipld(&self) -> Ipld {
        let text = |text: &str| Ipld::String(text.to_owned());
        let all = |statements: &[Self]| Ipld::List(statements.iter().map(Self::to_ipld).collect());
        let (operator, arguments) = match self {
            Self::Equal(selector, value) => ("==", vec![text(selector.text()), value.clone()]),
            Self::Unequal(selector, value) => ("!=", vec![text(selector.text()), value.clone()]),
            Self::Order(order, selector, value) => (
                match order {
                    Order::Less => "<",
                    Order::AtMost => "<=",
                    Order::More => ">",
                    Order::AtLeast => ">=",
                },
                vec![text(selector.text()), value.clone()],
            ),
            Self::Like(selector, pattern) => {
                ("like", vec![text(selector.text()), text(pattern.source())])
            }
            Self::And(statements) => ("and", vec![all(statements)]),
            Self::Or(statements) => ("or", vec![all(statements)]),
            Self::Not(statement) => ("not", vec![statement.to_ipld()]),
            Self::All(selector, statement) => {
                ("all", vec![text(selector.text()), statement.to_ipld()])
            }
            Self::Any(selector, statement) => {
                ("any", vec![text(selector.text()), statement.to_ipld()])
            }
        };
        Ipld::List([vec![text(operator)], arguments].concat())
    }

    /// A selector that finds nothing makes its statement false, also `!=`; only a `not` around it turns that.
    pub(crate) fn holds(&self, data: &Ipld, steps: &mut Steps) -> Result<bool, TooMany> {
        steps.take(1)?;
        Ok(match self {
            Self::Equal(selector, value) => match selector.find(data, steps)? {
                Some(found) => found.equals(value, steps)?,
                None => false,
            },
            Self::Unequal(selector, value) => match selector.find(data, steps)? {
                Some(found) => !found.equals(value, steps)?,
                None => false,
            },
            Self::Order(order, selector, value) => {
                let ordering = match selector.find(data, steps)? {
                    Some(Found::One(found)) => compare(found, value),
                    Some(Found::Byte(byte)) => compare(&Ipld::Integer(byte.into()), value),
                    _ => None,
                };
                ordering.is_some_and(|ordering| match order {
                    Order::Less => ordering.is_lt(),
                    Order::AtMost => ordering.is_le(),
                    Order::More => ordering.is_gt(),
                    Order::AtLeast => ordering.is_ge(),
                })
            }
            Self::Like(selector, pattern) => match selector.find(data, steps)? {
                Some(Found::One(Ipld::String(text))) => {
                    steps.take((text.len() + pattern.source().len()) / 64)?;
                    pattern.matches(text)
                }
                _ => false,
            },
            Self::And(statements) => {
                for statement in statements {
                    if !statement.holds(data, steps)? {
                        return Ok(false);
                    }
                }
                true
            }
            // The specification says so of an empty one.
            Self::Or(statements) if statements.is_empty() => true,
            Self::Or(statements) => {
                for statement in statements {
                    if statement.holds(data, steps)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(statement) => !statement.holds(data, steps)?,
            Self::All(selector, statement) => {
                quantify(selector, statement, false, data, steps)?.is_some_and(|found| !found)
            }
            Self::Any(selector, statement) => {
                quantify(selector, statement, true, data, steps)?.unwrap_or(false)
            }
        })
    }
}

/// Whether `statement` has this truth value for one of the items; `None` if there is no collection.
fn quantify(
    selector: &Selector,
    statement: &Statement,
    truth: bool,
    data: &Ipld,
    steps: &mut Steps,
) -> Result<Option<bool>, TooMany> {
    match selector.find(data, steps)? {
        Some(Found::One(Ipld::List(list))) => one_of(list.iter(), statement, truth, steps),
        Some(Found::One(Ipld::Map(map))) => one_of(map.values(), statement, truth, steps),
        Some(Found::Items(items)) => one_of(items.into_iter(), statement, truth, steps),
        _ => return Ok(None),
    }
    .map(Some)
}

fn one_of<'a>(
    items: impl Iterator<Item = &'a Ipld>,
    statement: &Statement,
    truth: bool,
    steps: &mut Steps,
) -> Result<bool, TooMany> {
    for item in items {
        if statement.holds(item, steps)? == truth {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Found<'_> {
    fn equals(&self, value: &Ipld, steps: &mut Steps) -> Result<bool, TooMany> {
        match (self, value) {
            (Self::One(found), value) => equal(found, value, steps),
            (Self::Items(items), Ipld::List(list)) => {
                equal_lists(items.iter().copied(), list, steps)
            }
            (Self::Bytes(bytes), Ipld::Bytes(value)) => Ok(bytes == value),
            (Self::Byte(byte), value) => equal(&Ipld::Integer((*byte).into()), value, steps),
            _ => Ok(false),
        }
    }
}

/// Deep equality, in which numbers are equal by value.
fn equal(a: &Ipld, b: &Ipld, steps: &mut Steps) -> Result<bool, TooMany> {
    match (a, b) {
        (Ipld::Integer(_) | Ipld::Float(_), Ipld::Integer(_) | Ipld::Float(_)) => {
            Ok(compare(a, b) == Some(Ordering::Equal))
        }
        (Ipld::List(a), Ipld::List(b)) => equal_lists(a.iter(), b, steps),
        (Ipld::Map(a), Ipld::Map(b)) => {
            let keys = a.len() == b.len() && a.keys().eq(b.keys());
            steps.take(a.len())?;
            Ok(keys && all_equal(a.values().zip(b.values()), steps)?)
        }
        _ => Ok(a == b),
    }
}

fn equal_lists<'a>(
    a: impl ExactSizeIterator<Item = &'a Ipld>,
    b: &'a [Ipld],
    steps: &mut Steps,
) -> Result<bool, TooMany> {
    Ok(a.len() == b.len() && all_equal(a.zip(b), steps)?)
}

fn all_equal<'a>(
    pairs: impl Iterator<Item = (&'a Ipld, &'a Ipld)>,
    steps: &mut Steps,
) -> Result<bool, TooMany> {
    for (a, b) in pairs {
        steps.take(1)?;
        if !equal(a, b, steps)? {
            return Ok(false);
        }
    }
    Ok(true)
}
