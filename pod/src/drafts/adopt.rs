//! What becomes of a draft.

use std::collections::{BTreeMap, BTreeSet};

use rhizome_identity::Did;
use rhizome_replica::Edit;
use rhizome_storage::Durability;
use rhizome_tuple::{EntityId, Value};
use serde_json::Value as Json;
use tokio::task::block_in_place;

use super::{
    Draft, open_edits, places,
    record::{self as d, Part, Record, State},
};
use crate::{
    App, Pod, PodError, PodNode,
    home::{now_ms, random_bytes},
    json::parse_changes,
    shape::{self, Shape},
    sharing::records as r,
    undo::kept,
};

/// Bytes of a proposal: what a note of a view holds, with room for what is around it.
const MAX_PROPOSAL: usize = 1000 << 10;

/// What an adoption made undone leaves.
#[derive(Debug, Clone)]
pub struct UndoneDraft {
    /// The draft, open again.
    pub draft: Draft,
    /// What was changed since it was adopted, and stays: an entity and an attribute.
    pub kept: Vec<(EntityId, String)>,
}

impl UndoneDraft {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let mut out = self.draft.to_json();
        out["kept"] = kept(&self.kept);
        out
    }
}

/// Notes that what parts say of these entities is adopted.
fn done(parts: &[Part], about: &BTreeSet<EntityId>, did: &str) -> Result<Vec<Edit>, PodError> {
    let mut out = Vec::new();
    for part in parts {
        let of: BTreeSet<EntityId> = part.open(did)?.iter().map(|e| *e.entity()).collect();
        for entity in of.intersection(about) {
            let entity = entity.to_string().into();
            out.push(Edit::Insert(part.entity, r::attribute(d::DONE)?, entity));
        }
    }
    Ok(out)
}

impl Pod {
    /// Makes the changes of a draft of this person's own pod, or of a group's, in one commit; of those of one entity alone, if one is given: then the rest stays in the draft.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such draft that is open, if it is of what somebody else shares, or says nothing (of that entity); as [`Pod::transact`].
    pub fn adopt_draft(&self, name: &str, only: Option<&EntityId>) -> Result<Draft, PodError> {
        let (record, parts) = self.open_draft(name)?;
        if let Some(of) = &record.of {
            if self.is_group(of) {
                return self.adopt_in_group(of, &record, &parts, only);
            }
            return Err(PodError::Request(format!(
                "this is a draft of what {of} shares: only they can adopt it. `rhizome draft propose {name} --to {of}`"
            )));
        }
        let mut edits = open_edits(self.did(), &parts)?;
        let of = |edits: &[Edit]| -> BTreeSet<EntityId> {
            edits.iter().map(|edit| *edit.entity()).collect()
        };
        let all = of(&edits);
        edits.retain(|edit| only.is_none_or(|only| only == edit.entity()));
        let about = of(&edits);
        if about.is_empty() {
            return Err(PodError::Request(match only {
                Some(only) => {
                    format!("the draft {name} says nothing of {only} that is not adopted")
                }
                None => format!("the draft {name} says nothing"),
            }));
        }
        // with the changes, so that none is there without the others
        let mut notes = done(&parts, &about, self.did())?;
        let places = places(&edits);
        let now = self.replica().snapshot();
        let before: Vec<Shape> = shape::shapes(&now, &places);
        let after = now.with_edits(edits.clone())?;
        for text in shape::changed_in_parts(&after, &places, &before)? {
            let undo = r::attribute(d::UNDO)?;
            notes.push(Edit::Insert(record.entity, undo, Value::Text(text)));
        }
        if about == all {
            notes.push(record.set(d::STATE, State::Adopted.text().into())?);
        }
        edits.extend(notes);
        self.write_draft(edits)?;
        self.draft(name)
    }

    /// What a member of a group says there counts at once.
    fn adopt_in_group(
        &self,
        of: &Did,
        record: &Record,
        parts: &[Part],
        only: Option<&EntityId>,
    ) -> Result<Draft, PodError> {
        if only.is_some() {
            return Err(PodError::Request(
                "a draft of a group is adopted as a whole: leave the entity out".into(),
            ));
        }
        let (_, changes) = self.draft_changes(&record.name, of)?;
        let edits = open_edits(self.did(), parts)?;
        let about: BTreeSet<EntityId> = edits.iter().map(|edit| *edit.entity()).collect();
        let mut notes = done(parts, &about, self.did())?;
        notes.push(record.set(d::STATE, State::Adopted.text().into())?);
        self.transact_shared(of, &parse_changes(&changes)?)?;
        self.write_own(notes)?;
        self.draft(&record.name)
    }

