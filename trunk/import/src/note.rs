//! Notes, for every importer of a program that people write notes in.

use std::collections::BTreeSet;

use rhizome_tuple::{EntityId, Value};

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Sink, StoredFile};

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.note/1`, made once.
    pub struct Names {
        alias: "note/alias",
        archived: "note/archived",
        author: "note/author",
        blob: "note/blob",
        bytes: "note/bytes",
        child: "note/child",
        colour: "note/colour",
        created: "note/created",
        due: "note/due",
        file: "note/file",
        folder: "note/folder",
        html: "note/html",
        latitude: "note/latitude",
        link: "note/link",
        link_url: "note/link-url",
        longitude: "note/longitude",
        markdown: "note/markdown",
        mime: "note/mime",
        name: "note/name",
        of: "note/of",
        page: "note/page",
        parent: "note/parent",
        pinned: "note/pinned",
        place: "note/place",
        property: "note/property",
        shared_with: "note/shared-with",
        tag: "note/tag",
        task: "note/task",
        text: "note/text",
        time_zone: "note/time-zone",
        title: "note/title",
        trashed: "note/trashed",
        r#type: "note/type",
        updated: "note/updated",
        url: "note/url",
        weather: "note/weather",
    }
}

/// What a program says of a note. Whatever stays empty here is known to be empty there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Note {
    pub title: Option<String>,
    pub text: Option<String>,
    pub markdown: Option<String>,
    pub html: Option<String>,
    /// Milliseconds since 1970.
    pub created: Option<i64>,
    pub updated: Option<i64>,
    pub due: Option<i64>,
    pub folder: Option<String>,
    pub url: Option<String>,
    pub author: Option<String>,
    pub colour: Option<String>,
    pub place: Option<String>,
    pub time_zone: Option<String>,
    pub weather: Option<String>,
    /// Degrees north and east.
    pub position: Option<(f64, f64)>,
    pub pinned: bool,
    pub archived: bool,
    pub trashed: bool,
    pub tags: BTreeSet<String>,
    pub aliases: BTreeSet<String>,
    pub properties: BTreeSet<String>,
    pub shared_with: BTreeSet<String>,
    pub urls: BTreeSet<String>,
    /// `[x] done`.
    pub tasks: Vec<String>,
    pub links: BTreeSet<EntityId>,
    pub files: Vec<EntityId>,
    pub children: Vec<EntityId>,
}

impl Note {
    /// Its facts.
    pub fn facts(self, names: &Names) -> Facts {
        let mut facts = Facts::default();
        facts.one(&names.r#type, "note");
        for (attribute, value) in [
            (&names.title, self.title),
            (&names.text, self.text),
            (&names.markdown, self.markdown),
            (&names.html, self.html),
            (&names.folder, self.folder),
            (&names.url, self.url),
            (&names.author, self.author),
            (&names.colour, self.colour),
            (&names.place, self.place),
            (&names.time_zone, self.time_zone),
            (&names.weather, self.weather),
        ] {
            facts.or_empty(attribute, value.filter(|text| !text.trim().is_empty()));
        }
        for (attribute, time) in [
            (&names.created, self.created),
            (&names.updated, self.updated),
        ] {
            facts.maybe(attribute, time.map(Value::Time));
        }
        facts.or_empty(&names.due, self.due.map(Value::Time));
        let position = self
            .position
            .filter(|(lat, lon)| (-90.0..=90.0).contains(lat) && (-180.0..=180.0).contains(lon));
        facts.or_empty(&names.latitude, position.map(|(lat, _)| Value::Float(lat)));
        facts.or_empty(&names.longitude, position.map(|(_, lon)| Value::Float(lon)));
        for (attribute, yes) in [
            (&names.pinned, self.pinned),
            (&names.archived, self.archived),
            (&names.trashed, self.trashed),
        ] {
            facts.or_empty(attribute, yes.then_some(true));
        }
        for (attribute, values) in [
            (&names.tag, self.tags),
            (&names.alias, self.aliases),
            (&names.property, self.properties),
            (&names.shared_with, self.shared_with),
            (&names.link_url, self.urls),
        ] {
            facts.set(attribute, values.into_iter().map(Value::from).collect());
        }
        facts.list(
            &names.task,
            self.tasks.into_iter().map(Value::from).collect(),
        );
        facts.set(
            &names.link,
            self.links.into_iter().map(Value::from).collect(),
        );
        facts.list(
            &names.file,
            self.files.into_iter().map(Value::from).collect(),
        );
        facts.list(
            &names.child,
            self.children.into_iter().map(Value::from).collect(),
        );
        facts
    }

    /// Hands it over as the record `key`.
    pub fn record(
        self,
        key: String,
        names: &Names,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let created = self.created.or(self.updated);
        let facts = self.facts(names);
        sink.record(facts.record("note", key, created, Some(Audience::Direct)))
    }
}

/// A file in a note.
#[derive(Debug, Default)]
pub struct NoteFile<'a> {
    pub name: Option<&'a str>,
    /// What the export says it is, where its bytes do not tell.
    pub mime: Option<&'a str>,
    pub url: Option<&'a str>,
    /// What was read in it, or said of it.
    pub text: Option<&'a str>,
}

impl NoteFile<'_> {
    /// Hands it over as the record `key` of the note `of`.
    pub fn record(
        &self,
        key: String,
        of: EntityId,
        stored: Option<StoredFile>,
        names: &Names,
        sink: &mut dyn Sink,
    ) -> Result<EntityId, ImportError> {
        let entity = sink.entity(&key);
        let mut facts = Facts::default();
        facts.one(&names.r#type, "note-file");
        facts.one(&names.of, of);
        facts.or_empty(&names.name, self.name);
        facts.or_empty(&names.url, self.url);
        facts.or_empty(&names.text, self.text);
        if let Some(stored) = stored {
            facts.one(&names.blob, Value::Blob(stored.cid));
            facts.one(&names.bytes, Value::Integer(stored.bytes as i64));
            facts.or_empty(&names.mime, stored.mime.or(self.mime));
        } else {
            facts.maybe(&names.mime, self.mime);
        }
        sink.record(facts.record("note-file", key, None, Some(Audience::Direct)))?;
        Ok(entity)
    }
}
