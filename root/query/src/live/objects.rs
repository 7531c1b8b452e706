//! What subscribers of a nested query are told.

use super::diff::SubscriptionId;
use super::strategy::Strategy;
use crate::error::QueryError;
use rhizome_tuple::EntityId;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// An object at the top of a nested result. It is known by its namespace and its entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub(super) namespace: Arc<str>,
    pub(super) entity: EntityId,
    pub(super) index: usize,
    pub(super) pulled: Arc<[Json]>,
}

/// A new subscription to a nested query.
#[derive(Clone, Debug)]
pub struct SubscribedObjects {
    /// For [`super::LiveSet::unsubscribe`], and to know its updates by.
    pub id: SubscriptionId,
    /// The objects of the result at this moment, those of one namespace after those of another, each in its order.
    pub objects: Vec<Object>,
    /// How it is kept up to date.
    pub strategy: Strategy,
}

/// What a commit did to a subscription to a nested query.
#[derive(Clone, Debug)]
pub enum NestedUpdate {
    /// The result changed.
    Objects(ObjectsDiff),
    /// The result can no longer be kept, or the query no longer means anything (a short name became ambiguous); the subscription is
    /// over.
    Ended(QueryError),
}

/// The difference between two nested results. To follow one, take out every object in `removed` and `changed`, then put those of
/// `added` and `changed` back in ascending order of [`Object::index`]: that is their final place.
#[derive(Clone, Debug, Default)]
pub struct ObjectsDiff {
    /// Namespace and entity of objects that are gone, or have left their page.
    pub removed: Vec<(Arc<str>, EntityId)>,
    /// Objects that are new, or have come into their page.
    pub added: Vec<Object>,
    /// Objects with other contents or another place.
    pub changed: Vec<Object>,
}

impl Object {
    /// The key of the query that it belongs to.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its entity.
    pub fn entity(&self) -> EntityId {
        self.entity
    }

    /// Its place in the whole result, from 0, the namespaces one after another in the order of the query.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The object, in the form of [`crate::iql::Query::run`].
    pub fn object(&self) -> &Json {
        self.pulled.first().unwrap_or(&Json::Null)
    }

    /// `{"namespace": "post", "index": 0, "object": {"id": "rz:…", …}}`
    pub fn to_json(&self) -> Json {
        json!({ "namespace": &*self.namespace, "index": self.index, "object": self.object() })
    }
}

impl ObjectsDiff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.changed.is_empty()
    }

    /// `{"removed": [["post", "rz:…"]], "added": [{"namespace": "post", "index": 0, "object": {…}}], "changed": […]}`
    pub fn to_json(&self) -> Json {
        let objects = |all: &[Object]| -> Vec<Json> { all.iter().map(Object::to_json).collect() };
        let removed = self.removed.iter();
        json!({
            "removed": removed.map(|(n, e)| json!([&**n, e.to_string()])).collect::<Vec<_>>(),
            "added": objects(&self.added),
            "changed": objects(&self.changed),
        })
    }
}
