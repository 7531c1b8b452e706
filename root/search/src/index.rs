//! The index: what it knows, how it learns, and how it is asked.

mod ask;
mod store;

use std::{collections::BTreeSet, path::Path};

use parking_lot::Mutex;
use rhizome_replica::{Eid, Snapshot};
use tantivy::{IndexReader, IndexWriter, TantivyDocument};

use crate::{
    Found, Request, SearchError, Selects,
    document::Reader,
    fields::{ENTITY, FINGERPRINT, Fields},
    pending::Pending,
    scan,
};

/// Documents after which what was written is kept, while everything is indexed.
const KEEP_EVERY: usize = 100_000;
/// Entities that are written at once.
const AT_ONCE: usize = 50_000;
/// How often it is asked whether to go on.
const ASK_EVERY: usize = 1_024;

/// An index of the texts of one pod. May be used from any thread; one at a time writes.
pub struct Index {
    selects: Box<Selects>,
    fields: Fields,
    tantivy: tantivy::Index,
    reader: IndexReader,
    writer: Mutex<Option<IndexWriter>>,
    pending: Mutex<Pending>,
}

/// What catching up came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caught {
    /// Entities that were written anew, or for the first time.
    pub written: usize,
    /// Entities that were taken out.
    pub removed: usize,
}

