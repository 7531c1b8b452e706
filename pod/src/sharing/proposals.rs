//! What others would like to be changed.

use std::collections::BTreeSet;

use rhizome_identity::Did;
use rhizome_ipld::PublicKey;
use rhizome_replica::{Edit, Snapshot};
use rhizome_storage::Durability;
use rhizome_tuple::{CommitId, EntityId, ListOp, Op, Value};
use rhizome_view::{Note, Why, notes};
use serde_json::{Value as Json, json};

use super::{comments::Thread, outside::Asked, records as r};
use crate::{
    App, AppGrant, Pod, PodError,
    home::{now_ms, random_bytes},
    json::{Subject, parse_changes, to_json},
    shape::{self, Place, Shape, place, shapes},
    transact::plan,
    undo::kept,
};

const DECIDED: &str = "grant/decided";
/// Entities of a proposal that were adopted.
const PARTS: &str = "grant/adopted";
/// What adoptions changed, as JSON.
const UNDO: &str = "grant/undo";
const ADOPTED: &str = "adopted";
/// Of an app: what it proposes, which app it is, what it says about it, and when.
const BY_APP: &str = "app-grant/proposes";
const APP: &str = "app-grant/proposed-by";
const COMMENT: &str = "app-grant/comment";
const AT: &str = "app-grant/proposed";

/// Changes that somebody proposes: on purpose, or because they did not count.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Its name.
    pub id: String,
    /// Who, as a DID; a key if he has not said who he is.
    pub from: String,
    /// When, by his clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// Why it did not count; nothing if it was proposed.
    pub why: Option<Why>,
    /// What its author says about it.
    pub comment: String,
    /// `adopted` or `declined`, once it is.
    pub decided: Option<String>,
    /// The entities of which it was adopted.
    pub adopted: BTreeSet<EntityId>,
    /// What is proposed, as people and programs read it.
    pub changes: Json,
    /// What those who have the share say about it.
    pub thread: Thread,
    pub(super) came: Came,
    what: What,
}

/// By which way a proposal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// In a view, where others read an answer.
    In(Did, CommitId),
    /// By the inbox.
    Late,
    /// By an app.
    App,
}

#[derive(Debug, Clone)]
enum What {
    Said(Vec<(EntityId, Op)>),
    Asked(Json),
}

impl Proposal {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let mut out = json!({
            "id": self.id,
            "from": self.from,
            "at_ms": self.at_ms,
            "why": self.why.map(Why::text),
            "comment": self.comment,
            "decided": self.decided,
            "adopted": self.adopted.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "changes": self.changes,
            "came": match self.came {
                Came::In(..) => "shared",
                Came::Late => "late",
                Came::App => "app",
            },
        });
        super::comments::put(&self.thread, &mut out);
        out
    }
}

