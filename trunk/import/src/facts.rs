//! A record while it is put together.

use rhizome_tuple::{Attribute, Value};

use crate::audience::Audience;
use crate::record::{Fact, Identity, Record};

/// The facts of a record while it is put together.
#[derive(Clone, Debug, Default)]
pub struct Facts(pub Vec<Fact>);

impl Facts {
    pub fn one(&mut self, attribute: &Attribute, value: impl Into<Value>) {
        self.0.push(Fact::One {
            attribute: attribute.clone(),
            value: value.into(),
        });
    }

    pub fn maybe(&mut self, attribute: &Attribute, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.one(attribute, value);
        }
    }

    /// A value, or that the export knows it to be empty: what a person removed at the source goes here too.
    pub fn or_empty(&mut self, attribute: &Attribute, value: Option<impl Into<Value>>) {
        match value {
            Some(value) => self.one(attribute, value),
            None => self.0.push(Fact::Empty {
                attribute: attribute.clone(),
            }),
        }
    }

    pub fn set(&mut self, attribute: &Attribute, values: Vec<Value>) {
        self.0.push(Fact::Members {
            attribute: attribute.clone(),
            values,
            whole: true,
        });
    }

    pub fn list(&mut self, attribute: &Attribute, values: Vec<Value>) {
        self.0.push(Fact::Elements {
            attribute: attribute.clone(),
            values,
        });
    }

    pub fn record(
        self,
        kind: &'static str,
        key: String,
        created: Option<i64>,
        audience: Option<Audience>,
    ) -> Record {
        Record {
            kind: kind.into(),
            identity: Identity::Key(key),
            facts: self.0,
            created,
            audience,
            provenance: true,
        }
    }
}
