//! `likes.json` and `bookmarks.json`: addresses of posts.

use super::{Reading, UNLIKE};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::json::each_item;
use crate::problem::{Problem, ProblemCode};
use crate::social::social;

impl Reading<'_> {
    /// Both lists, where the archive has them. Nobody else is told of them by the archive, so they are direct.
    pub(super) fn lists(&mut self) -> Result<(), ImportError> {
        for (kind, name) in [("like", "likes.json"), ("bookmark", "bookmarks.json")] {
            let file = format!("{}{name}", self.folder);
            if self.source.find(&file).is_some() {
                self.list(kind, &file)?;
            }
        }
        Ok(())
    }

    fn list(&mut self, kind: &'static str, file: &str) -> Result<(), ImportError> {
        self.sink.used(file);
        let total = self.size(file);
        let (reader, limit) = (self.source.read(file)?, self.source.limits().record_bytes);
        let outcome = each_item(reader, &Self::path(), limit, &mut |n, item, done| {
            if n % 512 == 0 {
                self.sink.progress(file, done, total)?;
            }
            match serde_json::from_str::<String>(item) {
                Ok(url) if !url.is_empty() => self.marked(kind, &url),
                _ => {
                    let message = "it is not the address of a post; it was left out";
                    self.sink.skip(
                        kind,
                        Problem::of_item(
                            ProblemCode::Malformed,
                            file,
                            format!("item {n}"),
                            message,
                        ),
                    );
                    Ok(())
                }
            }
        })?;
        outcome.report(file, "document", UNLIKE, self.sink);
        Ok(())
    }

    pub(crate) fn marked(&mut self, kind: &'static str, url: &str) -> Result<(), ImportError> {
        let key = format!("{}#{kind}/{url}", self.actor.id);
        let known = self.known(url);
        let names = &self.names;
        let (of, of_url) = match kind {
            "like" => (&names.like_of, &names.like_of_url),
            _ => (&names.bookmark_of, &names.bookmark_of_url),
        };
        let mut facts = social(kind, Audience::Direct, names);
        facts.one(&names.author, self.author);
        facts.one(of_url, url);
        facts.maybe(of, known);
        self.sink
            .record(facts.record(kind, key, None, Some(Audience::Direct)))
    }
}
