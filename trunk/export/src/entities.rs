//! What of a pod is exported, in an order that depends on nothing but what is in it.

use rhizome_blob::Cid;
use rhizome_ipld::codec;
use rhizome_replica::{Eid, Form, Snapshot, key};
use rhizome_tuple::{EntityId, Value};
use rustc_hash::FxHashSet;

use crate::{Export, ExportError, Progress, Watch};

/// Entities between two words on progress.
const WORD: usize = 256;

/// An entity with all that is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Which.
    pub id: EntityId,
    /// Its attributes, by their names.
    pub held: Vec<Held>,
}

/// An attribute with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The attribute.
    pub attribute: String,
    /// In which way it holds them.
    pub form: Form,
    /// Lists in their order, sets by their bytes; of a register or counter one.
    pub values: Vec<Value>,
}

impl Held {
    /// What the form is called in files.
    pub(crate) fn form_name(&self) -> &'static str {
        match self.form {
            Form::Register => "register",
            Form::Counter => "counter",
            Form::Set => "set",
            Form::List => "list",
        }
    }
}

impl Entity {
    fn values(&self, attribute: &str) -> &[Value] {
        let held = self.held.iter().find(|h| h.attribute == attribute);
        held.map_or(&[], |held| &held.values)
    }

    pub(crate) fn texts(&self, attribute: &str) -> impl Iterator<Item = &str> {
        self.values(attribute).iter().filter_map(|v| match v {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(crate) fn text(&self, attribute: &str) -> Option<&str> {
        self.texts(attribute).next().filter(|text| !text.is_empty())
    }

    pub(crate) fn times(&self, attribute: &str) -> impl Iterator<Item = i64> {
        self.values(attribute).iter().filter_map(|v| match v {
            Value::Time(ms) => Some(*ms),
            _ => None,
        })
    }

    pub(crate) fn time(&self, attribute: &str) -> Option<i64> {
        self.times(attribute).next()
    }

    pub(crate) fn refs(&self, attribute: &str) -> impl Iterator<Item = EntityId> {
        self.values(attribute).iter().filter_map(|v| match v {
            Value::Ref(entity) => Some(*entity),
            _ => None,
        })
    }

    pub(crate) fn blob(&self, attribute: &str) -> Option<Cid> {
        self.values(attribute).iter().find_map(|v| match v {
            Value::Blob(cid) => Some(*cid),
            _ => None,
        })
    }

    pub(crate) fn boolean(&self, attribute: &str) -> Option<bool> {
        self.values(attribute).iter().find_map(|v| match v {
            Value::Boolean(b) => Some(*b),
            _ => None,
        })
    }

    pub(crate) fn integer(&self, attribute: &str) -> Option<i64> {
        self.values(attribute).iter().find_map(|v| match v {
            Value::Integer(n) => Some(*n),
            _ => None,
        })
    }

    pub(crate) fn number(&self, attribute: &str) -> Option<f64> {
        self.values(attribute).iter().find_map(|v| match v {
            Value::Float(x) => Some(*x),
            _ => None,
        })
    }

    /// Files that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = Cid> + '_ {
        let values = self.held.iter().flat_map(|held| &held.values);
        values.filter_map(|value| match value {
            Value::Blob(cid) => Some(*cid),
            _ => None,
        })
    }
}

/// Which entities are exported.
pub(crate) struct Entities<'a> {
    now: &'a Snapshot,
    own: &'a dyn Fn(&str) -> bool,
    ids: Vec<(EntityId, Eid)>,
    /// What speaks of imports of exports only: it would be in each export of an export.
    echoes: FxHashSet<EntityId>,
}

impl<'a> Entities<'a> {
    pub fn of(export: &Export<'a>) -> Result<Self, ExportError> {
        let now = export.now;
        let with_id = |e| Some((now.entity_id(e)?, e));
        let mut ids: Vec<(EntityId, Eid)> = now.entities().filter_map(with_id).collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        let mut all = Self {
            now,
            own: export.own,
            ids,
            echoes: FxHashSet::default(),
        };
        all.echoes = all.find_echoes();
        now.fault()?;
        Ok(all)
    }

