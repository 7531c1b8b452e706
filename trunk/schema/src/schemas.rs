use crate::{AttributeSchema, EntitySchema, Merge, Schema, SchemaError};
use rhizome_tuple::Value;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

const BUILT_IN: &[&str] = &[
    include_str!("../schemas/social-1.json"),
    include_str!("../schemas/import-1.json"),
    include_str!("../schemas/schema-1.json"),
    include_str!("../schemas/activity-1.json"),
    include_str!("../schemas/book-1.json"),
    include_str!("../schemas/health-1.json"),
    include_str!("../schemas/music-1.json"),
    include_str!("../schemas/photo-1.json"),
    include_str!("../schemas/message-1.json"),
    include_str!("../schemas/contact-1.json"),
    include_str!("../schemas/calendar-1.json"),
    include_str!("../schemas/mail-1.json"),
    include_str!("../schemas/feed-1.json"),
    include_str!("../schemas/note-1.json"),
    include_str!("../schemas/place-1.json"),
];

static COMPILED: LazyLock<Schemas> = LazyLock::new(|| {
    let mut schemas = Schemas::empty();
    for json in BUILT_IN {
        // The documents are part of this crate, and a test reads each; a broken one would be left out.
        if let Ok(schema) = Schema::parse(json.as_bytes()) {
            let _ = schemas.add(schema);
        }
    }
    schemas
});

/// The schemas that a reader or writer knows. Cloning is cheap enough to do for each pod.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    schemas: Vec<Arc<Schema>>,
    attributes: HashMap<String, Known>,
}

#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) by: Arc<str>,
    pub(crate) schema: Arc<AttributeSchema>,
    /// By a pod's tuples, not by a schema document.
    pub(crate) declared: bool,
}

impl Schemas {
    /// No schemas: every attribute is a register of anything.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Those of `docs/schemas/README.md`, such as `org.rhizome.social/1` and `org.rhizome.import/1`.
    pub fn built_in() -> &'static Self {
        &COMPILED
    }

    /// The source texts of the built-in schemas.
    pub fn built_in_documents() -> &'static [&'static str] {
        BUILT_IN
    }

    /// Adds a schema.
    ///
    /// # Errors
    /// [`SchemaError::Taken`] if another schema describes one of its attributes differently; nothing is added then.
    pub fn add(&mut self, schema: Schema) -> Result<(), SchemaError> {
        for (name, attribute) in &schema.attributes {
            if let Some(known) = self
                .attributes
                .get(name)
                .filter(|known| *known.schema != *attribute)
            {
                return Err(SchemaError::Taken {
                    attribute: name.clone(),
                    by: known.by.to_string(),
                });
            }
        }
        let by: Arc<str> = schema.id.as_str().into();
        for (name, attribute) in &schema.attributes {
            let known = Known {
                by: Arc::clone(&by),
                schema: Arc::new(attribute.clone()),
                declared: false,
            };
            self.attributes.entry(name.clone()).or_insert(known);
        }
        self.schemas.push(Arc::new(schema));
        Ok(())
    }

    pub(crate) fn known(&self, attribute: &str) -> Option<&Known> {
        self.attributes.get(attribute)
    }

    pub(crate) fn describe(&mut self, name: String, known: Known) {
        self.attributes.insert(name, known);
    }

    pub(crate) fn forget_declared(&mut self) {
        self.attributes.retain(|_, known| !known.declared);
    }

    /// The schemas in the order they were added.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.iter().map(Arc::as_ref)
    }

    /// Every known attribute with its description, in no order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeSchema)> {
        self.attributes
            .iter()
            .map(|(name, known)| (name.as_str(), known.schema.as_ref()))
    }

    /// The description of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&AttributeSchema> {
        Some(&self.attributes.get(name)?.schema)
    }

    /// The first entity type of that name.
    pub fn entity(&self, name: &str) -> Option<&EntitySchema> {
        self.schemas().find_map(|schema| schema.entities.get(name))
    }

    /// How an attribute merges; an unknown one is a register.
    pub fn merge(&self, attribute: &str) -> Merge {
        self.attribute(attribute)
            .map_or(Merge::Register, |schema| schema.merge)
    }

    /// Whether an attribute is looked up by value; an unknown one is.
    pub fn indexed(&self, attribute: &str) -> bool {
        self.attribute(attribute)
            .is_none_or(|schema| schema.indexed)
    }

    /// Whether `attribute` may hold `value`; an unknown attribute holds anything.
    ///
    /// # Errors
    /// As [`AttributeSchema::check`].
    pub fn check(&self, attribute: &str, value: &Value) -> Result<(), SchemaError> {
        self.attribute(attribute)
            .map_or(Ok(()), |schema| schema.check(attribute, value))
    }
}
