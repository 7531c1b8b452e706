//! Roam Research: the JSON export of a graph, pages of blocks in blocks.

mod marks;

use rhizome_tuple::{EntityId, Value as Tuple};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::json::{each_item, parse_path};
use crate::markdown::vault;
use crate::note::{Names, Note};
use crate::outcome::Outcome;
use crate::part::{Part, kind_of};
use crate::problem::{Problem, ProblemCode, shorten};
use crate::source::{Entry, Source};
use marks::Marks;

/// Reads Roam's JSON exports: a list of pages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Roam;

const NAME: &str = "roam";

fn is_graph(source: &Source, entry: &Entry) -> Result<bool, ImportError> {
    if !entry.ends("json") {
        return Ok(false);
    }
    let head = String::from_utf8_lossy(&source.head(&entry.path, 64 << 10)?).into_owned();
    let list = head
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('[');
    let blocks = head.contains("\"string\"") && head.contains("\"uid\"");
    Ok(list && blocks && (head.contains("\"create-time\"") || head.contains("\"edit-time\"")))
}

fn graphs(source: &Source) -> Result<Vec<String>, ImportError> {
    source.files_that(|entry| is_graph(source, entry))
}

impl Importer for Roam {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let graphs = graphs(source)?;
        if graphs.is_empty() {
            return Ok(None);
        }
        let graph = vault(source);
        Ok(Some(Recognition {
            importer: NAME,
            confidence: 0.93,
            why: "pages of blocks with uids".to_owned(),
            // Pages have their titles for ids, and two graphs may have a page of one title.
            source: format!("{NAME}/{}", graph.strip_suffix(".json").unwrap_or(&graph)),
            account: None,
        }))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut reading = Reading {
            source,
            sink,
            names: Names::new(),
            pages: FxHashMap::default(),
        };
        let graphs = graphs(source)?;
        for file in &graphs {
            reading.each(file, &mut |reading, _, page| {
                let mut part = Part::new(page);
                if let Some(title) = part.text("title") {
                    let entity = reading.sink.entity(&page_key(title));
                    reading.pages.insert(title.to_lowercase(), entity);
                }
                Ok(())
            })?;
        }
        for file in &graphs {
            reading.sink.used(file);
            let outcome =
                reading.each(file, &mut |reading, n, page| reading.page(file, n, page))?;
            let unlike = "the rest of the graph cannot be read: it is not a list of pages";
            outcome.report(file, "graph", unlike, reading.sink);
        }
        Ok(())
    }
}

/// Pages are known by their titles: links name them so, and two pages of a graph never have the same.
fn page_key(title: &str) -> String {
    format!("page/{title}")
}

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    /// Pages by their titles in lower case.
    pages: FxHashMap<String, EntityId>,
}

type Take<'f, 'a> =
    &'f mut dyn FnMut(&mut Reading<'a>, u64, &Map<String, Value>) -> Result<(), ImportError>;

impl<'a> Reading<'a> {
    fn each(&mut self, file: &str, take: Take<'_, 'a>) -> Result<Outcome, ImportError> {
        let source = self.source;
        let total = source.find(file).map_or(0, |entry| entry.size);
        let path = parse_path("/*").unwrap_or_default();
        each_item(
            source.read(file)?,
            &path,
            source.limits().record_bytes,
            &mut |n, item, done| {
                if n % 64 == 0 {
                    self.sink.progress(file, done, total)?;
                }
                match serde_json::from_str::<Value>(item) {
                    Ok(Value::Object(page)) => take(self, n, &page),
                    Ok(other) => take(
                        self,
                        n,
                        &wrong(format!("a page is an object, not a {}", kind_of(&other))),
                    ),
                    Err(error) => take(self, n, &wrong(error.to_string())),
                }
            },
        )
    }

