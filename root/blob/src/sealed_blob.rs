//! A blob of this device in its sealed form, without a sealed copy on disk.

use std::{fs::File, io};

use blake3::Hash;
use rhizome_ipld::Cid;

use crate::{
    Blob, BlobError, BlobKey, SealedReader,
    incoming::temporary,
    location::cid_of,
    segment::{Cipher, SEALED, SEGMENT, TAG, sealed_len},
    slice::encode,
    tree::{Data, ReadError, build_from},
};

/// A blob as a sealed peer will hold it. Segments are sealed again each time they are read; on disk
/// is only the hash tree of the ciphertext, in a file without a name.
pub struct SealedBlob {
    blob: Blob,
    segments: Segments,
    len: u64,
    root: Hash,
    tree: File,
}

struct Segments {
    cipher: Cipher,
    /// The segment sealed last, since four groups are of one.
    cached: Option<(u64, Vec<u8>)>,
}

impl SealedBlob {
    /// Seals `blob` once to learn the hash of the ciphertext. `key` must be its key.
    pub fn new(blob: Blob, key: &BlobKey) -> Result<Self, BlobError> {
        let len = sealed_len(blob.len());
        let tree = temporary(blob.store_root())?.into_file();
        let out = tree.try_clone().map_err(BlobError::Source)?;
        let sealed = SealedReader::new(blob.reader(0, u64::MAX), key);
        let root = build_from(sealed, len, out).map_err(|error| match error.downcast() {
            Ok(error) => error,
            Err(error) => BlobError::io(blob.store_root())(error),
        })?;
        Ok(Self {
            segments: Segments {
                cipher: Cipher::new(key),
                cached: None,
            },
            blob,
            len,
            root,
            tree,
        })
    }

    /// The name of the plaintext.
    pub fn cid(&self) -> &Cid {
        self.blob.cid()
    }

    /// The name of the ciphertext.
    pub fn root(&self) -> Cid {
        cid_of(&self.root)
    }

    /// Bytes of ciphertext.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: the empty blob is a tag when it is sealed.
    pub fn is_empty(&self) -> bool {
        false
    }

    pub(crate) fn hash(&self) -> Hash {
        self.root
    }

    pub(crate) fn slice(&mut self, offset: u64, wanted: u64) -> Result<Vec<u8>, BlobError> {
        let data = Reading {
            blob: &self.blob,
            segments: &mut self.segments,
        };
        let encoded = encode(data, Some(&self.tree), self.root, self.len, offset, wanted);
        encoded.map_err(|error| match error {
            ReadError::Io(error) => error
                .downcast()
                .unwrap_or_else(BlobError::io(self.blob.store_root())),
            // The tree is a temporary file of ours; with the data gone bad, `blob` says so itself.
            ReadError::Data | ReadError::Tree => BlobError::Corrupt {
                cid: *self.blob.cid(),
            },
        })
    }
}

struct Reading<'a> {
    blob: &'a Blob,
    segments: &'a mut Segments,
}

impl Reading<'_> {
    fn segment(&mut self, index: u64) -> Result<&[u8], BlobError> {
        if self
            .segments
            .cached
            .as_ref()
            .is_none_or(|(at, _)| *at != index)
        {
            let start = index * SEGMENT;
            let mut segment = self.blob.read_range(start, SEGMENT)?;
            segment.reserve_exact(TAG as usize);
            let last = start + SEGMENT >= self.blob.len();
            self.segments.cipher.seal(index, last, &mut segment);
            self.segments.cached = Some((index, segment));
        }
        match &self.segments.cached {
            Some((_, segment)) => Ok(segment),
            None => Ok(&[]),
        }
    }
}

impl Data for Reading<'_> {
    fn read_exact_at(&mut self, mut start: u64, mut into: &mut [u8]) -> Result<(), ReadError> {
        while !into.is_empty() {
            let segment = self
                .segment(start / SEALED)
                .map_err(|error| ReadError::Io(io::Error::other(error)))?;
            let from = segment
                .get((start % SEALED) as usize..)
                .filter(|from| !from.is_empty())
                .ok_or(ReadError::Data)?;
            let (now, later) = into.split_at_mut(from.len().min(into.len()));
            now.copy_from_slice(&from[..now.len()]);
            start += now.len() as u64;
            into = later;
        }
        Ok(())
    }
}
