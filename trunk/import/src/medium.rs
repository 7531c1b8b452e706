//! Medium: the account export, a page of HTML for each story.

mod page;

use rhizome_tuple::{EntityId, Value};

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::problem::{Problem, ProblemCode};
use crate::social::{Names, social};
use crate::source::Source;
use crate::text::{clean, decode};
use crate::time::parse_time;
use page::{Piece, body, of, pieces};

/// Reads Medium exports: `posts/*.html` and `profile/profile.html`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Medium;

const NAME: &str = "medium";

/// Stories of an export: HTML pages in a folder `posts`, marked as Medium marks them.
fn stories(source: &Source) -> Result<Vec<String>, ImportError> {
    let alone = source.entries().len() == 1;
    source.files_that(|entry| {
        let in_posts = alone || entry.path.rsplit('/').nth(1) == Some("posts");
        if !in_posts || !entry.ends("html") {
            return Ok(false);
        }
        let head = decode(&source.head(&entry.path, 16 << 10)?).0;
        Ok(head.contains("class=\"h-entry\"") && head.contains("data-field=\"body\""))
    })
}

impl Importer for Medium {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let stories = stories(source)?;
        if stories.is_empty() {
            return Ok(None);
        }
        Ok(Some(Recognition::of(
            NAME,
            0.94,
            format!("{} stories marked as Medium marks them", stories.len()),
        )))
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
            author: None,
        };
        reading.profile()?;
        let stories = stories(source)?;
        let total = stories.len() as u64;
        for (n, path) in stories.iter().enumerate() {
            reading.sink.progress(path, n as u64, total)?;
            reading.story(path)?;
        }
        Ok(())
    }
}

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    author: Option<EntityId>,
}

fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The id that Medium gave a story: the hexadecimal digits that its address, and mostly the name of its file, end with.
fn story_id(path: &str, pieces: &[Piece]) -> String {
    let linked = pieces.iter().rev().find_map(|piece| {
        let (_, id) = piece.href.rsplit_once("medium.com/p/")?;
        said(id.split(['?', '#', '/']).next()?)
    });
    if let Some(id) = linked {
        return format!("p/{id}");
    }
    let stem = path
        .rsplit('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".html");
    let tail = stem.rsplit(['-', '_']).next().unwrap_or(stem);
    let hex = (8..=16).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_hexdigit());
    if hex {
        format!("p/{tail}")
    } else {
        format!("posts/{stem}")
    }
}

impl Reading<'_> {
    fn page(&mut self, path: &str) -> Result<Option<String>, ImportError> {
        match self.source.read_document(path) {
            Ok(bytes) => {
                let (text, guessed) = decode(&bytes);
                if let Some(message) = guessed {
                    self.sink
                        .problem(Problem::of_file(ProblemCode::Encoding, path, message));
                }
                Ok(Some(text))
            }
            Err(ImportError::TooLarge { limit, .. }) => {
                let message = format!("a story has at most {limit} bytes; it was left out");
                self.sink.skip(
                    "post",
                    Problem::of_file(ProblemCode::TooLong, path, message),
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn profile(&mut self) -> Result<(), ImportError> {
        let path = self
            .source
            .find_named("profile.html")
            .map(|entry| entry.path.clone());
        let Some(path) = path else { return Ok(()) };
        let Some(html) = self.page(&path)? else {
            return Ok(());
        };
        let pieces = pieces(&html);
        let Some(url) = of(&pieces, "u-url")
            .map(|piece| piece.href.clone())
            .filter(|url| !url.is_empty())
        else {
            return Ok(());
        };
        self.sink.used(&path);
        let name = of(&pieces, "p-name")
            .and_then(|piece| said(&piece.text))
            .map(str::to_owned);
        self.author(&url, name.as_deref())
    }

    /// The one whose export it is, made a profile when first met.
    fn author(&mut self, url: &str, name: Option<&str>) -> Result<(), ImportError> {
        if self.author.is_some() {
            return Ok(());
        }
        self.author = Some(self.sink.entity(url));
        let handle = url
            .rsplit('/')
            .next()
            .unwrap_or(url)
            .trim_start_matches('@');
        let names = &self.names;
        let mut facts = Facts::default();
        facts.one(&names.r#type, "profile");
        facts.one(&names.handle, format!("{handle}@medium.com"));
        facts.maybe(&names.name, name);
        facts.one(&names.url, url);
        self.sink
            .record(facts.record("profile", url.to_owned(), None, None))
    }

    fn story(&mut self, path: &str) -> Result<(), ImportError> {
        let Some(html) = self.page(path)? else {
            return Ok(());
        };
        self.sink.used(path);
        let pieces = pieces(&html);
        let key = story_id(path, &pieces);
        let author = of(&pieces, "p-author").map(|piece| (piece.href.clone(), piece.text.clone()));
        let (url, name) = author.unwrap_or_default();
        let url = if url.is_empty() {
            "https://medium.com/me".to_owned()
        } else {
            url
        };
        self.author(&url, said(&name))?;
        let published = of(&pieces, "dt-published").and_then(|piece| said(&piece.datetime));
        let created = published.and_then(parse_time);
        if published.is_some() && created.is_none() {
            let message = "when it was published cannot be read; it was left out";
            self.sink.problem(Problem::of_item(
                ProblemCode::PartIgnored,
                path,
                key.as_str(),
                message,
            ));
        }
        // The export does not say whether a published story is listed: everyone who has its address may see it. Drafts are
        // their author's.
        let audience = if created.is_some() {
            Audience::Unlisted
        } else {
            Audience::Direct
        };
        let (html, text) = clean(body(&html));
        let canonical = of(&pieces, "p-canonical")
            .and_then(|piece| said(&piece.href))
            .map(str::to_owned);
        let address = canonical.or_else(|| {
            key.strip_prefix("p/")
                .map(|id| format!("https://medium.com/p/{id}"))
        });
        let names = &self.names;
        let mut facts = social("post", audience, names);
        facts.maybe(&names.author, self.author);
        facts.maybe(&names.created, created.map(Value::Time));
        facts.or_empty(
            &names.title,
            of(&pieces, "p-name").and_then(|piece| said(&piece.text)),
        );
        facts.or_empty(
            &names.summary,
            of(&pieces, "p-summary").and_then(|piece| said(&piece.text)),
        );
        facts.or_empty(&names.text, said(&text));
        facts.or_empty(&names.html, said(&html));
        facts.or_empty(&names.url, address);
        let tags = pieces.iter().filter(|piece| {
            piece.name_is("a") && piece.classes.iter().any(|class| class == "p-tag")
        });
        let tags = tags.map(|piece| Value::from(piece.text.to_lowercase()));
        facts.set(&names.tag, tags.collect());
        self.sink
            .record(facts.record("post", key, created, Some(audience)))
    }
}
