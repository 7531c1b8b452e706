//! Everything about one entity: its tuples and who wrote them, what was there before, what points at it.

use std::collections::{BTreeMap, HashMap};

use rhizome_ipld::PublicKey;
use rhizome_replica::{Aid, Eid, Event, Provenance, Snapshot, key};
use rhizome_schema::{Cardinality, Schemas};
use rhizome_tuple::{EntityId, ListOp, Op, OpId, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::{Pod, PodError, json::to_json};

/// Events of the history that are shown, the newest.
const MAX_HISTORY: usize = 500;
/// Conflicts of a pod that are listed.
const MAX_CONFLICTS: usize = 200;
/// References to the entity that are shown.
const MAX_INCOMING: usize = 200;

/// An entity with its provenance, history, conflicts and incoming references.
#[derive(Debug, Serialize)]
pub struct EntityDetail {
    id: String,
    tuples: Vec<TupleDetail>,
    conflicts: Vec<Conflict>,
    history: Vec<HistoryEntry>,
    history_total: usize,
    incoming: Vec<Incoming>,
    incoming_total: u64,
}

#[derive(Debug, Serialize)]
struct By {
    commit: String,
    at: i64,
    device: String,
    app: Option<String>,
}

#[derive(Debug, Serialize)]
struct TupleDetail {
    attribute: String,
    value: Json,
    merge: &'static str,
    #[serde(flatten)]
    by: By,
}

#[derive(Debug, Serialize)]
struct Conflict {
    attribute: String,
    values: Vec<ConflictValue>,
}

#[derive(Debug, Serialize)]
struct ConflictValue {
    value: Json,
    winner: bool,
    #[serde(flatten)]
    by: By,
}

#[derive(Debug, Serialize)]
struct HistoryEntry {
    kind: &'static str,
    attribute: Option<String>,
    value: Option<Json>,
    current: bool,
    #[serde(flatten)]
    by: By,
}

#[derive(Debug, Serialize)]
struct Incoming {
    entity: String,
    attribute: String,
}

/// Reads an entity, as it was at the first of two moments; the second knows what processes are called. One that the pod never heard of has nothing of anything.
pub(crate) fn detail(
    pod: &Pod,
    (now, names): (&Snapshot, &Snapshot),
    id: &EntityId,
    now_ms: i64,
) -> Result<EntityDetail, PodError> {
    let mut detail = EntityDetail {
        id: id.to_string(),
        tuples: Vec::new(),
        conflicts: Vec::new(),
        history: Vec::new(),
        history_total: 0,
        incoming: Vec::new(),
        incoming_total: 0,
    };
    let Some(e) = now.eid(id) else {
        return Ok(detail);
    };
    let events = now.history(e)?;
    let kinds: HashMap<OpId, &'static str> = events
        .iter()
        .map(|event| (event.by.op, merge(&event.op)))
        .collect();
    let mut current = Vec::new();
    let reader = Reader {
        known: names,
        ..Reader::new(pod, now, now_ms)
    };
    for (a, name) in attributes_of(now, e) {
        for (value, by) in reader.values(e, a)? {
            current.push(by.op);
            detail.tuples.push(TupleDetail {
                attribute: name.clone(),
                value: to_json(&value),
                merge: kinds.get(&by.op).copied().unwrap_or("register"),
                by: reader.by(&by),
            });
        }
        let values = reader.conflict(e, a)?;
        if !values.is_empty() {
            let attribute = name;
            detail.conflicts.push(Conflict { attribute, values });
        }
    }
    detail.history_total = events.len();
    detail.history = events
        .iter()
        .rev()
        .take(MAX_HISTORY)
        .map(|event| reader.entry(event, current.contains(&event.by.op)))
        .collect();
    let (lo, hi) = key::vae_v(e);
    detail.incoming_total = now.vae().count(lo, hi);
    detail.incoming = now
        .vae()
        .range(lo, hi)
        .take(MAX_INCOMING)
        .filter_map(|k| {
            let fact = key::un_vae(k);
            Some(Incoming {
                entity: now.entity_id(fact.e)?.to_string(),
                attribute: now.attribute(fact.a)?.to_owned(),
            })
        })
        .collect();
    now.fault()?;
    Ok(detail)
}

/// What an app is told of an entity: its tuples, and what refers to it. Nothing of who wrote them and when, and of what was there before.
pub(crate) fn seen(now: &Snapshot, id: &EntityId) -> Result<Json, PodError> {
    let mut tuples = Vec::new();
    let mut incoming = Vec::new();
    let mut total = 0;
    if let Some(e) = now.eid(id) {
        for (a, name) in attributes_of(now, e) {
            let order = now.list(e, a);
            let (is_list, all) = match order {
                Some(order) => (true, order),
                None => (false, words(now, e, a).collect()),
            };
            let merge = match Schemas::built_in().merge(&name).cardinality() {
                _ if is_list => "list",
                Cardinality::Many => "set",
                Cardinality::One => "register",
            };
            for value in all.into_iter().filter_map(|w| now.value(w)) {
                tuples.push(json!({ "attribute": name, "value": to_json(&value), "merge": merge }));
            }
        }
        let (lo, hi) = key::vae_v(e);
        total = now.vae().count(lo, hi);
        let all = now.vae().range(lo, hi).take(MAX_INCOMING);
        incoming.extend(all.filter_map(|k| {
            let fact = key::un_vae(k);
            let entity = now.entity_id(fact.e)?.to_string();
            Some(json!({ "entity": entity, "attribute": now.attribute(fact.a)? }))
        }));
    }
    now.fault()?;
    Ok(json!({
        "id": id.to_string(),
        "tuples": tuples,
        "conflicts": [],
        "history": [],
        "history_total": 0,
        "incoming": incoming,
        "incoming_total": total,
    }))
}

/// Where values conflict, with the values; as many as are listed, and how many there are.
pub(crate) fn conflicts(pod: &Pod, now: &Snapshot, now_ms: i64) -> Result<Json, PodError> {
    let all = now.all_conflicts()?;
    let reader = Reader::new(pod, now, now_ms);
    let mut out = Vec::new();
    for (e, a) in all.iter().take(MAX_CONFLICTS) {
        let (Some(id), Some(name)) = (now.entity_id(*e), now.attribute(*a)) else {
            continue;
        };
        out.push(json!({ "entity": id.to_string(), "attribute": name, "values": reader.conflict(*e, *a)? }));
    }
    now.fault()?;
    Ok(json!({ "conflicts": out, "total": all.len() }))
}

/// The current tuples of an entity as one object: a value, or an array for sets and lists. `None` if it has none.
pub(crate) fn state(now: &Snapshot, id: &EntityId) -> Result<Option<Json>, PodError> {
    let Some(e) = now.eid(id) else {
        return Ok(None);
    };
    let mut out = Map::new();
    for (a, name) in attributes_of(now, e) {
        let many = |name: &str| Schemas::built_in().merge(name).cardinality() == Cardinality::Many;
        let (values, is_list): (Vec<Json>, bool) = match now.list(e, a) {
            Some(words) => (
                words
                    .into_iter()
                    .filter_map(|w| now.value(w))
                    .map(|v| to_json(&v))
                    .collect(),
                true,
            ),
            None => (
                words(now, e, a)
                    .filter_map(|w| now.value(w))
                    .map(|v| to_json(&v))
                    .collect(),
                false,
            ),
        };
        let json = match <[Json; 1]>::try_from(values) {
            Ok([one]) if !is_list && !many(&name) => one,
            Ok(one) => Json::Array(one.into()),
            Err(all) => Json::Array(all),
        };
        out.insert(name, json);
    }
    now.fault()?;
    Ok((!out.is_empty()).then_some(Json::Object(out)))
}

fn words(now: &Snapshot, e: Eid, a: Aid) -> impl Iterator<Item = rhizome_replica::Word> {
    let (lo, hi) = key::eav_ea(e, a);
    now.eav().range(lo, hi).map(|k| key::un_eav(k).v)
}

fn attributes_of(now: &Snapshot, e: Eid) -> Vec<(Aid, String)> {
    let (lo, hi) = key::eav_e(e);
    let mut out: Vec<(Aid, String)> = Vec::new();
    for k in now.eav().range(lo, hi) {
        let a = key::un_eav(k).a;
        if out.last().is_none_or(|(last, _)| *last != a)
            && let Some(name) = now.attribute(a)
        {
            out.push((a, name.to_owned()));
        }
    }
    out.sort_by(|x, y| x.1.cmp(&y.1));
    out
}

struct Reader<'s> {
    pod: &'s Pod,
    /// Of the processes of this device.
    names: BTreeMap<PublicKey, String>,
    now: &'s Snapshot,
    /// Where those of others are looked up.
    known: &'s Snapshot,
    now_ms: i64,
}

