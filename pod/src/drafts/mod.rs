//! Drafts: branches of a pod that live beside it.
//!
//! A draft is changes that nobody has made yet. They are tuples of the person's own pod under `draft/`, so his devices have them and nobody else; what they come to is shown over the
//! base as it is at that moment ([`rhizome_replica::Snapshot::with_edits`]). So a draft follows its base wherever it does not say otherwise itself.

mod adopt;
mod base;
mod diff;
mod record;

use std::collections::BTreeSet;

use rhizome_identity::Did;
use rhizome_replica::Edit;
use rhizome_tuple::{EntityId, Value};
use serde_json::{Map, Value as Json, json};

use crate::{
    Pod, PodError, Stop,
    home::{now_ms, random_bytes},
    json::{ChangeKind, parse_changes},
    query::query_in,
    shape::{Place, place},
    sharing::records as r,
    transact::plan,
};
pub use adopt::UndoneDraft;
pub use diff::{Diff, DiffEntity, DiffPlace};
use record::{self as d, Part, Record, State};

/// Drafts of a pod, those that are adopted or dropped included.
const MAX_DRAFTS: usize = 100;
/// Transactions of one draft.
const MAX_PARTS: usize = 1000;
/// Changes of one draft.
const MAX_CHANGES: usize = 20_000;
/// Bytes of one transaction to a draft, and of all of them.
const MAX_PART: usize = 512 << 10;
const MAX_BYTES: usize = 16 << 20;
/// Characters of a name.
const MAX_NAME: usize = 100;

/// A branch of a pod.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What it is called.
    pub name: String,
    /// Of whose pod, as far as that is shared with this person; nothing: of his own.
    pub of: Option<Did>,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: i64,
    /// `open`, `adopted` or `dropped`.
    pub state: &'static str,
    /// When it was last proposed to somebody.
    pub proposed_ms: Option<i64>,
    /// Changes that are not adopted.
    pub changes: usize,
    /// The entities that they are about.
    pub entities: usize,
    /// Entities of it that were adopted.
    pub adopted: usize,
}

impl Draft {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "name": self.name,
            "of": self.of.map(|of| of.to_string()),
            "made_ms": self.made_ms,
            "state": self.state,
            "proposed_ms": self.proposed_ms,
            "changes": self.changes,
            "entities": self.entities,
            "adopted": self.adopted,
        })
    }
}

/// What became of a transaction to a draft.
#[derive(Debug, Clone)]
pub struct Drafted {
    /// The draft.
    pub draft: Draft,
    /// The entities that it makes, by their names in the transaction.
    pub made: Vec<(String, EntityId)>,
}

impl Drafted {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let made = self.made.iter();
        let made: Map<String, Json> = made
            .map(|(name, id)| (name.clone(), id.to_string().into()))
            .collect();
        json!({ "draft": self.draft.to_json(), "entities": made })
    }
}

fn check_name(name: &str) -> Result<(), PodError> {
    let chars = name.chars().count();
    if name.trim() != name || !(1..=MAX_NAME).contains(&chars) || name.chars().any(char::is_control)
    {
        return Err(PodError::Request(format!(
            "the name of a draft has 1 to {MAX_NAME} characters on one line, with no blank at either end"
        )));
    }
    Ok(())
}

impl Record {
    fn draft(&self, parts: &[Part]) -> Result<Draft, PodError> {
        let edits = open_edits(self.pod(), parts)?;
        let said = edits.iter().filter(|edit| place(edit).is_some());
        let entities: BTreeSet<&EntityId> = edits.iter().map(Edit::entity).collect();
        let adopted: BTreeSet<&EntityId> = parts.iter().flat_map(|part| &part.done).collect();
        Ok(Draft {
            name: self.name.clone(),
            of: self.of,
            made_ms: self.made_ms,
            state: self.state.text(),
            proposed_ms: self.proposed_ms,
            changes: said.count(),
            entities: entities.len(),
            adopted: adopted.len(),
        })
    }
}

/// What is not adopted, in its order.
fn open_edits(did: &str, parts: &[Part]) -> Result<Vec<Edit>, PodError> {
    let mut out = Vec::new();
    for part in parts {
        out.extend(part.open(did)?);
    }
    Ok(out)
}

fn places(edits: &[Edit]) -> BTreeSet<Place> {
    edits.iter().filter_map(place).collect()
}

