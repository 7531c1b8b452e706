//! The operations that the edits on one entity come to.

use crate::{
    Eid, ReplicaError, Snapshot,
    apply::{Reader, recorded},
    edit::Edit,
    fraction, key,
    state::{Kind, Place, State},
};
use rhizome_tuple::{Attribute, EntityId, LeafId, ListOp, MAX_SUPERSEDES, Op, OpId, Value, flat};
use rustc_hash::{FxHashMap, FxHashSet};

/// The operations on one entity while its edits are read, one after the other.
pub(crate) struct Plan<'s> {
    snapshot: &'s Snapshot,
    entity: EntityId,
    e: Option<Eid>,
    ops: Vec<Op>,
    /// What `ops` supersede.
    gone: FxHashSet<OpId>,
    /// What large groups have inserted, so that repeats are found without a search.
    members: FxHashSet<(Attribute, Vec<u8>)>,
    erased: bool,
}

/// An element of a list: position, value, and its operation unless it is of this very commit.
type Element = (Vec<u8>, Value, Option<OpId>);

/// An operation that is live at (entity, attribute).
struct Live {
    id: OpId,
    kind: u8,
    value: Option<Value>,
    position: Vec<u8>,
    n: i64,
}

const SMALL: usize = 24;

impl<'s> Plan<'s> {
    pub fn new(snapshot: &'s Snapshot, entity: EntityId) -> Self {
        let e = snapshot.eid(&entity);
        Self {
            snapshot,
            entity,
            e,
            ops: Vec::new(),
            gone: FxHashSet::default(),
            members: FxHashSet::default(),
            erased: false,
        }
    }

    pub fn edit(&mut self, edit: Edit) -> Result<(), ReplicaError> {
        if self.erased && !matches!(edit, Edit::Erase(_)) {
            return Err(ReplicaError::Edit(format!(
                "{} is erased in this transaction: write to it in another one",
                self.entity
            )));
        }
        match edit {
            Edit::Assert(_, attribute, value) => self.assert(attribute, value)?,
            Edit::Insert(_, attribute, value) => self.insert(attribute, value)?,
            Edit::Add(_, attribute, n) => self.push(Op::Add { attribute, n }),
            Edit::List(_, attribute, value, index) => self.put(attribute, value, index)?,
            Edit::SetList(_, attribute, values) => self.set_list(&attribute, values)?,
            Edit::Retract(_, attribute, value) => self.retract(attribute, value.as_ref())?,
            Edit::Erase(_) => self.erase()?,
            Edit::Create(_, nonce) => self.push(Op::Create { nonce }),
        }
        Ok(())
    }

    /// The operations, none of which names more than an operation may.
    pub fn finish(self) -> Vec<Op> {
        let mut out = Vec::with_capacity(self.ops.len());
        for mut op in self.ops {
            let retract = |attribute: &Attribute, rest: Vec<OpId>| {
                let parts = rest.chunks(MAX_SUPERSEDES).map(<[OpId]>::to_vec);
                let retract = |supersedes| Op::Retract {
                    attribute: attribute.clone(),
                    supersedes,
                };
                parts.map(retract).collect::<Vec<_>>()
            };
            let mut more = Vec::new();
            match &mut op {
                Op::Assert {
                    attribute,
                    supersedes,
                    ..
                }
                | Op::Retract {
                    attribute,
                    supersedes,
                } if supersedes.len() > MAX_SUPERSEDES => {
                    more = retract(attribute, supersedes.split_off(MAX_SUPERSEDES));
                }
                Op::Erase { leaves } if leaves.len() > MAX_SUPERSEDES => {
                    let rest = leaves.split_off(MAX_SUPERSEDES);
                    let parts = rest.chunks(MAX_SUPERSEDES).map(<[LeafId]>::to_vec);
                    more = parts.map(|leaves| Op::Erase { leaves }).collect();
                }
                _ => {}
            }
            out.push(op);
            out.extend(more);
        }
        out
    }

    fn push(&mut self, op: Op) {
        self.gone.extend(op.supersedes());
        self.ops.push(op);
    }

