//! Who said what when: provenance, history, conflicts, lists, and the pod as it was.

use crate::{
    Aid, Eid, Fact, ReplicaError, Snapshot, Word,
    apply::{Incoming, Opened, Reader, Recorded, apply, recorded},
    key,
    log::{Log, header_of, payload_id},
    snapshot::Inner,
    state::{Kind, Meta, Place, State},
    store::BlockStore,
};
use rhizome_ipld::PublicKey;
use rhizome_tuple::{CommitId, EntityId, Hlc, LeafId, ListOp, Op, OpId, Quote, Value, flat};
use rustc_hash::FxHashMap;
use std::{collections::BTreeMap, sync::Arc};

/// The operation behind a tuple: who, when, with which app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Provenance {
    /// The operation.
    pub op: OpId,
    /// The key that signed its commit.
    pub author: PublicKey,
    /// The name in that key's certificate: which app or process.
    pub app: Option<String>,
    /// The author's clock.
    pub hlc: Hlc,
    /// The place in its chain of the commit, or of the one that quotes it.
    pub seq: u64,
    /// If the author's commit is not here, or counts only because somebody answers for it: the commit that quotes it.
    pub quoted: Option<CommitId>,
}

/// One operation in the history of an entity.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Who and when.
    pub by: Provenance,
    /// What.
    pub op: Op,
}

/// Two commits of one author with the same place in the chain: a restored backup, two writers with one key, or an attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fork {
    /// Whose chain.
    pub author: PublicKey,
    /// The place.
    pub seq: u64,
    /// The commit that came first here.
    pub first: CommitId,
    /// The other one.
    pub second: CommitId,
}

/// How an attribute of an entity holds its values, by the operations that made them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// One value, of several written at once the last.
    Register,
    /// A sum.
    Counter,
    /// Members without an order.
    Set,
    /// Elements in order.
    List,
}

/// A cut through history: which commits to look at.
#[derive(Clone, PartialEq, Debug)]
pub enum Cut {
    /// For each author the last place in the chain that counts; authors that are not named do not count.
    Frontier(BTreeMap<PublicKey, u64>),
    /// Commits up to this time by their authors' clocks, in milliseconds since 1970.
    Time(i64),
}

const LOST: ReplicaError = ReplicaError::Corrupt("an index names a commit that is not in the log");

impl Snapshot {
    fn provenance_at(&self, place: Place) -> Result<Provenance, ReplicaError> {
        let meta = self.state().meta(place.commit()).ok_or(LOST)?;
        if place.is_quoted() {
            let leaf = self.0.log.leaf(place.commit(), place.leaf())?.ok_or(LOST)?;
            let said = flat(&leaf.1).nth(place.op() as usize);
            let (quote, own, _) = said.ok_or(LOST)?;
            return self.provenance_of(&meta, place.leaf(), quote, own);
        }
        self.provenance_of(&meta, place.leaf(), None, place.op())
    }

    /// Of an operation of a leaf, or of one that it quotes.
    fn provenance_of(
        &self,
        meta: &Meta,
        leaf: u32,
        quote: Option<&Quote>,
        place: u32,
    ) -> Result<Provenance, ReplicaError> {
        let host = || self.state().devices.get(meta.device as usize).copied();
        let (op, author, hlc) = if let Some(quote) = quote {
            let LeafId(commit, leaf) = quote.leaf;
            let author = quote.author.or_else(host);
            (OpId(commit, leaf, place), author.ok_or(LOST)?, quote.hlc)
        } else {
            (OpId(meta.id, leaf, place), host().ok_or(LOST)?, meta.hlc)
        };
        let app = self.0.authors.get(&author).map(|s| s.name.clone());
        Ok(Provenance {
            op,
            author,
            app: app.filter(|name| !name.is_empty()),
            hlc,
            seq: meta.seq,
            quoted: quote.map(|_| meta.id),
        })
    }

    /// Who asserted a current tuple; `None` if it is not current.
    pub fn provenance(&self, fact: Fact) -> Result<Option<Provenance>, ReplicaError> {
        let place = self.eav().get(key::eav(fact.e, fact.a, fact.v)).map(Place);
        self.fault()?;
        place.map(|p| self.provenance_at(p)).transpose()
    }

    fn recorded(&self, e: Eid, a: Aid) -> Result<Vec<Recorded>, ReplicaError> {
        let Some(name) = self.attribute(a) else {
            return Ok(Vec::new());
        };
        let reader = Reader {
            log: &self.0.log,
            batch: &[],
            first: u32::MAX,
            fresh: &FxHashMap::default(),
        };
        Ok(recorded(self.state(), &reader, e, Some(name))?.0)
    }

