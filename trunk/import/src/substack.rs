//! Substack: the export of a publication, `posts.csv` with a page of HTML for each post.

use rhizome_tuple::Value;
use std::collections::HashMap;

use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::outcome;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::{Names, social};
use crate::source::{Metered, Source};
use crate::text::{Lossy, clean, decode, plain_text};
use crate::time::parse_time;

/// Reads Substack exports: `posts.csv` and `posts/*.html`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Substack;

const NAME: &str = "substack";
/// Columns that tell `posts.csv` from other tables.
const COLUMNS: [&str; 4] = ["post_id", "is_published", "audience", "title"];

fn is_posts(head: &[u8]) -> bool {
    let head = decode(head).0;
    let first = head.lines().next().unwrap_or_default();
    let columns: Vec<&str> = first
        .split(',')
        .map(|column| column.trim().trim_matches('"'))
        .collect();
    COLUMNS.iter().all(|wanted| columns.contains(wanted))
}

impl Importer for Substack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let Some(posts) = source.find_named("posts.csv") else {
            return Ok(None);
        };
        if !is_posts(&source.head(&posts.path, 4_096)?) {
            return Ok(None);
        }
        Ok(Some(Recognition::of(
            NAME,
            0.95,
            "posts.csv with the columns of Substack",
        )))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let Some(posts) = source
            .find_named("posts.csv")
            .map(|entry| entry.path.clone())
        else {
            return Ok(());
        };
        let names = Names::new();
        sink.used(&posts);
        let mut facts = Facts::default();
        facts.one(&names.r#type, "profile");
        // The export does not name the publication.
        facts.one(&names.handle, "publication@substack.com");
        sink.record(facts.record("profile", "publication".to_owned(), None, None))?;
        let mut reading = Reading {
            source,
            sink,
            names,
            root: posts.trim_end_matches("posts.csv"),
        };
        reading.posts(&posts)
    }
}

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    /// Where `posts.csv` lies: empty, or a folder with a slash.
    root: &'a str,
}

/// Who may see a post. Lists of paying readers are not everyone; what is not published is its author's.
fn audience(row: &HashMap<&str, &str>) -> Option<Audience> {
    if !row
        .get("is_published")
        .is_some_and(|yes| yes.eq_ignore_ascii_case("true"))
    {
        return Some(Audience::Direct);
    }
    match *row.get("audience")? {
        "everyone" => Some(Audience::Public),
        "only_free" | "only_paid" | "founding" => Some(Audience::Followers),
        _ => None,
    }
}

impl Reading<'_> {
    fn posts(&mut self, file: &str) -> Result<(), ImportError> {
        let limit = self.source.limits().record_bytes;
        let (lossy, replaced) = Lossy::new(self.source.read(file)?);
        let (metered, allowance) = Metered::new(lossy, limit as u64);
        let mut rows = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(metered);
        let columns = match rows.headers() {
            Ok(columns) => columns.clone(),
            Err(error) => {
                outcome::broken_off(file, "table", &error.to_string(), self.sink);
                return Ok(());
            }
        };
        let mut row = csv::StringRecord::new();
        let total = self.source.find(file).map_or(0, |entry| entry.size);
        let mut n = 0_u64;
        loop {
            allowance.renew();
            match rows.read_record(&mut row) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    outcome::broken_off(file, "table", &error.to_string(), self.sink);
                    return Ok(());
                }
            }
            n += 1;
            self.sink.progress(file, allowance.read(), total)?;
            let fields = columns
                .iter()
                .zip(row.iter())
                .filter(|(_, value)| !value.is_empty())
                .collect();
            self.post(file, n, &fields)?;
        }
        outcome::replaced(file, replaced.count(), self.sink);
        Ok(())
    }

    /// The HTML of a post: `posts/ID.html`, where the id carries the post's name in its address.
    fn html(&mut self, id: &str) -> Result<Option<String>, ImportError> {
        let path = format!("{}posts/{id}.html", self.root);
        if self.source.find(&path).is_none() {
            return Ok(None);
        }
        self.sink.used(&path);
        match self.source.read_document(&path) {
            Ok(bytes) => Ok(Some(decode(&bytes).0)),
            Err(ImportError::TooLarge { limit, .. }) => {
                let message = format!("a post has at most {limit} bytes; its text was left out");
                self.sink
                    .problem(Problem::of_file(ProblemCode::TooLong, path, message));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn post(&mut self, file: &str, n: u64, row: &HashMap<&str, &str>) -> Result<(), ImportError> {
        let Some(id) = row.get("post_id") else {
            let message = "it has no post_id; it was left out";
            let problem =
                Problem::of_item(ProblemCode::Malformed, file, format!("row {n}"), message);
            self.sink.skip("post", problem);
            return Ok(());
        };
        // `123401.the-name`: the number stays when the name changes.
        let number = id
            .split('.')
            .next()
            .filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let key = number.filter(|n| !n.is_empty()).unwrap_or(id).to_owned();
        let audience = audience(row).unwrap_or_else(|| {
            let message = "it does not say who may see it; it was imported as direct";
            self.sink.problem(Problem::of_item(
                ProblemCode::Audience,
                file,
                key.as_str(),
                message,
            ));
            Audience::Direct
        });
        let said = row.get("post_date");
        let created = said.and_then(|text| parse_time(text));
        if said.is_some() && created.is_none() {
            let message = format!(
                "post_date is not a time: {}; it was left out",
                shorten(said.unwrap_or(&""))
            );
            self.sink.problem(Problem::of_item(
                ProblemCode::PartIgnored,
                file,
                key.as_str(),
                message,
            ));
        }
        let page = self.html(id)?;
        if page.is_none() && row.get("type").is_none_or(|kind| *kind != "thread") {
            let path = format!("{}posts/{id}.html", self.root);
            let message = "the text of a post is not in the export";
            self.sink.problem(Problem::of_item(
                ProblemCode::MissingFile,
                path,
                key.as_str(),
                message,
            ));
        }
        let (html, text) = page.as_deref().map(clean).unzip();
        let plain = |name: &str| {
            row.get(name)
                .map(|text| plain_text(text))
                .filter(|text| !text.is_empty())
        };
        let names = &self.names;
        let mut facts = social("post", audience, names);
        facts.one(&names.author, self.sink.entity("publication"));
        facts.maybe(&names.created, created.map(Value::Time));
        facts.or_empty(&names.title, plain("title"));
        facts.or_empty(&names.summary, plain("subtitle"));
        facts.or_empty(&names.url, row.get("podcast_url").copied());
        // What an export does not hold takes nothing away.
        facts.maybe(&names.text, text.filter(|text| !text.is_empty()));
        facts.maybe(&names.html, html.filter(|html| !html.is_empty()));
        let kind = row.get("type").map(|kind| Value::from(kind.to_lowercase()));
        facts.set(&names.tag, kind.into_iter().collect());
        self.sink
            .record(facts.record("post", key, created, Some(audience)))
    }
}
