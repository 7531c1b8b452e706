//! Feeds: subscription lists (OPML), and feeds themselves as files (RSS, Atom, JSON Feed).

mod entries;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use rhizome_tuple::Value;

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::kind::Kind;
use crate::problem::{Problem, ProblemCode};
use crate::source::Source;
use crate::text::decode;
use crate::xml::{Met, attribute, each_element};
use names::Names;

/// Reads OPML subscription lists, and RSS, Atom and JSON Feed files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Feeds;

const NAME: &str = "feeds";

/// Subscriptions in one list.
const SUBSCRIPTIONS: usize = 1 << 18;

fn holds(head: &str, mark: &str) -> bool {
    head.contains(mark)
}

fn is_opml(head: &str) -> bool {
    holds(head, "<opml")
}

fn is_feed(head: &str) -> bool {
    let xml = ["<rss", "<feed", "<rdf:RDF"]
        .iter()
        .any(|mark| holds(head, mark));
    // A `WordPress` export is RSS with things of its own.
    let other = holds(head, "wordpress.org/export");
    (xml && !other) || holds(head, "jsonfeed.org/version/")
}

const KIND: Kind = Kind {
    ends: &[".opml", ".xml", ".rss", ".atom", ".rdf", ".json"],
    looks: |head| {
        let head = decode(head).0;
        is_opml(&head) || is_feed(&head)
    },
    alone: true,
    beside: &[],
};

impl Importer for Feeds {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        KIND.recognise(NAME, "feeds or lists of them", source)
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
            followed: BTreeMap::new(),
        };
        for file in KIND.files(source)? {
            reading.sink.used(&file);
            let head = decode(&source.head(&file, 2_048)?).0;
            if is_opml(&head) {
                reading.opml(&file)?;
            } else {
                reading.feed(&file)?;
            }
        }
        reading.subscriptions()
    }
}

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    /// What lists name, by address: one feed may stand in several folders.
    followed: BTreeMap<String, Followed>,
}

/// One feed or link of a list.
#[derive(Default)]
struct Followed {
    feed: bool,
    site: Option<String>,
    title: Option<String>,
    description: Option<String>,
    language: Option<String>,
    categories: BTreeSet<String>,
}

/// The folders that a list writes into `category`: several between commas, slashes between folders.
fn categories(text: &str) -> impl Iterator<Item = String> {
    text.split(',')
        .map(|category| category.trim().trim_matches('/').trim().to_owned())
        .filter(|category| !category.is_empty())
}

impl Reading<'_> {
    fn opml(&mut self, file: &str) -> Result<(), ImportError> {
        let source = self.source;
        // The titles of the outlines that are open, `None` for those that are no folders.
        let mut folders: Vec<Option<String>> = Vec::new();
        let outcome = each_element(
            source,
            file,
            source.limits().record_bytes,
            &|_| false,
            &mut |path, met, _| {
                let outline = path
                    .last()
                    .is_some_and(|name| name.eq_ignore_ascii_case("outline"));
                match met {
                    Met::Open(attributes) if outline => {
                        let folder = self.outline(file, &attributes, &folders);
                        folders.push(folder);
                    }
                    Met::Close if outline => drop(folders.pop()),
                    _ => {}
                }
                Ok(())
            },
        )?;
        outcome.report(file, "list", "", self.sink);
        Ok(())
    }

    /// Notes what an outline names; gives its title where it is a folder.
    fn outline(
        &mut self,
        file: &str,
        attributes: &[(String, String)],
        folders: &[Option<String>],
    ) -> Option<String> {
        let said = |name: &str| attribute(attributes, name).map(str::to_owned);
        let title = said("text").or_else(|| said("title"));
        let site = said("htmlUrl");
        let (url, feed) = match (said("xmlUrl"), said("url").or_else(|| site.clone())) {
            (Some(url), _) => (url, true),
            (None, Some(url)) => (url, false),
            (None, None) => return title,
        };
        if self.followed.len() >= SUBSCRIPTIONS && !self.followed.contains_key(&url) {
            let message =
                format!("a list has at most {SUBSCRIPTIONS} feeds; the rest was left out");
            self.sink.skip(
                "feed",
                Problem::of_item(ProblemCode::TooLong, file, url, message),
            );
            return None;
        }
        let followed = self.followed.entry(url).or_default();
        followed.feed |= feed;
        for (to, text) in [
            (&mut followed.site, site),
            (&mut followed.title, title),
            (&mut followed.description, said("description")),
            (&mut followed.language, said("language")),
        ] {
            if to.is_none() {
                *to = text;
            }
        }
        let folder: Vec<&str> = folders.iter().flatten().map(String::as_str).collect();
        if !folder.is_empty() {
            followed.categories.insert(folder.join("/"));
        }
        followed
            .categories
            .extend(said("category").iter().flat_map(|text| categories(text)));
        None
    }

    fn subscriptions(&mut self) -> Result<(), ImportError> {
        for (url, followed) in std::mem::take(&mut self.followed) {
            let names = &self.names;
            let kind = if followed.feed { "feed" } else { "feed-link" };
            let mut facts = Facts::default();
            facts.one(&names.r#type, kind);
            if followed.feed {
                facts.one(&names.url, url.as_str());
                facts.or_empty(&names.site, followed.site);
                facts.or_empty(&names.language, followed.language);
            } else {
                facts.one(&names.site, url.as_str());
            }
            facts.or_empty(&names.title, followed.title);
            facts.or_empty(&names.description, followed.description);
            let categories = followed.categories.into_iter().map(Value::from);
            facts.set(&names.category, categories.collect());
            self.sink
                .record(facts.record(kind, url, None, Some(Audience::Direct)))?;
        }
        Ok(())
    }
}
