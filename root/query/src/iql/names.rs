//! Short field names to attributes.

use std::collections::BTreeMap;

use rhizome_replica::{Eid, Snapshot, key};
use rhizome_tuple::Value;

use crate::error::QueryError;
use crate::pull::Read;

/// What a schema knows of names. Without one, names are found by the rule in the documentation of this module's parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// (namespace, field) to the attribute's full name.
    pub fields: BTreeMap<(String, String), String>,
    /// (namespace, name of a link backwards) to the attribute whose references are followed backwards: `photos` of a person for
    /// `photo/by`.
    pub backwards: BTreeMap<(String, String), String>,
    /// (namespace, link) to the namespace of the entities it leads to.
    pub targets: BTreeMap<(String, String), String>,
}

/// An attribute and the direction in which its references are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub attribute: String,
    pub backwards: bool,
}

impl Link {
    /// What following it from an entity looks at.
    pub fn read(&self, from: Eid) -> Read {
        if self.backwards {
            Read::Referrers(from)
        } else {
            Read::Entity(from)
        }
    }
}

/// Where short names are looked up: the namespaces to try, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// What the schema calls the entities here.
    pub namespace: String,
    /// Prefixes without the slash.
    pub prefixes: Vec<String>,
}

impl Context {
    /// Of a namespace: itself, and where its entities say their type.
    pub fn new(namespace: &str, snapshot: &Snapshot) -> Self {
        let mut prefixes = vec![namespace.to_owned()];
        for attribute in type_attributes(snapshot) {
            if let Some(prefix) = attribute.strip_suffix("/type")
                && says(snapshot, &attribute, namespace)
                && !prefixes.iter().any(|p| p == prefix)
            {
                prefixes.push(prefix.to_owned());
            }
        }
        Self {
            namespace: namespace.to_owned(),
            prefixes,
        }
    }

    /// Of the entities that a link leads to.
    pub fn target(&self, written: &str, names: &Names, snapshot: &Snapshot) -> Self {
        let link = written.trim_start_matches('_');
        let namespace = names
            .targets
            .get(&(self.namespace.clone(), link.to_owned()))
            .map_or(link, String::as_str);
        let mut next = Self::new(namespace, snapshot);
        for prefix in &self.prefixes {
            if !next.prefixes.contains(prefix) {
                next.prefixes.push(prefix.clone());
            }
        }
        next
    }

    /// The attribute that a written name stands for, and its direction.
    pub fn link(
        &self,
        written: &str,
        names: &Names,
        snapshot: &Snapshot,
    ) -> Result<Link, QueryError> {
        if let Some(attribute) = names
            .backwards
            .get(&(self.namespace.clone(), written.to_owned()))
        {
            return Ok(Link {
                attribute: attribute.clone(),
                backwards: true,
            });
        }
        let (backwards, name) = match written.rsplit_once('/') {
            Some((prefix, local)) => match local.strip_prefix('_') {
                Some(local) => (true, format!("{prefix}/{local}")),
                None => (
                    written.starts_with('_'),
                    written.trim_start_matches('_').to_owned(),
                ),
            },
            None => (
                written.starts_with('_'),
                written.trim_start_matches('_').to_owned(),
            ),
        };
        Ok(Link {
            attribute: self.attribute(&name, names, snapshot)?,
            backwards,
        })
    }

    fn attribute(
        &self,
        name: &str,
        names: &Names,
        snapshot: &Snapshot,
    ) -> Result<String, QueryError> {
        if let Some(full) = names.fields.get(&(self.namespace.clone(), name.to_owned())) {
            return Ok(full.clone());
        }
        if name.contains('/') {
            return Ok(name.to_owned());
        }
        for prefix in &self.prefixes {
            let full = format!("{prefix}/{name}");
            if snapshot.aid(&full).is_some() {
                return Ok(full);
            }
        }
        if snapshot.aid(name).is_some() {
            return Ok(name.to_owned());
        }
        let ends = |full: &str| {
            full.rsplit_once('/')
                .is_some_and(|(_, local)| local == name)
        };
        let all: Vec<&str> = snapshot
            .attributes()
            .map(|(_, n)| n)
            .filter(|n| ends(n))
            .collect();
        match all.as_slice() {
            // nothing has it, so nothing matches; the name is as good as any
            [] => Ok(format!("{}/{name}", self.namespace)),
            [one] => Ok((*one).to_owned()),
            many => Err(QueryError::Shape {
                path: name.to_owned(),
                expected: format!("the full name of one of {}", many.join(", ")),
                found: "a short name for all of them".into(),
            }),
        }
    }

    /// The key under which an attribute is shown: short if it is of this context.
    pub fn short<'n>(&self, attribute: &'n str) -> &'n str {
        match attribute.rsplit_once('/') {
            Some((prefix, local)) if self.prefixes.iter().any(|p| p == prefix) => local,
            _ => attribute,
        }
    }
}

/// Whether an attribute says what an entity is.
pub fn is_type(name: &str) -> bool {
    name == "type" || name.ends_with("/type")
}

/// Attributes that say what an entity is.
pub fn type_attributes(snapshot: &Snapshot) -> Vec<String> {
    snapshot
        .attributes()
        .map(|(_, n)| n)
        .filter(|n| is_type(n))
        .map(str::to_owned)
        .collect()
}

/// Whether any entity says so.
fn says(snapshot: &Snapshot, attribute: &str, namespace: &str) -> bool {
    let word = snapshot.word(&Value::from(namespace));
    snapshot.aid(attribute).zip(word).is_some_and(|(a, w)| {
        let (lo, hi) = key::ave_av(a, w);
        snapshot.ave().range(lo, hi).next().is_some()
    })
}
