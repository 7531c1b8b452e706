//! What was executed, until it expires.

use std::collections::{BTreeSet, HashSet};

use rhizome_ipld::Cid;

use crate::{CapabilityError, Invocation};

/// A bounded memory of invocations. It forgets only what has expired and takes only what will, so nothing is executed twice; when it
/// is full it refuses.
///
/// It goes by the payload's CID: the same invocation under another signature or tag is the same.
#[derive(Debug, Clone)]
pub struct Replays {
    seen: HashSet<Cid>,
    by_end: BTreeSet<(u64, Cid)>,
    /// What expired before this may be forgotten, so nothing that ends before it is taken even if the clock goes back.
    floor: u64,
    most: usize,
    lifetime: u64,
}

impl Replays {
    /// A memory of `most` invocations that expire within `lifetime` seconds from when they come.
    pub fn new(most: usize, lifetime: u64) -> Self {
        Self {
            seen: HashSet::new(),
            by_end: BTreeSet::new(),
            floor: 0,
            most,
            lifetime,
        }
    }

    /// Takes an invocation that was verified just now and is about to be executed.
    ///
    /// # Errors
    /// [`CapabilityError::Lifetime`] if it has no end or one too far away, [`CapabilityError::Expired`],
    /// [`CapabilityError::Replayed`], [`CapabilityError::Full`].
    pub fn insert(&mut self, invocation: &Invocation, now: u64) -> Result<(), CapabilityError> {
        let end = invocation
            .expires()
            .filter(|end| *end <= now.saturating_add(self.lifetime))
            .ok_or(CapabilityError::Lifetime(self.lifetime))?;
        self.floor = self.floor.max(now);
        if end < self.floor {
            return Err(CapabilityError::Expired(end));
        }
        while let Some((end, name)) = self.by_end.first().copied() {
            if end >= self.floor {
                break;
            }
            self.by_end.pop_first();
            self.seen.remove(&name);
        }
        let name = *invocation.payload_cid();
        if self.seen.contains(&name) {
            return Err(CapabilityError::Replayed);
        }
        if self.seen.len() >= self.most {
            return Err(CapabilityError::Full("executed invocations"));
        }
        self.seen.insert(name);
        self.by_end.insert((end, name));
        Ok(())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

impl Default for Replays {
    /// 65,536 invocations of at most an hour.
    fn default() -> Self {
        Self::new(1 << 16, 3600)
    }
}
