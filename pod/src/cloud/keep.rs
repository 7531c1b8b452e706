//! What is kept, and how much of it there may be.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
    sync::{Arc, OnceLock, Weak},
};

use rhizome_blob::SealedStore;
use rhizome_identity::Did;
use rhizome_ipld::SigningKey;
use rhizome_sealed::{Sealed, SealedOptions, Usage};
use rhizome_storage::RedbKv;
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

use super::{
    FOLLOWERS, STRANGERS, Shared,
    held::{Held, hold},
    inbox::Inboxes,
    invitations::{Invitations, Invite},
    pace::Pace,
};
use crate::{
    Grant, PodError,
    home::{make_private, now_ms, replace_file},
};

/// A pod that is kept, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Commits and certificates.
    pub usage: Usage,
    /// The views that it sponsors, which count in its quota.
    pub views: Vec<KeptView>,
    /// Files, those of its views included.
    pub blobs: u64,
    /// What they take, by [`rhizome_blob::cost`].
    pub blob_bytes: u64,
    /// Messages that wait for it; beside the quota.
    pub messages: usize,
    /// Their bytes.
    pub message_bytes: usize,
    /// Sessions that are open.
    pub connections: usize,
}

impl Kept {
    /// Bytes of all of it and of its views.
    pub fn all_bytes(&self) -> u64 {
        let views = self.views.iter().map(KeptView::bytes);
        self.bytes() + views.sum::<u64>()
    }

    /// Bytes of all of it but its views.
    pub fn bytes(&self) -> u64 {
        self.usage.commit_bytes + self.usage.certificate_bytes + self.blob_bytes
    }

    /// As commands print it.
    pub fn to_json(&self) -> Json {
        json!({
            "did": self.usage.did.to_string(),
            "bytes": self.bytes(),
            "quota": self.usage.quota,
            "commits": self.usage.commits,
            "commit_bytes": self.usage.commit_bytes,
            "certificates": self.usage.certificates,
            "certificate_bytes": self.usage.certificate_bytes,
            "blobs": self.blobs,
            "blob_bytes": self.blob_bytes,
            "messages": self.messages,
            "message_bytes": self.message_bytes,
            "since_ms": self.usage.since,
            "last_seen_ms": self.usage.last_activity,
            "connections": self.connections,
            "all_bytes": self.all_bytes(),
            "views": self.views.iter().map(KeptView::json).collect::<Vec<_>>(),
        })
    }
}

/// A view that is kept for a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptView {
    /// Commits and certificates.
    pub usage: Usage,
    /// Sessions that are open.
    pub connections: usize,
}

impl KeptView {
    /// Bytes of all of it; its files are among those of its sponsor.
    pub fn bytes(&self) -> u64 {
        self.usage.commit_bytes + self.usage.certificate_bytes
    }

