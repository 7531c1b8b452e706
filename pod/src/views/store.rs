//! Where all views of a home are: one store for what they hold, and a key store each.
//!
//! Each view has a number, never used twice, and its keys in the store begin with it. Number 0 is the list of them:
//!
//! ```text
//! 0  genesis digest → row
//! 1  genesis digest → what its peers had when it was closed, if nothing has happened since
//! 2  number → nothing: it is being made, or was removed; what there is of it is to be deleted
//! 3  "next" → the next number
//! 4  DID ‖ CID → nothing: the file came by this view
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use rhizome_identity::{Did, KeyStore};
use rhizome_ipld::{Cid, HashKind, PublicKey, codec};
use rhizome_storage::{
    Batch, Durability, KEYSPACES, Kv, PrefixedKv, RedbKv, RedbOptions, StorageError,
};
use zeroize::Zeroizing;

use super::{
    Seed, View,
    marks::{Mark, Marks},
    row::{Mask, Row},
};
use crate::{
    PodError,
    home::{make_private, random_bytes},
    lock::WriterLock,
};

const ROWS: u8 = 0;
const MARKS: u8 = 1;
const GONE: u8 = 2;
const HEAD: u8 = 3;
const CAME: u8 = 4;
const NEXT: &[u8] = b"next";
/// Views that stay open although nobody needs them at the moment: opening one takes time.
const RESTING: usize = 32;
/// Memory for pages of the store.
const CACHE: usize = 16 << 20;
/// Rows and bytes deleted in one batch.
const SWEEP: (usize, usize) = (4096, 4 << 20);
/// Bytes of what the peers of a view had.
const MAX_MARKS: usize = 1 << 20;

/// What all views of a home share.
pub(super) struct Store {
    kv: Arc<dyn Kv>,
    list: PrefixedKv,
    keys: PathBuf,
    passphrase: Zeroizing<String>,
    pub mask: Mask,
    /// Whoever gives out a number.
    numbers: Mutex<()>,
    /// Views that were opened for a moment, the last one at the end.
    resting: Mutex<VecDeque<Weak<View>>>,
    // last: everything above is done before another process may write
    _lock: Arc<WriterLock>,
}

fn digest(did: &Did) -> Result<&[u8; 32], PodError> {
    let none = || PodError::Request(format!("{did} is not a did:rhizome: a view has one"));
    did.genesis_digest().ok_or_else(none)
}

impl Store {
    pub fn open(
        home: &Path,
        passphrase: Zeroizing<String>,
        mask: Mask,
        lock: Arc<WriterLock>,
    ) -> Result<Self, PodError> {
        let keys = home.join("views");
        make_private(&keys)?;
        let mut options = RedbOptions::default();
        options.cache_bytes = CACHE;
        options.relaxed_bytes = CACHE / 4;
        let kv: Arc<dyn Kv> = Arc::new(RedbKv::open_with(home.join("views.redb"), options)?);
        let store = Self {
            list: PrefixedKv::new(Arc::clone(&kv), &0u64.to_be_bytes())?,
            kv,
            keys,
            passphrase,
            mask,
            numbers: Mutex::default(),
            resting: Mutex::default(),
            _lock: lock,
        };
        store.tidy()?;
        Ok(store)
    }

    /// Deletes what is left of views that were never finished, or were removed.
    fn tidy(&self) -> Result<(), PodError> {
        let mut gone = Vec::new();
        let snap = self.list.snapshot()?;
        snap.scan(GONE, &[], None, false, &mut |key, _| {
            gone.extend(<[u8; 8]>::try_from(key).map(u64::from_be_bytes));
            ControlFlow::Continue(())
        })?;
        drop(snap);
        for number in gone {
            self.sweep(number)?;
        }
        let kept: HashSet<String> = self
            .rows()?
            .values()
            .map(|r| r.keys().to_string())
            .collect();
        for entry in fs::read_dir(&self.keys).into_iter().flatten().flatten() {
            if !kept.contains(&*entry.file_name().to_string_lossy()) {
                delete(&entry.path())?;
            }
        }
        Ok(())
    }