impl Pod {
    /// Proposals, the newest first, those that are decided with them.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn proposals(&self) -> Result<Vec<Proposal>, PodError> {
        let mut out = Vec::new();
        let own = self.replica().snapshot();
        for record in self.view_records()? {
            let Some(view) = self.views()?.get(&record.did).filter(|v| v.is_owner()) else {
                continue;
            };
            let now = view.replica()?.snapshot();
            let mut guests = view.guests()?;
            if guests.group.is_none() {
                guests.learn(&self.device_log().1);
            }
            let mut threads = rhizome_view::threads(&record.did.to_string(), &now, &guests)?;
            let who = |key: &PublicKey| match guests.proven(key) {
                Some(did) => did.to_owned(),
                None => key.to_did_key(),
            };
            for (id, why) in &guests.refused {
                let Some((_, author, _)) = now.known(id) else {
                    continue;
                };
                let (at_ms, said) = said(&now, id)?;
                out.push(Proposal {
                    id: id.to_string(),
                    from: who(&author),
                    at_ms,
                    why: Some(*why),
                    comment: String::new(),
                    decided: None,
                    adopted: BTreeSet::new(),
                    changes: said.iter().filter_map(|(e, op)| shown(e, op)).collect(),
                    thread: threads.remove(id).unwrap_or_default(),
                    came: Came::In(record.did, *id),
                    what: What::Said(said),
                });
            }
            for left in notes(&record.did.to_string(), &now)? {
                let Note::Proposal { changes, comment } = &left.note else {
                    continue;
                };
                let Ok(changes) = serde_json::from_str::<Json>(changes) else {
                    continue;
                };
                out.push(Proposal {
                    id: left.leaf.0.to_string(),
                    from: who(&left.author),
                    at_ms: left.hlc.ms(),
                    why: None,
                    comment: comment.clone(),
                    decided: None,
                    adopted: BTreeSet::new(),
                    thread: threads.remove(&left.leaf.0).unwrap_or_default(),
                    came: Came::In(record.did, left.leaf.0),
                    what: What::Asked(changes.clone()),
                    changes,
                });
            }
        }
        for entity in r::with(&own, BY_APP) {
            let text = |name: &str| r::text(&own, &entity, name);
            let changes = text(BY_APP).and_then(|text| serde_json::from_str::<Json>(&text).ok());
            let (Some(changes), Some(from)) = (changes, text(APP)) else {
                continue;
            };
            out.push(Proposal {
                id: entity.to_string(),
                from,
                at_ms: r::time(&own, &entity, AT).unwrap_or_default(),
                why: None,
                comment: text(COMMENT).unwrap_or_default(),
                decided: None,
                adopted: BTreeSet::new(),
                thread: Thread::default(),
                came: Came::App,
                what: What::Asked(changes.clone()),
                changes,
            });
        }
        for (entity, message) in self.messages()? {
            let Ok(asked) = serde_json::from_slice::<Asked>(&message.content) else {
                continue;
            };
            out.push(Proposal {
                id: entity.to_string(),
                from: message.from.to_string(),
                at_ms: message.at_ms,
                why: asked.why,
                comment: asked.comment,
                decided: None,
                adopted: BTreeSet::new(),
                thread: Thread::default(),
                came: Came::Late,
                what: What::Asked(asked.propose.clone()),
                changes: asked.propose,
            });
        }
        for proposal in &mut out {
            let (entity, _) = r::named(self.did(), "proposal", &proposal.id);
            proposal.decided = r::text(&own, &entity, DECIDED);
            let parts = r::texts(&own, &entity, PARTS);
            proposal.adopted = parts.iter().filter_map(|e| e.parse().ok()).collect();
        }
        out.sort_by(|a, b| (b.at_ms, &a.id).cmp(&(a.at_ms, &b.id)));
        Ok(out)
    }

    /// Notes what an app proposes.
    pub(crate) fn note_app_proposal(
        &self,
        app: &AppGrant,
        changes: &Json,
        comment: &str,
    ) -> Result<(), PodError> {
        let mut nonce = vec![0; 16];
        random_bytes()?(&mut nonce);
        let entity = EntityId::derive(self.did(), &nonce);
        let text = changes.to_string();
        let set = |name: &str, value: Value| {
            Ok::<_, PodError>(Edit::Assert(entity, r::attribute(name)?, value))
        };
        self.write_own(vec![
            Edit::Create(entity, nonce),
            set("rhizome/type", "app-proposal".into())?,
            set(BY_APP, Value::Text(text))?,
            set(APP, app.client.as_str().into())?,
            set(COMMENT, comment.into())?,
            set(AT, Value::Time(now_ms()))?,
        ])
    }

    fn proposal(&self, id: &str) -> Result<Proposal, PodError> {
        r::by_name(self.proposals()?, "proposal", id, |p| &p.id, |_| true)
    }

    /// Makes the changes of a proposal in one's own name; of those of one entity alone, if one is given: then the rest stays open.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such proposal, or it is decided, or is not about that entity; as [`Pod::transact`].
    pub fn adopt(&self, id: &str, only: Option<&EntityId>) -> Result<Proposal, PodError> {
        let mut proposal = self.proposal(id)?;
        check_open(&proposal)?;
        let mut random = random_bytes()?;
        let mut edits: Vec<Edit> = match &proposal.what {
            What::Said(said) => said.iter().filter_map(|(e, op)| edit(*e, op)).collect(),
            What::Asked(changes) => {
                let mut changes = parse_changes(changes)?;
                if only.is_some() {
                    changes.retain(|c| matches!(&c.entity, Subject::Known(_)));
                }
                plan(self.did(), &changes, &mut random)?.0
            }
        };
        let open =
            |e: &EntityId| !proposal.adopted.contains(e) && only.is_none_or(|only| only == e);
        edits.retain(|edit| open(edit.entity()));
        if edits.is_empty() {
            return Err(PodError::Request(match only {
                Some(only) => {
                    format!("nothing of that proposal is about {only}, or it was adopted already")
                }
                None => "nothing of that proposal can be adopted".into(),
            }));
        }
        let about: BTreeSet<EntityId> = edits.iter().map(|edit| *edit.entity()).collect();
        let places: BTreeSet<Place> = edits.iter().filter_map(place).collect();
        let before = shapes(&self.replica().snapshot(), &places);
        proposal.adopted.extend(&about);
        let (known, new) = entities(&proposal.what)?;
        let whole = only.is_none() || !new && known.is_subset(&proposal.adopted);
        if whole {
            proposal.decided = Some(ADOPTED.into());
        }
        // with the changes, so that neither is there without the other
        edits.extend(self.decision(&proposal)?);
        let mut nonce = [0; 16];
        random(&mut nonce);
        let author = self.author(App::Sharing)?;
        let durable = Durability::Durable;
        self.replica()
            .write(&author, edits, now_ms(), nonce, durable)?;
        self.note_undo(&proposal, &places, &before)?;
        self.tend_views(None)?;
        Ok(proposal)
    }

    /// Leaves a proposal be, or what of it was not adopted.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such proposal, or it is decided.
    pub fn decline(&self, id: &str) -> Result<Proposal, PodError> {
        let mut proposal = self.proposal(id)?;
        check_open(&proposal)?;
        proposal.decided = Some("declined".into());
        self.write_own(self.decision(&proposal)?)?;
        Ok(proposal)
    }

    /// Makes an adoption undone: what still is as it was adopted becomes what it was before, and the proposal is open again. What was changed since stays as it is.
    ///
    /// # Errors
    /// [`PodError::Request`] if nothing of it was adopted; as [`Pod::transact`].
    pub fn undo_adoption(&self, id: &str) -> Result<Undone, PodError> {
        let mut proposal = self.proposal(id)?;
        let now = self.replica().snapshot();
        let (entity, _) = r::named(self.did(), "proposal", &proposal.id);
        let records = r::texts(&now, &entity, UNDO);
        if proposal.adopted.is_empty() && proposal.decided.as_deref() != Some(ADOPTED) {
            return Err(PodError::Request(
                "nothing of that proposal was adopted".into(),
            ));
        }
        let (mut edits, kept) = shape::undo(&now, &records)?;
        let gone = |name: &str| Ok::<_, PodError>(Edit::Retract(entity, r::attribute(name)?, None));
        edits.extend([gone(DECIDED)?, gone(PARTS)?, gone(UNDO)?]);
        let mut nonce = [0; 16];
        random_bytes()?(&mut nonce);
        let author = self.author(App::Sharing)?;
        let durable = Durability::Durable;
        self.replica()
            .write(&author, edits, now_ms(), nonce, durable)?;
        self.tend_views(None)?;
        (proposal.decided, proposal.adopted) = (None, BTreeSet::new());
        Ok(Undone { proposal, kept })
    }

    fn decision(&self, proposal: &Proposal) -> Result<Vec<Edit>, PodError> {
        let (entity, nonce) = r::named(self.did(), "proposal", &proposal.id);
        let from = proposal.from.as_str().into();
        let mut out = vec![
            Edit::Create(entity, nonce),
            Edit::Assert(entity, r::attribute("rhizome/type")?, "proposal".into()),
            Edit::Assert(entity, r::attribute("grant/from")?, from),
        ];
        for part in &proposal.adopted {
            let part = part.to_string().into();
            out.push(Edit::Insert(entity, r::attribute(PARTS)?, part));
        }
        if let Some(how) = &proposal.decided {
            let how = how.as_str().into();
            out.push(Edit::Assert(entity, r::attribute(DECIDED)?, how));
        }
        Ok(out)
    }

    /// Notes what an adoption changed.
    fn note_undo(
        &self,
        proposal: &Proposal,
        places: &BTreeSet<Place>,
        before: &[Shape],
    ) -> Result<(), PodError> {
        let text = shape::changed(&self.replica().snapshot(), places, before)?;
        let (entity, _) = r::named(self.did(), "proposal", &proposal.id);
        let text = Value::Text(text);
        self.write_own(vec![Edit::Insert(entity, r::attribute(UNDO)?, text)])
    }
}

