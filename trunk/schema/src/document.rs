use crate::{AttributeSchema, SchemaError, ValueType};
use rhizome_tuple::Attribute;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of a schema document.
pub const MAX_DOCUMENT_LEN: usize = 1 << 20;
/// Attributes of a schema.
pub const MAX_ATTRIBUTES: usize = 4_096;

/// One published schema: entity types and the attributes they use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Reversed domain name, slash, version: `org.rhizome.social/1`.
    pub id: String,
    /// A few words.
    #[serde(default)]
    pub title: String,
    /// A paragraph for people.
    #[serde(default)]
    pub description: String,
    /// Entity types by name.
    #[serde(default)]
    pub entities: BTreeMap<String, EntitySchema>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, AttributeSchema>,
}

/// One entity type: the attributes that an entity of this type has. Nothing forbids further ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitySchema {
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// Attributes without which it is not one.
    #[serde(default)]
    pub required: Vec<String>,
    /// Attributes it may have.
    #[serde(default)]
    pub attributes: Vec<String>,
}

impl Schema {
    /// Reads a schema document.
    ///
    /// # Errors
    /// [`SchemaError::Document`] if it is too long or not JSON of this shape, [`SchemaError::Inconsistent`] if it contradicts itself.
    pub fn parse(json: &[u8]) -> Result<Self, SchemaError> {
        if json.len() > MAX_DOCUMENT_LEN {
            return Err(SchemaError::Document(format!(
                "it is longer than {MAX_DOCUMENT_LEN} bytes"
            )));
        }
        let schema: Self = serde_json::from_slice(json)
            .map_err(|error| SchemaError::Document(error.to_string()))?;
        match schema.contradiction() {
            None => Ok(schema),
            Some(why) => Err(SchemaError::Inconsistent {
                schema: schema.id.chars().take(80).collect(),
                why,
            }),
        }
    }

    fn contradiction(&self) -> Option<String> {
        let version = self
            .id
            .rsplit_once('/')
            .and_then(|(_, version)| version.parse::<u32>().ok());
        if self.id.len() > 255 || version.is_none() {
            return Some("its id must be a name, a slash and a version number".to_owned());
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Some(format!("it has more than {MAX_ATTRIBUTES} attributes"));
        }
        for (name, attribute) in &self.attributes {
            if let Err(error) = Attribute::new(name) {
                return Some(error.to_string());
            }
            if let Some(why) = attribute.contradiction() {
                return Some(format!("{name}: {why}"));
            }
            if let Some(entity) = attribute
                .entity
                .as_ref()
                .filter(|entity| !self.entities.contains_key(*entity))
            {
                return Some(format!(
                    "{name} leads to {entity}, which it does not describe"
                ));
            }
        }
        for (name, entity) in &self.entities {
            let unknown = entity
                .required
                .iter()
                .chain(&entity.attributes)
                .find(|a| !self.attributes.contains_key(*a));
            if let Some(attribute) = unknown {
                return Some(format!(
                    "{name} uses {attribute}, which it does not describe"
                ));
            }
        }
        None
    }

    /// The references of this schema that lead to entities of type `entity`.
    pub fn references_to<'a>(&'a self, entity: &'a str) -> impl Iterator<Item = &'a str> {
        let leads = move |(_, attribute): &(&String, &AttributeSchema)| {
            attribute.value_type == ValueType::Ref && attribute.entity.as_deref() == Some(entity)
        };
        self.attributes
            .iter()
            .filter(leads)
            .map(|(name, _)| name.as_str())
    }
}
