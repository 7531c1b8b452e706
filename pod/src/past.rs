//! The pod as it was, and the commits that made it what it is.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use rhizome_replica::{CommitMeta, Cut, Snapshot};
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

use crate::{
    EntityDetail, Pod, PodError, Stop, entity,
    home::now_ms,
    json::{ValueError, from_json},
    query::query_in,
};

/// Tuples of a pod of which other moments can be asked: such a moment is made anew in memory, from everything that was said up to it.
pub const MOST_AS_OF: u64 = 4_000_000;
/// Moments that are kept for the next question.
const KEPT: usize = 4;
/// Tuples in all of those together, beyond the newest.
const KEPT_TUPLES: u64 = 2_000_000;
/// Who may wait for a moment that is being made.
const WAITING: usize = 8;
/// Commits that are listed at once.
const MOST_COMMITS: usize = 500;
/// Entities that are named of each.
const NAMED: u32 = 3;
/// Times that are listed.
const MOST_TIMES: usize = 1_000;

/// What a moment is known by: how many commits there are, which of them have no effect, and the time of the newest that it has.
type Key = (u32, [u8; 32], Option<i64>);

/// Moments that were asked for.
#[derive(Default)]
pub(crate) struct Past {
    kept: Mutex<VecDeque<(Key, Snapshot)>>,
    /// Held while one is made: it takes a processor and memory.
    making: Mutex<()>,
    waiting: AtomicUsize,
}

struct Waiting<'w>(&'w AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Past {
    fn find(&self, key: &Key) -> Option<Snapshot> {
        let mut kept = self.kept.lock();
        let at = kept.iter().position(|(other, _)| other == key)?;
        let found = kept.remove(at)?;
        let moment = found.1.clone();
        kept.push_front(found);
        Some(moment)
    }

    fn keep(&self, key: Key, moment: &Snapshot) {
        let mut kept = self.kept.lock();
        // what is of fewer commits is not asked for again
        kept.retain(|((commits, void, _), _)| (*commits, void) == (key.0, &key.1));
        kept.push_front((key, moment.clone()));
        let mut tuples = 0;
        let most = kept.iter().take(KEPT).take_while(|(_, moment)| {
            let room = tuples <= KEPT_TUPLES;
            tuples += moment.len();
            room
        });
        let most = most.count().max(1);
        kept.truncate(most);
    }

    /// The pod as it was at a time.
    fn at(&self, now: &Snapshot, ms: i64) -> Result<Snapshot, PodError> {
        let times = || commits(now).map(|(_, meta)| meta.hlc.ms());
        let last = times().filter(|at| *at <= ms).max();
        if last == times().max() {
            return Ok(now.clone());
        }
        if now.len() > MOST_AS_OF {
            return Err(PodError::Request(format!(
                "as it was can be asked of a pod of at most {MOST_AS_OF} tuples, and this one has {}: look at the history of single entities",
                now.len()
            )));
        }
        let key = (now.commit_count(), now.void_digest(), last);
        if let Some(moment) = self.find(&key) {
            return Ok(moment);
        }
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING {
            return Err(PodError::Busy(
                "several other moments of the pod are being made: ask again when they are done"
                    .into(),
            ));
        }
        let _alone = self.making.lock();
        // somebody else may have asked for the same
        if let Some(moment) = self.find(&key) {
            return Ok(moment);
        }
        let moment = now.as_of(&Cut::Time(ms))?;
        self.keep(key, &moment);
        Ok(moment)
    }
}

fn commits(now: &Snapshot) -> impl DoubleEndedIterator<Item = (u32, CommitMeta)> + '_ {
    (0..now.commit_count()).filter_map(|number| Some((number, now.commit_meta(number)?)))
}

/// Milliseconds since 1970 as a number; a date and time as in RFC 3339; or a date alone, for its end in UTC.
///
/// # Errors
/// [`ValueError::Time`] for anything else.
pub fn parse_time(text: &str) -> Result<i64, ValueError> {
    let text = text.trim();
    let end_of_day = || {
        let day = text.parse::<jiff::civil::Date>().ok()?.tomorrow().ok()?;
        let end = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(end.timestamp().as_millisecond() - 1)
    };
    let moment = || match from_json(&json!({ "time": text })) {
        Ok(Value::Time(ms)) => Some(ms),
        _ => None,
    };
    let number = text.parse::<i64>().ok();
    let found = number.or_else(moment).or_else(end_of_day);
    found.ok_or_else(|| ValueError::Time(text.chars().take(60).collect()))
}

