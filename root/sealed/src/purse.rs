//! What a pod and the views that it sponsors take together, and may.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use rhizome_storage::{Batch, Snap};

use crate::{
    SealedError,
    keys::{PODS, SPONSORS, id_of},
    row::PodRow,
};

/// Purses that are remembered before those that nobody uses are let go of.
const REMEMBERED: usize = 1024;
/// Rows of [`SPONSORS`]: this, sponsor, view → nothing.
const VIEWS_OF: u8 = 0;
/// Rows of [`SPONSORS`]: this, view → sponsor.
const SPONSOR_OF: u8 = 1;

type Digest = [u8; 32];

/// Bytes of commits and certificates of a pod and its views. Whoever writes for one of them while another one is written may go past the
/// quota by what they write at that moment.
#[derive(Debug)]
pub(crate) struct Purse {
    used: AtomicU64,
    quota: AtomicU64,
}

impl Purse {
    /// What is left for one that takes `own` bytes: its own included.
    pub fn allowed(&self, own: u64) -> u64 {
        let others = self.used.load(Ordering::Acquire).saturating_sub(own);
        self.quota.load(Ordering::Acquire).saturating_sub(others)
    }

    /// One of them takes another number of bytes now.
    pub fn change(&self, before: u64, after: u64) {
        self.used.fetch_add(after, Ordering::AcqRel);
        self.used.fetch_sub(before, Ordering::AcqRel);
    }

    pub fn set_quota(&self, quota: u64) {
        self.quota.store(quota, Ordering::Release);
    }
}

/// Those of pods that are in memory.
#[derive(Default)]
pub(crate) struct Purses(Mutex<HashMap<Digest, Weak<Purse>>>);

impl Purses {
    /// The one of a pod that is nobody's view. It is counted if none of its pods is in memory: nobody changes them then.
    pub fn of(
        &self,
        snap: impl FnOnce() -> Result<Arc<dyn Snap>, SealedError>,
        sponsor: &Digest,
    ) -> Result<Arc<Purse>, SealedError> {
        let mut all = self.0.lock();
        if let Some(purse) = all.get(sponsor).and_then(Weak::upgrade) {
            return Ok(purse);
        }
        // only now: what was written before is in it
        let snap = snap()?;
        let (mut used, mut quota) = (0u64, 0);
        if let Some(row) = snap.get(PODS, sponsor)? {
            let row = PodRow::decode(&row)?;
            (used, quota) = (row.used(), row.quota);
        }
        for view in views_of(&*snap, sponsor, usize::MAX)? {
            if let Some(row) = snap.get(PODS, &view)? {
                used = used.saturating_add(PodRow::decode(&row)?.used());
            }
        }
        let purse = Arc::new(Purse {
            used: AtomicU64::new(used),
            quota: AtomicU64::new(quota),
        });
        // as often as the map would grow
        if all.len() >= REMEMBERED && all.len() == all.capacity() {
            all.retain(|_, purse| purse.strong_count() > 0);
        }
        all.insert(*sponsor, Arc::downgrade(&purse));
        Ok(purse)
    }
}

impl Purses {
    /// Whoever hosts this pod again begins anew.
    pub fn forget(&self, sponsor: &Digest) {
        self.0.lock().remove(sponsor);
    }
}

fn of_sponsor(sponsor: &Digest) -> Vec<u8> {
    [&[VIEWS_OF], &sponsor[..]].concat()
}

fn of_view(view: &Digest) -> Vec<u8> {
    [&[SPONSOR_OF], &view[..]].concat()
}

/// The views that a pod sponsors, at most so many.
pub(crate) fn views_of(
    snap: &dyn Snap,
    sponsor: &Digest,
    most: usize,
) -> Result<Vec<Digest>, SealedError> {
    let prefix = of_sponsor(sponsor);
    let mut out = Vec::new();
    snap.scan(SPONSORS, &prefix, None, false, &mut |key, _| {
        if !key.starts_with(&prefix) || out.len() == most {
            return ControlFlow::Break(());
        }
        out.push(id_of(key));
        ControlFlow::Continue(())
    })?;
    Ok(out)
}

/// Who sponsors a pod, if it is a view.
pub(crate) fn sponsor_of(snap: &dyn Snap, view: &Digest) -> Result<Option<Digest>, SealedError> {
    let row = snap.get(SPONSORS, &of_view(view))?;
    Ok(row.and_then(|row| Digest::try_from(&row[..]).ok()))
}

/// All views, and who sponsors them.
pub(crate) fn sponsors(snap: &dyn Snap) -> Result<HashMap<Digest, Digest>, SealedError> {
    let mut out = HashMap::new();
    snap.scan(SPONSORS, &[SPONSOR_OF], None, false, &mut |key, row| {
        if let Ok(sponsor) = Digest::try_from(row) {
            out.insert(id_of(key), sponsor);
        }
        ControlFlow::Continue(())
    })?;
    Ok(out)
}

pub(crate) fn put(batch: &mut Batch, sponsor: &Digest, view: &Digest) {
    batch.put(SPONSORS, [&of_sponsor(sponsor)[..], view].concat(), []);
    batch.put(SPONSORS, of_view(view), sponsor);
}

pub(crate) fn delete(batch: &mut Batch, sponsor: &Digest, view: &Digest) {
    batch.delete(SPONSORS, [&of_sponsor(sponsor)[..], view].concat());
    batch.delete(SPONSORS, of_view(view));
}
