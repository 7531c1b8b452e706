//! What a blob store promises, on sound disks and on damaged ones.

use std::{
    fs,
    io::{self, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rhizome_blob::{BlobError, BlobStore, Cid};
use tempfile::TempDir;

mod damage;
mod fetching;
mod messages;
mod pushing;
mod quotas;
mod ranges;
mod reading;
mod sealed_peer;
mod sealing;
mod storing;
mod vectors;
mod wire;

const GROUP: usize = 16 << 10;

/// Lengths around every boundary of the tree.
const LENGTHS: &[usize] = &[
    0,
    1,
    1023,
    1024,
    1025,
    GROUP - 1,
    GROUP,
    GROUP + 1,
    2 * GROUP,
    2 * GROUP + 1,
    3 * GROUP,
    5 * GROUP + 700,
    16 * GROUP,
    33 * GROUP + 1,
];

/// `len` bytes that are different for each length and everywhere.
fn sample(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(&len.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn store() -> (TempDir, BlobStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = BlobStore::in_directory(directory.path().join("blobs")).unwrap();
    (directory, store)
}

fn file_of(store: &BlobStore, cid: &Cid, extension: &str) -> PathBuf {
    let digest: [u8; 32] = cid.hash().digest().try_into().unwrap();
    let hex = blake3::Hash::from(digest).to_hex();
    store
        .directory()
        .join(&hex[..2])
        .join(format!("{}.{extension}", &hex[2..]))
}
