use crate::{
    Edit, Epochs, Fact, LeafBytes, Record, ReplicaError, Snapshot,
    apply::{Incoming, Outcome, apply},
    checkpoint::Checkpointer,
    edit,
    history::load,
    log::Log,
    snapshot::Inner,
    state::State,
    store::keyspace,
};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use rhizome_ipld::{PublicKey, Signed, SigningKey, Verified};
use rhizome_storage::{Batch, Durability, Kv};
use rhizome_tuple::{Commit, CommitId, Head, Hlc, Leaf, MAX_FRONTIER, MAX_LEAVES};
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// Leaves of one commit of an import.
const IMPORT_LEAVES: usize = 8192;
/// Tuples after which the indexes are written out.
const CHECKPOINT: u64 = 10_000;
/// Commits that may wait in memory.
const MAX_TAIL: usize = 4096;

/// A key that writes: its commits form one chain. Two writers never share one.
pub struct Author {
    /// The key of this process.
    pub key: SigningKey,
}

/// What a write or an arrival did to the current tuples.
pub struct Change {
    /// The moment before.
    pub before: Snapshot,
    /// The moment after. Numbers of entities, attributes and words of `before` mean the same here.
    pub after: Snapshot,
    /// Tuples that are new.
    pub added: Vec<Fact>,
    /// Tuples that are gone.
    pub removed: Vec<Fact>,
    /// True if memory was thrown away and read again from disk, after a failed write: then `added` and `removed` are not known, and
    /// whoever keeps results must compute them anew.
    pub reset: bool,
}

/// What became of a write.
#[derive(Clone)]
pub struct Written {
    /// Its commits, in order; none if the edits changed nothing.
    pub commits: Vec<CommitId>,
    /// How many tuples are new.
    pub added: usize,
    /// How many are gone.
    pub removed: usize,
}

type Listener = Box<dyn Fn(&Arc<Change>) + Send + Sync>;

/// One pod on one device.
pub struct Replica {
    pod: String,
    log: Log,
    current: ArcSwap<Inner>,
    writer: Mutex<Writer>,
    flushed: Mutex<Flushed>,
    listeners: RwLock<Vec<(u64, Listener)>>,
}

struct Writer {
    checkpointer: Checkpointer,
    since_checkpoint: u64,
    /// Counts how often memory was thrown away.
    generation: u64,
    next_listener: u64,
}

/// Commits below this number are durable.
struct Flushed {
    upto: u32,
}

impl Replica {
    /// Makes an empty replica of the pod in a store. `salt` is 32 random bytes; `authors` are the keys that may write, with the names
    /// in their certificates.
    ///
    /// # Errors
    /// [`ReplicaError::Exists`] if there is one already.
    pub fn create(
        kv: Arc<dyn Kv>,
        pod: &str,
        salt: [u8; 32],
        epochs: Epochs,
        authors: BTreeMap<PublicKey, String>,
    ) -> Result<Self, ReplicaError> {
        if Checkpointer::head(&*kv)?.is_some() {
            return Err(ReplicaError::Exists);
        }
        kv.commit(Checkpointer::create(pod, salt)?, Durability::Durable)?;
        Self::open(kv, epochs, authors)
    }

    /// Opens the replica in a store: reads the directory of the indexes and plays the commits since the last checkpoint.
    ///
    /// # Errors
    /// [`ReplicaError::Missing`] if there is none.
    pub fn open(
        kv: Arc<dyn Kv>,
        epochs: Epochs,
        authors: BTreeMap<PublicKey, String>,
    ) -> Result<Self, ReplicaError> {
        let head = Checkpointer::head(&*kv)?.ok_or(ReplicaError::Missing)?;
        let log = Log::new(Some(kv.clone()), Arc::new(epochs));
        let (checkpointer, state, played) = Self::load(&kv, &log, &head)?;
        let upto = state.commits.len();
        Ok(Self {
            pod: head.pod,
            current: ArcSwap::from_pointee(Inner {
                state,
                log: log.clone(),
                authors: Arc::new(authors),
            }),
            log,
            writer: Mutex::new(Writer {
                checkpointer,
                since_checkpoint: played,
                generation: 0,
                next_listener: 0,
            }),
            flushed: Mutex::new(Flushed { upto }),
            listeners: RwLock::default(),
        })
    }

