use crate::{Cardinality, Merge, SchemaError, ValueType};
use rhizome_tuple::Value;
use serde::{Deserialize, Serialize};

/// One attribute: what it means, what it holds, how it merges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeSchema {
    /// What it holds.
    #[serde(rename = "type", default)]
    pub value_type: ValueType,
    /// How concurrent writes merge.
    #[serde(default)]
    pub merge: Merge,
    /// How many values an entity has. It follows from the merge type; where written it must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cardinality: Option<Cardinality>,
    /// Whether it is looked up by value. Long texts are not.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub indexed: bool,
    /// For a reference: the entity type it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// For a text: the only values it may have; any where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// One or two sentences for people.
    #[serde(default)]
    pub description: String,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
fn is_yes(indexed: &bool) -> bool {
    *indexed
}

impl AttributeSchema {
    /// An attribute of which only type and merge type are known.
    pub fn new(value_type: ValueType, merge: Merge) -> Self {
        Self {
            value_type,
            merge,
            cardinality: None,
            indexed: true,
            entity: None,
            values: Vec::new(),
            description: String::new(),
        }
    }

    /// How many values an entity has.
    pub fn cardinality(&self) -> Cardinality {
        self.merge.cardinality()
    }

    /// Whether `attribute`, described by this, may hold `value`.
    ///
    /// # Errors
    /// [`SchemaError::Type`], [`SchemaError::NotOneOf`] or [`SchemaError::Counter`].
    pub fn check(&self, attribute: &str, value: &Value) -> Result<(), SchemaError> {
        if self.merge == Merge::Counter && !matches!(value, Value::Integer(_)) {
            return Err(SchemaError::Counter {
                attribute: attribute.to_owned(),
            });
        }
        if !self.value_type.admits(value) {
            return Err(SchemaError::Type {
                attribute: attribute.to_owned(),
                expected: self.value_type.as_str(),
                found: ValueType::of(value).as_str(),
            });
        }
        if let Value::Text(text) = value
            && !self.values.is_empty()
            && !self.values.contains(text)
        {
            return Err(SchemaError::NotOneOf {
                attribute: attribute.to_owned(),
                values: self.values.clone(),
                found: text.chars().take(80).collect(),
            });
        }
        Ok(())
    }

    /// What in the description contradicts itself.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let text = self.value_type == ValueType::Text;
        if self
            .cardinality
            .is_some_and(|cardinality| cardinality != self.merge.cardinality())
        {
            Some("its cardinality is not that of its merge type")
        } else if self.merge == Merge::Counter
            && !matches!(self.value_type, ValueType::Integer | ValueType::Any)
        {
            Some("a counter holds integers")
        } else if !self.values.is_empty() && !text {
            Some("only texts can be one of listed values")
        } else if self.entity.is_some() && self.value_type != ValueType::Ref {
            Some("only references lead to an entity type")
        } else {
            None
        }
    }
}
