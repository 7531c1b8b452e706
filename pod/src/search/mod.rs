//! Full-text search of the pod, of what others share, and of what an app sees.

mod keeper;

use std::sync::atomic::Ordering;

use rhizome_replica::{Snapshot, key, tag};
use rhizome_schema::{Schemas, ValueType};
use rhizome_search::{Found, Hit, Query, Request, SearchError, is_prose, scan};
use rhizome_tuple::EntityId;
use rhizome_view::is_private;
use serde::Deserialize;
use serde_json::{Value as Json, json};

pub(crate) use keeper::Keeper;

use crate::{Pod, PodError, Stop, Whose};

/// Hits of one answer.
const MAX_HITS: usize = 1_000;
/// Attributes that a search can be narrowed to.
const MAX_ATTRIBUTES: usize = 64;
/// What the pod says of itself.
const OWN: [&str; 9] = [
    "rhizome/",
    "view/",
    "grant/",
    "app-grant/",
    "draft/",
    "device/",
    "peer/",
    "process/",
    "message/content",
];

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Words that must be there, `"phrases"`, `-words`, `prefix*`, `one OR another`; see `docs/search.md`.
    pub q: String,
    /// Only in texts of these attributes; in all that are searched if there are none.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// Only entities of this type: `post`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// At most so many hits: 20 if it does not say, 1,000 at most.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Whose tuples: a DID, `all`, or `followed`; the pod's own if it does not say.
    #[serde(default)]
    pub pod: Option<String>,
}

/// Whether texts of an attribute are searched: those that people wrote. Not what is one of a few words, nor addresses, keys, markup, and what the pod says of
/// itself.
pub(crate) fn is_searched(name: &str) -> bool {
    let described = |name: &str| {
        Schemas::built_in().attribute(name).is_none_or(|a| {
            matches!(a.value_type, ValueType::Text | ValueType::Any) && a.values.is_empty()
        })
    };
    is_prose(name)
        && !is_private(name)
        && !OWN.iter().any(|own| name.starts_with(own))
        && described(name)
}

impl Search {
    fn query(&self) -> Result<Query, PodError> {
        if self.limit.is_some_and(|limit| limit > MAX_HITS) {
            return Err(PodError::Request(format!(
                "a search answers with {MAX_HITS} hits at most: ask for less, and for something rarer"
            )));
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Err(PodError::Request(format!(
                "a search can be narrowed to {MAX_ATTRIBUTES} attributes at most"
            )));
        }
        Ok(Query::parse(&self.q)?)
    }

    fn request<'a>(&'a self, query: &'a Query) -> Request<'a> {
        Request {
            attributes: &self.attributes,
            kind: self.kind.as_deref(),
            limit: self.limit.unwrap_or(20),
            ..Request::new(query)
        }
    }

    /// Looks through all texts of a moment.
    pub(crate) fn scan(&self, now: &Snapshot, stop: &Stop) -> Result<Json, PodError> {
        let query = self.query()?;
        let request = self.request(&query);
        let check = || !stop.load(Ordering::Relaxed);
        let found = scan(&request, now, &is_searched, &check)?;
        Ok(answer(now, &found))
    }
}

impl Pod {
    /// Looks for words in what people wrote: `{"hits": [{"entity", "attribute", "type", "created", "score", "excerpt": [{"text", "hit"}]}], "complete", "behind"}`,
    /// the best first. What was written before the call is found. `stop` is looked at now and then.
    ///
    /// # Errors
    /// [`PodError::Search`] if the search cannot be read; [`PodError::Request`]; those of reading the pod.
    pub fn search(&self, search: &Search, stop: &Stop) -> Result<Json, PodError> {
        if let Some(whose) = &search.pod {
            let whose: Whose = whose.parse()?;
            if !matches!(&whose, Whose::Of(did) if did.to_string() == self.did()) {
                return search.scan(&self.shared(whose)?, stop);
            }
        }
        let query = search.query()?;
        let request = search.request(&query);
        // what is in it, the index has heard of
        let now = self.replica().snapshot();
        let found = self.found_in(&request, &now, stop)?;
        Ok(answer(&now, &found))
    }

    /// What is found in the pod at a moment that was taken just now: with the index, or without where that fails.
    pub(crate) fn found_in(
        &self,
        request: &Request<'_>,
        now: &Snapshot,
        stop: &Stop,
    ) -> Result<Found, PodError> {
        let check = || !stop.load(Ordering::Relaxed);
        let found = self.searching().and_then(|keeper| {
            keeper.prepare(stop)?;
            Ok(keeper.index().search(request, now, &check)?)
        });
        match found {
            Err(PodError::Search(error @ (SearchError::Index(_) | SearchError::File(_)))) => {
                tracing::warn!(%error, "searched without the index");
                Ok(scan(request, now, &is_searched, &check)?)
            }
            found => found,
        }
    }
}

/// As a call answers.
fn answer(now: &Snapshot, found: &Found) -> Json {
    let hits: Vec<Json> = found.hits.iter().map(|hit| shown(now, hit)).collect();
    json!({ "hits": hits, "complete": found.complete, "behind": found.behind })
}

fn shown(now: &Snapshot, hit: &Hit) -> Json {
    let created = hit
        .created
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let excerpt: Vec<Json> = hit
        .excerpt
        .iter()
        .map(|part| json!({ "text": part.text, "hit": part.hit }))
        .collect();
    json!({
        "entity": hit.entity.to_string(),
        "attribute": hit.attribute,
        "type": kind(now, &hit.entity),
        "created": created.map(|at| at.to_string()),
        "score": hit.score,
        "excerpt": excerpt,
    })
}

/// What an entity says it is.
fn kind(now: &Snapshot, id: &EntityId) -> Option<String> {
    let (lo, hi) = key::eav_e(now.eid(id)?);
    now.eav().range(lo, hi).map(key::un_eav).find_map(|f| {
        let name = now.attribute(f.a)?;
        if f.v.tag != tag::TEXT || !(name == "type" || name.ends_with("/type")) {
            return None;
        }
        now.text_with(f.v, str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::is_searched;

    #[test]
    fn what_people_wrote_is_searched() {
        for yes in [
            "social/text",
            "social/alt",
            "social/name",
            "note/body",
            "anything",
        ] {
            assert!(is_searched(yes), "{yes}");
        }
        for no in [
            "social/audience",
            "social/type",
            "social/html",
            "social/url",
            "social/created",
            "import/source",
            "app-grant/name",
            "device/name",
        ] {
            assert!(!is_searched(no), "{no}");
        }
    }
}
