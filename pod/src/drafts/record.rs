//! What the pod itself says of a draft: tuples, so every device of the person knows.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use rhizome_identity::Did;
use rhizome_replica::{Edit, Fact, Snapshot, key};
use rhizome_tuple::{EntityId, Hlc, MAX_VALUE_LEN, OpId, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::{
    PodError,
    json::parse_changes,
    shape::{Place, Shape},
    sharing::records as r,
    transact::plan,
};

/// What a draft is called among other entities.
pub(super) const KIND: &str = "draft";
pub(super) const NAME: &str = "draft/name";
pub(super) const OF: &str = "draft/of";
pub(super) const MADE: &str = "draft/made";
pub(super) const STATE: &str = "draft/state";
pub(super) const PROPOSED: &str = "draft/proposed";
/// What adoptions changed, as JSON.
pub(super) const UNDO: &str = "draft/undo";
/// Of a part: which draft it belongs to, its changes, the entities that it makes with their nonces, and what its base said of what it changes.
const IN: &str = "draft/in";
const CHANGES: &str = "draft/changes";
const MAKES: &str = "draft/makes";
const BEFORE: &str = "draft/before";
/// Entities of it that were adopted.
pub(super) const DONE: &str = "draft/adopted";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Adopted,
    Dropped,
}

impl State {
    pub fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Adopted => "adopted",
            Self::Dropped => "dropped",
        }
    }

    fn read(text: &str) -> Option<Self> {
        let all = [Self::Open, Self::Adopted, Self::Dropped];
        all.into_iter().find(|state| state.text() == text)
    }
}

/// A draft, without what it says.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pod: String,
    pub entity: EntityId,
    pub name: String,
    pub of: Option<Did>,
    pub made_ms: i64,
    pub state: State,
    pub proposed_ms: Option<i64>,
}

impl Record {
    pub fn all(did: &str, now: &Snapshot) -> Result<Vec<Self>, PodError> {
        let mut entities = r::with(now, NAME);
        entities.dedup();
        let all = entities.into_iter();
        let all = all.filter_map(|e| Self::read(did, now, e)).collect();
        now.fault()?;
        Ok(all)
    }

    pub fn read(did: &str, now: &Snapshot, entity: EntityId) -> Option<Self> {
        let text = |name: &str| r::text(now, &entity, name);
        let name = text(NAME)?;
        // others may say that something is a draft
        if r::named(did, KIND, &name).0 != entity {
            return None;
        }
        let of = match text(OF) {
            None => None,
            Some(of) => Some(of.parse().ok()?),
        };
        // of what two devices say at once, what is more final
        let states = r::texts(now, &entity, STATE);
        let state = states.iter().filter_map(|s| State::read(s));
        Some(Self {
            pod: did.to_owned(),
            entity,
            name,
            of,
            made_ms: r::time(now, &entity, MADE).unwrap_or_default(),
            state: state.max_by_key(|s| *s as u8).unwrap_or(State::Open),
            proposed_ms: r::time(now, &entity, PROPOSED),
        })
    }

    pub fn pod(&self) -> &str {
        &self.pod
    }

    /// What it says, in the order in which it was said.
    pub fn parts(&self, now: &Snapshot) -> Result<Vec<Part>, PodError> {
        let (Some(e), Some(a)) = (now.eid(&self.entity), now.aid(IN)) else {
            return Ok(Vec::new());
        };
        let (lo, hi) = key::vae_va(e, a);
        let mut out: Vec<((Hlc, OpId), Part)> = Vec::new();
        for k in now.vae().range(lo, hi) {
            let part = key::un_vae(k).e;
            let Some(id) = now.entity_id(part) else {
                continue;
            };
            let (Some(text), Some(changes)) = (r::text(now, &id, CHANGES), now.aid(CHANGES)) else {
                continue;
            };
            let Some(v) = now.word(&text.as_str().into()) else {
                continue;
            };
            let fact = Fact {
                e: part,
                a: changes,
                v,
            };
            let Some(said) = now.provenance(fact)? else {
                continue;
            };
            let read = |name: &str| r::text(now, &id, name).unwrap_or_else(|| "[]".into());
            let done = r::texts(now, &id, DONE);
            let Some(part) = Part::read(id, text, &read(MAKES), &read(BEFORE), &done) else {
                continue;
            };
            out.push(((said.hlc, said.op), part));
        }
        now.fault()?;
        out.sort_by_key(|(said, _)| *said);
        Ok(out.into_iter().map(|(_, part)| part).collect())
    }