    /// Runs and origins of imports of exports. They are found by the importer's name and by the source that it gives.
    fn find_echoes(&self) -> FxHashSet<EntityId> {
        let with = |attribute: &str, value: &str| -> Vec<EntityId> {
            let place = self.now.aid(attribute).zip(self.now.word(&value.into()));
            let Some((a, word)) = place else {
                return Vec::new();
            };
            let (lo, hi) = key::ave_av(a, word);
            let found = self.now.ave().range(lo, hi).map(|k| key::un_ave(k).e);
            found.filter_map(|e| self.now.entity_id(e)).collect()
        };
        let mut echoes: FxHashSet<EntityId> =
            with("import/source", crate::SOURCE).into_iter().collect();
        echoes.extend(with("import/importer", crate::SOURCE));
        echoes
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Each entity that is exported, by its id.
    pub fn each(
        &self,
        mut then: impl FnMut(usize, Entity) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        for (n, (id, e)) in self.ids.iter().enumerate() {
            if let Some(entity) = self.entity(*id, *e)? {
                then(n, entity)?;
            }
        }
        self.now.fault()?;
        Ok(())
    }

    /// Each of them, with a word on how far this is now and then; `total` is all that is to be done.
    pub fn each_told(
        &self,
        total: u64,
        watch: Watch<'_>,
        mut then: impl FnMut(Entity) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let mut next = 0;
        self.each(|n, entity| {
            if n >= next {
                let done = n as u64;
                watch(Progress { done, total })?;
                next = n + WORD;
            }
            then(entity)
        })
    }

    /// One of them.
    pub fn one(&self, id: &EntityId) -> Result<Option<Entity>, ExportError> {
        match self.now.eid(id) {
            Some(e) => self.entity(*id, e),
            None => Ok(None),
        }
    }

    fn entity(&self, id: EntityId, e: Eid) -> Result<Option<Entity>, ExportError> {
        if self.echoes.contains(&id) {
            return Ok(None);
        }
        let (lo, hi) = key::eav_e(e);
        let mut held: Vec<Held> = Vec::new();
        let mut last = None;
        for fact in self.now.eav().range(lo, hi).map(key::un_eav) {
            if last != Some(fact.a) {
                last = Some(fact.a);
                let Some(name) = self.now.attribute(fact.a) else {
                    continue;
                };
                if (self.own)(name) {
                    return Ok(None);
                }
                let form = self.now.form(e, fact.a).unwrap_or(Form::Register);
                let values = if form == Form::List {
                    let words = self.now.list(e, fact.a).unwrap_or_default();
                    words
                        .into_iter()
                        .filter_map(|w| self.now.value(w))
                        .collect()
                } else {
                    Vec::new()
                };
                held.push(Held {
                    attribute: name.to_owned(),
                    form,
                    values,
                });
            }
            if let Some(held) = held.last_mut()
                && held.form != Form::List
                && let Some(value) = self.now.value(fact.v)
            {
                held.values.push(value);
            }
        }
        held.retain(|held| !held.values.is_empty());
        held.sort_unstable_by(|x, y| x.attribute.cmp(&y.attribute));
        for held in held.iter_mut().filter(|held| held.form == Form::Set) {
            let mut keyed = Vec::with_capacity(held.values.len());
            for value in held.values.drain(..) {
                keyed.push((codec::encode(&value)?, value));
            }
            keyed.sort_unstable_by(|x, y| x.0.cmp(&y.0));
            held.values
                .extend(keyed.into_iter().map(|(_, value)| value));
        }
        let entity = Entity { id, held };
        let conflict = entity.text("import/type") == Some("conflict");
        Ok((!entity.held.is_empty() && !conflict).then_some(entity))
    }
}

/// Milliseconds since 1970 as `20220712T161556Z`; `None` for a time that no calendar has.
pub(crate) fn utc(ms: i64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// Milliseconds since 1970 as RFC 3339 writes it.
pub(crate) fn rfc3339(ms: i64) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_string())
}
