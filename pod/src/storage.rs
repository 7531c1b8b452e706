//! What takes how much room: by kind, by who wrote it, by month, and files by their type.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rhizome_ipld::PublicKey;
use rhizome_replica::{Aid, Eid, Fact, Snapshot, Word, tag};
use serde_json::{Value as Json, json};

use crate::{Pod, PodError};

/// Lines of each list; what is beyond counts as one more.
const MOST: usize = 100;
/// Months, the newest.
const MOST_MONTHS: usize = 240;
/// Figures this old are good enough, also if something was written since.
const FRESH: Duration = Duration::from_secs(10);
/// Bytes of a value that is no text: a number, a time, a reference.
const WORD: u64 = 8;
/// Folders below the pod's that are gone down to.
const DEPTH: usize = 6;
/// Longest name of a kind or a type that is listed as it is.
const NAME: usize = 80;

/// The figures of last time.
#[derive(Default)]
pub(crate) struct Used(Mutex<Option<(u32, Instant, Arc<Json>)>>);

#[derive(Default, Clone, Copy)]
struct Sum {
    entities: u64,
    commits: u64,
    tuples: u64,
    bytes: u64,
    files: u64,
    file_bytes: u64,
}

impl Sum {
    fn take(&mut self, other: &Self) {
        self.entities += other.entities;
        self.commits += other.commits;
        self.tuples += other.tuples;
        self.bytes += other.bytes;
        self.files += other.files;
        self.file_bytes += other.file_bytes;
    }
}

/// One entity, while its tuples come by.
#[derive(Default)]
struct Entity {
    sum: Sum,
    kind: Option<(Aid, Word)>,
    mime: Option<Word>,
    files: Vec<(Word, u64)>,
}

struct Counting<'s> {
    now: &'s Snapshot,
    /// Sizes of the files that are here.
    sizes: &'s HashMap<Vec<u8>, u64>,
    types: Vec<bool>,
    mimes: Vec<bool>,
    kinds: HashMap<Option<(Aid, Word)>, Sum>,
    media: HashMap<Option<Word>, Sum>,
    /// By the number of a commit.
    commits: Vec<Sum>,
    /// A file counts once, where it is met first.
    seen: HashSet<Word>,
}

impl Counting<'_> {
    fn tuple(&mut self, entity: &mut Entity, fact: Fact, commit: u32) {
        let in_dictionary = matches!(fact.v.tag, tag::TEXT | tag::BYTES | tag::BLOB);
        let len = if in_dictionary {
            self.now.bytes_with(fact.v, |bytes| bytes.len() as u64)
        } else {
            None
        };
        let one = Sum {
            tuples: 1,
            bytes: len.unwrap_or(WORD),
            ..Sum::default()
        };
        entity.sum.take(&one);
        if let Some(sum) = self.commits.get_mut(commit as usize) {
            sum.take(&one);
        }
        let is = |flags: &[bool]| flags.get(fact.a.0 as usize).copied().unwrap_or(false);
        if fact.v.tag == tag::BLOB {
            let size = self
                .now
                .bytes_with(fact.v, |cid| self.sizes.get(cid).copied());
            if let Some(size) = size.flatten() {
                entity.files.push((fact.v, size));
            }
        } else if fact.v.tag == tag::TEXT && is(&self.types) {
            entity.kind.get_or_insert((fact.a, fact.v));
        } else if fact.v.tag == tag::TEXT && is(&self.mimes) {
            entity.mime.get_or_insert(fact.v);
        }
    }

    fn done(&mut self, entity: &Entity) {
        let mut sum = entity.sum;
        sum.entities = 1;
        for (file, size) in &entity.files {
            if self.seen.insert(*file) {
                let one = Sum {
                    files: 1,
                    file_bytes: *size,
                    ..Sum::default()
                };
                sum.take(&one);
                self.media.entry(entity.mime).or_default().take(&one);
            }
        }
        self.kinds.entry(entity.kind).or_default().take(&sum);
    }

    fn text(&self, word: Word) -> String {
        let short = |text: &str| text.chars().take(NAME).collect();
        self.now.text_with(word, short).unwrap_or_default()
    }
}

/// The largest first; of those beyond [`MOST`] one line, by `rest`.
fn largest<K: Ord>(all: HashMap<K, Sum>, rest: K) -> Vec<(K, Sum)> {
    let mut all: Vec<(K, Sum)> = all.into_iter().collect();
    let size = |sum: &Sum| sum.bytes + sum.file_bytes;
    all.sort_by(|x, y| (size(&y.1), &x.0).cmp(&(size(&x.1), &y.0)));
    if all.len() > MOST {
        let mut sum = Sum::default();
        for (_, one) in all.drain(MOST..) {
            sum.take(&one);
        }
        all.push((rest, sum));
    }
    all
}

fn month(ms: i64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(ms).ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    Some(format!("{:04}-{:02}", at.year(), at.month()))
}

/// Bytes of what is in a folder. What cannot be read, or is a link, counts as nothing.
fn on_disk(path: &Path, depth: usize) -> u64 {
    let Ok(meta) = path.symlink_metadata() else {
        return 0;
    };
    if !meta.is_dir() {
        return if meta.is_file() { meta.len() } else { 0 };
    }
    let inside = path.read_dir().ok().filter(|_| depth > 0);
    let inside = inside.into_iter().flatten().flatten();
    inside.map(|entry| on_disk(&entry.path(), depth - 1)).sum()
}

