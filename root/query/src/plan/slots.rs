//! Sets of slots.

use crate::ir::Slot;

/// A set of slots as bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotSet(Vec<u64>);

impl SlotSet {
    pub fn insert(&mut self, slot: Slot) {
        let word = usize::from(slot / 64);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot % 64);
    }

    pub fn contains(&self, slot: Slot) -> bool {
        self.0
            .get(usize::from(slot / 64))
            .is_some_and(|w| w >> (slot % 64) & 1 == 1)
    }

    pub fn contains_all<'a>(&self, slots: impl IntoIterator<Item = &'a Slot>) -> bool {
        slots.into_iter().all(|s| self.contains(*s))
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut out = Self::default();
        out.extend(slots);
        out
    }
}

impl Extend<Slot> for SlotSet {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        slots.into_iter().for_each(|s| self.insert(s));
    }
}