    fn json(&self) -> Json {
        json!({
            "did": self.usage.did.to_string(),
            "bytes": self.bytes(),
            "commits": self.usage.commits,
            "commit_bytes": self.usage.commit_bytes,
            "certificates": self.usage.certificates,
            "certificate_bytes": self.usage.certificate_bytes,
            "since_ms": self.usage.since,
            "last_seen_ms": self.usage.last_activity,
            "connections": self.connections,
        })
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

fn directory_of(did: &Did) -> String {
    let name = did.to_string();
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

impl Shared {
    /// Opens what is kept in a directory. What a pod left behind whose removal was interrupted is deleted.
    pub fn open(directory: &Path, quota: u64) -> Result<Self, PodError> {
        let (hold, released) = hold();
        let kv = RedbKv::open(directory.join("sealed.redb"))?;
        let kv = Arc::new(Held::new(kv, &hold));
        let sealed = Sealed::open(kv, SealedOptions::default())?;
        while !sealed.sweep()? {}
        let shared = Self {
            key: None,
            sealed,
            inboxes: Inboxes::open(&directory.join("inbox.redb"))?,
            invitations: Invitations::open(directory.join("grants"))?,
            quota,
            blobs: directory.join("blobs"),
            open: super::Mutex::default(),
            turns: Arc::default(),
            pace: Pace::default(),
            watchers: Arc::default(),
            strangers: Semaphore::new(STRANGERS),
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            relay: OnceLock::new(),
            released: super::Mutex::new(Some(released)),
            _hold: hold,
        };
        let kept = shared.sealed.pods()?;
        let kept: HashSet<String> = kept.iter().map(|usage| directory_of(&usage.did)).collect();
        for entry in fs::read_dir(&shared.blobs).into_iter().flatten().flatten() {
            if !kept.contains(&*entry.file_name().to_string_lossy()) {
                delete(&entry.path())?;
            }
        }
        shared.sweep_inboxes()?;
        Ok(shared)
    }

    /// The standing invitation, which is good for everybody until it is revoked: made at the first start.
    pub fn standing(&self, path: &Path, peer: &SigningKey) -> Result<Option<Grant>, PodError> {
        let grant: Grant = match fs::read_to_string(path) {
            Ok(text) => text.trim().parse()?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let standing = Invite {
                    note: Some(STANDING.into()),
                    ..Invite::default()
                };
                let (grant, _) = self.invitations.invite(peer, standing, now_ms())?;
                replace_file(path, grant.to_string().as_bytes())?;
                grant
            }
            Err(error) => return Err(PodError::file(path, error)),
        };
        let root = grant.root().unwrap_or_default();
        let is_good = self.invitations.is_good(&root, now_ms());
        Ok(is_good.then_some(grant))
    }

    /// The pods that are kept, each with its views.
    pub fn kept(&self) -> Result<Vec<Kept>, PodError> {
        let (views, pods): (Vec<Usage>, Vec<Usage>) = self
            .sealed
            .pods()?
            .into_iter()
            .partition(|usage| usage.sponsor.is_some());
        let mut of: HashMap<Did, Vec<KeptView>> = HashMap::new();
        for usage in views {
            let connections = self.sealed.sessions(&usage.did);
            let sponsor = usage.sponsor.unwrap_or(usage.did);
            of.entry(sponsor)
                .or_default()
                .push(KeptView { usage, connections });
        }
        let each = pods.into_iter().map(|usage| {
            let (mut blobs, mut blob_bytes) = (0, 0);
            if self.blobs.join(directory_of(&usage.did)).exists() {
                let store = self.files(&usage.did, usage.quota)?;
                blob_bytes = store.usage().used;
                for blob in store.store().iter() {
                    blob?;
                    blobs += 1;
                }
            }
            let (messages, message_bytes) = self.inboxes.waiting(&usage.did, now_ms())?;
            Ok(Kept {
                views: of.remove(&usage.did).unwrap_or_default(),
                usage,
                blobs,
                blob_bytes,
                messages,
                message_bytes,
                connections: self.sealed.sessions(&usage.did),
            })
        });
        each.collect()
    }

    /// The files of a pod. One store at a time, however many ask.
    pub fn files(&self, did: &Did, quota: u64) -> Result<Arc<SealedStore>, PodError> {
        let mut open = self.open.lock();
        if let Some(store) = open.get(did).and_then(Weak::upgrade) {
            return Ok(store);
        }
        open.retain(|_, store| store.strong_count() > 0);
        make_private(&self.blobs)?;
        let directory = self.blobs.join(directory_of(did));
        let store = Arc::new(SealedStore::in_directory(directory, quota)?);
        open.insert(*did, Arc::downgrade(&store));
        Ok(store)
    }

    /// Changes how much a pod may take. Links that carry its files at the moment go on by the old measure.
    pub fn set_quota(&self, did: &Did, quota: u64) -> Result<(), PodError> {
        Ok(self.sealed.set_quota(did, quota)?)
    }

    /// Keeps a pod no longer, and deletes all that there is of it. Whether it was kept.
    pub fn forget(&self, did: &Did) -> Result<bool, PodError> {
        // first the door, then the files: who comes meanwhile is not let in
        let kept = self.sealed.remove(did)?;
        delete(&self.blobs.join(directory_of(did)))?;
        // those of its views too
        self.sweep_inboxes()?;
        Ok(kept)
    }
}

/// What the standing invitation is called.
const STANDING: &str = "standing: shown whenever the peer starts";