    /// What is live before this commit and was not superseded in it.
    fn live(&self, attribute: &Attribute) -> Result<Vec<Live>, ReplicaError> {
        let (Some(e), Some(a)) = (self.e, self.snapshot.aid(attribute.as_str())) else {
            return Ok(Vec::new());
        };
        let state = self.snapshot.state();
        let facts = state.facts(e, a);
        let plain = !state.knots.contains(State::knot_key(e, a))
            && facts
                .iter()
                .all(|(_, p)| p.kind() == Kind::Assert as u8 || p.kind() == Kind::Insert as u8);
        let mut live: Vec<Live> = if plain {
            let live = |(w, p): (_, Place)| {
                Some(Live {
                    id: state.op_id(p)?,
                    kind: p.kind(),
                    value: state.value(w),
                    position: Vec::new(),
                    n: 0,
                })
            };
            facts.into_iter().filter_map(live).collect()
        } else {
            let reader = Reader {
                log: &self.snapshot.0.log,
                batch: &[],
                first: u32::MAX,
                fresh: &FxHashMap::default(),
            };
            let (all, _) = recorded(state, &reader, e, Some(attribute.as_str()))?;
            let live = all
                .into_iter()
                .filter(|r| r.live && r.place.kind() != Kind::Retract as u8);
            let live = live.map(|r| {
                let (value, position, n) = match r.op {
                    Op::Assert { value, .. } | Op::Insert { value, .. } => {
                        (Some(value), Vec::new(), 0)
                    }
                    Op::List(l) => (Some(l.value), l.position, 0),
                    Op::Add { n, .. } => (None, Vec::new(), n),
                    _ => (None, Vec::new(), 0),
                };
                Live {
                    id: r.id,
                    kind: r.place.kind(),
                    value,
                    position,
                    n,
                }
            });
            live.collect()
        };
        live.retain(|l| !self.gone.contains(&l.id));
        Ok(live)
    }

    fn assert(&mut self, attribute: Attribute, value: Value) -> Result<(), ReplicaError> {
        let live = if self.e.is_some() {
            self.live(&attribute)?
        } else {
            Vec::new()
        };
        // what this very commit made of the attribute gives way, and what that would have replaced goes with it
        let mut supersedes = Vec::new();
        let before = self.ops.len();
        self.ops.retain_mut(|op| match op {
            Op::Assert {
                attribute: a,
                supersedes: old,
                ..
            } if *a == attribute => {
                supersedes.append(old);
                false
            }
            Op::Insert { attribute: a, .. } | Op::Add { attribute: a, .. } => *a != attribute,
            Op::List(l) => l.attribute != attribute,
            _ => true,
        });
        self.members.clear();
        if let [only] = &live[..]
            && self.ops.len() == before
            && only.kind == Kind::Assert as u8
            && only.value.as_ref() == Some(&value)
        {
            return Ok(());
        }
        supersedes.extend(live.into_iter().map(|l| l.id));
        self.push(Op::Assert {
            attribute,
            value,
            supersedes,
        });
        Ok(())
    }

    fn insert(&mut self, attribute: Attribute, value: Value) -> Result<(), ReplicaError> {
        let repeated = if self.ops.len() < SMALL {
            self.ops.iter().any(|o| matches!(o, Op::Insert { attribute: a, value: v } if *a == attribute && *v == value))
        } else {
            if self.members.is_empty() {
                for op in &self.ops {
                    if let Op::Insert { attribute, value } = op {
                        self.members.insert((attribute.clone(), bytes(value)?));
                    }
                }
            }
            !self.members.insert((attribute.clone(), bytes(&value)?))
        };
        if repeated {
            return Ok(());
        }
        if let (Some(e), Some(a), Some(w)) = (
            self.e,
            self.snapshot.aid(attribute.as_str()),
            self.snapshot.word(&value),
        ) {
            let place = self.snapshot.eav().get(key::eav(e, a, w)).map(Place);
            let member = place.filter(|p| p.kind() == Kind::Insert as u8);
            if member.is_some_and(Place::is_quoted) {
                let is_it =
                    |l: &Live| l.kind == Kind::Insert as u8 && l.value.as_ref() == Some(&value);
                if self.live(&attribute)?.iter().any(is_it) {
                    return Ok(());
                }
                self.push(Op::Insert { attribute, value });
                return Ok(());
            }
            let id = member.and_then(|p| self.snapshot.state().op_id(p));
            if id.is_some_and(|id| !self.gone.contains(&id)) {
                return Ok(());
            }
        }
        self.push(Op::Insert { attribute, value });
        Ok(())
    }

    /// The elements of a list as they will be after the operations so far.
    fn elements(&self, attribute: &Attribute) -> Result<Vec<Element>, ReplicaError> {
        let mut all: Vec<Element> = self
            .live(attribute)?
            .into_iter()
            .filter(|l| l.kind == Kind::List as u8)
            .filter_map(|l| Some((l.position, l.value?, Some(l.id))))
            .collect();
        all.extend(self.ops.iter().filter_map(|o| match o {
            Op::List(l) if l.attribute == *attribute => {
                Some((l.position.clone(), l.value.clone(), None))
            }
            _ => None,
        }));
        all.sort_by(|x, y| (&x.0, x.2).cmp(&(&y.0, y.2)));
        Ok(all)
    }

    fn put(
        &mut self,
        attribute: Attribute,
        value: Value,
        index: Option<usize>,
    ) -> Result<(), ReplicaError> {
        let all = self.elements(&attribute)?;
        let i = index.unwrap_or(all.len());
        if i > all.len() {
            return Err(ReplicaError::Edit(format!(
                "index {i} is outside the list `{attribute}` of {} elements",
                all.len()
            )));
        }
        let position = fraction::between(
            i.checked_sub(1).map(|j| &*all[j].0),
            all.get(i).map(|x| &*x.0),
        );
        self.push(Op::List(ListOp {
            attribute,
            position,
            value,
            supersedes: Vec::new(),
        }));
        Ok(())
    }