impl Pod {
    /// As [`Pod::query`], of the pod as it was at a time, by the clocks of those who wrote. It costs what was ever written up to then, once: the last few moments are kept.
    ///
    /// # Errors
    /// As there; [`PodError::Request`] for a pod of more than [`MOST_AS_OF`] tuples, [`PodError::Busy`] if several others wait for other moments.
    pub fn query_as_of(
        &self,
        ms: i64,
        q: &Json,
        inputs: &[Json],
        stop: &Stop,
    ) -> Result<Json, PodError> {
        let moment = self.past().at(&self.replica().snapshot(), ms)?;
        query_in(&moment, q, inputs, stop)
    }

    /// As [`Pod::entity`], as it was at a time, without what refers to it. It costs what was ever said of this entity.
    ///
    /// # Errors
    /// As there.
    pub fn entity_as_of(&self, id: &EntityId, ms: i64) -> Result<EntityDetail, PodError> {
        let now = self.replica().snapshot();
        let only = BTreeSet::from([*id]);
        let moment = now.part_as_of(&only, |commit| commit.hlc.ms() <= ms)?;
        entity::detail(self, (&moment, &now), id, now_ms())
    }

    /// Commits, the newest first as they came here: `{"commits": [{"commit", "number", "at", "device", "app", "counts", "entities", "about"}…], "total"}`. `before` is
    /// a number that an earlier answer gave; at most 500 are listed.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn commits(&self, before: Option<u32>, limit: usize) -> Result<Json, PodError> {
        let now = self.replica().snapshot();
        let names = self.process_names();
        let end = before.unwrap_or(u32::MAX).min(now.commit_count());
        let mut out = Vec::new();
        for number in (0..end).rev().take(limit.min(MOST_COMMITS)) {
            let Some(meta) = now.commit_meta(number) else {
                continue;
            };
            let own = names.get(&meta.author).cloned();
            let app = own.or_else(|| self.process_name_in(&now, &meta.author));
            let about = now.about(number, NAMED)?;
            out.push(json!({
                "commit": meta.id.to_string(),
                "number": number,
                "at": meta.hlc.display_ms(now_ms()),
                "device": meta.author.to_string(),
                "app": app,
                "counts": meta.counts,
                "entities": meta.leaves,
                "about": about.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }));
        }
        now.fault()?;
        Ok(json!({ "commits": out, "total": now.commit_count() }))
    }

    /// The times at which something was written, in order, each once: `{"times": […], "total"}`. Of more than a thousand, a thousand that are spread evenly, the first and the last among
    /// them.
    pub fn commit_times(&self) -> Json {
        let now = self.replica().snapshot();
        let all: BTreeSet<i64> = commits(&now).map(|(_, meta)| meta.hlc.ms()).collect();
        let total = all.len();
        let last = total.saturating_sub(1);
        let wanted: BTreeSet<usize> = (0..MOST_TIMES.min(total))
            .map(|n| n * last / MOST_TIMES.min(total).saturating_sub(1).max(1))
            .collect();
        let times = all.into_iter().enumerate();
        let times: Vec<i64> = times
            .filter(|(place, _)| wanted.contains(place))
            .map(|(_, at)| at)
            .collect();
        json!({ "times": times, "total": total })
    }
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn times_are_numbers_moments_or_days() {
        assert_eq!(parse_time(" 1658986552000 ").unwrap(), 1_658_986_552_000);
        assert_eq!(
            parse_time("2022-07-28T05:35:52Z").unwrap(),
            1_658_986_552_000
        );
        assert_eq!(parse_time("1970-01-01").unwrap(), 86_399_999);
        for wrong in ["", "yesterday", "2022-13-01", "9999-12-31"] {
            let said = parse_time(wrong).unwrap_err().to_string();
            assert!(said.contains("not a time"), "{said}");
        }
    }
}