    fn load(
        kv: &Arc<dyn Kv>,
        log: &Log,
        head: &crate::checkpoint::Head,
    ) -> Result<(Checkpointer, State, u64), ReplicaError> {
        let (checkpointer, mut state) = Checkpointer::open(kv, head)?;
        let mut last = None;
        kv.snapshot()?
            .scan(keyspace::LOG, &[], None, true, &mut |k, _| {
                last = k.first_chunk::<4>().map(|b| u32::from_be_bytes(*b));
                ControlFlow::Break(())
            })?;
        let mark = state.commits.len();
        let end = last.map_or(0, |l| l + 1);
        if end < mark {
            return Err(ReplicaError::Corrupt("the log ends before the checkpoint"));
        }
        let mut played = 0;
        let mut batch = Vec::new();
        for number in mark..end {
            let id = payload_id(&log.record(number)?.envelope)?;
            let incoming = load(log, number, id)?;
            played += incoming
                .leaves
                .iter()
                .flatten()
                .map(|l| l.1.len() as u64)
                .sum::<u64>();
            batch.push(incoming);
            if batch.len() == 1000 || number + 1 == end {
                apply(&mut state, log, &batch)?;
                batch.clear();
            }
        }
        Ok((checkpointer, state, played))
    }

    /// The DID of the pod.
    pub fn pod(&self) -> &str {
        &self.pod
    }

