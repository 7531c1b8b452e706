//! Values that both sides changed: the export's wait on entities of their own until the person decides.

use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, EntityId, Value};
use rustc_hash::FxHashMap;

use crate::error::ImportError;
use crate::keys::Keys;
use crate::pod::Pod;
use crate::reconcile::{Difference, Resolution};
use crate::vocabulary::ImportNames;

/// The open conflicts of a pod: at most one for each attribute of an entity.
pub(super) struct Conflicts {
    keys: Keys,
    open: FxHashMap<EntityId, Vec<(Attribute, EntityId)>>,
}

impl Default for Conflicts {
    fn default() -> Self {
        Self {
            keys: Keys::new("", ""),
            open: FxHashMap::default(),
        }
    }
}

impl Conflicts {
    pub fn load(pod: &dyn Pod) -> Result<Self, ImportError> {
        let mut open: FxHashMap<EntityId, Vec<_>> = FxHashMap::default();
        for conflict in pod
            .entities_with("import/state", &Value::from("open"))
            .map_err(ImportError::Pod)?
        {
            let held = pod.held(&conflict).map_err(ImportError::Pod)?;
            let first = |name: &str| {
                held.iter()
                    .find(|(a, _)| a.as_str() == name)
                    .and_then(|(_, values)| values.first())
            };
            if let (Some(Value::Ref(of)), Some(Value::Text(name))) =
                (first("import/of"), first("import/attribute"))
                && let Ok(attribute) = Attribute::new(name)
            {
                open.entry(*of).or_default().push((attribute, conflict));
            }
        }
        Ok(Self {
            keys: Keys::new(pod.creator(), "rhizome/import"),
            open,
        })
    }

    pub fn has(&self, entity: &EntityId) -> bool {
        self.open.contains_key(entity)
    }

    /// Writes new conflicts down, and closes those whose sides agree again. `mentioned` are the attributes that the
    /// record speaks of, given only where the entity has open conflicts.
    pub fn note(
        &mut self,
        names: &ImportNames,
        run: EntityId,
        entity: EntityId,
        mentioned: Option<Vec<Attribute>>,
        differences: &[Difference],
        edits: &mut Vec<Edit>,
    ) {
        for difference in differences
            .iter()
            .filter(|difference| difference.resolution == Resolution::Conflict)
        {
            let id = self
                .keys
                .entity(&format!("conflict\n{entity}\n{}", difference.attribute));
            let mut assert =
                |name: &Attribute, value: Value| edits.push(Edit::Assert(id, name.clone(), value));
            assert(&names.r#type, "conflict".into());
            assert(&names.of, entity.into());
            assert(&names.attribute, difference.attribute.as_str().into());
            assert(&names.state, "open".into());
            assert(&names.run, run.into());
            match difference.export.as_slice() {
                [] => edits.push(Edit::Retract(id, names.value.clone(), None)),
                [value] => edits.push(Edit::Assert(id, names.value.clone(), value.clone())),
                values => edits.push(Edit::SetList(id, names.values.clone(), values.to_vec())),
            }
            let open = self.open.entry(entity).or_default();
            if !open
                .iter()
                .any(|(attribute, _)| *attribute == difference.attribute)
            {
                open.push((difference.attribute.clone(), id));
            }
        }
        let Some(mentioned) = mentioned else { return };
        if let Some(open) = self.open.get_mut(&entity) {
            open.retain(|(attribute, conflict)| {
                let differs = differences
                    .iter()
                    .any(|d| d.attribute == *attribute && d.resolution != Resolution::Taken);
                let settled = mentioned.contains(attribute) && !differs;
                if settled {
                    edits.push(Edit::Assert(
                        *conflict,
                        names.state.clone(),
                        "resolved".into(),
                    ));
                }
                !settled
            });
        }
    }
}