    pub fn set(&self, name: &str, value: Value) -> Result<Edit, PodError> {
        Ok(Edit::Assert(self.entity, r::attribute(name)?, value))
    }
}

#[derive(Serialize, Deserialize)]
struct Before {
    entity: String,
    attribute: String,
    shape: Shape,
}

/// One transaction to a draft.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub entity: EntityId,
    /// In the form of a transaction, its new entities by their ids.
    text: String,
    /// The entities that it makes.
    makes: BTreeMap<EntityId, Vec<u8>>,
    /// What the base said when this was said.
    pub before: BTreeMap<Place, Shape>,
    /// Entities of it that were adopted.
    pub done: BTreeSet<EntityId>,
}

impl Part {
    /// From a transaction with names of new entities.
    pub fn new(
        changes: &Json,
        made: &[(String, EntityId)],
        edits: &[Edit],
    ) -> Result<Self, PodError> {
        let ids = made.iter().map(|(name, id)| (name.clone(), id.to_string()));
        let changes = renamed(changes, &ids.collect());
        let makes = edits.iter().filter_map(|edit| match edit {
            Edit::Create(entity, nonce) => Some((*entity, nonce.clone())),
            _ => None,
        });
        let part = Self {
            entity: EntityId::derive("", b""),
            text: changes.to_string(),
            makes: makes.collect(),
            before: BTreeMap::new(),
            done: BTreeSet::new(),
        };
        // it is read again when it is asked for: what could not be is found here
        parse_changes(&changes)?;
        Ok(part)
    }

    fn read(
        entity: EntityId,
        text: String,
        makes: &str,
        before: &str,
        done: &BTreeSet<String>,
    ) -> Option<Self> {
        let makes: Vec<(String, String)> = serde_json::from_str(makes).ok()?;
        let makes = makes.iter().map(|(id, nonce)| {
            let nonce = BASE64.decode(nonce.as_bytes()).ok()?;
            Some((id.parse().ok()?, nonce))
        });
        let before: Vec<Before> = serde_json::from_str(before).ok()?;
        let before = before.into_iter().map(|one| {
            let place = (one.entity.parse().ok()?, r::attribute(&one.attribute).ok()?);
            Some((place, one.shape))
        });
        Some(Self {
            entity,
            text,
            makes: makes.collect::<Option<_>>()?,
            before: before.collect::<Option<_>>()?,
            done: done.iter().filter_map(|id| id.parse().ok()).collect(),
        })
    }

