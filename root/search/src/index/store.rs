//! The index's files.

use std::{fs, path::Path};

use rhizome_replica::{Eid, Snapshot};
use tantivy::{
    IndexReader, IndexWriter, ReloadPolicy, TantivyError,
    directory::MmapDirectory,
    indexer::{IndexWriterOptions, LogMergePolicy},
};

use crate::{SearchError, fields::Fields};

/// Memory of the one thread that writes.
const MEMORY: usize = 48 << 20;
/// So many entities of the highest numbers, and as many spread over the others, are looked at to tell whether numbers are still the same.
const LOOKED_AT: u32 = 4_096;

/// The index in a directory.
pub(super) fn open(directory: &Path, fields: &Fields) -> Result<tantivy::Index, SearchError> {
    make(directory)?;
    match attempt(directory, fields) {
        Ok(index) => Ok(index),
        Err(error) if is_busy(&error) => Err(error.into()),
        Err(_) => {
            fs::remove_dir_all(directory)?;
            make(directory)?;
            Ok(attempt(directory, fields)?)
        }
    }
}

fn make(directory: &Path) -> Result<(), SearchError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    Ok(builder.create(directory)?)
}

fn attempt(directory: &Path, fields: &Fields) -> Result<tantivy::Index, TantivyError> {
    let directory = MmapDirectory::open(directory)?;
    let mut index = tantivy::Index::open_or_create(directory, fields.schema.clone())?;
    index.set_tokenizers(Fields::tokenizers());
    // files that are missing or cut off show here
    reader(&index)?;
    Ok(index)
}

fn is_busy(error: &TantivyError) -> bool {
    matches!(error, TantivyError::LockFailure(..))
}

pub(super) fn in_memory(fields: &Fields) -> tantivy::Index {
    let mut index = tantivy::Index::create_in_ram(fields.schema.clone());
    index.set_tokenizers(Fields::tokenizers());
    index
}

pub(super) fn reader(index: &tantivy::Index) -> Result<IndexReader, TantivyError> {
    index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .try_into()
}

pub(super) fn writer(index: &tantivy::Index) -> Result<IndexWriter, TantivyError> {
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(MEMORY)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter = index.writer_with_options(options)?;
    let mut policy = LogMergePolicy::default();
    // texts that are no more are not to stay in the files for long
    policy.set_del_docs_ratio_before_merge(0.2);
    writer.set_merge_policy(Box::new(policy));
    Ok(writer)
}

/// Keeps what was written. `stamp`: of which moment it is the index, if of just one.
pub(super) fn commit(writer: &mut IndexWriter, stamp: Option<&str>) -> Result<(), TantivyError> {
    let mut prepared = writer.prepare_commit()?;
    prepared.set_payload(stamp.unwrap_or_default());
    prepared.commit()?;
    Ok(())
}

/// Which moment it is, and which numbers entities have in it.
pub(super) fn stamp(now: &Snapshot) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("rhizome search stamp v1");
    let clock = now.clock();
    hasher.update(format!("{clock:?}").as_bytes());
    hasher.update(&now.commit_count().to_le_bytes());
    hasher.update(&now.len().to_le_bytes());
    hasher.update(&now.entity_count().to_le_bytes());
    hasher.update(&now.erasures().1);
    let count = now.entity_count();
    let last = count.saturating_sub(LOOKED_AT);
    let spread = (0..last).step_by((last / LOOKED_AT + 1) as usize);
    for e in spread.chain(last..count) {
        if let Some(id) = now.entity_id(Eid(e)) {
            hasher.update(id.as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}
