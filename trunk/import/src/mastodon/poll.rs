//! Polls: a `Question` with its answers.

use rhizome_tuple::Value as Tuple;

use super::Reading;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::part::Part;
use crate::social::social;

impl Reading<'_> {
    /// Hands the answers of a poll over and adds what the post says about it.
    pub(super) fn poll(
        &mut self,
        file: &str,
        item: &str,
        key: &str,
        part: &mut Part<'_>,
        facts: &mut Facts,
        audience: Audience,
    ) -> Result<(), ImportError> {
        let (one, any) = (part.objects("oneOf"), part.objects("anyOf"));
        let multiple = one.is_empty();
        let mut options = Vec::new();
        for (n, option) in (if multiple { any } else { one }).into_iter().enumerate() {
            let mut inner = Part::new(option);
            let key = format!("{key}#poll/{n}");
            let mut said = social("poll-option", audience, &self.names);
            match inner.text("name") {
                Some(name) => said.one(&self.names.name, name),
                None => inner.complain("an answer of the poll has no name"),
            }
            if let Some(replies) = inner.object("replies") {
                said.maybe(&self.names.votes, Part::new(replies).count("totalItems"));
            }
            options.push(Tuple::Ref(self.sink.entity(&key)));
            inner
                .problems(file, item)
                .for_each(|problem| self.sink.problem(problem));
            self.sink
                .record(said.record("poll-option", key, None, None))?;
        }
        facts.list(&self.names.poll, options);
        facts.one(&self.names.poll_multiple, multiple);
        // Mastodon writes the end under both names; `closed` is the time it ended.
        let closes = part.time("endTime").or_else(|| part.time("closed"));
        facts.maybe(&self.names.poll_closes, closes.map(Tuple::Time));
        facts.maybe(&self.names.poll_voters, part.count("votersCount"));
        Ok(())
    }
}
