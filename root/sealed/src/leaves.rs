//! Leaves as they are stored: read in pieces, filled in, dropped.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, ControlFlow, RangeBounds},
};

use rhizome_ipld::{PublicKey, codec};
use rhizome_replica::{LeafBytes, LogPart, PartView};
use rhizome_storage::{Batch, Durability, MAX_VALUE_LEN, Snap};
use rhizome_sync::{Leaf, set::Id};
use rhizome_tuple::leaf_hash;

use crate::{
    SealedError, SealedPod,
    keys::{FORGOTTEN, HOLES, LOG, LOG_KEY, Place, PodNo, id_of, u32_at},
    pod::State,
    row::PodRow,
};

const DAMAGED: SealedError = SealedError::Corrupt("a part of a commit is missing or malformed");

/// A commit's envelope, if the first leaf is among those asked for, and leaves from `first` on: as many as there are in `budget`
/// bytes, at least one. The envelope does not count.
pub(crate) fn read(
    snap: &dyn Snap,
    pod: PodNo,
    place: &Place,
    first: u32,
    budget: usize,
) -> Result<(Vec<u8>, Vec<Leaf>), SealedError> {
    let mut begin = 0;
    if first > 0 {
        let (lo, hi) = (pod.log(place.number, 0), pod.log(place.number, first + 1));
        snap.scan(LOG, &lo, Some(&hi), true, &mut |key, _| {
            begin = u32_at(key, 16);
            ControlFlow::Break(())
        })?;
    }
    let (lo, hi) = (pod.log(place.number, begin), pod.log(place.number + 1, 0));
    let (mut envelope, mut leaves, mut left) = (Vec::new(), Vec::new(), budget);
    let (mut bad, mut next) = (false, begin);
    snap.scan(LOG, &lo, Some(&hi), false, &mut |key, part| {
        let view = PartView::read(u32_at(key, 16), part).filter(|v| v.places().start == next);
        let Some(view) = view else {
            bad = true;
            return ControlFlow::Break(());
        };
        next = view.places().end;
        if let Some(bytes) = view.envelope() {
            envelope = bytes.to_vec();
        }
        for at in view.places().filter(|at| *at >= first) {
            let leaf = match view.leaf(at) {
                Some(LeafBytes::Sealed(bytes)) => Leaf::Sealed(bytes),
                Some(LeafBytes::Erased(hash)) => Leaf::Erased(hash),
                None => {
                    bad = true;
                    return ControlFlow::Break(());
                }
            };
            if leaf.size() > left && !leaves.is_empty() {
                return ControlFlow::Break(());
            }
            left = left.saturating_sub(leaf.size());
            leaves.push(leaf);
        }
        ControlFlow::Continue(())
    })?;
    if bad || (leaves.is_empty() && first < place.leaves) {
        return Err(DAMAGED);
    }
    Ok((envelope, leaves))
}

/// A list of places.
pub(crate) fn places(
    snap: &dyn Snap,
    keyspace: u8,
    pod: PodNo,
    id: &Id,
) -> Result<BTreeSet<u32>, SealedError> {
    match snap.get(keyspace, &pod.with(id))? {
        Some(row) => read_places(&row),
        None => Ok(BTreeSet::new()),
    }
}

pub(crate) fn read_places(row: &[u8]) -> Result<BTreeSet<u32>, SealedError> {
    let places: Vec<u32> = codec::decode(row, MAX_VALUE_LEN)
        .map_err(|_| SealedError::Corrupt("a list of leaves is malformed"))?;
    Ok(places.into_iter().collect())
}

pub(crate) fn put_places(
    batch: &mut Batch,
    keyspace: u8,
    pod: PodNo,
    id: &Id,
    places: &BTreeSet<u32>,
) -> Result<(), SealedError> {
    if places.is_empty() {
        batch.delete(keyspace, pod.with(id));
    } else {
        let places: Vec<u32> = places.iter().copied().collect();
        batch.put(keyspace, pod.with(id), codec::encode(&places)?);
    }
    Ok(())
}

