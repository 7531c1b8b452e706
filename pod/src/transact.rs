//! Transactions: what an app wants, as edits of the replica.

use std::collections::HashMap;

use rhizome_replica::Edit;
use rhizome_schema::{Merge, Schemas};
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, CommitId, EntityId, Value};
use serde_json::{Map, Value as Json, json};

use crate::{
    App, Pod, PodError,
    home::{now_ms, random_bytes},
    json::{Change, ChangeKind, Subject, TxValue},
};

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its commit; `None` if it changed nothing.
    pub commit: Option<CommitId>,
    /// The entities it made, by their names in the transaction.
    pub entities: Vec<(String, EntityId)>,
    /// Tuples that are new.
    pub added: usize,
    /// Tuples that are gone.
    pub removed: usize,
}

impl Receipt {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let entities: Map<String, Json> = self
            .entities
            .iter()
            .map(|(name, id)| (name.clone(), Json::from(id.to_string())))
            .collect();
        json!({
            "commit": self.commit.map(|c| c.to_string()),
            "entities": entities,
            "added": self.added,
            "removed": self.removed,
        })
    }
}

impl Pod {
    /// Writes a transaction: all of it or nothing. When this returns it is on stable storage and visible to every reader.
    pub fn transact(&self, app: App, changes: &[Change]) -> Result<Receipt, PodError> {
        let mut random = random_bytes()?;
        let (edits, made) = plan(self.did(), changes, &mut random)?;
        let mut nonce = [0; 16];
        random(&mut nonce);
        let author = self.author(app)?;
        let written = self
            .replica()
            .write(&author, edits, now_ms(), nonce, Durability::Durable)?;
        Ok(Receipt {
            commit: written.commits.first().copied(),
            entities: made,
            added: written.added,
            removed: written.removed,
        })
    }
}

/// Entities that a transaction made, by their names in it.
type Made = Vec<(String, EntityId)>;

/// The edits that changes come to, and the entities that they make in the name of `did`.
pub(crate) fn plan(
    did: &str,
    changes: &[Change],
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<(Vec<Edit>, Made), PodError> {
    let mut plan = Plan {
        did,
        made: Vec::new(),
        by_name: HashMap::new(),
        edits: Vec::with_capacity(changes.len()),
    };
    for change in changes {
        plan.change(change, random)?;
    }
    Ok((plan.edits, plan.made))
}

struct Plan<'p> {
    did: &'p str,
    made: Vec<(String, EntityId)>,
    by_name: HashMap<String, EntityId>,
    edits: Vec<Edit>,
}

impl Plan<'_> {
    fn change(
        &mut self,
        change: &Change,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), PodError> {
        let entity = match &change.entity {
            Subject::Known(id) => *id,
            Subject::New(name) => self.named(name, random),
        };
        let edit = match &change.kind {
            ChangeKind::Assert(attribute, value) => {
                let value = self.value(value, random);
                by_schema(entity, attribute.clone(), value)?
            }
            ChangeKind::Retract(attribute, value) => {
                let value = value.as_ref().map(|v| self.value(v, random));
                Edit::Retract(entity, attribute.clone(), value)
            }
            ChangeKind::Insert(attribute, value) => {
                Edit::Insert(entity, attribute.clone(), self.value(value, random))
            }
            ChangeKind::Add(attribute, n) => Edit::Add(entity, attribute.clone(), *n),
            ChangeKind::Push(attribute, value) => {
                Edit::List(entity, attribute.clone(), self.value(value, random), None)
            }
            ChangeKind::List(attribute, values) => {
                let values = values.iter().map(|v| self.value(v, random)).collect();
                Edit::SetList(entity, attribute.clone(), values)
            }
            ChangeKind::Erase => Edit::Erase(entity),
        };
        self.edits.push(edit);
        Ok(())
    }

    /// The entity of a name, made when it is first met: its id commits to this pod, and a `Create` shows the nonce.
    fn named(&mut self, name: &str, random: &mut dyn FnMut(&mut [u8])) -> EntityId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let mut nonce = vec![0; 16];
        random(&mut nonce);
        let id = EntityId::derive(self.did, &nonce);
        self.by_name.insert(name.to_owned(), id);
        self.made.push((name.to_owned(), id));
        self.edits.push(Edit::Create(id, nonce));
        id
    }

    fn value(&mut self, value: &TxValue, random: &mut dyn FnMut(&mut [u8])) -> Value {
        match value {
            TxValue::Plain(value) => value.clone(),
            TxValue::NewRef(name) => Value::Ref(self.named(name, random)),
        }
    }
}

/// A plain assertion merges as the attribute's schema says.
fn by_schema(entity: EntityId, attribute: Attribute, value: Value) -> Result<Edit, PodError> {
    Ok(match Schemas::built_in().merge(attribute.as_str()) {
        Merge::Register => Edit::Assert(entity, attribute, value),
        Merge::Set => Edit::Insert(entity, attribute, value),
        Merge::List => Edit::List(entity, attribute, value, None),
        Merge::Counter => match value {
            Value::Integer(n) => Edit::Add(entity, attribute, n),
            _ => {
                return Err(PodError::Request(format!(
                    "{attribute} is a counter: it takes integers to add"
                )));
            }
        },
    })
}
