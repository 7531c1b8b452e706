//! Rows of words in one flat vector, with or without removal of duplicates.

use rhizome_replica::Word;

/// Rows of equal width.
#[derive(Clone, Debug, Default)]
pub struct RowSet {
    pub width: usize,
    pub cells: Vec<Word>,
    rows: usize,
    /// Open addressing by hash: row number + 1, 0 is free. Empty if duplicates are kept.
    slots: Vec<u32>,
}

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A hash of a row.
pub fn hash(row: &[Word]) -> u64 {
    let mut h = 0u64;
    for w in row {
        h = (h.rotate_left(5) ^ w.bits ^ u64::from(w.tag) << 57).wrapping_mul(MULTIPLIER);
    }
    h ^ h >> 29
}

impl RowSet {
    /// Rows that are known to differ.
    pub fn unchecked(width: usize) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    /// Rows of which each is kept once.
    pub fn distinct(width: usize) -> Self {
        Self {
            width,
            slots: vec![0; 64],
            ..Self::default()
        }
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn row(&self, i: usize) -> &[Word] {
        self.cells
            .get(i * self.width..(i + 1) * self.width)
            .unwrap_or(&[])
    }

    pub fn iter(&self) -> impl Iterator<Item = &[Word]> {
        (0..self.rows).map(|i| self.row(i))
    }

    /// Adds the row that was just appended to `cells`; takes it off again and says false if it is a duplicate.
    #[inline]
    pub fn commit(&mut self) -> bool {
        if !self.slots.is_empty() {
            let row = &self.cells[self.rows * self.width..];
            match find(&self.slots, &self.cells, self.width, row) {
                Ok(_) => {
                    self.cells.truncate(self.rows * self.width);
                    return false;
                }
                Err(slot) => self.slots[slot] = self.rows as u32 + 1,
            }
            if self.rows * 2 >= self.slots.len() {
                self.rows += 1;
                self.grow();
                return true;
            }
        }
        self.rows += 1;
        true
    }

    /// Adds a row; false if it is a duplicate.
    pub fn insert(&mut self, row: &[Word]) -> bool {
        self.cells.extend_from_slice(row);
        self.commit()
    }

    /// The number of a row, if it is there. Only for distinct rows.
    pub fn find(&self, row: &[Word]) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        find(&self.slots, &self.cells, self.width, row)
            .ok()
            .map(|r| r as usize - 1)
    }

    /// Puts other rows in place of all; duplicates are no longer looked for.
    pub fn replace(&mut self, cells: Vec<Word>, rows: usize) {
        self.cells = cells;
        self.rows = rows;
        self.slots = Vec::new();
    }

    fn grow(&mut self) {
        let mut slots = vec![0u32; self.slots.len() * 4];
        let mask = slots.len() - 1;
        for i in 0..self.rows {
            let mut at = hash(&self.cells[i * self.width..(i + 1) * self.width]) as usize & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = i as u32 + 1;
        }
        self.slots = slots;
    }
}

/// The row number + 1, or the free slot where it belongs.
fn find(slots: &[u32], cells: &[Word], width: usize, row: &[Word]) -> Result<u32, usize> {
    let mask = slots.len() - 1;
    let mut at = hash(row) as usize & mask;
    loop {
        match slots[at] {
            0 => return Err(at),
            n => {
                let start = (n as usize - 1) * width;
                if cells[start..start + width] == *row {
                    return Ok(n);
                }
            }
        }
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::RowSet;
    use rhizome_replica::Word;

    #[test]
    fn each_row_once() {
        let mut set = RowSet::distinct(2);
        for i in 0..10_000i64 {
            let row = [Word::integer(i % 1000), Word::integer(i % 7 % 1000)];
            let new = set.find(&row).is_none();
            assert_eq!(set.insert(&row), new);
        }
        assert_eq!(set.len(), 7000);
        assert_eq!(set.row(3), [Word::integer(3), Word::integer(3)]);
        let mut empty = RowSet::distinct(0);
        assert!(empty.insert(&[]));
        assert!(!empty.insert(&[]));
    }
}
