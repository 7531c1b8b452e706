//! What people say about proposals, where both sides read it.

use std::sync::Arc;

use rhizome_ipld::PublicKey;
use rhizome_tuple::CommitId;
pub use rhizome_view::Thread;
use rhizome_view::{Guests, Note, ViewError, notes, threads};
use serde_json::{Value as Json, json};

use super::{give::seconds, proposals::Came, records as r};
use crate::{Pod, PodError, View};

/// Something that this person proposed in a view of somebody else's, or that was refused there.
#[derive(Debug, Clone)]
pub struct MyProposal {
    /// Its name, as its recipient knows it.
    pub id: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was said with it.
    pub comment: String,
    /// What is proposed.
    pub changes: Json,
    /// What was said about it.
    pub thread: Thread,
}

impl MyProposal {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        let mut out = json!({
            "id": self.id,
            "at_ms": self.at_ms,
            "comment": self.comment,
            "changes": self.changes,
        });
        put(&self.thread, &mut out);
        out
    }
}

/// Adds what was said.
pub(super) fn put(thread: &Thread, out: &mut Json) {
    let one =
        |c: &rhizome_view::Comment| json!({ "from": c.from, "at_ms": c.at_ms, "text": c.text });
    let all: Vec<Json> = thread.comments.iter().map(one).collect();
    out["comments"] = all.into();
    out["comments_left_out"] = thread.left_out.into();
}

/// What this person proposed in a view, newest first.
pub(super) fn asked(
    view: &View,
    guests: &Guests,
    mine: &dyn Fn(&PublicKey) -> bool,
) -> Result<Vec<MyProposal>, PodError> {
    let did = view.did().to_string();
    let now = view.replica()?.snapshot();
    let mut threads = threads(&did, &now, guests)?;
    let mut out = Vec::new();
    for left in notes(&did, &now)?.into_iter().rev() {
        let Note::Proposal { changes, comment } = left.note else {
            continue;
        };
        let Ok(changes) = serde_json::from_str(&changes) else {
            continue;
        };
        if mine(&left.author) {
            out.push(MyProposal {
                id: left.leaf.0.to_string(),
                at_ms: left.hlc.ms(),
                comment,
                changes,
                thread: threads.remove(&left.leaf.0).unwrap_or_default(),
            });
        }
    }
    Ok(out)
}

impl Pod {
    /// Says something about a proposal: one that somebody made to this person, or that this person, or another guest, made where something is shared with him. All who have the
    /// share may read it. Returns all that was said about it, as the API prints it.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such proposal, or nobody would read it: one that came too late, or from an app; [`PodError::Refused`] if the grant does not count any
    /// more; [`PodError::View`] for words that are too long.
    pub fn comment(&self, id: &str, text: &str) -> Result<Json, PodError> {
        let _same = self.any_views()?.map(crate::Views::acting);
        let (view, commit) = self.commented(id)?;
        let mut guests = view.guests()?;
        let may = if guests.group.is_some() {
            view.is_member()
        } else if view.is_owner() {
            guests.learn(&self.device_log().1);
            true
        } else {
            let rights = guests.rights(self.did(), seconds());
            rights.power.is_some() && view.is_member()
        };
        if !may {
            return Err(PodError::Refused(format!(
                "{} has taken back what was shared with you, or its time is over: what you say there they do not get. Ask for a new grant",
                guests.of
            )));
        }
        let note = Note::Comment(commit, text.to_owned());
        // what cannot be said is found before anything is
        note.to_bytes()?;
        // the owner too: others may have the key by which he acts
        self.claim(&view, &guests)?;
        view.leave(&[note])?;
        let (now, did) = (view.replica()?.snapshot(), view.did().to_string());
        let mut threads = threads(&did, &now, &view.guests()?)?;
        let mut out = json!({ "id": commit.to_string() });
        put(&threads.remove(&commit).unwrap_or_default(), &mut out);
        Ok(out)
    }

    /// Where a proposal is that can be answered.
    fn commented(&self, id: &str) -> Result<(Arc<View>, CommitId), PodError> {
        let mut found = Vec::new();
        for proposal in self.proposals()? {
            found.push((proposal.id, proposal.came));
        }
        for record in self.view_records()? {
            let Some(view) = self.views()?.get(&record.did) else {
                continue;
            };
            if record.of.is_none() || record.public || view.is_owner() {
                continue;
            }
            let did = record.did.to_string();
            let (guests, now) = (view.guests()?, view.replica()?.snapshot());
            let refused = guests.refused.keys().copied();
            let asked = notes(&did, &now)?.into_iter();
            let asked = asked.filter(|left| matches!(left.note, Note::Proposal { .. }));
            let all = asked.map(|left| left.leaf.0).chain(refused);
            found.extend(all.map(|commit| (commit.to_string(), Came::In(record.did, commit))));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.dedup_by(|a, b| a.0 == b.0);
        let (_, came) = r::by_name(found, "proposal", id, |one| &one.0, |_| true)?;
        match came {
            Came::In(did, commit) => {
                let view = self.views()?.get(&did);
                let gone = || ViewError::NotGranted("it was removed just now");
                Ok((view.ok_or_else(gone)?, commit))
            }
            Came::Late => Err(PodError::Request(
                "this came by the inbox, after its author was taken out of what was shared with him: there is no place any more where he would read an answer. Share with him                  again to talk about it, or adopt or decline it"
                    .into(),
            )),
            Came::App => Err(PodError::Request(
                "an app proposes this, and reads no answers: adopt or decline it".into(),
            )),
        }
    }
}
