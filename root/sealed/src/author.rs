//! What is held of one author: its chain as it is summed up for others, and which of its commits are not passed on.

use std::{
    collections::{BTreeSet, HashSet},
    ops::ControlFlow,
};

use rhizome_ipld::{PublicKey, codec};
use rhizome_replica::{Judge, Link, Standing};
use rhizome_storage::{Batch, MAX_VALUE_LEN, Snap};
use rhizome_sync::Chain;
use rhizome_tuple::CommitId;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::{
    SealedError,
    keys::{AUTHORS, ORDER, PodNo, VOID, order_row},
};

/// Heads and stumps of a chain that are kept in its row; of a chain in more pieces the row says nothing, and it is read anew.
const MAX_ENDS: usize = 256;

/// An author as it is in memory.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub number: u32,
    /// By which seals it was decided what is passed on: see [`judged`].
    pub judged: [u8; 32],
    /// Of the commits that are passed on.
    pub chain: Chain,
    /// The others.
    pub void: BTreeSet<CommitId>,
}

/// Its number, how it was judged, its chain unless that is in too many pieces.
#[derive(Serialize, Deserialize)]
struct Row(u32, ByteArray<32>, Option<Chain>);

/// Names the seals by which it is decided what is passed on of a key; zeros if all of it is.
pub(crate) fn judged(standing: Option<&Standing>) -> Result<[u8; 32], SealedError> {
    match standing {
        Some(s) if s.may_write() => Ok([0; 32]),
        other => {
            let terms = other.map(Standing::sought).unwrap_or_default();
            Ok(*blake3::hash(&codec::encode(&terms)?).as_bytes())
        }
    }
}

impl Author {
    pub fn new(number: u32, standing: Option<&Standing>) -> Result<Self, SealedError> {
        Ok(Self {
            number,
            judged: judged(standing)?,
            chain: Chain::default(),
            void: BTreeSet::new(),
        })
    }

    /// Reads an author back; if its row does not say enough, all its links.
    pub fn load(
        snap: &dyn Snap,
        pod: PodNo,
        row: &[u8],
        standing: Option<&Standing>,
    ) -> Result<Self, SealedError> {
        let Row(number, by, saved) = codec::decode(row, MAX_VALUE_LEN)
            .map_err(|_| SealedError::Corrupt("the row of an author is malformed"))?;
        let by = by.into_array();
        let saved = saved.filter(|_| judged(standing).is_ok_and(|now| now == by));
        let Some(chain) = saved else {
            return Ok(Self::read(snap, pod, number, standing)?.0);
        };
        let mut void = BTreeSet::new();
        if by != [0; 32] {
            let (lo, hi) = ends(pod, number);
            snap.scan(VOID, &lo, Some(&hi), false, &mut |key, _| {
                void.insert(CommitId(crate::keys::id_of(key)));
                ControlFlow::Continue(())
            })?;
        }
        Ok(Self {
            number,
            judged: by,
            chain,
            void,
        })
    }

    /// Makes an author anew from all its links. With a judge if not everything counts.
    pub fn read(
        snap: &dyn Snap,
        pod: PodNo,
        number: u32,
        standing: Option<&Standing>,
    ) -> Result<(Self, Option<Judge>), SealedError> {
        let mut author = Self::new(number, standing)?;
        let judge = judge(snap, pod, number, standing)?;
        let mut there = HashSet::new();
        let (lo, hi) = ends(pod, number);
        snap.scan(ORDER, &lo, Some(&hi), false, &mut |key, value| {
            let (seq, id, prev) = order_row(key, value);
            if judge.as_ref().is_none_or(|j| j.counts(&id)) {
                let follows = prev.is_some_and(|prev| there.contains(&prev));
                author.chain.insert(seq, id.0, prev.map(|p| p.0), follows);
                there.insert(id);
            }
            ControlFlow::Continue(())
        })?;
        if let Some(judge) = &judge {
            author.void.clone_from(judge.void());
        }
        Ok((author, judge))
    }

    /// Its row.
    pub fn save(&self, pod: PodNo, key: &PublicKey, batch: &mut Batch) -> Result<(), SealedError> {
        let saved = (self.chain.ends() <= MAX_ENDS).then(|| self.chain.clone());
        let row = Row(self.number, ByteArray::new(self.judged), saved);
        batch.put(AUTHORS, pod.author(key), codec::encode(&row)?);
        Ok(())
    }

    /// Writes down which commits do not count, where that is another set than before.
    pub fn save_void(&self, before: &BTreeSet<CommitId>, pod: PodNo, batch: &mut Batch) {
        for id in before.difference(&self.void) {
            batch.delete(VOID, pod.void(self.number, &id.0));
        }
        for id in self.void.difference(before) {
            batch.put(VOID, pod.void(self.number, &id.0), []);
        }
    }

    /// Bytes of memory, about.
    pub fn weight(&self) -> usize {
        256 + self.chain.ends() * 128 + self.void.len() * 48
    }
}

/// The judge over all commits of an author that are in the store, of which are passed on; none if all are.
pub(crate) fn judge(
    snap: &dyn Snap,
    pod: PodNo,
    number: u32,
    standing: Option<&Standing>,
) -> Result<Option<Judge>, SealedError> {
    if standing.is_some_and(Standing::may_write) {
        return Ok(None);
    }
    let mut judge = Judge::new(&standing.map(Standing::sought).unwrap_or_default());
    let (lo, hi) = ends(pod, number);
    snap.scan(ORDER, &lo, Some(&hi), false, &mut |key, value| {
        let (seq, id, prev) = order_row(key, value);
        judge.insert(&Link {
            author: PLACEHOLDER,
            seq,
            id,
            prev,
        });
        ControlFlow::Continue(())
    })?;
    Ok(Some(judge))
}

/// A judge is told of one key's commits only, and does not look at the key.
const PLACEHOLDER: PublicKey = PublicKey::Ed25519([0; 32]);

/// The ends of an author's keys.
pub(crate) fn ends(pod: PodNo, number: u32) -> ([u8; 12], [u8; 12]) {
    let key = |number: u32| {
        let mut key = [0; 12];
        key[..8].copy_from_slice(&pod.key());
        key[8..].copy_from_slice(&number.to_be_bytes());
        key
    };
    (key(number), key(number.saturating_add(1)))
}
