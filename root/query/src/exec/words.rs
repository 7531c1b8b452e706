//! Words of a running query: those of the pod, and values that only the query knows.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::hash_map::Entry;

use rhizome_replica::{Aid, Eid, Snapshot, Word, tag};
use rhizome_tuple::Value;
use rustc_hash::FxHashMap;

/// Tags of words that no index holds.
pub mod local {
    /// Set besides a value's tag: the bits number a value that the pod has never seen.
    pub const UNSEEN: u8 = 0x80;
    /// The bits are an attribute's number; the value is its name.
    pub const ATTRIBUTE: u8 = 0x40;
    /// The bits number a list of words (aggregates with several values).
    pub const LIST: u8 = 0x41;
}

/// The word of an attribute by number.
pub fn attribute(a: Aid) -> Word {
    Word {
        tag: local::ATTRIBUTE,
        bits: u64::from(a.0),
    }
}

/// Values by word in one run. A value that the pod knows always has the pod's word, so equal values have equal words.
pub struct Words<'s> {
    pub snapshot: &'s Snapshot,
    unseen: RefCell<Unseen>,
    /// A value that was unseen once keeps its word, also when the pod has learnt it since.
    resumed: bool,
}

/// Values that the pod does not have, by number.
#[derive(Debug, Default)]
pub struct Unseen {
    values: Vec<Value>,
    /// By bytes and tag.
    numbers: FxHashMap<Vec<u8>, u32>,
}

impl Unseen {
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    pub fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// What a value is found by: its bytes, then its tag. `None` for values that need no dictionary.
    pub fn key(value: &Value) -> Option<Vec<u8>> {
        let (tag, mut bytes) = match value {
            Value::Text(s) => (tag::TEXT, s.as_bytes().to_vec()),
            Value::Bytes(b) => (tag::BYTES, b.clone()),
            Value::Ref(e) => (tag::REF, e.as_bytes().to_vec()),
            Value::Blob(c) => (tag::BLOB, c.to_bytes()),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::Time(_) => {
                return None;
            }
        };
        bytes.push(tag);
        Some(bytes)
    }

    /// Gives up the word of a value: from now on the pod's own is used. Rows that hold the old one must not be kept.
    pub fn forget(&mut self, key: &[u8]) {
        self.numbers.remove(key);
    }

    fn find(&self, value: &Value) -> Option<Word> {
        if self.numbers.is_empty() {
            return None;
        }
        let key = Self::key(value)?;
        let number = *self.numbers.get(&key)?;
        Some(Self::word(&key, number))
    }

    fn word(key: &[u8], number: u32) -> Word {
        Word {
            tag: key.last().copied().unwrap_or_default() | local::UNSEEN,
            bits: u64::from(number),
        }
    }
}

impl<'s> Words<'s> {
    pub fn new(snapshot: &'s Snapshot) -> Self {
        Self {
            snapshot,
            unseen: RefCell::default(),
            resumed: false,
        }
    }

    /// Goes on with the words of an earlier run: whoever keeps rows from one moment to the next needs equal words for equal values.
    pub fn resume(snapshot: &'s Snapshot, unseen: Unseen) -> Self {
        Self {
            snapshot,
            unseen: RefCell::new(unseen),
            resumed: true,
        }
    }

    /// How many values of this run the pod does not have.
    pub fn unseen_len(&self) -> usize {
        self.unseen.borrow().values.len()
    }

    /// The values of this run that the pod does not have.
    pub fn into_unseen(self) -> Unseen {
        self.unseen.into_inner()
    }

    /// The word of a value, made up if the pod has none.
    pub fn word(&self, value: &Value) -> Word {
        if self.resumed
            && let Some(w) = self.unseen.borrow().find(value)
        {
            return w;
        }
        self.snapshot.word(value).unwrap_or_else(|| {
            let Some(key) = Unseen::key(value) else {
                // numbers and booleans always have a word
                return Word::boolean(false);
            };
            let mut unseen = self.unseen.borrow_mut();
            let next = unseen.values.len() as u32;
            let word = Unseen::word(&key, next);
            match unseen.numbers.entry(key) {
                Entry::Occupied(known) => Unseen::word(known.key(), *known.get()),
                Entry::Vacant(place) => {
                    place.insert(next);
                    unseen.values.push(value.clone());
                    word
                }
            }
        })
    }

    /// The word under which this vocabulary knows a value of the pod: another one if the value was unseen when it first came up.
    pub fn settled(&self, w: Word) -> Word {
        if self.unseen.borrow().numbers.is_empty() || w.number().is_none() {
            return w;
        }
        let found = self.value(w).and_then(|v| self.unseen.borrow().find(&v));
        found.unwrap_or(w)
    }

    /// The value of a word; `None` for lists and where the pod cannot be read.
    pub fn value(&self, w: Word) -> Option<Value> {
        decode(self.snapshot, &self.unseen.borrow().values, w)
    }

