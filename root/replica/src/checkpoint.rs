//! Writing the indexes to the store and finding them again.
//!
//! A checkpoint writes the blocks that changed, the directory entries that changed, and one record that says up to which commit the
//! indexes reach. On opening, the commits after that mark are played again. The log alone is always enough.

use crate::{
    ReplicaError, Tree,
    log::{Log, STALE},
    state::{ChainHead, Distinct, Names, State},
    store::{BlockStore, keyspace, sealed},
    table::{self, Table},
    tree,
};
use rhizome_ipld::{PublicKey, codec};
use rhizome_storage::{Batch, Kv};
use rhizome_tuple::Hlc;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

const FORMAT: u32 = 1;
/// The mark is cut into parts that any engine takes as one value.
const MARK: [u8; 4] = *b"mark";
const MARK_PART: usize = 8 << 20;
const HEAD: &[u8] = b"pod";
const MAX_META: usize = 64 << 10;

/// What never changes about a replica.
#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    format: u32,
    pub pod: String,
    #[serde(with = "serde_bytes")]
    salt: [u8; 32],
}

/// The small things of a checkpoint.
#[derive(Serialize, Deserialize)]
struct Mark {
    commits: u32,
    next_block: u64,
    clock: u64,
    names: Vec<String>,
    distinct: Vec<(u64, u64)>,
    devices: Vec<PublicKey>,
    heads: Vec<(u32, u64, u32)>,
    retired: Vec<u64>,
    /// Commits without effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    void: Vec<u32>,
}

/// Who still needs a block that the directory no longer names: a snapshot that has not loaded it.
enum Holder {
    Tree(Weak<tree::Cell>),
    Table(Weak<table::Cell>),
    Unknown,
}

impl Holder {
    fn needs_it(&self) -> bool {
        match self {
            Self::Tree(w) => w.upgrade().is_some_and(|c| !c.loaded()),
            Self::Table(w) => w.upgrade().is_some_and(|c| !c.loaded()),
            Self::Unknown => true,
        }
    }
}

type Directory = BTreeMap<u128, (u64, u32)>;

/// Remembers what the store holds, so that a checkpoint writes only differences.
pub(crate) struct Checkpointer {
    next_block: u64,
    written: FxHashMap<u8, Directory>,
    holders: FxHashMap<u64, Holder>,
    retired: FxHashMap<u64, Holder>,
    /// Into how many parts the last mark was cut.
    mark_parts: u32,
    /// Whether the store's indexes are of a log that was rewritten since.
    pub stale: bool,
}

const TEXTS: u8 = 32;
const ENTITIES: u8 = 33;
const COMMITS: u8 = 34;

fn mark_key(part: u32) -> [u8; 8] {
    let mut k = [0; 8];
    k[..4].copy_from_slice(&MARK);
    k[4..].copy_from_slice(&part.to_be_bytes());
    k
}

fn directory_key(kind: u8, first: u128) -> [u8; 17] {
    let mut k = [kind; 17];
    k[1..].copy_from_slice(&first.to_be_bytes());
    k
}

impl Checkpointer {
    /// The head of a new replica, to be committed durably.
    pub fn create(pod: &str, salt: [u8; 32]) -> Result<Batch, ReplicaError> {
        let mut batch = Batch::new();
        let head = Head {
            format: FORMAT,
            pod: pod.to_owned(),
            salt,
        };
        batch.put(
            keyspace::META,
            HEAD,
            codec::encode(&head).map_err(rhizome_tuple::TupleError::from)?,
        );
        Ok(batch)
    }

    pub fn head(kv: &dyn Kv) -> Result<Option<Head>, ReplicaError> {
        let Some(bytes) = kv.snapshot()?.get(keyspace::META, HEAD)? else {
            return Ok(None);
        };
        let head: Head = codec::decode(&bytes, MAX_META)
            .map_err(|_| ReplicaError::Corrupt("the pod's head record"))?;
        if head.format == FORMAT {
            Ok(Some(head))
        } else {
            Err(ReplicaError::Version(head.format))
        }
    }

    /// What leaves a store with its log alone.
    pub fn forget(kv: &dyn Kv) -> Result<Batch, ReplicaError> {
        let mut batch = Batch::new();
        let snap = kv.snapshot()?;
        let (first, last) = (mark_key(0), mark_key(u32::MAX));
        let mut delete = |keyspace, lo: &[u8], hi| {
            snap.scan(keyspace, lo, hi, false, &mut |key, _| {
                batch.delete(keyspace, key);
                ControlFlow::Continue(())
            })
        };
        delete(keyspace::META, &first, Some(&last))?;
        delete(keyspace::DIRECTORY, &[], None)?;
        delete(keyspace::BLOCKS, &[], None)?;
        batch.delete(keyspace::META, STALE);
        Ok(batch)
    }

