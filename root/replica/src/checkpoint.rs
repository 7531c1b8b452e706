//! Writing the indexes to the store and finding them again.
//!
//! A checkpoint writes the blocks that changed, the directory entries that changed, and one record that says up to which commit the
//! indexes reach. On opening, the commits after that mark are played again. The log alone is always enough.

use crate::{
    ReplicaError, Tree,
    log::Log,
    state::{ChainHead, Distinct, Names, State},
    store::{BlockStore, keyspace},
    table::{self, Table},
    tree,
};
use rhizome_ipld::{PublicKey, codec};
use rhizome_storage::{Batch, Kv};
use rhizome_tuple::Hlc;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Weak, atomic::Ordering},
};

const FORMAT: u32 = 1;
const MARK: &[u8] = b"mark";
const HEAD: &[u8] = b"pod";
const MAX_META: usize = 64 << 20;

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
    retired: Vec<(u64, Holder)>,
}

const TREES: usize = 11;

fn trees(s: &mut State) -> [&mut Tree; TREES] {
    [
        &mut s.eav,
        &mut s.aev,
        &mut s.ave,
        &mut s.vae,
        &mut s.knots,
        &mut s.history,
        &mut s.erased,
        &mut s.text_ids,
        &mut s.entity_ids,
        &mut s.commit_ids,
        &mut s.chains,
    ]
}

