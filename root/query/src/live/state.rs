//! Registers of one evaluation, with a trail to go back by.

use super::template::ConjunctionId;
use crate::ir::{ConstantIndex, Slot};
use rhizome_replica::Word;

/// What an unbound register holds: no word has this tag.
pub const FREE: Word = Word { tag: 0, bits: 0 };

/// A place of the trail to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    trail: usize,
    needs: usize,
    instance: Option<u32>,
}

/// What is bound so far, and what is still to be evaluated.
#[derive(Clone, Debug)]
pub struct State {
    registers: Vec<Word>,
    trail: Vec<Slot>,
    /// Which instance asks.
    pub instance: Option<u32>,
    /// Words that lifted constants of the instance must stand for, found before it was known which instance asks.
    pub needs: Vec<(ConstantIndex, Word)>,
    /// Literals still to be evaluated, by conjunction.
    pub agenda: Vec<(ConjunctionId, u128)>,
    /// Everything wanted is bound: one way to satisfy the rest is enough.
    pub existing: bool,
}

impl State {
    pub fn new(registers: usize) -> Self {
        Self {
            registers: vec![FREE; registers],
            trail: Vec::with_capacity(16),
            instance: None,
            needs: Vec::new(),
            agenda: Vec::with_capacity(4),
            existing: false,
        }
    }

    /// Nothing bound, nothing to do.
    pub fn clear(&mut self) {
        self.undo(Mark {
            trail: 0,
            needs: 0,
            instance: None,
        });
        self.agenda.clear();
        self.existing = false;
    }

    #[inline]
    pub fn get(&self, slot: Slot) -> Option<Word> {
        match self.registers.get(usize::from(slot)) {
            Some(w) if w.tag != 0 => Some(*w),
            _ => None,
        }
    }

    #[inline]
    pub fn is_bound(&self, slot: Slot) -> bool {
        self.get(slot).is_some()
    }

    /// Binds a slot, or compares if it is bound.
    #[inline]
    pub fn accept(&mut self, slot: Slot, word: Word) -> bool {
        match self.registers.get_mut(usize::from(slot)) {
            Some(w) if w.tag == 0 => {
                *w = word;
                self.trail.push(slot);
                true
            }
            Some(w) => *w == word,
            None => false,
        }
    }

    #[inline]
    pub fn mark(&self) -> Mark {
        Mark {
            trail: self.trail.len(),
            needs: self.needs.len(),
            instance: self.instance,
        }
    }

    #[inline]
    pub fn undo(&mut self, mark: Mark) {
        for slot in self.trail.drain(mark.trail..) {
            self.registers[usize::from(slot)] = FREE;
        }
        self.needs.truncate(mark.needs);
        self.instance = mark.instance;
    }
}
