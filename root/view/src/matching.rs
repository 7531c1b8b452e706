//! Which entities of a pod match.

use rhizome_replica::{Eid, Snapshot, key};
use rhizome_share::{Constant, Predicate, Test};
use rhizome_tuple::{Attribute, EntityId, Value};
use std::collections::BTreeSet;

use crate::ViewError;

/// What the pod says of itself: devices, peers, grants.
const RESERVED: [&str; 9] = [
    "rhizome/",
    "device/",
    "process/",
    "peer/",
    "view/",
    "grant/",
    "message/",
    "app-grant/",
    "draft/",
];

/// Whether an attribute belongs to the pod's own bookkeeping. An entity that has one is never shared, and no guest may set one.
pub fn is_reserved(attribute: &str) -> bool {
    RESERVED.iter().any(|prefix| attribute.starts_with(prefix))
}

/// Whether an attribute is how the entity came into the pod: it stays there when the entity is shared, and no guest may set it.
pub fn is_private(attribute: &str) -> bool {
    attribute.starts_with("import/")
}

/// The current values of an entity.
pub fn values(now: &Snapshot, e: Eid) -> Vec<(Attribute, Value)> {
    let (lo, hi) = key::eav_e(e);
    let facts = now.eav().range(lo, hi).map(key::un_eav);
    let known = facts.filter_map(|f| {
        let attribute = Attribute::new(now.attribute(f.a)?).ok()?;
        Some((attribute, now.value(f.v)?))
    });
    known.collect()
}

/// Whether these are the values of an entity that is shared by `predicate`.
pub fn holds(predicate: &Predicate, values: &[(Attribute, Value)]) -> bool {
    let of = |wanted: &Attribute| {
        let of = values.iter().filter(|(attribute, _)| attribute == wanted);
        of.map(|(_, value)| value).collect::<Vec<_>>()
    };
    predicate.holds(&of) && !values.iter().any(|(a, _)| is_reserved(a.as_str()))
}

/// Whether an entity is shared by `predicate`.
pub fn matches(now: &Snapshot, predicate: &Predicate, entity: &EntityId) -> bool {
    let of = now.eid(entity).map(|e| values(now, e));
    of.is_some_and(|values| holds(predicate, &values))
}

/// All entities that are shared by `predicate`, found by its most selective condition.
///
/// # Errors
/// Those of the store.
pub fn matching(now: &Snapshot, predicate: &Predicate) -> Result<BTreeSet<EntityId>, ViewError> {
    let found: BTreeSet<Eid> = candidates(now, predicate);
    let ids = found.into_iter().filter_map(|e| now.entity_id(e));
    let out = ids.filter(|id| matches(now, predicate, id)).collect();
    now.fault()?;
    Ok(out)
}

/// Entities among which all are that match.
fn candidates(now: &Snapshot, predicate: &Predicate) -> BTreeSet<Eid> {
    match predicate {
        Predicate::Has(attribute, test) => with(now, attribute, test),
        Predicate::All(parts) => {
            let each = parts.iter().map(|part| candidates(now, part));
            each.min_by_key(BTreeSet::len).unwrap_or_default()
        }
        Predicate::Any(parts) => parts.iter().flat_map(|p| candidates(now, p)).collect(),
    }
}

fn with(now: &Snapshot, attribute: &Attribute, test: &Test) -> BTreeSet<Eid> {
    let Some(a) = now.aid(attribute.as_str()) else {
        return BTreeSet::new();
    };
    if let Test::Is(constant) = test {
        let value = match constant {
            Constant::Boolean(b) => Value::Boolean(*b),
            Constant::Integer(n) => Value::Integer(*n),
            Constant::Text(text) => Value::Text(text.clone()),
            Constant::Ref(id) => Value::Ref(*id),
        };
        let Some(word) = now.word(&value) else {
            return BTreeSet::new();
        };
        let (lo, hi) = key::ave_av(a, word);
        return now.ave().range(lo, hi).map(|k| key::un_ave(k).e).collect();
    }
    let (lo, hi) = key::aev_a(a);
    let all = now.aev().range(lo, hi).map(key::un_aev);
    let holding = all.filter(|f| now.value(f.v).is_some_and(|v| test.holds(&v)));
    holding.map(|f| f.e).collect()
}
