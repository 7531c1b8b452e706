use crate::{Tree, tree::Spot};

/// Keys of a [`Tree`] in order, from both ends.
#[derive(Clone)]
pub struct Range<'a> {
    pub(crate) tree: &'a Tree,
    /// The leaf `head` is in, and the leaf `tail` is in; equal when the rest lies in `head` alone.
    pub(crate) front: Spot,
    pub(crate) back: Spot,
    pub(crate) head: &'a [u128],
    pub(crate) tail: &'a [u128],
}

impl<'a> Range<'a> {
    /// The next run of keys that lie together in memory: at least one key. Faster than one by one for long ranges.
    pub fn next_chunk(&mut self) -> Option<&'a [u128]> {
        loop {
            if !self.head.is_empty() {
                return Some(std::mem::take(&mut self.head));
            }
            self.advance()?;
        }
    }

    fn advance(&mut self) -> Option<()> {
        if self.front >= self.back {
            return None;
        }
        self.front = self.tree.step(self.front);
        self.head = if self.front == self.back {
            std::mem::take(&mut self.tail)
        } else {
            self.tree.keys_at(self.front)
        };
        Some(())
    }
}

impl Iterator for Range<'_> {
    type Item = u128;
    fn next(&mut self) -> Option<u128> {
        loop {
            if let Some((k, rest)) = self.head.split_first() {
                self.head = rest;
                return Some(*k);
            }
            self.advance()?;
        }
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<u128> {
        loop {
            if self.front >= self.back {
                let (k, rest) = self.head.split_last()?;
                self.head = rest;
                return Some(*k);
            }
            if let Some((k, rest)) = self.tail.split_last() {
                self.tail = rest;
                return Some(*k);
            }
            self.back = self.tree.step_back(self.back);
            if self.front < self.back {
                self.tail = self.tree.keys_at(self.back);
            }
        }
    }
}
