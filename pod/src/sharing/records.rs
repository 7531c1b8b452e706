//! What the pod itself says of what is shared: tuples, so every device of the person knows.

use std::collections::BTreeSet;

use rhizome_identity::{Did, Secret};
use rhizome_ipld::PublicKey;
use rhizome_replica::{Edit, Snapshot, key};
use rhizome_share::Predicate;
use rhizome_tuple::{Attribute, EntityId, EpochId, Value};

use crate::{Pod, PodError, Seed};

const KIND: &str = "rhizome/type";
const VIEW: &str = "view/did";
const OF: &str = "view/of";
const WHERE: &str = "view/where";
const KEY: &str = "view/key";
const SEED: &str = "view/seed";
const PLACE: &str = "view/address";
const PUBLIC: &str = "view/public";
const SINCE: &str = "view/since";
const MOVED: &str = "view/moved";
pub(super) const GRANT: &str = "grant/id";
pub(super) const TO: &str = "grant/to";
pub(super) const CAN: &str = "grant/can";
pub(super) const OVER: &str = "grant/view";
pub(super) const GUEST: &str = "grant/key";
pub(super) const GIVEN: &str = "grant/given";
pub(super) const UNTIL: &str = "grant/until";
pub(super) const INSTEAD: &str = "grant/instead";
pub(super) const REVOKED: &str = "grant/revoked";
/// What masks a seed.
const MASK: &str = "rhizome view seed in a pod v1";

/// A view that the person acts in.
#[derive(Clone, Debug)]
pub(crate) struct ViewRecord {
    pub entity: EntityId,
    pub did: Did,
    /// Whose pod it shows; nothing for the person's own.
    pub of: Option<String>,
    /// What is shared.
    pub predicate: Option<Predicate>,
    /// Where it is kept, if it is somebody else's.
    pub places: BTreeSet<String>,
    /// Whether anybody may follow it.
    pub public: bool,
    /// The view in its place, if it has moved.
    pub moved: Option<Did>,
    /// Since when it is noted, in milliseconds since 1970.
    pub since_ms: i64,
    /// By which keys it is acted in: more than one if two devices noted it at once.
    keys: Vec<PublicKey>,
    masked: Vec<Vec<u8>>,
}

impl ViewRecord {
    /// Whether it is a group: then it is nobody's but its own.
    pub fn is_group(&self) -> bool {
        self.of.as_deref() == Some(&self.did.to_string())
    }

    /// Whose secrets its seeds are masked with.
    pub fn epochs(&self) -> impl Iterator<Item = EpochId> {
        let names = self.masked.iter().filter_map(|m| m.first_chunk::<8>());
        names.map(|name| EpochId(*name))
    }

    /// By which keys it is acted in: more than one if two devices noted it at once.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }
}

pub(crate) fn attribute(name: &str) -> Result<Attribute, PodError> {
    Attribute::new(name).map_err(|e| PodError::Replica(e.into()))
}

/// The values of an attribute of an entity.
pub(crate) fn all(now: &Snapshot, entity: &EntityId, name: &str) -> Vec<Value> {
    let (Some(e), Some(a)) = (now.eid(entity), now.aid(name)) else {
        return Vec::new();
    };
    let (lo, hi) = key::eav_ea(e, a);
    let facts = now.eav().range(lo, hi).map(key::un_eav);
    facts.filter_map(|f| now.value(f.v)).collect()
}

pub(crate) fn text(now: &Snapshot, entity: &EntityId, name: &str) -> Option<String> {
    all(now, entity, name).into_iter().find_map(|v| match v {
        Value::Text(text) => Some(text),
        _ => None,
    })
}