    /// Every value of an attribute that somebody asserted and nobody replaced, the shown one last, when there is more than the
    /// facts show. Empty where nothing is in conflict.
    pub fn conflicts(&self, e: Eid, a: Aid) -> Result<Vec<(Value, Provenance)>, ReplicaError> {
        if !self.state().knots.contains(State::knot_key(e, a)) {
            return Ok(Vec::new());
        }
        let mut out = Vec::new();
        for r in self.recorded(e, a)? {
            if let (true, Op::Assert { value, .. }) = (r.live, r.op) {
                out.push((value, self.provenance_at(r.place)?));
            }
        }
        if out.len() < 2 {
            out.clear();
        }
        Ok(out)
    }

    /// All (entity, attribute) with conflicting assertions.
    pub fn all_conflicts(&self) -> Result<Vec<(Eid, Aid)>, ReplicaError> {
        let mut out = Vec::new();
        for k in self.state().knots.range(0, u128::MAX) {
            let (e, a) = (Eid((k >> 64) as u32), Aid(k as u32));
            if !self.conflicts(e, a)?.is_empty() {
                out.push((e, a));
            }
        }
        Ok(out)
    }

    /// The operations on an entity in order of (clock, id), newest last.
    pub fn history(&self, e: Eid) -> Result<Vec<Event>, ReplicaError> {
        let mut out = Vec::new();
        for (number, index) in self.state().leaves_of(e).collect::<Vec<_>>() {
            let Some((_, ops)) = self.0.log.leaf(number, index)? else {
                continue;
            };
            let meta = self.state().meta(number).ok_or(LOST)?;
            for (quote, place, op) in flat(&ops) {
                out.push(Event {
                    by: self.provenance_of(&meta, index, quote, place)?,
                    op: op.clone(),
                });
            }
        }
        out.sort_by_key(|x| (x.by.hlc, x.by.op));
        Ok(out)
    }

    /// In which way an attribute of an entity holds its values; `None` if it has none.
    pub fn form(&self, e: Eid, a: Aid) -> Option<Form> {
        let (_, place) = self.state().facts(e, a).into_iter().next()?;
        let kind = place.kind();
        Some(if kind == Kind::Add as u8 {
            Form::Counter
        } else if kind == Kind::Insert as u8 {
            Form::Set
        } else if kind == Kind::List as u8 {
            Form::List
        } else {
            Form::Register
        })
    }

    /// The elements of a list attribute in order, duplicates kept; `None` if it is not a list.
    pub fn list(&self, e: Eid, a: Aid) -> Option<Vec<Word>> {
        if let Some(orders) = &self.0.orders {
            match orders.get(e, a) {
                found if !orders.is_over() => return found,
                Some(words) => return (!words.is_empty()).then_some(words),
                None => (),
            }
        }
        let elements = self.list_elements(e, a).ok()?;
        (!elements.is_empty()).then(|| elements.into_iter().map(|x| x.1).collect())
    }

    /// Position, element and operation of each list element, in order.
    pub(crate) fn list_elements(
        &self,
        e: Eid,
        a: Aid,
    ) -> Result<Vec<(Vec<u8>, Word, OpId)>, ReplicaError> {
        let mut out = Vec::new();
        if self.state().knots.contains(State::knot_key(e, a)) {
            for r in self.recorded(e, a)? {
                if let (
                    true,
                    Op::List(ListOp {
                        position, value, ..
                    }),
                ) = (r.live, r.op)
                    && let Some(w) = self.word(&value)
                {
                    out.push((position, w, r.id));
                }
            }
        } else {
            for (w, place) in self.state().facts(e, a) {
                if place.kind() != Kind::List as u8 {
                    return Ok(Vec::new());
                }
                let leaf = self.0.log.leaf(place.commit(), place.leaf())?;
                if let Some(Op::List(l)) = leaf.and_then(|(_, mut ops)| {
                    let i = place.op() as usize;
                    (i < ops.len()).then(|| ops.swap_remove(i))
                }) {
                    out.push((l.position, w, self.state().op_id(place).ok_or(LOST)?));
                }
            }
        }
        out.sort_by(|x, y| (&x.0, x.2).cmp(&(&y.0, y.2)));
        Ok(out)
    }

    /// The newest commit of every author: (author, seq, commit).
    pub fn heads(&self) -> Vec<(PublicKey, u64, CommitId)> {
        let head = |(device, head): (&u32, &crate::state::ChainHead)| {
            Some((
                *self.state().devices.get(*device as usize)?,
                head.seq,
                self.state().meta(head.commit)?.id,
            ))
        };
        self.state().heads.iter().filter_map(head).collect()
    }

    /// Every place at which an author's chain forks.
    pub fn forks(&self) -> Vec<Fork> {
        let fork = |k: u128| {
            let (first, second) = (
                self.state().meta((k >> 64) as u32)?,
                self.state().meta(k as u32)?,
            );
            let author = *self.state().devices.get(first.device as usize)?;
            Some(Fork {
                author,
                seq: first.seq,
                first: first.id,
                second: second.id,
            })
        };
        self.state()
            .forks
            .range(0, u128::MAX)
            .filter_map(fork)
            .collect()
    }

