//! `config.json`: the schema of an app, as far as reading its tables needs it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::ImportError;
use crate::source::Source;

#[derive(Deserialize)]
struct Document {
    schema: Schema,
    title: Option<String>,
    #[serde(rename = "appId")]
    app: Option<String>,
    counts: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Schema {
    entities: BTreeMap<String, Entity>,
    #[serde(default)]
    links: BTreeMap<String, Link>,
}

#[derive(Deserialize)]
struct Entity {
    #[serde(default)]
    attrs: BTreeMap<String, Attr>,
}

#[derive(Deserialize)]
struct Attr {
    #[serde(rename = "valueType")]
    kind: Option<String>,
}

/// Entities hold the forward end of a link; the reverse one only says where it leads.
#[derive(Deserialize)]
struct Link {
    forward: End,
    reverse: End,
}

#[derive(Deserialize)]
struct End {
    on: String,
    label: String,
    has: Option<String>,
}

/// What a backup says of its app.
pub struct Config {
    schema: Schema,
    /// What people call the app.
    pub title: Option<String>,
    /// Its id; older backups do not say it.
    pub app: Option<String>,
    /// Whether it counts entities, as every backup does.
    pub counted: bool,
}

/// What the schema says of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// It leads to entities of the table `to`.
    Link { to: &'a str, many: bool },
    /// It holds dates, in any of the ways that JSON has for them.
    Date,
    /// It holds a value.
    Value,
}

impl Config {
    /// Reads it; the inner error says why it cannot be.
    pub fn read(source: &Source, path: &str) -> Result<Result<Self, String>, ImportError> {
        if source.find(path).is_none() {
            return Ok(Err("there is none".to_owned()));
        }
        let bytes = match source.read_document(path) {
            Ok(bytes) => bytes,
            Err(error @ ImportError::TooLarge { .. }) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        };
        let read: Result<Document, _> = serde_json::from_slice(&bytes);
        Ok(read
            .map_err(|error| error.to_string())
            .map(|document| Self {
                schema: document.schema,
                title: document.title.filter(|title| !title.is_empty()),
                app: document.app.filter(|app| !app.is_empty()),
                counted: document.counts.is_some(),
            }))
    }

    /// Whether the schema has a table of this name.
    pub fn tells_of(&self, table: &str) -> bool {
        self.schema.entities.contains_key(table)
    }

    /// The fields of a table.
    pub fn fields(&self, table: &str) -> HashMap<&str, Field<'_>> {
        let attrs = self.schema.entities.get(table).map(|of| &of.attrs);
        let attrs = attrs.into_iter().flatten().map(|(name, attr)| {
            let date = attr.kind.as_deref() == Some("date");
            let field = if date { Field::Date } else { Field::Value };
            (name.as_str(), field)
        });
        let links = self
            .schema
            .links
            .values()
            .filter(|link| link.forward.on == table);
        let links = links.map(|link| {
            let (to, many) = (link.reverse.on.as_str(), link.forward.has.as_deref());
            let many = many != Some("one");
            (link.forward.label.as_str(), Field::Link { to, many })
        });
        attrs.chain(links).collect()
    }
}
