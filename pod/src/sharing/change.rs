//! Changing what somebody shares.

use std::sync::Arc;

use rhizome_identity::Did;
use rhizome_replica::{Edit, Snapshot};
use rhizome_share::Predicate;
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, EntityId, Value};
use rhizome_view::{Note, Power, matches};

use super::give::{KEEPER, seconds};
use crate::{
    Pod, PodError, Receipt, View,
    home::{now_ms, random_bytes},
    json::Change,
    transact::plan,
};

impl Pod {
    /// The views of somebody in which this person may do at least this.
    fn views_of(&self, of: &Did, power: Power) -> Result<Vec<(Arc<View>, Predicate)>, PodError> {
        let mut out = Vec::new();
        let (mut any, mut followed) = (None, false);
        for record in self.current_views()? {
            if record.of.as_deref() != Some(&of.to_string()) || record.public {
                followed |= record.of.as_deref() == Some(&of.to_string());
                continue;
            }
            let Some(view) = self.views()?.get(&record.did) else {
                continue;
            };
            let guests = view.guests()?;
            let rights = guests.rights(self.did(), seconds()).power;
            let has = rights.filter(|_| view.is_member());
            any = any.max(Some(has));
            if let (true, Some(predicate)) = (has >= Some(power), guests.predicate.clone()) {
                self.claim(&view, &guests)?;
                out.push((view, predicate));
            }
        }
        if !out.is_empty() {
            return Ok(out);
        }
        Err(PodError::Refused(match any {
            None if followed => format!(
                "you follow {of}: that is to read. To do more, ask for an invitation: they make it with `rhizome grant --can {power} --to {}`",
                self.did()
            ),
            None => format!(
                "{of} shares nothing with you that is here: ask for an invitation, and `rhizome accept` it"
            ),
            Some(None) => format!(
                "{of} has taken back what was shared with you, or its time is over: ask for a new grant"
            ),
            Some(Some(has)) => format!(
                "you may {has} what {of} shares with you, not {power}: that takes a delegation of {} by {of}, who makes it with `rhizome grant --can {power} --to {}`; \
                 meanwhile `rhizome propose`",
                power.command(),
                self.did()
            ),
        }))
    }

    /// As [`Pod::transact`], in what somebody shares: it is to be seen at once by those who share it, and counts in the owner's pod once a device of the owner's has admitted it.
    ///
    /// # Errors
    /// [`PodError::Refused`], with what is missing and who can give it; as [`Pod::transact`].
    pub fn transact_shared(&self, of: &Did, changes: &[Change]) -> Result<Receipt, PodError> {
        let _same = self.any_views()?.map(crate::Views::acting);
        if self.is_group(of) {
            return self.transact_group(of, changes);
        }
        let views = self.views_of(of, Power::Write)?;
        let mut random = random_bytes()?;
        let (edits, made) = plan(self.did(), changes, &mut random)?;
        for (view, predicate) in views {
            let replica = view.replica()?;
            let now = replica.snapshot();
            if !fits(&now, &predicate, &edits) {
                continue;
            }
            let mut nonce = [0; 16];
            random(&mut nonce);
            let author = view.author(KEEPER)?;
            let written = replica.write(&author, edits, now_ms(), nonce, Durability::Durable)?;
            return Ok(Receipt {
                commit: written.commits.first().copied(),
                entities: made,
                added: written.added,
                removed: written.removed,
            });
        }
        Err(PodError::Refused(format!(
            "this is about an entity that {of} does not share with you to write, or makes one that would not be shared: a new one has to match what is shared"
        )))
    }

    /// Proposes changes to somebody: nothing happens until a person there adopts them.
    ///
    /// # Errors
    /// [`PodError::Refused`], with what is missing and who can give it.
    pub fn propose(
        &self,
        to: &Did,
        changes: &serde_json::Value,
        comment: &str,
    ) -> Result<(), PodError> {
        // what cannot be read is said here, and not there
        crate::json::parse_changes(changes)?;
        let _same = self.any_views()?.map(crate::Views::acting);
        let views = self.views_of(to, Power::Read)?;
        let view = views.first().map(|(view, _)| Arc::clone(view));
        let view = view.ok_or_else(|| PodError::Refused("nothing is shared".into()))?;
        view.leave(&[Note::Proposal {
            changes: changes.to_string(),
            comment: comment.to_owned(),
        }])
    }
}

/// Whether every entity is shared here, or is new and would be.
fn fits(now: &Snapshot, predicate: &Predicate, edits: &[Edit]) -> bool {
    let made = |entity: &EntityId| {
        let is_it = |edit: &Edit| matches!(edit, Edit::Create(e, _) if e == entity);
        edits.iter().any(is_it)
    };
    edits.iter().map(Edit::entity).all(|entity| {
        if !made(entity) {
            return matches(now, predicate, entity);
        }
        let told: Vec<(&Attribute, &Value)> = edits
            .iter()
            .filter(|edit| edit.entity() == entity)
            .flat_map(|edit| match edit {
                Edit::Assert(_, a, v) | Edit::Insert(_, a, v) | Edit::List(_, a, v, _) => {
                    vec![(a, v)]
                }
                Edit::SetList(_, a, all) => all.iter().map(|v| (a, v)).collect(),
                _ => Vec::new(),
            })
            .collect();
        let of = |wanted: &Attribute| {
            let of = told.iter().filter(|(a, _)| *a == wanted);
            of.map(|(_, v)| *v).collect::<Vec<_>>()
        };
        predicate.holds(&of)
    })
}
