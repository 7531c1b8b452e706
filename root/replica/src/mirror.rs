//! Tuples in memory that follow something else.

use crate::{
    Aid, Change, Eid, ReplicaError, Snapshot, Tree, Word,
    apply::say,
    block::Layout,
    log::{Epochs, Log},
    replica::Listener,
    snapshot::Inner,
    state::State,
    store::BlockStore,
    table::Table,
};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use rhizome_tuple::{Attribute, EntityId, Value};
use std::sync::Arc;

/// The values of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Spoken {
    /// In no order, each once.
    Values(Vec<Value>),
    /// In this order, some more than once perhaps.
    List(Vec<Value>),
}

/// All that is said of an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Of which.
    pub entity: EntityId,
    /// Each attribute at most once; none at all if there is no such entity any more.
    pub values: Vec<(Attribute, Spoken)>,
}

/// Tuples in memory, without commits, authors and history, that say what somebody makes them say: a part of a pod, or several pods as one. Queries run on a moment of it
/// ([`Self::snapshot`]) and follow its changes ([`Self::listen`]) as with a [`crate::Replica`].
///
/// It has a dictionary of its own: nothing about it, numbers and timing included, depends on what it was not told.
pub struct Mirror {
    current: ArcSwap<Inner>,
    /// The number of the next listener.
    writer: Mutex<u64>,
    listeners: RwLock<Vec<(u64, Listener)>>,
}

/// The lists of a mirror.
#[derive(Clone)]
pub(crate) struct Orders {
    /// (entity, attribute), with the number of its order as payload.
    pub tree: Tree,
    kept: Table,
    /// What is not in it is as the log says; an empty list is none.
    partial: bool,
}

/// Bytes of a word.
const WORD: usize = 9;

impl Orders {
    fn new(store: &Arc<BlockStore>) -> Self {
        Self {
            tree: Tree::new(Layout::Halves, true, Arc::clone(store)),
            kept: Table::new(Arc::clone(store)),
            partial: false,
        }
    }

    /// Of a replica, with some lists that are others than its log says.
    pub fn over(store: &Arc<BlockStore>) -> Self {
        Self {
            partial: true,
            ..Self::new(store)
        }
    }

    /// Whether the log may be asked about what is not in it.
    pub fn is_over(&self) -> bool {
        self.partial
    }

    pub fn get(&self, e: Eid, a: Aid) -> Option<Vec<Word>> {
        let number = self.tree.get(State::knot_key(e, a))?;
        let number = u32::try_from(number).ok()?;
        self.kept.with(number, |bytes| {
            let words = bytes.chunks_exact(WORD).filter_map(|word| {
                let (tag, bits) = word.split_first()?;
                let bits = u64::from_be_bytes(bits.try_into().ok()?);
                Some(Word { tag: *tag, bits })
            });
            words.collect()
        })
    }

    /// Gives an order a number.
    pub fn push(&mut self, words: &[Word]) -> Result<u32, ReplicaError> {
        let mut bytes = Vec::with_capacity(words.len() * WORD);
        for word in words {
            bytes.push(word.tag);
            bytes.extend_from_slice(&word.bits.to_be_bytes());
        }
        self.kept.push(&bytes)
    }
}

impl Mirror {
    /// An empty one. `salt` is 32 random bytes, so that nobody can choose strings that collide in it.
    pub fn new(salt: [u8; 32]) -> Self {
        let store = Arc::new(BlockStore::default());
        let orders = Orders::new(&store);
        Self {
            current: ArcSwap::from_pointee(Inner {
                state: State::new(store, salt),
                log: Log::new(None, Arc::new(Epochs::new(Vec::new()))),
                authors: Arc::default(),
                orders: Some(orders),
            }),
            writer: Mutex::default(),
            listeners: RwLock::default(),
        }
    }

    /// Its current moment.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.current.load_full())
    }

    /// Makes each of these entities have what is said of it, and nothing else; others stay as they are. Each is to be there once.
    ///
    /// # Errors
    /// [`ReplicaError::Full`] beyond what fits into it. Then nothing has changed.
    pub fn say(&self, all: &[Said]) -> Result<Arc<Change>, ReplicaError> {
        let _writer = self.writer.lock();
        let before = self.snapshot();
        let mut state = before.0.state.clone();
        let mut orders = before.0.orders.clone();
        let orders = orders.get_or_insert_with(|| Orders::new(&state.store));
        let outcome = say(&mut state, orders, all)?;
        let after = Snapshot(Arc::new(Inner {
            state,
            log: before.0.log.clone(),
            authors: Arc::clone(&before.0.authors),
            orders: Some(orders.clone()),
        }));
        let change = Arc::new(Change {
            before,
            after,
            added: outcome.added,
            removed: outcome.removed,
            lists: outcome.lists,
            reset: false,
        });
        self.current.store(Arc::clone(&change.after.0));
        if !change.is_empty() {
            self.listeners.read().iter().for_each(|(_, l)| l(&change));
        }
        Ok(change)
    }

    /// As [`crate::Replica::listen`].
    pub fn listen(
        &self,
        listener: impl Fn(&Arc<Change>) + Send + Sync + 'static,
    ) -> (u64, Snapshot) {
        let mut next = self.writer.lock();
        *next += 1;
        self.listeners.write().push((*next, Box::new(listener)));
        (*next, self.snapshot())
    }

    /// Ends a subscription.
    pub fn unlisten(&self, number: u64) {
        self.listeners.write().retain(|l| l.0 != number);
    }
}
