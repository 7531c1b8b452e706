//! Pictures and films of tweets and messages: files called `TWEET-NAME` in folders `…_media`.

use std::collections::HashMap;

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value};

use super::{Reading, status};
use crate::attached::{Said, media};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::part::Part;
use crate::problem::{Problem, ProblemCode};
use crate::source::Source;

/// Files of the folders of media, by name.
pub struct Index(HashMap<String, String>);

impl Index {
    /// Those of a source.
    pub fn of(source: &Source) -> Self {
        let files = source.entries().iter().filter_map(|entry| {
            let (folder, name) = entry.path.rsplit_once('/')?;
            let folder = folder.rsplit('/').next()?;
            let media = folder.ends_with("_media");
            media.then(|| (name.to_owned(), entry.path.clone()))
        });
        Self(files.collect())
    }

    /// The file of what `owner` shows and what lies at `url`. Pictures of profiles are stored without their extension in
    /// some years and with it in others.
    pub fn find(&self, owner: &str, url: &str) -> Option<&str> {
        let name = url.split(['?', '#']).next()?.rsplit('/').next()?;
        let name = format!("{owner}-{name}");
        let with = [".jpg", ".png"].iter().map(|end| format!("{name}{end}"));
        let mut names = std::iter::once(name.clone()).chain(with);
        names.find_map(|name| self.0.get(&name).map(String::as_str))
    }
}

/// Addresses of what a medium shows, the best first.
fn addresses(of: &Map<String, Value>) -> Vec<&str> {
    let variants = of
        .get("video_info")
        .and_then(|info| info.get("variants")?.as_array());
    let mut variants: Vec<(i64, &str)> = variants
        .into_iter()
        .flatten()
        .filter_map(|variant| {
            let rate = match variant.get("bitrate") {
                Some(Value::String(rate)) => rate.parse().unwrap_or(-1),
                Some(rate) => rate.as_i64().unwrap_or(-1),
                None => -1,
            };
            Some((rate, variant.get("url")?.as_str()?))
        })
        .collect();
    variants.sort_by_key(|(rate, _)| -rate);
    let picture = ["media_url_https", "media_url"]
        .iter()
        .find_map(|name| of.get(*name)?.as_str());
    let films = variants.into_iter().map(|(_, url)| url);
    films.chain(picture).collect()
}

impl Reading<'_> {
    /// Hands the media of a tweet over and gives their entities in order.
    pub(super) fn attachments(
        &mut self,
        file: &str,
        id: &str,
        tweet: &Map<String, Value>,
        audience: Audience,
        created: Option<i64>,
    ) -> Result<Vec<Tuple>, ImportError> {
        let many = ["extended_entities", "entities"]
            .iter()
            .find_map(|name| tweet.get(*name)?.get("media")?.as_array());
        let mut entities = Vec::new();
        for of in many.into_iter().flatten().filter_map(Value::as_object) {
            let mut part = Part::new(of);
            let urls = addresses(of);
            let found = urls
                .iter()
                .find_map(|url| self.media.find(id, url).map(str::to_owned));
            let name = part.text("id_str").map(str::to_owned).or_else(|| {
                let name = urls.last()?.rsplit('/').next()?;
                Some(name.to_owned())
            });
            let Some(name) = name else {
                part.complain("a picture has neither id nor address; it was left out");
                part.problems(file, id)
                    .for_each(|problem| self.sink.problem(problem));
                continue;
            };
            let key = format!("{}#media/{name}", status(id));
            let entity = self.sink.entity(&key);
            entities.push(Tuple::Ref(entity));
            if !self.seen_media.insert(entity) {
                continue;
            }
            let stored = if let Some(path) = found {
                self.sink.file(&path)?
            } else {
                let message = format!("the archive does not hold the file of {name}");
                self.sink.problem(Problem::of_item(
                    ProblemCode::MissingFile,
                    file,
                    id,
                    message,
                ));
                None
            };
            let said = Said {
                url: urls.first().copied(),
                alt: part.text("ext_alt_text"),
                created,
                mime: None,
            };
            let facts = media(&self.names, audience, said, stored.as_ref());
            part.problems(file, id)
                .for_each(|problem| self.sink.problem(problem));
            self.sink.record(facts.record("media", key, None, None))?;
        }
        Ok(entities)
    }

    /// A file of a private message, as a media entity.
    pub(super) fn sent(
        &mut self,
        message: &str,
        url: &str,
        created: Option<i64>,
    ) -> Result<Tuple, ImportError> {
        let key = format!("message/{message}#media/{url}");
        let entity = self.sink.entity(&key);
        if self.seen_media.insert(entity) {
            let path = self.media.find(message, url).map(str::to_owned);
            let stored = match path {
                Some(path) => self.sink.file(&path)?,
                None => None,
            };
            let said = Said {
                url: Some(url),
                created,
                ..Said::default()
            };
            let facts = media(&self.names, Audience::Direct, said, stored.as_ref());
            self.sink.record(facts.record("media", key, None, None))?;
        }
        Ok(Tuple::Ref(entity))
    }
}
