//! What the import frame needs of a pod.

use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, EntityId, Value};

/// A pod that can be read and written. Two exist: [`crate::ReplicaPod`] over a replica on disk, and
/// [`crate::MemoryPod`], a few maps for previews and for tests to compare with.
pub trait Pod {
    /// The pod's DID: whose entities imports make.
    fn creator(&self) -> &str;

    /// What the pod shows of an entity now, by attribute; empty where it shows nothing.
    fn held(&self, entity: &EntityId) -> Result<Vec<(Attribute, Vec<Value>)>, PodError>;

    /// The elements of a list in order, duplicates kept.
    fn elements(&self, entity: &EntityId, attribute: &Attribute) -> Result<Vec<Value>, PodError>;

    /// Every entity that has `value` under `attribute`.
    fn entities_with(&self, attribute: &str, value: &Value) -> Result<Vec<EntityId>, PodError>;

    /// Writes all edits or none of them. After a crash earlier calls are kept before later ones.
    fn write(&mut self, edits: Vec<Edit>) -> Result<(), PodError>;

    /// Returns once everything written is on stable storage.
    fn flush(&mut self) -> Result<(), PodError>;
}

/// What went wrong inside a pod.
pub type PodError = Box<dyn std::error::Error + Send + Sync>;
