//! From somebody who has been taken out of what was shared with him, by the inbox of its owner: what he wrote there that does not count, and what he proposes.

use std::sync::Arc;

use rhizome_capability::container::{self, Framing};
use rhizome_identity::{Did, Log};
use rhizome_network::PeerAddress;
use rhizome_replica::Edit;
use rhizome_tuple::CommitId;
use rhizome_view::{Guests, ViewError, Why};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::task::block_in_place;

use super::{
    proposals::shown,
    records::{self as r, ViewRecord},
};
use crate::{Pod, PodError, PodNode, View, inbox::MAX_CONTENT};

/// What was told to the owner: names of commits.
const TOLD: &str = "view/told";

/// What a message to an owner says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Which changes, in the form of a transaction.
    pub propose: Json,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Why they did not count, if they were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// One view that this person was taken out of, and what its owner is not told yet.
struct Outside {
    record: ViewRecord,
    owner: Log,
    proof: Vec<u8>,
    commits: Vec<(CommitId, Asked)>,
}

impl Outside {
    fn new(record: ViewRecord, guests: &Guests, own: &str) -> Result<Option<Self>, PodError> {
        let mut mine = guests.grants.iter().filter(|grant| grant.to() == own);
        let (Some(owner), Some(grant)) = (guests.log(&guests.of), mine.next_back()) else {
            return Ok(None);
        };
        let proof = container::write(Framing::Gzip, [grant.delegation.bytes()]);
        Ok(Some(Self {
            owner: owner.clone(),
            proof: proof.map_err(ViewError::from)?,
            record,
            commits: Vec::new(),
        }))
    }

    fn places(&self) -> impl Iterator<Item = PeerAddress> {
        self.record
            .places
            .iter()
            .filter_map(|place| place.parse().ok())
    }
}

impl Pod {
    /// The views that this person was taken out of, with what he wrote there that its owner has not got.
    fn outside(&self) -> Result<Vec<Outside>, PodError> {
        let mut out = Vec::new();
        let Some(views) = self.any_views()? else {
            return Ok(out);
        };
        // mostly there is none, and what is noted need not be read
        let left =
            |view: &Arc<View>| !view.is_owner() && view.addresses().is_empty() && !view.is_member();
        if !views.list().iter().any(left) {
            return Ok(out);
        }
        for record in self.view_records()?.into_iter().filter(|r| !r.is_group()) {
            // where it goes on, what was too late is said again
            if record.public || record.moved.is_some() {
                continue;
            }
            // who was taken out and has heard of it asks nobody for it any more
            let Some(view) = views.get(&record.did).filter(left) else {
                continue;
            };
            // another device acts by another key: so will this one, and says it there
            if !record.keys().contains(&view.key()) {
                continue;
            }
            let guests = view.guests()?;
            let commits = self.in_vain_untold(&record, &view, &guests)?;
            if let Some(mut one) = Outside::new(record, &guests, self.did())? {
                one.commits = commits;
                out.push(one);
            }
        }
        Ok(out)
    }

    /// Those of [`Self::in_vain`] that the owner was not told of.
    pub(super) fn in_vain_untold(
        &self,
        record: &ViewRecord,
        view: &Arc<View>,
        guests: &Guests,
    ) -> Result<Vec<(CommitId, Asked)>, PodError> {
        let told = r::texts(&self.replica().snapshot(), &record.entity, TOLD);
        let mut out = self.in_vain(view, guests)?;
        out.retain(|(id, _)| !told.contains(&id.to_string()));
        Ok(out)
    }

    /// This person's commits to a view that have no effect and that nobody refused: the owner has not got them.
    fn in_vain(
        &self,
        view: &Arc<View>,
        guests: &Guests,
    ) -> Result<Vec<(CommitId, Asked)>, PodError> {
        let now = view.replica()?.snapshot();
        let mut out = Vec::new();
        for number in 0..now.commit_count() {
            let Some((link, false)) = now.link(number)? else {
                continue;
            };
            let mine = guests.claimed(&link.author) == Some(self.did());
            if !mine || guests.is_said_again(&link.id, self.did()) {
                continue;
            }
            let leaves = now.opened(&link.id)?.unwrap_or_default();
            let said = leaves.iter().flatten();
            let changes: Vec<Json> = said
                .flat_map(|(entity, ops)| ops.iter().filter_map(|op| shown(entity, op)))
                .collect();
            if !changes.is_empty() {
                let asked = Asked {
                    propose: changes.into(),
                    comment: String::new(),
                    why: Some(Why::NotAllowed),
                };
                out.push((link.id, asked));
            }
        }
        Ok(out)
    }

    fn note_told(&self, outside: &Outside, commit: &CommitId) -> Result<(), PodError> {
        let told = r::attribute(TOLD)?;
        let insert = Edit::Insert(outside.record.entity, told, commit.to_string().into());
        self.write_own(vec![insert])
    }
}

impl PodNode {
    /// Tells owners what was written too late to what they took back, as proposals. How many were told; who cannot be reached is told next time.
    pub(crate) async fn tell_outside(&self) -> Result<usize, PodError> {
        let pod = Arc::clone(self.pod());
        let mut told = 0;
        for outside in block_in_place(|| pod.outside())? {
            for (commit, asked) in &outside.commits {
                match self.ask_outside(&outside, asked).await {
                    Ok(()) => {
                        block_in_place(|| pod.note_told(&outside, commit))?;
                        told += 1;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "what was written too late was not proposed yet");
                        break;
                    }
                }
            }
        }
        Ok(told)
    }

    async fn ask_outside(&self, outside: &Outside, asked: &Asked) -> Result<(), PodError> {
        let content = serde_json::to_vec(asked).map_err(|e| PodError::Request(e.to_string()))?;
        if content.len() > MAX_CONTENT {
            return Err(PodError::Request(format!(
                "a proposal to somebody who shares nothing with you any more may have {MAX_CONTENT} bytes"
            )));
        }
        let mut failed = PodError::Request("it is not known where they can be reached".into());
        for place in outside.places() {
            match self
                .leave(&place, &outside.owner, &content, &outside.proof)
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Proposes changes to somebody, in a view that he shares, or to his inbox if he has taken everything back.
    ///
    /// # Errors
    /// As [`Pod::propose`]; those of the connection.
    pub async fn propose(&self, to: &Did, changes: &Json, comment: &str) -> Result<(), PodError> {
        let pod = Arc::clone(self.pod());
        let inside = block_in_place(|| pod.propose(to, changes, comment));
        let Err(PodError::Refused(why)) = inside else {
            return inside;
        };
        let outside = block_in_place(|| pod.outside())?.into_iter();
        let to = to.to_string();
        let found = outside
            .filter(|one| one.record.of.as_deref() == Some(&to))
            .last();
        let Some(outside) = found else {
            return Err(PodError::Refused(why));
        };
        let asked = Asked {
            propose: changes.clone(),
            comment: comment.to_owned(),
            why: None,
        };
        self.ask_outside(&outside, &asked).await
    }
}