    fn page(&mut self, file: &str, n: u64, page: &Map<String, Value>) -> Result<(), ImportError> {
        let mut part = Part::new(page);
        let Some(title) = part.text("title").map(str::to_owned) else {
            let why = page
                .get(WRONG)
                .and_then(Value::as_str)
                .unwrap_or("it has no title");
            let message = format!("{why}; it was left out");
            let item = format!("page {n}");
            self.sink.skip(
                "note",
                Problem::of_item(ProblemCode::Malformed, file, item, message),
            );
            return Ok(());
        };
        let key = page_key(&title);
        let entity = self.sink.entity(&key);
        let mut outline = Outline {
            page: entity,
            file,
            ..Outline::default()
        };
        let children = self.blocks(&mut part, entity, 0, &mut outline)?;
        let mut note = Note {
            title: Some(title),
            created: part.count("create-time"),
            updated: part.count("edit-time"),
            text: Some(outline.text.trim_end().to_owned()),
            tasks: outline.tasks,
            urls: outline.marks.urls,
            children,
            ..Note::default()
        };
        for linked in &outline.marks.pages {
            note.links.extend(self.pages.get(&linked.to_lowercase()));
        }
        note.tags = outline.marks.tags;
        part.problems(file, &shorten(&key))
            .for_each(|problem| self.sink.problem(problem));
        note.record(key, &self.names, self.sink)
    }

    /// Hands over the blocks in something, and gives their entities.
    fn blocks(
        &mut self,
        part: &mut Part<'_>,
        parent: EntityId,
        depth: usize,
        outline: &mut Outline<'_>,
    ) -> Result<Vec<EntityId>, ImportError> {
        let mut entities = Vec::new();
        for block in part.objects("children") {
            let mut part = Part::new(block);
            let text = part.text("string").unwrap_or_default();
            let Some(uid) = part.text("uid") else {
                part.complain("a block has no uid; it was left out, with what is in it");
                part.problems(outline.file, "")
                    .for_each(|problem| self.sink.problem(problem));
                continue;
            };
            let marks = Marks::read(text);
            outline.say(text, depth, &marks);
            let entity = self.sink.entity(uid);
            let children = self.blocks(&mut part, entity, depth + 1, outline)?;
            let names = &self.names;
            let mut facts = Facts::default();
            facts.one(&names.r#type, "block");
            facts.one(&names.text, text);
            facts.one(&names.page, outline.page);
            facts.one(&names.parent, parent);
            facts.list(
                &names.child,
                children.into_iter().map(Tuple::from).collect(),
            );
            let links = marks
                .pages
                .iter()
                .filter_map(|page| self.pages.get(&page.to_lowercase()));
            let links = links
                .copied()
                .chain(marks.blocks.iter().map(|uid| self.sink.entity(uid)));
            facts.set(&names.link, links.map(Tuple::from).collect());
            let created = part.count("create-time");
            facts.maybe(&names.created, created.map(Tuple::Time));
            facts.maybe(&names.updated, part.count("edit-time").map(Tuple::Time));
            let key = uid.to_owned();
            part.problems(outline.file, &key)
                .for_each(|problem| self.sink.problem(problem));
            self.sink
                .record(facts.record("block", key, created, Some(Audience::Direct)))?;
            entities.push(entity);
        }
        Ok(entities)
    }
}

/// The name under which a page that could not be read says why.
const WRONG: &str = "\u{0}";

fn wrong(why: String) -> Map<String, Value> {
    Map::from_iter([(WRONG.to_owned(), Value::from(why))])
}

/// A page as text while its blocks are read.
struct Outline<'a> {
    page: EntityId,
    file: &'a str,
    text: String,
    tasks: Vec<String>,
    marks: Marks,
}

impl Default for Outline<'_> {
    fn default() -> Self {
        Self {
            page: EntityId::from_bytes([0; 24]),
            file: "",
            text: String::new(),
            tasks: Vec::new(),
            marks: Marks::default(),
        }
    }
}

impl Outline<'_> {
    fn say(&mut self, text: &str, depth: usize, marks: &Marks) {
        self.text.extend(std::iter::repeat_n("  ", depth));
        self.text.push_str("- ");
        self.text.push_str(text);
        self.text.push('\n');
        self.tasks.extend(marks.task.clone());
        self.marks.pages.extend(marks.pages.iter().cloned());
        self.marks.tags.extend(marks.tags.iter().cloned());
        self.marks.urls.extend(marks.urls.iter().cloned());
    }
}