impl<'s> Reader<'s> {
    fn new(pod: &'s Pod, now: &'s Snapshot, now_ms: i64) -> Self {
        Self {
            pod,
            names: pod.process_names(),
            now,
            known: now,
            now_ms,
        }
    }

    /// The current values with their operations, lists in their order.
    fn values(&self, e: Eid, a: Aid) -> Result<Vec<(Value, Provenance)>, PodError> {
        let order = self.now.list(e, a);
        let mut out = Vec::new();
        for word in order.unwrap_or_else(|| words(self.now, e, a).collect()) {
            let by = self
                .now
                .provenance(rhizome_replica::Fact { e, a, v: word })?;
            if let (Some(value), Some(by)) = (self.now.value(word), by) {
                out.push((value, by));
            }
        }
        Ok(out)
    }

    /// The values that conflict, the one that is shown last.
    fn conflict(&self, e: Eid, a: Aid) -> Result<Vec<ConflictValue>, PodError> {
        let conflicting = self.now.conflicts(e, a)?;
        let last = conflicting.len();
        let value = |(i, (value, by)): (usize, &(Value, Provenance))| ConflictValue {
            value: to_json(value),
            winner: i + 1 == last,
            by: self.by(by),
        };
        Ok(conflicting.iter().enumerate().map(value).collect())
    }

