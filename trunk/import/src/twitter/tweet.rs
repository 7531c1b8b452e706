//! Tweets, answers, quotes and retweets.

use std::collections::HashMap;

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value, json};

use super::files::{Files, Kind, is_csv};
use super::text::{Long, Longs, expand};
use super::{Reading, address, status};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::outcome;
use crate::part::Part;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::social;
use crate::source::Metered;
use crate::text::{Lossy, sanitise};
use crate::time::{by_pattern, parse_time};

/// The whole text of long tweets, by the second they were written in.
#[derive(Default)]
pub struct Notes {
    by_second: HashMap<i64, Vec<String>>,
    bytes: usize,
}

/// Bytes of long tweets held at once.
const MAX_NOTES: usize = 64 << 20;

/// Milliseconds since 1970 of a time as tweets of all years have it.
pub fn time(text: &str) -> Option<i64> {
    by_pattern(text, "%a %b %d %H:%M:%S %z %Y")
        .or_else(|| by_pattern(text, "%Y-%m-%d %H:%M:%S %z"))
        .or_else(|| parse_time(text))
}

/// The moment in an id of since November 2010: milliseconds after a beginning, in its upper bits.
fn time_of(id: &str) -> Option<i64> {
    let id: i64 = id.parse().ok()?;
    (id > 29_700_859_247).then_some((id >> 22) + 1_288_834_974_657)
}

/// An id, written as text or as a number.
fn id<'a>(tweet: &'a Map<String, Value>, names: &[&str]) -> Option<std::borrow::Cow<'a, str>> {
    let digits = |text: &str| {
        !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit())
    };
    names.iter().find_map(|name| match tweet.get(*name)? {
        Value::String(text) => digits(text).then_some(text.as_str().into()),
        Value::Number(n) => Some(n.as_u64()?.to_string().into()),
        _ => None,
    })
}

/// The id of the tweet that an address leads to.
fn status_in(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    let host = host.strip_prefix("mobile.").unwrap_or(host);
    if host != "twitter.com" && host != "x.com" {
        return None;
    }
    let (_, id) = path.split_once("status/")?;
    let end = id.bytes().take_while(u8::is_ascii_digit).count();
    id.get(..end).filter(|id| !id.is_empty())
}