    fn set_list(&mut self, attribute: &Attribute, values: Vec<Value>) -> Result<(), ReplicaError> {
        let all = self.elements(attribute)?;
        if all.iter().map(|x| &x.1).eq(values.iter()) {
            return Ok(());
        }
        self.ops
            .retain(|o| !matches!(o, Op::List(l) if l.attribute == *attribute));
        self.take_back(attribute.clone(), all.iter().filter_map(|x| x.2).collect());
        let mut last: Option<Vec<u8>> = None;
        for value in values {
            let position = fraction::between(last.as_deref(), None);
            last = Some(position.clone());
            self.push(Op::List(ListOp {
                attribute: attribute.clone(),
                position,
                value,
                supersedes: Vec::new(),
            }));
        }
        Ok(())
    }

    fn take_back(&mut self, attribute: Attribute, supersedes: Vec<OpId>) {
        if !supersedes.is_empty() {
            self.push(Op::Retract {
                attribute,
                supersedes,
            });
        }
    }

    fn retract(&mut self, attribute: Attribute, value: Option<&Value>) -> Result<(), ReplicaError> {
        let live = self.live(&attribute)?;
        let own = self.ops.iter().filter_map(|op| match op {
            Op::Add { attribute: a, n } if *a == attribute => Some(*n),
            _ => None,
        });
        let sum = live
            .iter()
            .map(|l| l.n)
            .chain(own)
            .fold(0, i64::wrapping_add);
        let total = value.is_none_or(|v| *v == Value::Integer(sum));
        let goes = |v: &Value| value.is_none_or(|x| x == v);
        // what this very commit asserted goes, and what that assertion would have replaced goes with it
        let mut supersedes: Vec<OpId> = Vec::new();
        self.ops.retain(|op| match op {
            Op::Assert {
                attribute: a,
                value: v,
                supersedes: old,
            } if *a == attribute && goes(v) => {
                supersedes.extend(old);
                false
            }
            Op::Insert {
                attribute: a,
                value: v,
            } => *a != attribute || !goes(v),
            Op::List(l) => l.attribute != attribute || !goes(&l.value),
            Op::Add { attribute: a, .. } => *a != attribute || !total,
            _ => true,
        });
        self.members.clear();
        let taken = live.into_iter().filter(|l| match &l.value {
            Some(v) => goes(v),
            None => total,
        });
        supersedes.extend(taken.map(|l| l.id));
        self.take_back(attribute, supersedes);
        Ok(())
    }

    fn erase(&mut self) -> Result<(), ReplicaError> {
        self.ops.clear();
        self.gone.clear();
        self.erased = true;
        let Some(e) = self.e else { return Ok(()) };
        let state = self.snapshot.state();
        let (mut leaves, mut kept) = (Vec::new(), Vec::new());
        for (number, index) in state.leaves_of(e) {
            let content = self.snapshot.0.log.leaf(number, index)?;
            let Some((_, ops)) = content else { continue };
            let lost = ReplicaError::Corrupt("a commit is not in the table of commits");
            let meta = state.meta(number).ok_or(lost)?;
            let id = meta.id;
            if state.erases(&meta, &ops) {
                let said = flat(&ops).map(|(quote, place, op)| {
                    let LeafId(commit, leaf) = quote.map_or(LeafId(id, index), |q| q.leaf);
                    (OpId(commit, leaf, place), op.clone())
                });
                kept.extend(said);
            } else {
                leaves.push(LeafId(id, index));
                // and what it quotes, wherever else that is quoted
                leaves.extend(ops.iter().filter_map(|op| match op {
                    Op::Quote(quote) => Some(quote.leaf),
                    _ => None,
                }));
            }
        }
        // A leaf that erases is not erased itself. What else it says is taken back, in a leaf that stays as well.
        let dead: FxHashSet<OpId> = kept
            .iter()
            .flat_map(|(_, op)| op.supersedes().iter().copied())
            .collect();
        let mut back: FxHashMap<Attribute, Vec<OpId>> = FxHashMap::default();
        for (id, op) in kept {
            match op.attribute() {
                Some(attribute)
                    if !matches!(op, Op::Retract { .. } | Op::Text { .. })
                        && !dead.contains(&id) =>
                {
                    back.entry(attribute.clone()).or_default().push(id);
                }
                _ => {}
            }
        }
        if !leaves.is_empty() || !back.is_empty() {
            self.push(Op::Erase { leaves });
        }
        let mut back: Vec<_> = back.into_iter().collect();
        back.sort();
        for (attribute, ids) in back {
            self.take_back(attribute, ids);
        }
        Ok(())
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, ReplicaError> {
    Ok(rhizome_ipld::codec::encode(value).map_err(rhizome_tuple::TupleError::from)?)
}