/// What is to become of leaves, by their places.
type Changes = BTreeMap<u32, LeafBytes>;

/// Rewrites the parts in which something changes. Returns by how much the log grows.
fn rewrite(
    snap: &dyn Snap,
    pod: PodNo,
    place: &Place,
    mut changes: Changes,
    batch: &mut Batch,
) -> Result<i64, SealedError> {
    let mut grown = 0i64;
    while let Some((at, _)) = changes.first_key_value() {
        let (lo, hi) = (
            pod.log(place.number, 0),
            pod.log(place.number, at.saturating_add(1)),
        );
        let mut found: Option<(u32, Vec<u8>)> = None;
        snap.scan(LOG, &lo, Some(&hi), true, &mut |key, part| {
            found = Some((u32_at(key, 16), part.to_vec()));
            ControlFlow::Break(())
        })?;
        let (first, part) = found.ok_or(DAMAGED)?;
        let view = PartView::read(first, &part).ok_or(DAMAGED)?;
        let mut leaves = Vec::with_capacity(view.places().len());
        let mut any = false;
        for at in view.places() {
            let changed = changes.remove(&at);
            any |= changed.is_some();
            leaves.push(changed.or_else(|| view.leaf(at)).ok_or(DAMAGED)?);
        }
        if !any {
            return Err(SealedError::UnknownLeaf);
        }
        grown -= part.len() as i64;
        for part in LogPart::cut(view.envelope().unwrap_or_default(), first, &leaves, LOG_KEY) {
            grown += part.bytes.len() as i64;
            batch.put(LOG, pod.log(place.number, part.first), part.bytes);
        }
    }
    Ok(grown)
}

/// Fills in bytes of leaves that are wanted; the others of `bytes` are passed over. `None` if a hash is wrong or a place is none.
/// Returns whether anything was filled in; not if there is no room.
pub(crate) fn fill(
    snap: &dyn Snap,
    (row, allowed): (&mut PodRow, u64),
    id: &Id,
    place: &Place,
    bytes: Vec<(u32, Vec<u8>)>,
    batch: &mut Batch,
) -> Result<Option<bool>, SealedError> {
    let pod = row.number;
    let mut wanted = places(snap, HOLES, pod, id)?;
    let mut changes = Changes::new();
    for (at, bytes) in bytes {
        if at >= place.leaves {
            return Ok(None);
        }
        if !wanted.contains(&at) {
            continue;
        }
        let (_, here) = read(snap, pod, place, at, 1)?;
        match here.first() {
            Some(Leaf::Erased(hash)) if *hash == leaf_hash(&bytes) => {
                changes.insert(at, LeafBytes::Sealed(bytes));
            }
            _ => return Ok(None),
        }
    }
    if changes.is_empty() {
        return Ok(Some(false));
    }
    wanted.retain(|at| !changes.contains_key(at));
    let mut more = Batch::new();
    let grown = rewrite(snap, pod, place, changes, &mut more)?;
    let after = row.commit_bytes.saturating_add_signed(grown);
    if grown > 0 && after.saturating_add(row.certificate_bytes) > allowed {
        return Ok(Some(false));
    }
    row.commit_bytes = after;
    put_places(&mut more, HOLES, pod, id, &wanted)?;
    batch.append(&more);
    Ok(Some(true))
}

/// Commits that are changed in one write.
const AT_ONCE: usize = 64;