const FORKS: u8 = 11;
const TEXTS: u8 = 32;
const ENTITIES: u8 = 33;
const COMMITS: u8 = 34;

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

    /// The state at the last checkpoint, and how many commits it has.
    pub fn open(kv: &Arc<dyn Kv>, head: &Head) -> Result<(Self, State), ReplicaError> {
        let store = Arc::new(BlockStore::new(kv.clone()));
        let mut state = State::new(store.clone(), head.salt);
        let mut me = Self {
            next_block: 1,
            written: FxHashMap::default(),
            holders: FxHashMap::default(),
            retired: Vec::new(),
        };
        let snap = kv.snapshot()?;
        let Some(mark) = snap.get(keyspace::META, MARK)? else {
            return Ok((me, state));
        };
        let mark: Mark = codec::decode(&mark, MAX_META)
            .map_err(|_| ReplicaError::Corrupt("the checkpoint record"))?;
        let mut lists: FxHashMap<u8, Vec<(u128, u64, u32)>> = FxHashMap::default();
        let mut good = true;
        snap.scan(keyspace::DIRECTORY, &[], None, false, &mut |k, v| {
            let entry = || {
                let (kind, first) = k.split_first()?;
                let (id, count) = v.split_first_chunk::<8>()?;
                let first = u128::from_be_bytes(first.try_into().ok()?);
                Some((
                    *kind,
                    first,
                    u64::from_be_bytes(*id),
                    u32::from_be_bytes(count.try_into().ok()?),
                ))
            };
            match entry() {
                Some((kind, first, id, count)) => {
                    lists.entry(kind).or_default().push((first, id, count));
                }
                None => good = false,
            }
            ControlFlow::Continue(())
        })?;
        if !good {
            return Err(ReplicaError::Corrupt("the directory of index blocks"));
        }
        let list = |kind: u8| lists.get(&kind).map_or(&[][..], |l| l);
        for (kind, tree) in trees(&mut state).into_iter().enumerate() {
            tree.restore(list(kind as u8));
        }
        state.forks.restore(list(FORKS));
        state.texts = Table::from_directory(store.clone(), list(TEXTS))?;
        state.entities = Table::from_directory(store.clone(), list(ENTITIES))?;
        state.commits = Table::from_directory(store, list(COMMITS))?;
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
        me.next_block = mark.next_block;
        for (kind, l) in lists {
            me.written.insert(
                kind,
                l.into_iter()
                    .map(|(first, id, count)| (first, (id, count)))
                    .collect(),
            );
        }
        // nobody can hold a snapshot from before the process started
        me.retired = mark
            .retired
            .into_iter()
            .map(|id| (id, Holder::Tree(Weak::new())))
            .collect();
        Ok((me, state))
    }

    /// Adds to `batch` what brings the store up to `state`, whose trees may be cut anew.
    pub fn save(
        &mut self,
        state: &mut State,
        log: &Log,
        mut batch: Batch,
    ) -> Result<(), ReplicaError> {
        let start = self.next_block;
        let mut next = start;
        let mut directories: Vec<(u8, Directory)> = Vec::new();
        let mut holders: Vec<(u64, Holder)> = Vec::new();
        let mut undo_trees = Vec::new();
        let mut undo_tables = Vec::new();
        {
            let mut write = |bytes: &[u8]| {
                batch.put(keyspace::BLOCKS, next.to_be_bytes(), bytes);
                next += 1;
                next - 1
            };
            let State {
                forks,
                texts,
                entities,
                commits,
                ..
            } = &mut *state;
            let tables = [
                (TEXTS, &*texts),
                (ENTITIES, &*entities),
                (COMMITS, &*commits),
            ];
            let mut directory_of_tree = |kind: u8, tree: &mut Tree| {
                let mut directory = Directory::new();
                for (first, id, count, cell) in tree.save(&mut write) {
                    directory.insert(first, (id, count));
                    if id >= start {
                        undo_trees.push(cell.clone());
                    }
                    holders.push((id, Holder::Tree(Arc::downgrade(&cell))));
                }
                directories.push((kind, directory));
            };
            directory_of_tree(FORKS, forks);
            let tables: Vec<_> = tables.map(|(kind, t)| (kind, t.clone())).into();
            for (kind, tree) in trees(state).into_iter().enumerate() {
                directory_of_tree(kind as u8, tree);
            }
            for (kind, table) in tables {
                let mut directory = Directory::new();
                for (first, id, count, cell) in table.save(&mut write) {
                    directory.insert(first, (id, count));
                    if let Some(cell) = cell {
                        if id >= start {
                            undo_tables.push(cell.clone());
                        }
                        holders.push((id, Holder::Table(Arc::downgrade(&cell))));
                    } else {
                        // a table keeps its last block in memory
                        holders.push((id, Holder::Table(Weak::new())));
                    }
                }
                directories.push((kind, directory));
            }
        }
        let mut retired: Vec<u64> = self.retired.iter().map(|r| r.0).collect();
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
            let old = self.retired.iter().find(|r| r.0 == id).map(|r| &r.1);
            old.or_else(|| self.holders.get(&id))
                .unwrap_or(&Holder::Unknown)
                .needs_it()
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
        };
        batch.put(
            keyspace::META,
            MARK,
            codec::encode(&mark).map_err(rhizome_tuple::TupleError::from)?,
        );
        let kv = log.kv.as_ref().ok_or(ReplicaError::Missing)?;
        if let Err(e) = kv.commit(batch, rhizome_storage::Durability::Durable) {
            // the blocks are not there after all
            for cell in undo_trees {
                cell.id.store(0, Ordering::Release);
            }
            for cell in undo_tables {
                cell.id.store(0, Ordering::Release);
            }
            return Err(e.into());
        }
        self.next_block = next;
        let mut old = std::mem::replace(&mut self.holders, fresh);
        let mut before: FxHashMap<u64, Holder> =
            std::mem::take(&mut self.retired).into_iter().collect();
        self.retired = keep
            .into_iter()
            .map(|id| {
                (
                    id,
                    before
                        .remove(&id)
                        .or_else(|| old.remove(&id))
                        .unwrap_or(Holder::Unknown),
                )
            })
            .collect();
        self.written = directories.into_iter().collect();
        state.store.refresh();
        Ok(())
    }
}

impl Tree {
    fn restore(&mut self, directory: &[(u128, u64, u32)]) {
        *self = self.with_directory(directory);
    }
}
