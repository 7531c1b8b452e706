//! What others would like to be changed.

use rhizome_ipld::PublicKey;
use rhizome_replica::{Edit, Snapshot};
use rhizome_storage::Durability;
use rhizome_tuple::{CommitId, EntityId, ListOp, Op, Value};
use rhizome_view::{Note, Why, notes};
use serde_json::{Value as Json, json};

use super::{outside::Asked, records as r};
use crate::{
    App, AppGrant, Pod, PodError,
    home::{now_ms, random_bytes},
    json::{parse_changes, to_json},
};

const DECIDED: &str = "grant/decided";
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
    /// What is proposed, as people and programs read it.
    pub changes: Json,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Said(Vec<(EntityId, Op)>),
    Asked(Json),
}

impl Proposal {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "id": self.id,
            "from": self.from,
            "at_ms": self.at_ms,
            "why": self.why.map(Why::text),
            "comment": self.comment,
            "decided": self.decided,
            "changes": self.changes,
        })
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
            let guests = view.guests()?;
            let who = |key: &PublicKey| match guests.claimed(key) {
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
                    changes: said.iter().filter_map(|(e, op)| shown(e, op)).collect(),
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
                what: What::Asked(asked.propose.clone()),
                changes: asked.propose,
            });
        }
        for proposal in &mut out {
            let (entity, _) = r::named(self.did(), "proposal", &proposal.id);
            proposal.decided = r::text(&own, &entity, DECIDED);
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
        let all = self.proposals()?;
        let mut found = all
            .into_iter()
            .filter(|p| p.id == id || (id.len() >= 8 && p.id.ends_with(id)));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(PodError::Request(format!(
                "there is no proposal {id}: see `rhizome proposals`"
            ))),
            _ => Err(PodError::Request(format!(
                "several proposals end with {id}"
            ))),
        }
    }

    /// Makes the changes of a proposal in one's own name; of those of one entity alone, if one is given.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such proposal, or it is decided; as [`Pod::transact`].
    pub fn adopt(&self, id: &str, only: Option<&EntityId>) -> Result<Proposal, PodError> {
        let mut proposal = self.proposal(id)?;
        if let Some(decided) = &proposal.decided {
            return Err(PodError::Request(format!(
                "that proposal was {decided} already"
            )));
        }
        match &proposal.what {
            What::Said(said) => {
                let said = said
                    .iter()
                    .filter(|(e, _)| only.is_none_or(|only| only == e));
                let edits: Vec<Edit> = said.filter_map(|(e, op)| edit(*e, op)).collect();
                let mut nonce = [0; 16];
                random_bytes()?(&mut nonce);
                let author = self.author(App::Sharing)?;
                let durable = Durability::Durable;
                self.replica()
                    .write(&author, edits, now_ms(), nonce, durable)?;
            }
            What::Asked(changes) => {
                let mut changes = parse_changes(changes)?;
                if let Some(only) = only {
                    changes.retain(
                        |c| matches!(&c.entity, crate::json::Subject::Known(e) if e == only),
                    );
                }
                self.transact(App::Sharing, &changes)?;
            }
        }
        self.decide(&proposal, "adopted")?;
        proposal.decided = Some("adopted".into());
        self.tend_views(None)?;
        Ok(proposal)
    }

    /// Leaves a proposal be.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such proposal, or it is decided.
    pub fn decline(&self, id: &str) -> Result<Proposal, PodError> {
        let mut proposal = self.proposal(id)?;
        if let Some(decided) = &proposal.decided {
            return Err(PodError::Request(format!(
                "that proposal was {decided} already"
            )));
        }
        self.decide(&proposal, "declined")?;
        proposal.decided = Some("declined".into());
        Ok(proposal)
    }

    fn decide(&self, proposal: &Proposal, how: &str) -> Result<(), PodError> {
        let (entity, nonce) = r::named(self.did(), "proposal", &proposal.id);
        self.write_own(vec![
            Edit::Create(entity, nonce),
            Edit::Assert(entity, r::attribute("rhizome/type")?, "proposal".into()),
            Edit::Assert(
                entity,
                r::attribute("grant/from")?,
                proposal.from.as_str().into(),
            ),
            Edit::Assert(entity, r::attribute(DECIDED)?, how.into()),
        ])
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