    fn write_draft(&self, edits: Vec<Edit>) -> Result<(), PodError> {
        let mut nonce = [0; 16];
        random_bytes()?(&mut nonce);
        let author = self.author(App::Sharing)?;
        let durable = Durability::Durable;
        self.replica()
            .write(&author, edits, now_ms(), nonce, durable)?;
        self.tend_views(None)?;
        Ok(())
    }

    /// Makes the adoptions of a draft undone: what still is as it was adopted becomes what it was before, and the draft is open again. What was changed since stays as it is.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such draft, it was dropped, or nothing of it was adopted; as [`Pod::transact`].
    pub fn undo_draft(&self, name: &str) -> Result<UndoneDraft, PodError> {
        let (record, parts) = self.draft_record(name)?;
        if record.state == State::Dropped {
            return Err(PodError::Request(format!("the draft {name} was dropped")));
        }
        if record.of.is_some() {
            return Err(PodError::Request(format!(
                "the draft {name} is of what others have too: change it there"
            )));
        }
        if record.state == State::Open && parts.iter().all(|part| part.done.is_empty()) {
            return Err(PodError::Request(format!(
                "nothing of the draft {name} was adopted"
            )));
        }
        let now = self.replica().snapshot();
        let noted = r::texts(&now, &record.entity, d::UNDO);
        let (mut edits, kept) = shape::undo(&now, &noted)?;
        edits.push(Edit::Retract(record.entity, r::attribute(d::UNDO)?, None));
        edits.push(record.set(d::STATE, State::Open.text().into())?);
        for part in parts.iter().filter(|part| !part.done.is_empty()) {
            edits.push(Edit::Retract(part.entity, r::attribute(d::DONE)?, None));
        }
        self.write_draft(edits)?;
        let draft = self.draft(name)?;
        Ok(UndoneDraft { draft, kept })
    }

    /// Drops a draft: it is kept as such, or erased with all that it says. What was adopted of it stays.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such draft, or it was dropped and is not to be erased.
    pub fn drop_draft(&self, name: &str, for_good: bool) -> Result<(), PodError> {
        let (record, parts) = self.draft_record(name)?;
        if for_good {
            let all = parts.iter().map(|part| part.entity);
            let edits = all.chain([record.entity]).map(Edit::Erase);
            return self.write_own(edits.collect());
        }
        if record.state == State::Dropped {
            return Err(PodError::Request(format!(
                "the draft {name} was dropped already: `--for-good` erases it"
            )));
        }
        self.write_own(vec![record.set(d::STATE, State::Dropped.text().into())?])
    }

    /// The changes of a draft, in the form of a transaction in which what it makes is new.
    fn draft_changes(&self, name: &str, to: &Did) -> Result<(Record, Json), PodError> {
        let (record, parts) = self.open_draft(name)?;
        if let Some(of) = record.of.as_ref().filter(|of| *of != to) {
            return Err(PodError::Request(format!(
                "this is a draft of what {of} shares: it can be proposed to them"
            )));
        }
        let made = parts.iter().flat_map(Part::makes).enumerate();
        let names: BTreeMap<String, String> = made
            .map(|(n, entity)| (entity.to_string(), format!("_:new{n}")))
            .collect();
        let mut all = Vec::new();
        for part in &parts {
            all.extend(part.open_json(&names)?);
        }
        if all.is_empty() {
            return Err(PodError::Request(format!("the draft {name} says nothing")));
        }
        let changes = Json::Array(all);
        let len = changes.to_string().len();
        if len > MAX_PROPOSAL {
            return Err(PodError::Request(format!(
                "this comes to {len} bytes, and a proposal has at most {MAX_PROPOSAL}: propose it in several drafts"
            )));
        }
        Ok((record, changes))
    }
}

impl PodNode {
    /// Proposes what a draft says to somebody: to the one of whose share it is, or, if it is of this person's own pod, to anybody who shares something with him. The draft stays as it
    /// is.
    ///
    /// # Errors
    /// As [`PodNode::propose`]; [`PodError::Request`] if there is no such draft that is open, or it is of what somebody else shares.
    pub async fn propose_draft(
        &self,
        name: &str,
        to: &Did,
        comment: &str,
    ) -> Result<Draft, PodError> {
        let pod = self.pod();
        let (record, changes) = block_in_place(|| pod.draft_changes(name, to))?;
        if block_in_place(|| pod.is_group(to)) {
            return Err(PodError::Request(format!(
                "{to} is a group, where what a member says counts at once: `rhizome draft adopt {name}`"
            )));
        }
        self.propose(to, &changes, comment).await?;
        block_in_place(|| {
            pod.write_own(vec![record.set(d::PROPOSED, Value::Time(now_ms()))?])?;
            pod.draft(name)
        })
    }
}
