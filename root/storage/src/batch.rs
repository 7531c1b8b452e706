//! Writes that take effect together.

use crate::{KEYSPACES, MAX_KEY_LEN, MAX_PREFIX_LEN, MAX_VALUE_LEN, StorageError};

/// Writes that take effect together. The last write to a key wins.
///
/// Keys and values are copied into large pieces of memory: filling a batch of a million writes is a
/// few large allocations, not two million small ones, and none of them grows by being copied.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pieces: Vec<Vec<u8>>,
    bytes: usize,
    writes: Vec<Slot>,
    /// Bytes at the beginning of each key that are not the caller's.
    prefix_len: usize,
}

/// Bytes of a piece, unless one write is larger.
const PIECE: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
struct Slot {
    keyspace: u8,
    piece: u32,
    /// Where in the piece its key begins. The value follows it.
    start: usize,
    key_len: usize,
    value_len: Option<usize>,
}

/// One write of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write<'a> {
    /// Where, `0..KEYSPACES`.
    pub keyspace: u8,
    /// The key written to.
    pub key: &'a [u8],
    /// The new value, or `None` to delete the key.
    pub value: Option<&'a [u8]>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `writes` writes of `bytes` bytes of keys and values in all, or
    /// for the first mebibyte of them.
    pub fn with_capacity(writes: usize, bytes: usize) -> Self {
        Self {
            pieces: vec![Vec::with_capacity(bytes.min(PIECE))],
            writes: Vec::with_capacity(writes),
            ..Self::default()
        }
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, keyspace: u8, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.push(keyspace, key.as_ref(), Some(value.as_ref()));
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, keyspace: u8, key: impl AsRef<[u8]>) {
        self.push(keyspace, key.as_ref(), None);
    }

    fn push(&mut self, keyspace: u8, key: &[u8], value: Option<&[u8]>) {
        let value_len = value.map(<[u8]>::len);
        let value = value.unwrap_or_default();
        let len = key.len() + value.len();
        if self
            .pieces
            .last()
            .is_none_or(|piece| piece.len() + len > PIECE)
        {
            // a small batch stays small
            let room = if self.pieces.is_empty() {
                len
            } else {
                len.max(PIECE)
            };
            self.pieces.push(Vec::with_capacity(room));
        }
        let at = self.pieces.len() - 1;
        let piece = &mut self.pieces[at];
        self.writes.push(Slot {
            keyspace,
            piece: at as u32,
            start: piece.len(),
            key_len: key.len(),
            value_len,
        });
        piece.extend_from_slice(key);
        piece.extend_from_slice(value);
        self.bytes += len;
    }

    /// Makes all writes of another batch after those of this one.
    pub fn append(&mut self, other: &Self) {
        for write in other.iter() {
            self.push(write.keyspace, write.key, write.value);
        }
        self.prefix_len = self.prefix_len.max(other.prefix_len);
    }

    /// The same writes to keys that begin with `prefix`. Prefixes add up to at most [`MAX_PREFIX_LEN`] bytes.
    pub(crate) fn prefixed(&self, prefix: &[u8]) -> Self {
        let bytes = self.bytes + self.writes.len() * prefix.len();
        let mut out = Self::with_capacity(self.writes.len(), bytes);
        for write in self.iter() {
            out.push(write.keyspace, &[prefix, write.key].concat(), write.value);
        }
        out.prefix_len = self.prefix_len + prefix.len();
        out
    }

    /// How many writes there are, repeated keys counted each time.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory this batch holds on to.
    pub(crate) fn memory(&self) -> usize {
        self.bytes + self.writes.len() * size_of::<Slot>()
    }

    /// The writes in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = Write<'_>> {
        self.writes.iter().map(|slot| self.write(slot))
    }

    /// The writes in order of keyspace and key, one for each key: what an engine applies.
    pub fn sorted(&mut self) -> impl Iterator<Item = Write<'_>> {
        let pieces = &self.pieces;
        let place = |s: &Slot| (s.keyspace, key(pieces, s));
        if !self.writes.is_sorted_by(|a, b| place(a) < place(b)) {
            // The sort is stable, so of equal keys the last is the last written.
            self.writes.sort_by(|a, b| place(a).cmp(&place(b)));
            let mut kept = 0;
            for i in 0..self.writes.len() {
                let last = self
                    .writes
                    .get(i + 1)
                    .is_none_or(|next| place(next) != place(&self.writes[i]));
                if last {
                    self.writes[kept] = self.writes[i];
                    kept += 1;
                }
            }
            self.writes.truncate(kept);
        }
        self.writes.iter().map(|slot| self.write(slot))
    }

    /// Refuses what no engine takes: unknown keyspaces, oversize keys and values.
    pub fn check(&self) -> Result<(), StorageError> {
        check_len("prefix", self.prefix_len, MAX_PREFIX_LEN)?;
        let longest = MAX_KEY_LEN + self.prefix_len;
        for slot in &self.writes {
            check_keyspace(slot.keyspace)?;
            check_len("key", slot.key_len, longest)?;
            check_len("value", slot.value_len.unwrap_or(0), MAX_VALUE_LEN)?;
        }
        Ok(())
    }

    fn write(&self, slot: &Slot) -> Write<'_> {
        let piece = &self.pieces[slot.piece as usize];
        let end = slot.start + slot.key_len;
        Write {
            keyspace: slot.keyspace,
            key: key(&self.pieces, slot),
            value: slot.value_len.map(|len| &piece[end..end + len]),
        }
    }
}

