//! Whose words are followed, and what is said of an entity.

use std::{collections::BTreeMap, sync::Arc};

use rhizome_identity::Did;
use rhizome_replica::{Said, Snapshot, Spoken};
use rhizome_tuple::{Attribute, EntityId, Op, Value};
use rhizome_view::{is_private, is_reserved, values};

use crate::{Pod, PodError, View};

/// One view that is followed.
pub(super) struct Source {
    pub view: Arc<View>,
    /// Whose it is.
    pub of: Arc<str>,
    /// When its owner was followed, in milliseconds since 1970.
    pub since_ms: i64,
}

impl Pod {
    /// The views whose words are followed: what others make public or share, and what this person makes public.
    pub(super) fn sources(&self) -> Result<BTreeMap<Did, Source>, PodError> {
        let mut out = BTreeMap::new();
        let Some(views) = self.any_views()? else {
            return Ok(out);
        };
        let mut since: BTreeMap<String, i64> = BTreeMap::new();
        let records = self.view_records()?;
        for record in &records {
            let of = record.of.clone().unwrap_or_default();
            let at = since.entry(of).or_insert(record.since_ms);
            *at = record.since_ms.min(*at);
        }
        for record in records {
            if record.of.is_none() && !record.public {
                continue;
            }
            let Some(view) = views.get(&record.did) else {
                continue;
            };
            let since_ms = match &record.of {
                // one's own comes first
                None => i64::MIN,
                Some(of) => since.get(of).copied().unwrap_or_default(),
            };
            let of = record.of.unwrap_or_else(|| self.did().to_owned());
            let source = Source {
                view,
                of: of.into(),
                since_ms,
            };
            out.insert(record.did, source);
        }
        Ok(out)
    }
}

/// Whether a view shows that its pod made an entity.
pub(super) fn shows_maker(now: &Snapshot, entity: &EntityId, of: &str) -> Result<bool, PodError> {
    let Some(e) = now.eid(entity) else {
        return Ok(false);
    };
    let made = now.live(e)?.into_iter().any(|said| match said.op {
        Op::Create { nonce } => EntityId::derive(of, &nonce) == *entity,
        _ => false,
    });
    Ok(made)
}

/// What a view says of an entity, without what only a pod says of itself; nothing if there is nothing else.
pub(super) fn said(now: &Snapshot, entity: EntityId) -> Option<Said> {
    let e = now.eid(&entity)?;
    let mut found: Vec<(Attribute, Vec<Value>)> = Vec::new();
    for (attribute, value) in values(now, e) {
        if is_reserved(attribute.as_str()) || is_private(attribute.as_str()) {
            continue;
        }
        match found.last_mut() {
            // they come attribute by attribute
            Some((same, values)) if *same == attribute => values.push(value),
            _ => found.push((attribute, vec![value])),
        }
    }
    let told = found.into_iter().map(|(attribute, values)| {
        let order = || now.aid(attribute.as_str()).and_then(|a| now.list(e, a));
        // to look for an order takes reading what is quoted; of one value there is none
        let order = if values.len() > 1 { order() } else { None };
        let spoken = match order {
            Some(words) => Spoken::List(words.into_iter().filter_map(|w| now.value(w)).collect()),
            None => Spoken::Values(values),
        };
        (attribute, spoken)
    });
    let out: Vec<(Attribute, Spoken)> = told.collect();
    (!out.is_empty()).then_some(Said {
        entity,
        values: out,
    })
}

/// Adds who says it.
pub(super) fn by(mut said: Said, attribute: &Attribute, of: &str) -> Said {
    let whose = Spoken::Values(vec![Value::Text(of.to_owned())]);
    said.values.push((attribute.clone(), whose));
    said
}
