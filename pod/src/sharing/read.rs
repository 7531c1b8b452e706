//! Reading what others share.

use rhizome_identity::Did;
use rhizome_replica::{Snapshot, key};
use rhizome_tuple::{EntityId, Value};
use serde_json::Value as Json;

use crate::{Pod, PodError, Stop, query::query_in};

/// Whose tuples are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// One person's: one's own, or what he shares.
    Of(Did),
    /// One's own, and what everybody shares.
    All,
    /// What others share and make public, and what one makes public, as one: of an entity that several speak of, the word of its maker counts.
    Followed,
}

impl std::str::FromStr for Whose {
    type Err = PodError;

    /// Reads a DID, `all` or `followed`.
    fn from_str(text: &str) -> Result<Self, PodError> {
        if text == "all" {
            return Ok(Self::All);
        }
        if text == "followed" {
            return Ok(Self::Followed);
        }
        let did = text.parse().map_err(|_| {
            PodError::Request(format!(
                "`{text}` is neither a DID nor `all` nor `followed`"
            ))
        })?;
        Ok(Self::Of(did))
    }
}

impl Pod {
    /// This moment of what somebody shares.
    ///
    /// # Errors
    /// [`PodError::Request`] if he shares nothing with this person.
    pub fn shared(&self, whose: Whose) -> Result<Snapshot, PodError> {
        let mut all = self.shared_parts(whose)?;
        match all.len() {
            1 => Ok(all.remove(0)),
            _ => united(&all),
        }
    }

    /// As [`Self::shared`], each view for itself; one at least.
    pub(crate) fn shared_parts(&self, whose: Whose) -> Result<Vec<Snapshot>, PodError> {
        let own = self.replica().snapshot();
        let mut all = Vec::new();
        match whose {
            Whose::Of(did) if did.to_string() == self.did() => return Ok(vec![own]),
            Whose::Of(_) => (),
            Whose::All => all.push(own),
            Whose::Followed => return Ok(vec![self.followed()?.snapshot()]),
        }
        for record in self.current_views()? {
            let Some(of) = &record.of else { continue };
            let wanted = match whose {
                Whose::Of(did) => *of == did.to_string(),
                Whose::All | Whose::Followed => true,
            };
            if wanted && let Some(view) = self.views()?.get(&record.did) {
                all.push(view.replica()?.snapshot());
            }
        }
        match whose {
            Whose::Of(did) if all.is_empty() => Err(PodError::Request(format!(
                "{did} shares nothing with you that is here: `rhizome accept INVITE` with what you were given, or exchange first"
            ))),
            _ => Ok(all),
        }
    }

    /// As [`Pod::query`], of what somebody shares.
    ///
    /// # Errors
    /// As there; as [`Pod::shared`].
    pub fn query_shared(
        &self,
        whose: Whose,
        q: &Json,
        inputs: &[Json],
        stop: &Stop,
    ) -> Result<Json, PodError> {
        query_in(&self.shared(whose)?, q, inputs, stop)
    }
}

/// The tuples of several pods as one, in memory.
pub(crate) fn united(all: &[Snapshot]) -> Result<Snapshot, PodError> {
    let mut facts: Vec<(EntityId, String, Value)> = Vec::new();
    for now in all {
        for k in now.eav().range(0, u128::MAX) {
            let f = key::un_eav(k);
            if let (Some(e), Some(a), Some(v)) =
                (now.entity_id(f.e), now.attribute(f.a), now.value(f.v))
            {
                facts.push((e, a.to_owned(), v));
            }
        }
        now.fault()?;
    }
    let facts = facts.iter().map(|(e, a, v)| (*e, a.as_str(), v.clone()));
    Ok(Snapshot::from_facts(facts)?)
}
