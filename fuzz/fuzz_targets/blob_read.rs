//! Blobs on a damaged disk: what is read is what was stored, or an error that names the blob.
#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use rhizome_blob::{BlobError, BlobStore, Cid};
use tempfile::TempDir;

struct Sample {
    _directory: TempDir,
    store: BlobStore,
    cid: Cid,
    bytes: Vec<u8>,
    tree: Vec<u8>,
    /// Where the bytes and their tree lie.
    paths: [PathBuf; 2],
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let store = BlobStore::in_directory(directory.path()).expect("a store");
    let bytes: Vec<u8> = (0..50_000_u32)
        .map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect();
    let cid = store.put_bytes(&bytes).expect("stored");
    let digest: [u8; 32] = cid.hash().digest().try_into().expect("32 bytes");
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let path = |extension| {
        directory
            .path()
            .join(&hex[..2])
            .join(format!("{}.{extension}", &hex[2..]))
    };
    let paths = [path("blob"), path("obao4")];
    let tree = fs::read(&paths[1]).expect("the tree");
    Sample {
        store,
        cid,
        bytes,
        tree,
        paths,
        _directory: directory,
    }
});

// Three bytes for the length of each file, then edits of four: which file, where, and what to flip.
fuzz_target!(|data: &[u8]| {
    let sample = &*SAMPLE;
    let Some((lengths, edits)) = data.split_at_checked(6) else {
        return;
    };
    for (i, sound) in [&sample.bytes, &sample.tree].into_iter().enumerate() {
        let mut file = sound.clone();
        let [kind, a, b] = [lengths[3 * i], lengths[3 * i + 1], lengths[3 * i + 2]];
        let by = usize::from(u16::from_le_bytes([a, b]));
        match kind % 4 {
            0 => file.truncate(by),
            1 => file.resize(sound.len() + by, kind),
            _ => {}
        }
        for edit in edits
            .chunks_exact(4)
            .filter(|edit| usize::from(edit[0]) % 2 == i)
        {
            let at = usize::from(u16::from_le_bytes([edit[1], edit[2]]));
            if let Some(byte) = file.get_mut(at) {
                *byte ^= edit[3];
            }
        }
        fs::write(&sample.paths[i], file).expect("written");
    }
    let right = |error| match error {
        BlobError::Corrupt { cid } if cid == sample.cid => (),
        other => panic!("{other}"),
    };
    match sample.store.open(&sample.cid) {
        Err(error) => right(error),
        Ok(blob) => {
            assert_eq!(blob.len(), sample.bytes.len() as u64);
            for start in (0..sample.bytes.len()).step_by(9973) {
                match blob.read_range(start as u64, 9973) {
                    Err(error) => right(error),
                    Ok(read) => {
                        let end = (start + 9973).min(sample.bytes.len());
                        assert!(read == sample.bytes[start..end]);
                    }
                }
            }
        }
    }
});
