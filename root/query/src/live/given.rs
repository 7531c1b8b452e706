//! The instances of a template: which constants and inputs each one has, and the ways back from a word to the instances.
//!
//! This is the relation of parameters that makes a thousand queries of one form one query: a changed fact is joined with it like with
//! any other relation.

use super::template::Template;
use crate::ir::{ConstantIndex, Slot};
use rhizome_replica::Word;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::hash::Hash;

/// A constant as words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// Everything it equals in a pattern; the value as written is the last.
    pub all: Box<[Word]>,
}

impl Resolved {
    /// The value as written.
    pub fn written(&self) -> Word {
        self.all.last().copied().unwrap_or(super::state::FREE)
    }
    /// What it is in the place of an entity.
    pub fn entity(&self) -> Word {
        self.all.first().copied().unwrap_or(super::state::FREE)
    }
}

/// What one instance passes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Arguments {
    /// By constant; those that are not lifted are empty.
    pub constants: Vec<Resolved>,
    /// By scalar input.
    pub scalars: Vec<Word>,
    /// By collection or relation input.
    pub inputs: Vec<Vec<Box<[Word]>>>,
}

/// All instances, by number, and their indexes.
#[derive(Debug, Default)]
pub struct Given {
    instances: Vec<Option<Arguments>>,
    live: usize,
    by_constant: FxHashMap<(ConstantIndex, Word), BTreeSet<u32>>,
    by_scalar: FxHashMap<(u16, Word), BTreeSet<u32>>,
    /// (input, column, word) → (instance, row)
    by_input: FxHashMap<(u16, u16, Word), BTreeSet<(u32, u32)>>,
    /// How many instances have which form of a constant.
    forms: Vec<FxHashMap<Resolved, u32>>,
}

/// Words of constants that came into use or went out of it.
pub type Uses = Vec<(ConstantIndex, Word)>;

impl Given {
    pub fn new(template: &Template) -> Self {
        Self {
            forms: vec![FxHashMap::default(); template.constants.len()],
            ..Self::default()
        }
    }

    pub fn len(&self) -> usize {
        self.live
    }

    /// Adds an instance under a free number; returns the words of constants that no instance had before.
    pub fn add(&mut self, number: u32, arguments: Arguments) -> Uses {
        if self.instances.len() <= number as usize {
            self.instances.resize(number as usize + 1, None);
        }
        let mut new = Uses::new();
        for (c, resolved) in arguments.constants.iter().enumerate() {
            for w in &resolved.all {
                let bucket = self.by_constant.entry((c as u16, *w)).or_default();
                if bucket.is_empty() {
                    new.push((c as u16, *w));
                }
                bucket.insert(number);
            }
            if !resolved.all.is_empty() {
                *self.forms[c].entry(resolved.clone()).or_default() += 1;
            }
        }
        for (i, w) in arguments.scalars.iter().enumerate() {
            self.by_scalar
                .entry((i as u16, *w))
                .or_default()
                .insert(number);
        }
        for (i, rows) in arguments.inputs.iter().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                for (column, w) in row.iter().enumerate() {
                    let key = (i as u16, column as u16, *w);
                    self.by_input
                        .entry(key)
                        .or_default()
                        .insert((number, r as u32));
                }
            }
        }
        self.instances[number as usize] = Some(arguments);
        self.live += 1;
        new
    }

    /// Takes an instance out; returns the words of constants that no instance has any more.
    pub fn remove(&mut self, number: u32) -> Uses {
        let mut gone = Uses::new();
        let Some(arguments) = self
            .instances
            .get_mut(number as usize)
            .and_then(Option::take)
        else {
            return gone;
        };
        for (c, resolved) in arguments.constants.iter().enumerate() {
            for w in &resolved.all {
                if drop_from(&mut self.by_constant, &(c as u16, *w), &number) {
                    gone.push((c as u16, *w));
                }
            }
            if let Some(n) = self.forms[c].get_mut(resolved) {
                *n -= 1;
                if *n == 0 {
                    self.forms[c].remove(resolved);
                }
            }
        }
        for (i, w) in arguments.scalars.iter().enumerate() {
            drop_from(&mut self.by_scalar, &(i as u16, *w), &number);
        }
        for (i, rows) in arguments.inputs.iter().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                for (column, w) in row.iter().enumerate() {
                    let key = (i as u16, column as u16, *w);
                    drop_from(&mut self.by_input, &key, &(number, r as u32));
                }
            }
        }
        self.live -= 1;
        gone
    }

    pub fn get(&self, number: u32) -> Option<&Arguments> {
        self.instances.get(number as usize)?.as_ref()
    }

    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..self.instances.len() as u32).filter(|n| self.get(*n).is_some())
    }

    /// The constant, if it is the same for all instances.
    pub fn uniform(&self, constant: ConstantIndex) -> Option<&Resolved> {
        let forms = self.forms.get(usize::from(constant))?;
        match forms.len() {
            1 => forms.keys().next(),
            _ => None,
        }
    }

    /// Instances whose constant stands for a word.
    pub fn with_constant(&self, constant: ConstantIndex, word: Word) -> Option<&BTreeSet<u32>> {
        self.by_constant.get(&(constant, word))
    }

    /// Every word that some instance's constant stands for.
    pub fn words(&self, constant: ConstantIndex) -> Vec<Word> {
        let forms = self.forms.get(usize::from(constant));
        let all = forms.into_iter().flat_map(FxHashMap::keys);
        let mut words: Vec<Word> = all.flat_map(|r| r.all.iter().copied()).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    /// Instances with a word in a scalar input.
    pub fn with_scalar(&self, scalar: usize, word: Word) -> Option<&BTreeSet<u32>> {
        self.by_scalar.get(&(scalar as u16, word))
    }

    /// (instance, row) of a collection or relation with a word in a column.
    pub fn with_cell(&self, input: usize, column: usize, w: Word) -> Option<&BTreeSet<(u32, u32)>> {
        self.by_input.get(&(input as u16, column as u16, w))
    }

    /// Rows of an input over all instances.
    pub fn input_rows(&self, input: usize) -> usize {
        self.instances
            .iter()
            .flatten()
            .map(|a| a.inputs.get(input).map_or(0, Vec::len))
            .sum()
    }

    /// Whether an instance's constants stand for all these words.
    pub fn meets(&self, number: u32, needs: &[(ConstantIndex, Word)]) -> bool {
        self.get(number).is_some_and(|a| {
            needs.iter().all(|(c, w)| {
                a.constants
                    .get(usize::from(*c))
                    .is_some_and(|r| r.all.contains(w))
            })
        })
    }

    /// The slots of an instance's scalar inputs with their words.
    pub fn scalars<'a>(
        &'a self,
        number: u32,
        slots: &'a [Option<Slot>],
    ) -> impl Iterator<Item = (Slot, Word)> + 'a {
        let words = self.get(number).map_or(&[][..], |a| &a.scalars);
        slots
            .iter()
            .zip(words)
            .filter_map(|(s, w)| s.map(|s| (s, *w)))
    }
}

/// Takes a member out of a bucket; says whether the bucket went.
fn drop_from<K: Hash + Eq, T: Ord>(
    map: &mut FxHashMap<K, BTreeSet<T>>,
    key: &K,
    member: &T,
) -> bool {
    let Some(bucket) = map.get_mut(key) else {
        return false;
    };
    bucket.remove(member);
    if bucket.is_empty() {
        map.remove(key);
        return true;
    }
    false
}