impl Index {
    /// The index in a directory that belongs to it alone, made if there is none. One that cannot be read, or was written by another version, is
    /// thrown away. `selects` says of the name of an attribute whether its texts are searched.
    ///
    /// Nothing is found through it until [`Self::catch_up`]: until then every search looks through all texts.
    ///
    /// # Errors
    /// [`SearchError::Index`], [`SearchError::File`].
    pub fn open(
        directory: &Path,
        selects: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Self, SearchError> {
        let fields = Fields::new();
        let tantivy = store::open(directory, &fields)?;
        Self::over(tantivy, fields, Box::new(selects))
    }

    /// An index in memory.
    ///
    /// # Errors
    /// [`SearchError::Index`].
    pub fn in_memory(
        selects: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Self, SearchError> {
        let fields = Fields::new();
        let tantivy = store::in_memory(&fields);
        Self::over(tantivy, fields, Box::new(selects))
    }

    fn over(
        tantivy: tantivy::Index,
        fields: Fields,
        selects: Box<Selects>,
    ) -> Result<Self, SearchError> {
        Ok(Self {
            selects,
            fields,
            reader: store::reader(&tantivy)?,
            tantivy,
            writer: Mutex::default(),
            pending: Mutex::default(),
        })
    }

    /// Whether it is the index of just this moment, so that there is nothing to catch up with: looks at a few thousand numbers, not at the texts. If so, it is
    /// ready.
    ///
    /// # Errors
    /// [`SearchError::Index`].
    pub fn resume(&self, now: &Snapshot) -> Result<bool, SearchError> {
        let kept = self.tantivy.load_metas()?.payload;
        let mut pending = self.pending.lock();
        if !pending.ready && !pending.wipe && kept.is_some_and(|kept| kept == store::stamp(now)) {
            pending.ready = true;
            pending.told = now.commit_count();
        }
        Ok(pending.ready)
    }

    /// Entities were written to; `commits` is how many commits made the moment after. Cheap: for a listener within a write.
    pub fn touch(&self, entities: impl IntoIterator<Item = Eid>, commits: u32) {
        let mut pending = self.pending.lock();
        pending.new.extend(entities.into_iter().map(|e| e.0));
        pending.told = commits;
    }

    /// The numbers of entities are other ones, or a text is to be forgotten: the index is of no use until it has caught up again, and is then made of nothing but
    /// what there is.
    pub fn reset(&self) {
        let mut pending = self.pending.lock();
        pending.new.clear();
        pending.ready = false;
        pending.wipe = true;
    }

    /// How many entities the index does not know as they are now; `None` if it has to catch up first.
    pub fn behind(&self) -> Option<usize> {
        let pending = self.pending.lock();
        pending.ready.then(|| pending.len())
    }

    /// Bytes of its files.
    ///
    /// # Errors
    /// [`SearchError::File`].
    pub fn bytes(&self) -> Result<u64, SearchError> {
        Ok(self.reader.searcher().space_usage()?.total().get_bytes())
    }

    fn with_writer<R>(
        &self,
        work: impl FnOnce(&mut IndexWriter) -> Result<R, SearchError>,
    ) -> Result<R, SearchError> {
        let mut slot = self.writer.lock();
        let writer = match &mut *slot {
            Some(writer) => writer,
            empty => empty.insert(store::writer(&self.tantivy)?),
        };
        let done = work(writer);
        if done.is_err() {
            // what it holds is not known to be all of something: the next one begins with what is kept
            *slot = None;
            let mut pending = self.pending.lock();
            pending.ready = false;
            pending.writing.clear();
        }
        done
    }

    /// Compares all documents with the index and writes what differs, as long as `check` says true. Whatever happened to the index or to the pod since the
    /// index was last written, it says afterwards what the pod says. `now` gives the current moment; it is asked once.
    ///
    /// # Errors
    /// [`SearchError::Stopped`], [`SearchError::Index`], [`SearchError::Replica`]. What was written until then is kept.
    pub fn catch_up(
        &self,
        now: &dyn Fn() -> Snapshot,
        check: &dyn Fn() -> bool,
    ) -> Result<Caught, SearchError> {
        self.with_writer(|writer| {
            let wipe = {
                let mut pending = self.pending.lock();
                pending.ready = false;
                pending.new.clear();
                pending.writing.clear();
                std::mem::take(&mut pending.wipe)
            };
            if wipe {
                writer.delete_all_documents()?;
                store::commit(writer, None)?;
                self.reader.reload()?;
            }
            let now = now();
            let caught = self.difference(writer, &now, check)?;
            store::commit(writer, Some(&store::stamp(&now)))?;
            self.reader.reload()?;
            if wipe {
                writer.garbage_collect_files().wait()?;
            }
            let mut pending = self.pending.lock();
            if !pending.wipe {
                pending.ready = true;
                pending.told = pending.told.max(now.commit_count());
            }
            Ok(caught)
        })
    }

    /// Writes each document that the index has in another form, or not, and takes out those that are no more.
    fn difference(
        &self,
        writer: &mut IndexWriter,
        now: &Snapshot,
        check: &dyn Fn() -> bool,
    ) -> Result<Caught, SearchError> {
        let mut known = self.known(now)?;
        let mut caught = Caught::default();
        for e in std::mem::take(&mut known.strange) {
            writer.delete_term(self.fields.key(e));
            caught.removed += 1;
        }
        let (mut seen, mut failed) = (0_usize, None);
        let mut reader = Reader::new(now, &*self.selects);
        reader.all(|_, document| {
            seen += 1;
            if seen.is_multiple_of(ASK_EVERY) && !check() {
                failed = Some(SearchError::Stopped);
                return false;
            }
            let before = known.by_number.get_mut(document.e.0 as usize);
            let before = before.and_then(Option::take);
            if before == Some(document.fingerprint(now)) {
                return true;
            }
            if before.is_some() {
                writer.delete_term(self.fields.key(document.e.0));
            }
            let written = writer.add_document(self.fields.document(&document, now));
            caught.written += 1;
            let kept = match written {
                Ok(_) if caught.written.is_multiple_of(KEEP_EVERY) => store::commit(writer, None),
                written => written.map(drop),
            };
            failed = kept.err().map(SearchError::from);
            failed.is_none()
        });
        now.fault()?;
        match failed {
            Some(SearchError::Stopped) => {
                store::commit(writer, None)?;
                return Err(SearchError::Stopped);
            }
            Some(error) => return Err(error),
            None => {}
        }
        // those that no document was met of
        for (e, left) in known.by_number.iter().enumerate() {
            if left.is_some() {
                writer.delete_term(self.fields.key(e as u32));
                caught.removed += 1;
            }
        }
        Ok(caught)
    }

    /// What the index on disk knows.
    fn known(&self, now: &Snapshot) -> Result<Known, SearchError> {
        let mut out = Known {
            by_number: vec![None; now.entity_count() as usize],
            strange: BTreeSet::new(),
        };
        for segment in self.reader.searcher().segment_readers() {
            let entities = segment.fast_fields().u64(ENTITY)?;
            let fingerprints = segment.fast_fields().u64(FINGERPRINT)?;
            for doc in segment.doc_ids_alive() {
                let (Some(e), Some(fingerprint)) = (entities.first(doc), fingerprints.first(doc))
                else {
                    continue;
                };
                match out.by_number.get_mut(e as usize) {
                    Some(slot @ None) => *slot = Some(fingerprint as u32),
                    // there twice, or not an entity of this pod
                    _ => {
                        out.strange.insert(e as u32);
                    }
                }
            }
        }
        for e in &out.strange {
            if let Some(slot) = out.by_number.get_mut(*e as usize) {
                *slot = None;
            }
        }
        Ok(out)
    }

    /// Writes entities that were touched, as they are at the moment that `now` gives, which is asked once. Says whether some are left. Does nothing before the
    /// index has caught up.
    ///
    /// # Errors
    /// [`SearchError::Index`], [`SearchError::Replica`]; the index must then catch up again.
    pub fn write(&self, now: &dyn Fn() -> Snapshot) -> Result<bool, SearchError> {
        self.with_writer(|writer| {
            let batch = {
                let mut pending = self.pending.lock();
                if !pending.ready || pending.new.is_empty() {
                    return Ok(false);
                }
                let rest = match pending.new.iter().nth(AT_ONCE).copied() {
                    Some(at) => pending.new.split_off(&at),
                    None => BTreeSet::new(),
                };
                pending.writing = std::mem::replace(&mut pending.new, rest);
                pending.writing.clone()
            };
            let now = now();
            let mut reader = Reader::new(&now, &*self.selects);
            for e in batch {
                writer.delete_term(self.fields.key(e));
                if let Some(document) = reader.read(Eid(e)) {
                    let document: TantivyDocument = self.fields.document(&document, &now);
                    writer.add_document(document)?;
                }
            }
            now.fault()?;
            // it is the index of just this moment if nothing was written that is not in it: all that made the moment was told, and was part of the batch
            let whole = {
                let pending = self.pending.lock();
                pending.new.is_empty() && pending.told == now.commit_count()
            };
            let stamp = whole.then(|| store::stamp(&now));
            store::commit(writer, stamp.as_deref())?;
            self.reader.reload()?;
            let mut pending = self.pending.lock();
            pending.writing.clear();
            Ok(!pending.new.is_empty())
        })
    }

    /// Looks for something, as the moment `now` says it, as long as `check` says true. What it finds is so at that moment, whatever the index knows; what the
    /// index does not know yet is looked through one by one.
    ///
    /// # Errors
    /// [`SearchError::Stopped`], [`SearchError::Index`], [`SearchError::Replica`].
    pub fn search(
        &self,
        request: &Request<'_>,
        now: &Snapshot,
        check: &dyn Fn() -> bool,
    ) -> Result<Found, SearchError> {
        // before the searcher is taken: what is written in between is in both, and not in none
        let fresh = {
            let pending = self.pending.lock();
            pending.ready.then(|| pending.all())
        };
        match fresh {
            Some(fresh) => self.ask(request, now, &fresh, check),
            None => scan(request, now, &*self.selects, check),
        }
    }
}

/// What the index on disk knows: fingerprints by the number of the entity, and numbers that do not belong there.
struct Known {
    by_number: Vec<Option<u32>>,
    strange: BTreeSet<u32>,
}