    /// The pod as it was at a cut, rebuilt in memory from the log: cost in proportion to the history up to there.
    pub fn as_of(&self, cut: &Cut) -> Result<Self, ReplicaError> {
        self.rebuilt(|author, seq, hlc| match cut {
            Cut::Frontier(f) => f.get(&author).is_some_and(|last| seq <= *last),
            Cut::Time(ms) => hlc.ms() <= *ms,
        })
    }

    /// A new state made from the log alone, with the commits that `keep` wants.
    pub(crate) fn rebuilt(
        &self,
        keep: impl Fn(PublicKey, u64, Hlc) -> bool,
    ) -> Result<Self, ReplicaError> {
        let mut kept = Vec::new();
        for number in 0..self.commit_count() {
            let meta = self.state().meta(number).ok_or(LOST)?;
            let author = *self.state().devices.get(meta.device as usize).ok_or(LOST)?;
            if keep(author, meta.seq, meta.hlc) {
                kept.push(number);
            }
        }
        let is_void = |(_, number): &(u32, &u32)| self.state().void.contains(number);
        let void = (0..).zip(&kept).filter(is_void).map(|(i, _)| i).collect();
        // the new state counts only what it has; through this list it finds the log's own numbers
        let count = kept.len() as u32;
        let log = self.0.log.renumbered(kept);
        let mut state = State::new(Arc::new(BlockStore::default()), self.state().salt);
        state.void = Arc::new(void);
        state.voices = Arc::clone(&self.state().voices);
        replay(&mut state, &log, count)?;
        Ok(Self(Arc::new(Inner {
            state,
            log,
            authors: self.0.authors.clone(),
            orders: None,
        })))
    }

    /// The entities that have a current tuple.
    pub fn entities(&self) -> impl Iterator<Item = Eid> + '_ {
        let mut last = None;
        self.eav().range(0, u128::MAX).filter_map(move |k| {
            let e = key::un_eav(k).e;
            (last.replace(e) != Some(e)).then_some(e)
        })
    }

    /// The leaves of a commit as they were written, in order, whether they have effect or not; `None` for those that nobody can read.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn opened(&self, id: &CommitId) -> Result<Option<Vec<Option<Opened>>>, ReplicaError> {
        let number = self.state().commit_number(id);
        let load = |number| Ok(load(&self.0.log, number)?.leaves);
        number.map(load).transpose()
    }

    /// What is known of one commit: its header, and the entities it is about.
    pub fn commit(
        &self,
        id: &CommitId,
    ) -> Result<Option<(rhizome_tuple::Commit, Vec<EntityId>)>, ReplicaError> {
        let Some(number) = self.state().commit_number(id) else {
            return Ok(None);
        };
        let incoming = load(&self.0.log, number)?;
        let entities = incoming.leaves.into_iter().flatten().map(|l| l.0).collect();
        Ok(Some((incoming.header, entities)))
    }
}

/// Operations that are played together.
const BATCH: usize = 100_000;

/// What playing commits from the log came to.
#[derive(Default)]
pub(crate) struct Replayed {
    /// Operations played.
    pub ops: u64,
    /// Leaves that the log still has, although they were erased: (commit number, leaf).
    pub erased: Vec<(u32, u32)>,
}

/// Plays the commits of the log that the state does not have yet, up to `end`, those in `state.void` without effect.
pub(crate) fn replay(state: &mut State, log: &Log, end: u32) -> Result<Replayed, ReplicaError> {
    let mut done = Replayed::default();
    let mut batch = Vec::new();
    let mut size = 0;
    for number in state.commits.len()..end {
        let mut incoming = load(log, number)?;
        if state.void.contains(&number) {
            incoming.leaves.fill(None);
        }
        let ops: usize = incoming.leaves.iter().flatten().map(|l| l.1.len()).sum();
        done.ops += ops as u64;
        size += ops + 100;
        batch.push(incoming);
        if size > BATCH || number + 1 == end {
            done.erased.extend(apply(state, log, &batch)?.erased);
            batch.clear();
            size = 0;
        }
    }
    Ok(done)
}

/// A commit from the log, opened.
fn load(log: &Log, number: u32) -> Result<Incoming, ReplicaError> {
    let record = log.record(number)?;
    let id = payload_id(&record.envelope)?;
    let header = header_of(&record.envelope)?;
    let leaves = record
        .leaves
        .iter()
        .enumerate()
        .map(|(i, bytes)| log.epochs.open(&header, i as u32, bytes))
        .collect::<Result<_, _>>()?;
    Ok(Incoming {
        id,
        header,
        record,
        leaves,
    })
}
