//! The past of an operation: a set of places in a log, one bit each.

/// Places are given out so that an operation comes after all it follows; the set has no bits beyond the last of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ancestors(Vec<u64>);

impl Ancestors {
    pub fn contains(&self, place: u32) -> bool {
        self.0
            .get(place as usize / 64)
            .is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    pub fn insert(&mut self, place: u32) {
        let at = place as usize / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        if let Some(word) = self.0.get_mut(at) {
            *word |= 1 << (place % 64);
        }
    }

    pub fn unite(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}