    pub fn rows(&self) -> Result<BTreeMap<Did, Row>, PodError> {
        let mut raw = Vec::new();
        self.list
            .snapshot()?
            .scan(ROWS, &[], None, false, &mut |key, bytes| {
                if let Ok(digest) = <[u8; 32]>::try_from(key) {
                    raw.push((digest, bytes.to_vec()));
                }
                ControlFlow::Continue(())
            })?;
        let each = raw.into_iter().map(|(digest, bytes)| {
            let did = Did::from_genesis(&HashKind::Sha256.cid_of(digest))?;
            Ok((did, Row::from_bytes(&bytes)?))
        });
        each.collect()
    }

    pub fn put(&self, did: &Did, row: &Row) -> Result<(), PodError> {
        let mut batch = Batch::new();
        batch.put(ROWS, digest(did)?, row.to_bytes()?);
        batch.delete(GONE, row.number.to_be_bytes());
        batch.delete(GONE, row.keys().to_be_bytes());
        Ok(self.list.commit(batch, Durability::Durable)?)
    }

    /// A number for a new view. Until there is a row with it, what has it is deleted at the next opening.
    pub fn number(&self) -> Result<u64, PodError> {
        let _alone = self.numbers.lock();
        let next = self.list.snapshot()?.get(HEAD, NEXT)?;
        let next = next.and_then(|bytes| <[u8; 8]>::try_from(&bytes[..]).ok());
        let number = next.map_or(1, u64::from_be_bytes);
        let mut batch = Batch::new();
        batch.put(HEAD, NEXT, number.saturating_add(1).to_be_bytes());
        batch.put(GONE, number.to_be_bytes(), []);
        self.list.commit(batch, Durability::Durable)?;
        Ok(number)
    }

    /// Forgets a view; [`Self::sweep`] deletes what there is of it.
    pub fn forget(&self, did: &Did, number: u64) -> Result<(), PodError> {
        let mut batch = Batch::new();
        batch.delete(ROWS, digest(did)?);
        batch.delete(MARKS, digest(did)?);
        for key in self.came_keys(did)? {
            batch.delete(CAME, key);
        }
        batch.put(GONE, number.to_be_bytes(), []);
        Ok(self.list.commit(batch, Durability::Durable)?)
    }