    /// Lends the text of a word that is one.
    pub fn with_text<R>(&self, w: Word, f: impl FnOnce(&str) -> R) -> Option<R> {
        match w.tag {
            tag::TEXT => self.snapshot.text_with(w, f),
            local::ATTRIBUTE => self.snapshot.attribute(Aid(w.bits as u32)).map(f),
            t if t == tag::TEXT | local::UNSEEN => {
                match self.unseen.borrow().values.get(w.bits as usize) {
                    Some(Value::Text(s)) => Some(f(s)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The order of two values of one kind: numbers (integers, floats and times) among themselves, texts by code point, bytes and
    /// blobs by byte, entities by id. `None` for different kinds.
    pub fn compare(&self, a: Word, b: Word) -> Option<Ordering> {
        if a == b {
            return Some(Ordering::Equal);
        }
        match (kind(a), kind(b)) {
            (Kind::Number, Kind::Number) => Some(compare_numbers(a, b)),
            (Kind::Boolean, Kind::Boolean) => Some(a.bits.cmp(&b.bits)),
            (Kind::Text, Kind::Text) => {
                if a.tag == tag::TEXT && b.tag == tag::TEXT {
                    // the first four bytes decide most of the time
                    let heads = (a.bits >> 32).cmp(&(b.bits >> 32));
                    if heads != Ordering::Equal {
                        return Some(heads);
                    }
                }
                self.with_text(a, |a| self.with_text(b, |b| a.cmp(b)))
                    .flatten()
            }
            (x, y) if x == y => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                match (&a, &b) {
                    (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
                    (Value::Ref(a), Value::Ref(b)) => Some(a.cmp(b)),
                    (Value::Blob(a), Value::Blob(b)) => Some(a.cmp(b)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A total order: by kind, then as [`Self::compare`], then by type (1 before 1.0).
    pub fn total(&self, a: Word, b: Word) -> Ordering {
        kind(a)
            .cmp(&kind(b))
            .then_with(|| self.compare(a, b).unwrap_or(Ordering::Equal))
            .then_with(|| a.tag.cmp(&b.tag))
    }

    /// Equality as predicates see it: numbers by value.
    pub fn equal(&self, a: Word, b: Word) -> bool {
        a == b
            || (kind(a) == Kind::Number
                && kind(b) == Kind::Number
                && compare_numbers(a, b) == Ordering::Equal)
            || (kind(a) == Kind::Text
                && a.tag != b.tag
                && self.compare(a, b) == Some(Ordering::Equal))
    }
}

/// The value of a word, with the values that the pod does not have.
pub fn decode(snapshot: &Snapshot, unseen: &[Value], w: Word) -> Option<Value> {
    match w.tag {
        local::ATTRIBUTE => snapshot
            .attribute(Aid(w.bits as u32))
            .map(|s| Value::Text(s.to_owned())),
        t if t & local::UNSEEN != 0 => unseen.get(w.bits as usize).cloned(),
        local::LIST => None,
        _ => snapshot.value(w),
    }
}

/// Values of one kind are ordered among themselves; kinds sort in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Boolean,
    Number,
    Text,
    Bytes,
    Entity,
    Blob,
    List,
}

pub fn kind(w: Word) -> Kind {
    match w.tag & !local::UNSEEN {
        tag::BOOLEAN => Kind::Boolean,
        tag::INTEGER | tag::FLOAT | tag::TIME => Kind::Number,
        tag::TEXT | local::ATTRIBUTE => Kind::Text,
        tag::BYTES => Kind::Bytes,
        tag::REF => Kind::Entity,
        tag::BLOB => Kind::Blob,
        _ => Kind::List,
    }
}

/// The entity that a word refers to, if the pod has it.
pub fn entity(w: Word) -> Option<Eid> {
    w.as_eid()
}

fn compare_numbers(a: Word, b: Word) -> Ordering {
    match (a.tag == tag::FLOAT, b.tag == tag::FLOAT) {
        (false, false) => a.as_i64().cmp(&b.as_i64()),
        (true, true) => a.as_f64().total_cmp(&b.as_f64()),
        (false, true) => compare_mixed(a.as_i64(), b.as_f64()),
        (true, false) => compare_mixed(b.as_i64(), a.as_f64()).reverse(),
    }
}

/// Exact, where conversion to float would round.
pub fn compare_mixed(i: i64, x: f64) -> Ordering {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
    if x >= LIMIT {
        return Ordering::Less;
    }
    if x < -LIMIT {
        return Ordering::Greater;
    }
    let whole = x.trunc();
    i.cmp(&(whole as i64))
        .then_with(|| 0.0f64.total_cmp(&(x - whole + 0.0)))
}

#[cfg(test)]
mod tests {
    use super::compare_mixed;
    use std::cmp::Ordering::{Equal, Greater, Less};

    #[test]
    fn integers_and_floats_compare_exactly() {
        for (i, x, order) in [
            (1, 1.0, Equal),
            (1, 1.5, Less),
            (-1, -1.5, Greater),
            (0, -0.5, Greater),
            (i64::MAX, 9_223_372_036_854_775_808.0, Less),
            (i64::MAX, 9_223_372_036_854_774_784.0, Greater),
            (i64::MIN, -9_223_372_036_854_775_808.0, Equal),
            (i64::MIN, -1e300, Greater),
            (9_007_199_254_740_993, 9_007_199_254_740_992.0, Greater),
        ] {
            assert_eq!(compare_mixed(i, x), order, "{i} {x}");
        }
    }
}
