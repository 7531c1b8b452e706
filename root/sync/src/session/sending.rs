use crate::{
    SyncError,
    data::{has_room, put_commit, put_fill, put_leaf},
    limits::{GOOD_MESSAGE, MAX_MESSAGE},
    set::Id,
    store::{Leaf, Store},
};
use rhizome_ipld::PublicKey;
use std::collections::VecDeque;

/// Room that is always left for the header of a leaf or a hash.
const SPARE: usize = 256;

/// A commit, or leaves of one, on the way into messages. Holds a message's worth of it at a time, or one leaf.
pub(super) struct Sending {
    key: PublicKey,
    id: Id,
    /// What it begins with, until that is written.
    header: Option<Vec<u8>>,
    loaded: VecDeque<(Option<u32>, Leaf)>,
    /// How much of the first of them is written.
    at: usize,
    /// Leaves to load from the store: from here, up to there.
    next: u32,
    count: u32,
}

impl Sending {
    /// A commit; `None` if the store has not got it. `last` is the envelope before it in the stream.
    pub(super) fn commit(
        key: PublicKey,
        id: Id,
        store: &dyn Store,
        last: &mut Vec<u8>,
    ) -> Result<Option<Self>, SyncError> {
        let Some(read) = store.commit(&key, &id, GOOD_MESSAGE)? else {
            return Ok(None);
        };
        let mut header = Vec::with_capacity(read.envelope.len() + 8);
        put_commit(&mut header, &read.envelope, read.count, last);
        Ok(Some(Self {
            key,
            id,
            header: Some(header),
            next: read.leaves.len() as u32,
            loaded: read.leaves.into_iter().map(|l| (None, l)).collect(),
            at: 0,
            count: read.count,
        }))
    }

    /// Some of the leaves of a commit whose bytes are there: a message's worth, or one. Takes them off `places`.
    pub(super) fn fill(
        key: PublicKey,
        id: Id,
        places: &mut VecDeque<u32>,
        store: &dyn Store,
    ) -> Result<Option<Self>, SyncError> {
        let mut loaded = VecDeque::new();
        let mut size = 0;
        if !store.holds(&key, &id)? {
            places.clear();
        }
        while size < GOOD_MESSAGE
            && let Some(place) = places.pop_front()
        {
            let leaf = store.leaves(&key, &id, place, 1)?.into_iter().next();
            if let Some(leaf @ Leaf::Sealed(_)) = leaf {
                size += leaf.size();
                loaded.push_back((Some(place), leaf));
            }
        }
        if loaded.is_empty() {
            return Ok(None);
        }
        let mut header = Vec::new();
        put_fill(&mut header, &key, &id, loaded.len());
        Ok(Some(Self {
            key,
            id,
            header: Some(header),
            loaded,
            at: 0,
            next: 0,
            count: 0,
        }))
    }

    /// Writes on, until it is complete (true), or the message has `full` bytes or no room.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        full: usize,
        store: &dyn Store,
    ) -> Result<bool, SyncError> {
        if let Some(header) = self.header.take() {
            if !has_room(out, &header) {
                self.header = Some(header);
                return Ok(false);
            }
            out.extend_from_slice(&header);
        }
        loop {
            if self.loaded.is_empty() {
                if self.next >= self.count {
                    return Ok(true);
                }
                let more = store.leaves(&self.key, &self.id, self.next, GOOD_MESSAGE)?;
                if more.is_empty() {
                    return Err(SyncError::Store("leaves of a commit are not there".into()));
                }
                self.next += more.len() as u32;
                self.loaded.extend(more.into_iter().map(|l| (None, l)));
            }
            if out.len() >= full || out.len() + SPARE > MAX_MESSAGE {
                return Ok(false);
            }
            if let Some((place, leaf)) = self.loaded.front() {
                if let (Some(place), 0) = (place, self.at) {
                    crate::wire::put_number(out, u64::from(*place));
                }
                let left = put_leaf(out, leaf, self.at);
                self.at = left.unwrap_or(0);
                if left.is_none() {
                    self.loaded.pop_front();
                }
            }
        }
    }
}