impl Pod {
    /// What takes how much room: see `docs/api.md`. Reads every tuple when something was written since it was asked last, at most every ten seconds.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn storage(&self) -> Result<Arc<Json>, PodError> {
        // held while it is counted, so that nobody counts at the same time
        let mut known = self.used().0.lock();
        let now = self.replica().snapshot();
        if let Some((commits, at, found)) = &*known
            && (*commits == now.commit_count() || at.elapsed() < FRESH)
        {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(self.count_storage(&now)?);
        *known = Some((now.commit_count(), Instant::now(), Arc::clone(&found)));
        Ok(found)
    }

    fn count_storage(&self, now: &Snapshot) -> Result<Json, PodError> {
        let start = Instant::now();
        let mut sizes = HashMap::new();
        for file in self.blobs().iter() {
            let (cid, size) = file?;
            sizes.insert(cid.to_bytes(), size);
        }
        let ends = |end: &'static str| now.attributes().map(move |(_, name)| name.ends_with(end));
        let mut counting = Counting {
            now,
            sizes: &sizes,
            types: ends("/type").collect(),
            mimes: ends("/mime").collect(),
            kinds: HashMap::new(),
            media: HashMap::new(),
            commits: vec![Sum::default(); now.commit_count() as usize],
            seen: HashSet::new(),
        };
        let mut last: Option<(Eid, Entity)> = None;
        now.said_in(|fact, commit| {
            if last.as_ref().is_none_or(|(e, _)| *e != fact.e)
                && let Some((_, done)) = last.replace((fact.e, Entity::default()))
            {
                counting.done(&done);
            }
            if let Some((_, entity)) = &mut last {
                counting.tuple(entity, fact, commit);
            }
            true
        });
        if let Some((_, done)) = &last {
            counting.done(done);
        }
        now.fault()?;
        let mut months: BTreeMap<String, Sum> = BTreeMap::new();
        let mut writers: HashMap<PublicKey, Sum> = HashMap::new();
        for (number, sum) in (0..).zip(&counting.commits) {
            let Some(meta) = now.commit_meta(number) else {
                continue;
            };
            let sum = Sum { commits: 1, ..*sum };
            writers.entry(meta.author).or_default().take(&sum);
            if let Some(month) = month(meta.hlc.ms()) {
                months.entry(month).or_default().take(&sum);
            }
        }
        let mut kinds: HashMap<Option<(String, String)>, Sum> = HashMap::new();
        for (kind, sum) in &counting.kinds {
            let name = kind.map(|(a, word)| {
                let attribute = now.attribute(a).unwrap_or_default();
                let schema = attribute.trim_end_matches("/type").chars().take(NAME);
                (schema.collect(), counting.text(word))
            });
            kinds.entry(name).or_default().take(sum);
        }
        let mut media: HashMap<Option<String>, Sum> = HashMap::new();
        for (mime, sum) in &counting.media {
            let name = mime.map(|word| counting.text(word));
            media.entry(name).or_default().take(sum);
        }
        let unnamed = sizes.len() as u64 - counting.seen.len().min(sizes.len()) as u64;
        let all_files: u64 = sizes.values().sum();
        let named_bytes: u64 = media.values().map(|sum| sum.file_bytes).sum();
        let skip = months.len().saturating_sub(MOST_MONTHS);
        let home = self.home().directory();
        let disk = |name: &str| on_disk(&home.join(name), DEPTH);
        let (tuples, files) = (disk("pod.redb"), disk("blobs"));
        let total = on_disk(home, DEPTH);
        Ok(json!({
            "disk": {
                "total": total,
                "tuples": tuples,
                "files": files,
                "other": total.saturating_sub(tuples + files),
            },
            "tuples": now.len(),
            "commits": now.commit_count(),
            "kinds": largest(kinds, None).iter().map(|(kind, sum)| json!({
                "schema": kind.as_ref().map(|(schema, _)| schema),
                "kind": kind.as_ref().map(|(_, kind)| kind),
                "entities": sum.entities,
                "tuples": sum.tuples,
                "bytes": sum.bytes,
                "files": sum.files,
                "file_bytes": sum.file_bytes,
            })).collect::<Vec<_>>(),
            "apps": self.by_app(now, writers),
            "files": {
                "count": sizes.len(),
                "bytes": all_files,
                "unnamed": { "count": unnamed, "bytes": all_files.saturating_sub(named_bytes) },
                "types": largest(media, None).iter().map(|(mime, sum)| json!({
                    "type": mime,
                    "count": sum.files,
                    "bytes": sum.file_bytes,
                })).collect::<Vec<_>>(),
            },
            "months": months.iter().skip(skip).map(|(month, sum)| json!({
                "month": month,
                "commits": sum.commits,
                "tuples": sum.tuples,
                "bytes": sum.bytes,
            })).collect::<Vec<_>>(),
            "took_ms": start.elapsed().as_millis() as u64,
        }))
    }

    /// By the name of what wrote, on whichever device.
    fn by_app(&self, now: &Snapshot, writers: HashMap<PublicKey, Sum>) -> Vec<Json> {
        let names = self.process_names();
        let mut apps: HashMap<Option<String>, Sum> = HashMap::new();
        for (key, sum) in writers {
            let own = names.get(&key).cloned();
            let app = own.or_else(|| self.process_name_in(now, &key));
            apps.entry(app).or_default().take(&sum);
        }
        let line = |(app, sum): &(Option<String>, Sum)| {
            json!({
                "app": app,
                "commits": sum.commits,
                "tuples": sum.tuples,
                "bytes": sum.bytes,
            })
        };
        largest(apps, None).iter().map(line).collect()
    }
}
