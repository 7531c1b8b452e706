//! An app that showed its token, and what it may do.

use std::{sync::Arc, time::Instant};

use rhizome_ipld::Cid;
use rhizome_replica::Snapshot;
use rhizome_storage::Durability;
use rhizome_view::Power;
use serde_json::Value as Json;

use super::{
    AppGrant, AppView, Doing,
    desk::Here,
    view::names_blob,
    write::{may_say, may_write},
};
use crate::{
    Pod, PodError, Receipt,
    home::{now_ms, random_bytes},
    json::Change,
    transact::plan,
};

/// Files that an app has brought and not named yet.
const MAX_BROUGHT: usize = 1000;

/// An app that showed its token.
#[derive(Clone)]
pub(crate) struct Caller {
    pod: Arc<Pod>,
    grant: Arc<AppGrant>,
    here: Arc<Here>,
}

impl Caller {
    pub(super) fn new(pod: &Arc<Pod>, here: Arc<Here>, grant: AppGrant) -> Self {
        Self {
            pod: Arc::clone(pod),
            grant: Arc::new(grant),
            here,
        }
    }

    /// What it may do.
    pub fn grant(&self) -> &AppGrant {
        &self.grant
    }

    /// Notes that it did something.
    pub fn note(&self, kind: Doing, note: Option<&str>) {
        self.here.activity.note(kind, note);
    }

    /// What it sees; read when first needed.
    pub fn view(&self) -> Result<Arc<AppView>, PodError> {
        let mut here = self.here.view.lock();
        if let Some((view, at)) = &mut *here {
            *at = Instant::now();
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(AppView::open(self.pod.replica(), &self.grant)?);
        *here = Some((Arc::clone(&view), Instant::now()));
        Ok(view)
    }

    /// Does something that takes time, if there is some left.
    pub fn compute<T>(
        &self,
        work: impl FnOnce(&Snapshot) -> Result<T, PodError>,
    ) -> Result<T, PodError> {
        self.here.budget.compute()?;
        let view = self.view()?;
        let started = Instant::now();
        let done = view.now().and_then(|now| work(&now));
        self.here.budget.took(started.elapsed());
        done
    }

    /// The pod's DID.
    pub fn pod(&self) -> &str {
        self.pod.did()
    }

    /// The file, if a tuple that the app sees names it.
    pub fn blob(&self, cid: &Cid) -> Result<rhizome_blob::Blob, PodError> {
        let named = self.compute(|now| Ok(names_blob(now, cid)))?;
        if !named && !self.here.brought.lock().contains(cid) {
            // the same whether there is such a file or not
            return Err(rhizome_blob::BlobError::Missing(*cid).into());
        }
        Ok(self.pod.blobs().open(cid)?)
    }

    /// Takes a file that the app brings.
    pub fn bring(&self, bytes: &[u8]) -> Result<Cid, PodError> {
        self.here.budget.write(0, bytes.len() as u64)?;
        let mut brought = self.here.brought.lock();
        if brought.len() >= MAX_BROUGHT {
            return Err(PodError::Request(format!(
                "{MAX_BROUGHT} files were brought and are named by no tuple yet: write some first"
            )));
        }
        let cid = self.pod.blobs().put_bytes(bytes)?;
        brought.insert(cid);
        Ok(cid)
    }

    /// Writes: all of it or nothing. It is to be seen by the next question.
    pub fn transact(&self, changes: &[Change], bytes: usize) -> Result<Receipt, PodError> {
        self.here.budget.write(changes.len() as u64, bytes as u64)?;
        let view = self.view()?;
        let started = Instant::now();
        let done = self.write(&view, changes);
        self.here.budget.took(started.elapsed());
        done
    }

    fn write(&self, view: &AppView, changes: &[Change]) -> Result<Receipt, PodError> {
        let mut random = random_bytes()?;
        let (edits, made) = plan(self.pod.did(), changes, &mut random)?;
        let brought = self.here.brought.lock().clone();
        may_say(&view.now()?, &edits, &|cid| brought.contains(cid))?;
        let mut nonce = [0; 16];
        random(&mut nonce);
        let author = self.pod.author_named(&self.grant.process())?;
        let check = |now: &Snapshot, edits: &[rhizome_replica::Edit]| {
            // it may have been sent away while this was under way
            let grant = AppGrant::read(now, self.grant.entity);
            if !grant.is_some_and(|grant| grant.is_good()) {
                return Err(PodError::NotGranted("you were sent away".into()));
            }
            may_write(now, &self.grant.scopes, edits)
        };
        let when = (now_ms(), nonce);
        let written =
            self.pod
                .replica()
                .write_if(&author, edits, when, Durability::Durable, check)?;
        let now = view.now()?;
        let named = |cid: &Cid| names_blob(&now, cid);
        self.here.brought.lock().retain(|cid| !named(cid));
        Ok(Receipt {
            commit: written.commits.first().copied(),
            entities: made,
            added: written.added,
            removed: written.removed,
        })
    }

    /// Proposes changes to the owner.
    pub fn propose(&self, changes: &Json, comment: &str) -> Result<(), PodError> {
        let may = self.grant.scopes.iter().any(|s| s.power >= Power::Propose);
        if !may {
            return Err(PodError::NotGranted(
                "you may look, not propose: ask again for a scope with \"can\": \"propose\"".into(),
            ));
        }
        // what cannot be read is said now
        let parsed = crate::json::parse_changes(changes)?;
        let size = changes.to_string().len() + comment.len();
        self.here.budget.write(parsed.len() as u64, size as u64)?;
        self.pod.note_app_proposal(&self.grant, changes, comment)
    }

    /// Gives up what it may do.
    pub fn leave(&self) -> Result<(), PodError> {
        self.pod.revoke_app(&self.grant.id).map(drop)
    }
}
