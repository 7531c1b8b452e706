use crate::{
    Aid, Authors, Eid, Epochs, Fact, ReplicaError, Snapshot, Standing, authority::Sealed,
    checkpoint::Checkpointer, flush::Flushed, history::replay, log::Log, snapshot::Inner,
    state::State, store::keyspace,
};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_storage::{Durability, Kv};
use rhizome_tuple::{CommitId, EpochSecret};
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

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
    /// Where a list may be in another order, or hold an element more or less often, although no tuple came or went. May name more
    /// than that.
    pub lists: Vec<(Eid, Aid)>,
    /// True if memory was thrown away and made anew, after a failed write or an erasure: then all numbers are new, `added` and
    /// `removed` are not known, and whoever keeps results must compute them again.
    pub reset: bool,
}

impl Change {
    /// Whether everything reads as before.
    pub fn is_empty(&self) -> bool {
        !self.reset && self.added.is_empty() && self.removed.is_empty() && self.lists.is_empty()
    }
}

/// What became of a write.
#[derive(Clone, Default)]
pub struct Written {
    /// Its commits, in order; none if the edits changed nothing.
    pub commits: Vec<CommitId>,
    /// How many tuples are new.
    pub added: usize,
    /// How many are gone.
    pub removed: usize,
}

pub(crate) type Listener = Box<dyn Fn(&Arc<Change>) + Send + Sync>;

/// One pod on one device.
pub struct Replica {
    pub(crate) pod: String,
    pub(crate) log: Log,
    pub(crate) current: ArcSwap<Inner>,
    // Taken after `flushed` by everyone who takes both.
    pub(crate) writer: Mutex<Writer>,
    pub(crate) flushed: Mutex<Flushed>,
    pub(crate) listeners: RwLock<Vec<(u64, Listener)>>,
    /// Bytes of index blocks in memory above which a checkpoint lets go of them.
    pub(crate) resident: AtomicUsize,
}

/// [`Replica::set_resident`] unless set.
pub(crate) const RESIDENT: usize = 16 << 20;

pub(crate) struct Writer {
    pub(crate) checkpointer: Checkpointer,
    /// Whether the store may hold another checkpoint than `checkpointer` believes.
    pub(crate) uncertain: bool,
    pub(crate) since_checkpoint: u64,
    /// Counts how often memory was thrown away.
    pub(crate) generation: usize,
    pub(crate) next_listener: u64,
    /// The commits of sealed keys; read from the log when first needed.
    pub(crate) sealed: Option<Sealed>,
}

/// What a store was found to hold.
pub(crate) struct Loaded {
    pub(crate) checkpointer: Checkpointer,
    pub(crate) state: State,
    /// Operations since the checkpoint.
    pub(crate) played: u64,
}

impl Replica {
    /// Makes an empty replica of the pod in a store. `salt` is 32 random bytes; `authors` are the keys that may write, or might once.
    ///
    /// # Errors
    /// [`ReplicaError::Exists`] if there is one already.
    pub fn create(
        kv: Arc<dyn Kv>,
        pod: &str,
        salt: [u8; 32],
        epochs: Epochs,
        authors: impl Into<Authors>,
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
        authors: impl Into<Authors>,
    ) -> Result<Self, ReplicaError> {
        let authors = authors.into();
        let head = Checkpointer::head(&*kv)?.ok_or(ReplicaError::Missing)?;
        let log = Log::new(Some(kv), Arc::new(epochs));
        let Loaded {
            checkpointer,
            state,
            played,
        } = Self::load(&log, &head, &authors)?;
        Ok(Self {
            pod: head.pod,
            current: ArcSwap::from_pointee(Inner {
                state,
                log: log.clone(),
                authors: Arc::new(authors),
                orders: None,
            }),
            log,
            writer: Mutex::new(Writer {
                checkpointer,
                uncertain: false,
                since_checkpoint: played,
                generation: 0,
                next_listener: 0,
                sealed: None,
            }),
            flushed: Mutex::default(),
            listeners: RwLock::default(),
            resident: AtomicUsize::new(RESIDENT),
        })
    }

    /// Above how many bytes of index blocks in memory a checkpoint lets go of them; 16 MiB unless set. A tuple takes about 80 bytes.
    /// Blocks are read again when they are next needed, some 10 µs each; a snapshot keeps those it has.
    pub fn set_resident(&self, bytes: usize) {
        self.resident.store(bytes, Ordering::Relaxed);
    }

    /// Opens the replica in a store whose indexes are damaged: throws them away and makes them anew from the log.
    ///
    /// # Errors
    /// As [`Self::open`]; what is damaged in the log itself stays an error.
    pub fn rebuild(
        kv: Arc<dyn Kv>,
        epochs: Epochs,
        authors: impl Into<Authors>,
    ) -> Result<Self, ReplicaError> {
        Checkpointer::head(&*kv)?.ok_or(ReplicaError::Missing)?;
        kv.commit(Checkpointer::forget(&*kv)?, Durability::Durable)?;
        let replica = Self::open(kv, epochs, authors)?;
        replica.checkpoint()?;
        Ok(replica)
    }

    pub(crate) fn load(
        log: &Log,
        head: &crate::checkpoint::Head,
        authors: &Authors,
    ) -> Result<Loaded, ReplicaError> {
        let kv = log.kv.as_ref().ok_or(ReplicaError::Missing)?;
        let (mut checkpointer, mut state) = Checkpointer::open(kv, head)?;
        let mut last = None;
        kv.snapshot()?
            .scan(keyspace::LOG, &[], None, true, &mut |k, _| {
                last = k.first_chunk::<4>().map(|b| u32::from_be_bytes(*b));
                ControlFlow::Break(())
            })?;
        let end = last.map_or(0, |l| l.saturating_add(1));
        if end < state.commits.len() {
            return Err(ReplicaError::Corrupt("the log ends before the checkpoint"));
        }
        let sealed = Sealed::read(authors, &state, log, end)?;
        let void = sealed.void();
        if !void.range(..state.commits.len()).eq(state.void.iter()) {
            // since the last checkpoint it was learnt that other commits count
            let salt = state.salt;
            state = State::new(state.store, salt);
            checkpointer.stale = true;
        }
        state.void = Arc::new(void);
        state.voices = Arc::new(authors.voices());
        state.beyond = Arc::new(sealed.beyond());
        let played = replay(&mut state, log, end)?;
        Ok(Loaded {
            checkpointer,
            state,
            played: played.ops,
        })
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
                orders: None,
            });
            // a writer that was faster has published something newer, which will be looked at in turn
            self.current.compare_and_swap(&now, inner);
        }
        Snapshot(self.current.load_full())
    }

    /// Lets a key write, under the name in its certificate.
    ///
    /// # Errors
    /// As [`Self::set_authors`].
    pub fn admit(&self, key: PublicKey, name: &str) -> Result<(), ReplicaError> {
        let mut authors = (*self.current.load().authors).clone();
        authors.insert(key, Standing::active(name));
        self.set_authors(authors)
    }

    /// Replaces the secrets that open leaves; new ones are sealed under the last. Those known so far must be among them.
    pub fn set_epochs(&self, secrets: Vec<EpochSecret>) {
        let _writer = self.writer.lock();
        self.log.epochs.set(secrets);
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
}
