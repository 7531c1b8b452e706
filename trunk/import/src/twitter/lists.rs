//! Likes, accounts that are followed or follow, and tweets deleted shortly before the archive was made.

use serde_json::{Map, Value};

use super::files::{Files, Kind};
use super::{Reading, address, text};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::social;

fn of<'a>(item: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = item.get(name)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The address of an account, whatever it is called today.
fn user(id: &str) -> String {
    format!("https://twitter.com/i/user/{id}")
}

impl Reading<'_> {
    /// These lists. Who may see them the archive does not say, so they are direct.
    pub(super) fn lists(&mut self, files: &Files) -> Result<(), ImportError> {
        for path in files.all(Kind::Likes) {
            self.each(path, "like", &["like"], &mut |reading, n, item| {
                reading.like(path, n, item)
            })?;
        }
        for path in files.all(Kind::Following) {
            self.each(path, "follow", &["following"], &mut |reading, n, item| {
                reading.follow(path, n, item)
            })?;
        }
        for path in files.all(Kind::Followers) {
            self.each(path, "follower", &["follower"], &mut |reading, n, item| {
                reading.follower(path, n, item)
            })?;
        }
        Ok(())
    }

    fn like(&mut self, file: &str, n: u64, item: &Map<String, Value>) -> Result<(), ImportError> {
        let Some(id) = of(item, "tweetId") else {
            self.leave_out("like", file, &format!("item {n}"), "it names no tweet");
            return Ok(());
        };
        let names = &self.names;
        let mut facts = social("like", Audience::Direct, names);
        facts.one(&names.author, self.author);
        facts.one(&names.like_of_url, address(id));
        facts.maybe(&names.like_of, self.known(id));
        facts.maybe(&names.text, of(item, "fullText").map(text::unescape));
        let record = facts.record("like", format!("like/{id}"), None, Some(Audience::Direct));
        self.sink.record(record)
    }

    fn follow(&mut self, file: &str, n: u64, item: &Map<String, Value>) -> Result<(), ImportError> {
        let Some(id) = of(item, "accountId") else {
            self.leave_out("follow", file, &format!("item {n}"), "it names no account");
            return Ok(());
        };
        let names = &self.names;
        let mut facts = social("follow", Audience::Direct, names);
        facts.one(&names.author, self.author);
        facts.one(&names.follow_of_url, user(id));
        let key = format!("follow/{id}");
        self.sink
            .record(facts.record("follow", key, None, Some(Audience::Direct)))
    }

    /// Somebody who follows this account: known by a number alone.
    fn follower(
        &mut self,
        file: &str,
        n: u64,
        item: &Map<String, Value>,
    ) -> Result<(), ImportError> {
        let Some(id) = of(item, "accountId") else {
            self.leave_out(
                "follower",
                file,
                &format!("item {n}"),
                "it names no account",
            );
            return Ok(());
        };
        let own = match (&self.account.id, &self.account.name) {
            (Some(own), _) => user(own),
            (None, Some(name)) => format!("https://twitter.com/{name}"),
            (None, None) => {
                let why = "the archive does not say who is followed";
                self.leave_out("follower", file, &format!("item {n}"), why);
                return Ok(());
            }
        };
        let names = &self.names;
        let by = format!("account/{id}");
        let author = self.sink.entity(&by);
        if author != self.author {
            let mut facts = Facts::default();
            facts.one(&names.r#type, "profile");
            facts.one(&names.handle, id);
            facts.one(&names.url, user(id));
            self.sink.record(facts.record("profile", by, None, None))?;
        }
        let mut facts = social("follow", Audience::Direct, names);
        facts.one(&names.author, author);
        facts.one(&names.follow_of_url, own);
        let key = format!("follower/{id}");
        self.sink
            .record(facts.record("follower", key, None, Some(Audience::Direct)))
    }

    /// What its author deleted is not brought back.
    pub(super) fn deleted(&mut self, files: &Files) -> Result<(), ImportError> {
        for path in files.all(Kind::Deleted) {
            self.each(path, "post", &["tweet"], &mut |reading, n, item| {
                let id = of(item, "id_str").map_or_else(|| format!("item {n}"), shorten);
                let message = "its author deleted it; it was left out";
                reading.sink.skip(
                    "post",
                    Problem::of_item(ProblemCode::NotImported, path, id, message),
                );
                Ok(())
            })?;
        }
        Ok(())
    }
}
