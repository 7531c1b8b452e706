use crate::schemas::Known;
use crate::{AttributeSchema, Merge, SchemaError, Schemas, ValueType};
use rhizome_tuple::{Attribute, EntityId, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one entity of a pod says about one attribute, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The declaring entity.
    pub entity: EntityId,
    /// The declared attribute; empty where the entity names none.
    pub attribute: String,
    /// Why it has no effect; `None` where it has.
    pub refused: Option<SchemaError>,
}

#[derive(Default)]
struct Said<'a> {
    attribute: Option<&'a str>,
    merge: Option<&'a str>,
    value_type: Option<&'a str>,
    description: Option<&'a str>,
    indexed: Option<bool>,
}

impl Schemas {
    /// Takes the attributes that a pod declares by tuples (`schema/attribute`, `schema/merge`, `schema/value-type`, …), in
    /// place of those of an earlier call.
    /// `facts` are current tuples in any order; those of other attributes are passed over.
    ///
    /// What comes out depends on the set of facts alone: public schemas go before declarations, and of two entities that
    /// declare one attribute the lower id goes first. Every declaration is returned, with the reason where it has no effect.
    pub fn declare<'a>(
        &mut self,
        facts: impl IntoIterator<Item = (EntityId, &'a str, &'a Value)>,
    ) -> Vec<Declaration> {
        let mut said: BTreeMap<EntityId, Said<'a>> = BTreeMap::new();
        for (entity, attribute, value) in facts {
            let Some(name) = attribute.strip_prefix("schema/") else {
                continue;
            };
            let text = match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            };
            let said = said.entry(entity).or_default();
            match (name, value) {
                ("attribute", _) => said.attribute = text,
                ("merge", _) => said.merge = text,
                ("value-type", _) => said.value_type = text,
                ("description", _) => said.description = text,
                ("indexed", Value::Boolean(indexed)) => said.indexed = Some(*indexed),
                _ => {}
            }
        }
        self.forget_declared();
        let mut declarations = Vec::with_capacity(said.len());
        for (entity, said) in said {
            let name = said.attribute.unwrap_or_default();
            let refused = match said.read() {
                Err(error) => Some(error),
                Ok(schema) => self.admit(entity, name, schema).err(),
            };
            declarations.push(Declaration {
                entity,
                attribute: name.chars().take(255).collect(),
                refused,
            });
        }
        declarations
    }

    fn admit(
        &mut self,
        entity: EntityId,
        name: &str,
        schema: AttributeSchema,
    ) -> Result<(), SchemaError> {
        if let Some(known) = self.known(name) {
            let same =
                known.schema.merge == schema.merge && known.schema.value_type == schema.value_type;
            let taken = || SchemaError::Taken {
                attribute: name.to_owned(),
                by: known.by.to_string(),
            };
            return if same { Ok(()) } else { Err(taken()) };
        }
        let known = Known {
            by: Arc::from(entity.to_string()),
            schema: Arc::new(schema),
            declared: true,
        };
        self.describe(name.to_owned(), known);
        Ok(())
    }
}

impl Said<'_> {
    fn read(&self) -> Result<AttributeSchema, SchemaError> {
        let wrong = |why: String| SchemaError::Inconsistent {
            schema: "of this pod".to_owned(),
            why,
        };
        let name = self
            .attribute
            .ok_or_else(|| wrong("schema/attribute must name an attribute".to_owned()))?;
        Attribute::new(name).map_err(|error| wrong(error.to_string()))?;
        let merge = match self.merge {
            None => Merge::Register,
            Some(merge) => Merge::from_name(merge).ok_or_else(|| {
                wrong(format!(
                    "schema/merge of {name} must be register, set, counter or list"
                ))
            })?,
        };
        let value_type = match self.value_type {
            None => ValueType::Any,
            Some(of) => ValueType::from_name(of).ok_or_else(|| {
                wrong(format!(
                    "schema/value-type of {name} is not the name of a type"
                ))
            })?,
        };
        let mut schema = AttributeSchema::new(value_type, merge);
        schema.indexed = self.indexed.unwrap_or(true);
        self.description
            .unwrap_or_default()
            .clone_into(&mut schema.description);
        match schema.contradiction() {
            None => Ok(schema),
            Some(why) => Err(wrong(format!("{name}: {why}"))),
        }
    }
}
