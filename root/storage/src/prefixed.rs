//! Many stores in one.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;

use crate::{Batch, Durability, Kv, MAX_PREFIX_LEN, Snap, StorageError, Visit};

/// A store inside another one: all its keys begin with a prefix there, in every keyspace. Of the prefixes that are used in a store none may
/// begin with another one.
///
/// Durability is that of the store around it: what is made durable here makes durable what was written there before. Its size and its
/// compaction are those of all of it.
#[derive(Clone)]
pub struct PrefixedKv {
    inner: Arc<dyn Kv>,
    prefix: Arc<[u8]>,
}

impl PrefixedKv {
    /// The one with this prefix.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] if it is longer than [`MAX_PREFIX_LEN`] bytes.
    pub fn new(inner: Arc<dyn Kv>, prefix: &[u8]) -> Result<Self, StorageError> {
        if prefix.len() > MAX_PREFIX_LEN {
            return Err(StorageError::TooLarge {
                what: "prefix",
                len: prefix.len(),
                max: MAX_PREFIX_LEN,
            });
        }
        Ok(Self {
            inner,
            prefix: prefix.into(),
        })
    }
}

impl Kv for PrefixedKv {
    fn snapshot(&self) -> Result<Arc<dyn Snap>, StorageError> {
        Ok(Arc::new(PrefixedSnap {
            inner: self.inner.snapshot()?,
            prefix: Arc::clone(&self.prefix),
        }))
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        batch.check()?;
        self.inner.commit(batch.prefixed(&self.prefix), durability)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.inner.sync()
    }

    fn size_on_disk(&self) -> Result<u64, StorageError> {
        self.inner.size_on_disk()
    }

    fn compact(&self) -> Result<bool, StorageError> {
        self.inner.compact()
    }
}

struct PrefixedSnap {
    inner: Arc<dyn Snap>,
    prefix: Arc<[u8]>,
}

/// The first key that is greater than all that begin with this one, if there is one.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < 255)?;
    let mut end = prefix.get(..=last)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

impl Snap for PrefixedSnap {
    fn get(&self, keyspace: u8, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.inner.get(keyspace, &[&self.prefix, key].concat())
    }

    fn scan(
        &self,
        keyspace: u8,
        lo: &[u8],
        hi: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        let lo = [&self.prefix, lo].concat();
        let hi = match hi {
            Some(hi) => Some([&self.prefix, hi].concat()),
            None => after(&self.prefix),
        };
        let skip = self.prefix.len();
        self.inner.scan(
            keyspace,
            &lo,
            hi.as_deref(),
            reverse,
            &mut |key, value| match key.get(skip..) {
                Some(key) => visit(key, value),
                None => ControlFlow::Continue(()),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(after(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(after(&[255]), None);
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn a_prefix_has_a_bound() {
        let kv: Arc<dyn Kv> = Arc::new(crate::MemoryKv::new());
        assert!(PrefixedKv::new(Arc::clone(&kv), &[0; MAX_PREFIX_LEN]).is_ok());
        let long = PrefixedKv::new(kv, &[0; MAX_PREFIX_LEN + 1]);
        assert!(matches!(long, Err(StorageError::TooLarge { .. })));
    }
}
