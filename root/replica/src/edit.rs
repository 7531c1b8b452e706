//! From what an app wants to what a commit says: edits become operations that supersede exactly what is there now.

use crate::{
    Eid, ReplicaError, Snapshot,
    apply::{Reader, recorded},
    fraction,
    state::{Kind, Place, State},
};
use rhizome_tuple::{Attribute, EntityId, Leaf, LeafId, ListOp, Op, OpId, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// One wish of an app.
#[derive(Clone, PartialEq, Debug)]
pub enum Edit {
    /// Gives a register a value, in place of all values it has.
    Assert(EntityId, Attribute, Value),
    /// Puts a member into a set.
    Insert(EntityId, Attribute, Value),
    /// Adds to a counter.
    Add(EntityId, Attribute, i64),
    /// Puts an element into a list, before the element that is at this index now (none: at the end).
    List(EntityId, Attribute, Value, Option<usize>),
    /// Makes the list hold exactly these elements in this order.
    SetList(EntityId, Attribute, Vec<Value>),
    /// Takes back one value of an attribute, or all of them.
    Retract(EntityId, Attribute, Option<Value>),
    /// Forgets an entity: the bytes of all its leaves go, here and on every replica that obeys.
    Erase(EntityId),
    /// Shows by its nonce that the author made the entity.
    Create(EntityId, Vec<u8>),
}

impl Edit {
    /// The entity it is about.
    pub fn entity(&self) -> &EntityId {
        match self {
            Self::Assert(e, ..)
            | Self::Insert(e, ..)
            | Self::Add(e, ..)
            | Self::List(e, ..)
            | Self::SetList(e, ..)
            | Self::Retract(e, ..)
            | Self::Erase(e)
            | Self::Create(e, _) => e,
        }
    }
}

/// The leaves that edits come to, in ascending order of entity. Edits that change nothing leave no trace.
pub(crate) fn leaves(snapshot: &Snapshot, edits: Vec<Edit>) -> Result<Vec<Leaf>, ReplicaError> {
    let mut groups: Vec<(EntityId, Vec<Edit>)> = Vec::new();
    let mut places: FxHashMap<EntityId, usize> = FxHashMap::default();
    for edit in edits {
        let entity = *edit.entity();
        // imports come entity by entity
        let place = match groups.last() {
            Some((last, _)) if *last == entity => groups.len() - 1,
            _ => *places.entry(entity).or_insert(groups.len()),
        };
        match groups.get_mut(place) {
            Some((_, group)) => group.push(edit),
            None => groups.push((entity, vec![edit])),
        }
    }
    let mut out = Vec::with_capacity(groups.len());
    for (entity, group) in groups {
        let mut plan = Plan::new(snapshot, entity);
        for edit in group {
            plan.edit(edit)?;
        }
        if !plan.ops.is_empty() {
            out.push(Leaf {
                entity,
                ops: plan.ops,
            });
        }
    }
    out.sort_by_key(|l| l.entity);
    Ok(out)
}

/// The operations on one entity while its edits are read.
struct Plan<'s> {
    snapshot: &'s Snapshot,
    entity: EntityId,
    e: Option<Eid>,
    ops: Vec<Op>,
    /// What large groups have inserted, so that repeats are found without a search.
    members: FxHashSet<(Attribute, Vec<u8>)>,
}

/// An element of a list: position, value, and its operation unless it is of this very commit.
type Element = (Vec<u8>, Value, Option<OpId>);

/// What is live at (entity, attribute) now.
struct Live {
    id: OpId,
    kind: u8,
    value: Option<Value>,
    position: Vec<u8>,
}

const SMALL: usize = 24;