    /// The state at the last checkpoint; an empty one if the log was rewritten since.
    pub fn open(kv: &Arc<dyn Kv>, head: &Head) -> Result<(Self, State), ReplicaError> {
        let (mut me, mut state) = Self::last(kv, head)?;
        me.stale = kv.snapshot()?.get(keyspace::META, STALE)?.is_some();
        if me.stale {
            // nobody holds the blocks of the store any more: they go with the next checkpoint
            state = State::new(state.store, head.salt);
        }
        Ok((me, state))
    }

    fn last(kv: &Arc<dyn Kv>, head: &Head) -> Result<(Self, State), ReplicaError> {
        let store = Arc::new(BlockStore::new(kv.clone()));
        let mut state = State::new(store.clone(), head.salt);
        let mut me = Self {
            next_block: 1,
            written: FxHashMap::default(),
            holders: FxHashMap::default(),
            retired: FxHashMap::default(),
            mark_parts: 0,
            stale: false,
        };
        let snap = kv.snapshot()?;
        let mut mark = Vec::new();
        let mut part = |_: &[u8], bytes: &[u8]| {
            mark.extend_from_slice(bytes);
            me.mark_parts += 1;
            ControlFlow::Continue(())
        };
        snap.scan(
            keyspace::META,
            &mark_key(0),
            Some(&mark_key(u32::MAX)),
            false,
            &mut part,
        )?;
        if mark.is_empty() {
            // a new store has no directory either; one that only lost its mark would be written over block by block
            let mut directory = false;
            snap.scan(keyspace::DIRECTORY, &[], None, false, &mut |_, _| {
                directory = true;
                ControlFlow::Break(())
            })?;
            return if directory {
                Err(ReplicaError::Corrupt("the checkpoint record is missing"))
            } else {
                Ok((me, state))
            };
        }
        let mark: Mark = codec::decode(&mark, usize::MAX)
            .map_err(|_| ReplicaError::Corrupt("the checkpoint record"))?;
        let mut lists: FxHashMap<u8, Vec<(u128, u64, u32)>> = FxHashMap::default();
        let mut good = true;
        snap.scan(keyspace::DIRECTORY, &[], None, false, &mut |k, v| {
            let entry = || {
                let (kind, first) = k.split_first()?;
                let (id, count) = v.split_first_chunk::<8>()?;
                let first = u128::from_be_bytes(first.try_into().ok()?);
                let count = u32::from_be_bytes(count.try_into().ok()?);
                // a packed block counts its entries with 16 bits
                u16::try_from(count).ok()?;
                Some((*kind, first, u64::from_be_bytes(*id), count))
            };
            match entry() {
                Some((kind, first, id, count)) => {
                    lists.entry(kind).or_default().push((first, id, count));
                }
                None => good = false,
            }
            ControlFlow::Continue(())
        })?;
        let blocks = lists.values().flatten().map(|(_, id, _)| *id);
        if !good || !numbered(blocks, &mark) {
            return Err(ReplicaError::Corrupt("the directory of index blocks"));
        }
        let list = |kind: u8| lists.get(&kind).map_or(&[][..], |l| l);
        for (kind, tree) in state.trees_mut().into_iter().enumerate() {
            tree.restore(list(kind as u8));
        }
        state.texts = Table::from_directory(store.clone(), list(TEXTS))?;
        state.entities = Table::from_directory(store.clone(), list(ENTITIES))?;
        state.commits = Table::from_directory(store, list(COMMITS))?;
        // a leaf that the directory lost would be an answer that lacks tuples
        let pairs = [
            (state.eav.len(), state.aev.len()),
            (state.eav.len(), state.ave.len()),
            (state.text_ids.len(), u64::from(state.texts.len())),
            (state.entity_ids.len(), u64::from(state.entities.len())),
            (state.commit_ids.len(), u64::from(state.commits.len())),
        ];
        if pairs.iter().any(|(a, b)| a != b) {
            return Err(ReplicaError::Corrupt(
                "two indexes of the same things do not hold equally many",
            ));
        }
        if state.commits.len() != mark.commits {
            return Err(ReplicaError::Corrupt(
                "the table of commits does not reach the checkpoint's mark",
            ));
        }
        let mut names = Names::default();
        for (i, name) in mark.names.iter().enumerate() {
            let name: Arc<str> = name.as_str().into();
            names.list.push(name.clone());
            names.numbers.insert(name, i as u32);
        }
        state.names = Arc::new(names);
        let distinct = mark.distinct.iter().map(|(entities, values)| Distinct {
            entities: *entities,
            values: *values,
        });
        state.distinct = Arc::new(distinct.collect());
        state.devices = Arc::new(mark.devices);
        let heads = mark.heads.iter().map(|(d, seq, commit)| {
            (
                *d,
                ChainHead {
                    seq: *seq,
                    commit: *commit,
                },
            )
        });
        state.heads = Arc::new(heads.collect());
        state.clock = Hlc(mark.clock);
        state.void = Arc::new(mark.void.into_iter().collect());
        me.next_block = mark.next_block;
        for (kind, l) in lists {
            me.written.insert(
                kind,
                l.into_iter()
                    .map(|(first, id, count)| (first, (id, count)))
                    .collect(),
            );
        }
        let mut hold =
            |id: &AtomicU64, holder| me.holders.insert(id.load(Ordering::Acquire), holder);
        for tree in state.trees() {
            for cell in tree.cells() {
                hold(&cell.id, Holder::Tree(Arc::downgrade(cell)));
            }
        }
        for table in [&state.texts, &state.entities, &state.commits] {
            for cell in table.cells() {
                hold(&cell.id, Holder::Table(Arc::downgrade(cell)));
            }
        }
        // What is in the directory and not here is the last block of a table, which is in memory. What was retired, nobody can hold
        // who did not hold it already: see `adopt`.
        let nobody = |id| (id, Holder::Table(Weak::new()));
        for (id, _) in me.written.values().flat_map(BTreeMap::values) {
            me.holders.entry(*id).or_insert(nobody(*id).1);
        }
        me.retired = mark.retired.into_iter().map(nobody).collect();
        Ok((me, state))
    }