fn key<'a>(pieces: &'a [Vec<u8>], slot: &Slot) -> &'a [u8] {
    &pieces[slot.piece as usize][slot.start..slot.start + slot.key_len]
}

fn check_len(what: &'static str, len: usize, max: usize) -> Result<(), StorageError> {
    if len > max {
        Err(StorageError::TooLarge { what, len, max })
    } else {
        Ok(())
    }
}

pub(crate) fn check_keyspace(keyspace: u8) -> Result<(), StorageError> {
    if keyspace < KEYSPACES {
        Ok(())
    } else {
        Err(StorageError::UnknownKeyspace(keyspace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_keeps_the_last_write_to_each_key() {
        let mut batch = Batch::new();
        batch.put(1, "b", "1");
        batch.put(0, "z", "2");
        batch.put(1, "b", "3");
        batch.put(1, "a", "4");
        batch.delete(0, "z");
        assert_eq!((batch.len(), batch.bytes()), (5, 9));
        let writes: Vec<_> = batch
            .sorted()
            .map(|w| (w.keyspace, w.key, w.value))
            .collect();
        assert_eq!(
            writes,
            [
                (0, &b"z"[..], None),
                (1, b"a", Some(&b"4"[..])),
                (1, b"b", Some(b"3"))
            ]
        );
    }

    #[test]
    fn what_is_appended_comes_after() {
        let (mut first, mut second) = (Batch::new(), Batch::new());
        first.put(0, "a", "1");
        first.put(0, "b", "2");
        second.put(1, "c", "3");
        second.delete(0, "a");
        first.append(&second);
        let writes: Vec<_> = first
            .sorted()
            .map(|w| (w.keyspace, w.key, w.value))
            .collect();
        assert_eq!(
            writes,
            [
                (0, &b"a"[..], None),
                (0, b"b", Some(&b"2"[..])),
                (1, b"c", Some(b"3"))
            ]
        );
    }

    #[test]
    fn a_batch_of_many_pieces_reads_as_it_was_written() {
        let mut batch = Batch::with_capacity(3, 100);
        let value =
            |n: u32| vec![n as u8; [0, 10, 5_000, PIECE - 4, PIECE, 3 * PIECE][n as usize % 6]];
        for n in 0..40_u32 {
            batch.put(1, n.to_be_bytes(), value(n));
            batch.delete(2, n.to_be_bytes());
        }
        let all = |batch: &Batch, prefix: &[u8], from: usize| {
            let mut writes = batch.iter().skip(from);
            for n in 0..40_u32 {
                let (put, gone) = (writes.next().unwrap(), writes.next().unwrap());
                assert_eq!(put.key, [prefix, &n.to_be_bytes()].concat());
                assert!(put.value == Some(&*value(n)) && gone.value.is_none());
            }
        };
        all(&batch, b"", 0);
        all(&batch.prefixed(b"pre"), b"pre", 0);
        let mut other = Batch::new();
        other.put(3, "a", "b");
        other.append(&batch);
        all(&other, b"", 1);
        assert_eq!(other.bytes(), batch.bytes() + 2);
    }

    #[test]
    fn limits_are_inclusive() {
        let mut batch = Batch::new();
        batch.put(15, vec![0; MAX_KEY_LEN], vec![0; MAX_VALUE_LEN]);
        assert!(batch.check().is_ok());
        let refused = |f: &dyn Fn(&mut Batch)| {
            let mut batch = Batch::new();
            f(&mut batch);
            batch.check().unwrap_err()
        };
        assert!(matches!(
            refused(&|b| b.put(16, "", "")),
            StorageError::UnknownKeyspace(16)
        ));
        let long = vec![0; MAX_KEY_LEN + 1];
        assert!(matches!(
            refused(&|b| b.delete(0, &long)),
            StorageError::TooLarge { what: "key", .. }
        ));
        let big = vec![0; MAX_VALUE_LEN + 1];
        assert!(matches!(
            refused(&|b| b.put(0, "", &big)),
            StorageError::TooLarge { what: "value", .. }
        ));
    }
}
