//! What would be there if more were said.

use crate::{
    Aid, Edit, Eid, ReplicaError, Snapshot, Word,
    apply::{Incoming, Reader, apply, recorded},
    edit,
    log::Record,
    mirror::Orders,
    snapshot::Inner,
    state::{Kind, State},
};
use rhizome_ipld::PublicKey;
use rhizome_tuple::{Commit, CommitId, Hlc, Leaf, ListOp, MAX_LEAVES, MAX_OPS_PER_LEAF, Op};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

impl Snapshot {
    /// This moment with these edits, as if they had been written just now as one commit: nobody else sees them, and nothing is kept. It costs what the edits touch, not what there is.
    /// For queries and for current values; of who said what, and when, it knows nothing. The edits are to be all of them: to a moment that was made so nothing can be added.
    ///
    /// # Errors
    /// [`ReplicaError::Edit`] for edits that make no sense together, or too many; and of a moment that is not a replica's. Those of reading.
    pub fn with_edits(&self, edits: Vec<Edit>) -> Result<Self, ReplicaError> {
        // one that was made of facts has no log behind it
        if self.0.orders.is_some() || self.0.log.kv.is_none() {
            return Err(ReplicaError::Edit(
                "only a moment of a replica can be edited in thought".into(),
            ));
        }
        let leaves = edit::leaves(self, edits)?;
        if leaves.is_empty() {
            return Ok(self.clone());
        }
        if leaves.len() > MAX_LEAVES || leaves.iter().any(|l| l.ops.len() > MAX_OPS_PER_LEAF) {
            return Err(ReplicaError::Edit(format!(
                "this changes {} entities: at once {MAX_LEAVES} can be changed, with {MAX_OPS_PER_LEAF} changes each",
                leaves.len()
            )));
        }
        let batch = [self.thought(leaves)];
        let mut state = self.state().clone();
        let log = self.0.log.clone();
        let first = apply(&mut state, &log, &batch)?.first;
        let fresh: FxHashMap<u32, usize> = [(first, 0)].into_iter().collect();
        let reader = Reader {
            log: &log,
            batch: &batch,
            first,
            fresh: &fresh,
        };
        let orders = orders(&state, &reader, &batch)?;
        state.store.fault()?;
        Ok(Self(Arc::new(Inner {
            state,
            log,
            authors: Arc::clone(&self.0.authors),
            orders: Some(orders),
        })))
    }

    /// A commit of these leaves that nobody signs.
    fn thought(&self, leaves: Vec<Leaf>) -> Incoming {
        let clock = self.clock();
        Incoming {
            // no commit has this name: it would have to hash to it
            id: CommitId([0xff; 32]),
            header: Commit {
                v: 1,
                pod: String::new(),
                device: PublicKey::Ed25519([0xff; 32]),
                seq: 0,
                prev: None,
                frontier: Vec::new(),
                hlc: Hlc::next(clock.ms(), clock, clock),
                cap: None,
                nonce: [0; 16],
                root: [0; 32],
                leaves: u32::try_from(leaves.len()).unwrap_or(u32::MAX),
            },
            record: Arc::new(Record {
                envelope: Vec::new(),
                leaves: Vec::new(),
            }),
            leaves: leaves
                .into_iter()
                .map(|l| Some((l.entity, l.ops)))
                .collect(),
        }
    }
}

/// The lists of the entities that were touched; an empty one says that there is none (any more).
fn orders(state: &State, reader: &Reader<'_>, batch: &[Incoming]) -> Result<Orders, ReplicaError> {
    let mut places: FxHashSet<(Eid, Aid)> = FxHashSet::default();
    for (entity, ops) in batch.iter().flat_map(|one| one.leaves.iter().flatten()) {
        let Some(e) = state.eid(entity) else { continue };
        let named = ops.iter().filter_map(Op::attribute);
        places.extend(named.filter_map(|a| Some((e, state.aid(a.as_str())?))));
        // the log has not got what is said of it here, whichever attribute is asked for
        places.extend(state.facts_of(e).map(|fact| (e, fact.a)));
    }
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_unstable();
    let mut orders = Orders::over(&state.store);
    let nothing = orders.push(&[])?;
    let mut changes: Vec<(u128, Option<u64>)> = Vec::with_capacity(places.len());
    for (e, a) in places {
        let key = State::knot_key(e, a);
        let is_list = |(_, place): &(Word, crate::state::Place)| place.kind() == Kind::List as u8;
        let number = if state.knots.contains(key) || state.facts(e, a).iter().any(is_list) {
            let words = elements(state, reader, e, a)?;
            if words.is_empty() {
                nothing
            } else {
                orders.push(&words)?
            }
        } else {
            nothing
        };
        changes.push((key, Some(u64::from(number))));
    }
    orders.tree.apply(&changes);
    Ok(orders)
}

fn elements(state: &State, reader: &Reader<'_>, e: Eid, a: Aid) -> Result<Vec<Word>, ReplicaError> {
    let name = state.names.list.get(a.0 as usize).map(|name| &**name);
    let mut out = Vec::new();
    for r in recorded(state, reader, e, name)?.0 {
        if let (
            true,
            Op::List(ListOp {
                position, value, ..
            }),
        ) = (r.live, r.op)
            && let Some(word) = state.word(&value)
        {
            out.push((position, r.id, word));
        }
    }
    out.sort_by(|x, y| (&x.0, x.1).cmp(&(&y.0, y.1)));
    Ok(out.into_iter().map(|x| x.2).collect())
}