impl Reading<'_> {
    /// Reads the whole texts of long tweets ahead of the tweets that show their beginnings.
    pub(super) fn long_tweets(&mut self, files: &Files) -> Result<(), ImportError> {
        for path in files.all(Kind::Notes) {
            self.each(path, "post", &["noteTweet"], &mut |reading, n, note| {
                let at = note.get("createdAt").and_then(Value::as_str);
                let core = note.get("core").and_then(|core| core.get("text")?.as_str());
                let Some((at, text)) = at.and_then(time).zip(core) else {
                    let item = format!("item {n}");
                    let message = "a long tweet has no text or time; its beginning is in the tweet";
                    let problem = Problem::of_item(ProblemCode::PartIgnored, path, item, message);
                    reading.sink.problem(problem);
                    return Ok(());
                };
                reading.notes.bytes += text.len();
                if reading.notes.bytes <= MAX_NOTES {
                    let of = reading.notes.by_second.entry(at / 1_000).or_default();
                    of.push(text.to_owned());
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The whole text of a tweet that an archive shows the beginning of.
    fn whole(&self, shown: &str, created: Option<i64>) -> Option<String> {
        let beginning = shown.trim_end();
        // The beginning ends with an ellipsis and the address of the rest.
        let beginning = match beginning.rfind('…') {
            Some(at) => beginning.get(..at).unwrap_or_default().trim_end(),
            None => return None,
        };
        let beginning = super::text::unescape(beginning);
        let second = created? / 1_000;
        (second - 1..=second + 1).find_map(|second| {
            let notes = self.notes.by_second.get(&second)?;
            let found = notes.iter().find(|note| note.starts_with(&beginning))?;
            Some(found.clone())
        })
    }

    /// Reads one file of tweets, all of one audience, or of that which the archive says.
    pub(super) fn tweets(
        &mut self,
        file: &str,
        audience: Option<Audience>,
    ) -> Result<(), ImportError> {
        if is_csv(file) {
            return self.rows(file, audience);
        }
        self.each(file, "post", &["tweet"], &mut |reading, n, tweet| {
            let audience = audience.unwrap_or_else(|| reading.audience(file, tweet));
            reading.tweet(file, n, tweet, audience)
        })
    }

    /// Who may see a tweet. The archives since 2018 say it of the account, those of before of each tweet.
    fn audience(&mut self, file: &str, tweet: &Map<String, Value>) -> Audience {
        let protected = tweet
            .get("user")
            .and_then(|user| user.get("protected")?.as_bool());
        match (self.account.audience, protected) {
            (Some(audience), _) => audience,
            (None, Some(true)) => Audience::Followers,
            (None, Some(false)) => Audience::Public,
            (None, None) => {
                if !std::mem::replace(&mut self.warned, true) {
                    let message = "the archive does not say whether the account was protected; its tweets were imported as direct";
                    self.sink
                        .problem(Problem::of_file(ProblemCode::Audience, file, message));
                }
                Audience::Direct
            }
        }
    }

    fn tweet(
        &mut self,
        file: &str,
        n: u64,
        tweet: &Map<String, Value>,
        audience: Audience,
    ) -> Result<(), ImportError> {
        let Some(id) = id(tweet, &["id_str", "id"]) else {
            self.leave_out("post", file, &format!("item {n}"), "it has no id");
            return Ok(());
        };
        let id = id.as_ref();
        let mut part = Part::new(tweet);
        let said = part.text("created_at");
        let created = said.and_then(time).or_else(|| time_of(id));
        let raw = match part.text("full_text") {
            Some(text) => text,
            None => part.text("text").unwrap_or_default(),
        };
        let retweeted = part.object("retweeted_status");
        if retweeted.is_some() || raw.starts_with("RT @") {
            return self.retweet(id, tweet, raw, retweeted, audience, created);
        }
        let answered = self::id(
            tweet,
            &["in_reply_to_status_id_str", "in_reply_to_status_id"],
        );
        let kind = if answered.is_some() { "reply" } else { "post" };
        let mut facts = social(kind, audience, &self.names);
        facts.one(&self.names.author, self.author);
        facts.maybe(&self.names.created, created.map(Tuple::Time));
        facts.one(&self.names.url, address(id));
        if let Some(of) = &answered {
            facts.one(&self.names.reply_to_url, address(of));
            facts.maybe(&self.names.reply_to, self.known(of));
        }
        let quoted = self.content(tweet, raw, created, &mut facts);
        let quoted = self::id(tweet, &["quoted_status_id_str", "quoted_status_id"])
            .map(String::from)
            .or(quoted);
        if let Some(of) = quoted {
            facts.one(&self.names.quote_of_url, address(&of));
            facts.maybe(&self.names.quote_of, self.known(&of));
        }
        let unknown = ["und", "qme", "qst", "zxx", "qht", "qam", "qct"];
        let language = part
            .text("lang")
            .filter(|lang| lang.len() <= 35 && !unknown.contains(lang));
        facts.maybe(&self.names.language, language);
        if part.get("possibly_sensitive").and_then(Value::as_bool) == Some(true) {
            facts.one(&self.names.sensitive, true);
        }
        let media = self.attachments(file, id, tweet, audience, created)?;
        facts.list(&self.names.media, media);
        part.problems(file, id)
            .for_each(|problem| self.sink.problem(problem));
        self.sink
            .record(facts.record(kind, status(id), created, Some(audience)))
    }

    /// Text, HTML, addresses, mentions and tags; gives the id of the tweet that the last address leads to.
    fn content(
        &self,
        tweet: &Map<String, Value>,
        raw: &str,
        created: Option<i64>,
        facts: &mut Facts,
    ) -> Option<String> {
        let named = |of: &str| {
            let list = tweet
                .get("entities")
                .and_then(|all| all.get(of)?.as_array());
            list.map_or(&[][..], Vec::as_slice)
        };
        let text = |of: &Value, name: &str| of.get(name)?.as_str().map(str::to_owned);
        let mut longs = Longs::new();
        let (mut links, mut quoted) = (Vec::new(), None);
        for url in named("urls") {
            let of = |name: &str| url.get(name).and_then(Value::as_str);
            let Some(long) = of("expanded_url").filter(|long| !long.is_empty()) else {
                continue;
            };
            links.push(Tuple::from(long));
            quoted = status_in(long).map(str::to_owned);
            if let Some(short) = of("url") {
                let shown = of("display_url").unwrap_or(long);
                longs.insert(short, Long::Address(long, shown));
            }
        }
        for of in named("media") {
            if let Some(short) = of.get("url").and_then(Value::as_str) {
                longs.entry(short).or_insert(Long::Nothing);
            }
        }
        let whole = self.whole(raw, created);
        let (plain, html) = expand(whole.as_deref().unwrap_or(raw), &longs);
        facts.one(&self.names.text, plain);
        facts.one(&self.names.html, sanitise(&html));
        facts.set(&self.names.link, links);
        let tags = named("hashtags").iter().filter_map(|of| text(of, "text"));
        let tags = tags.map(|tag| Tuple::from(tag.to_lowercase()));
        facts.set(&self.names.tag, tags.collect());
        let people = named("user_mentions").iter();
        let people = people.filter_map(|of| text(of, "screen_name"));
        let people = people.map(|name| Tuple::from(format!("https://twitter.com/{name}")));
        facts.set(&self.names.mention, people.collect());
        quoted
    }

    /// Most archives do not say which tweet was passed on; the address of the retweet itself leads there.
    fn retweet(
        &mut self,
        id: &str,
        tweet: &Map<String, Value>,
        raw: &str,
        retweeted: Option<&Map<String, Value>>,
        audience: Audience,
        created: Option<i64>,
    ) -> Result<(), ImportError> {
        let of = retweeted.and_then(|of| self::id(of, &["id_str", "id"]));
        let of = of.as_deref().unwrap_or(id);
        let mut facts = social("boost", audience, &self.names);
        facts.one(&self.names.author, self.author);
        facts.maybe(&self.names.created, created.map(Tuple::Time));
        facts.one(&self.names.boost_of_url, address(of));
        facts.maybe(
            &self.names.boost_of,
            self.known(of).filter(|_| retweeted.is_some()),
        );
        self.content(tweet, raw, created, &mut facts);
        self.sink
            .record(facts.record("boost", status(id), created, Some(audience)))
    }

    /// The table of 2016 and before: tweets as rows, their addresses beside them.
    fn rows(&mut self, file: &str, audience: Option<Audience>) -> Result<(), ImportError> {
        self.sink.used(file);
        let (reader, replaced) = Lossy::new(self.source.read(file)?);
        let (reader, allowance) = Metered::new(reader, self.source.limits().record_bytes as u64);
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
        let mut n = 0;
        for row in rows.deserialize::<HashMap<String, String>>() {
            n += 1;
            allowance.renew();
            let row = match row {
                Ok(row) => row,
                Err(error) if error.is_io_error() => {
                    outcome::broken_off(file, "table", &error.to_string(), self.sink);
                    return Ok(());
                }
                Err(error) => {
                    let item = format!("row {n}");
                    self.leave_out("post", file, &item, &shorten(&error.to_string()));
                    continue;
                }
            };
            let of = |name: &str| row.get(name).map_or("", String::as_str);
            let urls = of("expanded_urls").split(',').filter(|url| !url.is_empty());
            let urls: Vec<_> = urls.map(|url| json!({"expanded_url": url})).collect();
            let mut tweet = Map::new();
            let mut put = |name: &str, value: Value| tweet.insert(name.to_owned(), value);
            put("id_str", of("tweet_id").into());
            put("text", of("text").into());
            put("created_at", of("timestamp").into());
            put(
                "in_reply_to_status_id_str",
                of("in_reply_to_status_id").into(),
            );
            put("entities", json!({"urls": urls}));
            if !of("retweeted_status_id").is_empty() {
                let id = of("retweeted_status_id");
                put("retweeted_status", json!({"id_str": id}));
            }
            let audience = audience.unwrap_or_else(|| self.audience(file, &tweet));
            self.tweet(file, n, &tweet, audience)?;
        }
        outcome::replaced(file, replaced.count(), self.sink);
        Ok(())
    }

    /// The ids of a table.
    pub(super) fn list_rows(&mut self, file: &str) -> Result<(), ImportError> {
        let (reader, _) = Lossy::new(self.source.read(file)?);
        let (reader, allowance) = Metered::new(reader, self.source.limits().record_bytes as u64);
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
        let column = rows
            .headers()
            .ok()
            .and_then(|names| names.iter().position(|name| name == "tweet_id"));
        for row in rows.records().map_while(Result::ok) {
            allowance.renew();
            if let Some(id) = column.and_then(|at| row.get(at)) {
                self.tweets.insert(self.sink.entity(&status(id)));
            }
        }
        Ok(())
    }
}
