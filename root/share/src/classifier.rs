//! Which grants a change of an entity touches, at the cost of those that it could touch and not of all there are.
//!
//! What an entity is to a share depends on the entity's own values alone. So whoever changes an entity knows enough: its values before and after. Of all shares only those
//! matter whose predicate holds before or after; the others did not have the entity and do not get it, whatever has changed.
//!
//! **Where a predicate is held.** Every predicate is held under a few of its conditions, chosen so that it cannot hold unless one of them does:
//!
//! * a condition under itself;
//! * `all` under what *one* of its parts is held under: it cannot hold without that part. Which one is free, so the rarest is taken: whoever writes a photo does not
//!   wake a thousand grants that ask for `is-photo: true` and for a `photo-album` each;
//! * `any` under what *each* of its parts is held under: it cannot hold without one of them.
//!
//! Then a predicate that holds for some values is found by looking all of these values up, each once. An entity enters `a && b`, held under `b`, when `a` comes last: `b` is
//! among its values after the change, and is looked up although it did not change. It leaves when `a` goes: `b` is among the values before. What is found is evaluated,
//! before and after, so nothing that is reported is a guess.
//!
//! **Rare** is what few shares use: a count for each attribute and constant. Equality goes before comparison where they tie. The choice is made when a share is inserted
//! and is not made again: a pair that many come to use later keeps those that it held before, which is slower and as right.
//!
//! **Comparisons** of one attribute in one `all` are a range, and ranges lie in a tree of intervals: each at the smallest aligned block of 2^n integers that contains it,
//! sorted there by both of its ends. The ranges around a value lie at the blocks around it, at most one of each size, at one end of their order. An attribute may have
//! several values, and then one of them can pass `>= 3` and another one `<= 5` with none in between: so the lookup is by the least and the greatest of its integers, and
//! finds the ranges that overlap what lies from one to the other. That is just when one value reaches the lower end and one stays
//! below the upper. A range that ends before it begins, `>= 5` and `<= 3`, needs two values, and is found as one that begins between them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rhizome_tuple::{Attribute, Value};

use crate::{Constant, Predicate, Test};

/// The values of an entity: pairs of attribute and value in any order, an attribute once for each of its values.
///
/// ```
/// use rhizome_share::Values;
/// use rhizome_tuple::{Attribute, Value};
///
/// let photo = [(Attribute::new("is-photo")?, Value::from(true)), (Attribute::new("year")?, Value::from(2025))];
/// let values: Values = photo.iter().map(|(attribute, value)| (attribute, value)).collect();
/// assert!("is-photo: true && year > 2020".parse::<rhizome_share::Predicate>()?.holds(&|a| values.of(a)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values<'v>(Vec<(&'v Attribute, &'v Value)>);

/// What a change is to one share that has the entity before or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Touched<K> {
    /// The name of the share.
    pub share: K,
    /// Whether its predicate held before.
    pub was: bool,
    /// Whether it holds now.
    pub is: bool,
}

/// Shares by what they ask for. `K` is the name of a share.
///
/// ```
/// use rhizome_share::{Classifier, Touched, Values};
/// use rhizome_tuple::{Attribute, Value};
///
/// let mut classifier = Classifier::default();
/// classifier.insert("for Bob", "is-photo: true && photo-album: garibaldi".parse()?);
/// classifier.insert("for Eve", "is-photo: true && photo-album: secret".parse()?);
///
/// let (photo, album) = (Attribute::new("is-photo")?, Attribute::new("photo-album")?);
/// let (yes, secret, garibaldi) = (Value::from(true), Value::from("secret"), Value::from("garibaldi"));
/// let before: Values = [(&photo, &yes)].into_iter().collect();
/// let after: Values = [(&photo, &yes), (&album, &garibaldi)].into_iter().collect();
/// let entered = Touched { share: "for Bob", was: false, is: true };
/// assert_eq!(classifier.affected(&before, &after), [entered]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Classifier<K> {
    names: BTreeMap<K, usize>,
    /// By number; numbers are used again.
    shares: Vec<Option<Share<K>>>,
    free: Vec<usize>,
    attributes: HashMap<Attribute, Index>,
    /// Those that ask for nothing.
    always: BTreeSet<usize>,
}