    /// Learns from the one before, in the same process, who holds what.
    pub fn adopt(&mut self, before: Self) {
        for (id, holder) in before.holders.into_iter().chain(before.retired) {
            // what the store names anew has holders of both kinds, and those of before may be older: it stays when in doubt
            let there = self.holders.get_mut(&id);
            if let Some(there) = there.or(self.retired.get_mut(&id))
                && holder.needs_it()
            {
                *there = Holder::Unknown;
            }
        }
    }

    /// Lets go of the blocks of `state` that the store has.
    pub fn let_go(&mut self, state: &mut State) {
        let holders = &mut self.holders;
        for tree in state.trees_mut() {
            tree.let_go(|id, cell| {
                holders.insert(id, Holder::Tree(Arc::downgrade(cell)));
            });
        }
        for table in [&mut state.texts, &mut state.entities, &mut state.commits] {
            table.let_go(|id, cell| {
                holders.insert(id, Holder::Table(Arc::downgrade(cell)));
            });
        }
    }

    /// Adds to `batch` what brings the store up to `state`, whose trees may be cut anew. If its blocks take more than `resident`
    /// bytes of memory, it lets go of them: they are read again when they are next needed.
    pub fn save(
        &mut self,
        state: &mut State,
        log: &Log,
        mut batch: Batch,
        resident: usize,
    ) -> Result<(), ReplicaError> {
        let keep = state.resident() <= resident;
        let start = self.next_block;
        let mut next = start;
        let mut directories: Vec<(u8, Directory)> = Vec::new();
        let mut holders: Vec<(u64, Holder)> = Vec::new();
        let mut undo_tables = Vec::new();
        {
            let mut write = |bytes: &[u8]| {
                batch.put(keyspace::BLOCKS, next.to_be_bytes(), sealed(bytes));
                next += 1;
                next - 1
            };
            for (kind, tree) in state.trees_mut().into_iter().enumerate() {
                let mut directory = Directory::new();
                for (first, id, count, cell) in tree.save(keep, &mut write) {
                    directory.insert(first, (id, count));
                    holders.push((id, Holder::Tree(Arc::downgrade(&cell))));
                }
                directories.push((kind as u8, directory));
            }
            let tables = [
                (TEXTS, &mut state.texts),
                (ENTITIES, &mut state.entities),
                (COMMITS, &mut state.commits),
            ];
            for (kind, table) in tables {
                let mut directory = Directory::new();
                for (first, id, cell) in table.save(&mut write) {
                    directory.insert(first, (id, 0));
                    let holder = cell.as_ref().map_or_else(Weak::new, Arc::downgrade);
                    holders.push((id, Holder::Table(holder)));
                    undo_tables.extend(cell.filter(|_| id >= start));
                }
                if !keep {
                    table.let_go(|id, cell| {
                        holders.push((id, Holder::Table(Arc::downgrade(cell))));
                    });
                }
                directories.push((kind, directory));
            }
        }
        let mut retired: Vec<u64> = self.retired.keys().copied().collect();
        let empty = Directory::new();
        for (kind, now) in &directories {
            let before = self.written.get(kind).unwrap_or(&empty);
            for (first, (id, count)) in now {
                if before.get(first) != Some(&(*id, *count)) {
                    let mut value = [0; 12];
                    value[..8].copy_from_slice(&id.to_be_bytes());
                    value[8..].copy_from_slice(&count.to_be_bytes());
                    batch.put(keyspace::DIRECTORY, directory_key(*kind, *first), value);
                }
            }
            for (first, (id, _)) in before {
                match now.get(first) {
                    Some((same, _)) if same == id => continue,
                    Some(_) => {}
                    None => batch.delete(keyspace::DIRECTORY, directory_key(*kind, *first)),
                }
                retired.push(*id);
            }
        }
        let fresh: FxHashMap<u64, Holder> = holders.into_iter().collect();
        let needed = |id: u64| {
            let holder = self.retired.get(&id).or_else(|| self.holders.get(&id));
            holder.unwrap_or(&Holder::Unknown).needs_it()
        };
        let (keep, gone): (Vec<u64>, Vec<u64>) = retired.into_iter().partition(|id| needed(*id));
        for id in gone {
            batch.delete(keyspace::BLOCKS, id.to_be_bytes());
        }
        let mark = Mark {
            commits: state.commits.len(),
            next_block: next,
            clock: state.clock.0,
            names: state.names.list.iter().map(ToString::to_string).collect(),
            distinct: state
                .distinct
                .iter()
                .map(|d| (d.entities, d.values))
                .collect(),
            devices: state.devices.to_vec(),
            heads: state
                .heads
                .iter()
                .map(|(d, h)| (*d, h.seq, h.commit))
                .collect(),
            retired: keep.clone(),
            void: state.void.iter().copied().collect(),
        };
        let mut parts = 0;
        let done = codec::encode(&mark)
            .map_err(|e| rhizome_tuple::TupleError::from(e).into())
            .and_then(|mark| {
                for part in mark.chunks(MARK_PART) {
                    batch.put(keyspace::META, mark_key(parts), part);
                    parts += 1;
                }
                (parts..self.mark_parts).for_each(|i| batch.delete(keyspace::META, mark_key(i)));
                batch.delete(keyspace::META, STALE);
                let kv = log.kv.as_ref().ok_or(ReplicaError::Missing)?;
                Ok(kv.commit(batch, rhizome_storage::Durability::Durable)?)
            });
        if let Err(e) = done {
            // the blocks are not there after all; those of trees are `state`'s alone
            for cell in undo_tables {
                cell.id.store(0, Ordering::Release);
            }
            return Err(e);
        }
        self.next_block = next;
        self.mark_parts = parts;
        self.stale = false;
        let mut old = std::mem::replace(&mut self.holders, fresh);
        let mut before = std::mem::take(&mut self.retired);
        let mut holder = |id| before.remove(&id).or_else(|| old.remove(&id));
        let keep = keep.into_iter();
        self.retired = keep
            .map(|id| (id, holder(id).unwrap_or(Holder::Unknown)))
            .collect();
        self.written = directories.into_iter().collect();
        state.store.refresh();
        Ok(())
    }
}

/// Whether every block has a number of its own, below those that are given next, and none that goes is still in use. Otherwise the next
/// checkpoint would write over blocks, or delete them.
fn numbered(blocks: impl Iterator<Item = u64>, mark: &Mark) -> bool {
    let mut seen = FxHashSet::default();
    mark.next_block < 1 << 63
        && blocks
            .chain(mark.retired.iter().copied())
            .all(|id| (1..mark.next_block).contains(&id) && seen.insert(id))
}

impl Tree {
    fn restore(&mut self, directory: &[(u128, u64, u32)]) {
        *self = self.with_directory(directory);
    }
}