    fn came_keys(&self, did: &Did) -> Result<Vec<Vec<u8>>, PodError> {
        let mut out = Vec::new();
        let first = digest(did)?;
        let mut last = *first;
        // the key after all that begin so; there is none after the last of all
        let end = last.iter().rposition(|b| *b != u8::MAX).map(|place| {
            last[place] += 1;
            last[place + 1..].fill(0);
            last
        });
        let end = end.as_ref().map(|end| &end[..]);
        let snap = self.list.snapshot()?;
        snap.scan(CAME, first, end, false, &mut |key, _| {
            out.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(out)
    }

    /// Files that came by a view.
    pub fn came(&self, did: &Did) -> Result<BTreeSet<Cid>, PodError> {
        let keys = self.came_keys(did)?.into_iter();
        let cids = keys.filter_map(|key| Cid::try_from(key.get(32..)?).ok());
        Ok(cids.collect())
    }

    /// Notes that a file came by a view.
    pub fn note_came(&self, did: &Did, cid: &Cid) -> Result<(), PodError> {
        let mut batch = Batch::new();
        let key = [&digest(did)?[..], &cid.to_bytes()].concat();
        batch.put(CAME, key, []);
        Ok(self.list.commit(batch, Durability::Relaxed)?)
    }

    /// Deletes all that has a number and is in no row.
    pub fn sweep(&self, number: u64) -> Result<(), PodError> {
        let all = PrefixedKv::new(Arc::clone(&self.kv), &number.to_be_bytes())?;
        loop {
            let snap = all.snapshot()?;
            let (mut batch, mut bytes) = (Batch::new(), 0);
            for keyspace in 0..KEYSPACES {
                snap.scan(keyspace, &[], None, false, &mut |key, value| {
                    if batch.len() >= SWEEP.0 || bytes >= SWEEP.1 {
                        return ControlFlow::Break(());
                    }
                    bytes += value.len();
                    batch.delete(keyspace, key);
                    ControlFlow::Continue(())
                })?;
            }
            drop(snap);
            if batch.is_empty() {
                break;
            }
            all.commit(batch, Durability::Relaxed)?;
        }
        delete(&self.key_directory(number))?;
        let mut batch = Batch::new();
        batch.delete(GONE, number.to_be_bytes());
        Ok(self.list.commit(batch, Durability::Durable)?)
    }

    /// Where the tuples of a view are.
    pub fn tuples(&self, number: u64) -> Result<Arc<dyn Kv>, StorageError> {
        let kv = PrefixedKv::new(Arc::clone(&self.kv), &number.to_be_bytes())?;
        Ok(Arc::new(kv))
    }

    fn key_directory(&self, number: u64) -> PathBuf {
        self.keys.join(number.to_string())
    }

    /// New keys of a view.
    pub fn make_keys(&self, number: u64, seed: &Seed) -> Result<KeyStore, PodError> {
        let (device, kem) = seed.secrets();
        Ok(KeyStore::create_with(
            &self.key_directory(number),
            &self.passphrase,
            device,
            kem,
            &mut random_bytes()?,
        )?)
    }

    pub fn open_keys(&self, number: u64) -> Result<KeyStore, PodError> {
        Ok(KeyStore::open(
            &self.key_directory(number),
            &self.passphrase,
        )?)
    }

    /// Deletes a key store that no row names any more; if that fails, the next opening does.
    pub fn drop_keys(&self, number: u64) {
        if let Err(error) = delete(&self.key_directory(number)) {
            tracing::warn!(%error, "a key store that is needed no more is still there");
        }
    }

    /// Closes a view some time later, when enough others were opened for a moment.
    pub fn rest(&self, view: &Arc<View>) -> Result<(), PodError> {
        let due = {
            let mut resting = self.resting.lock();
            let this = Arc::downgrade(view);
            resting.retain(|other| !other.ptr_eq(&this));
            resting.push_back(this);
            (resting.len() > RESTING).then(|| resting.pop_front())
        };
        if let Some(view) = due.flatten().and_then(|view| view.upgrade()) {
            view.close()?;
            if view.is_open() {
                // somebody has it: another time
                self.resting.lock().push_back(Arc::downgrade(&view));
            }
        }
        Ok(())
    }

    /// What was known of a view's peers when it was closed.
    pub fn marks(&self, did: &Did) -> Result<Marks, PodError> {
        let found = self.list.snapshot()?.get(MARKS, digest(did)?)?;
        let list: Option<Vec<(PublicKey, Mark)>> =
            found.and_then(|bytes| codec::decode(&bytes, MAX_MARKS).ok());
        Ok(Marks::of(list.unwrap_or_default()))
    }

    /// Says that something may happen to a view from now on. On stable storage before anything that happens.
    pub fn forget_marks(&self, did: &Did) -> Result<(), PodError> {
        let mut batch = Batch::new();
        batch.delete(MARKS, digest(did)?);
        Ok(self.list.commit(batch, Durability::Relaxed)?)
    }

    /// Notes what is known of a view's peers, once nothing can happen to it any more.
    pub fn keep_marks(&self, did: &Did, marks: &[(PublicKey, Mark)]) -> Result<(), PodError> {
        let bytes = codec::encode(marks).map_err(|e| PodError::Peer(e.to_string()))?;
        let mut batch = Batch::new();
        batch.put(MARKS, digest(did)?, bytes);
        Ok(self.list.commit(batch, Durability::Relaxed)?)
    }
}

fn delete(directory: &Path) -> Result<(), PodError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PodError::file(directory, error))
        }
        _ => Ok(()),
    }
}