#[derive(Debug, Clone)]
struct Share<K> {
    name: K,
    predicate: Predicate,
    held: Vec<Place>,
}

/// Where a predicate is held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    attribute: Attribute,
    under: Under,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Under {
    Constant(Constant),
    /// A value that is at least the first, and one that is at most the last.
    Range(i64, i64),
}

/// Places that would do, and how many shares a change could wake there.
struct Choice {
    cost: usize,
    ranges: bool,
    places: Vec<Place>,
}

/// The shares that ask for a value of one attribute.
#[derive(Debug, Clone, Default)]
struct Index {
    texts: HashMap<String, Users>,
    others: HashMap<Constant, Users>,
    ranges: Ranges,
}

/// Of one attribute and constant.
#[derive(Debug, Clone, Default)]
struct Users {
    /// Conditions of all shares that are this one.
    conditions: usize,
    held: BTreeSet<usize>,
}

/// Ranges by the aligned block of 2^n integers, n by number, in whose two halves their ends lie.
#[derive(Debug, Clone, Default)]
struct Ranges {
    blocks: BTreeMap<u32, HashMap<u64, Block>>,
    starts: BTreeSet<(u64, usize)>,
}

#[derive(Debug, Clone, Default)]
struct Block {
    starts: BTreeSet<(u64, usize)>,
    ends: BTreeSet<(u64, usize)>,
}

impl<'v> FromIterator<(&'v Attribute, &'v Value)> for Values<'v> {
    fn from_iter<I: IntoIterator<Item = (&'v Attribute, &'v Value)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(attribute, _)| *attribute);
        Self(pairs)
    }
}

impl<'v> Values<'v> {
    /// The values of one attribute.
    pub fn of(&self, attribute: &Attribute) -> impl Iterator<Item = &'v Value> + use<'v, '_> {
        self.pairs(attribute).iter().map(|(_, value)| *value)
    }

    fn pairs(&self, attribute: &Attribute) -> &[(&'v Attribute, &'v Value)] {
        let start = self.0.partition_point(|(a, _)| *a < attribute);
        let from = self.0.get(start..).unwrap_or_default();
        let len = from.partition_point(|(a, _)| *a == attribute);
        from.get(..len).unwrap_or_default()
    }

    fn by_attribute(&self) -> impl Iterator<Item = (&'v Attribute, &[(&'v Attribute, &'v Value)])> {
        let groups = self.0.chunk_by(|a, b| a.0 == b.0);
        groups.filter_map(|pairs| pairs.first().map(|(attribute, _)| (*attribute, pairs)))
    }
}