    fn by(&self, by: &Provenance) -> By {
        By {
            commit: by.op.0.to_string(),
            at: by.hlc.display_ms(self.now_ms),
            device: by.author.to_string(),
            app: by.app.clone().or_else(|| {
                let own = self.names.get(&by.author).cloned();
                own.or_else(|| self.pod.process_name_in(self.known, &by.author))
            }),
        }
    }

    fn entry(&self, event: &Event, current: bool) -> HistoryEntry {
        let value = match &event.op {
            Op::Assert { value, .. }
            | Op::Insert { value, .. }
            | Op::List(ListOp { value, .. }) => Some(to_json(value)),
            Op::Add { n, .. } => Some(Json::from(*n)),
            Op::Retract { .. }
            | Op::Text { .. }
            | Op::Erase { .. }
            | Op::Create { .. }
            | Op::Quote(_)
            | Op::Withdraw { .. }
            | Op::Note { .. } => None,
        };
        HistoryEntry {
            kind: match &event.op {
                Op::Assert { .. } => "assert",
                Op::Retract { .. } => "retract",
                Op::Add { .. } => "add",
                Op::Text { .. } => "text",
                Op::List(_) => "list",
                Op::Insert { .. } => "insert",
                Op::Erase { .. } => "erase",
                Op::Create { .. } => "create",
                Op::Quote(_) => "quote",
                Op::Withdraw { .. } => "withdraw",
                Op::Note { .. } => "note",
            },
            attribute: event.op.attribute().map(|a| a.as_str().to_owned()),
            value,
            current,
            by: self.by(&event.by),
        }
    }
}

fn merge(op: &Op) -> &'static str {
    match op {
        Op::Insert { .. } => "set",
        Op::Add { .. } => "counter",
        Op::List(_) => "list",
        _ => "register",
    }
}