    /// The current moment.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.current.load_full();
        if now.state.store.failed() {
            self.try_again()
        } else {
            Snapshot(now)
        }
    }

    /// After a failed read: the same moment over a fresh view of the store, so that a fault that has passed does not stay for ever.
    fn try_again(&self) -> Snapshot {
        let now = self.current.load_full();
        if let (true, Some(kv)) = (now.state.store.failed(), &self.log.kv) {
            let mut state = now.state.clone();
            state.rebase(Arc::new(crate::store::BlockStore::new(kv.clone())));
            let inner = Arc::new(Inner {
                state,
                log: now.log.clone(),
                authors: now.authors.clone(),
            });
            // a writer that was faster has published something newer, which will be looked at in turn
            self.current.compare_and_swap(&now, inner);
        }
        Snapshot(self.current.load_full())
    }

    /// Lets a key write, under the name in its certificate.
    pub fn admit(&self, key: PublicKey, name: &str) {
        let _writer = self.writer.lock();
        let now = self.current.load_full();
        let mut authors = (*now.authors).clone();
        authors.insert(key, name.to_owned());
        let inner = Inner {
            state: now.state.clone(),
            log: now.log.clone(),
            authors: Arc::new(authors),
        };
        self.current.store(Arc::new(inner));
    }

    /// Calls `listener` with every change, in order, from within the write: it must be quick. Returns a number for
    /// [`Self::unlisten`] and the moment after which changes are reported.
    pub fn listen(
        &self,
        listener: impl Fn(&Arc<Change>) + Send + Sync + 'static,
    ) -> (u64, Snapshot) {
        let mut writer = self.writer.lock();
        writer.next_listener += 1;
        self.listeners
            .write()
            .push((writer.next_listener, Box::new(listener)));
        (writer.next_listener, self.snapshot())
    }

    /// Ends a subscription.
    pub fn unlisten(&self, number: u64) {
        self.listeners.write().retain(|l| l.0 != number);
    }

    /// Writes edits as one commit. With [`Durability::Durable`] it returns when the commit is on stable storage, together with what
    /// others wrote meanwhile; with `Relaxed`, once it is visible here.
    ///
    /// # Errors
    /// [`ReplicaError::NotSaved`] if the store could not take it: then the write did not happen, in memory neither.
    pub fn write(
        &self,
        author: &Author,
        edits: Vec<Edit>,
        now_ms: i64,
        nonce: [u8; 16],
        durability: Durability,
    ) -> Result<Written, ReplicaError> {
        let (written, generation, number) = {
            let mut writer = self.writer.lock();
            let before = self.snapshot();
            let leaves = edit::leaves(&before, edits)?;
            if leaves.is_empty() {
                return Ok(Written {
                    commits: Vec::new(),
                    added: 0,
                    removed: 0,
                });
            }
            if leaves.len() > MAX_LEAVES {
                return Err(ReplicaError::Edit(format!(
                    "one transaction may change {MAX_LEAVES} entities, not {}: split it",
                    leaves.len()
                )));
            }
            let header = self.header(&before, &author.key.public(), now_ms, nonce)?;
            let incoming = self.build(header, leaves, &author.key)?;
            let commits = vec![incoming.id];
            let change = self.admit_batch(&mut writer, vec![incoming])?;
            let written = Written {
                commits,
                added: change.added.len(),
                removed: change.removed.len(),
            };
            (written, writer.generation, change.after.commit_count())
        };
        if durability == Durability::Durable {
            self.flush_upto(generation, number)?;
        } else if self.log.tail.read().len() > MAX_TAIL {
            self.flush()?;
        }
        if self.writer.lock().since_checkpoint >= CHECKPOINT {
            match self.checkpoint() {
                // a durable write is safe in the log whatever becomes of the indexes; the next write tries again
                Err(_) if durability == Durability::Durable => {}
                other => other?,
            }
        }
        Ok(written)
    }

    /// Writes edits of an import: any number of entities, as few commits of many leaves. They become durable with the next
    /// [`Self::flush`] or [`Self::checkpoint`]; `random` fills a buffer with random bytes.
    pub fn import(
        &self,
        author: &Author,
        edits: Vec<Edit>,
        now_ms: i64,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<Written, ReplicaError> {
        let mut writer = self.writer.lock();
        let before = self.snapshot();
        let mut leaves = edit::leaves(&before, edits)?;
        if leaves.is_empty() {
            return Ok(Written {
                commits: Vec::new(),
                added: 0,
                removed: 0,
            });
        }
        let mut batch: Vec<Incoming> = Vec::new();
        while !leaves.is_empty() {
            let rest = leaves.split_off(leaves.len().min(IMPORT_LEAVES));
            let mut nonce = [0; 16];
            random(&mut nonce);
            let mut header = self.header(&before, &author.key.public(), now_ms, nonce)?;
            if let Some(last) = batch.last() {
                header.seq =
                    header
                        .seq
                        .checked_add(batch.len() as u64)
                        .ok_or(ReplicaError::Full(
                            "the chain of this key has no place left: use a new key",
                        ))?;
                header.prev = Some(last.id);
                header.hlc = Hlc::next(now_ms, last.header.hlc, Hlc::default());
                header.frontier.clear();
            }
            batch.push(self.build(header, leaves, &author.key)?);
            leaves = rest;
        }
        let commits = batch.iter().map(|i| i.id).collect();
        let change = self.admit_batch(&mut writer, batch)?;
        let size = change.after.len();
        let due = writer.since_checkpoint >= CHECKPOINT.max(size / 3);
        drop(writer);
        if due {
            self.checkpoint()?;
        } else {
            self.write_tail(Durability::Relaxed)?;
        }
        Ok(Written {
            commits,
            added: change.added.len(),
            removed: change.removed.len(),
        })
    }

    /// Takes commits that came from elsewhere: verifies each one and applies them together. Known ones are passed over. Returns the
    /// change, which is empty if all were known.
    ///
    /// # Errors
    /// The first commit that is not valid here; none of the batch is taken then.
    pub fn receive(&self, records: Vec<Record>) -> Result<Arc<Change>, ReplicaError> {
        let authors = self.current.load().authors.clone();
        let mut batch = Vec::with_capacity(records.len());
        for record in records {
            let verified = Signed::<Commit>::from_bytes(&record.envelope)?.verify()?;
            verified.check()?;
            if verified.pod != self.pod {
                return Err(ReplicaError::WrongPod {
                    found: verified.pod.clone(),
                    expected: self.pod.clone(),
                });
            }
            if !authors.contains_key(&verified.device) {
                return Err(ReplicaError::UnknownAuthor(verified.device));
            }
            record.check(&verified)?;
            batch.push(self.opened(verified, record)?);
        }
        let mut writer = self.writer.lock();
        self.admit_batch(&mut writer, batch)
    }

    /// Every commit after what `have` knows of each author, oldest first, at most `limit`: what another replica lacks.
    pub fn missing(
        &self,
        have: &BTreeMap<PublicKey, u64>,
        limit: usize,
    ) -> Result<Vec<Record>, ReplicaError> {
        let now = self.current.load_full();
        let mut out = Vec::new();
        for number in 0..now.state.commits.len() {
            if out.len() == limit {
                break;
            }
            let Some(meta) = now.state.meta(number) else {
                continue;
            };
            let known = now
                .state
                .devices
                .get(meta.device as usize)
                .and_then(|d| have.get(d));
            if known.is_none_or(|seq| meta.seq > *seq) {
                out.push((*now.log.record(number)?).clone());
            }
        }
        Ok(out)
    }

    /// Makes every commit so far durable.
    pub fn flush(&self) -> Result<(), ReplicaError> {
        let (generation, number) = (
            self.writer.lock().generation,
            self.snapshot().commit_count(),
        );
        self.flush_upto(generation, number)
    }

    /// Writes the indexes out and makes everything durable.
    pub fn checkpoint(&self) -> Result<(), ReplicaError> {
        let mut flushed = self.flushed.lock();
        let mut writer = self.writer.lock();
        let now = self.current.load_full();
        let mut batch = Batch::new();
        let upto = self.log_batch(&mut batch);
        let mut state = now.state.clone();
        match writer.checkpointer.save(&mut state, &self.log, batch) {
            Ok(()) => {}
            Err(e) => return Err(self.throw_away(&mut writer, &mut flushed, e)),
        }
        self.drop_tail(upto);
        flushed.upto = state.commits.len();
        writer.since_checkpoint = 0;
        self.current.store(Arc::new(Inner {
            state,
            log: now.log.clone(),
            authors: now.authors.clone(),
        }));
        Ok(())
    }

    fn flush_upto(&self, generation: u64, number: u32) -> Result<(), ReplicaError> {
        let mut flushed = self.flushed.lock();
        // whoever waited for the lock finds its commit written by the one before: group commit
        if flushed.upto >= number && self.writer.lock().generation == generation {
            return Ok(());
        }
        if self.writer.lock().generation != generation {
            return Err(ReplicaError::NotSaved(Arc::new(ReplicaError::Edit(
                "a write before this one could not be saved, and this one was taken back with it"
                    .into(),
            ))));
        }
        let mut batch = Batch::new();
        let upto = self.log_batch(&mut batch);
        if let Err(e) = self.kv()?.commit(batch, Durability::Durable) {
            let mut writer = self.writer.lock();
            return Err(self.throw_away(&mut writer, &mut flushed, e.into()));
        }
        self.drop_tail(upto);
        flushed.upto = flushed.upto.max(upto).max(number);
        Ok(())
    }

    fn write_tail(&self, durability: Durability) -> Result<(), ReplicaError> {
        let mut flushed = self.flushed.lock();
        let mut batch = Batch::new();
        let upto = self.log_batch(&mut batch);
        if let Err(e) = self.kv()?.commit(batch, durability) {
            let mut writer = self.writer.lock();
            return Err(self.throw_away(&mut writer, &mut flushed, e.into()));
        }
        self.drop_tail(upto);
        Ok(())
    }

    fn kv(&self) -> Result<&Arc<dyn Kv>, ReplicaError> {
        self.log.kv.as_ref().ok_or(ReplicaError::Missing)
    }

    fn log_batch(&self, batch: &mut Batch) -> u32 {
        let tail = self.log.tail.read();
        tail.iter()
            .for_each(|(number, record)| record.write(*number, batch));
        tail.last_key_value().map_or(0, |(n, _)| n + 1)
    }

    fn drop_tail(&self, upto: u32) {
        let mut tail = self.log.tail.write();
        *tail = tail.split_off(&upto);
    }

    /// After a failed write: forgets what is only in memory and reads the store again, so that memory never shows what disk lost.
    fn throw_away(
        &self,
        writer: &mut Writer,
        flushed: &mut Flushed,
        cause: ReplicaError,
    ) -> ReplicaError {
        let before = self.snapshot();
        self.log.tail.write().clear();
        writer.generation += 1;
        let again = || {
            let kv = self.kv()?;
            let head = Checkpointer::head(&**kv)?.ok_or(ReplicaError::Missing)?;
            Self::load(kv, &self.log, &head)
        };
        match again() {
            Ok((checkpointer, state, played)) => {
                flushed.upto = state.commits.len();
                writer.checkpointer = checkpointer;
                writer.since_checkpoint = played;
                let inner = Inner {
                    state,
                    log: self.log.clone(),
                    authors: before.0.authors.clone(),
                };
                self.current.store(Arc::new(inner));
                let change = Change {
                    before,
                    after: self.snapshot(),
                    added: Vec::new(),
                    removed: Vec::new(),
                    reset: true,
                };
                self.tell(&Arc::new(change));
                ReplicaError::NotSaved(Arc::new(cause))
            }
            Err(e) => e,
        }
    }

    fn tell(&self, change: &Arc<Change>) {
        self.listeners.read().iter().for_each(|(_, l)| l(change));
    }

    fn admit_batch(
        &self,
        writer: &mut Writer,
        batch: Vec<Incoming>,
    ) -> Result<Arc<Change>, ReplicaError> {
        let before = self.snapshot();
        let mut state = before.state().clone();
        let outcome: Outcome = apply(&mut state, &self.log, &batch)?;
        let first = outcome.first;
        let mut next = first;
        {
            let mut tail = self.log.tail.write();
            for incoming in &batch {
                // `apply` numbered the new ones in order
                if state.meta(next).is_some_and(|m| m.id == incoming.id) {
                    tail.insert(next, incoming.record.clone());
                    next += 1;
                }
            }
        }
        writer.since_checkpoint +=
            (outcome.added.len() + outcome.removed.len()) as u64 + u64::from(next - first);
        let inner = Inner {
            state,
            log: self.log.clone(),
            authors: before.0.authors.clone(),
        };
        self.current.store(Arc::new(inner));
        let (added, removed) = (outcome.added, outcome.removed);
        let change = Arc::new(Change {
            before,
            after: self.snapshot(),
            added,
            removed,
            reset: false,
        });
        if !change.added.is_empty() || !change.removed.is_empty() {
            self.tell(&change);
        }
        if outcome.erased.is_empty() {
            Ok(change)
        } else {
            self.forget(writer, &outcome.erased, change)
        }
    }

    /// Drops the bytes of erased leaves from the log, and makes the indexes anew, so that the dictionary forgets them too.
    fn forget(
        &self,
        writer: &mut Writer,
        erased: &[(u32, u32)],
        change: Arc<Change>,
    ) -> Result<Arc<Change>, ReplicaError> {
        let mut records: BTreeMap<u32, Record> = BTreeMap::new();
        for (number, leaf) in erased {
            let record = match records.entry(*number) {
                std::collections::btree_map::Entry::Occupied(r) => r.into_mut(),
                std::collections::btree_map::Entry::Vacant(v) => {
                    v.insert((*self.log.record(*number)?).clone())
                }
            };
            if let Some(l) = record.leaves.get_mut(*leaf as usize) {
                *l = LeafBytes::Erased(l.hash());
            }
        }
        {
            let mut tail = self.log.tail.write();
            records.into_iter().for_each(|(number, record)| {
                tail.insert(number, Arc::new(record));
            });
        }
        let fresh = self.snapshot().rebuilt(|_, _, _| true)?;
        let mut state = fresh.0.state.clone();
        state.rebase(Arc::new(crate::store::BlockStore::new(self.kv()?.clone())));
        writer.since_checkpoint = u64::MAX / 2;
        let inner = Inner {
            state,
            log: self.log.clone(),
            authors: self.current.load().authors.clone(),
        };
        self.current.store(Arc::new(inner));
        let reset = Change {
            before: change.before.clone(),
            after: self.snapshot(),
            added: Vec::new(),
            removed: Vec::new(),
            reset: true,
        };
        self.tell(&Arc::new(reset));
        Ok(change)
    }

    fn build(
        &self,
        header: Commit,
        leaves: Vec<Leaf>,
        key: &SigningKey,
    ) -> Result<Incoming, ReplicaError> {
        let (verified, sealed) = Commit::build(header, &leaves, self.log.epochs.current()?, key)?;
        let record = Record {
            envelope: verified.to_bytes(),
            leaves: sealed.into_iter().map(LeafBytes::Sealed).collect(),
        };
        let id = CommitId::from_cid(&verified.id())
            .ok_or(ReplicaError::Corrupt("a commit without a BLAKE3 id"))?;
        let leaves = leaves
            .into_iter()
            .map(|l| Some((l.entity, l.ops)))
            .collect();
        Ok(Incoming {
            id,
            header: verified.into_payload(),
            record: Arc::new(record),
            leaves,
        })
    }

    fn opened(&self, verified: Verified<Commit>, record: Record) -> Result<Incoming, ReplicaError> {
        let id = CommitId::from_cid(&verified.id())
            .ok_or(ReplicaError::Corrupt("a commit without a BLAKE3 id"))?;
        let header = verified.into_payload();
        let leaves = record
            .leaves
            .iter()
            .enumerate()
            .map(|(i, bytes)| self.log.epochs.open(&header, i as u32, bytes))
            .collect::<Result<_, _>>()?;
        Ok(Incoming {
            id,
            header,
            record: Arc::new(record),
            leaves,
        })
    }

    /// The header of the next commit of a chain, root and leaves still open.
    fn header(
        &self,
        now: &Snapshot,
        device: &PublicKey,
        now_ms: i64,
        nonce: [u8; 16],
    ) -> Result<Commit, ReplicaError> {
        if !now.0.authors.contains_key(device) {
            return Err(ReplicaError::UnknownAuthor(*device));
        }
        let state = now.state();
        let number = state
            .devices
            .iter()
            .position(|d| d == device)
            .map(|n| n as u32);
        let own = number.and_then(|n| state.heads.get(&n)).copied();
        let meta = own.and_then(|h| state.meta(h.commit));
        let frontier = state
            .heads
            .iter()
            .filter(|(d, head)| Some(**d) != number && own.is_none_or(|o| head.commit > o.commit))
            .filter_map(|(d, head)| {
                Some(Head(
                    *state.devices.get(*d as usize)?,
                    head.seq,
                    state.meta(head.commit)?.id,
                ))
            })
            .take(MAX_FRONTIER)
            .collect();
        Ok(Commit {
            v: 1,
            pod: self.pod.clone(),
            device: *device,
            seq: match own {
                None => 0,
                Some(h) => h.seq.checked_add(1).ok_or(ReplicaError::Full(
                    "the chain of this key has no place left: use a new key",
                ))?,
            },
            prev: meta.map(|m| m.id),
            frontier,
            hlc: Hlc::next(now_ms, meta.map_or(Hlc::default(), |m| m.hlc), state.clock),
            cap: None,
            nonce,
            root: [0; 32],
            leaves: 0,
        })
    }
}

/// The id of the commit in an envelope of our own log.
pub(crate) fn payload_id(envelope: &[u8]) -> Result<CommitId, ReplicaError> {
    Ok(CommitId(
        *blake3::hash(&crate::log::payload_of(envelope)?).as_bytes(),
    ))
}