impl<'s> Plan<'s> {
    fn new(snapshot: &'s Snapshot, entity: EntityId) -> Self {
        let e = snapshot.eid(&entity);
        Self {
            snapshot,
            entity,
            e,
            ops: Vec::new(),
            members: FxHashSet::default(),
        }
    }

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
        if plain {
            let live = |(w, p): (_, Place)| {
                Some(Live {
                    id: state.op_id(p)?,
                    kind: p.kind(),
                    value: state.value(w),
                    position: Vec::new(),
                })
            };
            return Ok(facts.into_iter().filter_map(live).collect());
        }
        let reader = Reader {
            log: &self.snapshot.0.log,
            batch: &[],
            first: u32::MAX,
            fresh: &FxHashMap::default(),
        };
        let (all, _) = recorded(state, &reader, e, attribute.as_str())?;
        let live = all
            .into_iter()
            .filter(|r| r.live && r.place.kind() != Kind::Retract as u8)
            .map(|r| {
                let (value, position) = match r.op {
                    Op::Assert { value, .. } | Op::Insert { value, .. } => {
                        (Some(value), Vec::new())
                    }
                    Op::List(l) => (Some(l.value), l.position),
                    _ => (None, Vec::new()),
                };
                Live {
                    id: r.id,
                    kind: r.place.kind(),
                    value,
                    position,
                }
            });
        Ok(live.collect())
    }

    fn edit(&mut self, edit: Edit) -> Result<(), ReplicaError> {
        match edit {
            Edit::Assert(_, attribute, value) => self.assert(attribute, value),
            Edit::Insert(_, attribute, value) => self.insert(attribute, value),
            Edit::Add(_, attribute, n) => {
                self.ops.push(Op::Add { attribute, n });
                Ok(())
            }
            Edit::List(_, attribute, value, index) => self.put(attribute, value, index),
            Edit::SetList(_, attribute, values) => self.set_list(&attribute, values),
            Edit::Retract(_, attribute, value) => self.retract(attribute, value.as_ref()),
            Edit::Erase(_) => self.erase(),
            Edit::Create(_, nonce) => {
                self.ops.push(Op::Create { nonce });
                Ok(())
            }
        }
    }

    fn assert(&mut self, attribute: Attribute, value: Value) -> Result<(), ReplicaError> {
        // a later assertion of the same transaction takes the place of an earlier one
        for op in &mut self.ops {
            if let Op::Assert {
                attribute: a,
                value: v,
                ..
            } = op
                && *a == attribute
            {
                *v = value;
                return Ok(());
            }
        }
        let live = if self.e.is_some() {
            self.live(&attribute)?
        } else {
            Vec::new()
        };
        if let [only] = &live[..]
            && only.kind == Kind::Assert as u8
            && only.value.as_ref() == Some(&value)
        {
            return Ok(());
        }
        let supersedes = live.into_iter().map(|l| l.id).collect();
        self.ops.push(Op::Assert {
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
            let place = self.snapshot.eav().get(crate::key::eav(e, a, w)).map(Place);
            if place.is_some_and(|p| p.kind() == Kind::Insert as u8) {
                return Ok(());
            }
        }
        self.ops.push(Op::Insert { attribute, value });
        Ok(())
    }

    /// The elements of a list as they will be after the operations so far.
    fn elements(&self, attribute: &Attribute) -> Result<Vec<Element>, ReplicaError> {
        let mut all: Vec<_> = self
            .live(attribute)?
            .into_iter()
            .filter(|l| l.kind == Kind::List as u8)
            .filter_map(|l| Some((l.position, l.value?, Some(l.id))))
            .collect();
        let gone: Vec<OpId> = self
            .ops
            .iter()
            .filter(|o| o.attribute() == Some(attribute))
            .flat_map(|o| o.supersedes().iter().copied())
            .collect();
        all.retain(|x| x.2.is_none_or(|id| !gone.contains(&id)));
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
        self.ops.push(Op::List(ListOp {
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
        let gone: Vec<OpId> = all.iter().filter_map(|x| x.2).collect();
        if !gone.is_empty() {
            self.ops.push(Op::Retract {
                attribute: attribute.clone(),
                supersedes: gone,
            });
        }
        let mut last: Option<Vec<u8>> = None;
        for value in values {
            let position = fraction::between(last.as_deref(), None);
            last = Some(position.clone());
            self.ops.push(Op::List(ListOp {
                attribute: attribute.clone(),
                position,
                value,
                supersedes: Vec::new(),
            }));
        }
        Ok(())
    }

    fn retract(&mut self, attribute: Attribute, value: Option<&Value>) -> Result<(), ReplicaError> {
        // what this very transaction asserted goes, and what that assertion would have replaced goes with it
        let mut supersedes: Vec<OpId> = Vec::new();
        self.ops.retain(|op| match op {
            Op::Assert {
                attribute: a,
                value: v,
                supersedes: old,
            } if *a == attribute && value.is_none_or(|x| x == v) => {
                supersedes.extend(old);
                false
            }
            Op::Insert {
                attribute: a,
                value: v,
            } => *a != attribute || value.is_some_and(|x| x != v),
            Op::List(l) => l.attribute != attribute || value.is_some_and(|x| *x != l.value),
            _ => true,
        });
        for l in self.live(&attribute)? {
            if value.is_none_or(|v| l.value.as_ref() == Some(v)) && !supersedes.contains(&l.id) {
                supersedes.push(l.id);
            }
        }
        if !supersedes.is_empty() {
            self.ops.push(Op::Retract {
                attribute,
                supersedes,
            });
        }
        Ok(())
    }

    fn erase(&mut self) -> Result<(), ReplicaError> {
        let Some(e) = self.e else { return Ok(()) };
        let state = self.snapshot.state();
        let mut leaves = Vec::new();
        for (number, index) in state.leaves_of(e) {
            let id = state
                .meta(number)
                .ok_or(ReplicaError::Corrupt(
                    "a commit is not in the table of commits",
                ))?
                .id;
            if !state
                .erased
                .contains(State::erasure_key(&self.entity, &id, index))
            {
                leaves.push(LeafId(id, index));
            }
        }
        if !leaves.is_empty() {
            self.ops = vec![Op::Erase { leaves }];
        }
        Ok(())
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, ReplicaError> {
    Ok(rhizome_ipld::codec::encode(value).map_err(rhizome_tuple::TupleError::from)?)
}