impl Pod {
    /// The drafts, the newest first, those that are adopted or dropped with them.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn drafts(&self) -> Result<Vec<Draft>, PodError> {
        let now = self.replica().snapshot();
        let mut out = Vec::new();
        for record in Record::all(self.did(), &now)? {
            out.push(record.draft(&record.parts(&now)?)?);
        }
        out.sort_by(|a, b| (b.made_ms, &a.name).cmp(&(a.made_ms, &b.name)));
        Ok(out)
    }

    /// Begins a draft: of this person's pod, or of what somebody shares with him.
    ///
    /// # Errors
    /// [`PodError::Request`] for a name that is none or is there already; if he shares nothing; beyond 100 drafts.
    pub fn new_draft(&self, name: &str, of: Option<&Did>) -> Result<Draft, PodError> {
        check_name(name)?;
        let of = of.copied().filter(|of| of.to_string() != self.did());
        let now = self.replica().snapshot();
        let all = Record::all(self.did(), &now)?;
        if let Some(there) = all.iter().find(|draft| draft.name == name) {
            return Err(PodError::Request(match there.state {
                State::Open => format!("there is a draft {name} already"),
                state => format!(
                    "there is a draft {name} that was {}: take another name, or `rhizome draft drop {name} --for-good` first",
                    state.text()
                ),
            }));
        }
        if all.len() >= MAX_DRAFTS {
            return Err(PodError::Request(format!(
                "there are {MAX_DRAFTS} drafts: `rhizome draft drop NAME --for-good` those that are over"
            )));
        }
        // of what is not here nothing can be drafted
        self.base(of.as_ref())?;
        let (entity, nonce) = r::named(self.did(), d::KIND, name);
        let mut edits = vec![Edit::Create(entity, nonce)];
        let mut set = |name: &str, value: Value| {
            edits.push(Edit::Assert(entity, r::attribute(name)?, value));
            Ok::<_, PodError>(())
        };
        set("rhizome/type", d::KIND.into())?;
        set(d::NAME, name.into())?;
        set(d::MADE, Value::Time(now_ms()))?;
        set(d::STATE, State::Open.text().into())?;
        if let Some(of) = of {
            set(d::OF, of.to_string().into())?;
        }
        self.write_own(edits)?;
        self.draft(name)
    }

    /// One draft.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is none of this name.
    pub fn draft(&self, name: &str) -> Result<Draft, PodError> {
        let (record, parts) = self.draft_record(name)?;
        record.draft(&parts)
    }

    fn draft_record(&self, name: &str) -> Result<(Record, Vec<Part>), PodError> {
        let now = self.replica().snapshot();
        let record = Record::read(self.did(), &now, r::named(self.did(), d::KIND, name).0);
        let record = record.ok_or_else(|| {
            let name: String = name.chars().take(MAX_NAME).collect();
            PodError::Request(format!("there is no draft {name}: see `rhizome drafts`"))
        })?;
        let parts = record.parts(&now)?;
        now.fault()?;
        Ok((record, parts))
    }

    /// One that is open.
    fn open_draft(&self, name: &str) -> Result<(Record, Vec<Part>), PodError> {
        let (record, parts) = self.draft_record(name)?;
        match record.state {
            State::Open => Ok((record, parts)),
            State::Adopted => Err(PodError::Request(format!(
                "the draft {name} was adopted: make another one, or `rhizome draft undo {name}`"
            ))),
            State::Dropped => Err(PodError::Request(format!(
                "the draft {name} was dropped: make another one"
            ))),
        }
    }

    /// Says something in a draft: changes in the form of a transaction. Nobody but this person's devices sees it, and nothing else changes.
    ///
    /// # Errors
    /// As [`Pod::transact`]; [`PodError::Request`] if there is no such draft that is open, if something would be erased, or if it is too much for a draft.
    pub fn draft_transact(&self, name: &str, changes: &Json) -> Result<Drafted, PodError> {
        let (record, parts) = self.open_draft(name)?;
        let parsed = parse_changes(changes)?;
        if parsed.iter().any(|c| c.kind == ChangeKind::Erase) {
            return Err(PodError::Request(
                "a draft erases nothing: take back what is not to be there (`retract`), or erase the entity in the pod itself".into(),
            ));
        }
        let mut random = random_bytes()?;
        let (edits, made) = plan(self.did(), &parsed, &mut random)?;
        if edits.is_empty() {
            return Err(PodError::Request("there is nothing in it".into()));
        }
        let part = Part::new(changes, &made, &edits)?;
        let before: usize = parts.iter().map(Part::len).sum();
        let mut all = open_edits(self.did(), &parts)?;
        if part.len() > MAX_PART {
            return Err(PodError::Request(format!(
                "a transaction to a draft has at most {MAX_PART} bytes, and this one has {}: split it",
                part.len()
            )));
        }
        if parts.len() >= MAX_PARTS
            || all.len() + edits.len() > MAX_CHANGES
            || before + part.len() > MAX_BYTES
        {
            return Err(PodError::Request(format!(
                "a draft has at most {MAX_PARTS} transactions with {MAX_CHANGES} changes and {MAX_BYTES} bytes in all: adopt some of it, or make another one"
            )));
        }
        let base = self.base(record.of.as_ref())?;
        let places = places(&edits);
        all.extend(edits);
        // what cannot be done is said now
        base.with(all)?;
        let mut nonce = vec![0; 16];
        random(&mut nonce);
        self.write_own(part.edits(self.did(), &record, nonce, &base.shapes(&places))?)?;
        let draft = self.draft(name)?;
        Ok(Drafted { draft, made })
    }

    /// As [`Pod::query`], of a draft: its base as it is now, with what the draft says.
    ///
    /// # Errors
    /// As there; [`PodError::Request`] if there is no such draft.
    pub fn query_draft(
        &self,
        name: &str,
        q: &Json,
        inputs: &[Json],
        stop: &Stop,
    ) -> Result<Json, PodError> {
        let (record, parts) = self.draft_record(name)?;
        let base = self.base(record.of.as_ref())?;
        let with = base.with(open_edits(self.did(), &parts)?)?;
        query_in(&with.one()?, q, inputs, stop)
    }
}
