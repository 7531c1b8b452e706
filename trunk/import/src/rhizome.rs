//! Exports of Rhizome itself: JSON lines, alone or in a zip archive with the files beside them, and CARs.
//!
//! Entities keep their ids, and what they say of where they came from: whoever imported an archive, exported the pod and imports it into another
//! one can import the archive there again, and meets what is there.

mod blocks;
mod lines;

use rhizome_tuple::{Attribute, EntityId, Value};

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::record::{Fact, Identity, Record};
use crate::source::{Entry, Source};

/// Reads exports of Rhizome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rhizome;

/// Its name, and the source of what it writes about its runs; exports leave that out.
const SOURCE: &str = "rhizome";
/// The version of the formats.
const VERSION: u64 = 1;
/// Bytes of one entity. What is read grows with what comes, not with what is announced.
const ENTITY_BYTES: usize = 256 << 20;
/// What is looked at to recognise one.
const HEAD: usize = 4_096;

/// What an export says of itself.
#[derive(Debug, serde::Deserialize)]
struct Header {
    rhizome: String,
    version: u64,
    pod: String,
}

impl Header {
    /// The pod, if it is an export that can be read here.
    fn pod(self) -> Option<String> {
        (self.rhizome == "export" && self.version == VERSION && self.pod.starts_with("did:"))
            .then_some(self.pod)
    }
}

/// The two ways in which an export is written.
enum Form<'s> {
    Lines(&'s Entry),
    Blocks(&'s Entry),
}

fn find(source: &Source) -> Result<Option<(Form<'_>, String)>, ImportError> {
    if let Some(entry) = source.find_named("export.jsonl")
        && let Some(pod) = lines::pod(&source.head(&entry.path, HEAD)?)
    {
        return Ok(Some((Form::Lines(entry), pod)));
    }
    let [entry] = source.entries() else {
        return Ok(None);
    };
    let head = source.head(&entry.path, HEAD)?;
    if let Some(pod) = lines::pod(&head) {
        return Ok(Some((Form::Lines(entry), pod)));
    }
    Ok(blocks::pod(&head).map(|pod| (Form::Blocks(entry), pod)))
}

impl Importer for Rhizome {
    fn name(&self) -> &'static str {
        SOURCE
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let found = find(source)?;
        Ok(found.map(|(form, pod)| Recognition {
            importer: self.name(),
            confidence: 1.0,
            why: match form {
                Form::Lines(_) => format!("an export of {pod}, as JSON lines"),
                Form::Blocks(_) => format!("an export of {pod}, as a CAR"),
            },
            source: SOURCE.to_owned(),
            account: Some(pod),
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        match find(source)? {
            Some((Form::Lines(entry), _)) => lines::read(source, entry, sink),
            Some((Form::Blocks(entry), _)) => blocks::read(source, entry, sink),
            None => Ok(()),
        }
    }
}

/// What an attribute of an entity holds, by the form's name; `None` for a form that there is not, or values that do not fit.
fn fact(attribute: Attribute, form: &str, mut values: Vec<Value>) -> Option<Fact> {
    let mut only = || (values.len() == 1).then(|| values.pop()).flatten();
    Some(match form {
        "register" => Fact::One {
            attribute,
            value: only()?,
        },
        "counter" => match only()? {
            Value::Integer(total) => Fact::Total { attribute, total },
            _ => return None,
        },
        "set" => Fact::Members {
            attribute,
            values,
            whole: true,
        },
        "list" => Fact::Elements { attribute, values },
        _ => return None,
    })
}

/// An entity of an export. What it is called in the report is what it says it is.
fn record(entity: EntityId, facts: Vec<Fact>) -> Record {
    let kind = facts.iter().find_map(|fact| match fact {
        Fact::One {
            attribute,
            value: Value::Text(kind),
        } if attribute.as_str().ends_with("/type") && kind.len() <= 40 && !kind.is_empty() => {
            Some(kind.clone())
        }
        _ => None,
    });
    let created = facts.iter().find_map(|fact| match fact {
        Fact::One {
            attribute,
            value: Value::Time(ms),
        } if attribute.as_str().ends_with("/created") => Some(*ms),
        _ => None,
    });
    Record {
        kind: kind.map_or_else(|| "entity".into(), Into::into),
        identity: Identity::Derived(entity),
        facts,
        created,
        audience: None,
        provenance: false,
    }
}