fn check_open(proposal: &Proposal) -> Result<(), PodError> {
    match &proposal.decided {
        Some(decided) => Err(PodError::Request(format!(
            "that proposal was {decided} already"
        ))),
        None => Ok(()),
    }
}

/// The entities that it is about, and whether it makes others.
fn entities(what: &What) -> Result<(BTreeSet<EntityId>, bool), PodError> {
    let mut known = BTreeSet::new();
    let mut new = false;
    match what {
        What::Said(said) => {
            let about = said.iter().filter(|(e, op)| edit(*e, op).is_some());
            known.extend(about.map(|(e, _)| *e));
        }
        What::Asked(changes) => {
            for change in parse_changes(changes)? {
                match change.entity {
                    Subject::Known(e) => drop(known.insert(e)),
                    Subject::New(_) => new = true,
                }
            }
        }
    }
    Ok((known, new))
}

/// What an adoption made undone leaves.
#[derive(Debug, Clone)]
pub struct Undone {
    /// The proposal, open again.
    pub proposal: Proposal,
    /// What was changed since it was adopted, and stays: an entity and an attribute.
    pub kept: Vec<(EntityId, String)>,
}

impl Undone {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let mut out = self.proposal.to_json();
        out["kept"] = kept(&self.kept);
        out
    }
}

