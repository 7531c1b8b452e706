//! A feed as a file, with its entries.

use feed_rs::model::{Category, Entry, Link, Person, Text};
use rhizome_tuple::{EntityId, Value};

use super::Reading;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::problem::{Problem, ProblemCode};
use crate::text::{clean, plain_text};

/// A title or a name as plain text.
fn plain(text: &Text) -> Option<String> {
    let html = text.content_type.subty() == "html" || text.content.contains('&');
    let text = if html {
        plain_text(&text.content)
    } else {
        text.content.trim().to_owned()
    };
    (!text.is_empty()).then_some(text)
}

fn authors(people: &[Person]) -> Vec<Value> {
    let names = people.iter().filter_map(|person| {
        let text = [&person.name, &person.email, &person.uri]
            .into_iter()
            .flatten();
        text.map(|text| text.trim()).find(|text| !text.is_empty())
    });
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Value::from).collect()
}

fn categories(categories: &[Category]) -> Vec<Value> {
    let words = categories
        .iter()
        .map(|category| category.label.as_ref().unwrap_or(&category.term));
    let mut words: Vec<&str> = words
        .map(|word| word.trim())
        .filter(|word| !word.is_empty())
        .collect();
    words.sort_unstable();
    words.dedup();
    words.into_iter().map(Value::from).collect()
}

/// The page that links lead to.
fn page(links: &[Link]) -> Option<&str> {
    let alternate = |link: &&Link| matches!(link.rel.as_deref(), None | Some("alternate"));
    links.iter().find(alternate).map(|link| link.href.as_str())
}

/// What an entry is by, where its feed gives it no name.
fn hash(entry: &Entry) -> String {
    let mut hash = blake3::Hasher::new();
    let title = entry
        .title
        .as_ref()
        .map_or("", |text| text.content.as_str());
    let published = entry.published.map_or(0, |time| time.timestamp_millis());
    let text = entry
        .summary
        .as_ref()
        .map_or("", |text| text.content.as_str());
    hash.update(&(title.len() as u64).to_le_bytes())
        .update(title.as_bytes());
    hash.update(&published.to_le_bytes());
    if title.is_empty() {
        hash.update(text.as_bytes());
    }
    format!("#{}", hash.finalize().to_hex())
}

impl Reading<'_> {
    pub(super) fn feed(&mut self, file: &str) -> Result<(), ImportError> {
        let bytes = match self.source.read_document(file) {
            Ok(bytes) => bytes,
            Err(ImportError::TooLarge { limit, .. }) => {
                let message = format!("a feed has at most {limit} bytes; it was left out");
                self.sink.skip(
                    "feed",
                    Problem::of_file(ProblemCode::TooLong, file, message),
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let parser = feed_rs::parser::Builder::new()
            .sanitize_content(false)
            .id_generator(|_, _, _| String::new())
            .build();
        let feed = match parser.parse(bytes.as_slice()) {
            Ok(feed) => feed,
            Err(error) => {
                let message = format!("{error}; it was left out");
                self.sink
                    .incomplete(Problem::of_file(ProblemCode::Malformed, file, message));
                return Ok(());
            }
        };
        let own = feed
            .links
            .iter()
            .find(|link| link.rel.as_deref() == Some("self"));
        let url = own.map(|link| link.href.as_str());
        let site = page(&feed.links);
        let title = feed.title.as_ref().and_then(plain);
        let id = (!feed.id.is_empty()).then_some(feed.id.as_str());
        let Some(key) = url.or(id).or(site).or(title.as_deref()).map(str::to_owned) else {
            let message = "it has neither an address nor a title; it was left out";
            self.sink.skip(
                "feed",
                Problem::of_file(ProblemCode::Malformed, file, message),
            );
            return Ok(());
        };
        let names = &self.names;
        let mut facts = Facts::default();
        facts.one(&names.r#type, "feed");
        facts.or_empty(&names.url, url);
        facts.or_empty(&names.site, site);
        facts.or_empty(&names.title, title);
        facts.or_empty(
            &names.description,
            feed.description.as_ref().and_then(plain),
        );
        facts.or_empty(&names.language, feed.language.as_deref());
        facts.set(&names.author, authors(&feed.authors));
        facts.maybe(
            &names.updated,
            feed.updated
                .map(|time| Value::Time(time.timestamp_millis())),
        );
        // A list that follows the feed says more of it: its folders and what the person calls it.
        if self.followed.contains_key(&key) {
            let message =
                "a list in this export has the feed too; what the list says of it is taken";
            self.sink.problem(Problem::of_item(
                ProblemCode::PartIgnored,
                file,
                key.as_str(),
                message,
            ));
        } else {
            facts.set(&names.category, categories(&feed.categories));
            let record = facts.record("feed", key.clone(), None, Some(Audience::Direct));
            self.sink.record(record)?;
        }
        let of = self.sink.entity(&key);
        for (n, entry) in feed.entries.iter().enumerate() {
            if n % 256 == 0 {
                self.sink
                    .progress(file, n as u64, feed.entries.len() as u64)?;
            }
            self.entry(entry, &key, of)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, feed: &str, of: EntityId) -> Result<(), ImportError> {
        let names = &self.names;
        let id = (!entry.id.is_empty()).then_some(entry.id.as_str());
        let link =
            page(&entry.links).or_else(|| entry.links.first().map(|link| link.href.as_str()));
        let own = id.or(link).map_or_else(|| hash(entry), str::to_owned);
        let mut facts = Facts::default();
        facts.one(&names.r#type, "feed-entry");
        facts.one(&names.of, of);
        facts.or_empty(&names.title, entry.title.as_ref().and_then(plain));
        facts.or_empty(&names.link, link);
        facts.or_empty(&names.entry_id, id);
        let body = entry
            .content
            .as_ref()
            .and_then(|content| content.body.as_deref());
        let said = body.or(entry.summary.as_ref().map(|text| text.content.as_str()));
        let (html, text) = said.map(clean).unzip();
        facts.or_empty(&names.html, html.filter(|html| !html.is_empty()));
        facts.or_empty(&names.text, text.filter(|text| !text.is_empty()));
        facts.set(&names.author, authors(&entry.authors));
        facts.set(&names.category, categories(&entry.categories));
        let published = entry.published.map(|time| time.timestamp_millis());
        facts.maybe(&names.published, published.map(Value::Time));
        facts.maybe(
            &names.updated,
            entry
                .updated
                .map(|time| Value::Time(time.timestamp_millis())),
        );
        let media = entry.media.iter().flat_map(|media| &media.content);
        let media = media.filter_map(|content| Some(content.url.as_ref()?.to_string()));
        let linked = entry
            .links
            .iter()
            .filter(|link| link.rel.as_deref() == Some("enclosure"));
        let mut files: Vec<String> = media.chain(linked.map(|link| link.href.clone())).collect();
        files.sort_unstable();
        files.dedup();
        facts.set(
            &names.enclosure,
            files.into_iter().map(Value::from).collect(),
        );
        let key = format!("{feed} {own}");
        self.sink
            .record(facts.record("feed-entry", key, published, Some(Audience::Direct)))
    }
}
