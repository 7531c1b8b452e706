//! What an app did.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::home::now_ms;

/// Entries that are kept of one app, the newest.
const MAX_ENTRIES: usize = 500;
/// The same within this time is one entry, in milliseconds.
const TOGETHER: i64 = 60_000;
/// How often it is saved at most.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Bytes of a note.
const MAX_NOTE: usize = 200;
/// Bytes of what is read back.
const MAX_FILE: u64 = 1 << 20;

/// Kinds of what an app does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// It was let in.
    Came,
    /// It asked.
    Query,
    /// It follows a query or entities.
    Live,
    /// It read an entity.
    Entity,
    /// It read or brought a file.
    File,
    /// It wrote.
    Write,
    /// It proposed.
    Propose,
    /// Something was refused.
    Refused,
    /// It left, or was sent away.
    Left,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    at_ms: i64,
    kind: Doing,
    count: u64,
    note: Option<String>,
}

struct Log {
    entries: VecDeque<Entry>,
    dirty: bool,
    saved: Option<Instant>,
}

/// The activity of one app on this device, in a file of its own.
pub(super) struct Activity {
    file: PathBuf,
    log: Mutex<Log>,
}

impl Activity {
    /// Reads what is there. What cannot be read is begun anew.
    pub fn open(directory: &Path, id: &str) -> Self {
        let name = blake3::hash(id.as_bytes()).to_hex();
        let file = directory.join(format!("{}.json", &name[..32]));
        let small = fs::metadata(&file).is_ok_and(|m| m.len() <= MAX_FILE);
        let read = small.then(|| fs::read(&file).ok()).flatten();
        let entries: Option<VecDeque<Entry>> =
            read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            file,
            log: Mutex::new(Log {
                entries: entries.unwrap_or_default(),
                dirty: false,
                saved: None,
            }),
        }
    }

    /// Notes that it did something.
    pub fn note(&self, kind: Doing, note: Option<&str>) {
        let now = now_ms();
        let note = note.map(|text| {
            let mut end = text.len().min(MAX_NOTE);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text[..end].to_owned()
        });
        let mut log = self.log.lock();
        let same = log.entries.iter_mut().rev().take(8).find(|last| {
            last.kind == kind && last.note == note && now.saturating_sub(last.at_ms) < TOGETHER
        });
        if let Some(same) = same {
            same.count += 1;
        } else {
            if log.entries.len() >= MAX_ENTRIES {
                log.entries.pop_front();
            }
            log.entries.push_back(Entry {
                at_ms: now,
                kind,
                count: 1,
                note,
            });
        }
        log.dirty = true;
        if log.saved.is_none_or(|at| at.elapsed() >= SAVE_EVERY) {
            self.save(&mut log);
        }
    }

    fn save(&self, log: &mut Log) {
        log.saved = Some(Instant::now());
        log.dirty = false;
        let write = || -> io::Result<()> {
            if let Some(directory) = self.file.parent() {
                crate::home::make_private(directory)
                    .map_err(|e| io::Error::other(e.to_string()))?;
            }
            let new = self.file.with_extension("new");
            fs::write(&new, serde_json::to_vec(&log.entries)?)?;
            fs::rename(&new, &self.file)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "the activity of an app was not saved");
        }
    }

    /// When it did something last, in milliseconds since 1970.
    pub fn last_ms(&self) -> Option<i64> {
        self.log.lock().entries.back().map(|e| e.at_ms)
    }

    /// The newest first.
    pub fn to_json(&self) -> Json {
        let log = self.log.lock();
        let all: Vec<&Entry> = log.entries.iter().rev().collect();
        json!(all)
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        let mut log = std::mem::replace(
            self.log.get_mut(),
            Log {
                entries: VecDeque::new(),
                dirty: false,
                saved: None,
            },
        );
        if log.dirty {
            self.save(&mut log);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_counted_and_all_of_it_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("apps");
        {
            let activity = Activity::open(&directory, "one");
            activity.note(Doing::Came, None);
            for _ in 0..3 {
                activity.note(Doing::Query, None);
            }
            activity.note(Doing::Refused, Some(&"ü".repeat(300)));
        }
        let activity = Activity::open(&directory, "one");
        let all = activity.to_json();
        assert_eq!(all.as_array().unwrap().len(), 3);
        assert_eq!(
            (&all[1]["kind"], &all[1]["count"]),
            (&json!("query"), &json!(3))
        );
        assert_eq!(all[0]["note"].as_str().unwrap().len(), MAX_NOTE);
        for n in 0..MAX_ENTRIES {
            activity.note(Doing::Write, Some(&n.to_string()));
        }
        assert_eq!(activity.to_json().as_array().unwrap().len(), MAX_ENTRIES);
        assert!(Activity::open(&directory, "two").last_ms().is_none());
    }
}
