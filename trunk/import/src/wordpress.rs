//! `WordPress`: the WXR export of a blog, its posts, pages, comments and files.

mod item;
mod paragraphs;

use rhizome_tuple::EntityId;

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::kind::Kind;
use crate::limits::MESSAGE_BYTES;
use crate::social::Names;
use crate::source::Source;
use crate::text::decode;
use crate::xml::{Element, Met, each_element};

/// Reads WXR, the XML that `WordPress`'s *Tools, Export* gives.
#[derive(Clone, Copy, Debug, Default)]
pub struct WordPress;

const NAME: &str = "wordpress";

const KIND: Kind = Kind {
    ends: &[".xml", ".wxr"],
    looks: |head| decode(head).0.contains("wordpress.org/export"),
    alone: true,
    beside: &[],
};

impl Importer for WordPress {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        KIND.recognise(NAME, "WordPress exports", source)
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        for file in KIND.files(source)? {
            let mut blog = Blog {
                sink: &mut *sink,
                names: Names::new(),
                file: &file,
                site: String::new(),
                authors: Vec::new(),
                people: std::collections::HashSet::new(),
            };
            blog.read(source)?;
        }
        Ok(())
    }
}

/// A blog while it is read.
struct Blog<'a> {
    sink: &'a mut dyn Sink,
    names: Names,
    file: &'a str,
    /// Its address, the first part of every native id.
    site: String,
    /// Logins of authors that are profiles already.
    authors: Vec<String>,
    /// Keys of others that are profiles already.
    people: std::collections::HashSet<String>,
}

/// Authors that one export lists.
const AUTHORS: usize = 10_000;

impl Blog<'_> {
    fn read(&mut self, source: &Source) -> Result<(), ImportError> {
        let file = self.file;
        self.sink.used(file);
        let total = source.find(file).map_or(0, |entry| entry.size);
        // Items, and what the channel says of itself.
        let wanted = |path: &[String]| path.len() == 3;
        let outcome = each_element(
            source,
            file,
            MESSAGE_BYTES,
            &wanted,
            &mut |path, met, done| {
                let Met::Item(element) = met else {
                    return Ok(());
                };
                match path.last().map(String::as_str) {
                    Some("link" | "wp:base_blog_url" | "wp:base_site_url")
                        if self.site.is_empty() =>
                    {
                        element
                            .text
                            .trim()
                            .trim_end_matches('/')
                            .clone_into(&mut self.site);
                        Ok(())
                    }
                    Some("wp:author") => self.author(&element),
                    Some("item") => {
                        self.sink.progress(file, done, total)?;
                        self.item(&element)
                    }
                    _ => Ok(()),
                }
            },
        )?;
        outcome.report(file, "export", "", self.sink);
        self.sink.progress(file, total, total)
    }

    fn key(&self, rest: &str) -> String {
        format!("{}#{rest}", self.site)
    }

    fn author(&mut self, element: &Element) -> Result<(), ImportError> {
        let Some(login) = element.text_of("wp:author_login") else {
            return Ok(());
        };
        let name = element.text_of("wp:author_display_name");
        self.profile(login, name).map(|_| ())
    }

    /// The profile of an author, made when it is first met.
    fn profile(&mut self, login: &str, name: Option<&str>) -> Result<EntityId, ImportError> {
        let key = self.key(&format!("author/{login}"));
        let entity = self.sink.entity(&key);
        if self.authors.iter().any(|known| known == login) || self.authors.len() >= AUTHORS {
            return Ok(entity);
        }
        self.authors.push(login.to_owned());
        let names = &self.names;
        let host = self.site.split("://").nth(1).unwrap_or(&self.site);
        let mut facts = Facts::default();
        facts.one(&names.r#type, "profile");
        facts.one(&names.handle, format!("{login}@{host}"));
        facts.or_empty(&names.name, name);
        facts.or_empty(
            &names.url,
            Some(self.site.as_str()).filter(|site| !site.is_empty()),
        );
        self.sink
            .record(facts.record("profile", key, None, None::<Audience>))?;
        Ok(entity)
    }
}