pub(crate) fn texts(now: &Snapshot, entity: &EntityId, name: &str) -> BTreeSet<String> {
    let all = all(now, entity, name).into_iter();
    let texts = all.filter_map(|v| match v {
        Value::Text(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

pub(crate) fn time(now: &Snapshot, entity: &EntityId, name: &str) -> Option<i64> {
    let all = all(now, entity, name);
    all.into_iter().find_map(|v| match v {
        Value::Time(ms) => Some(ms),
        _ => None,
    })
}

/// The one with a name, or the only one that counts whose name ends so (8 bytes at least). `kind` is what it is called, and with an s the command that lists them.
pub(crate) fn by_name<T>(
    all: impl IntoIterator<Item = T>,
    kind: &str,
    id: &str,
    name: impl Fn(&T) -> &str,
    counts: impl Fn(&T) -> bool,
) -> Result<T, PodError> {
    let is = |one: &T| name(one) == id || (id.len() >= 8 && name(one).ends_with(id) && counts(one));
    let mut found = all.into_iter().filter(is);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(PodError::Request(format!(
            "there is no {kind} {id}: see `rhizome {kind}s`"
        ))),
        _ => Err(PodError::Request(format!("several {kind}s end with {id}"))),
    }
}

/// Entities that have an attribute.
pub(crate) fn with(now: &Snapshot, name: &str) -> Vec<EntityId> {
    let Some(a) = now.aid(name) else {
        return Vec::new();
    };
    let (lo, hi) = key::aev_a(a);
    let facts = now.aev().range(lo, hi).map(key::un_aev);
    facts.filter_map(|f| now.entity_id(f.e)).collect()
}

pub(crate) fn named(pod: &str, kind: &str, name: &str) -> (EntityId, Vec<u8>) {
    let nonce = *blake3::hash(format!("{kind}:{name}").as_bytes()).as_bytes();
    (EntityId::derive(pod, &nonce), nonce.to_vec())
}

/// The groups that are noted.
pub(super) fn groups(now: &Snapshot) -> Vec<Did> {
    let all = with(now, OF).into_iter();
    let groups = all.filter_map(|entity| {
        let did = text(now, &entity, VIEW)?;
        (text(now, &entity, OF)? == did).then_some(did)
    });
    groups.filter_map(|did| did.parse().ok()).collect()
}

/// What a tuple of the pod says of a view.
pub(super) fn view_record(now: &Snapshot, entity: EntityId) -> Option<ViewRecord> {
    let did = text(now, &entity, VIEW)?.parse().ok()?;
    let keys = texts(now, &entity, KEY);
    let keys = keys.iter().map(|key| PublicKey::from_did_key(key).ok());
    let masked = all(now, &entity, SEED).into_iter();
    let masked = masked.filter_map(|v| match v {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    });
    Some(ViewRecord {
        entity,
        did,
        of: text(now, &entity, OF),
        predicate: text(now, &entity, WHERE).and_then(|p| p.parse().ok()),
        places: texts(now, &entity, PLACE),
        moved: text(now, &entity, MOVED).and_then(|did| did.parse().ok()),
        since_ms: time(now, &entity, SINCE).unwrap_or_default(),
        public: all(now, &entity, PUBLIC).contains(&Value::Boolean(true)),
        keys: keys.flatten().collect(),
        masked: masked.collect(),
    })
}

impl Pod {
    /// The views that the person acts in, as far as this device knows.
    pub(crate) fn view_records(&self) -> Result<Vec<ViewRecord>, PodError> {
        let now = self.replica().snapshot();
        let all = with(&now, VIEW).into_iter();
        let mut out: Vec<_> = all.filter_map(|e| view_record(&now, e)).collect();
        now.fault()?;
        out.sort_by_key(|view| view.did);
        out.dedup_by_key(|view| view.did);
        Ok(out)
    }

    /// Those of this predicate, as it is written.
    pub(super) fn view_records_where(&self, predicate: &str) -> Result<Vec<ViewRecord>, PodError> {
        let now = self.replica().snapshot();
        let (Some(a), Some(word)) = (now.aid(WHERE), now.word(&predicate.into())) else {
            return Ok(Vec::new());
        };
        let (lo, hi) = key::ave_av(a, word);
        let all = now.ave().range(lo, hi).map(|k| key::un_ave(k).e);
        let all = all.filter_map(|e| view_record(&now, now.entity_id(e)?));
        let mut out: Vec<_> = all.collect();
        now.fault()?;
        out.sort_by_key(|view| view.did);
        Ok(out)
    }

    /// Notes a view, or that it is acted in by another seed.
    pub(super) fn note_view(
        &self,
        did: &Did,
        seed: &Seed,
        of: Option<&str>,
        predicate: Option<&Predicate>,
        places: &[String],
        public: bool,
    ) -> Result<EntityId, PodError> {
        let (entity, nonce) = named(self.did(), "view", &did.to_string());
        // also if it was forgotten
        let is_new = text(&self.replica().snapshot(), &entity, VIEW).is_none();
        let mut edits = Vec::new();
        if is_new {
            edits.push(Edit::Create(entity, nonce));
            edits.push(Edit::Assert(entity, attribute(KIND)?, "view".into()));
            edits.push(Edit::Assert(
                entity,
                attribute(VIEW)?,
                did.to_string().into(),
            ));
            let since = Value::Time(crate::home::now_ms());
            edits.push(Edit::Assert(entity, attribute(SINCE)?, since));
        }
        let mut set = |name: &str, value: Value| {
            edits.push(Edit::Assert(entity, attribute(name)?, value));
            Ok::<_, PodError>(())
        };
        set(KEY, seed.public().to_did_key().into())?;
        set(SEED, Value::Bytes(self.mask_seed(did, seed)?))?;
        if let Some(predicate) = predicate {
            set(WHERE, predicate.to_string().into())?;
        }
        if public {
            set(PUBLIC, true.into())?;
        }
        if let Some(of) = of {
            set(OF, of.into())?;
        }
        for place in places {
            edits.push(Edit::Insert(
                entity,
                attribute(PLACE)?,
                place.as_str().into(),
            ));
        }
        self.write_own(edits)?;
        Ok(entity)
    }

    /// Notes that a view has moved.
    pub(super) fn note_moved(&self, record: &ViewRecord, to: &Did) -> Result<(), PodError> {
        let moved = Value::Text(to.to_string());
        self.write_own(vec![Edit::Assert(record.entity, attribute(MOVED)?, moved)])
    }

    /// As [`Self::view_records`], without those in whose place there are others here.
    pub(super) fn current_views(&self) -> Result<Vec<ViewRecord>, PodError> {
        let mut all = self.view_records()?;
        if all.iter().any(|record| record.moved.is_some()) {
            let views = self.views()?;
            all.retain(|record| record.moved.is_none_or(|to| views.get(&to).is_none()));
        }
        Ok(all)
    }

    /// Forgets a view of somebody else's.
    pub(super) fn forget_view(&self, entity: EntityId) -> Result<(), PodError> {
        self.write_own(vec![Edit::Erase(entity)])
    }

    /// The secret of the pod's epoch, unless somebody knows it who is none of its devices any more.
    pub(super) fn fresh_secret(&self) -> Option<Secret> {
        let current = self.member().trust().set().current()?;
        let keys = self.member().keys();
        let mut epochs = keys.epochs().filter(|_| current.fresh);
        let (_, secret) = epochs.find(|(name, _)| *name == current.epoch.0)?;
        Some(Secret::take(&mut { *secret.expose() }))
    }

    /// (name of the epoch ‖ the seed, masked): no two seeds of one view have one key, so no mask is used twice.
    fn mask_seed(&self, did: &Did, seed: &Seed) -> Result<Vec<u8>, PodError> {
        let current = self.member().trust().set().current().map(|c| c.epoch.0);
        let keys = self.member().keys();
        let mut epochs = keys.epochs();
        let found = epochs.find(|(name, _)| Some(*name) == current);
        let (name, secret) = found.ok_or_else(|| {
            PodError::Request(
                "this device has no key of the pod's current epoch yet: exchange first".into(),
            )
        })?;
        let mask = mask(secret.expose(), did, &seed.public());
        let masked = seed.expose().iter().zip(mask).map(|(s, m)| s ^ m);
        Ok(name.into_iter().chain(masked).collect())
    }

    /// The seed that a view is acted in by.
    pub(crate) fn seed_of(&self, view: &ViewRecord) -> Result<Seed, PodError> {
        let mut seeds = self.seeds_of(view).into_iter();
        seeds.next().ok_or_else(|| {
            PodError::Request(format!(
                "the key to the view {} cannot be read on this device",
                view.did
            ))
        })
    }

    /// The seeds that a view is acted in by, as far as this device can read them: more than one if two devices noted it at once.
    pub(crate) fn seeds_of(&self, view: &ViewRecord) -> Vec<Seed> {
        let mut out = Vec::new();
        for key in &view.keys {
            let mut all = view.masked.iter();
            out.extend(all.find_map(|masked| self.unmask(&view.did, key, masked)));
        }
        out
    }

    fn unmask(&self, did: &Did, key: &PublicKey, masked: &[u8]) -> Option<Seed> {
        let (name, masked) = masked.split_first_chunk::<8>()?;
        let masked: &[u8; 32] = masked.try_into().ok()?;
        let keys = self.member().keys();
        for (_, secret) in keys.epochs().filter(|(epoch, _)| epoch == name) {
            let mask = mask(secret.expose(), did, key);
            let mut seed = *masked;
            for (byte, mask) in seed.iter_mut().zip(mask) {
                *byte ^= mask;
            }
            let seed = Seed::take(&mut seed);
            if seed.public() == *key {
                return Some(seed);
            }
        }
        None
    }
}

fn mask(secret: &[u8; 32], did: &Did, key: &PublicKey) -> [u8; 32] {
    let derived = blake3::derive_key(MASK, secret);
    let mut hasher = blake3::Hasher::new_keyed(&derived);
    hasher.update(did.to_string().as_bytes());
    hasher.update(&[0]);
    hasher.update(&key.to_bytes());
    *hasher.finalize().as_bytes()
}