impl<K> Default for Classifier<K> {
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
            shares: Vec::new(),
            free: Vec::new(),
            attributes: HashMap::new(),
            always: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy> Classifier<K> {
    /// How many shares there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What a share is about.
    pub fn get(&self, share: &K) -> Option<&Predicate> {
        let number = self.names.get(share)?;
        let share = self.shares.get(*number)?.as_ref()?;
        Some(&share.predicate)
    }

    /// Takes a share in, in place of one of the same name, whose predicate is returned.
    pub fn insert(&mut self, share: K, mut predicate: Predicate) -> Option<Predicate> {
        let before = self.remove(&share);
        let number = self.free.pop().unwrap_or_else(|| {
            self.shares.push(None);
            self.shares.len() - 1
        });
        let held = self.choose(&predicate).map(|choice| choice.places);
        for (attribute, constant) in constants(&predicate) {
            let index = self.attributes.entry(attribute.clone()).or_default();
            index.users(constant).conditions += 1;
        }
        let mut held = held.unwrap_or_else(|| {
            self.always.insert(number);
            Vec::new()
        });
        held.sort_unstable();
        held.dedup();
        for Place { attribute, under } in &mut held {
            let index = self.attributes.entry(attribute.clone()).or_default();
            match under {
                Under::Constant(constant) => {
                    index.users(constant).held.insert(number);
                }
                Under::Range(low, high) => index.ranges.insert(*low, *high, number),
            }
            self.know(attribute);
        }
        self.know_all(&mut predicate);
        self.names.insert(share, number);
        if let Some(slot) = self.shares.get_mut(number) {
            *slot = Some(Share {
                name: share,
                predicate,
                held,
            });
        }
        before
    }

    /// Forgets a share. Returns what it was about.
    pub fn remove(&mut self, share: &K) -> Option<Predicate> {
        let number = self.names.remove(share)?;
        let Share {
            predicate, held, ..
        } = self.shares.get_mut(number)?.take()?;
        self.free.push(number);
        self.always.remove(&number);
        for Place { attribute, under } in &held {
            let Some(index) = self.attributes.get_mut(attribute) else {
                continue;
            };
            match under {
                Under::Constant(constant) => {
                    index.users(constant).held.remove(&number);
                }
                Under::Range(low, high) => index.ranges.remove(*low, *high, number),
            }
            if index.is_empty() {
                self.attributes.remove(attribute);
            }
        }
        for (attribute, constant) in constants(&predicate) {
            let Some(index) = self.attributes.get_mut(attribute) else {
                continue;
            };
            let users = index.users(constant);
            users.conditions = users.conditions.saturating_sub(1);
            if users.conditions == 0 {
                index.forget(constant);
            }
            if index.is_empty() {
                self.attributes.remove(attribute);
            }
        }
        Some(predicate)
    }

    /// The shares that an entity with these values before and after a change is in, or was, sorted by name. All other shares never knew of it.
    pub fn affected(&self, before: &Values, after: &Values) -> Vec<Touched<K>> {
        let shares = self.found(before, after).into_iter();
        let shares = shares.filter_map(|number| self.shares.get(number)?.as_ref());
        let mut touched: Vec<_> = shares
            .map(|share| Touched {
                share: share.name,
                was: share.predicate.holds(&|a: &Attribute| before.of(a)),
                is: share.predicate.holds(&|a: &Attribute| after.of(a)),
            })
            .filter(|touched| touched.was || touched.is)
            .collect();
        touched.sort_unstable_by_key(|touched| touched.share);
        touched
    }

    /// The numbers of those that could be affected.
    fn found(&self, before: &Values, after: &Values) -> Vec<usize> {
        let mut found: Vec<usize> = self.always.iter().copied().collect();
        for (attribute, pairs) in before.by_attribute() {
            if let Some(index) = self.attributes.get(attribute) {
                index.find(pairs, &mut found);
            }
        }
        for (attribute, pairs) in after.by_attribute() {
            // what has not changed has been looked up
            if let Some(index) = self.attributes.get(attribute)
                && before.pairs(attribute) != pairs
            {
                index.find(pairs, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Where a predicate is best held; nowhere if it holds for an entity without values.
    fn choose(&self, predicate: &Predicate) -> Option<Choice> {
        match predicate {
            Predicate::Has(attribute, test) => Some(self.cost(attribute, Under::from(test))),
            Predicate::Any(parts) => {
                let mut choice = Choice {
                    cost: 0,
                    ranges: false,
                    places: Vec::new(),
                };
                for part in parts {
                    let part = self.choose(part)?;
                    choice.cost += part.cost;
                    choice.ranges |= part.ranges;
                    choice.places.extend(part.places);
                }
                Some(choice)
            }
            Predicate::All(parts) => {
                let mut ranges: BTreeMap<&Attribute, (i64, i64)> = BTreeMap::new();
                let mut choices = Vec::new();
                for part in parts {
                    match part {
                        Predicate::Has(attribute, Test::AtLeast(least)) => {
                            let (low, _) = ranges.entry(attribute).or_insert((i64::MIN, i64::MAX));
                            *low = (*low).max(*least);
                        }
                        Predicate::Has(attribute, Test::AtMost(most)) => {
                            let (_, high) = ranges.entry(attribute).or_insert((i64::MIN, i64::MAX));
                            *high = (*high).min(*most);
                        }
                        part => choices.extend(self.choose(part)),
                    }
                }
                for (attribute, (low, high)) in ranges {
                    choices.push(self.cost(attribute, Under::Range(low, high)));
                }
                choices.into_iter().min_by_key(|c| (c.cost, c.ranges))
            }
        }
    }

    /// The name of an attribute in the copy that is here already: one that all shares have stays in the processor's cache.
    fn know(&self, attribute: &mut Attribute) {
        if let Some((known, _)) = self.attributes.get_key_value(attribute) {
            *attribute = known.clone();
        }
    }

    fn know_all(&self, predicate: &mut Predicate) {
        match predicate {
            Predicate::Has(attribute, _) => self.know(attribute),
            Predicate::All(parts) | Predicate::Any(parts) => {
                for part in parts {
                    self.know_all(part);
                }
            }
        }
    }

    fn cost(&self, attribute: &Attribute, under: Under) -> Choice {
        let index = self.attributes.get(attribute);
        let cost = index.map_or(0, |index| match &under {
            Under::Constant(constant) => index.get(constant).map_or(0, |users| users.conditions),
            Under::Range(low, high) => index.ranges.near(*low).max(index.ranges.near(*high)),
        });
        let ranges = matches!(under, Under::Range(..));
        let place = Place {
            attribute: attribute.clone(),
            under,
        };
        Choice {
            cost,
            ranges,
            places: vec![place],
        }
    }
}

fn constants(predicate: &Predicate) -> impl Iterator<Item = (&Attribute, &Constant)> {
    let conditions = predicate.conditions().into_iter();
    conditions.filter_map(|(attribute, test)| match test {
        Test::Is(constant) => Some((attribute, constant)),
        _ => None,
    })
}

impl From<&Test> for Under {
    fn from(test: &Test) -> Self {
        match test {
            Test::Is(constant) => Self::Constant(constant.clone()),
            Test::AtMost(most) => Self::Range(i64::MIN, *most),
            Test::AtLeast(least) => Self::Range(*least, i64::MAX),
        }
    }
}

impl Index {
    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.others.is_empty() && self.ranges.starts.is_empty()
    }

    fn get(&self, constant: &Constant) -> Option<&Users> {
        match constant {
            Constant::Text(text) => self.texts.get(text),
            other => self.others.get(other),
        }
    }

    fn users(&mut self, constant: &Constant) -> &mut Users {
        match constant {
            Constant::Text(text) => self.texts.entry(text.clone()).or_default(),
            other => self.others.entry(other.clone()).or_default(),
        }
    }

    fn forget(&mut self, constant: &Constant) {
        match constant {
            Constant::Text(text) => self.texts.remove(text),
            other => self.others.remove(other),
        };
    }

    /// Those held under what one of these values passes.
    fn find(&self, pairs: &[(&Attribute, &Value)], found: &mut Vec<usize>) {
        let mut integers: Option<(i64, i64)> = None;
        for (_, value) in pairs {
            let users = match value {
                Value::Text(text) => self.texts.get(text),
                Value::Boolean(b) => self.others.get(&Constant::Boolean(*b)),
                Value::Ref(id) => self.others.get(&Constant::Ref(*id)),
                Value::Integer(n) => {
                    let (low, high) = integers.unwrap_or((*n, *n));
                    integers = Some((low.min(*n), high.max(*n)));
                    self.others.get(&Constant::Integer(*n))
                }
                _ => None,
            };
            found.extend(users.into_iter().flat_map(|users| &users.held));
        }
        if let Some((low, high)) = integers {
            self.ranges.overlapping(low, high, found);
        }
    }
}

/// The same order, from 0.
fn ordered(n: i64) -> u64 {
    n.cast_unsigned() ^ (1 << 63)
}

/// The number of the block of 2^n integers that an integer lies in.
fn block(at: u64, n: u32) -> u64 {
    at.checked_shr(n).unwrap_or(0)
}

impl Ranges {
    fn insert(&mut self, low: i64, high: i64, share: usize) {
        let (low, high) = (ordered(low), ordered(high));
        let n = u64::BITS - (low ^ high).leading_zeros();
        let blocks = self.blocks.entry(n).or_default();
        let there = blocks.entry(block(low, n)).or_default();
        there.starts.insert((low, share));
        there.ends.insert((high, share));
        self.starts.insert((low, share));
    }

    /// All ranges of a share must go together: two that begin at one place are there once.
    fn remove(&mut self, low: i64, high: i64, share: usize) {
        let (low, high) = (ordered(low), ordered(high));
        let n = u64::BITS - (low ^ high).leading_zeros();
        self.starts.remove(&(low, share));
        let Some(blocks) = self.blocks.get_mut(&n) else {
            return;
        };
        if let Some(there) = blocks.get_mut(&block(low, n)) {
            there.starts.remove(&(low, share));
            there.ends.remove(&(high, share));
            if there.starts.is_empty() && there.ends.is_empty() {
                blocks.remove(&block(low, n));
            }
        }
        if blocks.is_empty() {
            self.blocks.remove(&n);
        }
    }

    /// How many ranges lie in blocks around an integer: no more than these contain it.
    fn near(&self, at: i64) -> usize {
        let at = ordered(at);
        let blocks = self.blocks.iter();
        let blocks = blocks.filter_map(|(n, blocks)| blocks.get(&block(at, *n)));
        blocks.map(|block| block.starts.len()).sum()
    }

    /// Those that overlap `low..=high`.
    fn overlapping(&self, low: i64, high: i64, found: &mut Vec<usize>) {
        let (low, high) = (ordered(low), ordered(high));
        for (n, blocks) in &self.blocks {
            let Some(there) = blocks.get(&block(low, *n)) else {
                continue;
            };
            // every range here crosses the middle of the block: on its left all ends are further right, on its right all starts further left
            let left = n
                .checked_sub(1)
                .is_some_and(|half| block(low, half) & 1 == 0);
            if left {
                let these = there.starts.range(..=(low, usize::MAX));
                found.extend(these.map(|(_, share)| share));
            } else {
                let these = there.ends.range((low, 0)..);
                found.extend(these.map(|(_, share)| share));
            }
        }
        if low < high {
            let begin_later = self.starts.range((low + 1, 0)..=(high, usize::MAX));
            found.extend(begin_later.map(|(_, share)| share));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: i64 = 1000;

    fn classifier(text: impl Fn(i64) -> String) -> Classifier<i64> {
        let mut classifier = Classifier::default();
        for n in 0..SHARES {
            classifier.insert(n, text(n).parse().unwrap());
        }
        classifier
    }

    /// How many shares a new photo wakes.
    fn woken(classifier: &Classifier<i64>) -> usize {
        let of = |name: &str, value: Value| (Attribute::new(name).unwrap(), value);
        let photo = [
            of("is-photo", true.into()),
            of("album", "7".into()),
            of("year", 70.into()),
        ];
        let after = photo.iter().map(|(a, v)| (a, v)).collect();
        let found = classifier.found(&Values::default(), &after);
        let affected = classifier.affected(&Values::default(), &after);
        assert!(affected.len() <= found.len());
        found.len()
    }

    #[test]
    fn what_all_shares_ask_for_wakes_none() {
        let texts: [fn(i64) -> String; 6] = [
            |n| format!("is-photo: true && album: \"{n}\""),
            |n| format!("is-photo: true && (album: \"{n}\" || album: \"x{n}\")"),
            |n| format!("is-photo: true && year >= {n}0 && year < {n}9"),
            |n| format!("is-photo: true && year: {n}0"),
            |n| {
                format!("album: \"{n}\" && year > 0 || is-photo: true && size < {n} && size >= {n}")
            },
            |n| format!("other-{n}: true"),
        ];
        for (i, text) in texts.into_iter().enumerate() {
            let woken = woken(&classifier(text));
            assert!(woken <= 2, "{i}: {woken}");
        }
    }

    #[test]
    fn nothing_is_left_of_what_is_removed() {
        let mut classifier = classifier(|n| {
            format!(
                "is-photo: true && album: \"{n}\" || year >= {n} && (a: {n} || year >= {n} || year <= {n}) || year <= {n}"
            )
        });
        classifier.insert(-1, Predicate::All(vec![]));
        for n in -1..SHARES {
            assert!(classifier.get(&n).is_some());
            assert!(classifier.remove(&n).is_some());
            assert!(classifier.remove(&n).is_none());
        }
        assert!(classifier.is_empty() && classifier.names.is_empty());
        assert!(classifier.attributes.is_empty() && classifier.always.is_empty());
        assert_eq!(classifier.free.len(), classifier.shares.len());
    }
}