/// What a commit of a view says, whether it has effect there or not, and when by its clock.
fn said(now: &Snapshot, id: &CommitId) -> Result<(i64, Vec<(EntityId, Op)>), PodError> {
    let at = now.commit(id)?.map_or(0, |(header, _)| header.hlc.ms());
    let leaves = now.opened(id)?.unwrap_or_default().into_iter().flatten();
    let said = leaves.flat_map(|(entity, ops)| ops.into_iter().map(move |op| (entity, op)));
    Ok((at, said.collect()))
}

/// An operation as an edit of one's own: it goes over what is there now.
pub(super) fn edit(entity: EntityId, op: &Op) -> Option<Edit> {
    Some(match op {
        Op::Assert {
            attribute, value, ..
        } => Edit::Assert(entity, attribute.clone(), value.clone()),
        Op::Insert { attribute, value } => Edit::Insert(entity, attribute.clone(), value.clone()),
        Op::Add { attribute, n } => Edit::Add(entity, attribute.clone(), *n),
        Op::List(ListOp {
            attribute, value, ..
        }) => Edit::List(entity, attribute.clone(), value.clone(), None),
        Op::Retract { attribute, .. } => Edit::Retract(entity, attribute.clone(), None),
        _ => return None,
    })
}

/// An operation in the form of a transaction; nothing for one that no transaction has.
pub(super) fn shown(entity: &EntityId, op: &Op) -> Option<Json> {
    let (kind, value) = match op {
        Op::Assert { value, .. } => ("assert", Some(to_json(value))),
        Op::Insert { value, .. } => ("insert", Some(to_json(value))),
        Op::List(list) => ("list", Some(to_json(&list.value))),
        Op::Add { n, .. } => ("add", Some(Json::from(*n))),
        Op::Retract { .. } => ("retract", None),
        _ => return None,
    };
    let mut about = json!({ "entity": entity.to_string() });
    if let Some(attribute) = op.attribute() {
        about["attribute"] = attribute.as_str().into();
    }
    if let Some(value) = value {
        about["value"] = value;
    }
    Some(json!({ kind: about }))
}