    /// Bytes of its changes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    pub fn makes(&self) -> impl Iterator<Item = &EntityId> {
        self.makes.keys()
    }

    fn changes(&self) -> Result<Json, PodError> {
        serde_json::from_str(&self.text)
            .map_err(|e| PodError::Request(format!("a part of the draft cannot be read: {e}")))
    }

    /// What of it is not adopted.
    pub fn open(&self, did: &str) -> Result<Vec<Edit>, PodError> {
        let changes = parse_changes(&self.changes()?)?;
        // all that is new has its id already
        let (edits, _) = plan(did, &changes, &mut |_| ())?;
        let made = self.makes.iter();
        let made = made.map(|(entity, nonce)| Edit::Create(*entity, nonce.clone()));
        let all = made.chain(edits);
        let mut all: Vec<Edit> = all.filter(|e| !self.done.contains(e.entity())).collect();
        all.retain(|edit| !matches!(edit, Edit::Erase(_)));
        Ok(all)
    }

    /// What of it is not adopted, in the form of a transaction, with other names for some entities.
    pub fn open_json(&self, names: &BTreeMap<String, String>) -> Result<Vec<Json>, PodError> {
        let Json::Array(all) = self.changes()? else {
            return Ok(Vec::new());
        };
        let is_open = |change: &Json| {
            let about = change.as_object().and_then(|o| o.values().next());
            let entity = about.and_then(|about| about["entity"].as_str());
            !entity.is_some_and(|e| e.parse().is_ok_and(|e| self.done.contains(&e)))
        };
        let open: Vec<Json> = all.into_iter().filter(is_open).collect();
        match renamed(&open.into(), names) {
            Json::Array(all) => Ok(all),
            _ => Ok(Vec::new()),
        }
    }

    /// What is to be written so that it is there.
    pub fn edits(
        &self,
        did: &str,
        draft: &Record,
        nonce: Vec<u8>,
        before: &[(Place, Shape)],
    ) -> Result<Vec<Edit>, PodError> {
        let entity = EntityId::derive(did, &nonce);
        let makes = self.makes.iter();
        let makes: Vec<(String, String)> = makes
            .map(|(id, nonce)| (id.to_string(), BASE64.encode(nonce)))
            .collect();
        let before: Vec<Before> = before
            .iter()
            .map(|((entity, attribute), shape)| Before {
                entity: entity.to_string(),
                attribute: attribute.as_str().to_owned(),
                shape: shape.clone(),
            })
            .collect();
        let text = |json: Result<String, serde_json::Error>| {
            let text = json.map_err(|e| PodError::Request(e.to_string()))?;
            if text.len() > MAX_VALUE_LEN {
                return Err(PodError::Request(format!(
                    "what is there now of what this changes has {} bytes: change less of it at once",
                    text.len()
                )));
            }
            Ok(Value::Text(text))
        };
        let set = |name: &str, value: Value| {
            Ok::<_, PodError>(Edit::Assert(entity, r::attribute(name)?, value))
        };
        Ok(vec![
            Edit::Create(entity, nonce),
            set("rhizome/type", "draft-part".into())?,
            set(IN, Value::Ref(draft.entity))?,
            set(CHANGES, Value::Text(self.text.clone()))?,
            set(MAKES, text(serde_json::to_string(&makes))?)?,
            set(BEFORE, text(serde_json::to_string(&before))?)?,
        ])
    }
}

/// Changes with other names for some entities, where they are spoken of and where they are referred to.
fn renamed(changes: &Json, names: &BTreeMap<String, String>) -> Json {
    let other = |text: &Json| {
        let name = text.as_str().and_then(|text| names.get(text));
        name.map_or_else(|| text.clone(), |name| name.as_str().into())
    };
    let value = |value: &Json| match value.as_object() {
        Some(object) if object.len() == 1 && object.contains_key("ref") => {
            json!({ "ref": other(&value["ref"]) })
        }
        _ => value.clone(),
    };
    let body = |about: &Json| {
        let Some(about) = about.as_object() else {
            return about.clone();
        };
        let members = about.iter().map(|(member, of)| {
            let of = match (member.as_str(), of) {
                ("entity", id) => other(id),
                ("value", Json::Array(all)) => all.iter().map(value).collect(),
                ("value", one) => value(one),
                _ => of.clone(),
            };
            (member.clone(), of)
        });
        Json::Object(members.collect())
    };
    let change = |change: &Json| {
        let Some(verbs) = change.as_object() else {
            return change.clone();
        };
        let verbs = verbs
            .iter()
            .map(|(verb, about)| (verb.clone(), body(about)));
        Json::Object(verbs.collect())
    };
    match changes {
        Json::Array(all) => all.iter().map(change).collect(),
        other => other.clone(),
    }
}
