//! Taking back what one commit said.

use std::{collections::BTreeSet, str::FromStr};

use rhizome_ipld::Cid;
use rhizome_replica::CommitMeta;
use rhizome_storage::Durability;
use rhizome_tuple::{CommitId, EntityId, Op};
use rhizome_view::is_reserved;
use serde_json::{Value as Json, json};

use crate::{
    App, Pod, PodError,
    home::{now_ms, random_bytes},
    shape::{self, Place},
};

/// Attributes of entities that can be taken back at once.
const MOST: usize = 250_000;

/// What taking a commit back came to.
#[derive(Debug, Clone)]
pub struct UndoneCommit {
    /// The commit that was taken back.
    pub undone: CommitId,
    /// The one that did it; nothing if it is as it was before already.
    pub commit: Option<CommitId>,
    /// Tuples that are new.
    pub added: usize,
    /// Tuples that are gone.
    pub removed: usize,
    /// What was changed since, and stays: an entity and an attribute.
    pub kept: Vec<(EntityId, String)>,
}

impl UndoneCommit {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "undone": self.undone.to_string(),
            "commit": self.commit.map(|c| c.to_string()),
            "added": self.added,
            "removed": self.removed,
            "kept": kept(&self.kept),
        })
    }
}

/// What was changed since and stays, as commands and the API print it.
pub(crate) fn kept(all: &[(EntityId, String)]) -> Json {
    let one = |(e, a): &(EntityId, String)| json!({ "entity": e.to_string(), "attribute": a });
    all.iter().map(one).collect()
}

/// A commit by its name.
///
/// # Errors
/// [`PodError::Request`] if it is none.
pub fn parse_commit(text: &str) -> Result<CommitId, PodError> {
    let cid = Cid::from_str(text.trim()).ok();
    cid.and_then(|cid| CommitId::from_cid(&cid)).ok_or_else(|| {
        PodError::Request("that is not the name of a commit: `rhizome log` lists them".into())
    })
}

impl Pod {
    /// Makes what one commit said undone, or what it said of one entity, with another commit: what still is as it left it becomes what it was before. What was changed since stays as it is, and so does what was erased.
    /// It costs what was ever said of the entities that it is about. To take that back again, undo the commit that this one makes.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such commit, it has no effect, or says nothing that can be taken back: what the pod says of itself, its devices and its shares has
    /// ways of its own. As [`Pod::transact`].
    pub fn undo_commit(
        &self,
        app: App,
        id: &CommitId,
        only: Option<&EntityId>,
    ) -> Result<UndoneCommit, PodError> {
        let request = |why: &str| Err(PodError::Request(why.to_owned()));
        let now = self.replica().snapshot();
        let Some((number, _, counts)) = now.known(id) else {
            return request("there is no such commit in this pod: `rhizome log` lists them");
        };
        let Some(meta) = now.commit_meta(number).filter(|_| counts) else {
            return request("that commit has no effect, so there is nothing to take back");
        };
        let mut places: BTreeSet<Place> = BTreeSet::new();
        let mut entities = BTreeSet::new();
        let mut erases = false;
        let said = now.opened(id)?.unwrap_or_default().into_iter().flatten();
        for (entity, ops) in said.filter(|(entity, _)| only.is_none_or(|only| only == entity)) {
            erases |= ops.iter().any(|op| matches!(op, Op::Erase { .. }));
            for attribute in ops.iter().filter_map(Op::attribute) {
                if is_reserved(attribute.as_str()) {
                    return request(
                        "that commit is what the pod says of itself, its devices and its shares: take it back where it was made",
                    );
                }
                entities.insert(entity);
                places.insert((entity, attribute.clone()));
            }
        }
        if places.is_empty() {
            return request(if erases {
                "that commit erases: what was erased is gone for good"
            } else {
                "nothing that the commit said of this is here any more"
            });
        }
        if places.len() > MOST {
            return Err(PodError::Request(format!(
                "that commit says {} things: at most {MOST} can be taken back at once",
                places.len()
            )));
        }
        let order = |commit: &CommitMeta| (commit.hlc, commit.id);
        let this = order(&meta);
        let before = now.part_as_of(&entities, |commit| order(commit) < this)?;
        let after = now.part_as_of(&entities, |commit| order(commit) <= this)?;
        let (edits, kept) = shape::undo_between(&now, &places, (&before, &after))?;
        let mut out = UndoneCommit {
            undone: *id,
            commit: None,
            added: 0,
            removed: 0,
            kept,
        };
        if edits.is_empty() {
            return Ok(out);
        }
        let mut nonce = [0; 16];
        random_bytes()?(&mut nonce);
        let author = self.author(app)?;
        let durable = Durability::Durable;
        let written = self
            .replica()
            .write(&author, edits, now_ms(), nonce, durable)?;
        out.commit = written.commits.first().copied();
        (out.added, out.removed) = (written.added, written.removed);
        Ok(out)
    }
}