/// Makes just these leaves of a commit forgotten: those that are new there lose their bytes, of those that are there no more the bytes are
/// wanted. Returns by how much the log grows.
fn settle(
    snap: &dyn Snap,
    pod: PodNo,
    id: &Id,
    erased: &BTreeSet<u32>,
    batch: &mut Batch,
) -> Result<i64, SealedError> {
    let Some(place) = crate::take::place(snap, pod, id)? else {
        return Ok(0);
    };
    if erased.last().is_some_and(|last| *last >= place.leaves) {
        return Err(SealedError::UnknownLeaf);
    }
    let forgotten = places(snap, FORGOTTEN, pod, id)?;
    if forgotten == *erased {
        return Ok(0);
    }
    let mut wanted = places(snap, HOLES, pod, id)?;
    let mut changes = Changes::new();
    for at in erased.difference(&forgotten) {
        wanted.remove(at);
        if let Some(Leaf::Sealed(bytes)) = one(snap, pod, &place, *at)? {
            changes.insert(*at, LeafBytes::Erased(leaf_hash(&bytes)));
        }
    }
    for at in forgotten.difference(erased) {
        if let Some(Leaf::Erased(_)) = one(snap, pod, &place, *at)? {
            wanted.insert(*at);
        }
    }
    let grown = rewrite(snap, pod, &place, changes, batch)?;
    put_places(batch, HOLES, pod, id, &wanted)?;
    put_places(batch, FORGOTTEN, pod, id, erased)?;
    Ok(grown)
}

fn one(snap: &dyn Snap, pod: PodNo, place: &Place, at: u32) -> Result<Option<Leaf>, SealedError> {
    Ok(read(snap, pod, place, at, 1)?.1.into_iter().next())
}

impl SealedPod {
    /// Drops the bytes of leaves and keeps their hashes, because a device says that they were erased: a sealed peer cannot see it.
    /// `by` is a device key that the caller has authenticated. Of the commits with ids in `range`, those in `erased` are all there are: of others
    /// that were dropped before the bytes are wanted again, since what erased them has turned out to be void. Nobody's copy of what is erased is taken. What is said of
    /// commits that are not here is passed over. Returns how many bytes the log has less.
    ///
    /// # Errors
    /// [`SealedError::NotADevice`], [`SealedError::UnknownLeaf`] (what was done before stays done); those of the store.
    pub fn set_erased(
        &self,
        by: &PublicKey,
        range: (Bound<Id>, Bound<Id>),
        erased: &BTreeMap<Id, BTreeSet<u32>>,
        now: u64,
    ) -> Result<u64, SealedError> {
        let pod = self.state().row.number;
        let mut ids: BTreeSet<Id> = erased.keys().copied().collect();
        let from = match &range.0 {
            Bound::Included(id) | Bound::Excluded(id) => pod.with(id).to_vec(),
            Bound::Unbounded => pod.key().to_vec(),
        };
        self.snapshot()?
            .scan(FORGOTTEN, &from, Some(&pod.end()), false, &mut |key, _| {
                let id = id_of(key);
                if range.contains(&id) {
                    ids.insert(id);
                    return ControlFlow::Continue(());
                }
                match range.1 {
                    Bound::Included(last) | Bound::Excluded(last) if id > last => {
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                }
            })?;
        let (ids, nothing) = (Vec::from_iter(ids), BTreeSet::new());
        let mut less = 0;
        for some in ids.chunks(AT_ONCE) {
            let mut writer = self.writer()?;
            if !self.admits(by) {
                return Err(SealedError::NotADevice(*by));
            }
            let snap = self.snapshot()?;
            let mut next = State::clone(&self.state());
            let mut batch = Batch::new();
            let mut grown = 0;
            for id in some {
                let erased = erased.get(id).unwrap_or(&nothing);
                grown += settle(&*snap, next.row.number, id, erased, &mut batch)?;
            }
            if batch.is_empty() {
                continue;
            }
            next.row.commit_bytes = next.row.commit_bytes.saturating_add_signed(grown);
            next.row.last_activity = now.max(next.row.last_activity);
            self.save(&mut writer, next, batch, Durability::Durable)?;
            less += grown.min(0).unsigned_abs();
        }
        Ok(less)
    }
}
