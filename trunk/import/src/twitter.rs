//! Twitter: the archives of 2016 (`data/js/tweets/*.js` or `tweets.csv`), of 2018 and 2019 (`tweet.js`) and since (`data/tweets.js`).

mod account;
mod files;
mod lists;
mod media;
mod messages;
mod text;
mod tweet;

use rhizome_tuple::EntityId;
use rustc_hash::FxHashSet;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::assignment;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::json::{each_item, parse_path};
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::Names;
use crate::source::Source;
use account::Account;
use files::{Files, Kind};

/// Reads archives of Twitter and X.
#[derive(Clone, Copy, Debug, Default)]
pub struct Twitter;

/// The `import/source` of everything read here.
const SOURCE: &str = "twitter";

impl Importer for Twitter {
    fn name(&self) -> &'static str {
        "twitter"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let files = Files::of(source);
        let Some(why) = files.evidence(source)? else {
            return Ok(None);
        };
        let account = Account::read(source, &files)?.0;
        let mut confidence = 0.9;
        let mut why = vec![why];
        if let Some(name) = &account.name {
            confidence = 0.99;
            why.push(format!("the account @{name}"));
        }
        Ok(Some(Recognition {
            importer: self.name(),
            confidence,
            why: why.join(", "),
            source: SOURCE.to_owned(),
            account: account.id,
        }))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let files = Files::of(source);
        if files.evidence(source)?.is_none() {
            return Err(ImportError::NotRecognised {
                what: source.name().to_owned(),
                why: "it holds no tweets.js, tweet.js, data/js/tweets or tweets.csv of Twitter"
                    .to_owned(),
            });
        }
        let (account, problems) = Account::read(source, &files)?;
        for problem in problems {
            sink.problem(problem);
        }
        let mut reading = Reading {
            media: media::Index::of(source),
            author: sink.entity(&account.key()),
            account,
            source,
            sink,
            names: Names::new(),
            tweets: FxHashSet::default(),
            notes: tweet::Notes::default(),
            seen_media: FxHashSet::default(),
            warned: false,
        };
        reading.profile(&files)?;
        reading.long_tweets(&files)?;
        for path in files.all(Kind::Tweets).chain(files.all(Kind::Circle)) {
            reading.list(path)?;
        }
        for path in files.all(Kind::Tweets) {
            reading.tweets(path, None)?;
        }
        for path in files.all(Kind::Circle) {
            reading.tweets(path, Some(Audience::Direct))?;
        }
        reading.deleted(&files)?;
        reading.lists(&files)?;
        reading.conversations(&files)
    }
}

/// Takes one item of a list, with its number.
type Take<'a, R> = dyn FnMut(&mut R, u64, &Map<String, Value>) -> Result<(), ImportError> + 'a;

/// An archive while it is read.
struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    account: Account,
    author: EntityId,
    media: media::Index,
    /// Tweets of this archive, for references between them.
    tweets: FxHashSet<EntityId>,
    /// The whole text of long tweets.
    notes: tweet::Notes,
    seen_media: FxHashSet<EntityId>,
    /// Whether it was said that the archive does not say who may see its tweets.
    warned: bool,
}

/// The address of a tweet, whoever wrote it and whatever they are called today.
fn address(id: &str) -> String {
    format!("https://twitter.com/i/web/status/{id}")
}

/// The native id of a tweet.
fn status(id: &str) -> String {
    format!("status/{id}")
}

impl Reading<'_> {
    /// Hands the objects of a list over one by one; those of another shape are reported.
    fn each(
        &mut self,
        file: &str,
        kind: &'static str,
        wrapper: &[&str],
        take: &mut Take<'_, Self>,
    ) -> Result<(), ImportError> {
        self.sink.used(file);
        let total = self.source.find(file).map_or(0, |entry| entry.size);
        // A conversation is one item, and a long one is longer than any other record.
        let limit = self.source.limits().record_bytes.saturating_mul(8);
        let path = parse_path("/*").unwrap_or_default();
        let reader = assignment::value(self.source.read(file)?)
            .map_err(|error| ImportError::read(file, error))?;
        let outcome = each_item(reader, &path, limit, &mut |n, item, done| {
            if n % 64 == 0 {
                self.sink.progress(file, done, total)?;
            }
            let why = match serde_json::from_str::<Value>(item) {
                Ok(Value::Object(object)) => {
                    let inner = wrapper
                        .iter()
                        .find_map(|name| object.get(*name)?.as_object());
                    return take(self, n, inner.unwrap_or(&object));
                }
                Ok(_) => "it is not an object".to_owned(),
                Err(error) => error.to_string(),
            };
            self.leave_out(kind, file, &format!("item {n}"), &why);
            Ok(())
        })?;
        outcome.report(file, "document", "it is not a list", self.sink);
        Ok(())
    }

    fn leave_out(&mut self, kind: &'static str, file: &str, item: &str, why: &str) {
        let message = format!("{why}; it was left out");
        let problem = Problem::of_item(ProblemCode::Malformed, file, shorten(item), message);
        self.sink.skip(kind, problem);
    }

    /// A first reading, for the ids alone: an answer may come before what it answers.
    fn list(&mut self, file: &str) -> Result<(), ImportError> {
        #[derive(Deserialize)]
        struct Item<'a> {
            #[serde(borrow)]
            tweet: Option<Id<'a>>,
            #[serde(borrow)]
            id_str: Option<std::borrow::Cow<'a, str>>,
        }
        #[derive(Deserialize)]
        struct Id<'a> {
            #[serde(borrow)]
            id_str: Option<std::borrow::Cow<'a, str>>,
        }
        if files::is_csv(file) {
            return self.list_rows(file);
        }
        let reader = assignment::value(self.source.read(file)?)
            .map_err(|error| ImportError::read(file, error))?;
        let path = parse_path("/*").unwrap_or_default();
        let limit = self.source.limits().record_bytes;
        let (sink, tweets) = (&mut *self.sink, &mut self.tweets);
        each_item(reader, &path, limit, &mut |_, item, _| {
            if let Ok(item) = serde_json::from_str::<Item<'_>>(item)
                && let Some(id) = item.tweet.and_then(|of| of.id_str).or(item.id_str)
            {
                tweets.insert(sink.entity(&status(&id)));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The entity of a tweet, where this archive holds it.
    fn known(&self, id: &str) -> Option<EntityId> {
        let entity = self.sink.entity(&status(id));
        self.tweets.contains(&entity).then_some(entity)
    }
}
