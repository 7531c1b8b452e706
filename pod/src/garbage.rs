//! Files that nothing names any more: they go once they have been like that for a while, so that what is undone finds them.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    time::{Duration, SystemTime},
};

use rhizome_blob::{BlobError, Cid};
use rhizome_ipld::cid_raw_blake3;
use rhizome_replica::{Snapshot, key, tag};
use rhizome_tuple::Value;
use rhizome_view::is_reserved;
use serde::Serialize;

use crate::{
    Pod, PodError,
    home::{now_ms, replace_file},
    json::blob_cid,
};

/// Days for which a file stays after it was last named.
pub const GARBAGE_DAYS: u32 = 30;
const DAY_MS: i64 = 86_400_000;
/// A file that came within this time may be about to be named.
const FRESH: Duration = Duration::from_hours(1);
/// What a file's name begins with, in bytes and as text.
const BINARY: [u8; 4] = [0x01, 0x55, 0x1e, 0x20];
const TEXT: &str = "bafkr4i";
/// Characters of a file's name.
const TEXT_LEN: usize = 59;

/// What a collection did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Files that went.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that nothing names and that stay for now.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
}

impl Pod {
    /// Removes files that nothing has named for `days`. Named is what a current tuple names, here or in what is shared; a value that another one written at the
    /// same time hides; and what a draft, a proposal or other bookkeeping mentions. With `dry_run` nothing is removed.
    ///
    /// # Errors
    /// Those of reading the pod and the files. What was removed until then was garbage.
    pub fn collect_garbage(&self, days: u32, dry_run: bool) -> Result<Collected, PodError> {
        // an import stores files before it names them
        let _no_import = self.importing();
        let named = self.named_files()?;
        let mut unnamed = BTreeMap::new();
        for blob in self.blobs().iter() {
            let (cid, bytes) = blob?;
            if !named.contains(&cid) {
                unnamed.insert(cid, bytes);
            }
        }
        let now = now_ms();
        let mut since = self.unnamed_since();
        since.retain(|cid, _| unnamed.contains_key(cid));
        for cid in unnamed.keys() {
            // a clock that was set back makes nothing go early
            let at = since.entry(*cid).or_insert(now);
            *at = (*at).min(now);
        }
        let wait = i64::from(days) * DAY_MS;
        let due = |cid: &Cid| since.get(cid).is_some_and(|at| now - at >= wait);
        let mut out = Collected::default();
        let mut gone = Vec::new();
        // what was named meanwhile
        let again = if dry_run { named } else { self.named_files()? };
        for (cid, bytes) in unnamed {
            if !due(&cid) || again.contains(&cid) || self.has_just_come(&cid)? {
                out.waiting += 1;
                out.waiting_bytes += bytes;
                continue;
            }
            if !dry_run {
                self.blobs().remove(&cid)?;
                gone.push(cid);
            }
            out.files += 1;
            out.bytes += bytes;
        }
        for cid in gone {
            since.remove(&cid);
        }
        self.keep_unnamed(&since)?;
        Ok(out)
    }

    fn has_just_come(&self, cid: &Cid) -> Result<bool, PodError> {
        match self.blobs().arrived(cid) {
            Ok(at) => Ok(SystemTime::now()
                .duration_since(at)
                .is_ok_and(|age| age < FRESH)),
            Err(BlobError::Missing(_)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn named_files(&self) -> Result<HashSet<Cid>, PodError> {
        let mut named = HashSet::new();
        mark(&self.replica().snapshot(), &mut named)?;
        for view in self.views()?.list() {
            mark(&view.member()?.replica().snapshot(), &mut named)?;
        }
        for proposal in self.proposals()? {
            mark_text(&proposal.to_json().to_string(), &mut named);
        }
        Ok(named)
    }

    fn unnamed_since(&self) -> BTreeMap<Cid, i64> {
        let text = fs::read(self.home().directory().join("garbage.json")).unwrap_or_default();
        let all: BTreeMap<String, i64> = serde_json::from_slice(&text).unwrap_or_default();
        let each = all.into_iter();
        each.filter_map(|(cid, at)| Some((blob_cid(&cid)?, at)))
            .collect()
    }

    fn keep_unnamed(&self, since: &BTreeMap<Cid, i64>) -> Result<(), PodError> {
        let path = self.home().directory().join("garbage.json");
        let all: BTreeMap<String, i64> = since.iter().map(|(c, at)| (c.to_string(), *at)).collect();
        let text = serde_json::to_vec(&all)
            .map_err(|error| PodError::file(&path, io::Error::other(error)))?;
        replace_file(&path, &text)
    }
}

/// What a pod or a view names.
fn mark(now: &Snapshot, named: &mut HashSet<Cid>) -> Result<(), PodError> {
    for k in now.eav().range(0, u128::MAX) {
        let fact = key::un_eav(k);
        if fact.v.tag == tag::BLOB {
            if let Some(Value::Blob(cid)) = now.value(fact.v) {
                named.insert(cid);
            }
        } else if now.attribute(fact.a).is_some_and(is_reserved) {
            // whatever it is that is written there: what looks like the name of a file is taken for one
            match now.value(fact.v) {
                Some(Value::Text(text)) => mark_text(&text, named),
                Some(Value::Bytes(bytes)) => mark_bytes(&bytes, named),
                _ => {}
            }
        }
    }
    for (e, a) in now.all_conflicts()? {
        for (value, _) in now.conflicts(e, a)? {
            if let Value::Blob(cid) = value {
                named.insert(cid);
            }
        }
    }
    now.fault()?;
    Ok(())
}

fn mark_text(text: &str, named: &mut HashSet<Cid>) {
    for (at, _) in text.match_indices(TEXT) {
        named.extend(text.get(at..at + TEXT_LEN).and_then(blob_cid));
    }
}

fn mark_bytes(bytes: &[u8], named: &mut HashSet<Cid>) {
    let starts = bytes.windows(BINARY.len()).enumerate();
    for (at, _) in starts.filter(|(_, start)| *start == BINARY) {
        let digest = bytes.get(at + 4..at + 36);
        let digest: Option<[u8; 32]> = digest.and_then(|digest| digest.try_into().ok());
        named.extend(digest.map(cid_raw_blake3));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        mark_text(text, named);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_text_and_in_bytes() {
        let cid = cid_raw_blake3([7; 32]);
        assert_eq!(cid.to_string().len(), TEXT_LEN);
        assert!(cid.to_string().starts_with(TEXT));
        let mut found = HashSet::new();
        mark_text(&format!("{{\"blob\":\"{cid}\"}} bafkr4i"), &mut found);
        assert!(found.contains(&cid) && found.len() == 1);
        let mut bytes = vec![1, 0x55];
        bytes.extend(cid.to_bytes());
        bytes.extend(BINARY);
        let mut found = HashSet::new();
        mark_bytes(&bytes, &mut found);
        assert!(found.contains(&cid) && found.len() == 1);
    }
}
